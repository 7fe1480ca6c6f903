//! Dashboards and questions as text, to be read by people and kept under git.
//!
//! What is written has one order whatever was saved, so that two texts differ only where what they say does.

use serde_json::{Map, Value, json};
use weir_catalog::{DocumentKind, NewDocument, SavedDocument, Sharing};

use super::chosen::chosen;
use crate::error::ApiError;

/// The largest text.
const MAX_TEXT: usize = 1 << 20;

/// The order of what is in a document; what is not here comes after it, by name.
const ORDER: [&str; 9] = [
    "sql",
    "parameters",
    "view",
    "chart",
    "builder",
    "refresh",
    "tabs",
    "filters",
    "tiles",
];

/// The order of what is in a tile, a filter, a parameter or a chart.
const INSIDE: [&str; 18] = [
    "id", "name", "label", "type", "default", "title", "question", "text", "kind", "x", "y", "w",
    "h", "tab", "chart", "series", "sets", "values",
];

/// A text, read.
#[derive(Clone, Debug)]
pub(super) struct Read {
    /// Which document it is, where it says so.
    pub(super) id: Option<String>,
    pub(super) new: NewDocument,
}

/// Writes a document: what it is called, who may see it, then what is in it.
pub(super) fn write(saved: &SavedDocument) -> Result<String, ApiError> {
    let document = &saved.document;
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    put("version", json!(1));
    put("id", json!(document.id));
    put("name", json!(document.name));
    if !document.description.is_empty() {
        put("description", json!(document.description));
    }
    put("sharing", json!(document.sharing));
    for (name, value) in settled(&saved.body) {
        all.entry(name).or_insert(value);
    }
    serde_yaml_ng::to_string(&Value::Object(all)).map_err(|error| {
        tracing::error!(%error, "a document cannot be written as YAML");
        ApiError::invalid(format!("this {} cannot be written as YAML", document.kind))
    })
}

/// Returns what is in a document in the one order, tiles from the top to the bottom.
pub(super) fn settled(body: &Value) -> Map<String, Value> {
    let mut all = ordered(body.as_object(), &ORDER);
    if let Some(Value::Array(tiles)) = all.get_mut("tiles") {
        let place = |tile: &Value| {
            let number = |name: &str| tile[name].as_i64().unwrap_or_default();
            let text = |name: &str| tile[name].as_str().unwrap_or_default().to_owned();
            (text("tab"), number("y"), number("x"), text("id"))
        };
        tiles.sort_by_cached_key(place);
    }
    // What is not there is left out: null says the same.
    all.retain(|_, value| !value.is_null());
    all
}

fn ordered(map: Option<&Map<String, Value>>, order: &[&str]) -> Map<String, Value> {
    let mut entries: Vec<(&String, &Value)> = map.into_iter().flatten().collect();
    let rank = |name: &String| order.iter().position(|known| known == name);
    entries.sort_by_key(|(name, _)| (rank(name).unwrap_or(usize::MAX), (*name).clone()));
    let entries = entries.into_iter().filter(|(_, value)| !value.is_null());
    entries
        .map(|(name, value)| (name.clone(), inside(value)))
        .collect()
}

fn inside(value: &Value) -> Value {
    match value {
        Value::Object(map) => Value::Object(ordered(Some(map), &INSIDE)),
        Value::Array(all) => Value::Array(all.iter().map(inside).collect()),
        other => other.clone(),
    }
}

/// Reads what [`write`] wrote, and what people made of it.
pub(super) fn read(kind: DocumentKind, text: &str) -> Result<Read, ApiError> {
    if text.len() > MAX_TEXT {
        return Err(ApiError::invalid(format!(
            "the text is larger than {MAX_TEXT} bytes"
        )));
    }
    let read: Value = serde_yaml_ng::from_str(text)
        .map_err(|error| ApiError::invalid(format!("the text is no YAML: {error}")))?;
    let Value::Object(mut all) = read else {
        let begins = match kind {
            DocumentKind::Question => "`version: 1`, `name:` and `sql:`",
            DocumentKind::Dashboard => "`version: 1`, `name:` and `tiles:`",
        };
        return Err(ApiError::invalid(format!("the text is not a {kind}"))
            .with_hint(format!("it begins with {begins}")));
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
    let (sharing, id) = (text_of("sharing")?, text_of("id")?);
    if name.is_empty() {
        return Err(ApiError::invalid("there is no `name`"));
    }
    let sharing = match sharing.as_str() {
        "" => Sharing::Read,
        word => word
            .parse()
            .map_err(|_| ApiError::invalid("`sharing` is `private`, `read` or `edit`"))?,
    };
    let body = Value::Object(all);
    chosen(kind, &body)?;
    Ok(Read {
        id: Some(id).filter(|id| !id.is_empty()),
        new: NewDocument {
            name,
            description,
            sharing,
            body,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DASHBOARD: DocumentKind = DocumentKind::Dashboard;

    #[test]
    fn a_dashboard_comes_back_as_it_was() {
        let text = "version: 1\nid: abc\nname: Sales\nsharing: edit\ntiles:\n- id: a\n  question: q1\n  x: 0\n  y: 0\n  w: 6\n  h: 4\nfilters:\n- name: day\n  type: date\n";
        let read = read(DASHBOARD, text).unwrap();
        assert_eq!(read.id.as_deref(), Some("abc"));
        assert_eq!(read.new.name, "Sales");
        assert_eq!(read.new.sharing, Sharing::Edit);
        assert_eq!(read.new.body["tiles"][0]["question"], "q1");
        assert!(read.new.body.get("name").is_none());
    }

    #[test]
    fn the_order_of_what_was_saved_does_not_matter() {
        let one = json!({"tiles": [{"h": 4, "id": "b", "x": 0, "y": 4, "w": 6, "text": "t"}, {"id": "a", "x": 0, "y": 0, "w": 6, "h": 4, "chart": {"kind": "bar", "y": ["n"], "x": "day"}, "title": null, "text": "u"}], "filters": []});
        let other = json!({"filters": [], "refresh": null, "tiles": [{"chart": {"x": "day", "kind": "bar", "y": ["n"]}, "text": "u", "w": 6, "h": 4, "y": 0, "x": 0, "id": "a"}, {"text": "t", "id": "b", "y": 4, "x": 0, "w": 6, "h": 4}]});
        let text = |body: &Value| serde_json::to_string(&settled(body)).unwrap();
        assert_eq!(text(&one), text(&other));
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
            ("version: 1\nname: x\ntiles: [1]", "tile 1"),
            (
                "version: 1\nname: x\ntiles: [{id: a, text: t, x: 0, y: 0, w: 13, h: 1}]",
                "`w`",
            ),
            (
                "version: 1\nname: x\ntiles: [{id: a, x: 0, y: 0, w: 6, h: 2}]",
                "neither",
            ),
            (
                "version: 1\nname: x\ntiles: [{id: a, text: t, x: 0, y: 0, w: 6, h: 2}, {id: a, text: t, x: 6, y: 0, w: 6, h: 2}]",
                "two tiles",
            ),
            (
                "version: 1\nname: x\ntiles: [{id: a, question: q, chart: {kind: bra}, x: 0, y: 0, w: 6, h: 2}]",
                "there is no chart `bra`",
            ),
            (
                "version: 1\nname: x\ntiles: []\ntils: []",
                "did you mean `tiles`",
            ),
            // Aliases that grow without end are refused by the reader.
            ("a: &a [x,x]\nb: &b [*a,*a]\nversion: 3", "only one"),
        ] {
            let error = read(DASHBOARD, text).unwrap_err();
            assert!(format!("{error:?}").contains(wanted), "{text}: {error:?}");
        }
        let error = read(DocumentKind::Question, "version: 1\nname: x").unwrap_err();
        assert!(format!("{error:?}").contains("`sql`"), "{error:?}");
    }
}
