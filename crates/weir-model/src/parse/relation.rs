//! Names of relations, and the one relation that templates see while a project is parsed.

use serde_json::Value as Json;
use weir_jinja::Value;

use crate::context::Relation;
use crate::node::JsonMap;
use crate::warehouse::{Dialect, Quoting};

/// How a project writes names of relations.
#[derive(Debug, Clone)]
pub(super) struct Naming {
    dialect: Dialect,
    quoting: Quoting,
}

impl Naming {
    /// Joins the dialect's habits and what the project's `quoting:` says.
    pub(super) fn new(dialect: &Dialect, project: &JsonMap) -> Self {
        let quoting = overlaid(dialect.quoting, project);
        Self {
            dialect: dialect.clone(),
            quoting,
        }
    }

    /// Writes a full name; `own` says what a source's own quoting changes.
    pub(super) fn full(
        &self,
        database: Option<&str>,
        schema: &str,
        name: &str,
        own: &JsonMap,
    ) -> String {
        let quoting = overlaid(self.quoting, own);
        let part = |text: &str, quoted: bool| {
            if quoted {
                self.dialect.quote(text)
            } else {
                text.to_owned()
            }
        };
        let mut parts = Vec::with_capacity(3);
        if let Some(database) = database.filter(|database| !database.is_empty()) {
            parts.push(part(database, quoting.database));
        }
        if !schema.is_empty() {
            parts.push(part(schema, quoting.schema));
        }
        parts.push(part(name, quoting.identifier));
        parts.join(".")
    }

    /// Quotes a column's name.
    pub(super) fn quote(&self, name: &str) -> String {
        self.dialect.quote(name)
    }

    /// Makes the relation that `ref()`, `source()` and `this` are while parsing.
    pub(super) fn placeholder(&self, database: Option<&str>, schema: &str, name: &str) -> Value {
        let owned = |text: &str| Some(text.to_owned());
        let mut relation = Relation::new(
            &self.dialect,
            database.and_then(owned),
            owned(schema),
            owned(name),
        );
        let quoting = self.quoting;
        relation.path.quote = relation.path.quote.with(
            Some(quoting.database),
            Some(quoting.schema),
            Some(quoting.identifier),
        );
        relation.value()
    }
}

fn overlaid(below: Quoting, over: &JsonMap) -> Quoting {
    let flag = |key: &str, below: bool| over.get(key).and_then(Json::as_bool).unwrap_or(below);
    Quoting {
        database: flag("database", flag("project", below.database)),
        schema: flag("schema", below.schema),
        identifier: flag("identifier", below.identifier),
    }
}
