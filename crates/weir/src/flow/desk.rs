//! What the doors ask about the project's files.

use sha2::{Digest, Sha256};
use weir_flow::{AssetId, FlowError, FlowErrorKind, ScheduleName};
use weir_model::ModelError;
use weir_serve::Desk;

use super::code::Codes;
use super::plan::Choice;

impl Desk for Codes {
    fn assets(&self, words: &[String]) -> Result<Vec<AssetId>, FlowError> {
        let Some(code) = self.now() else {
            let error = FlowError::new(FlowErrorKind::NotFound, "there are no models to run");
            return Err(error.with_hint(match self.problem() {
                Some(_) => "the project's files are wrong: `weir schedule list` says how",
                None => "a `dbt_project.yml` and a `schedules.yml` beside `weir.toml` make some",
            }));
        };
        let manifest = code.opened.manifest();
        let choice = Choice::new(&code.opened.folder, &manifest, &code.plan.assets);
        let choice = choice.map_err(|errors| told(errors.first()))?;
        let chosen = choice.words(words).map_err(|error| told(Some(&error)))?;
        match chosen.is_empty() {
            false => Ok(chosen),
            true => Err(FlowError::new(
                FlowErrorKind::Invalid,
                "this selects no model, seed, snapshot or test",
            )
            .with_hint("`weir ls --select ...` shows what a selection chooses")),
        }
    }

    fn takes(&self, schedule: &ScheduleName, token: &str) -> bool {
        let Some(code) = self.now() else {
            return false;
        };
        // Hashes of what is compared tell nothing by how long that takes.
        let hash = |text: &str| Sha256::digest(text.as_bytes());
        let own = code.plan.tokens.get(schedule);
        own.is_some_and(|own| hash(own) == hash(token))
    }

    fn problem(&self) -> Option<String> {
        Codes::problem(self)
    }

    fn table(&self, asset: &AssetId) -> Option<String> {
        let code = self.now()?;
        code.plan.assets.table(asset).map(ToString::to_string)
    }
}

fn told(error: Option<&ModelError>) -> FlowError {
    let text = error.map_or_else(String::new, |error| error.message().to_owned());
    let made = FlowError::new(FlowErrorKind::Invalid, text);
    match error.and_then(ModelError::hint_text) {
        Some(hint) => made.with_hint(hint),
        None => made,
    }
}
