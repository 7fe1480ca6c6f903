//! Documentation: blocks in Markdown, and the descriptions that name them.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use weir_jinja::{Call, Error, Function, Interpreter, Names, Result, Template, Value};

use super::read::ReadFile;
use super::work::Work;
use crate::context::Context;
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{Doc, ResourceKind, UniqueId};

/// Finds the blocks `{% docs name %}` of a file; everything else in it is prose.
pub(super) fn blocks(file: &ReadFile, errors: &mut Vec<ModelError>) -> Vec<(Doc, u32)> {
    static OPEN: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\{%-?\s*docs\s+([A-Za-z_]\w*)\s*-?%\}").ok());
    static CLOSE: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"\{%-?\s*enddocs\s*-?%\}").ok());
    let (Some(open), Some(close)) = (OPEN.as_ref(), CLOSE.as_ref()) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(begin) = open.captures_at(&file.text, at) {
        let (Some(whole), Some(name)) = (begin.get(0), begin.get(1)) else {
            break;
        };
        let before = &file.text[..whole.start()];
        let line = u32::try_from(before.matches('\n').count() + 1).unwrap_or(0);
        let Some(end) = close.find_at(&file.text, whole.end()) else {
            let error = ModelError::new(
                ModelErrorKind::Template,
                format!("the block of docs `{}` never ends", name.as_str()),
            )
            .at(file.place(line, 1))
            .hint("add `{% enddocs %}`");
            errors.push(error);
            break;
        };
        let package = &file.package.name;
        found.push((
            Doc {
                id: UniqueId::new(ResourceKind::Doc, package, name.as_str()),
                name: name.as_str().to_owned(),
                package: Arc::clone(package),
                path: file.file.path.clone(),
                original_path: file.file.original.to_string(),
                contents: file.text[whole.end()..end.start()].trim().to_owned(),
            },
            line,
        ));
        at = end.end();
    }
    found
}

/// Every block by package and name.
#[derive(Debug, Default)]
pub(super) struct DocIndex {
    root: Arc<str>,
    blocks: HashMap<String, Vec<OwnedBlock>>,
}

/// A package, and what its block of some name holds.
type OwnedBlock = (Arc<str>, Arc<str>);

impl DocIndex {
    pub(super) fn new<'d>(root: Arc<str>, docs: impl Iterator<Item = &'d Doc>) -> Self {
        let mut blocks: HashMap<String, Vec<OwnedBlock>> = HashMap::new();
        for doc in docs {
            let contents = (Arc::clone(&doc.package), Arc::from(doc.contents.as_str()));
            blocks.entry(doc.name.clone()).or_default().push(contents);
        }
        Self { root, blocks }
    }

    fn find(&self, from: &str, package: Option<&str>, name: &str) -> Option<Arc<str>> {
        let all = self.blocks.get(name)?;
        let of = |package: &str| all.iter().find(|(of, _)| **of == *package);
        let found = match package {
            Some(package) => of(package),
            None => of(&self.root).or_else(|| of(from)).or_else(|| all.first()),
        };
        found.map(|(_, contents)| Arc::clone(contents))
    }
}

/// Renders descriptions of one package's things.
pub(super) struct Describer<'d> {
    work: &'d Work,
    context: Arc<Context>,
}

impl<'d> Describer<'d> {
    pub(super) fn new(work: &'d Work, package: &Arc<str>, docs: &Arc<DocIndex>) -> Self {
        let stage = DocStage {
            package: Arc::clone(package),
            docs: Arc::clone(docs),
        };
        let context = Context::new(
            Arc::clone(&work.shared),
            Arc::clone(package),
            Arc::new(stage),
            None,
        );
        Self { work, context }
    }

    /// Renders `text` in place, if it is a template; `of` is who is described, in `file`.
    pub(super) fn render(
        &self,
        text: &mut String,
        of: &str,
        file: &str,
        errors: &mut Vec<ModelError>,
    ) {
        if !text.contains("{{") && !text.contains("{%") {
            return;
        }
        let mut interpreter = Interpreter::new(Arc::clone(&self.work.shared.environment));
        let shown: Arc<str> = file.into();
        let rendered = Template::parse(Arc::clone(&shown), text)
            .and_then(|template| interpreter.render(&template, &*self.context));
        match rendered {
            Ok(rendered) => *text = rendered,
            Err(error) => {
                let hint = error.hint().map(str::to_owned);
                let message = format!(
                    "cannot render the description of `{of}`: {}",
                    error.message()
                );
                let made = ModelError::new(ModelErrorKind::Template, message)
                    .at(crate::error::Place::file(shown))
                    .of(of);
                errors.push(match hint {
                    Some(hint) => made.hint(hint),
                    None => made,
                });
            }
        }
    }
}

struct DocStage {
    package: Arc<str>,
    docs: Arc<DocIndex>,
}

impl Names for DocStage {
    fn lookup(&self, name: &str, _: &Interpreter) -> Result<Option<Value>> {
        if name != "doc" {
            return Ok(None);
        }
        let (docs, from) = (Arc::clone(&self.docs), Arc::clone(&self.package));
        Ok(Some(Function::value("doc", move |call: &mut Call<'_>| {
            let names: Vec<Arc<str>> = call.rest().iter().map(Value::to_str).collect();
            let found = match &*names {
                [name] => docs.find(&from, None, name),
                [package, name] => docs.find(&from, Some(package), name),
                _ => {
                    return Err(Error::custom(
                        "doc() takes the block's name, or package and name",
                    ));
                }
            };
            found.map(Value::Str).ok_or_else(|| {
                let shown = names.join(".");
                let known: Vec<&str> = docs.blocks.keys().map(String::as_str).collect();
                let error = Error::custom(format!("there is no block of docs `{shown}`"));
                match weir_core::did_you_mean(names.last().map_or("", |name| name), &known) {
                    Some(near) => error.with_hint(format!("did you mean `{near}`?")),
                    None => {
                        error.with_hint("write `{% docs name %}` ... `{% enddocs %}` in a .md file")
                    }
                }
            })
        })))
    }
}
