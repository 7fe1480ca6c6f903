//! What a command finds in its environment.

use std::fmt;
use std::sync::Arc;

use crate::datum::{Datum, Loaded};
use crate::declare::{Compat, EnvValue, Step};
use crate::error::StepError;
use crate::running::MARK_VARIABLE;
use crate::scratch::Scratch;
use crate::warehouse::Lent;

/// Variables of Weir's own environment that every command gets.
const PASSED: [&str; 4] = ["PATH", "LANG", "LC_ALL", "TZ"];
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Looks variables of Weir's own environment up; `${env:NAME}` is taken from it.
#[derive(Clone)]
pub struct Variables(Arc<Lookup>);

type Lookup = dyn Fn(&str) -> Option<String> + Send + Sync;

impl Variables {
    /// Takes them from `lookup`.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(lookup))
    }

    /// Takes them from the process.
    pub fn of_process() -> Self {
        Self::new(|name| std::env::var(name).ok())
    }

    fn get(&self, name: &str) -> Option<String> {
        (self.0)(name)
    }
}

impl fmt::Debug for Variables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Variables")
    }
}

/// The variables of a step that are the same for all datums.
#[derive(Clone)]
pub(crate) struct Environment {
    pub(crate) variables: Vec<(String, String)>,
    pub(crate) secrets: Vec<String>,
}

impl Environment {
    /// Resolves what the step declares.
    pub(crate) fn of(step: &Step, own: &Variables) -> Result<Self, StepError> {
        let mut variables = Vec::new();
        let mut secrets = Vec::new();
        for name in PASSED {
            let value = own
                .get(name)
                .or((name == "PATH").then(|| DEFAULT_PATH.to_owned()));
            variables.extend(value.map(|value| (name.to_owned(), value)));
        }
        for (key, value) in &step.env {
            let value = match value {
                EnvValue::Plain(text) => text.clone(),
                EnvValue::Secret(text) => {
                    let filled =
                        fill(text, own, &mut secrets).map_err(|name| {
                            StepError::invalid(format!(
                            "step `{}` takes `{key}` from the variable `{name}`, which is not set",
                            step.name
                        ))
                        .with_hint(format!("set `{name}` in the environment Weir is started in"))
                        })?;
                    secrets.push(filled.clone());
                    filled
                }
            };
            variables.retain(|(known, _)| known != key);
            variables.push((key.clone(), value));
        }
        Ok(Self { variables, secrets })
    }

    /// Adds a way into the database.
    pub(crate) fn lend(&mut self, lent: &Lent) {
        for (key, value) in &lent.variables {
            self.variables.retain(|(known, _)| known != key);
            self.variables.push((key.clone(), value.clone()));
        }
        self.secrets.extend(lent.secrets.iter().cloned());
    }

    /// Adds what tells about a datum.
    pub(crate) fn for_datum(
        &self,
        step: &Step,
        run: &str,
        mark: &str,
        datum: &Datum,
        loaded: &[Loaded],
        scratch: &Scratch,
    ) -> Vec<(String, String)> {
        let mut all = self.variables.clone();
        let mut add = |key: String, value: String| all.push((key, value));
        let text = |path: &std::path::Path| path.display().to_string();
        add("HOME".to_owned(), text(&scratch.tmp));
        add("TMPDIR".to_owned(), text(&scratch.tmp));
        add("WEIR_STEP".to_owned(), step.name.clone());
        add("WEIR_RUN".to_owned(), run.to_owned());
        add("WEIR_DATUM".to_owned(), datum.key.to_string());
        add("WEIR_IN".to_owned(), text(&scratch.seen(&scratch.inputs)));
        add("WEIR_OUT".to_owned(), text(&scratch.seen(&scratch.out)));
        add(MARK_VARIABLE.to_owned(), mark.to_owned());
        let pachyderm = step.compat == Compat::Pachyderm;
        if pachyderm {
            add("PACH_JOB_ID".to_owned(), run.to_owned());
            add("PACH_DATUM_ID".to_owned(), datum.key.to_string());
            add("PACH_OUTPUT_COMMIT_ID".to_owned(), run.to_owned());
        }
        let mut named: Vec<&str> = Vec::new();
        for place in &datum.places {
            let source = &loaded[place.source].source;
            // A group has several places of one input; the first speaks for all.
            if named.contains(&source.name.as_str()) {
                continue;
            }
            named.push(&source.name);
            let path = text(&scratch.seen(&scratch.inputs.join(&source.name).join(&place.path)));
            let name = source.name.to_ascii_uppercase().replace(['-', '.'], "_");
            let version = loaded[place.source].version.to_string();
            add(format!("WEIR_INPUT_{name}"), path.clone());
            add(format!("WEIR_VERSION_{name}"), version.clone());
            for (key, value) in [("JOIN_ON", &place.join), ("GROUP_BY", &place.group)] {
                let Some(value) = value else { continue };
                add(format!("WEIR_{key}_{name}"), value.clone());
                if pachyderm {
                    add(format!("PACH_DATUM_{}_{key}", source.name), value.clone());
                }
            }
            if pachyderm {
                add(source.name.clone(), path);
                add(format!("{}_COMMIT", source.name), version);
            }
        }
        all
    }
}

/// Replaces each `${env:NAME}`; fails with the name that is not set.
fn fill(text: &str, own: &Variables, secrets: &mut Vec<String>) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("${env:") {
        filled.push_str(&rest[..at]);
        let after = &rest[at + "${env:".len()..];
        let end = after.find('}').ok_or_else(|| after.to_owned())?;
        let name = &after[..end];
        let value = own.get(name).ok_or_else(|| name.to_owned())?;
        secrets.push(value.clone());
        filled.push_str(&value);
        rest = &after[end + 1..];
    }
    filled.push_str(rest);
    Ok(filled)
}
