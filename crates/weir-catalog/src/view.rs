use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A view: a query with a name, stored as text and planned anew each time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct View {
    /// Schema that the view appears in.
    pub schema: String,
    /// Name within the schema.
    pub name: String,
    /// The query.
    pub sql: String,
    /// Whether it reads with the rights of whoever owns it, instead of whoever asks.
    pub definer: bool,
    /// What is said about it.
    pub comments: Comments,
}

/// What is said about a view and its columns, as by `COMMENT ON`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comments {
    /// About the view itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<String>,
    /// About columns, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub columns: BTreeMap<String, String>,
}

impl Comments {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
