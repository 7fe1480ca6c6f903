use std::collections::BTreeSet;
use std::sync::Arc;

use weir_jinja::{Object, Value};

use super::node::shown;
use super::result::{NodeResult, Status, Timing, moment_text};
use super::runner::{Runner, seconds_between};
use crate::artifact::node_json;
use crate::compile::{Purpose, StageParts};
use crate::context::warehouse_error;
use crate::convert::to_value;
use crate::error::ModelError;
use crate::node::{Node, NodeDetail, ResourceKind};
use crate::warehouse::Fetch;

impl Runner {
    /// Runs `on-run-start` or `on-run-end` of all packages, the root's last to begin and first to end.
    /// Returns whether all of them succeeded; those after a failed one are skipped.
    pub(super) fn run_hooks(
        &self,
        kind: &str,
        nodes: &[NodeResult],
        results: &mut Vec<NodeResult>,
    ) -> bool {
        let mut hooks: Vec<(bool, usize, Arc<Node>)> = self
            .manifest()
            .nodes
            .values()
            .filter(|node| {
                node.kind == ResourceKind::Operation && node.tags.iter().any(|tag| tag == kind)
            })
            .filter_map(|node| match node.detail {
                NodeDetail::Operation { index } => {
                    let root = node.package == self.shared().project.name;
                    Some((root, index, Arc::clone(node)))
                }
                _ => None,
            })
            .collect();
        hooks.sort_by_key(|(root, index, _)| (*root, *index));
        let extra = if kind == "on-run-end" && !hooks.is_empty() {
            self.outcome_names(nodes)
        } else {
            Vec::new()
        };
        let mut succeeded = true;
        for (at, (_, _, node)) in hooks.iter().enumerate() {
            let mut result = NodeResult::of(node, Status::Success, "main");
            if !succeeded {
                result.status = Status::Skipped;
                result.message = Some("Skipping because an earlier hook failed".to_owned());
                self.parts.observer.ended(&result, None);
                results.push(result);
                continue;
            }
            self.parts.observer.started(&node.id, at + 1);
            let started_at = self.now();
            let done = self.run_hook(node, &extra, &mut result);
            self.main.set_comment(None);
            let completed_at = self.now();
            result.seconds = seconds_between(started_at, completed_at);
            result.timing.push(Timing {
                name: "execute",
                started_at,
                completed_at,
            });
            if let Err(error) = done {
                self.main.rollback();
                succeeded = false;
                result = result.failed(error, &shown(node));
            }
            self.parts.observer.ended(&result, Some(at + 1));
            results.push(result);
        }
        succeeded
    }

    fn run_hook(
        &self,
        node: &Arc<Node>,
        extra: &[(&'static str, Value)],
        result: &mut NodeResult,
    ) -> Result<(), ModelError> {
        let mut parts = StageParts::new(
            Arc::clone(&self.compiler),
            Arc::clone(node),
            Purpose::Operation,
        );
        parts.extra = extra.to_vec();
        self.main
            .set_comment(self.compiler.comment(node, &self.main)?);
        let compiled = self.compiler.compile(parts, &self.main)?;
        result.compiled_code = Some(Arc::clone(&compiled.sql));
        if !compiled.sql.trim().is_empty() {
            let named = |error| warehouse_error(error).of(node.id.as_str());
            self.main
                .execute(&compiled.sql, false, Fetch::None)
                .map_err(named)?;
        }
        if let NodeDetail::Operation { index } = node.detail {
            let kind = node.tags.first().map_or("hook", String::as_str);
            result.message = Some(format!("{}.{kind}.{index} passed", node.package));
        }
        result.failures = Some(0);
        // Statements of macros in the hook may have begun a transaction.
        self.main
            .commit()
            .map_err(|error| warehouse_error(error).of(node.id.as_str()))
    }

    /// `results`, `schemas` and `database_schemas`, for hooks at the end.
    fn outcome_names(&self, nodes: &[NodeResult]) -> Vec<(&'static str, Value)> {
        let manifest = self.manifest();
        let built = nodes
            .iter()
            .filter_map(|result| manifest.nodes.get(&result.id))
            .filter(|node| node.relation_name.is_some());
        let places: BTreeSet<(Option<String>, String)> = built
            .map(|node| (node.database.clone(), node.schema.clone()))
            .collect();
        let schemas: BTreeSet<&str> = places.iter().map(|(_, schema)| schema.as_str()).collect();
        let results = nodes.iter().map(|result| {
            let node = manifest
                .nodes
                .get(&result.id)
                .map_or(Value::None, |node| node_value(node, result));
            Value::object(HookResult {
                result: result.clone(),
                node,
            })
        });
        vec![
            ("results", Value::list(results)),
            (
                "schemas",
                Value::list(schemas.iter().map(|schema| Value::str(*schema))),
            ),
            (
                "database_schemas",
                Value::list(places.iter().map(|(database, schema)| {
                    Value::tuple([
                        database.as_deref().map_or(Value::None, Value::str),
                        Value::str(schema.as_str()),
                    ])
                })),
            ),
        ]
    }
}

/// One of `results`.
#[derive(Debug)]
struct HookResult {
    result: NodeResult,
    node: Value,
}

impl Object for HookResult {
    fn type_name(&self) -> &str {
        "RunResult"
    }

    fn attr(&self, name: &str) -> weir_jinja::Result<Option<Value>> {
        let result = &self.result;
        Ok(Some(match name {
            "node" => self.node.clone(),
            "status" => Value::str(result.status.as_str()),
            "message" => result.message.as_deref().map_or(Value::None, Value::str),
            "failures" => result.failures.map_or(Value::None, Value::Int),
            "execution_time" => Value::Float(result.seconds),
            "thread_id" => Value::str(result.thread.as_str()),
            "unique_id" => Value::str(result.id.as_str()),
            "adapter_response" => to_value(&serde_json::Value::Object(result.response.clone())),
            "timing" => Value::list(
                (result.timing.iter()).map(|timing| Value::object(HookTiming(timing.clone()))),
            ),
            _ => return Ok(None),
        }))
    }

    fn item(&self, key: &Value) -> weir_jinja::Result<Option<Value>> {
        key.as_str().map_or(Ok(None), |name| self.attr(name))
    }

    fn method(
        &self,
        name: &str,
        _: &mut weir_jinja::Call<'_>,
    ) -> weir_jinja::Result<Option<Value>> {
        if name != "to_dict" {
            return Ok(None);
        }
        let dict = to_value(&self.result.to_json());
        if let (Value::Dict(dict), Some(node)) = (&dict, self.node.as_object::<HookNode>()) {
            dict.set_str("node", node.0.clone());
        }
        Ok(Some(dict))
    }

    fn to_str(&self) -> String {
        format!(
            "RunResult(status={}, node={})",
            self.result.status.as_str(),
            self.result.id
        )
    }

    fn to_json(&self) -> Option<serde_json::Value> {
        Some(self.result.to_json())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// Returns a node with what running has found.
fn node_value(node: &Node, result: &NodeResult) -> Value {
    let mut json = node_json(node);
    if let Some(sql) = &result.compiled_code {
        json["compiled"] = serde_json::json!(true);
        json["compiled_code"] = serde_json::json!(&**sql);
        json["compiled_path"] = serde_json::json!(result.compiled_path);
    }
    Value::object(HookNode(to_value(&json)))
}

/// The node of a result: its dictionary, which `to_dict` gives.
#[derive(Debug)]
struct HookNode(Value);

impl Object for HookNode {
    fn type_name(&self) -> &str {
        "Node"
    }

    fn attr(&self, name: &str) -> weir_jinja::Result<Option<Value>> {
        Ok(self.0.as_dict().and_then(|dict| dict.get_str(name)))
    }

    fn item(&self, key: &Value) -> weir_jinja::Result<Option<Value>> {
        key.as_str().map_or(Ok(None), |name| self.attr(name))
    }

    fn method(
        &self,
        name: &str,
        call: &mut weir_jinja::Call<'_>,
    ) -> weir_jinja::Result<Option<Value>> {
        if name == "to_dict" {
            return Ok(Some(self.0.clone()));
        }
        if !matches!(name, "get" | "items" | "keys" | "values") {
            return Ok(None);
        }
        let args = call.take_all();
        let names = call.names;
        call.interpreter
            .call_method(&self.0, name, args, names)
            .map(Some)
    }

    fn is_mapping(&self) -> bool {
        true
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// One of a result's `timing`.
#[derive(Debug)]
struct HookTiming(Timing);

impl Object for HookTiming {
    fn type_name(&self) -> &str {
        "TimingInfo"
    }

    fn attr(&self, name: &str) -> weir_jinja::Result<Option<Value>> {
        Ok(Some(match name {
            "name" => Value::str(self.0.name),
            "started_at" => crate::context::python::moment(self.0.started_at),
            "completed_at" => crate::context::python::moment(self.0.completed_at),
            _ => return Ok(None),
        }))
    }

    fn item(&self, key: &Value) -> weir_jinja::Result<Option<Value>> {
        key.as_str().map_or(Ok(None), |name| self.attr(name))
    }

    fn method(
        &self,
        name: &str,
        _: &mut weir_jinja::Call<'_>,
    ) -> weir_jinja::Result<Option<Value>> {
        Ok((name == "to_dict").then(|| {
            Value::dict([
                ("name", Value::str(self.0.name)),
                ("started_at", Value::str(moment_text(self.0.started_at))),
                ("completed_at", Value::str(moment_text(self.0.completed_at))),
            ])
        }))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
