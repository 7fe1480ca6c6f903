use serde_json::Value;

use super::answer::{Ask, Format, ask};
use super::{meta, split};
use crate::client::Client;
use crate::failure::Failure;
use crate::ui::Ui;

/// Whether to go on after a piece of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Go,
    Quit,
}

/// What a person set up with `\x`, `\timing` and options.
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) format: Format,
    pub(crate) params: Vec<Value>,
    pub(crate) timeout_ms: Option<u64>,
    /// Whether each answer ends with the number of its rows.
    pub(crate) summary: bool,
    pub(crate) timing: bool,
}

impl Session {
    /// Runs one statement or `\command`.
    pub(crate) async fn run(&mut self, input: &str, ui: &Ui) -> Result<Flow, Failure> {
        if let Some(command) = input.strip_prefix('\\') {
            return meta::run(self, command, ui).await;
        }
        let sql = input.trim_end().trim_end_matches(';');
        if sql.trim().is_empty() {
            return Ok(Flow::Go);
        }
        let question = Ask {
            sql,
            params: &self.params,
            format: self.format,
            timeout_ms: self.timeout_ms,
            summary: self.summary,
            timing: self.timing,
        };
        ask(&self.client, ui, &question).await?;
        Ok(Flow::Go)
    }

    /// Runs everything in `text`, stopping at the first failure.
    pub(crate) async fn run_all(&mut self, text: &str, ui: &Ui) -> Result<(), Failure> {
        let (inputs, rest) = split::split(text);
        for input in inputs.into_iter().chain([rest]) {
            if self.run(input, ui).await? == Flow::Quit {
                break;
            }
        }
        Ok(())
    }
}
