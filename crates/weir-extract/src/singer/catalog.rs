//! What a tap offers, and what of it is taken.

use serde_json::{Map, Value, json};

use crate::error::{ExtractError, protocol};
use crate::spec::{Replication, SourceSpec, StreamRules};

/// A stream that a tap offers, and how it is read.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Offered {
    pub stream: String,
    pub taken: bool,
    pub replication: String,
    pub replication_key: Option<String>,
    pub key: Vec<String>,
    pub columns: Vec<String>,
}

/// Marks in a catalog what is taken of it; returns its streams.
///
/// Of the columns, `unsupported` ones are never taken and `automatic` ones always; the others unless the
/// rules or the tap's own default say otherwise.
pub(super) fn select(catalog: &mut Value, spec: &SourceSpec) -> Result<Vec<Offered>, ExtractError> {
    let Some(streams) = catalog.get_mut("streams").and_then(Value::as_array_mut) else {
        return Err(protocol("the tap's catalog has no list of `streams`"));
    };
    let mut offered = Vec::with_capacity(streams.len());
    for stream in streams {
        let Some(stream) = stream.as_object_mut() else {
            return Err(protocol("a stream of the tap's catalog is not an object"));
        };
        offered.push(select_stream(stream, spec)?);
    }
    Ok(offered)
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty())
}

fn texts(value: Option<&Value>) -> Vec<String> {
    let list = value.and_then(Value::as_array).into_iter().flatten();
    list.filter_map(Value::as_str).map(str::to_owned).collect()
}

fn select_stream(
    stream: &mut Map<String, Value>,
    spec: &SourceSpec,
) -> Result<Offered, ExtractError> {
    let name = text(stream, "stream").or_else(|| text(stream, "tap_stream_id"));
    let name = name
        .ok_or_else(|| protocol("a stream of the tap's catalog has no name"))?
        .to_owned();
    let taken = spec.takes(&name);
    let rules = spec.rules(&name);
    let mut metadata: Vec<Value> = stream
        .get("metadata")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    let columns: Vec<String> = stream
        .get("schema")
        .and_then(|schema| schema.get("properties"))
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default();
    let own = of(&mut metadata, &[]);
    let mut key = texts(stream.get("key_properties"));
    if key.is_empty() {
        key = texts(own.get("table-key-properties"));
    }
    if !rules.key.is_empty() {
        key.clone_from(&rules.key);
        own.insert("table-key-properties".into(), json!(key));
    }
    let (replication, replication_key) = replication(stream, own, &rules);
    own.insert("selected".into(), taken.into());
    if !own.contains_key("forced-replication-method") {
        own.insert("replication-method".into(), replication.clone().into());
    }
    if let Some(column) = &replication_key {
        own.insert("replication-key".into(), column.as_str().into());
    }
    for column in &columns {
        let is_key = key.contains(column) || replication_key.as_ref() == Some(column);
        select_column(
            of(&mut metadata, &["properties", column]),
            column,
            &rules,
            taken,
            is_key,
        );
    }
    stream.insert("metadata".into(), metadata.into());
    stream.insert("key_properties".into(), json!(key));
    // Taps differ in which of the two they read.
    stream.insert("selected".into(), taken.into());
    stream.insert("replication_method".into(), replication.clone().into());
    if let Some(column) = &replication_key {
        stream.insert("replication_key".into(), column.as_str().into());
    }
    if let Some(schema) = stream.get_mut("schema").and_then(Value::as_object_mut) {
        schema.insert("selected".into(), taken.into());
    }
    Ok(Offered {
        stream: name,
        taken,
        replication,
        replication_key,
        key,
        columns,
    })
}

/// Returns the metadata of a breadcrumb, new if there was none.
fn of<'a>(metadata: &'a mut Vec<Value>, breadcrumb: &[&str]) -> &'a mut Map<String, Value> {
    let at = metadata
        .iter()
        .position(|entry| entry.get("breadcrumb") == Some(&json!(breadcrumb)));
    let at = at.unwrap_or_else(|| {
        metadata.push(json!({ "breadcrumb": breadcrumb, "metadata": {} }));
        metadata.len() - 1
    });
    let entry = &mut metadata[at];
    if !entry.get("metadata").is_some_and(Value::is_object) {
        *entry = json!({ "breadcrumb": breadcrumb, "metadata": {} });
    }
    match entry.get_mut("metadata") {
        Some(Value::Object(map)) => map,
        _ => panic!("it was made an object"),
    }
}

fn replication(
    stream: &Map<String, Value>,
    own: &Map<String, Value>,
    rules: &StreamRules,
) -> (String, Option<String>) {
    let known = |value: Option<&str>| value.map(str::to_ascii_uppercase);
    let key = rules
        .replication_key
        .clone()
        .or_else(|| text(stream, "replication_key").map(str::to_owned))
        .or_else(|| text(own, "replication-key").map(str::to_owned))
        .or_else(|| texts(own.get("valid-replication-keys")).into_iter().next());
    let method = known(text(own, "forced-replication-method"))
        .or_else(|| rules.replication.map(|r| r.as_singer().to_owned()))
        .or_else(|| {
            rules
                .replication_key
                .as_ref()
                .map(|_| Replication::Incremental.as_singer().to_owned())
        })
        .or_else(|| known(text(stream, "replication_method")))
        .or_else(|| known(text(own, "replication-method")));
    let method = method.unwrap_or_else(|| {
        let method = match key {
            Some(_) => Replication::Incremental,
            None => Replication::FullTable,
        };
        method.as_singer().to_owned()
    });
    let is_incremental = method == Replication::Incremental.as_singer();
    (method, key.filter(|_| is_incremental))
}

fn select_column(
    metadata: &mut Map<String, Value>,
    column: &String,
    rules: &StreamRules,
    taken: bool,
    is_key: bool,
) {
    let wanted = match metadata.get("inclusion").and_then(Value::as_str) {
        Some("unsupported") => false,
        Some("automatic") => true,
        _ if is_key => true,
        _ if rules.drop.contains(column) => false,
        _ if !rules.columns.is_empty() => rules.columns.contains(column),
        _ => metadata.get("selected-by-default") != Some(&Value::Bool(false)),
    };
    metadata.insert("selected".into(), (taken && wanted).into());
}
