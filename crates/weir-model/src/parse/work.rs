//! What every step of parsing shares.

use std::collections::HashMap;
use std::sync::Arc;

use weir_jinja::{Error, ErrorKind, Interpreter, Names, Rendering, Template, UndefinedPolicy};

use super::relation::Naming;
use super::stage::{Captured, Facts, Stage};
use crate::context::{Context, MacroTable, Shared};
use crate::error::{ModelError, ModelErrorKind, Place, excerpt};
use crate::project::Project;

/// What every step of parsing shares.
pub(super) struct Work {
    pub(super) shared: Arc<Shared>,
    pub(super) naming: Naming,
    /// The texts of macro files, to show what failed in them.
    pub(super) macro_texts: HashMap<Arc<str>, Template>,
    pub(super) created_at: f64,
    pub(super) threads: usize,
}

impl Work {
    pub(super) fn project(&self) -> &Arc<Project> {
        &self.shared.project
    }

    pub(super) fn macros(&self) -> &Arc<MacroTable> {
        &self.shared.macros
    }

    pub(super) fn chain(&self) -> &[String] {
        &self.shared.dialect.chain
    }

    /// Makes the names of one node, and the stage that takes down what its templates do.
    pub(super) fn stage(&self, facts: Facts) -> (Arc<Stage>, Arc<Context>) {
        let package = Arc::clone(&facts.package);
        let stage = Stage::new(facts, Arc::clone(self.macros()));
        let names: Arc<dyn Names> = Arc::clone(&stage) as Arc<dyn Names>;
        let context = Context::new(Arc::clone(&self.shared), package, names, None);
        stage.set_context(&context);
        (stage, context)
    }

    /// Renders `text` for what it calls, and returns what was taken down, even if it failed.
    pub(super) fn capture(
        &self,
        facts: Facts,
        text: &str,
        shown: &Arc<str>,
    ) -> (Captured, Option<ModelError>) {
        let template = match Template::parse(Arc::clone(shown), text) {
            Ok(template) => template,
            Err(error) => return (Captured::default(), Some(self.failure(error, shown, text))),
        };
        if template.is_plain() {
            return (Captured::default(), None);
        }
        let id = facts.id.clone();
        let (stage, context) = self.stage(facts);
        let mut interpreter = Interpreter::new(Arc::clone(&self.shared.environment));
        let rendering = Rendering {
            undefined: Some(UndefinedPolicy::Chainable),
        };
        let result = interpreter.render_with(&template, &*context, rendering);
        let mut captured = stage.take();
        self.dispatched(text, &id, &mut captured);
        let error = result
            .err()
            .map(|error| self.failure(error, shown, text).of(id.as_str()));
        (captured, error)
    }

    /// Takes down macros that the text itself dispatches to.
    fn dispatched(&self, text: &str, id: &crate::node::UniqueId, captured: &mut Captured) {
        if !text.contains("dispatch") {
            return;
        }
        for call in super::calls::calls(text)
            .into_iter()
            .filter(|call| call.dispatched)
        {
            let found = self.macros().dispatch(
                self.project(),
                self.chain(),
                id.package(),
                call.name,
                call.namespace,
            );
            if let Some(found) = found.ok().and_then(|found| found.id()) {
                captured.add_macro(crate::node::UniqueId::from_text(Arc::clone(found)));
            }
        }
    }

    /// Tells what failed in a template: where, through which macros, and what was written there.
    pub(super) fn failure(&self, error: Error, shown: &Arc<str>, text: &str) -> ModelError {
        let mut message = error.message().to_owned();
        for frame in error.trace().iter().take(8) {
            message.push_str("\n  in macro `");
            message.push_str(&frame.name);
            message.push('`');
            if let Some(owner) = &frame.owner {
                message.push_str(&format!(" of `{owner}`"));
            }
            if let Some(place) = &frame.called_at {
                message.push_str(&format!(", called at {place}"));
            }
        }
        let made = ModelError::new(ModelErrorKind::Template, message);
        let made = match error.place() {
            Some(place) => {
                let source = if *place.template == **shown {
                    Some(text)
                } else {
                    self.macro_texts.get(&place.template).map(Template::source)
                };
                let made = match source {
                    Some(source) => made.excerpt(excerpt(source, place.line, place.column)),
                    None => made,
                };
                made.at(Place::at(
                    Arc::clone(&place.template),
                    place.line,
                    place.column,
                ))
            }
            None => made.at(Place::file(Arc::clone(shown))),
        };
        match (error.hint(), error.kind()) {
            (Some(hint), _) => made.hint(hint.to_owned()),
            (None, ErrorKind::Syntax) => {
                made.hint("close every `{{`, `{%` and quote that is opened")
            }
            (None, ErrorKind::Undefined) => made.hint(
                "check the spelling; a macro of a package needs the package's name before it",
            ),
            _ => made,
        }
    }
}
