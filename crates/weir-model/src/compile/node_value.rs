use serde_json::{Value as Json, json};

use crate::node::{Column, Constraint, Node, NodeDetail, RefArgs};

/// Returns a node as templates see it by `model` and `graph`, and artifacts hold it.
pub(crate) fn node_json(node: &Node) -> Json {
    let texts =
        |ids: &[crate::node::UniqueId]| ids.iter().map(|id| json!(id.as_str())).collect::<Vec<_>>();
    let mut map = crate::node::JsonMap::new();
    let mut put = |key: &str, value: Json| {
        map.insert(key.to_owned(), value);
    };
    put("database", json!(node.database));
    put("schema", json!(node.schema));
    put("name", json!(node.name));
    put("resource_type", json!(node.kind.as_str()));
    put("package_name", json!(&*node.package));
    put("path", json!(node.path));
    put("original_file_path", json!(node.original_path));
    put("unique_id", json!(node.id.as_str()));
    put("fqn", json!(node.fqn));
    put("alias", json!(node.alias));
    put(
        "checksum",
        json!({ "name": node.checksum.name, "checksum": node.checksum.value }),
    );
    put("config", Json::Object(node.config.to_json()));
    put("tags", json!(node.tags));
    put("description", json!(node.description));
    put(
        "columns",
        node.columns
            .iter()
            .map(|(name, column)| (name.clone(), column_json(column)))
            .collect(),
    );
    put("meta", Json::Object(node.meta.clone()));
    put("group", json!(node.group));
    put(
        "docs",
        json!({ "show": node.docs.show, "node_color": node.docs.node_color }),
    );
    put("patch_path", json!(node.patch_path));
    put("build_path", json!(node.build_path));
    put(
        "unrendered_config",
        Json::Object(node.unrendered_config.clone()),
    );
    put("config_call_dict", Json::Object(node.config_call.clone()));
    put("created_at", json!(node.created_at));
    put("relation_name", json!(node.relation_name));
    put("raw_code", json!(&*node.raw_code));
    put("raw_sql", json!(&*node.raw_code));
    put("language", json!(node.language));
    put("refs", node.refs.iter().map(ref_json).collect());
    put(
        "sources",
        node.sources
            .iter()
            .map(|(source, table)| json!([source, table]))
            .collect(),
    );
    put("metrics", json!(node.metrics));
    put(
        "depends_on",
        json!({ "macros": texts(&node.depends_on.macros), "nodes": texts(&node.depends_on.nodes) }),
    );
    put("compiled_path", json!(node.compiled_path));
    put("compiled", json!(node.compiled));
    put("compiled_code", json!(node.compiled_code.as_deref()));
    put("extra_ctes_injected", json!(node.compiled));
    put(
        "contract",
        json!({
            "enforced": node.contract.enforced, "alias_types": node.contract.alias_types, "checksum": node.contract.checksum,
        }),
    );
    match &node.detail {
        NodeDetail::Model(model) => {
            put("access", json!(model.access.as_str()));
            put(
                "constraints",
                model.constraints.iter().map(constraint_json).collect(),
            );
            put(
                "version",
                model
                    .version
                    .as_ref()
                    .map_or(Json::Null, crate::node::Version::to_json),
            );
            put(
                "latest_version",
                model
                    .latest_version
                    .as_ref()
                    .map_or(Json::Null, crate::node::Version::to_json),
            );
            put("deprecation_date", json!(model.deprecation_date));
            put("primary_key", json!(model.primary_key));
            put("time_spine", json!(model.time_spine));
        }
        NodeDetail::Seed { root_path, .. } => put("root_path", json!(root_path)),
        NodeDetail::GenericTest(test) => {
            put(
                "test_metadata",
                json!({
                    "name": test.metadata.name, "namespace": test.metadata.namespace, "kwargs": test.metadata.kwargs,
                }),
            );
            put("column_name", json!(test.column_name));
            put("file_key_name", json!(test.file_key_name));
            put(
                "attached_node",
                json!(
                    test.attached_node
                        .as_ref()
                        .map(crate::node::UniqueId::as_str)
                ),
            );
        }
        _ => {}
    }
    Json::Object(map)
}

pub(super) fn column_json(column: &Column) -> Json {
    let mut map = column.extra.clone();
    let mut put = |key: &str, value: Json| {
        map.insert(key.to_owned(), value);
    };
    put("name", json!(column.name));
    put("description", json!(column.description));
    put("meta", Json::Object(column.meta.clone()));
    put("data_type", json!(column.data_type));
    put(
        "constraints",
        column.constraints.iter().map(constraint_json).collect(),
    );
    put("quote", json!(column.quote));
    put("config", Json::Object(column.config.clone()));
    put("tags", json!(column.tags));
    put("granularity", json!(column.granularity));
    Json::Object(map)
}

fn constraint_json(constraint: &Constraint) -> Json {
    json!({
        "type": constraint.kind,
        "name": constraint.name,
        "expression": constraint.expression,
        "warn_unenforced": constraint.warn_unenforced,
        "warn_unsupported": constraint.warn_unsupported,
        "to": constraint.to,
        "to_columns": constraint.to_columns,
        "columns": constraint.columns,
    })
}

fn ref_json(args: &RefArgs) -> Json {
    json!({
        "name": args.name,
        "package": args.package,
        "version": args.version.as_ref().map(crate::node::Version::to_json),
    })
}
