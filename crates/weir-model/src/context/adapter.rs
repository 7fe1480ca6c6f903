use std::sync::{Arc, Weak};

use weir_jinja::{Args, Call, Error, Object, Result, Value};

use super::adapter_objects::{Behaviour, constraint_texts, hard_deletes, index_value};
use super::column::string_type;
use super::results::Response;
use super::session::{Session, carried, kind_of};
use super::table::cell_value;
use super::{AgateTable, ColumnObject, Context, Relation};
use crate::convert::to_json;
use crate::error::{ModelError, ModelErrorKind};
use crate::warehouse::{Cell, CellKind, Fetch, RelationInfo, RelationName, Table};

/// `adapter`: the warehouse as templates see it.
///
/// Without a session, while parsing, what would ask the warehouse answers as if nothing were there.
#[derive(Debug)]
pub(crate) struct Adapter {
    context: Weak<Context>,
}

/// What methods return while parsing.
fn parsed(name: &str) -> Option<Value> {
    Some(match name {
        "get_columns_in_relation"
        | "get_missing_columns"
        | "get_columns_in_table"
        | "get_column_schema_from_query"
        | "list_relations_without_caching"
        | "list_relations"
        | "list_schemas"
        | "get_pseudocolumns_for_relation"
        | "warehouse_relations"
        | "warehouse_columns"
        | "warehouse_schemas"
        | "warehouse_catalog"
        | "describe_query"
        | "get_partitions_metadata"
        | "render_raw_columns_constraints"
        | "render_raw_model_constraints" => Value::list(Vec::<Value>::new()),
        "get_relation"
        | "load_relation"
        | "drop_relation"
        | "truncate_relation"
        | "rename_relation"
        | "create_schema"
        | "drop_schema"
        | "expand_target_column_types"
        | "valid_snapshot_target"
        | "begin"
        | "assert_valid_snapshot_target_given_strategy"
        | "get_incremental_strategy_macro"
        | "warehouse_copy"
        | "get_hard_deletes_behavior" => Value::None,
        "execute" | "add_query" => Value::tuple([Value::str(""), AgateTable::empty().value()]),
        "check_schema_exists" | "already_exists" => Value::Bool(false),
        "standardize_grants_dict" => Value::dict(Vec::<(&str, Value)>::new()),
        "commit" | "cache_added" | "cache_dropped" | "cache_renamed" | "verify_database" => {
            Value::str("")
        }
        _ => return None,
    })
}

const METHODS: &[&str] = &[
    "dispatch",
    "type",
    "quote",
    "quote_as_configured",
    "quote_seed_column",
    "convert_type",
    "parse_index",
    "execute",
    "add_query",
    "commit",
    "begin",
    "get_relation",
    "load_relation",
    "get_columns_in_relation",
    "get_missing_columns",
    "create_schema",
    "drop_schema",
    "drop_relation",
    "truncate_relation",
    "rename_relation",
    "expand_target_column_types",
    "list_relations_without_caching",
    "list_relations",
    "list_schemas",
    "check_schema_exists",
    "already_exists",
    "get_column_schema_from_query",
    "get_incremental_strategy_macro",
    "standardize_grants_dict",
    "valid_snapshot_target",
    "assert_valid_snapshot_target_given_strategy",
    "get_hard_deletes_behavior",
    "render_raw_columns_constraints",
    "render_raw_model_constraints",
    "verify_database",
    "cache_added",
    "cache_dropped",
    "cache_renamed",
    "get_pseudocolumns_for_relation",
    "get_columns_in_table",
    "warehouse_relations",
    "warehouse_columns",
    "warehouse_schemas",
    "warehouse_catalog",
    "warehouse_copy",
    "warehouse_suffix",
    "describe_query",
    "materialization_macro",
    "build_catalog_relation",
];

impl Adapter {
    pub(super) fn new(context: Weak<Context>) -> Self {
        Self { context }
    }

    fn context(&self) -> Result<Arc<Context>> {
        self.context
            .upgrade()
            .ok_or_else(|| Error::custom("the adapter outlived its node"))
    }

    /// Calls the macro that a method is a name for, so that projects may cover it.
    fn macro_call(context: &Context, call: &mut Call<'_>, name: &str, args: Args) -> Result<Value> {
        let found = context
            .shared()
            .macros
            .find(context.package(), name)
            .cloned();
        let found = found.ok_or_else(|| Error::custom(format!("there is no macro `{name}`")))?;
        let names = call.names;
        call.interpreter.call_macro(&found, args, names)
    }

    fn relation_of<'v>(call: &Call<'_>, name: &str, value: &'v Value) -> Result<&'v Relation> {
        value
            .as_object::<Relation>()
            .ok_or_else(|| call.wrong(name, "a relation", value))
    }

    /// Makes a relation of what the catalog says.
    fn found(context: &Context, info: &RelationInfo) -> Value {
        let mut relation = Relation::new(
            &context.shared().dialect,
            info.name.database.clone(),
            Some(info.name.schema.clone()),
            Some(info.name.name.clone()),
        );
        // Names of the catalog are exact.
        relation.path.quote = super::relation_path::Parts::ALL;
        relation.of_kind(info.kind.word()).value()
    }

    /// Lists a schema, from the cache if it was listed before.
    fn list(
        context: &Context,
        session: &Session,
        call: &mut Call<'_>,
        database: &str,
        schema: &str,
    ) -> Result<Vec<RelationInfo>> {
        if !session.cache().knows(database, schema) {
            let mut of = Relation::new(
                &context.shared().dialect,
                Some(database.to_owned()),
                Some(schema.to_owned()),
                None,
            );
            of.path.include.identifier = false;
            let args = Args::from(vec![of.value()]);
            let listed = Self::macro_call(context, call, "list_relations_without_caching", args)?;
            session
                .cache()
                .fill(database, schema, relation_infos(&listed, database));
        }
        Ok(session.cache().list(database, schema))
    }

    fn get_relation(context: &Context, session: &Session, call: &mut Call<'_>) -> Result<Value> {
        let default = context
            .shared()
            .project
            .target
            .database
            .clone()
            .unwrap_or_default();
        let database = call
            .optional("database")?
            .filter(|value| !value.is_none())
            .map_or(default, |value| value.to_str().to_string());
        let schema = call.required("schema")?.to_str().to_string();
        let identifier = call.required("identifier")?.to_str().to_string();
        call.finish()?;
        let relations = Self::list(context, session, call, &database, &schema)?;
        let exact = relations.iter().find(|info| info.name.name == identifier);
        let quoted = context.shared().dialect.quoting.identifier;
        let found = exact.or_else(|| {
            let folded = relations
                .iter()
                .find(|info| info.name.name.eq_ignore_ascii_case(&identifier));
            folded.filter(|_| !quoted)
        });
        Ok(found.map_or(Value::None, |info| Self::found(context, info)))
    }

    fn columns(context: &Context, call: &mut Call<'_>, relation: &Value) -> Result<Vec<Value>> {
        let args = Args::from(vec![relation.clone()]);
        let columns = Self::macro_call(context, call, "get_columns_in_relation", args)?;
        Ok(columns
            .as_list()
            .map(weir_jinja::List::items)
            .unwrap_or_default())
    }

    /// Widens texts of one relation to what another's need.
    fn expand_types(context: &Context, call: &mut Call<'_>) -> Result<Value> {
        let from = call.required("from_relation")?;
        let to = call.required("to_relation")?;
        call.finish()?;
        let goal = Self::columns(context, call, &from)?;
        let current = Self::columns(context, call, &to)?;
        for wanted in goal
            .iter()
            .filter_map(|column| column.as_object::<ColumnObject>())
        {
            let narrow = current
                .iter()
                .filter_map(|column| column.as_object::<ColumnObject>())
                .find(|column| column.name == wanted.name && column.can_expand_to(wanted));
            if narrow.is_some() {
                let args = Args::from(vec![
                    to.clone(),
                    Value::str(wanted.name.as_str()),
                    Value::str(string_type(wanted.string_size())),
                ]);
                Self::macro_call(context, call, "alter_column_type", args)?;
            }
        }
        Ok(Value::None)
    }

    fn missing_columns(context: &Context, call: &mut Call<'_>) -> Result<Value> {
        let from = call.required("from_relation")?;
        let to = call.required("to_relation")?;
        call.finish()?;
        let known = Self::columns(context, call, &to)?;
        let known: Vec<String> = known
            .iter()
            .filter_map(|column| column.as_object::<ColumnObject>())
            .map(|column| column.name.clone())
            .collect();
        let missing = Self::columns(context, call, &from)?
            .into_iter()
            .filter(|column| {
                column
                    .as_object::<ColumnObject>()
                    .is_some_and(|column| !known.contains(&column.name))
            });
        Ok(Value::list(missing))
    }

    fn snapshot_target(context: &Context, call: &mut Call<'_>) -> Result<Value> {
        let relation = call.required("relation")?;
        let names = call.optional("column_names")?.unwrap_or(Value::None);
        let strategy = call.optional("strategy")?.unwrap_or(Value::None);
        let strategy = to_json(&strategy);
        let mut wanted = vec!["dbt_scd_id", "dbt_valid_from", "dbt_valid_to"];
        if strategy
            .get("hard_deletes")
            .and_then(serde_json::Value::as_str)
            == Some("new_record")
        {
            wanted.push("dbt_is_deleted");
        }
        let names = to_json(&names);
        let columns = Self::columns(context, call, &relation)?;
        let columns: Vec<String> = columns
            .iter()
            .filter_map(|column| column.as_object::<ColumnObject>())
            .map(|column| column.name.to_lowercase())
            .collect();
        let missing: Vec<&str> = wanted
            .into_iter()
            .map(|name| {
                names
                    .get(name)
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or(name)
            })
            .filter(|name| !columns.contains(&name.trim_matches('"').to_lowercase()))
            .collect();
        if missing.is_empty() {
            return Ok(Value::None);
        }
        Err(Error::from_source(
            ModelError::new(
                ModelErrorKind::Warehouse,
                format!("Snapshot target {} is missing configured columns: {}", relation.to_str(), missing.join(", ")),
            )
            .hint("the table was not made by this snapshot, or its column names were changed: drop it or add the columns"),
        ))
    }

    /// Methods that work with or without a warehouse.
    fn plain(
        &self,
        context: &Arc<Context>,
        name: &str,
        call: &mut Call<'_>,
    ) -> Result<Option<Value>> {
        let shared = context.shared();
        Ok(Some(match name {
            "dispatch" => {
                let wanted = call.required_str("macro_name")?;
                let namespace = call
                    .optional("macro_namespace")?
                    .filter(|value| !value.is_none());
                call.kwargs.clear();
                let namespace = namespace.map(|value| value.to_str());
                let found = shared.macros.dispatch(
                    &shared.project,
                    &shared.dialect.chain,
                    context.package(),
                    &wanted,
                    namespace.as_deref(),
                )?;
                Value::Macro(found.clone())
            }
            "type" => Value::str(shared.dialect.adapter.as_str()),
            "quote" => {
                let identifier = call.required("identifier")?.to_str();
                let quote = shared.dialect.quote;
                Value::str(format!("{quote}{identifier}{quote}"))
            }
            "quote_as_configured" => {
                let identifier = call.required("identifier")?.to_str();
                let key = call.required_str("quote_key")?;
                let quoting = &shared.dialect.quoting;
                let quoted = match &*key {
                    "database" => quoting.database,
                    "schema" => quoting.schema,
                    _ => quoting.identifier,
                };
                if quoted {
                    Value::str(shared.dialect.quote(&identifier))
                } else {
                    Value::Str(identifier)
                }
            }
            "quote_seed_column" => {
                let column = call.required("column")?.to_str();
                // Quoted unless told otherwise.
                let quoted = call
                    .optional("quote_config")?
                    .is_none_or(|value| value.is_none() || value.is_true());
                if quoted {
                    Value::str(shared.dialect.quote(&column))
                } else {
                    Value::Str(column)
                }
            }
            "convert_type" => {
                let table = call.required("agate_table")?;
                let column = call.optional_int("col_idx")?.unwrap_or(0);
                let table = table
                    .as_object::<AgateTable>()
                    .ok_or_else(|| call.wrong("agate_table", "a table", &table))?;
                Value::str(type_of(&table.0, usize::try_from(column).unwrap_or(0)))
            }
            "parse_index" => index_value(&call.required("raw_index")?, &shared.invocation.clock)?,
            "warehouse_suffix" => Value::str(shared.unique_suffix()),
            "materialization_macro" => {
                let wanted = call.required_str("name")?;
                let found = shared.macros.materialization(
                    &shared.dialect.chain,
                    context.package(),
                    &wanted,
                );
                found.map_or(Value::None, |found| Value::Macro(found.clone()))
            }
            "build_catalog_relation" => Value::None,
            _ => return Ok(None),
        }))
    }

    /// Methods that ask or change the warehouse.
    fn asking(
        context: &Arc<Context>,
        session: &Session,
        name: &str,
        call: &mut Call<'_>,
    ) -> Result<Option<Value>> {
        let shared = context.shared();
        Ok(Some(match name {
            "execute" | "add_query" => run(session, name, call)?,
            "commit" => {
                session.commit().map_err(carried)?;
                Value::str("")
            }
            "begin" => {
                session.begin().map_err(carried)?;
                Value::None
            }
            "get_relation" | "load_relation" => Self::get_relation(context, session, call)?,
            "list_relations" => {
                let database = call.required("database")?.to_str();
                let schema = call.required("schema")?.to_str();
                let found = Self::list(context, session, call, &database, &schema)?;
                Value::list(found.iter().map(|info| Self::found(context, info)))
            }
            "list_relations_without_caching" => {
                let relation = call.required("schema_relation")?;
                let of = Self::relation_of(call, "schema_relation", &relation)?
                    .path
                    .name();
                let listed = Self::macro_call(context, call, name, Args::from(vec![relation]))?;
                let found = relation_infos(&listed, of.database.as_deref().unwrap_or_default());
                Value::list(found.iter().map(|info| Self::found(context, info)))
            }
            "already_exists" => {
                let schema = call.required("schema")?.to_str();
                let wanted = call.required("name")?.to_str();
                let database = shared.project.target.database.clone().unwrap_or_default();
                let found = Self::list(context, session, call, &database, &schema)?;
                Value::Bool(found.iter().any(|info| info.name.name == *wanted))
            }
            "get_columns_in_relation" => {
                let relation = call.required("relation")?;
                Self::relation_of(call, "relation", &relation)?;
                Value::list(Self::columns(context, call, &relation)?)
            }
            "get_columns_in_table" => {
                let schema = call.required("schema")?.to_str().to_string();
                let table = call.required("identifier")?.to_str().to_string();
                let database = shared.project.target.database.clone();
                let relation =
                    Relation::new(&shared.dialect, database, Some(schema), Some(table)).value();
                Value::list(Self::columns(context, call, &relation)?)
            }
            "get_missing_columns" => Self::missing_columns(context, call)?,
            "get_pseudocolumns_for_relation" => Value::list(Vec::<Value>::new()),
            "expand_target_column_types" => Self::expand_types(context, call)?,
            "valid_snapshot_target" | "assert_valid_snapshot_target_given_strategy" => {
                Self::snapshot_target(context, call)?
            }
            "create_schema" | "drop_schema" => {
                let relation = call.required("relation")?;
                let of = Self::relation_of(call, "relation", &relation)?.path.name();
                Self::macro_call(context, call, name, Args::from(vec![relation]))?;
                session.commit().map_err(carried)?;
                if name == "drop_schema" {
                    session
                        .cache()
                        .drop_schema(of.database.as_deref().unwrap_or_default(), &of.schema);
                }
                Value::None
            }
            "drop_relation" => {
                let relation = call.required("relation")?;
                let dropped = Self::relation_of(call, "relation", &relation)?.clone();
                if dropped.kind.is_none() {
                    return Err(Error::custom(format!("cannot drop {}: its type is not known", dropped.render()))
                        .with_hint("take the relation that adapter.get_relation() gives, or set its type by incorporate(type='table')"));
                }
                Self::macro_call(context, call, name, Args::from(vec![relation]))?;
                session.cache().drop_relation(&dropped.path.name());
                Value::None
            }
            "truncate_relation" => {
                let relation = call.required("relation")?;
                Self::macro_call(context, call, name, Args::from(vec![relation]))?;
                Value::None
            }
            "rename_relation" => {
                let from = call.required("from_relation")?;
                let to = call.required("to_relation")?;
                let names = (
                    Self::relation_of(call, "from_relation", &from)?.path.name(),
                    Self::relation_of(call, "to_relation", &to)?.path.name(),
                );
                Self::macro_call(context, call, name, Args::from(vec![from, to]))?;
                session.cache().rename(&names.0, &names.1);
                Value::None
            }
            "cache_added" | "cache_dropped" => {
                let relation = call.required("relation")?;
                if let Some(relation) = relation.as_object::<Relation>() {
                    if name == "cache_added" {
                        Self::remember(session, relation)
                    } else {
                        session.cache().drop_relation(&relation.path.name())
                    }
                }
                Value::str("")
            }
            "cache_renamed" => {
                let (from, to) = (
                    call.required("from_relation")?,
                    call.required("to_relation")?,
                );
                if let (Some(from), Some(to)) =
                    (from.as_object::<Relation>(), to.as_object::<Relation>())
                {
                    session.cache().rename(&from.path.name(), &to.path.name());
                }
                Value::str("")
            }
            _ => return Self::catalog(context, session, name, call),
        }))
    }

    /// Methods that read the warehouse's catalog, and those of the library alone.
    fn catalog(
        context: &Arc<Context>,
        session: &Session,
        name: &str,
        call: &mut Call<'_>,
    ) -> Result<Option<Value>> {
        let shared = context.shared();
        let quote = shared.dialect.quote;
        Ok(Some(match name {
            "list_schemas" => {
                let database = call.required("database")?;
                let listed = Self::macro_call(context, call, name, Args::from(vec![database]))?;
                Value::list(first_texts(&listed))
            }
            "check_schema_exists" => {
                let database = call.required("database")?.to_str();
                let schema = call.required("schema")?.to_str();
                Value::Bool(
                    session
                        .schemas(&database)
                        .map_err(carried)?
                        .iter()
                        .any(|known| *known == *schema),
                )
            }
            "verify_database" => {
                let database = call.required("database")?.to_str();
                let own = shared
                    .project
                    .target
                    .database
                    .as_deref()
                    .unwrap_or_default();
                if !database.trim_matches('"').eq_ignore_ascii_case(own) {
                    return Err(Error::custom(format!("Cross-db references not allowed in {} ({database} vs {own})", shared.dialect.adapter))
                        .with_hint("all relations lie in the profile's database; remove the `database` configuration"));
                }
                Value::str("")
            }
            "warehouse_schemas" => {
                let database = call
                    .optional("database")?
                    .map(|value| value.to_str())
                    .unwrap_or_default();
                Value::list(
                    session
                        .schemas(&database)
                        .map_err(carried)?
                        .iter()
                        .map(|name| Value::str(name.as_str())),
                )
            }
            "warehouse_relations" => {
                let relation = call.required("schema_relation")?;
                let of = Self::relation_of(call, "schema_relation", &relation)?
                    .path
                    .name();
                let found = session
                    .relations(of.database.as_deref().unwrap_or_default(), &of.schema)
                    .map_err(carried)?;
                AgateTable::new(relations_table(found)).value()
            }
            "warehouse_columns" => {
                let relation = call.required("relation")?;
                let of = Self::relation_of(call, "relation", &relation)?.path.name();
                let columns = session.columns(&of).map_err(carried)?;
                Value::list(
                    columns
                        .into_iter()
                        .map(|info| ColumnObject::new(info, quote).value()),
                )
            }
            "warehouse_copy" => copy(context, session, call)?,
            "warehouse_catalog" => {
                let database = call.required("database")?.to_str();
                let schemas = call.required("schemas")?;
                let mut rows = Vec::new();
                for schema in schemas
                    .as_list()
                    .map(weir_jinja::List::items)
                    .unwrap_or_default()
                {
                    for info in session
                        .relations(&database, &schema.to_str())
                        .map_err(carried)?
                    {
                        let columns = session.columns(&info.name).map_err(carried)?;
                        rows.extend(catalog_rows(&info, &columns));
                    }
                }
                AgateTable::new(Table {
                    columns: catalog_columns(),
                    rows,
                })
                .value()
            }
            "describe_query" | "get_column_schema_from_query" => {
                let sql = call.required("sql")?.to_str();
                let described = session.describe(&sql).map_err(carried)?;
                let spelled = |written: &str| match name {
                    "describe_query" => written.to_owned(),
                    _ => super::adapter_objects::contract_type(&shared.dialect, written),
                };
                Value::list(described.iter().map(|column| {
                    let mut made = ColumnObject::described(&column.name, &column.data_type, quote);
                    if name != "describe_query" {
                        made.dtype = spelled(&column.data_type);
                        made.char_size = None;
                        made.precision = None;
                        made.scale = None;
                    }
                    made.value()
                }))
            }
            "get_incremental_strategy_macro" => {
                let names = call.required("model_context")?;
                let strategy = call.optional("strategy")?.filter(|value| !value.is_none());
                let strategy = strategy.map_or_else(|| "default".into(), |value| value.to_str());
                strategy_macro(context, &names, &strategy)?
            }
            "standardize_grants_dict" => {
                let table = call.required("grants_table")?;
                grants_of(&table)
            }
            "get_hard_deletes_behavior" => {
                let config = call.required("config")?;
                hard_deletes(call, &config)?
            }
            "render_raw_columns_constraints" | "render_raw_model_constraints" => {
                constraint_texts(name, call, &shared.dialect)?
            }
            _ => return Ok(None),
        }))
    }

    /// Takes a relation that was built into the cache.
    pub(crate) fn remember(session: &Session, relation: &Relation) {
        if let Some(kind) = &relation.kind {
            session.cache().add(RelationInfo {
                name: relation.path.name(),
                kind: kind_of(kind),
            });
        }
    }
}

/// `execute` and `add_query`: runs SQL, with values put in for its placeholders.
fn run(session: &Session, name: &str, call: &mut Call<'_>) -> Result<Value> {
    let mut sql = call.required("sql")?.to_str().to_string();
    let begin = call.optional_bool("auto_begin", name == "add_query")?;
    let (fetch, limit) = if name == "execute" {
        (
            call.optional_bool("fetch", false)?,
            call.optional_int("limit")?,
        )
    } else {
        if let Some(bindings) = call.optional("bindings")?.filter(|value| !value.is_none()) {
            sql = bound(&sql, &bindings);
        }
        call.optional("abridge_sql_log")?;
        (false, None)
    };
    let fetch = match (fetch, limit.and_then(|limit| usize::try_from(limit).ok())) {
        (false, _) => Fetch::None,
        (true, None) => Fetch::All,
        (true, Some(limit)) => Fetch::Limit(limit),
    };
    let answer = session.execute(&sql, begin, fetch).map_err(carried)?;
    let response = Value::object(Response::of(&answer));
    let table = answer.table.map_or_else(AgateTable::empty, AgateTable::new);
    Ok(Value::tuple([response, table.value()]))
}

/// Puts literals in the places of `%s`; `%%` is a percent sign.
fn bound(sql: &str, bindings: &Value) -> String {
    let values = bindings
        .as_list()
        .map(weir_jinja::List::items)
        .unwrap_or_default();
    let mut values = values.iter();
    let mut out = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('s') {
            out.push_str(&values.next().map_or_else(|| "null".to_owned(), literal));
            rest = after;
        } else {
            out.push('%');
            rest = after.strip_prefix('%').unwrap_or(after);
        }
    }
    out.push_str(rest);
    out
}

fn literal(value: &Value) -> String {
    match value {
        Value::None | Value::Undefined(_) => "null".to_owned(),
        Value::Bool(_) | Value::Int(_) | Value::BigInt(_) | Value::Float(_) => {
            value.to_str().to_lowercase()
        }
        other => Cell::Text(other.to_str().to_string()).literal(),
    }
}

/// Writes the rows of a seed by the warehouse's fastest way.
fn copy(context: &Context, session: &Session, call: &mut Call<'_>) -> Result<Value> {
    let relation = call.required("relation")?;
    let table = call.required("agate_table")?;
    let quoted = call
        .optional("quote_columns")?
        .is_none_or(|value| value.is_none() || value.is_true());
    let of = Adapter::relation_of(call, "relation", &relation)?
        .path
        .name();
    let table = table
        .as_object::<AgateTable>()
        .ok_or_else(|| call.wrong("agate_table", "a table", &table))?;
    let lower = !quoted && context.shared().dialect.case == crate::warehouse::IdentifierCase::Lower;
    let columns: Vec<String> = table
        .0
        .columns
        .iter()
        .map(|column| {
            if lower {
                column.name.to_lowercase()
            } else {
                column.name.clone()
            }
        })
        .collect();
    let table = Arc::clone(&table.0);
    let mut rows = table.rows.iter().cloned();
    let written = session.copy_in(&of, &columns, &mut rows).map_err(carried)?;
    Ok(Value::Int(i64::try_from(written).unwrap_or(i64::MAX)))
}

/// Finds the macro of an incremental strategy.
fn strategy_macro(context: &Context, names: &Value, strategy: &str) -> Result<Value> {
    const BUILT_IN: [&str; 5] = [
        "append",
        "delete+insert",
        "merge",
        "insert_overwrite",
        "microbatch",
    ];
    let adapter = &context.shared().dialect.adapter;
    let valid: &[&str] = match adapter.as_str() {
        "postgres" => &["append", "delete+insert", "merge", "microbatch"],
        _ => &BUILT_IN,
    };
    let macro_name = format!("get_incremental_{}_sql", strategy.replace('+', "_"));
    if BUILT_IN.contains(&strategy)
        && !valid.contains(&strategy)
        && !covered(context, adapter, &macro_name)
    {
        return Err(Error::custom(format!(
            "The incremental strategy '{strategy}' is not valid for this adapter"
        ))
        .with_hint(format!("take one of: {}", valid.join(", "))));
    }
    let found = match names {
        Value::Object(object) => object.item(&Value::str(macro_name.as_str()))?,
        Value::Dict(dict) => dict.get_str(&macro_name),
        _ => None,
    };
    match found {
        None | Some(Value::Undefined(_) | Value::None) => Err(Error::custom(format!(
            "dbt could not find an incremental strategy macro with the name \"{macro_name}\" in {}",
            context.shared().project.name
        ))
        .with_hint(format!("built in are: {}", BUILT_IN.join(", ")))),
        Some(found) => Ok(found),
    }
}

/// A project may bring a strategy that the adapter does not have.
fn covered(context: &Context, adapter: &str, name: &str) -> bool {
    let macros = &context.shared().macros;
    macros.covering(context.package(), name).is_some()
        || macros
            .covering(context.package(), &format!("{adapter}__{name}"))
            .is_some()
}

/// Reads grants: privileges and who has them.
fn grants_of(table: &Value) -> Value {
    let grants = weir_jinja::Dict::new();
    let Some(table) = table.as_object::<AgateTable>() else {
        return Value::Dict(grants);
    };
    let (Some(grantee), Some(privilege)) = (
        table.0.position("grantee"),
        table.0.position("privilege_type"),
    ) else {
        return Value::Dict(grants);
    };
    for row in &table.0.rows {
        let privilege = cell_value(&row[privilege]);
        match grants.get(&privilege) {
            Some(Value::List(list)) => list.push(cell_value(&row[grantee])),
            _ => grants.set_str(privilege.to_str(), Value::list([cell_value(&row[grantee])])),
        }
    }
    Value::Dict(grants)
}

/// Reads what a listing macro gave: rows of database, name, schema and type, or relations.
fn relation_infos(listed: &Value, database: &str) -> Vec<RelationInfo> {
    let text = |cell: &Cell| cell.text().unwrap_or_default();
    if let Some(table) = listed.as_object::<AgateTable>() {
        let rows = table.0.rows.iter().filter(|row| row.len() >= 4);
        let infos = rows.map(|row| RelationInfo {
            name: RelationName {
                database: Some(database.to_owned()),
                schema: text(&row[2]),
                name: text(&row[1]),
            },
            kind: kind_of(&text(&row[3])),
        });
        return infos.collect();
    }
    let items = listed
        .as_list()
        .map(weir_jinja::List::items)
        .unwrap_or_default();
    let relations = items
        .iter()
        .filter_map(|item| item.as_object::<Relation>())
        .map(|relation| RelationInfo {
            name: relation.path.name(),
            kind: kind_of(relation.kind.as_deref().unwrap_or("table")),
        });
    relations.collect()
}

fn relations_table(found: Vec<RelationInfo>) -> Table {
    let columns = ["database", "name", "schema", "type"];
    let text = |text: String| Cell::Text(text);
    Table {
        columns: columns
            .iter()
            .map(|name| crate::warehouse::TableColumn::new(*name, "text"))
            .collect(),
        rows: found
            .into_iter()
            .map(|info| {
                let kind = info.kind.word().to_owned();
                vec![
                    text(info.name.database.unwrap_or_default()),
                    text(info.name.name),
                    text(info.name.schema),
                    text(kind),
                ]
            })
            .collect(),
    }
}

/// The columns that catalogs have had since the first version of dbt.
fn catalog_columns() -> Vec<crate::warehouse::TableColumn> {
    let names = [
        "table_database",
        "table_schema",
        "table_name",
        "table_type",
        "table_comment",
        "column_name",
        "column_index",
        "column_type",
        "column_comment",
        "table_owner",
    ];
    names
        .into_iter()
        .map(|name| crate::warehouse::TableColumn::new(name, "text"))
        .collect()
}

fn catalog_rows(info: &RelationInfo, columns: &[crate::warehouse::ColumnInfo]) -> Vec<Vec<Cell>> {
    let text = |text: &str| Cell::Text(text.to_owned());
    let kind = match info.kind {
        crate::warehouse::RelationKind::View => "VIEW",
        crate::warehouse::RelationKind::MaterializedView => "MATERIALIZED VIEW",
        _ => "BASE TABLE",
    };
    let row = |(column, index): (&crate::warehouse::ColumnInfo, i64)| {
        vec![
            info.name.database.as_deref().map_or(Cell::Null, text),
            text(&info.name.schema),
            text(&info.name.name),
            text(kind),
            Cell::Null,
            text(&column.name),
            Cell::Int(index),
            text(&column.data_type),
            Cell::Null,
            Cell::Null,
        ]
    };
    columns.iter().zip(1..).map(row).collect()
}

fn first_texts(listed: &Value) -> Vec<Value> {
    if let Some(table) = listed.as_object::<AgateTable>() {
        return table
            .0
            .rows
            .iter()
            .filter_map(|row| row.first().map(cell_value))
            .collect();
    }
    listed
        .as_list()
        .map(weir_jinja::List::items)
        .unwrap_or_default()
}

/// Names the SQL type that holds all values of a column.
fn type_of(table: &Table, column: usize) -> &'static str {
    let mut kinds = table
        .rows
        .iter()
        .filter_map(|row| row.get(column))
        .map(Cell::kind)
        .filter(|kind| *kind != CellKind::Null);
    match kinds.next() {
        Some(CellKind::Bool) => "boolean",
        Some(CellKind::Int) if kinds.all(|kind| kind == CellKind::Int) => "integer",
        Some(CellKind::Int | CellKind::Float | CellKind::Decimal) => "float8",
        Some(CellKind::Date) => "date",
        Some(CellKind::Timestamp | CellKind::TimestampTz) => "timestamp without time zone",
        Some(CellKind::Text | CellKind::Json) => "text",
        // agate takes a column without values for numbers or truths by turns; dbt makes integers of it.
        Some(CellKind::Null) | None => "integer",
    }
}

impl Object for Adapter {
    fn type_name(&self) -> &str {
        "adapter"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        let context = self.context()?;
        Ok(match name {
            "behavior" => Some(Value::object(Behaviour(Arc::clone(context.shared())))),
            "Relation" => Some(super::adapter_objects::relation_class(context.shared())),
            "Column" => Some(super::adapter_objects::column_class(context.shared())),
            _ => None,
        })
    }

    fn method(&self, name: &str, call: &mut Call<'_>) -> Result<Option<Value>> {
        let context = self.context()?;
        if let Some(value) = self.plain(&context, name, call)? {
            return Ok(Some(value));
        }
        let Some(session) = context.session().cloned() else {
            return Ok(parsed(name));
        };
        Self::asking(&context, &session, name, call)
    }

    fn methods(&self) -> &[&str] {
        METHODS
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
