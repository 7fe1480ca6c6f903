use serde_json::{Map, Value, json};

use super::paths::{Answer, Operation, Who, operations, tag};
use crate::query::FORMATS;

/// The schemas of bodies and answers.
const SCHEMAS: &str = include_str!("schemas.json");

/// Returns the whole document.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    for operation in operations() {
        let at = paths.entry(operation.path).or_insert_with(|| {
            // Pages of other sites may send events, and nothing else.
            let mut at = json!({ "x-weir-cors": operation.is_intake() });
            let parameters = in_path(operation.path);
            if !parameters.is_empty() {
                at["parameters"] = Value::Array(parameters);
            }
            at
        });
        at[operation.method] = described(operation);
    }
    let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
    let tags = [
        ("queries", "SQL in, rows out"),
        ("documents", "Questions and dashboards"),
        (
            "sources",
            "Where events and rows come from, and what may send them",
        ),
        ("lake", "Files and memory"),
        ("runs", "What runs when, and how it went"),
        ("users", "Who may do what"),
        ("server", "Health and metrics"),
        ("events", "The protocols of Segment and RudderStack"),
    ];
    let tags = tags.map(|(name, description)| json!({ "name": name, "description": description }));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Weir",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Events in, SQL out, and the administration of both.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "security": security(Who::User),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "description": "A token of `weir tokens create`" },
                "password": { "type": "http", "scheme": "basic", "description": "A user's name, and the password or a token" },
                "writeKey": { "type": "http", "scheme": "basic", "description": "A write key as the user's name, without a password" },
            },
        },
    })
}

fn security(who: Who) -> Value {
    match who {
        Who::Everybody => json!([]),
        Who::User => json!([{ "token": [] }, { "password": [] }]),
        Who::Sender => json!([{ "writeKey": [] }]),
    }
}

fn in_path(path: &str) -> Vec<Value> {
    let names = path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names
        .map(|name| {
            let mut schema = json!({ "type": "string" });
            if name == "kind" {
                schema["enum"] = json!([
                    "track", "identify", "page", "screen", "group", "alias", "merge"
                ]);
            }
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect()
}

fn described(operation: &Operation) -> Value {
    let mut described = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "tags": [tag(operation)],
        "security": security(operation.who),
    });
    let query: Vec<Value> = operation.query.iter().map(in_query).collect();
    if !query.is_empty() {
        described["parameters"] = Value::Array(query);
    }
    if let Some(schema) = operation.body {
        described["requestBody"] = json!({ "required": true, "content": taken(schema) });
    }
    let mut responses = Map::new();
    match operation.answer {
        Answer::Json(status, schema) => {
            responses.insert(
                status.to_string(),
                json!({ "description": "Done", "content": of(schema) }),
            );
        }
        Answer::Nothing(status) => {
            responses.insert(status.to_string(), json!({ "description": "Done" }));
        }
        Answer::Other(kind) => {
            let content = json!({ kind: {} });
            responses.insert(
                "200".to_owned(),
                json!({ "description": "Done", "content": content }),
            );
        }
        Answer::Rows => {
            responses.insert("200".to_owned(), rows());
        }
    }
    let failure = match (operation.is_intake(), &operation.answer) {
        (true, _) => "IntakeError",
        (false, Answer::Rows) => "QueryError",
        (false, _) => "Error",
    };
    let failed = json!({
        "description": "What went wrong, and what to do about it",
        "content": of(failure),
        "headers": { "Retry-After": {
            "description": "With 429 and 503: seconds to wait",
            "schema": { "type": "integer" },
        } },
    });
    responses.insert("default".to_owned(), failed);
    described["responses"] = Value::Object(responses);
    described
}

fn in_query((name, kind, meaning): &(&str, &str, &str)) -> Value {
    let schema = match *kind {
        "format" => json!({ "type": "string", "enum": FORMATS }),
        "verdict" => json!({ "type": "string", "enum": ["accepted", "rejected"] }),
        "integer" => json!({ "type": "integer", "minimum": 0 }),
        _ => json!({ "type": "string" }),
    };
    let required = *kind == "text";
    json!({ "name": name, "in": "query", "required": required, "description": meaning, "schema": schema })
}

fn of(schema: &str) -> Value {
    json!({ "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } })
}

/// Returns the types a body may have: a statement may be sent bare.
fn taken(schema: &str) -> Value {
    let mut content = of(schema);
    if schema == "Question" {
        for kind in ["text/plain", "application/sql"] {
            content[kind] = json!({ "schema": { "type": "string" } });
        }
    }
    content
}

fn rows() -> Value {
    let mut content = of("Rows");
    for kind in [
        "application/x-ndjson",
        "text/csv",
        "application/vnd.apache.arrow.stream",
        "application/vnd.apache.parquet",
    ] {
        content[kind] = json!({});
    }
    json!({
        "description": "Rows, streamed; an error after the first of them ends JSON with a member \
                        `error`, NDJSON with a line of one, and the other formats without their end",
        "content": content,
        "headers": { "weir-query-id": {
            "description": "The query's id, for ending it and for `weir.queries`",
            "schema": { "type": "string" },
        } },
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Finds the routes that the sources of this crate set up: `.route("PATH", get(..).post(..))`.
    fn served(folder: &Path, found: &mut BTreeSet<(String, String)>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                served(&path, found);
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            // What is tested is not served.
            let text = text.split("#[cfg(test)]").next().unwrap_or_default();
            for call in text.split(".route(").skip(1) {
                let Some((_, rest)) = call.split_once('"') else {
                    continue;
                };
                let Some((route, rest)) = rest.split_once('"') else {
                    continue;
                };
                let handlers = &rest[..rest.find(".route(").unwrap_or(rest.len())];
                let handlers = handlers.split([';', '}']).next().unwrap_or_default();
                for method in ["get", "post", "put", "delete"] {
                    let called = |at: usize| {
                        !handlers[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                    };
                    let call = format!("{method}(");
                    if handlers.match_indices(&call).any(|(at, _)| called(at)) {
                        found.insert((route.to_owned(), method.to_owned()));
                    }
                }
            }
        }
    }

    #[test]
    fn every_route_is_described_and_every_description_has_a_route() {
        let mut served_routes = BTreeSet::new();
        served(
            &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
            &mut served_routes,
        );
        let described: BTreeSet<(String, String)> = operations()
            .filter(|operation| !operation.is_intake())
            .map(|operation| (operation.path.to_owned(), operation.method.to_owned()))
            .collect();
        assert!(described.len() > 30);
        assert_eq!(served_routes, described);
    }

    #[test]
    fn names_of_schemas_lead_somewhere() {
        let document = document();
        let text = document.to_string();
        for reference in text.split("\"$ref\":\"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
        }
        let schemas = document["components"]["schemas"].as_object().unwrap();
        for name in schemas.keys() {
            assert!(
                text.contains(&format!("schemas/{name}\"")),
                "nothing is a {name}"
            );
        }
    }
}
