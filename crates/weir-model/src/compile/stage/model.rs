use serde_json::json;
use weir_jinja::Value;

use super::Stage;
use crate::artifact::node_json;
use crate::convert::to_value;
use crate::node::ResourceKind;

impl Stage {
    /// `model`: the node with what compiling has found.
    pub(super) fn model(&self) -> Value {
        let made = self.model.get_or_init(|| {
            let parts = &self.parts;
            let mut json = node_json(&parts.node);
            json["config"] = serde_json::Value::Object(parts.config.to_json());
            json["raw_sql"] = json["raw_code"].clone();
            json["config_call_dict"] = serde_json::Value::Object(parts.node.config_call.clone());
            if let Some(sql) = &parts.sql {
                json["compiled_code"] = json!(&**sql);
                json["compiled_sql"] = json!(&**sql);
                json["compiled"] = json!(true);
            }
            if parts.unit.is_some() {
                json["resource_type"] = json!("unit_test");
            }
            self.with_relations(&mut json);
            let value = to_value(&json);
            if let (Value::Dict(dict), Some(batch)) = (&value, &parts.batch) {
                dict.set_str(
                    "batch",
                    Value::dict([
                        ("id", Value::str(batch.id.as_str())),
                        (
                            "event_time_start",
                            crate::context::python::moment(batch.start),
                        ),
                        ("event_time_end", crate::context::python::moment(batch.end)),
                    ]),
                );
            }
            value
        });
        made.clone()
    }

    /// Foreign keys are written with `ref()`; constraints need the relation's name.
    fn with_relations(&self, json: &mut serde_json::Value) {
        let resolve = |constraint: &mut serde_json::Value| {
            if let Some(to) = constraint.get("to").and_then(serde_json::Value::as_str)
                && let Some(name) = self.compiler().named_by_text(&self.parts.node, to)
            {
                constraint["to"] = json!(name);
            }
        };
        if let Some(constraints) = json
            .get_mut("constraints")
            .and_then(serde_json::Value::as_array_mut)
        {
            constraints.iter_mut().for_each(resolve);
        }
        if let Some(columns) = json
            .get_mut("columns")
            .and_then(serde_json::Value::as_object_mut)
        {
            for column in columns.values_mut() {
                if let Some(constraints) = column
                    .get_mut("constraints")
                    .and_then(serde_json::Value::as_array_mut)
                {
                    constraints.iter_mut().for_each(resolve);
                }
            }
        }
    }

    pub(super) fn this(&self) -> Value {
        let node = &self.parts.node;
        if node.kind == ResourceKind::Operation {
            return Value::None;
        }
        if let Some(unit) = self.unit() {
            return match &unit.this {
                Some(input) => {
                    self.note_cte(input);
                    Value::str(format!("__dbt__cte__{}", node.alias))
                }
                None => Value::None,
            };
        }
        self.compiler().relation(node).value()
    }
}
