//! Members of objects as columns of their own: `address: {city}` as `address__city`, as deep as asked.
//! Names are joined as the Singer SDK joins them.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::message::Members;

/// As many levels may be taken apart.
pub const MOST_LEVELS: u8 = 16;

const BETWEEN: &str = "__";

/// Which columns of a stream are objects that are taken apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Nested(BTreeSet<String>);

impl Nested {
    /// Takes the objects of a schema apart whose members it names; what is wrong is told in words.
    pub(super) fn of(schema: &mut Value, levels: u8) -> Result<Self, String> {
        let mut nested = Self::default();
        let Some(Value::Object(properties)) = schema.get_mut("properties") else {
            return Ok(nested);
        };
        let mut flat = Map::new();
        for (name, property) in std::mem::take(properties) {
            nested.take_apart(name, property, levels, &mut flat)?;
        }
        *properties = flat;
        Ok(nested)
    }

    fn take_apart(
        &mut self,
        name: String,
        mut property: Value,
        levels: u8,
        flat: &mut Map<String, Value>,
    ) -> Result<(), String> {
        if levels > 0 && is_object(&property) {
            let members = property.get_mut("properties").map(Value::take);
            if let Some(Value::Object(members)) = members
                && !members.is_empty()
            {
                for (member, property) in members {
                    let member = format!("{name}{BETWEEN}{member}");
                    self.take_apart(member, property, levels - 1, flat)?;
                }
                self.0.insert(name);
                return Ok(());
            }
        }
        match flat.contains_key(&name) {
            true => Err(format!(
                "taken apart, it has two columns `{name}`: set `flatten` lower"
            )),
            false => {
                flat.insert(name, property);
                Ok(())
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes the objects of a record apart. What is no object although the schema says so stays whole.
    pub(super) fn apart<'a>(&self, record: &Members<'a>) -> Members<'a> {
        let mut flat = Vec::with_capacity(record.0.len() * 2);
        for (name, raw) in &record.0 {
            self.add(name.clone(), raw, &mut flat);
        }
        Members(flat)
    }

    fn add<'a>(&self, name: Cow<'a, str>, raw: &'a str, flat: &mut Vec<(Cow<'a, str>, &'a str)>) {
        if self.0.contains(name.as_ref()) {
            if raw == "null" {
                return;
            }
            if raw.starts_with('{')
                && let Ok(members) = serde_json::from_str::<Members<'a>>(raw)
            {
                for (member, raw) in members.0 {
                    self.add(format!("{name}{BETWEEN}{member}").into(), raw, flat);
                }
                return;
            }
        }
        flat.push((name, raw));
    }
}

/// Whether a property is an object and nothing else, null aside.
fn is_object(property: &Value) -> bool {
    let is = |word: &Value| word == "object";
    match property.get("type") {
        Some(Value::Array(words)) => {
            words.iter().any(is) && words.iter().all(|word| is(word) || word == "null")
        }
        Some(word) => is(word),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({"properties": {
            "id": {"type": "integer"},
            "address": {"type": ["null", "object"], "properties": {
                "city": {"type": "string"},
                "place": {"type": "object", "properties": {"lat": {"type": "number"}}},
            }},
            "free": {"type": "object"},
            "either": {"type": ["object", "string"], "properties": {"x": {"type": "string"}}},
        }})
    }

    #[test]
    fn objects_are_taken_apart_as_deep_as_asked() {
        for (levels, wanted) in [
            (0, vec!["id", "address", "free", "either"]),
            (
                1,
                vec!["id", "address__city", "address__place", "free", "either"],
            ),
            (
                9,
                vec![
                    "id",
                    "address__city",
                    "address__place__lat",
                    "free",
                    "either",
                ],
            ),
        ] {
            let mut schema = schema();
            let nested = Nested::of(&mut schema, levels).unwrap();
            let names: Vec<&String> = schema["properties"].as_object().unwrap().keys().collect();
            assert_eq!(names, wanted, "{levels}");
            let record: Members<'_> = serde_json::from_str(
                r#"{"id": 1, "address": {"city": "Ulm", "place": {"lat": 48.4}, "new": 1}, "free": {"a": 1}}"#,
            )
            .unwrap();
            let flat = nested.apart(&record);
            let names: Vec<&str> = flat.0.iter().map(|(name, _)| name.as_ref()).collect();
            let member = |name: &str| flat.0.iter().find(|(n, _)| n == name).map(|(_, raw)| *raw);
            match levels {
                0 => assert_eq!(names, ["id", "address", "free"]),
                1 => assert_eq!(member("address__place"), Some(r#"{"lat": 48.4}"#)),
                _ => {
                    assert_eq!(member("address__place__lat"), Some("48.4"));
                    // A member that the schema does not name is not lost.
                    assert_eq!(member("address__new"), Some("1"));
                }
            }
        }
    }

    #[test]
    fn what_is_no_object_stays_whole_and_null_is_all_its_members() {
        let nested = Nested::of(&mut schema(), 9).unwrap();
        let record: Members<'_> =
            serde_json::from_str(r#"{"address": "Ulm", "either": "x"}"#).unwrap();
        assert_eq!(nested.apart(&record).0, record.0);
        let record: Members<'_> = serde_json::from_str(r#"{"id": 1, "address": null}"#).unwrap();
        assert_eq!(nested.apart(&record).0, [("id".into(), "1")]);
    }

    #[test]
    fn two_columns_of_one_name_are_told() {
        let mut schema = json!({"properties": {
            "a__b": {"type": "string"},
            "a": {"type": "object", "properties": {"b": {"type": "string"}}},
        }});
        assert!(
            Nested::of(&mut schema, 1)
                .unwrap_err()
                .contains("two columns `a__b`")
        );
    }
}
