use std::error::Error;
use std::process::ExitCode;

/// How a command ends, for scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// What was asked for is done.
    Done,
    /// The reader can fix it.
    Fixable,
    /// As `Fixable`, under `weir dbt`: nothing was run. dbt keeps 1 for nodes that failed.
    Unable,
    /// Weir itself is wrong.
    Bug,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Done => ExitCode::SUCCESS,
            Exit::Fixable => ExitCode::from(1),
            Exit::Unable => ExitCode::from(2),
            Exit::Bug => ExitCode::from(255),
        }
    }
}

/// Why a command did not do what it was asked for, and the way out.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: String,
    causes: Vec<String>,
    hint: Option<String>,
}

impl Failure {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Fixable,
            message: message.into(),
            causes: Vec::new(),
            hint: None,
        }
    }

    /// Adds an error and everything behind it.
    pub(crate) fn because(mut self, error: &dyn Error) -> Self {
        let mut next = Some(error);
        while let Some(error) = next {
            let text = error.to_string();
            // Some libraries repeat their source in their own message.
            if self.causes.last().is_none_or(|last| !last.ends_with(&text)) {
                self.causes.push(text);
            }
            next = error.source();
        }
        self
    }

    /// Adds a cause that is known by its words only.
    pub(crate) fn caused(mut self, cause: impl Into<String>) -> Self {
        self.causes.push(cause.into());
        self
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn with_hint_if(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into).or(self.hint);
        self
    }

    /// Says that nothing was run, to whoever expects dbt's exit codes.
    pub(crate) fn unable(mut self) -> Self {
        if self.exit == Exit::Fixable {
            self.exit = Exit::Unable;
        }
        self
    }

    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Returns message and causes in a line.
    pub(crate) fn text(&self) -> String {
        let parts: Vec<&str> = std::iter::once(self.message.as_str())
            .chain(self.causes.iter().map(String::as_str))
            .collect();
        parts.join(": ")
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn causes(&self) -> &[String] {
        &self.causes
    }

    pub(crate) fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// Says what was being done when an error came up.
pub(crate) trait Explain<T> {
    fn explain(self, message: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T, E: Error> Explain<T> for Result<T, E> {
    fn explain(self, message: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(message()).because(&error))
    }
}

/// Explains errors of the rooms, which bring hints of their own.
pub(crate) trait ExplainHinted<T> {
    fn explain_hinted(self, message: impl FnOnce() -> String) -> Result<T, Failure>;
}

impl<T> ExplainHinted<T> for Result<T, weir_catalog::CatalogError> {
    fn explain_hinted(self, message: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| {
            Failure::new(message())
                .because(&error)
                .with_hint_if(error.hint())
        })
    }
}

impl<T> ExplainHinted<T> for Result<T, weir_lake::LakeError> {
    fn explain_hinted(self, message: impl FnOnce() -> String) -> Result<T, Failure> {
        self.map_err(|error| {
            Failure::new(message())
                .because(&error)
                .with_hint_if(error.hint())
        })
    }
}
