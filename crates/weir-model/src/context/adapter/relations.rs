use std::sync::Arc;

use weir_jinja::{Args, Call, Error, Names, Result, Value};

use super::statements::run;
use crate::context::Adapter;
use crate::context::session::{Session, carried, kind_of};
use crate::context::{AgateTable, Context, Relation};
use crate::warehouse::{Cell, RelationInfo, RelationName};

impl Adapter {
    /// Makes a relation of what the catalog says.
    pub(super) fn found(context: &Context, info: &RelationInfo) -> Value {
        let mut relation = Relation::new(
            &context.shared().dialect,
            info.name.database.clone(),
            Some(info.name.schema.clone()),
            Some(info.name.name.clone()),
        );
        // Names of the catalog are exact.
        relation.path.quote = crate::context::relation_path::Parts::ALL;
        relation.of_kind(info.kind.word()).value()
    }

    /// Lists a schema, from the cache if it was listed before.
    pub(super) fn list(
        context: &Context,
        session: &Session,
        call: &mut Call<'_>,
        database: &str,
        schema: &str,
    ) -> Result<Vec<RelationInfo>> {
        Self::know(context, session, call, database, schema)?;
        Ok(session.cache().list(database, schema))
    }

    /// Lists a schema into the cache, unless it is there.
    fn know(
        context: &Context,
        session: &Session,
        call: &mut Call<'_>,
        database: &str,
        schema: &str,
    ) -> Result<()> {
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
        Ok(())
    }

    pub(super) fn get_relation(
        context: &Context,
        session: &Session,
        call: &mut Call<'_>,
    ) -> Result<Value> {
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
        Self::know(context, session, call, &database, &schema)?;
        let known = session.cache();
        let found = match known.find(&database, &schema, &identifier) {
            None if !context.shared().dialect.quoting.identifier => {
                known.find_folded(&database, &schema, &identifier)
            }
            found => found,
        };
        let own = context.lookup("this", call.interpreter)?;
        let own = own.as_ref().and_then(Value::as_object::<Relation>);
        // Whether its own table is there is asked by nodes that build on what they built before.
        if found.is_none() && own.is_none_or(|own| own.path.name().name != identifier) {
            session.note_asked();
        }
        Ok(found.map_or(Value::None, |info| Self::found(context, &info)))
    }

    /// Methods that ask or change the warehouse.
    pub(super) fn asking(
        context: &Arc<Context>,
        session: &Session,
        name: &str,
        call: &mut Call<'_>,
    ) -> Result<Option<Value>> {
        session.note_looked();
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
                Self::know(context, session, call, &database, &schema)?;
                Value::Bool(session.cache().find(&database, &schema, &wanted).is_some())
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
}

/// Reads what a listing macro gave: rows of database, name, schema and type, or relations.
pub(super) fn relation_infos(listed: &Value, database: &str) -> Vec<RelationInfo> {
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
