//! Names of relations, and the one relation that templates see while a project is parsed.

use std::sync::Arc;

use serde_json::Value as Json;
use weir_jinja::{Call, Object, Result, Value};

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
        Self { dialect: dialect.clone(), quoting }
    }

    /// Writes a full name; `own` says what a source's own quoting changes.
    pub(super) fn full(&self, database: Option<&str>, schema: &str, name: &str, own: &JsonMap) -> String {
        let quoting = overlaid(self.quoting, own);
        let part = |text: &str, quoted: bool| {
            if quoted { self.dialect.quote(text) } else { text.to_owned() }
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
        let text = self.full(database, schema, name, &JsonMap::new());
        Value::Object(Arc::new(Placeholder {
            database: database.map(str::to_owned),
            schema: schema.to_owned(),
            name: name.to_owned(),
            text,
        }))
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

/// A relation of which only the name is known.
#[derive(Debug)]
struct Placeholder {
    database: Option<String>,
    schema: String,
    name: String,
    text: String,
}

impl Object for Placeholder {
    fn type_name(&self) -> &str {
        "Relation"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(Some(match name {
            "database" => self.database.as_deref().into(),
            "schema" => Value::str(self.schema.as_str()),
            "identifier" | "name" | "table" => Value::str(self.name.as_str()),
            "type" => Value::None,
            _ if name.starts_with("is_") => Value::Bool(false),
            _ => return Ok(None),
        }))
    }

    fn method(&self, name: &str, _: &mut Call<'_>) -> Result<Option<Value>> {
        Ok(Some(match name {
            "render" | "information_schema" => Value::str(self.text.as_str()),
            "matches" => Value::Bool(false),
            "get" => Value::None,
            _ if name.starts_with('_') => return Ok(None),
            // `include`, `quote`, `incorporate` and the like give another relation, as unknown as this.
            _ => Value::Object(Arc::new(Self {
                database: self.database.clone(),
                schema: self.schema.clone(),
                name: self.name.clone(),
                text: self.text.clone(),
            })),
        }))
    }

    fn to_str(&self) -> String {
        self.text.clone()
    }

    fn repr(&self) -> String {
        format!("<Relation {}>", self.text)
    }

    fn equals(&self, other: &Value) -> bool {
        other.as_object::<Self>().is_some_and(|other| other.text == self.text)
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
