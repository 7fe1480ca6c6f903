//! `DELETE` and `UPDATE`: a question finds the rows by their place, and says what they become.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int32Type, Int64Type};
use datafusion::sql::sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, ObjectName, Query, TableFactor,
    TableWithJoins, Update, UpdateTableFromKind, With,
};
use futures::StreamExt;
use weir_access::{Action, Object};
use weir_lake::{FILE_COLUMN, Matched, ROW_COLUMN, Rewrite, TableView};

use super::authorize::authorize;
use super::context::{Context, assigned, lake_error, no_nulls, target};
use super::insert::column;
use super::names::{self, quoted};
use super::{invalid, splice, unsupported};
use crate::catalog::{Scope, Target};
use crate::error::{QueryError, translate};
use crate::stream::Command;

/// The table a statement names, and what it calls it.
pub(super) struct Named {
    pub(super) schema: String,
    pub(super) table: String,
    pub(super) alias: Ident,
}

pub(super) fn named(scope: &Scope, factor: &TableFactor) -> Result<Named, QueryError> {
    let TableFactor::Table {
        name,
        alias,
        args: None,
        ..
    } = factor
    else {
        return Err(invalid(format!("`{factor}` is not a table")));
    };
    let (schema, table) = names::existing(scope, name)?;
    let alias = match alias {
        Some(alias) if !alias.columns.is_empty() => {
            return Err(unsupported("a list of columns after the table's alias"));
        }
        Some(alias) => alias.name.clone(),
        None => quoted(&table),
    };
    Ok(Named {
        schema,
        table,
        alias,
    })
}

/// `DELETE FROM t [USING ...] [WHERE ...]`.
pub(super) async fn delete(
    context: &Context,
    delete: Delete,
    with: Option<With>,
) -> Result<Command, QueryError> {
    let scope = context.now().await?;
    let named = named(&scope, &deleted_from(&delete)?.relation)?;
    let (table, name) = (
        named.table.clone(),
        names::table_name(&named.schema, &named.table)?,
    );
    let object = Object::Table {
        schema: &named.schema,
        table: &named.table,
    };
    context.writable(&scope, &named.schema, &named.table)?;
    authorize(context, Action::Delete, &object)?;
    let writer = context.writer(&name).await?;
    let Some(view) = writer.table().cloned() else {
        return Err(names::missing(&scope, &named.schema, &table));
    };
    let target = target(&view);
    let scope = context.changing(&view).await?;
    let query = delete_query(delete, with, &named, &target)?;
    let plan = context.plan(&scope, query).await?;
    let mut rows = context.rows(&scope, &plan).await?;
    let mut matched = Matched::default();
    while let Some(batch) = rows.next().await {
        let batch = batch.map_err(|error| translate(error, &scope))?;
        found(&batch, &mut matched);
    }
    drop(rows);
    let removed = matched.rows();
    if removed > 0 {
        let mut sink = writer.sink(&view.schema).map_err(lake_error)?;
        let files = writer.keep_others(&matched, &mut sink).await;
        let (files, rows) = match files {
            Ok(files) => (files, sink.finish().await.map_err(lake_error)?),
            Err(error) => {
                sink.abandon().await;
                return Err(lake_error(error));
            }
        };
        context.commits()?;
        let receipt = context.receipt(&scope, 0, removed);
        writer
            .rewrite(Rewrite::Delete, files, rows, receipt)
            .await
            .map_err(lake_error)?;
    }
    Ok(Command {
        tag: "DELETE",
        rows: Some(removed),
    })
}

fn deleted_from(delete: &Delete) -> Result<&TableWithJoins, QueryError> {
    let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
    if delete.returning.is_some() {
        return Err(unsupported("RETURNING").hint("ask for the rows with SELECT before"));
    }
    if !delete.order_by.is_empty() || delete.limit.is_some() || !delete.tables.is_empty() {
        return Err(unsupported("this form of DELETE").hint("use DELETE FROM ... WHERE ..."));
    }
    match from.as_slice() {
        [one] if one.joins.is_empty() => Ok(one),
        _ => Err(invalid("DELETE takes one table").hint("name the others after USING")),
    }
}

fn delete_query(
    delete: Delete,
    with: Option<With>,
    named: &Named,
    target: &Target,
) -> Result<Query, QueryError> {
    let mut from = vec![splice::alone(splice::table(
        target.view.name.schema(),
        &target.name,
        Some(named.alias.clone()),
    ))];
    from.extend(delete.using.into_iter().flatten());
    let mut query = splice::select(places(&named.alias), from, delete.selection)?;
    query.with = with;
    Ok(query)
}

/// Returns the columns that say where a row is.
fn places(alias: &Ident) -> Vec<datafusion::sql::sqlparser::ast::SelectItem> {
    [FILE_COLUMN, ROW_COLUMN]
        .map(|name| splice::named(splice::column(alias, name), name))
        .to_vec()
}

/// Notes the rows of a batch whose first columns say where they are; true for those that are new.
pub(super) fn found(batch: &RecordBatch, matched: &mut Matched) -> BooleanArray {
    let files = batch.column(0).as_primitive::<Int32Type>();
    let rows = batch.column(1).as_primitive::<Int64Type>();
    files
        .iter()
        .zip(rows)
        .map(|place| match place {
            (Some(file), Some(row)) => Some(matched.insert(file as u32, row as u64)),
            _ => Some(false),
        })
        .collect()
}

/// Finds the parameters of a `DELETE`.
pub(super) async fn parameters_of_delete(
    context: &Context,
    delete: Delete,
    with: Option<With>,
) -> Result<Vec<Option<DataType>>, QueryError> {
    let scope = context.now().await?;
    let named = named(&scope, &deleted_from(&delete)?.relation)?;
    let view = context.writable(&scope, &named.schema, &named.table)?;
    let target = target(&view);
    let query = delete_query(delete, with, &named, &target)?;
    context.parameters(query, Some(&view)).await
}

/// `UPDATE t SET ... [FROM ...] [WHERE ...]`.
pub(super) async fn update(
    context: &Context,
    update: Update,
    with: Option<With>,
) -> Result<Command, QueryError> {
    let scope = context.now().await?;
    let named = named(&scope, &updated(&update)?.relation)?;
    let (table, name) = (
        named.table.clone(),
        names::table_name(&named.schema, &named.table)?,
    );
    let object = Object::Table {
        schema: &named.schema,
        table: &named.table,
    };
    context.writable(&scope, &named.schema, &named.table)?;
    authorize(context, Action::Update, &object)?;
    let writer = context.writer(&name).await?;
    let Some(view) = writer.table().cloned() else {
        return Err(names::missing(&scope, &named.schema, &table));
    };
    let target = target(&view);
    let scope = context.changing(&view).await?;
    let query = update_query(update, with, &named, &target)?;
    let plan = context.plan(&scope, query).await?;
    let plan = assigned(plan, &placed_columns(&view)).map_err(|error| translate(error, &scope))?;

    let mut sink = writer.sink(&view.schema).map_err(lake_error)?;
    let mut matched = Matched::default();
    let work = async {
        let mut rows = context.rows(&scope, &plan).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|error| translate(error, &scope))?;
            // A row that FROM finds twice changes once, as in Postgres.
            let new = found(&batch, &mut matched);
            let changed = batch.project(&(2..batch.num_columns()).collect::<Vec<_>>());
            let changed = changed.and_then(|batch| filter_record_batch(&batch, &new));
            let changed = changed.map_err(|error| translate(error.into(), &scope))?;
            no_nulls(&changed, sink.schema(), &table)?;
            sink.write(&changed).await.map_err(lake_error)?;
        }
        writer
            .keep_others(&matched, &mut sink)
            .await
            .map_err(lake_error)
    };
    let done: Result<_, QueryError> = work.await;
    let files = match done {
        Ok(files) => files,
        Err(error) => {
            sink.abandon().await;
            return Err(error);
        }
    };
    let changed = matched.rows();
    if changed > 0 {
        let rows = sink.finish().await.map_err(lake_error)?;
        context.commits()?;
        let receipt = context.receipt(&scope, changed, changed);
        writer
            .rewrite(Rewrite::Update, files, rows, receipt)
            .await
            .map_err(lake_error)?;
    }
    Ok(Command {
        tag: "UPDATE",
        rows: Some(changed),
    })
}

/// Returns the place of a row and all columns of the table, with their types.
fn placed_columns(view: &TableView) -> Vec<FieldRef> {
    let places = [
        (FILE_COLUMN, DataType::Int32),
        (ROW_COLUMN, DataType::Int64),
    ];
    let places = places.map(|(name, kind)| Arc::new(Field::new(name, kind, true)));
    let fields = view.schema.fields().iter();
    places.into_iter().chain(fields.cloned()).collect()
}

fn updated(update: &Update) -> Result<&TableWithJoins, QueryError> {
    if update.returning.is_some() {
        return Err(unsupported("RETURNING").hint("ask for the rows with SELECT afterwards"));
    }
    if !update.order_by.is_empty() || update.limit.is_some() || update.or.is_some() {
        return Err(unsupported("this form of UPDATE").hint("use UPDATE ... SET ... WHERE ..."));
    }
    match update.table.joins.is_empty() {
        true => Ok(&update.table),
        false => Err(invalid("UPDATE takes one table").hint("name the others after FROM")),
    }
}

fn update_query(
    update: Update,
    with: Option<With>,
    named: &Named,
    target: &Target,
) -> Result<Query, QueryError> {
    let values = assignments(update.assignments, &target.view)?;
    let mut items = places(&named.alias);
    for (field, value) in target.view.schema.fields().iter().zip(values) {
        let value = value.unwrap_or_else(|| splice::column(&named.alias, field.name()));
        items.push(splice::named(value, field.name()));
    }
    let mut from = vec![splice::alone(splice::table(
        target.view.name.schema(),
        &target.name,
        Some(named.alias.clone()),
    ))];
    match update.from {
        Some(UpdateTableFromKind::AfterSet(more) | UpdateTableFromKind::BeforeSet(more)) => {
            from.extend(more);
        }
        None => {}
    }
    let mut query = splice::select(items, from, update.selection)?;
    query.with = with;
    Ok(query)
}

/// Returns the new value of each column of the table; none where it stays.
pub(super) fn assignments(
    assignments: Vec<Assignment>,
    view: &Arc<TableView>,
) -> Result<Vec<Option<Expr>>, QueryError> {
    let mut values: Vec<Option<Expr>> = vec![None; view.schema.fields().len()];
    let mut set = |name: &ObjectName, value: Expr| {
        let at = column(view, name)?;
        if values[at].is_some() {
            return Err(invalid(format!("column {name} is set twice")).with_sqlstate("42601"));
        }
        values[at] = Some(splice::value_for(value, view.schema.field(at).data_type()));
        Ok(())
    };
    for Assignment { target, value } in assignments {
        match (target, value) {
            (AssignmentTarget::ColumnName(name), value) => set(&name, value)?,
            (AssignmentTarget::Tuple(names), Expr::Tuple(values))
                if names.len() == values.len() =>
            {
                for (name, value) in names.iter().zip(values) {
                    set(name, value)?;
                }
            }
            (AssignmentTarget::Tuple(_), _) => {
                return Err(unsupported("(a, b) = with other than as many values")
                    .hint("set each column by itself"));
            }
        }
    }
    Ok(values)
}

/// Finds the parameters of an `UPDATE`.
pub(super) async fn parameters_of_update(
    context: &Context,
    update: Update,
    with: Option<With>,
) -> Result<Vec<Option<DataType>>, QueryError> {
    let scope = context.now().await?;
    let named = named(&scope, &updated(&update)?.relation)?;
    let view = context.writable(&scope, &named.schema, &named.table)?;
    let target = target(&view);
    let query = update_query(update, with, &named, &target)?;
    context.parameters(query, Some(&view)).await
}
