//! What is not there, and what to say about it.

use std::sync::Arc;

use crate::{Error, ErrorKind};

/// A name, attribute or item that is not there; it remembers what was asked for.
#[derive(Debug, Clone, Default)]
pub struct Undefined(Option<Arc<Asked>>);

#[derive(Debug)]
struct Asked {
    what: What,
    chainable: bool,
}

#[derive(Debug)]
enum What {
    Name(Arc<str>),
    Attribute { of: String, name: Arc<str> },
    Message(Arc<str>),
}

impl Undefined {
    /// Nobody knows the name.
    pub fn name(name: impl Into<Arc<str>>) -> Self {
        Self::of(What::Name(name.into()), false)
    }

    /// A value of a type has no such attribute or item.
    pub(crate) fn attribute(type_name: &str, name: impl Into<Arc<str>>) -> Self {
        Self::of(
            What::Attribute {
                of: described(type_name),
                name: name.into(),
            },
            false,
        )
    }

    /// A value of a type has no item of that key.
    pub(crate) fn element(type_name: &str, key: &super::Value) -> Self {
        match key {
            super::Value::Str(name) => Self::attribute(type_name, Arc::clone(name)),
            key => Self::message(format!(
                "{} has no element {}",
                described(type_name),
                key.repr()
            )),
        }
    }

    /// Anything else that is not there, told as it is.
    pub fn message(message: impl Into<Arc<str>>) -> Self {
        Self::of(What::Message(message.into()), false)
    }

    fn of(what: What, chainable: bool) -> Self {
        Self(Some(Arc::new(Asked { what, chainable })))
    }

    /// The same, but attributes, items and calls of it are undefined in turn.
    #[must_use]
    pub(crate) fn chainable(name: impl Into<Arc<str>>) -> Self {
        Self::of(What::Name(name.into()), true)
    }

    pub(crate) fn is_chainable(&self) -> bool {
        self.0.as_ref().is_some_and(|asked| asked.chainable)
    }

    /// The name that was asked for, if it was one.
    pub fn asked(&self) -> Option<&Arc<str>> {
        match &self.0.as_ref()?.what {
            What::Name(name) | What::Attribute { name, .. } => Some(name),
            What::Message(_) => None,
        }
    }

    /// The error of using it.
    pub fn error(&self) -> Error {
        let message = match self.0.as_ref().map(|asked| &asked.what) {
            None => "the value is undefined".to_owned(),
            Some(What::Name(name)) => format!("'{name}' is undefined"),
            Some(What::Attribute { of, name }) => format!("'{of}' has no attribute '{name}'"),
            Some(What::Message(message)) => message.to_string(),
        };
        Error::new(ErrorKind::Undefined, message)
    }
}

fn described(type_name: &str) -> String {
    if type_name == "NoneType" {
        "None".into()
    } else {
        format!("{type_name} object")
    }
}
