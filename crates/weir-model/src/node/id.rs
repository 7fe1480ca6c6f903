//! The names by which everything in a project is known.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Names one thing of a project, like `model.shop.orders` or `test.shop.unique_orders_id.1a2b3c4d5e`.
///
/// It begins with the resource kind and the package; what follows depends on the kind. Cloning costs
/// a counter, and ids compare and sort as their text does.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UniqueId(Arc<str>);

impl UniqueId {
    /// Joins `kind`, `package` and `name` by dots.
    pub fn new(kind: ResourceKind, package: &str, name: &str) -> Self {
        Self(format!("{}.{package}.{name}", kind.as_str()).into())
    }

    /// Takes a whole id as it stands in an artifact.
    pub fn from_text(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns what kind of thing the id names, if its first word is one.
    pub fn kind(&self) -> Option<ResourceKind> {
        self.0.split('.').next().and_then(ResourceKind::parse)
    }

    /// Returns the package, the second word.
    pub fn package(&self) -> &str {
        self.0.split('.').nth(1).unwrap_or_default()
    }
}

impl Borrow<str> for UniqueId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UniqueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

impl From<&str> for UniqueId {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

/// Says what a thing of a project is. The texts are those of artifacts and of `resource_type:`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum ResourceKind {
    Model,
    Analysis,
    Test,
    Snapshot,
    Operation,
    Seed,
    SqlOperation,
    Source,
    Macro,
    Exposure,
    Metric,
    Group,
    SavedQuery,
    SemanticModel,
    UnitTest,
    Doc,
    Function,
}

impl ResourceKind {
    /// Every kind, in the order in which they are listed to people.
    pub const ALL: [Self; 17] = [
        Self::Model,
        Self::Analysis,
        Self::Test,
        Self::Snapshot,
        Self::Operation,
        Self::Seed,
        Self::SqlOperation,
        Self::Source,
        Self::Macro,
        Self::Exposure,
        Self::Metric,
        Self::Group,
        Self::SavedQuery,
        Self::SemanticModel,
        Self::UnitTest,
        Self::Doc,
        Self::Function,
    ];

    /// Returns the word artifacts use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Analysis => "analysis",
            Self::Test => "test",
            Self::Snapshot => "snapshot",
            Self::Operation => "operation",
            Self::Seed => "seed",
            Self::SqlOperation => "sql_operation",
            Self::Source => "source",
            Self::Macro => "macro",
            Self::Exposure => "exposure",
            Self::Metric => "metric",
            Self::Group => "group",
            Self::SavedQuery => "saved_query",
            Self::SemanticModel => "semantic_model",
            Self::UnitTest => "unit_test",
            Self::Doc => "doc",
            Self::Function => "function",
        }
    }

    /// Reads the word artifacts use; `sql operation` is accepted with a space too, as dbt writes it.
    pub fn parse(word: &str) -> Option<Self> {
        if word == "sql operation" {
            return Some(Self::SqlOperation);
        }
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Says whether `ref()` can name things of this kind.
    pub fn is_refable(self) -> bool {
        matches!(self, Self::Model | Self::Seed | Self::Snapshot)
    }
}

impl fmt::Display for ResourceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
