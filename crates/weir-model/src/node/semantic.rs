//! What is described rather than run: exposures, metrics, semantic models, saved queries, groups; and
//! unit tests, which are run but built by no materialization.
//!
//! Parts that only artifacts need are kept as JSON in the shape the artifact has.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{DependsOn, JsonMap, NodeConfig, RefArgs, UniqueId, Version};

/// Something outside the project that reads it: a dashboard, an application.
#[derive(Debug, Clone)]
pub struct Exposure {
    pub id: UniqueId,
    pub name: String,
    pub package: Arc<str>,
    pub path: String,
    pub original_path: String,
    pub fqn: Vec<String>,
    pub kind: String,
    pub owner: Json,
    pub description: String,
    pub label: Option<String>,
    pub maturity: Option<String>,
    pub url: Option<String>,
    pub meta: JsonMap,
    pub tags: Vec<String>,
    pub config: NodeConfig,
    pub unrendered_config: JsonMap,
    pub refs: Vec<RefArgs>,
    pub sources: Vec<(String, String)>,
    pub metrics: Vec<Vec<String>>,
    pub depends_on: DependsOn,
    pub created_at: f64,
}

/// A metric of the semantic layer.
#[derive(Debug, Clone)]
pub struct Metric {
    pub id: UniqueId,
    pub name: String,
    pub package: Arc<str>,
    pub path: String,
    pub original_path: String,
    pub fqn: Vec<String>,
    pub description: String,
    pub label: String,
    /// `simple`, `ratio`, `derived`, `cumulative` or `conversion`.
    pub kind: String,
    pub type_params: Json,
    pub filter: Option<Json>,
    pub metadata: Option<Json>,
    pub time_granularity: Option<String>,
    pub meta: JsonMap,
    pub tags: Vec<String>,
    pub group: Option<String>,
    pub config: NodeConfig,
    pub unrendered_config: JsonMap,
    pub refs: Vec<RefArgs>,
    pub sources: Vec<(String, String)>,
    pub metrics: Vec<Vec<String>>,
    pub depends_on: DependsOn,
    pub created_at: f64,
}

/// Entities, dimensions and measures over one model.
#[derive(Debug, Clone)]
pub struct SemanticModel {
    pub id: UniqueId,
    pub name: String,
    pub package: Arc<str>,
    pub path: String,
    pub original_path: String,
    pub fqn: Vec<String>,
    /// The text `ref('orders')`.
    pub model: String,
    /// `alias`, `schema_name`, `database`, `relation_name` of that model.
    pub node_relation: Option<Json>,
    pub description: Option<String>,
    pub label: Option<String>,
    pub defaults: Option<Json>,
    pub entities: Vec<Json>,
    pub measures: Vec<Json>,
    pub dimensions: Vec<Json>,
    pub metadata: Option<Json>,
    pub primary_entity: Option<String>,
    pub group: Option<String>,
    pub config: NodeConfig,
    pub unrendered_config: JsonMap,
    pub refs: Vec<RefArgs>,
    pub depends_on: DependsOn,
    pub created_at: f64,
}

/// A named query over metrics.
#[derive(Debug, Clone)]
pub struct SavedQuery {
    pub id: UniqueId,
    pub name: String,
    pub package: Arc<str>,
    pub path: String,
    pub original_path: String,
    pub fqn: Vec<String>,
    pub query_params: Json,
    pub exports: Vec<Json>,
    pub description: Option<String>,
    pub label: Option<String>,
    pub metadata: Option<Json>,
    pub group: Option<String>,
    pub tags: Vec<String>,
    pub config: NodeConfig,
    pub unrendered_config: JsonMap,
    pub refs: Vec<RefArgs>,
    pub depends_on: DependsOn,
    pub created_at: f64,
}

/// A team that owns models.
#[derive(Debug, Clone)]
pub struct Group {
    pub id: UniqueId,
    pub name: String,
    pub package: Arc<str>,
    pub path: String,
    pub original_path: String,
    pub owner: Json,
    pub description: Option<String>,
    pub config: JsonMap,
}

/// A test of one model's logic over rows that it brings along.
#[derive(Debug, Clone)]
pub struct UnitTest {
    pub id: UniqueId,
    pub name: String,
    pub package: Arc<str>,
    pub path: String,
    pub original_path: String,
    pub fqn: Vec<String>,
    /// The tested model's name.
    pub model: String,
    pub version: Option<Version>,
    /// `include` and `exclude` of versions, as written.
    pub versions: Option<Json>,
    /// Each with `input`, `rows`, `format`, `fixture`; rows of CSV fixtures are already read.
    pub given: Vec<JsonMap>,
    /// `rows`, `format`, `fixture`.
    pub expect: JsonMap,
    /// `macros`, `vars`, `env_vars`.
    pub overrides: Option<Json>,
    pub description: String,
    pub schema: Option<String>,
    pub config: NodeConfig,
    /// The model first, then what `given` names, then macros overridden.
    pub depends_on: DependsOn,
    /// The tested node, once resolved.
    pub tested_node: Option<UniqueId>,
    pub checksum: Option<String>,
    pub created_at: f64,
}
