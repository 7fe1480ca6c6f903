use serde::Serialize;

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
}
