use serde::Serialize;

/// A view: a query with a name, stored as text and planned anew each time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct View {
    /// Schema that the view appears in.
    pub schema: String,
    /// Name within the schema.
    pub name: String,
    /// The query.
    pub sql: String,
}
