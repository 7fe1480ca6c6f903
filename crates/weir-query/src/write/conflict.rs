//! `INSERT ... ON CONFLICT (columns) DO NOTHING | DO UPDATE`: a `MERGE` by those columns.
//!
//! There are no unique keys: what counts as a conflict is that the columns named are equal to those of a
//! row that is there. NULLs are equal to nothing, as in Postgres.

use datafusion::sql::parser::{DFParserBuilder, Statement};
use datafusion::sql::sqlparser::ast::{
    ConflictTarget, Insert, Merge, OnConflict, OnConflictAction, OnInsert, Statement as Sql,
    TableObject, With,
};

use super::context::Context;
use super::names::{normal, quoted};
use super::{insert, invalid, merge, unsupported};
use crate::dialect::DIALECT;
use crate::error::{QueryError, QueryErrorKind};
use crate::functions::ONCE;
use crate::stream::Command;

/// Merges the rows of an `INSERT` into its table.
pub(super) async fn insert(
    context: &Context,
    insert: Insert,
    with: Option<With>,
) -> Result<Command, QueryError> {
    let merge = as_merge(context, insert).await?;
    let done = Box::pin(merge::merge(context, merge, with)).await?;
    Ok(Command {
        tag: "INSERT",
        ..done
    })
}

/// Writes the `MERGE` that does what an `INSERT` with `ON CONFLICT` says.
pub(super) async fn as_merge(context: &Context, mut insert: Insert) -> Result<Merge, QueryError> {
    let Some(OnInsert::OnConflict(conflict)) = insert.on.take() else {
        return Err(unsupported("ON DUPLICATE KEY UPDATE")
            .hint("write ON CONFLICT (columns) DO UPDATE SET ..., or MERGE"));
    };
    let OnConflict {
        conflict_target,
        action,
    } = conflict;
    let Some(ConflictTarget::Columns(keys)) = conflict_target else {
        return Err(unsupported("ON CONFLICT without columns").hint(
            "there are no unique keys: name the columns, as in ON CONFLICT (id) DO NOTHING",
        ));
    };
    let scope = context.now().await?;
    let (_, _, view) = insert::target(context, &scope, &insert)?;
    let places = insert::columns(&insert, &view)?;
    let names = places
        .iter()
        .map(|at| quoted(view.schema.field(*at).name()).to_string());
    let names: Vec<String> = names.collect();
    let keys = keys.iter().map(|key| {
        let key = quoted(&normal(key)).to_string();
        match names.contains(&key) {
            true => Ok(key),
            false => Err(invalid(format!(
                "ON CONFLICT names {key}, which the INSERT gives no value"
            ))),
        }
    });
    let keys: Vec<String> = keys.collect::<Result<_, _>>()?;
    let (TableObject::TableName(table), Some(source)) = (&insert.table, &insert.source) else {
        return Err(invalid("ON CONFLICT takes VALUES or a SELECT"));
    };
    let target = match &insert.table_alias {
        Some(alias) => alias.alias.to_string(),
        None => table.0.last().map(ToString::to_string).unwrap_or_default(),
    };
    let aliased = insert.table_alias.is_some();
    let list = |make: &dyn Fn(&String) -> String, names: &[String], between: &str| {
        names.iter().map(make).collect::<Vec<_>>().join(between)
    };
    let by = keys.join(", ");
    let unknown = list(&|key| format!("{key} IS NULL"), &keys, " OR ");
    // Of rows that are equal among themselves only the first is new; to update one twice is an error.
    let (once, matched) = match &action {
        OnConflictAction::DoNothing => (
            format!("row_number() OVER (PARTITION BY {by}) = 1 OR {unknown}"),
            String::new(),
        ),
        OnConflictAction::DoUpdate(update) => {
            let only = update.selection.as_ref();
            let only = only
                .map(|only| format!(" AND ({only})"))
                .unwrap_or_default();
            let set = update.assignments.iter().map(ToString::to_string);
            let set = set.collect::<Vec<_>>().join(", ");
            (
                format!(
                    "{ONCE}(CASE WHEN {unknown} THEN 1 ELSE count(1) OVER (PARTITION BY {by}) END)"
                ),
                format!(" WHEN MATCHED{only} THEN UPDATE SET {set}"),
            )
        }
    };
    let columns = names.join(", ");
    let sql = format!(
        "MERGE INTO {table}{alias} USING (SELECT * FROM ({source}) AS excluded({columns}) QUALIFY {once}) AS excluded \
         ON {on}{matched} WHEN NOT MATCHED THEN INSERT ({columns}) VALUES ({values})",
        alias = if aliased {
            format!(" AS {target}")
        } else {
            String::new()
        },
        on = list(
            &|key| format!("{target}.{key} = excluded.{key}"),
            &keys,
            " AND "
        ),
        values = list(&|name| format!("excluded.{name}"), &names, ", "),
    );
    parsed(&sql)
}

fn parsed(sql: &str) -> Result<Merge, QueryError> {
    let mut statements = DFParserBuilder::new(sql)
        .with_dialect(&DIALECT)
        .build()
        .and_then(|mut parser| parser.parse_statements())
        .map_err(QueryError::internal)?;
    match statements.pop_front() {
        Some(Statement::Statement(statement)) => match *statement {
            Sql::Merge(merge) => Ok(merge),
            _ => Err(QueryError::internal("no MERGE was made")),
        },
        _ => Err(QueryError::new(
            QueryErrorKind::Unsupported,
            "this form of ON CONFLICT is not supported",
        )
        .hint("write MERGE INTO ... USING ... ON ...")),
    }
}
