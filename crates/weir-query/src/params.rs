//! Parameters: values from outside that take the place of `$1`, never spliced into the text.

use std::collections::HashMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DataFusionError, ParamValues, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan};
use serde_json::Value;

use crate::error::{QueryError, QueryErrorKind};
use crate::functions;
use crate::types::type_name;

/// A value for `$1`, `$2`, ...
#[derive(Clone, Debug, PartialEq)]
pub enum Parameter {
    /// A JSON value. Text stays text: where it meets a timestamp or a number, the planner casts it.
    Json(Value),
    /// A value with a type.
    Scalar(ScalarValue),
}

impl From<Value> for Parameter {
    fn from(value: Value) -> Self {
        Self::Json(value)
    }
}

impl From<ScalarValue> for Parameter {
    fn from(value: ScalarValue) -> Self {
        Self::Scalar(value)
    }
}

/// Turns parameters into the engine's values.
pub(crate) fn bind(params: &[Parameter]) -> Result<Vec<ScalarValue>, QueryError> {
    params
        .iter()
        .enumerate()
        .map(|(i, parameter)| match parameter {
            Parameter::Json(value) => scalar(value, i + 1),
            Parameter::Scalar(value) => Ok(value.clone()),
        })
        .collect()
}

pub(crate) fn values(params: Vec<ScalarValue>) -> ParamValues {
    ParamValues::from(params)
}

/// Returns the types to which parameters are cast, by their names: `$1::date` takes a date.
pub(crate) fn casts(plan: &LogicalPlan) -> Result<HashMap<String, DataType>, DataFusionError> {
    let mut casts = HashMap::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            expr.apply(|expr| {
                if let Expr::Cast(cast) = expr
                    && let Expr::Placeholder(placeholder) = cast.expr.as_ref()
                {
                    let kind = cast.field.data_type().clone();
                    casts.entry(placeholder.id.clone()).or_insert(kind);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(casts)
}

/// Gives text the type that the place where it is used asks for, as Postgres reads what is written
/// without a type: `id < '10'` compares numbers.
pub(crate) fn typed(
    params: Vec<ScalarValue>,
    types: &HashMap<String, Option<DataType>>,
    casts: &HashMap<String, DataType>,
) -> Result<Vec<ScalarValue>, QueryError> {
    params
        .into_iter()
        .enumerate()
        .map(|(i, value)| {
            let name = format!("${}", i + 1);
            let wanted = types.get(&name).and_then(Option::as_ref);
            let wanted = wanted.or_else(|| casts.get(&name));
            let Some(wanted) = wanted.filter(|kind| !kind.is_string() && !kind.is_nested()) else {
                return Ok(value);
            };
            if !value.data_type().is_string() || value.is_null() {
                return Ok(value);
            }
            if matches!(wanted, DataType::Timestamp(_, Some(_))) {
                // Read where it is used, in the session's zone.
                return Ok(value);
            }
            functions::read_text(&value, wanted).map_err(|error| {
                let message = format!("parameter ${} is no {}", i + 1, type_name(wanted));
                QueryError::new(QueryErrorKind::Value, message)
                    .with_sqlstate("22P02")
                    .caused_by(error)
            })
        })
        .collect()
}

fn scalar(value: &Value, number: usize) -> Result<ScalarValue, QueryError> {
    Ok(match value {
        Value::Null => ScalarValue::Null,
        Value::Bool(value) => ScalarValue::Boolean(Some(*value)),
        Value::Number(number_value) => match (number_value.as_i64(), number_value.as_f64()) {
            (Some(value), _) => ScalarValue::Int64(Some(value)),
            (None, Some(value)) => ScalarValue::Float64(Some(value)),
            (None, None) => return Err(unfit(number, "is a number out of range")),
        },
        Value::String(value) => ScalarValue::Utf8(Some(value.clone())),
        Value::Array(values) => list(values, number)?,
        Value::Object(_) => return Err(unfit(number, "is an object; pass its JSON text instead")),
    })
}

/// A list, for `= ANY($1)` and `array_has($1, x)`: all of its values have one type.
fn list(values: &[Value], number: usize) -> Result<ScalarValue, QueryError> {
    let scalars = values
        .iter()
        .map(|v| scalar(v, number))
        .collect::<Result<Vec<_>, _>>()?;
    let data_type = scalars
        .iter()
        .find(|v| !v.is_null())
        .map_or(DataType::Utf8, ScalarValue::data_type);
    let scalars = scalars
        .into_iter()
        .map(|v| {
            if v.is_null() {
                ScalarValue::try_from(&data_type)
            } else {
                Ok(v)
            }
        })
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_| unfit(number, "is a list of lists"))?;
    if scalars.iter().any(|v| v.data_type() != data_type) {
        return Err(unfit(number, "is a list of values of different types"));
    }
    Ok(ScalarValue::List(ScalarValue::new_list_nullable(
        &scalars, &data_type,
    )))
}

fn unfit(number: usize, why: &str) -> QueryError {
    QueryError::new(
        QueryErrorKind::Parameter,
        format!("parameter ${number} {why}"),
    )
}

/// Splits the text of an array of one dimension, such as `{1,NULL,"a b"}`.
pub fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let inside = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    let mut chars = inside.chars().peekable();
    if inside.trim().is_empty() {
        return Some(elements);
    }
    loop {
        let (mut element, mut quoted) = (String::new(), false);
        while chars.peek().is_some_and(|c| c.is_whitespace()) {
            chars.next();
        }
        if chars.peek() == Some(&'"') {
            chars.next();
            quoted = true;
            loop {
                match chars.next()? {
                    '"' => break,
                    '\\' => element.push(chars.next()?),
                    c => element.push(c),
                }
            }
        }
        let end = loop {
            match chars.next() {
                None => break true,
                Some(',') => break false,
                Some('{' | '}') => return None,
                Some('\\') if !quoted => element.push(chars.next()?),
                Some(c) if quoted && !c.is_whitespace() => return None,
                Some(_) if quoted => {}
                Some(c) => element.push(c),
            }
        };
        if !quoted {
            element.truncate(element.trim_end().len());
        }
        elements.push(match quoted || !element.eq_ignore_ascii_case("null") {
            true => Some(element),
            false => None,
        });
        if end {
            return Some(elements);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_values_become_values() {
        let values = bind(
            &[
                json!(null),
                json!(true),
                json!(7),
                json!(1.5),
                json!("x'; DROP"),
                json!([1, null, 3]),
            ]
            .map(Parameter::Json),
        )
        .unwrap();
        assert_eq!(values[2], ScalarValue::Int64(Some(7)));
        assert_eq!(values[4], ScalarValue::Utf8(Some("x'; DROP".into())));
        assert!(matches!(values[5], ScalarValue::List(_)));
    }

    #[test]
    fn arrays_are_split() {
        let split = |text: &str| elements(text);
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(split("{}"), Some(vec![]));
        assert_eq!(
            split("{1, NULL,\"a,\\\"b\"}"),
            Some(vec![some("1"), None, some("a,\"b")])
        );
        assert_eq!(split("{\"NULL\"}"), Some(vec![some("NULL")]));
        for bad in ["", "{", "1,2", "{{1}}", "{\"a}", "{\"a\"b}"] {
            assert_eq!(split(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_has_no_type_is_refused() {
        for bad in [json!({"a": 1}), json!([1, "a"])] {
            assert_eq!(
                bind(&[bad.into()]).unwrap_err().kind(),
                QueryErrorKind::Parameter
            );
        }
    }
}
