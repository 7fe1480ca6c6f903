use crate::session::DEFAULT_SCHEMA;

/// What a session has set for its queries: the part of `SET` that changes answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The schemas in which names without one are looked up, in this order; `pg_catalog` comes
    /// before them. `$user` stands for the caller's own schema.
    pub search_path: Vec<String>,
    /// The zone in which instants are shown, and timestamps without one are read: an IANA name.
    pub time_zone: String,
    /// What the client calls itself.
    pub application_name: String,
    /// The number by which the session can be ended; 0 where it has none.
    pub process: i32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            search_path: vec!["$user".to_owned(), DEFAULT_SCHEMA.to_owned()],
            time_zone: "UTC".to_owned(),
            application_name: String::new(),
            process: 0,
        }
    }
}
