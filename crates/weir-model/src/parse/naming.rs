//! What relations are called: the `generate_*_name` macros, which projects may write themselves.

use std::sync::Arc;

use weir_jinja::{Args, Interpreter, MacroDef, Value};

use super::stage::Facts;
use super::work::Work;
use crate::convert::to_value;
use crate::error::ModelError;
use crate::library::LIBRARY_PACKAGE;
use crate::node::{Node, NodeConfig, ResourceKind, UniqueId};

/// One part of a relation's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Database,
    Schema,
    Alias,
}

impl Part {
    fn key(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Schema => "schema",
            Self::Alias => "alias",
        }
    }

    fn macro_name(self) -> &'static str {
        match self {
            Self::Database => "generate_database_name",
            Self::Schema => "generate_schema_name",
            Self::Alias => "generate_alias_name",
        }
    }
}

/// Gives `node` the database, schema, alias and full name that its configuration and the project's
/// macros say.
pub(super) fn name(work: &Work, node: &mut Node, shown: &Arc<str>) -> Vec<ModelError> {
    let mut errors = Vec::new();
    for part in [Part::Database, Part::Schema, Part::Alias] {
        let custom = node.config.text(part.key()).map(str::to_owned);
        let named = match own_macro(work, &node.package, part) {
            None => Some(default(work, node, part, custom.as_deref())),
            Some(definition) => match call(work, &definition, node, custom.as_deref()) {
                Ok(text) => text,
                Err(error) => {
                    errors.push(work.failure(error, shown, "").of(node.id.as_str()));
                    Some(default(work, node, part, custom.as_deref()))
                }
            },
        };
        match part {
            Part::Database => node.database = named.filter(|name| !name.is_empty()),
            Part::Schema => node.schema = named.unwrap_or_default(),
            Part::Alias => node.alias = named.unwrap_or_else(|| node.name.clone()),
        }
    }
    if node.kind == ResourceKind::Snapshot {
        if let Some(database) = node
            .config
            .text("target_database")
            .filter(|text| !text.is_empty())
        {
            node.database = Some(database.to_owned());
        }
        if let Some(schema) = node
            .config
            .text("target_schema")
            .filter(|text| !text.is_empty())
        {
            node.schema = schema.to_owned();
        }
    }
    node.relation_name = is_relation(node).then(|| relation_name(work, node));
    errors
}

fn is_relation(node: &Node) -> bool {
    match node.kind {
        ResourceKind::Model => !node.is_ephemeral(),
        ResourceKind::Seed | ResourceKind::Snapshot => true,
        ResourceKind::Test => stores_failures(&node.config),
        _ => false,
    }
}

fn stores_failures(config: &NodeConfig) -> bool {
    config.store_failures() == Some(true)
}

fn relation_name(work: &Work, node: &Node) -> String {
    let quoting = node.config.map("quoting");
    work.naming
        .full(node.database.as_deref(), &node.schema, &node.alias, quoting)
}

/// Returns the macro to call, or nothing if the library's would be, whose rules are known here.
fn own_macro(work: &Work, package: &str, part: Part) -> Option<MacroDef> {
    let core = |definition: &MacroDef| {
        definition
            .owner()
            .is_some_and(|owner| &**owner == LIBRARY_PACKAGE)
    };
    let found = work.macros().find(package, part.macro_name());
    match found {
        Some(found) if !core(found) => return Some(found.clone()),
        None => return None,
        Some(_) => {}
    }
    // The library's macro dispatches, so a project may have a version for its adapter.
    let dispatched = work.macros().dispatch(
        work.project(),
        work.chain(),
        package,
        part.macro_name(),
        Some(LIBRARY_PACKAGE),
    );
    let covered = dispatched.is_ok_and(|found| !core(found));
    covered.then(|| found.cloned()).flatten()
}

/// What the library's macros give.
fn default(work: &Work, node: &Node, part: Part, custom: Option<&str>) -> String {
    let target = &work.project().target;
    match part {
        Part::Database => custom
            .or(target.database.as_deref())
            .unwrap_or_default()
            .trim()
            .to_owned(),
        Part::Schema => match custom {
            Some(custom) => format!("{}_{}", target.schema.trim(), custom.trim()),
            None => target.schema.trim().to_owned(),
        },
        Part::Alias => match (custom.filter(|custom| !custom.is_empty()), node.version()) {
            (Some(custom), _) => custom.trim().to_owned(),
            (None, Some(version)) => {
                format!("{}_v{}", node.name, version.to_string().replace('.', "_"))
            }
            (None, None) => node.name.clone(),
        },
    }
}

fn call(
    work: &Work,
    definition: &MacroDef,
    node: &Node,
    custom: Option<&str>,
) -> weir_jinja::Result<Option<String>> {
    let (stage, context) = work.stage(facts(work, node));
    let mut interpreter = Interpreter::new(Arc::clone(&work.shared.environment));
    let args = Args::from(vec![custom.into(), node_value(node)]);
    let value = interpreter.call_macro(definition, args, &*context)?;
    drop(stage);
    Ok(match value {
        Value::None | Value::Undefined(_) => None,
        value => Some(value.to_str().trim().to_owned()),
    })
}

fn facts(work: &Work, node: &Node) -> Facts {
    Facts {
        kind: node.kind,
        config_kind: node.config.kind(),
        id: node.id.clone(),
        name: node.name.clone(),
        package: Arc::clone(&node.package),
        path: node.path.clone(),
        original_path: node.original_path.clone(),
        fqn: node.fqn.clone(),
        database: node.database.clone(),
        schema: node.schema.clone(),
        raw_code: Arc::clone(&node.raw_code),
        this: work
            .naming
            .placeholder(node.database.as_deref(), &node.schema, &node.name),
    }
}

/// The node as these macros see it.
fn node_value(node: &Node) -> Value {
    let texts = |texts: &[String]| Value::list(texts.iter().map(String::as_str));
    let ids = |ids: &[UniqueId]| Value::list(ids.iter().map(UniqueId::as_str));
    let entries: Vec<(&str, Value)> = vec![
        ("resource_type", Value::str(node.kind.as_str())),
        ("unique_id", Value::str(node.id.as_str())),
        ("name", Value::str(node.name.as_str())),
        ("package_name", Value::Str(Arc::clone(&node.package))),
        ("path", Value::str(node.path.as_str())),
        (
            "original_file_path",
            Value::str(node.original_path.as_str()),
        ),
        ("fqn", texts(&node.fqn)),
        ("tags", texts(&node.tags)),
        ("alias", Value::str(node.alias.as_str())),
        ("database", node.database.as_deref().into()),
        ("schema", Value::str(node.schema.as_str())),
        ("description", Value::str(node.description.as_str())),
        ("group", node.group.as_deref().into()),
        ("language", Value::str(node.language)),
        ("raw_code", Value::Str(Arc::clone(&node.raw_code))),
        (
            "version",
            node.version()
                .map_or(Value::None, |version| to_value(&version.to_json())),
        ),
        (
            "meta",
            to_value(&serde_json::Value::Object(node.meta.clone())),
        ),
        (
            "config",
            to_value(&serde_json::Value::Object(node.config.to_json())),
        ),
        (
            "unrendered_config",
            to_value(&serde_json::Value::Object(node.unrendered_config.clone())),
        ),
        (
            "config_call_dict",
            to_value(&serde_json::Value::Object(node.config_call.clone())),
        ),
        (
            "depends_on",
            Value::dict([
                ("macros", ids(&node.depends_on.macros)),
                ("nodes", ids(&node.depends_on.nodes)),
            ]),
        ),
    ];
    Value::dict(entries)
}
