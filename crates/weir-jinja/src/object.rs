//! Values that the host gives to templates.

use std::{any::Any, fmt, sync::Arc};

use crate::{Call, Error, ErrorKind, Result, Value};

/// A value of the host's: a relation, a column, an adapter, a function.
///
/// Every method has a default, so an object answers only what it can do. Methods may be called
/// from several threads at once and must not hold a lock while they call back into the
/// interpreter.
pub trait Object: Send + Sync + fmt::Debug + 'static {
    /// The name of the type, as messages give it.
    fn type_name(&self) -> &str {
        "object"
    }

    /// The attribute `object.name`, or `None` when there is none.
    fn attr(&self, name: &str) -> Result<Option<Value>> {
        let _ = name;
        Ok(None)
    }

    /// The item `object[key]`, or `None` when there is none.
    fn item(&self, key: &Value) -> Result<Option<Value>> {
        let _ = key;
        Ok(None)
    }

    /// Sets the item `object[key]`, for `__setitem__`.
    fn set_item(&self, key: Value, value: Value) -> Result<()> {
        let _ = (key, value);
        Err(Error::new(
            ErrorKind::Type,
            format!(
                "'{}' object does not support item assignment",
                self.type_name()
            ),
        ))
    }

    /// Sets the attribute `object.name`, for `{% set object.name = value %}`.
    fn set_attr(&self, name: &str, value: Value) -> Result<()> {
        let _ = (name, value);
        Err(Error::new(
            ErrorKind::Type,
            "cannot assign attribute on non-namespace object",
        )
        .with_hint("only `namespace(...)` has attributes that can be set"))
    }

    /// Calls the object itself: `object(...)`.
    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        let _ = call;
        Err(Error::new(
            ErrorKind::Type,
            format!("'{}' object is not callable", self.type_name()),
        ))
    }

    /// Whether the object can be called: the test `callable`.
    fn is_callable(&self) -> bool {
        false
    }

    /// Calls the method `object.name(...)`, or gives `None` when there is no such method, having
    /// left the arguments alone: the attribute of that name is called then.
    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let _ = (name, call);
        Ok(None)
    }

    /// The names of the methods, so that they can be passed around and spelled right.
    fn methods(&self) -> &[&str] {
        &[]
    }

    /// The names of the attributes, for hints and for `debug`.
    fn attributes(&self) -> Vec<String> {
        Vec::new()
    }

    /// The items of a loop over the object, or `None` when it cannot be looped over.
    fn iterate(&self) -> Option<Vec<Value>> {
        None
    }

    /// The number of items, for `length`.
    fn length(&self) -> Option<usize> {
        None
    }

    /// Whether the object is true in an `if`.
    fn is_true(&self) -> bool {
        self.length() != Some(0)
    }

    /// Whether the object is a mapping: the test `mapping`, and what `dict(object)` takes.
    fn is_mapping(&self) -> bool {
        false
    }

    /// Python's `str(object)`.
    fn to_str(&self) -> String {
        self.repr()
    }

    /// Python's `repr(object)`.
    fn repr(&self) -> String {
        format!("<{}>", self.type_name())
    }

    /// Whether the object equals a value; identity unless told otherwise. Equal objects that serve
    /// as keys must give the same [`Object::hash`].
    fn equals(&self, other: &Value) -> bool {
        let _ = other;
        false
    }

    /// The order of the object and a value, or `None` when they have none.
    fn compare(&self, other: &Value) -> Option<std::cmp::Ordering> {
        let _ = other;
        None
    }

    /// The hash as a key of a dictionary; `None` stands for the object's identity.
    fn hash(&self) -> Option<u64> {
        None
    }

    /// Whether `value in object` holds; by the items of a loop unless told otherwise.
    fn contains(&self, value: &Value) -> Result<bool> {
        match self.iterate() {
            Some(items) => Ok(items.iter().any(|item| item == value)),
            None => Err(Error::new(
                ErrorKind::Type,
                format!("argument of type '{}' is not iterable", self.type_name()),
            )),
        }
    }

    /// An arithmetic operator with the object on one side (`swapped` when on the right), or `None`
    /// when there is none: dates and decimals answer it.
    fn operate(&self, operator: &str, other: &Value, swapped: bool) -> Result<Option<Value>> {
        let _ = (operator, other, swapped);
        Ok(None)
    }

    /// The object as JSON, for `tojson`; `None` makes that an error.
    fn to_json(&self) -> Option<serde_json::Value> {
        None
    }

    /// The object itself, to be cast down by its owner.
    fn as_any(&self) -> &dyn Any;
}

/// A function of the host's as a value.
pub struct Function {
    name: Arc<str>,
    body: Box<Body>,
}

type Body = dyn Fn(&mut Call<'_>) -> Result<Value> + Send + Sync;

impl Function {
    /// Makes a value of a closure; the name is for messages.
    pub fn value(
        name: impl Into<Arc<str>>,
        body: impl Fn(&mut Call<'_>) -> Result<Value> + Send + Sync + 'static,
    ) -> Value {
        Value::Object(Arc::new(Self {
            name: name.into(),
            body: Box::new(body),
        }))
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({})", self.name)
    }
}

impl Object for Function {
    fn type_name(&self) -> &str {
        "function"
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        call.function = Arc::clone(&self.name);
        (self.body)(call)
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok((name == "name" || name == "__name__").then(|| Value::Str(Arc::clone(&self.name))))
    }

    fn repr(&self) -> String {
        format!("<function {}>", self.name)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A method of a value, taken as a value: `{% set add = list.append %}`.
#[derive(Debug)]
pub(crate) struct BoundMethod {
    pub(crate) object: Value,
    pub(crate) name: Arc<str>,
}

impl Object for BoundMethod {
    fn type_name(&self) -> &str {
        "method"
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        call.call_method(&self.object, &self.name)
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn repr(&self) -> String {
        format!(
            "<bound method {} of {}>",
            self.name,
            self.object.type_name()
        )
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
