//! From the JSON Schema of a stream to columns.

use serde_json::Value;

use crate::load::{Column, ColumnType};

/// Decimal places beyond this are taken for "any number": taps write `1e-38` for those.
const MOST_PLACES: u8 = 18;

/// Returns the columns of a stream; what is wrong with its schema is told in words.
pub(super) fn columns(schema: &Value, keys: &[String]) -> Result<Vec<Column>, String> {
    let Some(schema) = schema.as_object() else {
        return Err("its `schema` is not an object".into());
    };
    let properties = match schema.get("properties") {
        None | Some(Value::Null) => None,
        Some(Value::Object(properties)) => Some(properties),
        Some(_) => return Err("the `properties` of its schema are not an object".into()),
    };
    let mut columns = Vec::new();
    for (name, property) in properties.into_iter().flatten() {
        let column_type = match property {
            Value::Object(_) => column_type(property, schema.get("definitions")),
            Value::Bool(_) => ColumnType::Text,
            _ => return Err(format!("the schema of `{name}` is not an object")),
        };
        let mut column = Column::new(name, column_type);
        column.is_key = keys.contains(name);
        columns.push(column);
    }
    let missing = keys
        .iter()
        .find(|key| columns.iter().all(|c| c.name != **key));
    match missing {
        Some(key) => Err(format!(
            "its key `{key}` is not among the properties of its schema"
        )),
        None => Ok(columns),
    }
}

/// Returns the type that holds what a property may hold; text for what has structure or many types.
fn column_type(property: &Value, definitions: Option<&Value>) -> ColumnType {
    let mut found = None;
    collect(property, definitions, &mut found, 0);
    found.unwrap_or(ColumnType::Text)
}

fn collect(
    property: &Value,
    definitions: Option<&Value>,
    found: &mut Option<ColumnType>,
    depth: usize,
) {
    let mut add = |one: ColumnType| {
        *found = Some(found.map_or(one, |so_far: ColumnType| so_far.join(one)));
    };
    if depth > 8 {
        return add(ColumnType::Text);
    }
    let words = match property.get("type") {
        Some(Value::String(word)) => vec![word.as_str()],
        Some(Value::Array(words)) => words.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    for word in words {
        match word {
            "null" => {}
            "boolean" => add(ColumnType::Boolean),
            "integer" => add(integer(property)),
            "number" => add(number(property)),
            "string" => add(string(property)),
            _ => add(ColumnType::Text),
        }
    }
    for key in ["anyOf", "oneOf", "allOf"] {
        for option in property
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            collect(option, definitions, found, depth + 1);
        }
    }
    if let Some(name) = property.get("$ref").and_then(Value::as_str) {
        let name = name.rsplit('/').next().unwrap_or_default();
        match definitions.and_then(|definitions| definitions.get(name)) {
            Some(definition) => collect(definition, definitions, found, depth + 1),
            None => *found = Some(ColumnType::Text),
        }
    }
}

fn integer(property: &Value) -> ColumnType {
    // Beyond 64 bits, as unsigned keys are.
    let beyond = |key: &str| {
        let bound = property.get(key).and_then(Value::as_f64);
        bound.is_some_and(|bound| bound.abs() > 9.3e18)
    };
    match beyond("maximum") || beyond("minimum") {
        true => ColumnType::Decimal(0),
        false => ColumnType::Integer,
    }
}

fn number(property: &Value) -> ColumnType {
    let Some(step) = property.get("multipleOf").and_then(Value::as_f64) else {
        return ColumnType::Double;
    };
    let places = -step.log10();
    let whole = places.round();
    match (places - whole).abs() < 1e-6 && (0.0..=f64::from(MOST_PLACES)).contains(&whole) {
        true => ColumnType::Decimal(whole as u8),
        false => ColumnType::Double,
    }
}

fn string(property: &Value) -> ColumnType {
    match property.get("format").and_then(Value::as_str) {
        Some("date-time") => ColumnType::Timestamp,
        Some("date") => ColumnType::Date,
        _ => ColumnType::Text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_follow_the_schema() {
        for (property, wanted) in [
            (json!({"type": "integer"}), ColumnType::Integer),
            (json!({"type": ["null", "integer"]}), ColumnType::Integer),
            (
                json!({"type": "integer", "maximum": 18446744073709551615_u64}),
                ColumnType::Decimal(0),
            ),
            (
                json!({"type": ["number", "null"], "multipleOf": 0.01}),
                ColumnType::Decimal(2),
            ),
            (
                json!({"type": "number", "multipleOf": 1e-38}),
                ColumnType::Double,
            ),
            (json!({"type": "number"}), ColumnType::Double),
            (
                json!({"type": "string", "format": "date-time"}),
                ColumnType::Timestamp,
            ),
            (
                json!({"type": "string", "format": "date"}),
                ColumnType::Date,
            ),
            (json!({"type": ["string", "integer"]}), ColumnType::Text),
            (
                json!({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
                ColumnType::Integer,
            ),
            (
                json!({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "string"}]}),
                ColumnType::Text,
            ),
            (json!({"type": "object"}), ColumnType::Text),
            (json!({"type": "array", "items": {}}), ColumnType::Text),
            (json!({}), ColumnType::Text),
        ] {
            let columns = columns(&json!({"properties": {"a": property}}), &[]).unwrap();
            assert_eq!(columns[0].column_type, wanted, "{property}");
        }
    }

    #[test]
    fn keys_must_be_declared() {
        let schema = json!({"properties": {"id": {"type": "integer"}}});
        assert!(columns(&schema, &["id".into()]).unwrap()[0].is_key);
        assert!(
            columns(&schema, &["uid".into()])
                .unwrap_err()
                .contains("`uid`")
        );
        assert!(columns(&json!([]), &[]).is_err());
        assert!(columns(&json!({"properties": []}), &[]).is_err());
        assert!(columns(&json!({"properties": {"a": "b"}}), &[]).is_err());
        assert!(columns(&json!({"type": "object"}), &[]).unwrap().is_empty());
    }
}
