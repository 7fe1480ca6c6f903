//! What the doors ask about the project's files.

use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use sha2::{Digest, Sha256};
use weir_flow::{AssetId, FlowError, FlowErrorKind, ScheduleName};
use weir_model::ModelError;
use weir_serve::{Desk, FileInfo, ModelInfo, PlannedInfo, StepInfo};
use weir_step::{StepError, StepErrorKind};

use super::choice::Choice;
use super::code::Codes;
use super::inventory::inventory;
use super::room::FlowRoom;
use super::step::{Declared, Keep, StepRoom};

/// Answers for the project's files.
#[derive(Debug)]
pub(super) struct FrontDesk {
    pub(super) room: FlowRoom,
    pub(super) codes: Arc<Codes>,
    pub(super) steps: Arc<OnceLock<StepRoom>>,
    pub(super) keep: Keep,
}

impl FrontDesk {
    fn step(&self, name: &str) -> Result<Declared, FlowError> {
        let code = self.codes.now();
        let steps = code.iter().flat_map(|code| code.plan.steps.values());
        let steps: Vec<&Declared> = steps.collect();
        if let Some(found) = steps.iter().find(|step| step.step.name == name) {
            return Ok((*found).clone());
        }
        let names: Vec<&str> = steps.iter().map(|step| step.step.name.as_str()).collect();
        let error = FlowError::new(
            FlowErrorKind::NotFound,
            format!("there is no step `{name}` in the project"),
        );
        Err(match weir_core::did_you_mean(name, &names) {
            Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
            None => error.with_hint("`weir steps list` shows the steps there are"),
        })
    }
}

#[async_trait]
impl Desk for FrontDesk {
    fn steps(&self) -> Vec<StepInfo> {
        let code = self.codes.now();
        let steps = code.iter().flat_map(|code| code.plan.steps.values());
        steps.map(info).collect()
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.codes
            .now()
            .map_or_else(Vec::new, |code| inventory(&code))
    }

    async fn plan(&self, name: &str) -> Result<Vec<PlannedInfo>, FlowError> {
        let declared = self.step(name)?;
        let Some(room) = self.steps.get() else {
            return Err(
                FlowError::new(FlowErrorKind::Busy, "the server is starting")
                    .with_hint("ask again in a moment"),
            );
        };
        let planned = room.plan(&declared.step).await;
        let planned = planned.map_err(|error| of_step(&error))?;
        Ok(planned
            .into_iter()
            .map(|datum| PlannedInfo {
                datum: datum.key.to_string(),
                label: datum.label,
                done: datum.done,
            })
            .collect())
    }

    async fn files(&self, name: &str, branch: &str) -> Result<Vec<FileInfo>, FlowError> {
        let (files, name) = (self.keep.files.clone(), name.to_owned());
        let branch = branch.to_owned();
        let read = tokio::task::spawn_blocking(move || files.read(&name, &branch, None)).await;
        let manifest = read
            .map_err(|error| FlowError::new(FlowErrorKind::Unavailable, error.to_string()))?
            .map_err(|error| of_step(&error))?;
        Ok(manifest
            .files()
            .iter()
            .map(|file| FileInfo {
                path: file.path.clone(),
                bytes: file.size,
                hash: file.hash.to_string(),
            })
            .collect())
    }

    fn assets(&self, words: &[String]) -> Result<Vec<AssetId>, FlowError> {
        let Some(code) = self.codes.now() else {
            let error = FlowError::new(FlowErrorKind::NotFound, "there is nothing to run");
            return Err(error.with_hint(match self.codes.problem() {
                Some(_) => "the project's files are wrong: `weir schedule list` says how",
                None => "a `dbt_project.yml` and a `schedules.yml` beside `weir.toml`, or files in `steps/`, make some",
            }));
        };
        let manifest = code.opened.manifest();
        let steps: Vec<Declared> = code.plan.steps.values().cloned().collect();
        let choice = Choice::new(&code.opened.folder, &manifest, &code.plan.assets, &steps);
        let choice = choice.map_err(|errors| told(errors.first()))?;
        let chosen = choice.words(words).map_err(|error| told(Some(&error)))?;
        match chosen.is_empty() {
            false => Ok(chosen),
            true => Err(FlowError::new(
                FlowErrorKind::Invalid,
                "this selects no model, seed, snapshot, test, step or source",
            )
            .with_hint("`weir ls --select ...` shows what a selection chooses")),
        }
    }

    fn takes(&self, schedule: &ScheduleName, token: &str) -> bool {
        let Some(code) = self.codes.now() else {
            return false;
        };
        // Hashes of what is compared tell nothing by how long that takes.
        let hash = |text: &str| Sha256::digest(text.as_bytes());
        let own = code.plan.tokens.get(schedule);
        own.is_some_and(|own| hash(own) == hash(token))
    }

    fn problem(&self) -> Option<String> {
        self.codes.problem()
    }

    async fn refresh(&self) {
        self.room.look().await;
    }

    fn unfit(&self, question: &str) -> Option<String> {
        let code = self.codes.now()?;
        code.plan.unfit.get(question).cloned()
    }

    fn sends(&self, schedule: &ScheduleName) -> Option<String> {
        let code = self.codes.now()?;
        code.plan.deliveries.get(schedule).cloned()
    }

    fn receivers(&self) -> Vec<String> {
        let code = self.codes.now();
        let all = code.iter().flat_map(|code| code.plan.receivers.keys());
        all.cloned().collect()
    }

    fn table(&self, asset: &AssetId) -> Option<String> {
        let code = self.codes.now()?;
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

fn info(declared: &Declared) -> StepInfo {
    let step = &declared.step;
    let sources = step.input.sources();
    let outputs = step.outputs.iter();
    StepInfo {
        name: step.name.clone(),
        asset: declared.asset().to_string(),
        file: declared.file.clone(),
        command: step.command.argv.clone(),
        inputs: sources
            .iter()
            .map(|source| source.origin.to_string())
            .collect(),
        outputs: outputs.map(|output| output.target.to_string()).collect(),
        owner: step.owner.clone(),
        runner: step.runner.to_string(),
    }
}

fn of_step(error: &StepError) -> FlowError {
    let kind = match error.kind() {
        StepErrorKind::NotFound => FlowErrorKind::NotFound,
        StepErrorKind::Unavailable | StepErrorKind::Corrupt => FlowErrorKind::Unavailable,
        _ => FlowErrorKind::Invalid,
    };
    let made = FlowError::new(kind, error.to_string());
    match error.hint() {
        Some(hint) => made.with_hint(hint),
        None => made,
    }
}
