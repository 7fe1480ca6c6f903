//! What is read or called: source tables, macros, functions and blocks of documentation.

use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::{Column, DependsOn, Docs, JsonMap, NodeConfig, UniqueId};

/// One table of a source.
#[derive(Debug, Clone)]
pub struct Source {
    pub id: UniqueId,
    /// The table's name in `source('shop', 'orders')`.
    pub name: String,
    pub source_name: String,
    pub package: Arc<str>,
    pub path: String,
    pub original_path: String,
    pub fqn: Vec<String>,
    pub database: Option<String>,
    pub schema: String,
    /// The name in the warehouse; equal to `name` unless given.
    pub identifier: String,
    pub relation_name: String,
    pub source_description: String,
    pub source_meta: JsonMap,
    pub description: String,
    pub loader: String,
    pub loaded_at_field: Option<String>,
    pub loaded_at_query: Option<String>,
    /// `warn_after`, `error_after` and `filter`, merged; `None` when switched off or never given.
    pub freshness: Option<Json>,
    /// `database`, `schema`, `identifier`, `column`: true, false or null.
    pub quoting: JsonMap,
    pub columns: IndexMap<String, Column>,
    pub meta: JsonMap,
    pub tags: Vec<String>,
    pub external: Option<Json>,
    pub config: NodeConfig,
    pub unrendered_config: JsonMap,
    pub unrendered_database: Option<String>,
    pub unrendered_schema: Option<String>,
    pub patch_path: Option<String>,
    pub created_at: f64,
}

impl Source {
    /// Returns `source.table`, the name people use in selections.
    pub fn search_name(&self) -> String {
        format!("{}.{}", self.source_name, self.name)
    }

    /// Says whether freshness of this table can be asked for.
    pub fn has_freshness(&self) -> bool {
        let Some(Json::Object(freshness)) = &self.freshness else {
            return false;
        };
        ["warn_after", "error_after"].iter().any(|key| {
            freshness
                .get(*key)
                .and_then(|after| after.get("count"))
                .is_some_and(|count| !count.is_null())
        })
    }
}

/// What block a macro was written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum MacroKind {
    Macro,
    /// `{% test %}` and `{% data_test %}`; its name begins with `test_`.
    Test,
    /// Its name is `materialization_<name>_<adapter>`.
    Materialization,
}

/// One macro, generic test or materialization.
#[derive(Debug, Clone)]
pub struct Macro {
    pub id: UniqueId,
    pub kind: MacroKind,
    pub name: String,
    pub package: Arc<str>,
    pub path: String,
    pub original_path: String,
    /// The block's source, its tags included.
    pub code: Arc<str>,
    pub depends_on: DependsOn,
    pub description: String,
    pub meta: JsonMap,
    pub docs: Docs,
    pub patch_path: Option<String>,
    pub arguments: Vec<MacroArgument>,
    pub supported_languages: Option<Vec<String>>,
    pub config: JsonMap,
    pub created_at: f64,
}

/// A described argument of a macro.
#[derive(Debug, Clone, Default)]
pub struct MacroArgument {
    pub name: String,
    pub data_type: Option<String>,
    pub description: String,
}

/// A block of documentation, for `doc('name')`.
#[derive(Debug, Clone)]
pub struct Doc {
    pub id: UniqueId,
    pub name: String,
    pub package: Arc<str>,
    pub path: String,
    pub original_path: String,
    pub contents: String,
}

/// A user-defined function of the warehouse.
#[derive(Debug, Clone)]
pub struct Function {
    pub id: UniqueId,
    pub name: String,
    pub package: Arc<str>,
    pub path: String,
    pub original_path: String,
    pub fqn: Vec<String>,
    pub description: String,
    pub raw_code: Arc<str>,
    pub checksum: super::Checksum,
    /// Everything else of its properties as written (`arguments`, `returns`).
    pub properties: JsonMap,
    pub config: NodeConfig,
    pub depends_on: DependsOn,
    pub created_at: f64,
}
