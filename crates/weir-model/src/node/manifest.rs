//! All of a project, parsed.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::{
    Doc, Exposure, Function, Group, JsonMap, Macro, Metric, Node, ResourceKind, SavedQuery,
    SemanticModel, Source, UniqueId, UnitTest,
};

/// Everything that was parsed, by id, with how it hangs together.
///
/// The order of each map is the order of parsing: packages, then folders, then files by name.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    pub metadata: ManifestMetadata,
    /// Models, seeds, snapshots, tests, analyses and operations.
    pub nodes: IndexMap<UniqueId, Arc<Node>>,
    pub sources: IndexMap<UniqueId, Arc<Source>>,
    pub macros: IndexMap<UniqueId, Arc<Macro>>,
    pub docs: IndexMap<UniqueId, Arc<Doc>>,
    pub exposures: IndexMap<UniqueId, Arc<Exposure>>,
    pub metrics: IndexMap<UniqueId, Arc<Metric>>,
    pub semantic_models: IndexMap<UniqueId, Arc<SemanticModel>>,
    pub saved_queries: IndexMap<UniqueId, Arc<SavedQuery>>,
    pub groups: IndexMap<UniqueId, Arc<Group>>,
    pub unit_tests: IndexMap<UniqueId, Arc<UnitTest>>,
    pub functions: IndexMap<UniqueId, Arc<Function>>,
    /// The definitions of selectors.yml, as artifacts hold them.
    pub selectors: JsonMap,
    /// What configuration switched off.
    pub disabled: IndexMap<UniqueId, Vec<Disabled>>,
    /// What each thing needs directly.
    pub parent_map: HashMap<UniqueId, Vec<UniqueId>>,
    /// What needs each thing directly.
    pub child_map: HashMap<UniqueId, Vec<UniqueId>>,
}

impl Manifest {
    /// Returns the models, seeds and snapshots called `name`, of every package and version.
    pub fn refables(&self, name: &str) -> impl Iterator<Item = &Arc<Node>> {
        self.nodes
            .values()
            .filter(move |node| node.kind.is_refable() && node.name == name)
    }

    /// Returns the ids of everything that selections can name, in the order of parsing.
    pub fn ids(&self) -> impl Iterator<Item = &UniqueId> {
        self.nodes
            .keys()
            .chain(self.sources.keys())
            .chain(self.exposures.keys())
            .chain(self.metrics.keys())
            .chain(self.semantic_models.keys())
            .chain(self.saved_queries.keys())
            .chain(self.unit_tests.keys())
            .chain(self.functions.keys())
    }

    /// Counts the nodes of `kind`.
    pub fn count(&self, kind: ResourceKind) -> usize {
        match kind {
            ResourceKind::Source => self.sources.len(),
            ResourceKind::Macro => self.macros.len(),
            ResourceKind::Exposure => self.exposures.len(),
            ResourceKind::Metric => self.metrics.len(),
            ResourceKind::Group => self.groups.len(),
            ResourceKind::SavedQuery => self.saved_queries.len(),
            ResourceKind::SemanticModel => self.semantic_models.len(),
            ResourceKind::UnitTest => self.unit_tests.len(),
            ResourceKind::Doc => self.docs.len(),
            ResourceKind::Function => self.functions.len(),
            _ => self.nodes.values().filter(|node| node.kind == kind).count(),
        }
    }
}

/// Something that configuration switched off.
#[derive(Debug, Clone)]
pub enum Disabled {
    Node(Arc<Node>),
    Source(Arc<Source>),
    Exposure(Arc<Exposure>),
    Metric(Arc<Metric>),
    SemanticModel(Arc<SemanticModel>),
    SavedQuery(Arc<SavedQuery>),
    UnitTest(Arc<UnitTest>),
}

/// Where, when and for what a manifest was made.
#[derive(Debug, Clone, Default)]
pub struct ManifestMetadata {
    pub project_name: String,
    /// The md5 of the project's name.
    pub project_id: String,
    pub adapter_type: String,
    /// RFC 3339, from the clock given to parsing.
    pub generated_at: String,
    pub invocation_id: String,
    pub invocation_started_at: Option<String>,
    /// Environment variables named `DBT_ENV_CUSTOM_ENV_*`, without that prefix.
    pub env: JsonMap,
    pub quoting: Json,
}
