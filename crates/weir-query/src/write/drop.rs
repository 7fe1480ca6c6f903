use datafusion::sql::sqlparser::ast::{ObjectName, Truncate};
use weir_access::{Action, Object};

use super::authorize::{actor, authorize};
use super::context::{Context, catalog_error, lake_error};
use super::names::{self, missing};
use super::{invalid, unsupported};
use crate::catalog::{Kind, Scope};
use crate::error::{QueryError, QueryErrorKind};
use crate::stream::Command;

/// What was written after the names.
#[derive(Clone, Copy)]
pub(super) struct DropOptions {
    pub(super) if_exists: bool,
    pub(super) cascade: bool,
}

/// `DROP TABLE [IF EXISTS] a, b`.
pub(super) async fn tables(
    context: &Context,
    names: &[ObjectName],
    options: DropOptions,
) -> Result<Command, QueryError> {
    let scope = context.now().await?;
    let mut found = Vec::new();
    for name in names {
        let (schema, table) = names::existing(&scope, name)?;
        match scope.kind(&schema, &table) {
            None if options.if_exists => continue,
            None => return Err(missing(&scope, &schema, &table)),
            Some(Kind::View) => {
                let object = Object::Table {
                    schema: &schema,
                    table: &table,
                };
                authorize(context, Action::Drop, &object)?;
                return Err(invalid(format!("`{schema}.{table}` is a view"))
                    .with_sqlstate("42809")
                    .hint("use DROP VIEW"));
            }
            Some(_) => {}
        }
        context.writable(&scope, &schema, &table)?;
        let object = Object::Table {
            schema: &schema,
            table: &table,
        };
        authorize(context, Action::Drop, &object)?;
        found.push((schema, table));
    }
    for (schema, table) in found {
        drop_table(context, &scope, &schema, &table).await?;
    }
    Ok(Command {
        tag: "DROP TABLE",
        rows: None,
    })
}

async fn drop_table(
    context: &Context,
    scope: &Scope,
    schema: &str,
    table: &str,
) -> Result<(), QueryError> {
    let name = names::table_name(schema, table)?;
    let writer = context.writer(&name).await?;
    let Some(view) = writer.table() else {
        // Dropped by another while we waited for our turn.
        return Ok(());
    };
    let removed = view.rows();
    context.commits()?;
    let receipt = context.receipt(scope, 0, removed);
    writer.drop_table(receipt).await.map_err(lake_error)?;
    context.dropped(schema, table).await
}

/// `DROP VIEW [IF EXISTS] a, b`.
pub(super) async fn views(
    context: &Context,
    names: &[ObjectName],
    options: DropOptions,
) -> Result<Command, QueryError> {
    let scope = context.now().await?;
    let mut found = Vec::new();
    for name in names {
        let (schema, view) = names::existing(&scope, name)?;
        match scope.kind(&schema, &view) {
            Some(Kind::View) if scope.view(&schema, &view).is_some() => {}
            Some(Kind::Table) => {
                let object = Object::Table {
                    schema: &schema,
                    table: &view,
                };
                authorize(context, Action::Drop, &object)?;
                return Err(invalid(format!("`{schema}.{view}` is a table"))
                    .with_sqlstate("42809")
                    .hint("use DROP TABLE"));
            }
            Some(_) => {
                return Err(QueryError::new(
                    QueryErrorKind::ReadOnly,
                    format!("`{schema}.{view}` comes with Weir"),
                ));
            }
            None if options.if_exists => continue,
            None => return Err(missing(&scope, &schema, &view)),
        }
        let object = Object::Table {
            schema: &schema,
            table: &view,
        };
        authorize(context, Action::Drop, &object)?;
        found.push((schema, view));
    }
    context.commits()?;
    for (schema, view) in found {
        drop_view(context, &schema, &view).await?;
    }
    Ok(Command {
        tag: "DROP VIEW",
        rows: None,
    })
}

async fn drop_view(context: &Context, schema: &str, view: &str) -> Result<(), QueryError> {
    context.drop_view(schema, view).await?;
    context.dropped(schema, view).await
}

/// `DROP SCHEMA [IF EXISTS] a [CASCADE]`.
pub(super) async fn schemas(
    context: &Context,
    names: &[ObjectName],
    options: DropOptions,
) -> Result<Command, QueryError> {
    let done = Command {
        tag: "DROP SCHEMA",
        rows: None,
    };
    let scope = context.now().await?;
    for name in names {
        let (_, schema) = names::split(name)?;
        if !context.schema_exists(&scope, &schema) {
            if options.if_exists {
                continue;
            }
            return Err(QueryError::new(
                QueryErrorKind::UndefinedTable,
                format!("schema `{schema}` does not exist"),
            )
            .with_sqlstate("3F000"));
        }
        authorize(context, Action::Drop, &Object::Schema(&schema))?;
        let inside = scope.all_names(&schema);
        if let Some((first, _)) = inside.first_key_value()
            && !options.cascade
        {
            return Err(
                invalid(format!("schema `{schema}` is not empty: it has `{first}`"))
                    .with_sqlstate("2BP01")
                    .hint("DROP SCHEMA ... CASCADE drops what is in it"),
            );
        }
        // All that may not be dropped is found before anything is.
        for (name, kind) in &inside {
            if *kind == Kind::Table {
                context.writable(&scope, &schema, name)?;
            }
        }
        for (name, kind) in &inside {
            match kind {
                Kind::Table => drop_table(context, &scope, &schema, name).await?,
                Kind::View => drop_view(context, &schema, name).await?,
                Kind::System => {}
            }
        }
        context.commits()?;
        context
            .parts
            .catalog
            .drop_schema(&actor(context), &schema)
            .await
            .map_err(catalog_error)?;
    }
    Ok(done)
}

/// `TRUNCATE a, b`.
pub(super) async fn truncate(context: &Context, truncate: Truncate) -> Result<Command, QueryError> {
    if truncate.partitions.is_some() {
        return Err(unsupported("TRUNCATE of partitions").hint("use DELETE FROM ... WHERE ..."));
    }
    let scope = context.now().await?;
    let mut found = Vec::new();
    for target in &truncate.table_names {
        let (schema, table) = names::existing(&scope, &target.name)?;
        if truncate.if_exists && scope.kind(&schema, &table).is_none() {
            continue;
        }
        context.writable(&scope, &schema, &table)?;
        let object = Object::Table {
            schema: &schema,
            table: &table,
        };
        authorize(context, Action::Truncate, &object)?;
        found.push(names::table_name(&schema, &table)?);
    }
    for name in found {
        let writer = context.writer(&name).await?;
        let Some(view) = writer.table() else {
            return Err(missing(&scope, name.schema(), name.table()));
        };
        let removed = view.rows();
        context.commits()?;
        let receipt = context.receipt(&scope, 0, removed);
        writer.truncate(receipt).await.map_err(lake_error)?;
    }
    Ok(Command {
        tag: "TRUNCATE TABLE",
        rows: None,
    })
}
