/// The full name of a table or view.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RelationName {
    pub database: Option<String>,
    pub schema: String,
    pub name: String,
}

/// A relation that exists in a warehouse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelationInfo {
    pub name: RelationName,
    pub kind: RelationKind,
}

/// What a relation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RelationKind {
    Table,
    View,
    MaterializedView,
    /// A table that lies elsewhere.
    External,
}

impl RelationKind {
    /// Returns the word that macros compare `relation.type` with.
    pub fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::View => "view",
            Self::MaterializedView => "materialized_view",
            Self::External => "external",
        }
    }
}

/// A column of a relation, as the warehouse's catalog describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnInfo {
    pub name: String,
    /// The type's name without its measures, such as `character varying` or `numeric`.
    pub data_type: String,
    /// The longest text in characters, where the type says.
    pub char_size: Option<u32>,
    pub numeric_precision: Option<u32>,
    pub numeric_scale: Option<u32>,
}
