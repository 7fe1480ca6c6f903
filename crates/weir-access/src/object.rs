use std::fmt;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read rows of a table, of now or of a past version.
    Select,
    /// Add rows to a table.
    Insert,
    /// Change rows of a table.
    Update,
    /// Remove rows of a table.
    Delete,
    /// Remove all rows of a table.
    Truncate,
    /// Make a table or view in a schema, or a schema on the server.
    Create,
    /// Remove a table, a view or a schema.
    Drop,
    /// Rename a table or change its columns.
    Alter,
    /// Know that a schema or a table exists.
    Usage,
    /// Give away rights on a schema or a table.
    Grant,
    /// See, make and change users, roles, grants and other people's tokens; read the audit.
    ManageAccess,
    /// Make and change sources and write keys, rebuild and replay, see live events.
    ManageSources,
    /// Look into and steer the lake: status, metrics, flush, compaction.
    Operate,
    /// See and end the queries of others.
    Admin,
}

impl Action {
    /// Returns the action as a verb for messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::Select => "read",
            Action::Insert => "insert into",
            Action::Update => "update",
            Action::Delete => "delete from",
            Action::Truncate => "truncate",
            Action::Create => "create in",
            Action::Drop => "drop",
            Action::Alter => "alter",
            Action::Usage => "use",
            Action::Grant => "grant rights on",
            Action::ManageAccess => "manage users and rights on",
            Action::ManageSources => "manage sources on",
            Action::Operate => "operate the lake of",
            Action::Admin => "administer",
        }
    }

    /// Whether it leaves everything as it is.
    pub(crate) fn only_reads(self) -> bool {
        matches!(self, Action::Select | Action::Usage)
    }

    /// Whether it is about the server and not about data.
    pub(crate) fn manages(self) -> bool {
        matches!(
            self,
            Action::Grant
                | Action::ManageAccess
                | Action::ManageSources
                | Action::Operate
                | Action::Admin
        )
    }
}

/// What somebody wants to do it to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object<'a> {
    /// The server, or everything.
    Server,
    /// A schema.
    Schema(&'a str),
    /// A table or view.
    Table { schema: &'a str, table: &'a str },
}

impl<'a> Object<'a> {
    /// Returns the schema it is or lies in.
    pub fn schema(&self) -> Option<&'a str> {
        match self {
            Object::Server => None,
            Object::Schema(schema) | Object::Table { schema, .. } => Some(schema),
        }
    }
}

impl fmt::Display for Object<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Object::Server => f.write_str("the server"),
            Object::Schema(schema) => write!(f, "schema `{schema}`"),
            Object::Table { schema, table } => write!(f, "`{schema}.{table}`"),
        }
    }
}

/// What a schema is for, which decides who may do what in it without a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaKind<'a> {
    /// `weir`, `information_schema`, `pg_catalog`: each row is filtered for whoever reads it.
    System,
    /// `raw_*`: events and rows as they came. Nobody changes them.
    Raw,
    /// Filled by a source of that name. Nobody else writes there.
    Source,
    /// A person's own, by the name of the user; empty when the user is gone.
    Personal(&'a str),
    /// `mart_*`: made for reading by everybody.
    Mart,
    /// Any other: modelled tables, with the user who made the schema where that is known.
    Shared(Option<&'a str>),
}

/// Schemas that Weir makes the contents of.
pub(crate) const SYSTEM_SCHEMAS: [&str; 3] = ["weir", "information_schema", "pg_catalog"];

/// The schema of tables written without one.
pub(crate) const MAIN: &str = "main";
