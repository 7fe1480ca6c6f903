mod catalog;
mod columns;
mod relations;
mod statements;
mod strategy;

use std::sync::{Arc, Weak};

use weir_jinja::{Args, Call, Error, Object, Result, Value};

use crate::context::adapter_objects::{Behaviour, index_value};
use crate::context::session::{Session, kind_of};
use crate::context::{AgateTable, Context, Relation};
use crate::warehouse::RelationInfo;
use statements::type_of;

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
    pub(in crate::context) fn new(context: Weak<Context>) -> Self {
        Self { context }
    }

    pub(super) fn context(&self) -> Result<Arc<Context>> {
        self.context
            .upgrade()
            .ok_or_else(|| Error::custom("the adapter outlived its node"))
    }

    /// Calls the macro that a method is a name for, so that projects may cover it.
    pub(super) fn macro_call(
        context: &Context,
        call: &mut Call<'_>,
        name: &str,
        args: Args,
    ) -> Result<Value> {
        let found = context
            .shared()
            .macros
            .find(context.package(), name)
            .cloned();
        let found = found.ok_or_else(|| Error::custom(format!("there is no macro `{name}`")))?;
        let names = call.names;
        call.interpreter.call_macro(&found, args, names)
    }

    pub(super) fn relation_of<'v>(
        call: &Call<'_>,
        name: &str,
        value: &'v Value,
    ) -> Result<&'v Relation> {
        value
            .as_object::<Relation>()
            .ok_or_else(|| call.wrong(name, "a relation", value))
    }

    /// Methods that work with or without a warehouse.
    pub(super) fn plain(
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

impl Object for Adapter {
    fn type_name(&self) -> &str {
        "adapter"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        let context = self.context()?;
        Ok(match name {
            "behavior" => Some(Value::object(Behaviour(Arc::clone(context.shared())))),
            "Relation" => Some(crate::context::adapter_objects::relation_class(
                context.shared(),
            )),
            "Column" => Some(crate::context::adapter_objects::column_class(
                context.shared(),
            )),
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
