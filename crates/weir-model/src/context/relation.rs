use std::sync::Arc;

use chrono::{DateTime, Utc};
use weir_jinja::{Call, Error, Object, Result, Value};

use super::relation_path::{Parts, RelationPath};
use crate::warehouse::Dialect;

/// A relation as templates see it: what `ref()`, `source()` and `this` are.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    pub(crate) path: RelationPath,
    /// `table`, `view`, `cte` and so on; none where nobody knows.
    pub(crate) kind: Option<Arc<str>>,
    /// At most so many rows are read, for `--empty`.
    pub(crate) limit: Option<u64>,
    pub(crate) event_time: Option<EventTimeFilter>,
    /// The view of an information schema that is meant.
    information_schema_view: Option<String>,
    longest_name: usize,
}

/// Only rows of this time are read, for batches and samples.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct EventTimeFilter {
    pub(crate) column: String,
    pub(crate) start: Option<DateTime<Utc>>,
    pub(crate) end: Option<DateTime<Utc>>,
}

impl Relation {
    /// Makes a relation of its parts, quoted as the dialect says.
    pub(crate) fn new(
        dialect: &Dialect,
        database: Option<String>,
        schema: Option<String>,
        identifier: Option<String>,
    ) -> Self {
        Self {
            path: RelationPath {
                database,
                schema,
                identifier,
                include: Parts::ALL,
                quote: dialect.quoting.into(),
                quote_character: dialect.quote,
            },
            kind: None,
            limit: None,
            event_time: None,
            information_schema_view: None,
            longest_name: dialect.longest_identifier,
        }
    }

    /// Returns the same relation as one of `kind`.
    pub(crate) fn of_kind(mut self, kind: &str) -> Self {
        self.kind = Some(kind.into());
        self
    }

    /// Returns the stand-in of an ephemeral model.
    pub(crate) fn ephemeral(dialect: &Dialect, identifier: &str) -> Self {
        let name = format!("__dbt__cte__{identifier}");
        let mut relation = Self::new(dialect, None, None, Some(name)).of_kind("cte");
        relation.path.quote.identifier = false;
        relation
    }

    /// Makes a value of it.
    pub(crate) fn value(self) -> Value {
        Value::Object(Arc::new(self))
    }

    /// Writes the name alone.
    pub(crate) fn render(&self) -> String {
        let name = self.path.render();
        match &self.information_schema_view {
            Some(view) => format!("{name}.{view}"),
            None => name,
        }
    }

    /// Writes what stands in a query: the name, or a query of the rows that may be read.
    fn render_limited(&self) -> String {
        let mut rendered = self.render();
        let table = self.path.identifier.as_deref().unwrap_or_default();
        if let Some(condition) = self
            .event_time
            .as_ref()
            .and_then(EventTimeFilter::condition)
        {
            rendered =
                format!("(select * from {rendered} where {condition}) _dbt_et_filter_subq_{table}");
        }
        match self.limit {
            None => rendered,
            Some(0) => {
                format!("(select * from {rendered} where false limit 0) _dbt_limit_subq_{table}")
            }
            Some(limit) => {
                format!("(select * from {rendered} limit {limit}) _dbt_limit_subq_{table}")
            }
        }
    }

    fn is_kind(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    fn text(part: &Option<String>) -> Value {
        part.as_deref().map_or(Value::None, Value::str)
    }

    /// `incorporate(path={...}, type=...)`: the same with some parts replaced.
    fn incorporate(&self, call: &mut Call<'_>) -> Result<Value> {
        let mut changed = self.clone();
        if let Some(Value::Dict(path)) = call.named("path") {
            for (key, value) in path.entries() {
                set_part(&mut changed.path, &key.to_str(), &value);
            }
        }
        if let Some(kind) = call.named("type") {
            changed.kind = as_text(&kind);
        }
        if let Some(Value::Dict(policy)) = call.named("include_policy") {
            changed.path.include = merged(changed.path.include, &policy);
        }
        if let Some(Value::Dict(policy)) = call.named("quote_policy") {
            changed.path.quote = merged(changed.path.quote, &policy);
        }
        call.kwargs.clear();
        changed.check_length()?;
        Ok(changed.value())
    }

    /// A longer name would be cut by the warehouse, and could then be another's.
    fn check_length(&self) -> Result<()> {
        let Some(name) = self
            .path
            .identifier
            .as_ref()
            .filter(|name| name.len() > self.longest_name)
        else {
            return Ok(());
        };
        if self.kind.is_none() || self.is_kind("cte") {
            return Ok(());
        }
        Err(Error::custom(format!(
            "Relation name '{name}' is longer than {} characters",
            self.longest_name
        ))
        .with_hint("give the model a shorter alias"))
    }

    fn parts_of(call: &mut Call<'_>) -> Result<[Option<bool>; 3]> {
        let mut flags = [None; 3];
        for (at, name) in ["database", "schema", "identifier"].into_iter().enumerate() {
            flags[at] = call
                .optional(name)?
                .filter(|value| !value.is_none())
                .map(|value| value.is_true());
        }
        call.finish()?;
        Ok(flags)
    }

    /// The relation of an information schema that describes this one's database.
    fn information_schema(&self, view: Option<String>) -> Self {
        let mut schema = self.clone();
        schema.path.schema = None;
        schema.path.identifier = Some("INFORMATION_SCHEMA".to_owned());
        schema.path.include.schema = false;
        schema.path.include.identifier = true;
        schema.path.include.database = self.path.include.database && self.path.database.is_some();
        schema.path.quote.identifier = false;
        schema.kind = Some("view".into());
        schema.information_schema_view = view;
        schema
    }
}

impl EventTimeFilter {
    fn condition(&self) -> Option<String> {
        let text = |moment: &DateTime<Utc>| moment.format("%Y-%m-%d %H:%M:%S%.f+00:00").to_string();
        let from = self
            .start
            .as_ref()
            .map(|start| format!("{} >= '{}'", self.column, text(start)));
        let to = self
            .end
            .as_ref()
            .map(|end| format!("{} < '{}'", self.column, text(end)));
        match (from, to) {
            (Some(from), Some(to)) => Some(format!("{from} and {to}")),
            (one, other) => one.or(other),
        }
    }
}

fn set_part(path: &mut RelationPath, key: &str, value: &Value) {
    let text = as_text(value).map(|text| text.to_string());
    match key {
        "database" => path.database = text,
        "schema" => path.schema = text,
        "identifier" => path.identifier = text,
        // Others have always been passed over, and packages pass them.
        _ => {}
    }
}

fn as_text(value: &Value) -> Option<Arc<str>> {
    (!value.is_none() && !value.is_undefined()).then(|| value.to_str())
}

fn merged(parts: Parts, policy: &weir_jinja::Dict) -> Parts {
    let flag = |name| {
        policy
            .get_str(name)
            .filter(|value| !value.is_none())
            .map(|value| value.is_true())
    };
    parts.with(flag("database"), flag("schema"), flag("identifier"))
}

impl Object for Relation {
    fn type_name(&self) -> &str {
        "Relation"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(Some(match name {
            "database" => Self::text(&self.path.database),
            "schema" => Self::text(&self.path.schema),
            "identifier" | "table" | "name" => Self::text(&self.path.identifier),
            "type" => self
                .kind
                .as_ref()
                .map_or(Value::None, |kind| Value::Str(Arc::clone(kind))),
            "is_table" => Value::Bool(self.is_kind("table")),
            "is_view" => Value::Bool(self.is_kind("view")),
            "is_cte" => Value::Bool(self.is_kind("cte")),
            "is_materialized_view" => Value::Bool(self.is_kind("materialized_view")),
            "is_pointer" => Value::Bool(self.is_kind("pointer_table")),
            "is_function" => Value::Bool(self.is_kind("function")),
            "can_be_renamed" | "can_be_replaced" => {
                Value::Bool(self.is_kind("table") || self.is_kind("view"))
            }
            "quote_character" => Value::str(self.path.quote_character.to_string()),
            "limit" => self.limit.map_or(Value::None, |limit| {
                Value::Int(i64::try_from(limit).unwrap_or(i64::MAX))
            }),
            "information_schema_view" => Self::text(&self.information_schema_view),
            "metadata" => metadata(),
            "path" => Value::dict([
                ("database", Self::text(&self.path.database)),
                ("schema", Self::text(&self.path.schema)),
                ("identifier", Self::text(&self.path.identifier)),
            ]),
            "include_policy" => policy(self.path.include),
            "quote_policy" => policy(self.path.quote),
            "Table" => Value::str("table"),
            "View" => Value::str("view"),
            "CTE" => Value::str("cte"),
            "External" => Value::str("external"),
            "MaterializedView" => Value::str("materialized_view"),
            _ => return Ok(None),
        }))
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        key.as_str().map_or(Ok(None), |name| self.attr(name))
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let mut changed = self.clone();
        Ok(Some(match name {
            "render" => Value::str(self.render()),
            "include" => {
                let [database, schema, identifier] = Self::parts_of(call)?;
                changed.path.include = self.path.include.with(database, schema, identifier);
                changed.value()
            }
            "quote" => {
                let [database, schema, identifier] = Self::parts_of(call)?;
                changed.path.quote = self.path.quote.with(database, schema, identifier);
                changed.value()
            }
            "incorporate" | "replace" => self.incorporate(call)?,
            "replace_path" => {
                for (key, value) in std::mem::take(&mut call.kwargs) {
                    set_part(&mut changed.path, &key, &value);
                }
                changed.check_length()?;
                changed.value()
            }
            "without_identifier" => {
                changed.path.include.identifier = false;
                changed.path.identifier = None;
                changed.value()
            }
            "information_schema" => {
                let view = call
                    .optional("view_name")?
                    .and_then(|view| view.as_str().map(str::to_owned));
                self.information_schema(view).value()
            }
            "information_schema_only" => self.information_schema(None).value(),
            "quoted" => {
                let identifier = call.required("identifier")?.to_str();
                let quote = self.path.quote_character;
                Value::str(format!("{quote}{identifier}{quote}"))
            }
            "matches" => {
                let mut same = true;
                for (key, mine) in [
                    ("database", &self.path.database),
                    ("schema", &self.path.schema),
                    ("identifier", &self.path.identifier),
                ] {
                    if let Some(wanted) = call.optional(key)?.and_then(|value| as_text(&value)) {
                        same &= mine.as_deref() == Some(&*wanted);
                    }
                }
                Value::Bool(same)
            }
            "get" => {
                let key = call.required_str("key")?;
                let default = call.optional("default")?.unwrap_or(Value::None);
                self.attr(&key)?.unwrap_or(default)
            }
            "to_dict" => self.attr("path")?.unwrap_or(Value::None),
            "relation_max_name_length" => {
                Value::Int(i64::try_from(self.longest_name).unwrap_or(i64::MAX))
            }
            "render_limited" => Value::str(self.render_limited()),
            "get_function_config" => Value::None,
            _ => return Ok(None),
        }))
    }

    fn methods(&self) -> &[&str] {
        &[
            "render",
            "include",
            "quote",
            "incorporate",
            "replace_path",
            "without_identifier",
            "information_schema",
            "information_schema_only",
            "quoted",
            "matches",
            "relation_max_name_length",
            "render_limited",
        ]
    }

    fn to_str(&self) -> String {
        self.render_limited()
    }

    fn repr(&self) -> String {
        format!("<Relation {}>", self.render())
    }

    fn equals(&self, other: &Value) -> bool {
        other
            .as_object::<Self>()
            .is_some_and(|other| self.path == other.path && self.kind == other.kind)
    }

    fn hash(&self) -> Option<u64> {
        use std::hash::{DefaultHasher, Hash, Hasher};
        let mut hasher = DefaultHasher::new();
        self.render().hash(&mut hasher);
        Some(hasher.finish())
    }

    fn is_mapping(&self) -> bool {
        // dbt_utils tells relations from other things by this and `metadata`.
        true
    }

    fn to_json(&self) -> Option<serde_json::Value> {
        Some(serde_json::Value::String(self.render()))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// What dbt_utils knows relations by.
fn metadata() -> Value {
    Value::dict([("type", Value::str("Relation"))])
}

fn policy(parts: Parts) -> Value {
    Value::dict([
        ("database", Value::Bool(parts.database)),
        ("schema", Value::Bool(parts.schema)),
        ("identifier", Value::Bool(parts.identifier)),
    ])
}
