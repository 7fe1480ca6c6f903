use std::fmt;

use crate::object::Object;
use crate::privilege::Privileges;

/// Stands for every user in a grant.
pub const PUBLIC: &str = "public";

/// Rights given to a user, to a role or to everybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// A user, a role (built in or custom) or [`PUBLIC`].
    pub grantee: String,
    /// What the rights are on.
    pub object: GrantObject,
    /// The rights.
    pub privileges: Privileges,
}

/// What a grant is on. A schema stands for all its tables, those of the future too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GrantObject {
    /// A schema and everything in it.
    Schema(String),
    /// One table or view.
    Table { schema: String, table: String },
}

impl GrantObject {
    /// Returns the schema.
    pub fn schema(&self) -> &str {
        match self {
            GrantObject::Schema(schema) | GrantObject::Table { schema, .. } => schema,
        }
    }

    /// Returns the table, unless it is a whole schema.
    pub fn table(&self) -> Option<&str> {
        match self {
            GrantObject::Schema(_) => None,
            GrantObject::Table { table, .. } => Some(table),
        }
    }

    /// Returns it as what a decision is about.
    pub fn as_object(&self) -> Object<'_> {
        match self {
            GrantObject::Schema(schema) => Object::Schema(schema),
            GrantObject::Table { schema, table } => Object::Table { schema, table },
        }
    }

    /// Returns the rights that mean something here.
    pub fn possible(&self) -> Privileges {
        match self {
            GrantObject::Schema(_) => Privileges::ALL,
            GrantObject::Table { .. } => Privileges::TABLE,
        }
    }
}

impl fmt::Display for GrantObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            GrantObject::Schema(schema) => write!(f, "schema {schema}"),
            GrantObject::Table { schema, table } => write!(f, "{schema}.{table}"),
        }
    }
}
