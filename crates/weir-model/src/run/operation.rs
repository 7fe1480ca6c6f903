use std::sync::Arc;

use serde_json::Value as Json;
use weir_jinja::{Args, Interpreter, Value};

use super::runner::Runner;
use crate::compile::{Compiler, Purpose, StageParts, failure};
use crate::context::{carried, warehouse_error};
use crate::convert::{to_json, to_value};
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{JsonMap, Node, ResourceKind, UniqueId};
use crate::warehouse::{Fetch, Table};

/// Rows that somebody wants to see.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The query's SQL without the limit.
    pub sql: Arc<str>,
    pub table: Table,
}

impl Runner {
    fn inline_node(&self, sql: &str) -> Arc<Node> {
        let project = &self.shared().project;
        let mut node = Node::bare(&project.name, "inline_query", sql);
        node.database.clone_from(&project.target.database);
        node.schema.clone_from(&project.target.schema);
        Arc::new(node)
    }

    /// Renders SQL that stands in no file.
    pub fn compile_inline(&self, sql: &str) -> Result<Arc<str>, ModelError> {
        self.compile_node(self.inline_node(sql))
    }

    /// Renders the SQL of a node, without writing it.
    pub fn compile_one(&self, id: &UniqueId) -> Result<Arc<str>, ModelError> {
        self.compile_node(self.node(id)?)
    }

    fn node(&self, id: &UniqueId) -> Result<Arc<Node>, ModelError> {
        self.manifest().nodes.get(id).cloned().ok_or_else(|| {
            ModelError::new(
                ModelErrorKind::Selection,
                format!("{id} is not in the project or has no SQL"),
            )
            .hint("see `ls`")
        })
    }

    fn compile_node(&self, node: Arc<Node>) -> Result<Arc<str>, ModelError> {
        let parts = StageParts::new(Arc::clone(&self.compiler), node, Purpose::Compile);
        let compiled = self.compiler.compile(parts, &self.main);
        self.main.rollback();
        Ok(compiled?.sql)
    }

    /// Returns the first rows of a node's query. Seeds are read from the warehouse.
    pub fn show(&self, id: &UniqueId, limit: Option<u64>) -> Result<Shown, ModelError> {
        let node = self.node(id)?;
        if node.kind == ResourceKind::Seed {
            let sql = format!("select * from {}", self.compiler.relation(&node).render());
            return self.shown(&node, sql.into(), limit);
        }
        let sql = self.compile_node(Arc::clone(&node))?;
        self.shown(&node, sql, limit)
    }

    /// Returns the first rows of a query that stands in no file.
    pub fn show_inline(&self, sql: &str, limit: Option<u64>) -> Result<Shown, ModelError> {
        let node = self.inline_node(sql);
        let sql = self.compile_node(Arc::clone(&node))?;
        self.shown(&node, sql, limit)
    }

    fn shown(
        &self,
        node: &Arc<Node>,
        sql: Arc<str>,
        limit: Option<u64>,
    ) -> Result<Shown, ModelError> {
        let parts = StageParts::new(Arc::clone(&self.compiler), Arc::clone(node), Purpose::Build);
        let (_stage, context) = Compiler::context(parts, Some(Arc::clone(&self.main)));
        let limit_value = limit.map_or(Value::None, |limit| {
            Value::Int(i64::try_from(limit).unwrap_or(i64::MAX))
        });
        let header = node.config.get("sql_header").map_or(Value::None, to_value);
        let macros = &self.shared().macros;
        let found = macros.find(&node.package, "get_show_sql").cloned();
        let found = found.ok_or_else(|| {
            ModelError::new(ModelErrorKind::Internal, "there is no macro `get_show_sql`")
        })?;
        let mut interpreter = Interpreter::new(Arc::clone(&self.shared().environment));
        let args = Args::from(vec![Value::Str(Arc::clone(&sql)), header, limit_value]);
        let query = interpreter
            .call_macro(&found, args, &*context)
            .map_err(|error| failure(error, node))?;
        let fetch = limit
            .and_then(|limit| usize::try_from(limit).ok())
            .map_or(Fetch::All, Fetch::Limit);
        let answer = self.main.execute(&query.to_str(), false, fetch);
        self.main.rollback();
        let answer = answer.map_err(|error| warehouse_error(error).of(node.id.as_str()))?;
        Ok(Shown {
            sql,
            table: answer.table.unwrap_or_default(),
        })
    }

    /// Calls a macro of the project, or of a package by `package.macro`, and returns what it gave.
    ///
    /// What it changed is committed, unless it fails.
    pub fn run_operation(&self, name: &str, arguments: &JsonMap) -> Result<Json, ModelError> {
        let shared = self.shared();
        let root = Arc::clone(&shared.project.name);
        let (package, macro_name) = name
            .split_once('.')
            .map_or((None, name), |(package, name)| (Some(package), name));
        let found = match package {
            Some(package) => shared.macros.in_package(package, macro_name),
            None => shared.macros.find(&root, macro_name),
        };
        let found = found.cloned().ok_or_else(|| {
            let known = shared.macros.names(&root);
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let error = ModelError::new(
                ModelErrorKind::MissingReference,
                format!(
                    "dbt could not find a macro with the name '{macro_name}' in {}",
                    package.unwrap_or("any package")
                ),
            );
            match weir_core::did_you_mean(macro_name, &known) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("macros of packages are called as package.macro"),
            }
        })?;
        let mut node = Node::bare(&root, macro_name, "");
        node.id = UniqueId::from_text(format!("macro.{}.{macro_name}", package.unwrap_or(&root)));
        node.kind = ResourceKind::Operation;
        let node = Arc::new(node);
        let parts = StageParts::new(
            Arc::clone(&self.compiler),
            Arc::clone(&node),
            Purpose::Operation,
        );
        self.main
            .set_comment(self.compiler.comment(&node, &self.main)?);
        let (_stage, context) = Compiler::context(parts, Some(Arc::clone(&self.main)));
        let mut args = Args::none();
        for (key, value) in arguments {
            args = args.with(key.as_str(), to_value(value));
        }
        let mut interpreter = Interpreter::new(Arc::clone(&shared.environment));
        let done = interpreter
            .call_macro(&found, args, &*context)
            .and_then(|value| {
                self.main.commit().map_err(carried)?;
                Ok(value)
            });
        if done.is_err() {
            self.main.rollback();
        }
        self.main.set_comment(None);
        done.map(|value| to_json(&value))
            .map_err(|error| failure(error, &node))
    }
}
