//! What goes wrong in a template: the kind, the place, the way there and what to do about it.

use std::{fmt, sync::Arc};

use crate::{Template, Value};

/// What may be behind an [`Error`].
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The result of everything a template does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The kinds of errors, named after the Python exception a project's author would look up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The template cannot be parsed.
    Syntax,
    /// Something undefined was used for more than printing or testing it.
    Undefined,
    /// An operation on values that do not have it, or a call with the wrong arguments.
    Type,
    /// A value of the right type that makes no sense.
    Value,
    /// A dictionary has no such key.
    Key,
    /// A sequence has no such index.
    Index,
    /// A value has no such attribute.
    Attribute,
    /// A division by zero.
    ZeroDivision,
    /// A number beyond what can be represented.
    Overflow,
    /// A limit on steps, output or sizes was reached: see [`crate::Limits`].
    Limit,
    /// Macros or expressions nest too deeply.
    Recursion,
    /// Something Jinja has and dbt's dialect has not, or a missing filter or test.
    Unsupported,
    /// Raised by the host: by an object, a function or a name.
    Host,
}

/// A position in a template, counted from one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The name the template was parsed with.
    pub template: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.template, self.line, self.column)
    }
}

/// A macro that was running when an error happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// The macro's name.
    pub name: Arc<str>,
    /// Who owns the macro (a package's name), if anybody said so.
    pub owner: Option<Arc<str>>,
    /// Where it was called from, when that is known.
    pub called_at: Option<Place>,
}

/// An error in a template.
///
/// `Display` states the error itself; place, trace and hint are for the printer, and what caused
/// it is its `source()`.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    place: Option<Place>,
    trace: Vec<Frame>,
    hint: Option<String>,
    source: Option<BoxError>,
    /// The value on its way from `return(value)` to the macro that it ends, and where that stands:
    /// lines are counted only for errors.
    returned: Option<Value>,
    returned_at: Option<(Template, u32)>,
}

impl Error {
    /// Makes an error of a kind; the interpreter adds the place.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: message.into(),
            place: None,
            trace: Vec::new(),
            hint: None,
            source: None,
            returned: None,
            returned_at: None,
        }))
    }

    /// Makes an error of the host's: [`ErrorKind::Host`].
    pub fn custom(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Host, message)
    }

    /// Carries a foreign error through the template unharmed; [`Error::into_source`] gives it back.
    pub fn from_source(source: impl Into<BoxError>) -> Self {
        let source = source.into();
        let mut error = Self::new(ErrorKind::Host, source.to_string());
        error.0.source = Some(source);
        error
    }

    /// Adds what caused this error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<BoxError>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Adds where it happened, unless an inner place is known already.
    #[must_use]
    pub fn with_place(mut self, place: impl FnOnce() -> Place) -> Self {
        if self.0.place.is_none() && self.0.returned.is_none() {
            self.0.place = Some(place());
        }
        self
    }

    /// Adds the offset in a template where it happened, unless an inner place is known already.
    #[cold]
    pub(crate) fn placed(mut self, template: &Template, offset: u32) -> Self {
        if self.0.returned.is_some() {
            self.0
                .returned_at
                .get_or_insert_with(|| (template.clone(), offset));
            return self;
        }
        self.with_place(|| template.place(offset))
    }

    pub(crate) fn without_return(mut self) -> Self {
        self.0.returned = None;
        match self.0.returned_at.take() {
            Some((template, offset)) => self.placed(&template, offset),
            None => self,
        }
    }

    pub(crate) fn without_place(mut self) -> Self {
        self.0.place = None;
        self
    }

    /// Adds the macro that was running, innermost first.
    pub(crate) fn push_frame(&mut self, frame: Frame) {
        if self.0.trace.len() < 64 {
            self.0.trace.push(frame);
        }
    }

    /// `return(value)` on its way to the macro that it ends.
    pub(crate) fn returned(value: Value) -> Self {
        let mut error = Self::new(ErrorKind::Unsupported, "`return` outside of a macro")
            .with_hint("`return(value)` ends a macro; a model ends with its text");
        error.0.returned = Some(value);
        error
    }

    /// Tells whether this is a `return(...)` on its way up rather than a failure: whoever catches
    /// errors of template code must pass these on.
    pub fn is_return(&self) -> bool {
        self.0.returned.is_some()
    }

    /// Gives the value of a `return(...)`, or the error itself.
    pub(crate) fn into_returned(mut self) -> Result<Value> {
        self.0.returned.take().ok_or(self)
    }

    /// What kind of error it is.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// What happened, without place or trace.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Where it happened.
    pub fn place(&self) -> Option<&Place> {
        self.0.place.as_ref()
    }

    /// The macros that were running, innermost first.
    pub fn trace(&self) -> &[Frame] {
        &self.0.trace
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Takes the foreign error out, if one was carried.
    pub fn into_source(self) -> Option<BoxError> {
        self.0.source
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = &self.0;
        write!(f, "{:?}Error: {}", inner.kind, inner.message)?;
        if let Some(place) = &inner.place {
            write!(f, " at {place}")?;
        }
        for frame in &inner.trace {
            write!(f, "\n  in macro {}", frame.name)?;
            if let Some(place) = &frame.called_at {
                write!(f, ", called at {place}")?;
            }
        }
        if let Some(hint) = &inner.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}
