use std::sync::Arc;

use serde_json::json;
use weir_jinja::Value;

use crate::artifact::thing_json;
use crate::context::Shared;
use crate::convert::to_value;
use crate::node::{Manifest, UniqueId};

/// Returns `graph`: everything in the project by unique id. It is made once, when first asked for.
pub(super) fn graph(shared: &Arc<Shared>) -> Value {
    shared
        .graph
        .get_or_init(|| make(&shared.manifest()))
        .clone()
}

fn make(manifest: &Manifest) -> Value {
    fn things<'m>(manifest: &Manifest, ids: impl Iterator<Item = &'m UniqueId>) -> Value {
        Value::dict(ids.filter_map(|id| Some((id.as_str(), to_value(&thing_json(manifest, id)?)))))
    }
    let groups = manifest.groups.iter().map(|(id, group)| {
        let json = json!({
            "name": group.name, "resource_type": "group", "unique_id": id.as_str(),
            "package_name": &*group.package, "owner": group.owner,
        });
        (id.as_str(), to_value(&json))
    });
    let nodes = manifest.nodes.keys();
    Value::dict([
        ("nodes", things(manifest, nodes)),
        ("sources", things(manifest, manifest.sources.keys())),
        ("exposures", things(manifest, manifest.exposures.keys())),
        ("metrics", things(manifest, manifest.metrics.keys())),
        ("groups", Value::dict(groups)),
        (
            "semantic_models",
            things(manifest, manifest.semantic_models.keys()),
        ),
        (
            "saved_queries",
            things(manifest, manifest.saved_queries.keys()),
        ),
        ("functions", Value::dict(Vec::<(&str, Value)>::new())),
    ])
}
