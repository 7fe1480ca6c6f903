//! Statements that change something.
//!
//! None of them goes through the engine's own hooks for changing rows, which lose predicates with
//! subqueries and then hit every row. Each is turned into a question whose answer says which rows
//! change and what they become; the answer goes into files, and one commit puts them in the place
//! of the old ones. What a condition means is thereby what it means in `SELECT`.

mod alter;
mod authorize;
mod change;
pub(crate) mod checked;
mod circle;
mod conflict;
mod context;
mod create;
mod drop;
mod gate;
mod insert;
mod job;
mod load;
mod merge;
mod names;
mod qualify;
mod splice;

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{ObjectType, Query, SetExpr, Statement as Sql, With};

use crate::engine::{Parts, QueryRequest};
use crate::error::{QueryError, QueryErrorKind};
use crate::memory::Share;
use crate::plan::Read;
use crate::registry::QueryId;
use crate::stream::{Command, Description};
pub(crate) use context::{Context, catalog_error, lake_error};
pub(crate) use gate::Gate;
pub(crate) use job::Job;
pub use load::{TableLoad, TableRows};
pub(crate) use qualify::{names_in, qualify};

/// Tells whether a statement changes something.
pub(crate) fn writes(statement: &Statement) -> bool {
    let Statement::Statement(sql) = statement else {
        return false;
    };
    match sql.as_ref() {
        Sql::Query(query) => matches!(
            query.body.as_ref(),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_)
        ),
        Sql::Insert(_)
        | Sql::Update(_)
        | Sql::Delete(_)
        | Sql::Merge(_)
        | Sql::Truncate(_)
        | Sql::CreateSchema { .. }
        | Sql::CreateTable(_)
        | Sql::CreateView(_)
        | Sql::AlterTable(_)
        | Sql::AlterView { .. }
        | Sql::AlterSchema(_)
        | Sql::Comment { .. } => true,
        Sql::Drop { .. } => true,
        _ => false,
    }
}

/// Takes `WITH ... INSERT` apart: what is written, and the parts it may name.
fn unwrapped(sql: Sql) -> (Sql, Option<With>) {
    match sql {
        Sql::Query(query) => {
            let Query { with, body, .. } = *query;
            match *body {
                SetExpr::Insert(inner)
                | SetExpr::Update(inner)
                | SetExpr::Delete(inner)
                | SetExpr::Merge(inner) => (inner, with),
                body => (
                    Sql::Query(Box::new(Query {
                        with,
                        body: Box::new(body),
                        order_by: None,
                        limit_clause: None,
                        fetch: None,
                        locks: Vec::new(),
                        for_clause: None,
                        settings: None,
                        format_clause: None,
                        pipe_operators: Vec::new(),
                    })),
                    None,
                ),
            }
        }
        sql => (sql, None),
    }
}

/// Does what a statement says.
async fn execute(context: &Context, statement: Statement) -> Result<Command, QueryError> {
    let Statement::Statement(sql) = statement else {
        return Err(QueryError::internal("not a writing statement"));
    };
    let (sql, with) = unwrapped(*sql);
    match sql {
        Sql::Insert(insert) if insert.on.is_some() => {
            Box::pin(conflict::insert(context, insert, with)).await
        }
        Sql::Insert(insert) => insert::insert(context, insert, with).await,
        Sql::Delete(delete) => change::delete(context, delete, with).await,
        Sql::Update(update) => change::update(context, update, with).await,
        Sql::Merge(merge) => Box::pin(merge::merge(context, merge, with)).await,
        Sql::Truncate(truncate) => drop::truncate(context, truncate).await,
        Sql::CreateSchema {
            schema_name,
            if_not_exists,
            ..
        } => create::schema(context, &schema_name, if_not_exists).await,
        Sql::CreateTable(table) => Box::pin(create::table(context, table)).await,
        Sql::CreateView(view) => create::view(context, view).await,
        Sql::AlterTable(alter) => alter::table(context, alter).await,
        Sql::Comment {
            object_type,
            object_name,
            comment,
            if_exists,
        } => alter::comment(context, object_type, &object_name, comment, if_exists).await,
        Sql::Drop {
            object_type,
            if_exists,
            names,
            cascade,
            ..
        } => {
            let options = drop::DropOptions { if_exists, cascade };
            match object_type {
                ObjectType::Table => drop::tables(context, &names, options).await,
                ObjectType::View | ObjectType::MaterializedView => {
                    drop::views(context, &names, options).await
                }
                ObjectType::Schema => drop::schemas(context, &names, options).await,
                ObjectType::Index => Err(unsupported("DROP INDEX")
                    .hint("there are no indexes: files are pruned by their statistics")),
                other => Err(unsupported(&format!("DROP {other}"))),
            }
        }
        Sql::AlterView { .. } => Err(unsupported("ALTER VIEW").hint("use CREATE OR REPLACE VIEW")),
        Sql::AlterSchema(_) => {
            Err(unsupported("ALTER SCHEMA")
                .hint("create another schema and rename the tables into it"))
        }
        _ => Err(QueryError::internal("not a writing statement")),
    }
}

/// Finds the parameters a writing statement takes, without running it.
pub(crate) async fn describe(
    parts: &Arc<Parts>,
    request: &QueryRequest,
    read: Read,
) -> Result<Description, QueryError> {
    let share = Arc::new(Share::new(
        parts.runtime.memory_pool.clone(),
        parts.options.query_memory_bytes,
    ));
    let (request, gate) = (request.clone(), Arc::default());
    let (context, statement) = Context::new(
        parts.clone(),
        request,
        read,
        QueryId::unlisted(),
        share,
        gate,
    )?;
    let context = &context;
    let Statement::Statement(sql) = statement else {
        return Err(QueryError::internal("not a writing statement"));
    };
    let (sql, with) = unwrapped(*sql);
    let parameters: Vec<Option<DataType>> = match sql {
        Sql::Insert(insert) if insert.on.is_some() => {
            let merge = conflict::as_merge(context, insert).await?;
            merge::parameters(context, merge, with).await?
        }
        Sql::Insert(insert) => insert::parameters(context, insert, with).await?,
        Sql::Delete(delete) => change::parameters_of_delete(context, delete, with).await?,
        Sql::Update(update) => change::parameters_of_update(context, update, with).await?,
        Sql::Merge(merge) => merge::parameters(context, merge, with).await?,
        Sql::CreateTable(table) => match table.query {
            Some(query) => context.parameters(*query, None).await?,
            None => Vec::new(),
        },
        _ => Vec::new(),
    };
    Ok(Description {
        schema: None,
        parameters,
    })
}

fn unsupported(what: &str) -> QueryError {
    QueryError::new(
        QueryErrorKind::Unsupported,
        format!("{what} is not supported"),
    )
}

fn invalid(message: impl Into<String>) -> QueryError {
    QueryError::new(QueryErrorKind::Invalid, message)
}
