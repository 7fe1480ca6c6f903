//! From a raw node and what is said of it elsewhere to the node as the manifest holds it.

use std::sync::Arc;

use indexmap::IndexMap;

use super::merge::{Layers, configure};
use super::naming;
use super::patch::Patch;
use super::properties::problem;
use super::raw::{self, RawNode};
use super::static_ref::{Named, read as read_static};
use super::valid;
use super::work::Work;
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{
    Access, Constraint, Contract, DependsOn, Docs, JsonMap, ModelDetail, Node, NodeConfig,
    NodeDetail, ResourceKind, UniqueId,
};
use crate::python::repr_of;

/// Makes the node of `raw`, described by `patch`.
pub(super) fn finish(
    work: &Work,
    mut raw: RawNode,
    patch: Option<&Patch>,
) -> (Node, Vec<ModelError>) {
    let mut errors = Vec::new();
    if let Some(version) = patch.and_then(|patch| patch.version.as_ref()) {
        let name = patch.map_or_else(|| raw.name.clone(), |patch| patch.name.clone());
        raw.id = UniqueId::from_text(format!("model.{}.{name}.v{version}", raw.package.name));
        if let Some(last) = raw.fqn.last_mut() {
            last.clone_from(&name);
        }
        raw.fqn.push(format!("v{version}"));
        raw.name = name;
    }
    let call = std::mem::take(&mut raw.captured.config);
    let mut patch_config = patch.map(|patch| patch.config.clone());
    if raw.language == "python" {
        let config = patch_config.get_or_insert_default();
        config
            .entry("materialized")
            .or_insert_with(|| "table".into());
    }
    let layers = Layers {
        kind: raw.config_kind,
        tree: raw.tree,
        fqn: &raw.fqn,
        patch: patch_config.as_ref(),
        call: &call,
    };
    let (config, unrendered_config) = configure(work.project(), &raw.package, &layers);
    hooks(work, &mut raw, &config, &mut errors);
    let mut node = assemble(
        work,
        raw,
        patch,
        config,
        unrendered_config,
        call,
        &mut errors,
    );
    let shown = node.1;
    let mut node = {
        valid::check(work, &mut node.0, &shown, patch, &mut errors);
        node.0
    };
    errors.extend(naming::name(work, &mut node, &shown));
    (node, errors)
}

/// Renders the node's hooks for what they read.
fn hooks(work: &Work, raw: &mut RawNode, config: &NodeConfig, errors: &mut Vec<ModelError>) {
    if raw.kind == ResourceKind::Test {
        return;
    }
    let all: Vec<_> = config
        .pre_hooks()
        .into_iter()
        .chain(config.post_hooks())
        .collect();
    for hook in all {
        let shown: Arc<str> = format!("{} (hook)", raw.shown).into();
        let (captured, error) = work.capture(raw::facts(work, raw), &hook.sql, &shown);
        errors.extend(error);
        raw.captured.refs.extend(captured.refs);
        raw.captured.sources.extend(captured.sources);
        for id in captured.macros {
            raw.captured.add_macro(id);
        }
    }
}

fn assemble(
    work: &Work,
    raw: RawNode,
    patch: Option<&Patch>,
    config: NodeConfig,
    unrendered_config: JsonMap,
    config_call: JsonMap,
    errors: &mut Vec<ModelError>,
) -> (Node, Arc<str>) {
    let mut tags: Vec<String> = raw
        .hook
        .map(|(_, kind)| kind.to_owned())
        .into_iter()
        .collect();
    for tag in config.tags() {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    let detail = match raw.kind {
        ResourceKind::Model => {
            NodeDetail::Model(Box::new(model_detail(&config, patch, &raw.id, errors)))
        }
        ResourceKind::Seed => NodeDetail::Seed {
            root_path: raw.package.root.display().to_string(),
            depends_on_macros: raw.captured.macros.clone(),
        },
        ResourceKind::Snapshot => NodeDetail::Snapshot,
        ResourceKind::Test => NodeDetail::SingularTest,
        ResourceKind::Operation => NodeDetail::Operation {
            index: raw.hook.map_or(0, |(index, _)| index),
        },
        _ => NodeDetail::Analysis,
    };
    let docs = config.map("docs");
    let text = |key: &str| {
        docs.get(key)
            .and_then(serde_json::Value::as_str)
            .map(str::to_owned)
    };
    let contract = config.map("contract");
    let flag = |key: &str, default: bool| {
        contract
            .get(key)
            .and_then(serde_json::Value::as_bool)
            .unwrap_or(default)
    };
    let mut node = Node {
        kind: raw.kind,
        package: Arc::clone(&raw.package.name),
        database: work.project().target.database.clone(),
        schema: work.project().target.schema.clone(),
        alias: raw.name.clone(),
        relation_name: None,
        checksum: raw.checksum,
        language: raw.language,
        description: patch
            .map(|patch| patch.description.clone())
            .unwrap_or_default(),
        columns: patch.map_or_else(IndexMap::new, Patch::column_map),
        tags,
        meta: config.meta().clone(),
        group: config
            .group()
            .filter(|group| !group.is_empty())
            .map(str::to_owned),
        docs: Docs {
            show: docs
                .get("show")
                .and_then(serde_json::Value::as_bool)
                .unwrap_or(true),
            node_color: text("node_color"),
        },
        patch_path: patch.map(|patch| patch.file.file_id()),
        contract: Contract {
            enforced: flag("enforced", false),
            alias_types: flag("alias_types", true),
            checksum: None,
        },
        config,
        unrendered_config,
        config_call,
        refs: raw.captured.refs,
        sources: raw.captured.sources,
        metrics: raw.captured.metrics,
        functions: raw.captured.functions,
        depends_on: DependsOn {
            macros: raw.captured.macros,
            nodes: Vec::new(),
        },
        created_at: work.created_at,
        compiled: false,
        compiled_code: None,
        compiled_path: None,
        build_path: None,
        extra_ctes: Vec::new(),
        detail,
        id: raw.id,
        name: raw.name,
        path: raw.path,
        original_path: raw.original_path,
        fqn: raw.fqn,
        raw_code: raw.raw_code,
    };
    if node.contract.enforced {
        node.contract.checksum = Some(contract_checksum(&node));
    }
    foreign_keys(&mut node, patch, errors);
    (node, raw.shown)
}

fn model_detail(
    config: &NodeConfig,
    patch: Option<&Patch>,
    id: &UniqueId,
    errors: &mut Vec<ModelError>,
) -> ModelDetail {
    let word = config.text("access").unwrap_or("protected");
    let access = Access::parse(word).unwrap_or_else(|| {
        let error = ModelError::new(ModelErrorKind::Properties, format!("`{word}` is no access"))
            .of(id.as_str())
            .hint("write `private`, `protected` or `public`");
        errors.push(match patch {
            Some(patch) => error.at(patch.file.place(patch.line, patch.column)),
            None => error,
        });
        Access::default()
    });
    ModelDetail {
        access,
        version: patch.and_then(|patch| patch.version.clone()),
        latest_version: patch.and_then(|patch| patch.latest_version.clone()),
        constraints: patch
            .map(|patch| patch.constraints.clone())
            .unwrap_or_default(),
        deprecation_date: patch.and_then(|patch| patch.deprecation_date.clone()),
        primary_key: Vec::new(),
        time_spine: patch.and_then(|patch| patch.time_spine.clone()),
    }
}

/// Hashes what is promised: columns with their types and constraints, and the model's own constraints
/// where the materialization enforces them. The text is dbt's, so that manifests compare.
fn contract_checksum(node: &Node) -> String {
    let mut columns: Vec<_> = node.columns.values().collect();
    columns.sort_by(|a, b| a.name.cmp(&b.name));
    let mut state = String::new();
    for column in columns {
        state.push('|');
        state.push_str(&column.name);
        state.push_str(column.data_type.as_deref().unwrap_or("None"));
        constraints_text(&mut state, &column.constraints, "ColumnLevelConstraint");
    }
    if let Some(model) = node.model()
        && matches!(node.config.materialized(), "table" | "incremental")
    {
        state.push_str(node.config.materialized());
        constraints_text(&mut state, &model.constraints, "ModelLevelConstraint");
    }
    crate::hash::sha256_hex(state.as_bytes())
}

fn constraints_text(out: &mut String, constraints: &[Constraint], class: &str) {
    use std::fmt::Write;
    let text = |text: &Option<String>| match text {
        Some(text) => repr_of(&text.as_str().into()),
        None => "None".to_owned(),
    };
    let flag = |flag: bool| if flag { "True" } else { "False" };
    out.push('[');
    for (index, one) in constraints.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        let _ = write!(
            out,
            "{comma}{class}(type=<ConstraintType.{kind}: '{kind}'>, name={}, expression={}, warn_unenforced={}, \
             warn_unsupported={}, to={}, to_columns={}",
            text(&one.name),
            text(&one.expression),
            flag(one.warn_unenforced),
            flag(one.warn_unsupported),
            text(&one.to),
            repr_of(&one.to_columns.clone().into()),
            kind = one.kind,
        );
        if class == "ModelLevelConstraint" {
            let _ = write!(out, ", columns={}", repr_of(&one.columns.clone().into()));
        }
        out.push(')');
    }
    out.push(']');
}

/// A foreign key reads the table it points to.
fn foreign_keys(node: &mut Node, patch: Option<&Patch>, errors: &mut Vec<ModelError>) {
    let Some(model) = node.model() else { return };
    let all = model
        .constraints
        .iter()
        .chain(node.columns.values().flat_map(|column| &column.constraints));
    let mut named = Vec::new();
    for constraint in all.filter(|constraint| constraint.kind == "foreign_key") {
        let Some(to) = &constraint.to else { continue };
        match read_static(to) {
            Some(found) => named.push(found),
            None => {
                if let Some(patch) = patch {
                    let message = format!(
                        "`to: {to}` of a foreign key of `{}` names no relation",
                        node.name
                    );
                    let error = problem(&patch.file, patch.line, patch.column, message);
                    errors.push(
                        error.hint("write `to: ref('model')` or `to: source('source', 'table')`"),
                    );
                }
            }
        }
    }
    for found in named {
        match found {
            Named::Ref(reference) => node.refs.push(reference),
            Named::Source(source, table) => node.sources.push((source, table)),
            Named::Metric(_) | Named::This => {}
        }
    }
}
