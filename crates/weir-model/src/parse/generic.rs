//! Generic tests: from an entry below a model or column to a node that calls a macro.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;
use weir_jinja::{Interpreter, Template};

use super::merge::{Layers, configure};
use super::naming;
use super::properties::{problem, yaml_context};
use super::raw::fqn;
use super::read::ReadFile;
use super::stage::Facts;
use super::test_arguments::{model_text, split, written};
use super::test_name::{synthetic_names, unique_id};
use super::work::Work;
use crate::convert::to_json;
use crate::error::ModelError;
use crate::node::{
    Checksum, ConfigKind, Contract, DependsOn, Docs, JsonMap, Node, NodeDetail, ResourceKind,
    TestDetail, TestMetadata, Version,
};
use crate::project::TreeKind;
use crate::python::str_of;
use crate::yaml::Yaml;

/// The name under which a test's template finds its arguments.
pub(crate) const TEST_ARGUMENTS: &str = "_dbt_generic_test_kwargs";

/// What a test is written below.
#[derive(Debug, Clone)]
pub(super) enum Tested {
    /// A model, seed or snapshot, by the name and version that `ref()` takes.
    Node {
        name: String,
        version: Option<Version>,
    },
    Source {
        source: String,
        table: String,
    },
}

/// A test as written, and where.
#[derive(Debug, Clone)]
pub(super) struct TestJob {
    pub(super) tested: Tested,
    pub(super) section: &'static str,
    pub(super) test: Yaml,
    /// The column as the test should write it, quoted if it must be.
    pub(super) column: Option<String>,
    /// Tags of the column, and of a source and its table.
    pub(super) tags: Vec<String>,
    pub(super) file: Arc<ReadFile>,
}

/// A test that was built, and what remains to be looked up.
#[derive(Debug)]
pub(super) struct BuiltTest {
    pub(super) node: Node,
    pub(super) tested: Tested,
}

/// Settings that may stand among the arguments.
const SETTINGS: [&str; 14] = [
    "severity",
    "tags",
    "enabled",
    "where",
    "limit",
    "warn_if",
    "error_if",
    "fail_calc",
    "store_failures",
    "store_failures_as",
    "meta",
    "database",
    "schema",
    "alias",
];

/// Builds the node of one test.
pub(super) fn build(work: &Work, job: &TestJob, errors: &mut Vec<ModelError>) -> Option<BuiltTest> {
    match Builder::new(work, job).and_then(|builder| builder.build(errors)) {
        Ok(node) => Some(BuiltTest {
            node,
            tested: job.tested.clone(),
        }),
        Err(error) => {
            errors.push(error);
            None
        }
    }
}

pub(super) struct Builder<'b> {
    pub(super) work: &'b Work,
    pub(super) job: &'b TestJob,
    pub(super) namespace: Option<String>,
    pub(super) name: String,
    pub(super) args: JsonMap,
    pub(super) config: JsonMap,
    pub(super) description: String,
    /// The name that files and aliases have: short enough for a relation.
    pub(super) short_name: String,
    pub(super) full_name: String,
}

impl<'b> Builder<'b> {
    fn new(work: &'b Work, job: &'b TestJob) -> Result<Self, ModelError> {
        let (written, args) = written(job)?;
        let (namespace, name) = split(&written).ok_or_else(|| {
            error(job, format!("`{written}` cannot be a test's name"))
                .hint("write `name` or `package.name`")
        })?;
        let mut builder = Self {
            work,
            job,
            namespace: namespace.map(str::to_owned),
            name: name.to_owned(),
            args: args.clone(),
            config: JsonMap::new(),
            description: String::new(),
            short_name: String::new(),
            full_name: String::new(),
        };
        if builder.args.contains_key("model") {
            return Err(
                error(job, "a test's argument cannot be called `model`".to_owned())
                    .hint("rename the argument of the test's macro"),
            );
        }
        builder
            .args
            .insert("model".to_owned(), Json::String(model_text(&job.tested)));
        builder.take_settings()?;
        if let Some(description) = builder.args.shift_remove("description") {
            builder.description = str_of(&description);
        }
        match builder
            .args
            .shift_remove("name")
            .filter(|name| !name.is_null())
        {
            Some(name) => {
                builder.full_name = str_of(&name);
                builder.short_name.clone_from(&builder.full_name);
            }
            None => builder.synthesize(),
        }
        Ok(builder)
    }

    /// Moves settings out of the arguments, whether they stand there or under `config`.
    fn take_settings(&mut self) -> Result<(), ModelError> {
        let mut nested = match self.args.shift_remove("config") {
            Some(Json::Object(map)) => map,
            None | Some(Json::Null) => JsonMap::new(),
            Some(other) => {
                let message = format!(
                    "`config` of the test `{}` is no mapping: {other}",
                    self.name
                );
                return Err(error(self.job, message).hint("write its keys below it, indented"));
            }
        };
        let mut settings = JsonMap::new();
        for key in SETTINGS {
            let beside = self.args.shift_remove(key).filter(|value| !value.is_null());
            if beside.as_ref().is_some_and(truthy) && nested.contains_key(key) {
                let message = format!("the test `{}` gives `{key}` twice", self.name);
                return Err(error(self.job, message).hint("keep the one under `config`"));
            }
            let value = match beside {
                Some(value) if truthy(&value) => Some(value),
                beside => nested.shift_remove(key).or(beside),
            };
            if let Some(value) = value {
                settings.insert(key.to_owned(), value);
            }
        }
        settings.extend(nested);
        for (key, value) in settings {
            let value = self.rendered(value)?;
            if !value.is_null() {
                self.config.insert(key, value);
            }
        }
        Ok(())
    }

    /// Renders a setting that is a text.
    fn rendered(&self, value: Json) -> Result<Json, ModelError> {
        let Json::String(text) = &value else {
            return Ok(value);
        };
        if !text.contains('{') {
            return Ok(value);
        }
        let context = yaml_context(&self.work.shared, &self.job.file.package.name);
        let mut interpreter = Interpreter::new(Arc::clone(&self.work.shared.environment));
        Template::parse(Arc::clone(&self.job.file.shown), text)
            .and_then(|template| interpreter.render_native(&template, &*context))
            .map(|value| to_json(&value))
            .map_err(|failed| {
                let message = format!("cannot render `{text}`: {}", failed.message());
                error(self.job, message).hint(
                    failed
                        .hint()
                        .unwrap_or("macros cannot be called in settings")
                        .to_owned(),
                )
            })
    }

    /// Makes a name of the test's name, what it tests and its arguments.
    fn synthesize(&mut self) {
        let (target, prefix) = match &self.job.tested {
            Tested::Node {
                name,
                version: Some(version),
            } => (format!("{name}_v{version}"), ""),
            Tested::Node {
                name,
                version: None,
            } => (name.clone(), ""),
            Tested::Source { source, table } => (format!("{source}_{table}"), "source_"),
        };
        let mut kind = format!("{prefix}{}", self.name);
        if let Some(namespace) = &self.namespace {
            kind = format!("{namespace}_{kind}");
        }
        (self.short_name, self.full_name) = synthetic_names(&kind, &target, &self.args);
        if self.short_name != self.full_name && !self.config.contains_key("alias") {
            self.config
                .insert("alias".to_owned(), self.short_name.as_str().into());
        }
    }

    fn build(self, errors: &mut Vec<ModelError>) -> Result<Node, ModelError> {
        let (work, job) = (self.work, self.job);
        let package = &job.file.package;
        let metadata = TestMetadata {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            kwargs: self.args.clone(),
        };
        let id = unique_id(&package.name, &self.full_name, &metadata);
        let original = job.file.file.original.to_string();
        let below = original
            .split_once('/')
            .map_or(&*original, |(_, below)| below);
        let fqn = fqn(&package.name, below, &self.full_name);
        let raw_code: Arc<str> = self.raw_code().into();
        let target = &work.project().target;
        let facts = Facts {
            kind: ResourceKind::Test,
            config_kind: ConfigKind::Test,
            id: id.clone(),
            name: self.full_name.clone(),
            package: Arc::clone(&package.name),
            path: format!("{}.sql", self.short_name),
            original_path: original.clone(),
            fqn: fqn.clone(),
            database: target.database.clone(),
            schema: target.schema.clone(),
            raw_code: Arc::clone(&raw_code),
            this: work.naming.placeholder(
                target.database.as_deref(),
                &target.schema,
                &self.full_name,
            ),
        };
        let captured = self.captured(facts, &raw_code, errors)?;
        let layers = Layers {
            kind: ConfigKind::Test,
            tree: TreeKind::DataTests,
            fqn: &fqn,
            patch: None,
            call: &captured.config,
        };
        let (config, unrendered_config) = configure(work.project(), package, &layers);
        let mut tags = job.tags.clone();
        tags.extend(list_of(self.config.get("tags")));
        tags.sort();
        tags.dedup();
        for tag in config.tags() {
            if !tags.contains(&tag) {
                tags.push(tag);
            }
        }
        let key = match &job.tested {
            Tested::Node { name, .. } => name.clone(),
            Tested::Source { source, .. } => source.clone(),
        };
        let mut node = Node {
            id,
            kind: ResourceKind::Test,
            package: Arc::clone(&package.name),
            path: format!("{}.sql", self.short_name),
            original_path: original,
            fqn,
            database: target.database.clone(),
            schema: target.schema.clone(),
            alias: self.full_name.clone(),
            name: self.full_name,
            relation_name: None,
            checksum: Checksum::none(),
            language: "sql",
            raw_code,
            description: self.description,
            columns: IndexMap::new(),
            tags,
            meta: config.meta().clone(),
            group: None,
            docs: Docs::default(),
            patch_path: None,
            unrendered_config,
            config_call: captured.config.clone(),
            refs: captured.refs,
            sources: captured.sources,
            metrics: captured.metrics,
            functions: captured.functions,
            depends_on: DependsOn {
                macros: captured.macros,
                nodes: Vec::new(),
            },
            created_at: work.created_at,
            compiled: false,
            compiled_code: None,
            compiled_path: None,
            build_path: None,
            extra_ctes: Vec::new(),
            contract: Contract::default(),
            detail: NodeDetail::GenericTest(Box::new(TestDetail {
                metadata,
                column_name: job.column.clone(),
                file_key_name: format!("{}.{key}", job.section),
                attached_node: None,
                line: job.test.line,
                column: job.test.column,
            })),
            config,
        };
        errors.extend(naming::name(work, &mut node, &job.file.shown));
        Ok(node)
    }
}

pub(super) fn error(job: &TestJob, message: String) -> ModelError {
    problem(&job.file, job.test.line, job.test.column, message)
}

fn truthy(value: &Json) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(flag) => *flag,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(map) => !map.is_empty(),
    }
}

fn list_of(value: Option<&Json>) -> Vec<String> {
    match value {
        Some(Json::String(text)) => vec![text.clone()],
        Some(Json::Array(items)) => items
            .iter()
            .filter_map(|item| item.as_str().map(str::to_owned))
            .collect(),
        _ => Vec::new(),
    }
}
