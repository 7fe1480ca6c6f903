use std::sync::Arc;

use weir_jinja::{Call, Error, Object, Result, Value};

use crate::warehouse::ColumnInfo;

/// A column as templates see it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) dtype: String,
    pub(crate) char_size: Option<u32>,
    pub(crate) precision: Option<u32>,
    pub(crate) scale: Option<u32>,
    quote: char,
}

impl Column {
    /// Makes a column of what the catalog says.
    pub(crate) fn new(info: ColumnInfo, quote: char) -> Self {
        Self {
            name: info.name,
            dtype: info.data_type,
            char_size: info.char_size,
            precision: info.numeric_precision,
            scale: info.numeric_scale,
            quote,
        }
    }

    /// Makes a column of a type as written, such as `character varying(20)`.
    pub(crate) fn described(name: &str, written: &str, quote: char) -> Self {
        let (dtype, measures) = match written.split_once('(') {
            Some((dtype, rest)) if rest.ends_with(')') => {
                (dtype.trim_end(), Some(&rest[..rest.len() - 1]))
            }
            _ => (written, None),
        };
        let mut column = Self {
            name: name.to_owned(),
            dtype: dtype.to_owned(),
            char_size: None,
            precision: None,
            scale: None,
            quote,
        };
        if let Some(measures) = measures {
            let numbers: Vec<Option<u32>> = measures
                .split(',')
                .map(|part| part.trim().parse().ok())
                .collect();
            match numbers.as_slice() {
                [Some(size)] => column.char_size = Some(*size),
                [Some(precision), Some(scale)] => {
                    column.precision = Some(*precision);
                    column.scale = Some(*scale);
                }
                _ => column.dtype = written.to_owned(),
            }
        }
        column
    }

    /// Makes a value of it.
    pub(crate) fn value(self) -> Value {
        Value::Object(Arc::new(self))
    }

    fn is_one_of(&self, names: &[&str]) -> bool {
        names
            .iter()
            .any(|name| self.dtype.eq_ignore_ascii_case(name))
    }

    pub(crate) fn is_string(&self) -> bool {
        self.is_one_of(&["text", "character varying", "character", "varchar"])
    }

    fn is_integer(&self) -> bool {
        self.is_one_of(&[
            "smallint",
            "integer",
            "bigint",
            "smallserial",
            "serial",
            "bigserial",
            "int2",
            "int4",
            "int8",
            "serial2",
            "serial4",
            "serial8",
        ])
    }

    fn is_numeric(&self) -> bool {
        self.is_one_of(&["numeric", "decimal"])
    }

    fn is_float(&self) -> bool {
        self.is_one_of(&[
            "real",
            "float4",
            "float",
            "double precision",
            "float8",
            "double",
        ])
    }

    /// The longest text; what has no limit counts as 256.
    pub(crate) fn string_size(&self) -> u32 {
        if self.dtype == "text" {
            256
        } else {
            self.char_size.unwrap_or(256)
        }
    }

    /// Whether widening this column would make it as wide as `other`.
    pub(crate) fn can_expand_to(&self, other: &Self) -> bool {
        self.is_string() && other.is_string() && other.string_size() > self.string_size()
    }

    /// The type with its measures.
    pub(crate) fn data_type(&self) -> String {
        let unbounded = self.is_one_of(&["text"])
            || (self.char_size.is_none() && self.is_one_of(&["character varying", "varchar"]));
        if unbounded {
            return self.dtype.clone();
        }
        if self.is_string() {
            return string_type(self.string_size());
        }
        if self.is_numeric() {
            return numeric_type(&self.dtype, self.precision, self.scale);
        }
        self.dtype.clone()
    }

    pub(crate) fn quoted(&self) -> String {
        format!("{quote}{}{quote}", self.name, quote = self.quote)
    }
}

/// The type of texts of at most so many characters.
pub(crate) fn string_type(size: u32) -> String {
    format!("character varying({size})")
}

fn numeric_type(dtype: &str, precision: Option<u32>, scale: Option<u32>) -> String {
    match (precision, scale) {
        (Some(precision), Some(scale)) => format!("{dtype}({precision},{scale})"),
        _ => dtype.to_owned(),
    }
}

fn number(value: Option<u32>) -> Value {
    value.map_or(Value::None, |value| Value::Int(i64::from(value)))
}

impl Object for Column {
    fn type_name(&self) -> &str {
        "Column"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(Some(match name {
            "name" | "column" => Value::str(self.name.as_str()),
            "dtype" => Value::str(self.dtype.as_str()),
            "data_type" | "expanded_data_type" => Value::str(self.data_type()),
            "quoted" => Value::str(self.quoted()),
            "char_size" => number(self.char_size),
            "numeric_precision" => number(self.precision),
            "numeric_scale" => number(self.scale),
            _ => return Ok(None),
        }))
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        key.as_str().map_or(Ok(None), |name| self.attr(name))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        Ok(Some(match name {
            "is_string" => Value::Bool(self.is_string()),
            "is_integer" => Value::Bool(self.is_integer()),
            "is_numeric" => Value::Bool(self.is_numeric()),
            "is_float" => Value::Bool(self.is_float()),
            "is_number" => Value::Bool(self.is_integer() || self.is_numeric() || self.is_float()),
            "string_size" => {
                if !self.is_string() {
                    return Err(Error::custom("Called string_size() on non-string field!"));
                }
                Value::Int(i64::from(self.string_size()))
            }
            "can_expand_to" => {
                let other = call.required("other_column")?;
                Value::Bool(
                    other
                        .as_object::<Self>()
                        .is_some_and(|other| self.can_expand_to(other)),
                )
            }
            "literal" => {
                let value = call.required("value")?.to_str();
                Value::str(format!("{value}::{}", self.data_type()))
            }
            _ => return class_method(self.quote, name, call),
        }))
    }

    fn methods(&self) -> &[&str] {
        &[
            "is_string",
            "is_integer",
            "is_numeric",
            "is_float",
            "is_number",
            "string_size",
            "can_expand_to",
            "literal",
        ]
    }

    fn repr(&self) -> String {
        format!("<Column {} ({})>", self.name, self.data_type())
    }

    fn equals(&self, other: &Value) -> bool {
        other.as_object::<Self>().is_some_and(|other| self == other)
    }

    fn hash(&self) -> Option<u64> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        (&self.name, &self.dtype).hash(&mut hasher);
        Some(hasher.finish())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// `api.Column`: makes columns and names types.
#[derive(Debug)]
pub(super) struct ColumnClass {
    pub(super) quote: char,
}

impl Object for ColumnClass {
    fn type_name(&self) -> &str {
        "type"
    }

    fn is_callable(&self) -> bool {
        true
    }

    fn call(&self, call: &mut Call<'_>) -> Result<Value> {
        let name = call.required("column")?.to_str().to_string();
        let dtype = call.required("dtype")?.to_str().to_string();
        let mut number = |key: &str| -> Result<Option<u32>> {
            let value = call.optional(key)?;
            Ok(value
                .and_then(|value| value.to_str().parse::<f64>().ok())
                .map(|number| number as u32))
        };
        let (char_size, precision, scale) = (
            number("char_size")?,
            number("numeric_precision")?,
            number("numeric_scale")?,
        );
        Ok(Column {
            name,
            dtype,
            char_size,
            precision,
            scale,
            quote: self.quote,
        }
        .value())
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        class_method(self.quote, name, call)
    }

    fn methods(&self) -> &[&str] {
        &[
            "create",
            "translate_type",
            "string_type",
            "numeric_type",
            "from_description",
        ]
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn class_method(quote: char, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
    Ok(Some(match name {
        "translate_type" => Value::str(translated(&call.required("dtype")?.to_str())),
        "create" => {
            let name = call.required("name")?.to_str();
            let label = call.required("label_or_dtype")?.to_str();
            let mut column = Column::described(&name, "text", quote);
            column.dtype = translated(&label);
            column.value()
        }
        "string_type" => {
            let size = call.required("size")?.to_str();
            Value::str(format!("character varying({size})"))
        }
        "numeric_type" => {
            let dtype = call.required("dtype")?.to_str();
            let precision = call.optional("precision")?.filter(|value| !value.is_none());
            let scale = call.optional("scale")?.filter(|value| !value.is_none());
            Value::str(match (precision, scale) {
                (Some(precision), Some(scale)) => format!("{dtype}({precision},{scale})"),
                _ => dtype.to_string(),
            })
        }
        "from_description" => {
            let name = call.required("name")?.to_str();
            let written = call.required("raw_data_type")?.to_str();
            Column::described(&name, &written, quote).value()
        }
        _ => return Ok(None),
    }))
}

/// Names a type as the warehouse does.
fn translated(label: &str) -> String {
    if label.eq_ignore_ascii_case("string") {
        "TEXT".to_owned()
    } else {
        label.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_taken_apart_and_put_together() {
        let of = |written| Column::described("a", written, '"');
        assert_eq!(
            of("character varying(20)").data_type(),
            "character varying(20)"
        );
        assert_eq!(of("character varying").data_type(), "character varying");
        assert_eq!(of("numeric(10,2)").data_type(), "numeric(10,2)");
        assert_eq!(of("numeric").data_type(), "numeric");
        assert_eq!(
            of("timestamp without time zone").data_type(),
            "timestamp without time zone"
        );
        assert!(of("character varying(20)").can_expand_to(&of("text")));
        assert!(!of("text").can_expand_to(&of("character varying(20)")));
    }
}
