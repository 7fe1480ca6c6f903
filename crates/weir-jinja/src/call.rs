//! The arguments of a call and how a function of the host's takes them.

use std::sync::Arc;

use crate::{Error, ErrorKind, Interpreter, Names, Place, Result, Template, Value};

/// Arguments of a call, before anybody took them.
#[derive(Debug, Clone, Default)]
pub struct Args {
    /// The positional ones, `*args` spread out.
    pub positional: Vec<Value>,
    /// The named ones in the order given, `**kwargs` spread out.
    pub named: Vec<(Arc<str>, Value)>,
}

impl Args {
    /// No arguments.
    pub fn none() -> Self {
        Self::default()
    }

    /// Adds a named argument.
    #[must_use]
    pub fn with(mut self, name: impl Into<Arc<str>>, value: impl Into<Value>) -> Self {
        self.named.push((name.into(), value.into()));
        self
    }
}

impl<T: Into<Value>> FromIterator<T> for Args {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self {
            positional: items.into_iter().map(Into::into).collect(),
            named: Vec::new(),
        }
    }
}

impl From<Vec<Value>> for Args {
    fn from(positional: Vec<Value>) -> Self {
        Self {
            positional,
            named: Vec::new(),
        }
    }
}

/// A call of a function or an object, on its way.
///
/// Arguments are taken in the order of the function's parameters with [`Call::required`] and
/// [`Call::optional`], each positional or by name; [`Call::finish`] then refuses what is left.
pub struct Call<'a> {
    /// The name of what is called, for messages.
    pub function: Arc<str>,
    /// The positional arguments; those taken already are `None`.
    pub args: Vec<Value>,
    /// The named arguments not taken yet.
    pub kwargs: Vec<(Arc<str>, Value)>,
    /// The interpreter, for calling back into macros.
    pub interpreter: &'a mut Interpreter,
    /// The names of whoever calls, to be handed on to macros.
    pub names: &'a dyn Names,
    pub(crate) from: Option<(Template, u32)>,
    pub(crate) next: usize,
}

impl<'a> Call<'a> {
    /// Makes a call of arguments: for objects that pass a call on.
    pub fn new(
        function: impl Into<Arc<str>>,
        args: Args,
        interpreter: &'a mut Interpreter,
        names: &'a dyn Names,
    ) -> Self {
        Self {
            function: function.into(),
            args: args.positional,
            kwargs: args.named,
            interpreter,
            names,
            from: None,
            next: 0,
        }
    }

    /// Where the call stands, when a template made it.
    pub fn place(&self) -> Option<Place> {
        self.from
            .as_ref()
            .map(|(template, offset)| template.place(*offset))
    }

    /// Takes the next parameter, which must be given.
    pub fn required(&mut self, name: &str) -> Result<Value> {
        match self.optional(name)? {
            Some(value) => Ok(value),
            None => Err(Error::new(
                ErrorKind::Type,
                format!("{}() missing required argument '{name}'", self.function),
            )),
        }
    }

    /// Takes the next parameter, if it is given.
    pub fn optional(&mut self, name: &str) -> Result<Option<Value>> {
        let named = self.named(name);
        if self.next < self.args.len() {
            if named.is_some() {
                return Err(Error::new(
                    ErrorKind::Type,
                    format!(
                        "{}() got multiple values for argument '{name}'",
                        self.function
                    ),
                ));
            }
            let value = std::mem::replace(&mut self.args[self.next], Value::None);
            self.next += 1;
            return Ok(Some(value));
        }
        Ok(named)
    }

    /// Takes an argument that can only be given by name.
    pub fn named(&mut self, name: &str) -> Option<Value> {
        let at = self.kwargs.iter().position(|(key, _)| &**key == name)?;
        Some(self.kwargs.remove(at).1)
    }

    /// Takes the next parameter as a string; `None` and undefined are refused.
    pub fn required_str(&mut self, name: &str) -> Result<Arc<str>> {
        let value = self.required(name)?;
        self.string(name, value)
    }

    /// Takes the next parameter as a string, if it is given and not `None`.
    pub fn optional_str(&mut self, name: &str) -> Result<Option<Arc<str>>> {
        match self.optional(name)? {
            None | Some(Value::None) => Ok(None),
            Some(value) => self.string(name, value).map(Some),
        }
    }

    /// Takes the next parameter as a truth value.
    pub fn optional_bool(&mut self, name: &str, default: bool) -> Result<bool> {
        Ok(self
            .optional(name)?
            .map_or(default, |value| value.is_true()))
    }

    /// Takes the next parameter as an integer, if it is given and not `None`.
    pub fn optional_int(&mut self, name: &str) -> Result<Option<i64>> {
        match self.optional(name)? {
            None | Some(Value::None) => Ok(None),
            Some(value) => value
                .as_int()
                .map(Some)
                .ok_or_else(|| self.wrong(name, "an integer", &value)),
        }
    }

    fn string(&self, name: &str, value: Value) -> Result<Arc<str>> {
        match value {
            Value::Str(text) => Ok(text),
            other => Err(self.wrong(name, "a string", &other)),
        }
    }

    /// The error of an argument of the wrong type.
    pub fn wrong(&self, name: &str, wanted: &str, got: &Value) -> Error {
        if let Value::Undefined(undefined) = got {
            return undefined.error();
        }
        Error::new(
            ErrorKind::Type,
            format!(
                "{}() argument '{name}' must be {wanted}, not {}",
                self.function,
                got.type_name()
            ),
        )
    }

    /// Takes all positional arguments that are left.
    pub fn rest(&mut self) -> Vec<Value> {
        let rest = self.args.split_off(self.next.min(self.args.len()));
        self.next = self.args.len();
        rest
    }

    /// Takes all arguments that are left, to pass them on.
    pub fn take_all(&mut self) -> Args {
        Args {
            positional: self.rest(),
            named: std::mem::take(&mut self.kwargs),
        }
    }

    /// Refuses arguments that nobody took.
    pub fn finish(&self) -> Result<()> {
        if self.next < self.args.len() {
            return Err(Error::new(
                ErrorKind::Type,
                format!(
                    "{}() takes {} positional argument{} but {} were given",
                    self.function,
                    self.next,
                    if self.next == 1 { "" } else { "s" },
                    self.args.len()
                ),
            ));
        }
        match self.kwargs.first() {
            Some((name, _)) => Err(Error::new(
                ErrorKind::Type,
                format!(
                    "{}() got an unexpected keyword argument '{name}'",
                    self.function
                ),
            )),
            None => Ok(()),
        }
    }

    /// Calls any value with this call's names.
    pub fn call(&mut self, callee: &Value, args: Args) -> Result<Value> {
        self.interpreter.call(callee, args, self.names)
    }

    /// Calls a method of a value with what is left of this call's arguments.
    pub(crate) fn call_method(&mut self, object: &Value, name: &str) -> Result<Value> {
        let args = self.take_all();
        self.interpreter.call_method(object, name, args, self.names)
    }
}
