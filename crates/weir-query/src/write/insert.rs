use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::{Expr as Logical, LogicalPlan, LogicalPlanBuilder};
use datafusion::sql::sqlparser::ast::{
    Insert, ObjectName, Query, SelectItem, SetExpr, TableObject, With,
};
use weir_access::{Action, Object};
use weir_lake::TableView;

use super::authorize::authorize;
use super::context::{Context, assign, lake_error};
use super::names::{self, quoted};
use super::{invalid, splice, unsupported};
use crate::catalog::Scope;
use crate::error::{QueryError, QueryErrorKind, translate};
use crate::stream::Command;

/// `INSERT INTO t [(columns)] VALUES ... | SELECT ...`.
pub(super) async fn insert(
    context: &Context,
    insert: Insert,
    with: Option<With>,
) -> Result<Command, QueryError> {
    let scope = context.now().await?;
    let (schema, table, view) = target(context, &scope, &insert)?;
    let object = Object::Table {
        schema: &schema,
        table: &table,
    };
    authorize(context, Action::Insert, &object)?;
    let columns = columns(&insert, &view)?;
    let query = source(insert, with, &view, &columns)?;
    let plan = context.plan(&scope, query).await?;
    let plan = placed(plan, &view, &columns).map_err(|error| translate(error, &scope))??;

    let lake = &context.parts.lake;
    let name = names::table_name(&schema, &table)?;
    let mut sink = lake.row_sink(&name, &view.schema).map_err(lake_error)?;
    let poured = context.pour(&scope, &plan, &mut sink, &table).await;
    let rows = match poured {
        Ok(()) => sink.finish().await.map_err(lake_error)?,
        Err(error) => {
            sink.abandon().await;
            return Err(error);
        }
    };
    let added = rows.rows;
    if added > 0 {
        // The turn comes last: rows that take long to make hold nobody up.
        let writer = context.writer(&name).await?;
        context.commits()?;
        let receipt = context.receipt(&scope, added, 0);
        writer.append(rows, receipt).await.map_err(lake_error)?;
    }
    Ok(Command {
        tag: "INSERT",
        rows: Some(added),
    })
}

/// Finds the parameters of an `INSERT`.
pub(super) async fn parameters(
    context: &Context,
    insert: Insert,
    with: Option<With>,
) -> Result<Vec<Option<DataType>>, QueryError> {
    let scope = context.now().await?;
    let (_, _, view) = target(context, &scope, &insert)?;
    let columns = columns(&insert, &view)?;
    let query = source(insert, with, &view, &columns)?;
    context.parameters(query, None).await
}

pub(super) fn target(
    context: &Context,
    scope: &Scope,
    insert: &Insert,
) -> Result<(String, String, Arc<TableView>), QueryError> {
    if insert.returning.is_some() {
        return Err(unsupported("RETURNING").hint("ask for the rows with SELECT afterwards"));
    }
    if insert.overwrite || insert.replace_into || insert.partitioned.is_some() {
        return Err(unsupported("this form of INSERT")
            .hint("use TRUNCATE and INSERT, or CREATE OR REPLACE TABLE ... AS"));
    }
    let TableObject::TableName(name) = &insert.table else {
        return Err(invalid("INSERT takes a table's name"));
    };
    let (schema, table) = names::existing(scope, name)?;
    let view = context.writable(scope, &schema, &table)?;
    Ok((schema, table, view))
}

/// Returns the places in the table of the columns that get values; all of them when none is named.
pub(super) fn columns(insert: &Insert, view: &TableView) -> Result<Vec<usize>, QueryError> {
    if insert.columns.is_empty() {
        return Ok((0..view.schema.fields().len()).collect());
    }
    let mut places = Vec::with_capacity(insert.columns.len());
    for name in &insert.columns {
        let at = column(view, name)?;
        if places.contains(&at) {
            return Err(invalid(format!("column {name} is named twice")).with_sqlstate("42701"));
        }
        places.push(at);
    }
    Ok(places)
}

/// Finds a column of the table by the last part of its name.
pub(super) fn column(view: &TableView, name: &ObjectName) -> Result<usize, QueryError> {
    let wanted = names::parts(name)?.pop().unwrap_or_default();
    view.schema.index_of(&wanted).map_err(|_| {
        let there: Vec<&str> = view
            .schema
            .fields()
            .iter()
            .map(|f| f.name().as_str())
            .collect();
        QueryError::new(
            QueryErrorKind::UndefinedColumn,
            format!("column `{wanted}` does not exist in `{}`", view.name),
        )
        .hint(format!("there are: {}", there.join(", ")))
    })
}

/// Returns the question whose rows are inserted.
fn source(
    insert: Insert,
    with: Option<With>,
    view: &TableView,
    columns: &[usize],
) -> Result<Query, QueryError> {
    let Some(query) = insert.source else {
        // DEFAULT VALUES: a row of NULLs.
        let nulls = columns
            .iter()
            .map(|at| splice::named(splice::null(), view.schema.field(*at).name()));
        return splice::select(nulls.collect(), Vec::new(), None);
    };
    let mut query = *query;
    if with.is_some() {
        if query.with.is_some() {
            return Err(unsupported("WITH before INSERT and inside it"));
        }
        query.with = with;
    }
    if let SetExpr::Values(values) = query.body.as_mut() {
        for row in &mut values.rows {
            for (expr, at) in row.content.iter_mut().zip(columns) {
                let value = std::mem::replace(expr, splice::null());
                *expr = splice::value_for(value, view.schema.field(*at).data_type());
            }
        }
    }
    if let SetExpr::Select(select) = query.body.as_mut() {
        for (item, at) in select.projection.iter_mut().zip(columns) {
            let field = view.schema.field(*at);
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                let value = std::mem::replace(expr, splice::null());
                *item = SelectItem::ExprWithAlias {
                    expr: splice::value_for(value, field.data_type()),
                    alias: quoted(field.name()),
                };
            }
        }
    }
    Ok(query)
}

/// Brings the rows to the table's columns: values where they belong, NULL in the others.
fn placed(
    plan: LogicalPlan,
    view: &TableView,
    columns: &[usize],
) -> datafusion::common::Result<Result<LogicalPlan, QueryError>> {
    let given = plan.schema().fields().len();
    let named_all = columns.len() == view.schema.fields().len();
    if given > columns.len() || (given < columns.len() && !named_all) {
        let which = if given > columns.len() {
            "more"
        } else {
            "fewer"
        };
        return Ok(Err(invalid(format!(
            "INSERT has {which} values ({given}) than columns ({})",
            columns.len()
        ))
        .with_sqlstate("42601")));
    }
    let mut exprs = Vec::with_capacity(view.schema.fields().len());
    for (at, field) in view.schema.fields().iter().enumerate() {
        let from = columns.iter().position(|c| *c == at).filter(|i| *i < given);
        let value = match from {
            Some(from) => {
                let (qualifier, source) = plan.schema().qualified_field(from);
                let column = Logical::Column(Column::new(qualifier.cloned(), source.name()));
                assign(column, source.data_type(), field)
            }
            None => Logical::Literal(ScalarValue::try_from(field.data_type())?, None),
        };
        exprs.push(value.alias(field.name()));
    }
    LogicalPlanBuilder::from(plan)
        .project(exprs)?
        .build()
        .map(Ok)
}
