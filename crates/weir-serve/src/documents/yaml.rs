//! Dashboards as text, to be read by people and kept under git.

use serde_json::{Map, Value, json};
use weir_catalog::SavedDocument;

use crate::error::ApiError;

/// The largest text.
const MAX_TEXT: usize = 1 << 20;

/// Writes a dashboard: its name, description and sharing, then what is in it.
pub(super) fn write(saved: &SavedDocument) -> Result<String, ApiError> {
    let mut all = Map::new();
    all.insert("version".to_owned(), json!(1));
    all.insert("name".to_owned(), json!(saved.document.name));
    if !saved.document.description.is_empty() {
        all.insert("description".to_owned(), json!(saved.document.description));
    }
    all.insert("sharing".to_owned(), json!(saved.document.sharing));
    for (name, value) in saved.body.as_object().into_iter().flatten() {
        all.entry(name.clone()).or_insert_with(|| value.clone());
    }
    serde_yaml_ng::to_string(&Value::Object(all)).map_err(|error| {
        tracing::error!(%error, "a dashboard cannot be written as YAML");
        ApiError::invalid("this dashboard cannot be written as YAML")
    })
}

/// Reads what [`write`] wrote, and what people made of it.
pub(super) fn read(text: &str) -> Result<Value, ApiError> {
    if text.len() > MAX_TEXT {
        return Err(ApiError::invalid(format!(
            "the text is larger than {MAX_TEXT} bytes"
        )));
    }
    let read: Value = serde_yaml_ng::from_str(text)
        .map_err(|error| ApiError::invalid(format!("the text is no YAML: {error}")))?;
    let Value::Object(mut all) = read else {
        return Err(ApiError::invalid("the text is not a dashboard")
            .with_hint("it begins with `version: 1`, `name:` and `tiles:`"));
    };
    if all.remove("version") != Some(json!(1)) {
        return Err(ApiError::invalid(
            "`version` is not 1, the only one there is",
        ));
    }
    let mut text_of = |name: &str| match all.remove(name) {
        None | Some(Value::Null) => Ok(String::new()),
        Some(Value::String(text)) => Ok(text),
        Some(_) => Err(ApiError::invalid(format!("`{name}` is not text"))),
    };
    let (name, description) = (text_of("name")?, text_of("description")?);
    let sharing = text_of("sharing")?;
    if name.is_empty() {
        return Err(ApiError::invalid("there is no `name`"));
    }
    if !all.get("tiles").is_some_and(Value::is_array) {
        return Err(ApiError::invalid("`tiles` is not a list"));
    }
    let sharing = match sharing.as_str() {
        "" => "read",
        "private" | "read" | "edit" => sharing.as_str(),
        _ => {
            return Err(ApiError::invalid(
                "`sharing` is `private`, `read` or `edit`",
            ));
        }
    };
    Ok(json!({
        "name": name,
        "description": description,
        "sharing": sharing,
        "body": all,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dashboard_comes_back_as_it_was() {
        let text = "version: 1\nname: Sales\nsharing: edit\ntiles:\n- id: a\n  question: q1\n  x: 0\nfilters:\n- name: day\n";
        let read = read(text).unwrap();
        assert_eq!(read["name"], "Sales");
        assert_eq!(read["sharing"], "edit");
        assert_eq!(read["body"]["tiles"][0]["question"], "q1");
        assert!(read["body"].get("name").is_none());
    }

    #[test]
    fn what_is_no_dashboard_is_told() {
        for (text, wanted) in [
            ("[1]", "not a dashboard"),
            ("{", "no YAML"),
            ("version: 2\nname: x\ntiles: []", "only one"),
            ("version: 1\ntiles: []", "no `name`"),
            ("version: 1\nname: x", "`tiles`"),
            ("version: 1\nname: [x]\ntiles: []", "`name` is not text"),
            ("version: 1\nname: x\ntiles: []\nsharing: all", "`sharing`"),
            // Aliases that grow without end are refused by the reader.
            ("a: &a [x,x]\nb: &b [*a,*a]\nversion: 3", "only one"),
        ] {
            let error = read(text).unwrap_err();
            assert!(format!("{error:?}").contains(wanted), "{text}: {error:?}");
        }
    }
}
