//! Python's values: what they are, how they are written, compared and taken apart.

mod access;
mod compare;
mod convert;
mod dict;
mod list;
mod map;
mod number;
mod text;
mod trash;
mod undefined;

use std::{fmt, sync::Arc};

pub(crate) use self::{
    access::{Items, position},
    compare::{compare, hash_of, unhashable},
    convert::json_key,
    number::{float_repr, parse_float, parse_int},
    text::{quote, repr_into, str_into, str_within},
    trash::bury,
};
pub use self::{
    dict::{Dict, Set},
    list::{List, Tuple},
    undefined::Undefined,
};
use crate::{MacroDef, Object};

/// A value of a template, with Python's meaning.
///
/// Lists, dictionaries and sets are shared and mutable: a clone is the same list. `==` is
/// Python's: `1 == 1.0 == true`.
#[derive(Clone, Default)]
pub enum Value {
    /// A name, attribute or item that is not there.
    Undefined(Undefined),
    /// `None`
    #[default]
    None,
    /// `True` and `False`
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer beyond 64 bits.
    BigInt(Box<i128>),
    /// A float.
    Float(f64),
    /// A string.
    Str(Arc<str>),
    /// A list.
    List(List),
    /// A tuple.
    Tuple(Tuple),
    /// A dictionary in the order of insertion.
    Dict(Dict),
    /// A set in the order of insertion.
    Set(Set),
    /// A macro.
    Macro(MacroDef),
    /// A value of the host's.
    Object(Arc<dyn Object>),
}

impl Value {
    /// The name of the type as Python gives it.
    pub fn type_name(&self) -> &str {
        match self {
            Self::Undefined(_) => "Undefined",
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) | Self::BigInt(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "str",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::Set(_) => "set",
            Self::Macro(_) => "macro",
            Self::Object(object) => object.type_name(),
        }
    }

    /// Makes a value of an object.
    pub fn object(object: impl Object) -> Self {
        Self::Object(Arc::new(object))
    }

    /// Makes a string.
    pub fn str(text: impl Into<Arc<str>>) -> Self {
        Self::Str(text.into())
    }

    /// Makes a list.
    pub fn list<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::List(List::new(items.into_iter().map(Into::into).collect()))
    }

    /// Makes a tuple.
    pub fn tuple<T: Into<Self>>(items: impl IntoIterator<Item = T>) -> Self {
        Self::Tuple(Tuple::new(items.into_iter().map(Into::into).collect()))
    }

    /// Makes a dictionary with strings as keys.
    pub fn dict<K: Into<Arc<str>>, T: Into<Self>>(
        entries: impl IntoIterator<Item = (K, T)>,
    ) -> Self {
        let dict = Dict::default();
        for (key, value) in entries {
            dict.set_str(key, value);
        }
        Self::Dict(dict)
    }

    /// An undefined value of a name.
    pub fn undefined(name: impl Into<Arc<str>>) -> Self {
        Self::Undefined(Undefined::name(name))
    }

    /// The string, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The integer, if it is one of 64 bits or a bool.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::Bool(flag) => Some(i64::from(*flag)),
            _ => None,
        }
    }

    /// The number as a float, if it is a number.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            Self::Int(number) => Some(*number as f64),
            Self::BigInt(number) => Some(**number as f64),
            Self::Bool(flag) => Some(f64::from(u8::from(*flag))),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(list) => Some(list),
            _ => None,
        }
    }

    /// The dictionary, if it is one.
    pub fn as_dict(&self) -> Option<&Dict> {
        match self {
            Self::Dict(dict) => Some(dict),
            _ => None,
        }
    }

    /// The host's object, if it is one of type `T`.
    pub fn as_object<T: Object>(&self) -> Option<&T> {
        match self {
            Self::Object(object) => object.as_any().downcast_ref(),
            _ => None,
        }
    }

    /// Whether it is `None`.
    pub fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// Whether it is undefined.
    pub fn is_undefined(&self) -> bool {
        matches!(self, Self::Undefined(_))
    }

    /// Whether it is true in an `if`.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Undefined(_) | Self::None => false,
            Self::Bool(flag) => *flag,
            Self::Int(number) => *number != 0,
            Self::BigInt(number) => **number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Str(text) => !text.is_empty(),
            Self::List(list) => !list.is_empty(),
            Self::Tuple(tuple) => !tuple.is_empty(),
            Self::Dict(dict) => !dict.is_empty(),
            Self::Set(set) => !set.is_empty(),
            Self::Macro(_) => true,
            Self::Object(object) => object.is_true(),
        }
    }

    /// Whether it can be called.
    pub fn is_callable(&self) -> bool {
        match self {
            Self::Macro(_) => true,
            Self::Object(object) => object.is_callable(),
            _ => false,
        }
    }

    /// Python's `str(value)`; undefined gives nothing.
    pub fn to_str(&self) -> Arc<str> {
        match self {
            Self::Str(text) => Arc::clone(text),
            other => {
                let mut out = String::new();
                str_into(other, &mut out);
                out.into()
            }
        }
    }

    /// Python's `repr(value)`.
    pub fn repr(&self) -> String {
        let mut out = String::new();
        repr_into(self, &mut out);
        out
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_str())
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.repr())
    }
}
