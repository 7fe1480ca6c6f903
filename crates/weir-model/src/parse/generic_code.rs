//! What a generic test runs: a call of its macro, and what that reads.

use std::fmt::Write;
use std::sync::Arc;

use serde_json::Value as Json;
use weir_jinja::{Interpreter, Template};

use super::generic::{Builder, TEST_ARGUMENTS, Tested, error};
use super::merge::add_call;
use super::stage::{Captured, Facts};
use super::test_arguments::render_arguments;
use crate::error::ModelError;
use crate::library::LIBRARY_PACKAGE;
use crate::node::{ConfigKind, RefArgs, UniqueId};
use crate::python::repr_of;

impl Builder<'_> {
    fn macro_call(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}.test_{}", self.name),
            None => format!("test_{}", self.name),
        }
    }

    /// The template that stands for the test: a call of its macro, and its settings.
    pub(super) fn raw_code(&self) -> String {
        let mut code = format!("{{{{ {}(**{TEST_ARGUMENTS}) }}}}", self.macro_call());
        if self.config.is_empty() {
            return code;
        }
        code.push_str("{{ config(");
        for (index, (key, value)) in self.config.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let _ = match value {
                Json::String(text) => {
                    write!(code, "{comma}{key}=\"{}\"", text.replace('"', "\\\""))
                }
                other => write!(code, "{comma}{key}={}", repr_of(other)),
            };
        }
        code.push_str(") }}");
        code
    }

    /// Finds out what the test reads: by rule for the two that are most of all tests, else by rendering.
    pub(super) fn captured(
        &self,
        facts: Facts,
        raw_code: &str,
        errors: &mut Vec<ModelError>,
    ) -> Result<Captured, ModelError> {
        let (work, job) = (self.work, self.job);
        let package = &job.file.package.name;
        let macro_name = format!("test_{}", self.name);
        let found = match &self.namespace {
            Some(namespace) => work.macros().in_package(namespace, &macro_name),
            None => work.macros().find(package, &macro_name).or_else(|| {
                work.project()
                    .packages
                    .keys()
                    .find_map(|other| work.macros().in_package(other, &macro_name))
            }),
        };
        let Some(found) = found else {
            return Err(self.missing(&macro_name));
        };
        let macro_id = found.id().map(|id| UniqueId::from_text(Arc::clone(id)));
        let core = found
            .owner()
            .is_some_and(|owner| &**owner == LIBRARY_PACKAGE);
        if core && matches!(&*self.name, "not_null" | "unique") {
            let mut captured = Captured::default();
            captured.config = self.config.clone();
            macro_id.into_iter().for_each(|id| captured.add_macro(id));
            match &job.tested {
                Tested::Node { name, version } => captured.refs.push(RefArgs {
                    package: None,
                    name: name.clone(),
                    version: version.clone(),
                }),
                Tested::Source { source, table } => {
                    captured.sources.push((source.clone(), table.clone()))
                }
            }
            return Ok(captured);
        }
        let id = facts.id.clone();
        let shown = &job.file.shown;
        let (stage, context) = work.stage(facts);
        let mut interpreter = Interpreter::new(Arc::clone(&work.shared.environment));
        macro_id.into_iter().for_each(|id| stage.add_macro(id));
        let arguments = render_arguments(&mut interpreter, &*context, &self.args, shown);
        let result = arguments.and_then(|arguments| {
            stage.set_test_arguments(arguments);
            let template = Template::parse(Arc::clone(shown), raw_code)?;
            interpreter.render(&template, &*context)
        });
        let failed_early = result.is_err();
        if let Err(failed) = result {
            // Places in the test's own template mean nothing to who wrote the properties file.
            let made = work.failure(failed, shown, raw_code).of(id.as_str());
            let own = made.place().is_none_or(|place| place.file == *shown);
            errors.push(if own {
                made.at(job.file.place(job.test.line, job.test.column))
                    .excerpt(crate::error::excerpt(
                        &job.file.text,
                        job.test.line,
                        job.test.column,
                    ))
            } else {
                made
            });
        }
        let mut captured = stage.take();
        // The template ends with the settings written, so that they come after what the macro
        // configures; where rendering failed it did not come to them.
        if failed_early {
            add_call(&mut captured.config, ConfigKind::Test, self.config.clone());
        }
        Ok(captured)
    }

    fn missing(&self, macro_name: &str) -> ModelError {
        let known: Vec<String> = self.work.macros().names(&self.job.file.package.name);
        let tests: Vec<&str> = known
            .iter()
            .filter_map(|name| name.strip_prefix("test_"))
            .collect();
        let message = match &self.namespace {
            Some(namespace) => format!(
                "there is no test `{}` in a package `{namespace}`",
                self.name
            ),
            None => format!("there is no test `{}`", self.name),
        };
        let hint = match (weir_core::did_you_mean(&self.name, &tests), &self.namespace) {
            (Some(near), None) => format!("did you mean `{near}`?"),
            (_, Some(namespace)) => {
                format!("check that packages.yml names `{namespace}` and that it is installed")
            }
            _ => format!(
                "write a macro `{{% test {}(model) %}}`, or install the package that has it",
                macro_name.trim_start_matches("test_")
            ),
        };
        error(self.job, message).hint(hint)
    }
}
