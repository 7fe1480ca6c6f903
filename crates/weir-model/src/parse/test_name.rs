//! What generic tests are called, letter for letter as dbt calls them.

use serde_json::Value as Json;

use crate::hash::md5_hex;
use crate::node::{JsonMap, TestMetadata, UniqueId};
use crate::python::{repr_of, str_of};

/// Makes the names of a test that has none: a short one for files and relations, and the full one.
pub(super) fn synthetic_names(kind: &str, target: &str, args: &JsonMap) -> (String, String) {
    let mut names: Vec<&String> = args.keys().filter(|name| *name != "model").collect();
    names.sort();
    let mut parts = Vec::new();
    for name in names {
        match &args[name.as_str()] {
            Json::Object(map) => parts.extend(map.values().map(str_of)),
            Json::Array(items) => parts.extend(items.iter().map(str_of)),
            one => parts.push(str_of(one)),
        }
    }
    let clean: Vec<String> = parts.iter().map(|part| plain(part)).collect();
    let identifier = format!("{kind}_{target}");
    let full = format!("{identifier}_{}", clean.join("__"));
    if full.chars().count() < 64 {
        return (full.clone(), full);
    }
    let begin: String = identifier.chars().take(30).collect();
    (format!("{begin}_{}", md5_hex(full.as_bytes())), full)
}

/// Writes one underscore for each run of characters that names cannot have.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut gap = false;
    for c in text.chars() {
        if c.is_ascii_alphanumeric() || c == '_' {
            out.push(c);
            gap = false;
        } else if !gap {
            out.push('_');
            gap = true;
        }
    }
    out
}

/// Makes the id: the name and ten digits of a hash over all that distinguishes the test.
pub(super) fn unique_id(package: &str, name: &str, metadata: &TestMetadata) -> UniqueId {
    let mut all = JsonMap::new();
    all.insert(
        "kwargs".to_owned(),
        texts_only(&Json::Object(metadata.kwargs.clone())),
    );
    all.insert("name".to_owned(), metadata.name.as_str().into());
    all.insert(
        "namespace".to_owned(),
        metadata.namespace.as_deref().unwrap_or("None").into(),
    );
    let hash = md5_hex(format!("{name}{}", repr_of(&Json::Object(all))).as_bytes());
    UniqueId::from_text(format!(
        "test.{package}.{name}.{}",
        &hash[hash.len() - 10..]
    ))
}

/// Sorts every mapping and writes everything else as text.
fn texts_only(value: &Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            Json::Object(
                keys.into_iter()
                    .map(|key| (key.clone(), texts_only(&map[key.as_str()])))
                    .collect(),
            )
        }
        Json::Array(items) => Json::Array(items.iter().map(texts_only).collect()),
        one => Json::String(str_of(one)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn args(json: Json) -> JsonMap {
        json.as_object().cloned().unwrap_or_default()
    }

    #[test]
    fn names_are_cut_where_relations_would_be() {
        let short = args(json!({ "column_name": "id", "model": "x" }));
        assert_eq!(
            synthetic_names("unique", "orders", &short).0,
            "unique_orders_id"
        );
        let values = args(
            json!({ "column_name": "status", "values": ["placed", "shipped", "completed", "return_pending", "returned"] }),
        );
        let (name, full) = synthetic_names("accepted_values", "orders", &values);
        assert_eq!(
            full,
            "accepted_values_orders_status__placed__shipped__completed__return_pending__returned"
        );
        assert_eq!(
            name,
            "accepted_values_orders_1ce6ab157c285f7cd2ac656013faf758"
        );
    }

    #[test]
    fn ids_are_those_of_dbt() {
        let metadata = TestMetadata {
            namespace: None,
            name: "unique".to_owned(),
            kwargs: args(json!({
                "column_name": "customer_id",
                "model": "{{ get_where_subquery(ref('customers')) }}",
            })),
        };
        let id = unique_id("jaffle_shop", "unique_customers_customer_id", &metadata);
        assert_eq!(
            id.as_str(),
            "test.jaffle_shop.unique_customers_customer_id.c5af1ff4b1"
        );
    }
}
