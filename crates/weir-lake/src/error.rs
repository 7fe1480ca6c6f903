use std::time::Duration;

/// An error of the lake: what it tried, on what, and why that failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} `{subject}`")]
pub struct LakeError {
    kind: LakeErrorKind,
    action: &'static str,
    subject: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What an error of the lake means for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LakeErrorKind {
    /// Another process owns the directory.
    Locked,
    /// There is no such table, version or file.
    NotFound,
    /// It was there once; the history that is kept begins later.
    Expired,
    /// What was asked for makes no sense.
    Invalid,
    /// The configuration cannot work.
    Config,
    /// The disk or the object store failed; trying again may help.
    Storage,
    /// The object store does not answer.
    Unreachable,
    /// A file holds what Weir did not write.
    Corrupt,
    /// Another writer was faster; trying again helps.
    Conflict,
    /// The table belongs to the intake: its rows come through the log.
    ReadOnly,
}

impl LakeError {
    pub(crate) fn new(
        kind: LakeErrorKind,
        action: &'static str,
        subject: impl std::fmt::Display,
    ) -> Self {
        Self {
            kind,
            action,
            subject: subject.to_string(),
            source: None,
        }
    }

    pub(crate) fn because(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns what the error means.
    pub fn kind(&self) -> LakeErrorKind {
        self.kind
    }

    /// Returns what a person can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self.kind {
            LakeErrorKind::Locked => "stop the other process, or use its HTTP API",
            LakeErrorKind::NotFound | LakeErrorKind::Expired | LakeErrorKind::Invalid => {
                return None;
            }
            LakeErrorKind::Config => "check the `lake` section of weir.toml",
            LakeErrorKind::Storage => "check free space and permissions; `weir doctor` tests both",
            LakeErrorKind::Unreachable => {
                "check the network, `lake.endpoint` and the credentials; `weir doctor` tests them"
            }
            LakeErrorKind::Conflict => "send the statement again",
            LakeErrorKind::ReadOnly => "write to a table in a schema of your own",
            LakeErrorKind::Corrupt => "keep the file for inspection; it was set aside, not deleted",
        })
    }
}

/// Why rows were not taken. Nothing of them is kept, so the sender may send them again.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{reason}")]
pub struct AppendError {
    kind: AppendErrorKind,
    reason: String,
}

/// What a refused append means for the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendErrorKind {
    /// A bound is reached; it will work again after about this long.
    Full { retry_after: Duration },
    /// The log cannot be written at the moment (disk full or failing).
    Unavailable,
    /// The record is larger than a record may be.
    TooLarge,
}

impl AppendError {
    pub(crate) fn new(kind: AppendErrorKind, reason: impl Into<String>) -> Self {
        Self {
            kind,
            reason: reason.into(),
        }
    }

    /// Returns what the refusal means.
    pub fn kind(&self) -> AppendErrorKind {
        self.kind
    }
}
