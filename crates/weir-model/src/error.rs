//! What is wrong with a project, where, and what to do about it.

use std::fmt;
use std::sync::Arc;

/// Says what sort of mistake it is; exit codes and advice are chosen by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ModelErrorKind {
    /// A file could not be read or written.
    File,
    /// YAML that is none.
    Yaml,
    /// dbt_project.yml, profiles.yml, packages.yml or selectors.yml says something impossible.
    Project,
    /// A package is missing, or two ask for different versions of it.
    Package,
    /// A properties entry or a `config()` says something impossible.
    Properties,
    /// A template could not be read or rendered.
    Template,
    /// `ref`, `source`, `metric` or `doc` names what does not exist or is disabled.
    MissingReference,
    /// `ref` names what may not be named from there.
    Access,
    /// Two things have the same name or would become the same relation.
    Duplicate,
    /// Nodes need each other in a circle.
    Cycle,
    /// A selection cannot be understood.
    Selection,
    /// An artifact of an earlier run is missing or of another version.
    Artifact,
    /// The warehouse refused or could not be reached.
    Warehouse,
    /// The run was cancelled.
    Cancelled,
    /// A mistake of ours.
    Internal,
}

/// A place in a file of a project. Lines and columns count from one; zero means the whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Place {
    /// The path as the project names it, like `models/schema.yml`.
    pub file: Arc<str>,
    pub line: u32,
    pub column: u32,
}

impl Place {
    /// Names a whole file.
    pub fn file(file: impl Into<Arc<str>>) -> Self {
        Self {
            file: file.into(),
            line: 0,
            column: 0,
        }
    }

    /// Names a position in a file.
    pub fn at(file: impl Into<Arc<str>>, line: u32, column: u32) -> Self {
        Self {
            file: file.into(),
            line,
            column,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.line, self.column) {
            (0, _) => f.write_str(&self.file),
            (line, 0) => write!(f, "{}:{line}", self.file),
            (line, column) => write!(f, "{}:{line}:{column}", self.file),
        }
    }
}

/// An error or a warning about a project.
///
/// `Display` gives the message alone; [`report`](Self::report) adds place, excerpt and hint.
#[derive(Debug, Clone)]
pub struct ModelError(Box<Facts>);

#[derive(Debug, Clone)]
struct Facts {
    kind: ModelErrorKind,
    message: String,
    place: Option<Place>,
    node: Option<String>,
    excerpt: Option<String>,
    hint: Option<String>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl ModelError {
    /// Makes an error of `kind`; `message` states one fact, without place and advice.
    pub fn new(kind: ModelErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            kind,
            message: message.into(),
            place: None,
            node: None,
            excerpt: None,
            hint: None,
            source: None,
        }))
    }

    /// Says where it is.
    #[must_use]
    pub fn at(mut self, place: Place) -> Self {
        self.0.place = Some(place);
        self
    }

    /// Says which node it is about.
    #[must_use]
    pub fn of(mut self, node: impl Into<String>) -> Self {
        self.0.node = Some(node.into());
        self
    }

    /// Shows the text around the place: see [`excerpt`].
    #[must_use]
    pub fn excerpt(mut self, excerpt: impl Into<String>) -> Self {
        self.0.excerpt = Some(excerpt.into());
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Keeps the error below.
    #[must_use]
    pub fn caused_by(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    pub fn kind(&self) -> ModelErrorKind {
        self.0.kind
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    pub fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    pub fn excerpt_text(&self) -> Option<&str> {
        self.0.excerpt.as_deref()
    }

    pub fn hint_text(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Returns all of it as lines for people: message, causes, place, excerpt, hint.
    pub fn report(&self) -> String {
        use fmt::Write;
        let mut out = self.0.message.clone();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            let _ = write!(out, "\n  caused by: {error}");
            cause = error.source();
        }
        if let Some(place) = &self.0.place {
            let _ = write!(out, "\n  at {place}");
        }
        if let Some(excerpt) = &self.0.excerpt {
            for line in excerpt.lines() {
                let _ = write!(out, "\n  {line}");
            }
        }
        if let Some(hint) = &self.0.hint {
            let _ = write!(out, "\nhint: {hint}");
        }
        out
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for ModelError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

/// Returns the line before, the line and a caret below `column` of `text`, numbered.
pub fn excerpt(text: &str, line: u32, column: u32) -> String {
    use fmt::Write;
    let mut out = String::new();
    if line == 0 {
        return out;
    }
    let first = line.saturating_sub(1).max(1);
    let width = line.to_string().len();
    for (number, content) in (1u32..).zip(text.lines()).skip(first as usize - 1) {
        if number > line {
            break;
        }
        // A line of a megabyte would hide the rest of the report.
        let shown: String = content.chars().take(160).collect();
        let _ = writeln!(out, "{number:>width$} | {}", shown.replace('\t', " "));
    }
    if column > 0 && column <= 160 {
        let _ = writeln!(out, "{:>width$} | {}^", "", " ".repeat(column as usize - 1));
    }
    out
}
