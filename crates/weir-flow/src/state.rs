use std::fmt;

use serde::{Deserialize, Serialize};

/// Where a run, a step or an attempt is in its life.
///
/// ```text
/// queued ─► running ─► succeeded
///   ▲ │        ├─────► failed
///   └─┼────────┘       (a step goes back to queued when it will be tried again)
///     ├──────────────► cancelled
///     └──────────────► skipped
/// ```
/// What has ended stays as it is; to do it again takes another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits: for inputs, a slot, or the next try.
    Queued,
    /// Something works on it.
    Running,
    /// Done.
    Succeeded,
    /// Will not be done.
    Failed,
    /// Somebody did not want it any more.
    Cancelled,
    /// Did not need to be done, or could not since something before it was not.
    Skipped,
}

impl State {
    const ALL: [Self; 6] = [
        Self::Queued,
        Self::Running,
        Self::Succeeded,
        Self::Failed,
        Self::Cancelled,
        Self::Skipped,
    ];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped => "skipped",
        }
    }

    /// Returns the state that `word` stands for.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == word)
    }

    /// Whether nothing can change any more.
    pub fn has_ended(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
