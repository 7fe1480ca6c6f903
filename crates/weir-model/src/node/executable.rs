//! What is rendered and run: models, seeds, snapshots, tests, analyses and operations.

use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;
use serde_json::Value as Json;

use super::{ConfigKind, JsonMap, NodeConfig, ResourceKind, UniqueId};

/// One model, seed, snapshot, test, analysis or operation.
///
/// What all of them have stands here; what only one kind has stands in [`NodeDetail`]. After parsing
/// everything is set but the `compiled*` fields and `extra_ctes`, which compiling fills.
#[derive(Debug, Clone)]
pub struct Node {
    pub id: UniqueId,
    pub kind: ResourceKind,
    pub name: String,
    pub package: Arc<str>,
    /// The path below the folder it was found in, like `staging/stg_orders.sql`.
    pub path: String,
    /// The path below its package, like `models/staging/stg_orders.sql`.
    pub original_path: String,
    /// The names it is selected by: package, folders, name and version.
    pub fqn: Vec<String>,
    pub database: Option<String>,
    pub schema: String,
    /// The relation's name; equal to `name` unless an alias was given or computed.
    pub alias: String,
    /// The quoted full name; `None` for what is no relation (ephemeral models, most tests).
    pub relation_name: Option<String>,
    pub checksum: Checksum,
    pub language: &'static str,
    pub raw_code: Arc<str>,
    pub description: String,
    pub columns: IndexMap<String, Column>,
    pub tags: Vec<String>,
    pub meta: JsonMap,
    pub group: Option<String>,
    pub docs: Docs,
    /// `package://path` of the properties file that describes it.
    pub patch_path: Option<String>,
    pub config: NodeConfig,
    /// The configuration as written, before rendering; what `state:modified` compares.
    pub unrendered_config: JsonMap,
    /// What the file's own `config()` calls said, hooks and all.
    pub config_call: JsonMap,
    pub refs: Vec<RefArgs>,
    /// Pairs of source and table.
    pub sources: Vec<(String, String)>,
    /// Names given to `metric()`, with packages if given.
    pub metrics: Vec<Vec<String>>,
    pub functions: Vec<Vec<String>>,
    pub depends_on: DependsOn,
    /// Seconds since 1970 at which it was parsed.
    pub created_at: f64,
    pub compiled: bool,
    pub compiled_code: Option<Arc<str>>,
    pub compiled_path: Option<String>,
    pub build_path: Option<String>,
    pub extra_ctes: Vec<InjectedCte>,
    pub contract: Contract,
    pub detail: NodeDetail,
}

impl Node {
    /// Makes a node that stands in no file, and that nothing is told of but its code.
    pub fn bare(package: &Arc<str>, name: &str, code: &str) -> Self {
        let path = format!("{name}.sql");
        Self {
            id: UniqueId::new(ResourceKind::SqlOperation, package, name),
            kind: ResourceKind::SqlOperation,
            name: name.to_owned(),
            package: Arc::clone(package),
            original_path: path.clone(),
            path,
            fqn: vec![package.to_string(), name.to_owned()],
            database: None,
            schema: String::new(),
            alias: name.to_owned(),
            relation_name: None,
            checksum: Checksum::none(),
            language: "sql",
            raw_code: code.into(),
            description: String::new(),
            columns: IndexMap::new(),
            tags: Vec::new(),
            meta: JsonMap::new(),
            group: None,
            docs: Docs::default(),
            patch_path: None,
            config: NodeConfig::new(ConfigKind::Other),
            unrendered_config: JsonMap::new(),
            config_call: JsonMap::new(),
            refs: Vec::new(),
            sources: Vec::new(),
            metrics: Vec::new(),
            functions: Vec::new(),
            depends_on: DependsOn::default(),
            created_at: 0.0,
            compiled: false,
            compiled_code: None,
            compiled_path: None,
            build_path: None,
            extra_ctes: Vec::new(),
            contract: Contract::default(),
            detail: NodeDetail::SqlOperation,
        }
    }

    /// Says whether the node becomes a common table expression of its readers, never a relation.
    pub fn is_ephemeral(&self) -> bool {
        self.config.materialized() == "ephemeral"
    }

    /// Says whether `ref()` can name it.
    pub fn is_refable(&self) -> bool {
        self.kind.is_refable()
    }

    /// Returns what only models have.
    pub fn model(&self) -> Option<&ModelDetail> {
        match &self.detail {
            NodeDetail::Model(model) => Some(model),
            _ => None,
        }
    }

    /// Returns what only generic tests have.
    pub fn generic_test(&self) -> Option<&TestDetail> {
        match &self.detail {
            NodeDetail::GenericTest(test) => Some(test),
            _ => None,
        }
    }

    /// Returns the version, if the node is a model with versions.
    pub fn version(&self) -> Option<&Version> {
        self.model().and_then(|model| model.version.as_ref())
    }

    /// Returns the name people use in selections: `orders`, or `orders.v2`.
    pub fn search_name(&self) -> String {
        match self.version() {
            Some(version) => format!("{}.v{version}", self.name),
            None => self.name.clone(),
        }
    }

    /// Returns `package://path` of the file it was written in.
    pub fn file_id(&self) -> String {
        format!("{}://{}", self.package, self.original_path)
    }
}

/// What only one kind of node has.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum NodeDetail {
    Model(Box<ModelDetail>),
    Seed {
        /// The folder of the package that holds the file.
        root_path: String,
        depends_on_macros: Vec<UniqueId>,
    },
    Snapshot,
    GenericTest(Box<TestDetail>),
    SingularTest,
    Analysis,
    Operation {
        /// Its place among the hooks of its kind (`on-run-start`, `on-run-end`) and package.
        index: usize,
    },
    SqlOperation,
}

/// What only models have.
#[derive(Debug, Clone, Default)]
pub struct ModelDetail {
    pub access: Access,
    pub version: Option<Version>,
    pub latest_version: Option<Version>,
    pub constraints: Vec<Constraint>,
    /// A date or moment in ISO form.
    pub deprecation_date: Option<String>,
    /// The columns that identify a row, from constraints or tests.
    pub primary_key: Vec<String>,
    /// The time spine's description as written.
    pub time_spine: Option<Json>,
}

/// Says who may `ref()` a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    Private,
    #[default]
    Protected,
    Public,
}

impl Access {
    /// Returns the word written in projects.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Private => "private",
            Self::Protected => "protected",
            Self::Public => "public",
        }
    }

    /// Reads the word written in projects.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "private" => Some(Self::Private),
            "protected" => Some(Self::Protected),
            "public" => Some(Self::Public),
            _ => None,
        }
    }
}

/// What only generic tests have.
#[derive(Debug, Clone)]
pub struct TestDetail {
    pub metadata: TestMetadata,
    pub column_name: Option<String>,
    /// `models.orders`: the section and name of the properties entry it stands in.
    pub file_key_name: String,
    /// The model, seed or snapshot it was written below; none for tests of sources.
    pub attached_node: Option<UniqueId>,
    /// Where in the properties file the test stands, for errors.
    pub line: u32,
    pub column: u32,
}

/// Which generic test it is, and with what arguments.
#[derive(Debug, Clone)]
pub struct TestMetadata {
    /// The package written before the name, as in `dbt_utils.accepted_range`.
    pub namespace: Option<String>,
    pub name: String,
    /// The arguments; `model` holds the text `{{ get_where_subquery(ref('orders')) }}`.
    pub kwargs: JsonMap,
}

/// A model's version: a number or a word.
#[derive(Debug, Clone, PartialEq)]
pub enum Version {
    Int(i64),
    Float(f64),
    Text(String),
}

impl Version {
    /// Reads a version from YAML or an argument of `ref()`.
    pub fn from_json(value: &Json) -> Option<Self> {
        match value {
            Json::String(text) => Some(Self::Text(text.clone())),
            Json::Number(number) => match number.as_i64() {
                Some(int) => Some(Self::Int(int)),
                None => number.as_f64().map(Self::Float),
            },
            _ => None,
        }
    }

    /// Returns the value as artifacts hold it.
    pub fn to_json(&self) -> Json {
        match self {
            Self::Int(int) => Json::from(*int),
            Self::Float(float) => Json::from(*float),
            Self::Text(text) => Json::from(text.as_str()),
        }
    }

    /// Says whether two versions mean the same, whether written as number or text.
    pub fn same(&self, other: &Self) -> bool {
        self == other || self.to_string() == other.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(int) => write!(f, "{int}"),
            Self::Float(float) => f.write_str(&crate::python::float_text(*float)),
            Self::Text(text) => f.write_str(text),
        }
    }
}

/// What a `ref()` call said.
#[derive(Debug, Clone, PartialEq)]
pub struct RefArgs {
    pub package: Option<String>,
    pub name: String,
    pub version: Option<Version>,
}

/// What a node needs before it can run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DependsOn {
    pub macros: Vec<UniqueId>,
    pub nodes: Vec<UniqueId>,
}

/// A hash of what a node was written as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// `sha256`, `path` for seeds too big to hash, or `none`.
    pub name: &'static str,
    pub value: String,
}

impl Checksum {
    /// Hashes `text` without the white space around it.
    pub fn of_text(text: &str) -> Self {
        Self {
            name: "sha256",
            value: crate::hash::sha256_hex(text.trim().as_bytes()),
        }
    }

    /// Returns the checksum of what has no contents of its own.
    pub fn none() -> Self {
        Self {
            name: "none",
            value: String::new(),
        }
    }
}

/// One column of a properties entry.
#[derive(Debug, Clone, Default)]
pub struct Column {
    pub name: String,
    pub description: String,
    pub meta: JsonMap,
    pub data_type: Option<String>,
    pub constraints: Vec<Constraint>,
    pub quote: Option<bool>,
    pub tags: Vec<String>,
    pub granularity: Option<String>,
    /// `config` as written, `meta` and `tags` in it.
    pub config: JsonMap,
    /// Keys that mean nothing to dbt; kept, since packages read them.
    pub extra: JsonMap,
}

/// A constraint of a column or, with `columns`, of a model.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Constraint {
    /// `not_null`, `unique`, `primary_key`, `foreign_key`, `check` or `custom`.
    pub kind: String,
    pub name: Option<String>,
    pub expression: Option<String>,
    pub warn_unenforced: bool,
    pub warn_unsupported: bool,
    /// A foreign key's other table as written, like `ref('orders')`; compiled when the model is.
    pub to: Option<String>,
    pub to_columns: Vec<String>,
    /// The columns of a constraint on the model's level.
    pub columns: Vec<String>,
}

/// Whether and how a node shows in the documentation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Docs {
    pub show: bool,
    pub node_color: Option<String>,
}

impl Default for Docs {
    fn default() -> Self {
        Self {
            show: true,
            node_color: None,
        }
    }
}

/// Whether the columns of a model are promised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contract {
    pub enforced: bool,
    pub alias_types: bool,
    /// A hash of the promised columns, when enforced.
    pub checksum: Option<String>,
}

impl Default for Contract {
    fn default() -> Self {
        Self {
            enforced: false,
            alias_types: true,
            checksum: None,
        }
    }
}

/// An ephemeral model that was put into a compiled node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InjectedCte {
    pub id: UniqueId,
    pub sql: String,
}
