//! `ALTER TABLE` and `COMMENT ON`.
//!
//! New columns at the end leave the files alone. Everything else writes the table again in one
//! commit: the open format knows columns by name, and an old name must not bring old values back.

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::sql::sqlparser::ast::{
    AlterColumnOperation, AlterTable, AlterTableOperation, ColumnDef, ColumnOption, CommentObject,
    Expr, Ident, ObjectName, ObjectNamePart, RenameTableNameKind, SelectItem,
};
use weir_access::{Action, Object};
use weir_catalog::View;
use weir_lake::{TableView, TableWriter};

use super::authorize::{actor, authorize};
use super::checked;
use super::context::{Context, catalog_error, lake_error};
use super::create::plain;
use super::names::{self, missing, normal, quoted, taken};
use super::{invalid, splice, unsupported};
use crate::catalog::{Kind, Scope};
use crate::error::{QueryError, QueryErrorKind};
use crate::stream::Command;
use crate::system::information;

/// Where the open format keeps what a column is.
const COMMENT: &str = "comment";

const DONE: Command = Command {
    tag: "ALTER TABLE",
    rows: None,
};

/// `ALTER TABLE t ...`.
pub(super) async fn table(context: &Context, alter: AlterTable) -> Result<Command, QueryError> {
    let scope = context.now().await?;
    let (schema, table) = names::existing(&scope, &alter.name)?;
    if alter.if_exists && scope.kind(&schema, &table).is_none() {
        return Ok(DONE);
    }
    let [operation] = <[_; 1]>::try_from(alter.operations).map_err(|_| {
        unsupported("more than one change in one ALTER TABLE").hint("send them one after another")
    })?;
    if let AlterTableOperation::RenameTable { table_name } = operation {
        let (RenameTableNameKind::To(to) | RenameTableNameKind::As(to)) = table_name;
        return rename(context, &scope, (&schema, &table), &to).await;
    }
    context.writable(&scope, &schema, &table)?;
    let object = Object::Table {
        schema: &schema,
        table: &table,
    };
    authorize(context, Action::Alter, &object)?;
    let name = names::table_name(&schema, &table)?;
    let writer = context.writer(&name).await?;
    let Some(view) = writer.table().cloned() else {
        return Err(missing(&scope, &schema, &table));
    };
    let columns: Vec<Column> = Column::of(&view);
    match changed(operation, columns, &view)? {
        Changed::Nothing => Ok(DONE),
        Changed::Columns(columns) => {
            let scope = context.now().await?;
            rewrite(context, &scope, writer, &view, columns).await?;
            Ok(DONE)
        }
    }
}

/// A column of the table as it is to be.
struct Column {
    name: String,
    value: Expr,
    required: bool,
    /// See [`checked`].
    checked: Option<String>,
    comment: Option<String>,
}

impl Column {
    fn of(view: &TableView) -> Vec<Self> {
        let fields = view.schema.fields().iter();
        fields
            .map(|field| Self {
                name: field.name().clone(),
                value: Expr::Identifier(quoted(field.name())),
                required: !field.is_nullable(),
                checked: checked::of(field).map(str::to_owned),
                comment: field.metadata().get(COMMENT).cloned(),
            })
            .collect()
    }
}

enum Changed {
    Nothing,
    Columns(Vec<Column>),
}

fn changed(
    operation: AlterTableOperation,
    mut columns: Vec<Column>,
    view: &TableView,
) -> Result<Changed, QueryError> {
    let find = |columns: &[Column], name: &Ident| {
        let name = normal(name);
        columns.iter().position(|c| c.name == name).ok_or_else(|| {
            QueryError::new(
                QueryErrorKind::UndefinedColumn,
                format!("column `{name}` does not exist in `{}`", view.name),
            )
        })
    };
    let has = |columns: &[Column], name: &str| columns.iter().any(|c| c.name == name);
    let exists = |name: &str| {
        invalid(format!("column `{name}` of `{}` exists", view.name)).with_sqlstate("42701")
    };
    match operation {
        AlterTableOperation::AddColumn {
            if_not_exists,
            column_def,
            ..
        } => {
            let name = normal(&column_def.name);
            if has(&columns, &name) {
                return match if_not_exists {
                    true => Ok(Changed::Nothing),
                    false => Err(exists(&name)),
                };
            }
            columns.push(added(name, column_def, view.rows() == 0)?);
        }
        AlterTableOperation::DropColumn {
            column_names,
            if_exists,
            ..
        } => {
            for name in &column_names {
                match find(&columns, name) {
                    Ok(at) => drop(columns.remove(at)),
                    Err(_) if if_exists => {}
                    Err(error) => return Err(error),
                }
            }
            if columns.is_empty() {
                return Err(invalid("a table needs a column").hint("use DROP TABLE"));
            }
            if columns.len() == view.schema.fields().len() {
                return Ok(Changed::Nothing);
            }
        }
        AlterTableOperation::RenameColumn {
            old_column_name,
            new_column_name,
        } => {
            let at = find(&columns, &old_column_name)?;
            let new = normal(&new_column_name);
            if has(&columns, &new) {
                return Err(exists(&new));
            }
            columns[at].name = new;
        }
        AlterTableOperation::AlterColumn { column_name, op } => {
            let at = find(&columns, &column_name)?;
            match op {
                AlterColumnOperation::SetNotNull => columns[at].required = true,
                AlterColumnOperation::DropNotNull => columns[at].required = false,
                AlterColumnOperation::SetDataType {
                    data_type, using, ..
                } => {
                    let value = using.unwrap_or_else(|| columns[at].value.clone());
                    columns[at].checked = checked::word(&data_type);
                    columns[at].value = checked::converted(value, plain(data_type)?);
                }
                AlterColumnOperation::DropDefault => return Ok(Changed::Nothing),
                other => {
                    return Err(unsupported(&format!("ALTER COLUMN ... {other}"))
                        .hint("name the value in INSERT"));
                }
            }
        }
        other => {
            return Err(unsupported(&format!("ALTER TABLE ... {other}")).hint(
                "there are RENAME TO, RENAME COLUMN, ADD COLUMN, DROP COLUMN and ALTER COLUMN",
            ));
        }
    }
    Ok(Changed::Columns(columns))
}

/// Returns a new column: NULL in the rows there are, or the value after `DEFAULT`.
fn added(name: String, definition: ColumnDef, is_empty: bool) -> Result<Column, QueryError> {
    let (mut value, mut required) = (splice::null(), false);
    for option in definition.options {
        match option.option {
            ColumnOption::Null => {}
            ColumnOption::NotNull => required = true,
            ColumnOption::Default(default) if is_empty => drop(default),
            ColumnOption::Default(_) => {
                return Err(
                    unsupported("DEFAULT").hint("add the column, then UPDATE the rows there are")
                );
            }
            other => {
                return Err(unsupported(&format!("the constraint {other}"))
                    .hint("only NOT NULL is enforced; leave the others out"));
            }
        }
    }
    let checked = checked::word(&definition.data_type);
    value = checked::converted(value, plain(definition.data_type)?);
    Ok(Column {
        name,
        value,
        required,
        checked,
        comment: None,
    })
}

/// Writes the table with other columns, in one commit.
async fn rewrite(
    context: &Context,
    scope: &Scope,
    writer: TableWriter,
    view: &TableView,
    columns: Vec<Column>,
) -> Result<(), QueryError> {
    let old = view.schema.fields();
    let only_new = columns.len() > old.len()
        && columns.iter().zip(old.iter()).all(|(column, field)| {
            column.name == *field.name() && column.required != field.is_nullable()
        })
        && columns[old.len()..].iter().all(|column| !column.required);
    let items: Vec<SelectItem> = columns
        .iter()
        .map(|column| splice::named(column.value.clone(), &column.name))
        .collect();
    let from = splice::table(view.name.schema(), view.name.table(), None);
    let query = splice::select(items, vec![splice::alone(from)], None)?;
    let plan = context.plan(scope, query).await?;
    let fields = plan.schema().fields().iter().zip(columns);
    let schema = Schema::new(
        fields
            .map(|(field, column)| {
                let comment = column.comment.map(|text| (COMMENT.to_owned(), text));
                let field = Field::new(field.name(), field.data_type().clone(), !column.required)
                    .with_metadata(comment.into_iter().collect());
                checked::declared(field, column.checked.as_deref())
            })
            .collect::<Vec<_>>(),
    );
    if only_new {
        context.commits()?;
        let receipt = context.receipt(scope, 0, 0);
        writer
            .add_columns(&schema, receipt)
            .await
            .map_err(lake_error)?;
        return Ok(());
    }
    let mut sink = writer.sink(&schema).map_err(lake_error)?;
    if let Err(error) = context
        .pour(scope, &plan, &mut sink, view.name.table())
        .await
    {
        sink.abandon().await;
        return Err(error);
    }
    let rows = sink.finish().await.map_err(lake_error)?;
    context.commits()?;
    let receipt = context.receipt(scope, rows.rows, view.rows());
    writer.replace(rows, receipt).await.map_err(lake_error)?;
    Ok(())
}

/// `ALTER TABLE t RENAME TO new`.
async fn rename(
    context: &Context,
    scope: &Scope,
    (schema, table): (&str, &str),
    to: &ObjectName,
) -> Result<Command, QueryError> {
    let (to_schema, to_table) = names::split(to)?;
    let to_schema = to_schema.unwrap_or_else(|| schema.to_owned());
    let object = Object::Table { schema, table };
    let catalog = &context.parts.catalog;
    let is_view = scope.kind(schema, table) == Some(Kind::View);
    if !is_view {
        context.writable(scope, schema, table)?;
    }
    authorize(context, Action::Alter, &object)?;
    if to_schema != schema {
        authorize(context, Action::Create, &Object::Schema(&to_schema))?;
    }
    if !context.schema_exists(scope, &to_schema) {
        return Err(QueryError::new(
            QueryErrorKind::UndefinedTable,
            format!("schema `{to_schema}` does not exist"),
        )
        .with_sqlstate("3F000"));
    }
    if scope.kind(&to_schema, &to_table).is_some() {
        return Err(taken("table", &to_schema, &to_table));
    }
    let new = names::table_name(&to_schema, &to_table)?;
    if is_view {
        let Some(mut view) = scope.view(schema, table) else {
            return Err(missing(scope, schema, table));
        };
        context.commits()?;
        (view.schema, view.name) = (to_schema.clone(), to_table.clone());
        context.put_view(view).await?;
        context.drop_view(schema, table).await?;
    } else {
        let old = names::table_name(schema, table)?;
        // Always in the order of the names, so that two renames never wait for each other.
        let (from, to) = if old < new {
            let from = context.writer(&old).await?;
            (from, context.writer(&new).await?)
        } else {
            let to = context.writer(&new).await?;
            (context.writer(&old).await?, to)
        };
        let Some(view) = from.table() else {
            return Err(missing(scope, schema, table));
        };
        if to.table().is_some() {
            return Err(taken("table", &to_schema, &to_table));
        }
        let rows = view.rows();
        context.commits()?;
        let receipt = context.receipt(scope, rows, 0);
        from.rename(to, receipt).await.map_err(lake_error)?;
    }
    if context.request.transaction.is_some() {
        return Ok(DONE);
    }
    catalog
        .table_renamed(&actor(context), (schema, table), (&to_schema, &to_table))
        .await
        .map_err(catalog_error)?;
    Ok(DONE)
}

/// `COMMENT ON TABLE t IS '...'`, `COMMENT ON COLUMN t.c IS '...'`: kept in the table's own log,
/// where every engine finds it; of views, with their queries.
pub(super) async fn comment(
    context: &Context,
    object: CommentObject,
    name: &ObjectName,
    comment: Option<String>,
    if_exists: bool,
) -> Result<Command, QueryError> {
    let done = Command {
        tag: "COMMENT",
        rows: None,
    };
    let (table, column) = match object {
        CommentObject::Table | CommentObject::View => (name.clone(), None),
        CommentObject::Column => {
            let mut parts = name.0.clone();
            let column = parts.pop();
            if parts.is_empty() {
                return Err(invalid("COMMENT ON COLUMN takes table.column"));
            }
            (ObjectName(parts), column)
        }
        other => {
            return Err(unsupported(&format!("COMMENT ON {other}"))
                .hint("tables, views and their columns have comments"));
        }
    };
    let scope = context.now().await?;
    let (schema, table) = names::existing(&scope, &table)?;
    if if_exists && !scope.may_know(&schema, &table) {
        return Ok(done);
    }
    let object = Object::Table {
        schema: &schema,
        table: &table,
    };
    if let Some(view) = scope.view(&schema, &table) {
        authorize(context, Action::Alter, &object)?;
        comment_on_view(context, &scope, view, (column, comment)).await?;
        return Ok(done);
    }
    context.writable(&scope, &schema, &table)?;
    authorize(context, Action::Alter, &object)?;
    let name = names::table_name(&schema, &table)?;
    let writer = context.writer(&name).await?;
    let Some(view) = writer.table().cloned() else {
        return Err(missing(&scope, &schema, &table));
    };
    let text = comment.unwrap_or_default();
    let receipt = context.receipt(&scope, 0, 0);
    let Some(column) = column else {
        context.commits()?;
        writer.comment(text, receipt).await.map_err(lake_error)?;
        return Ok(done);
    };
    let at = super::insert::column(&view, &ObjectName(vec![column]))?;
    let fields = view.schema.fields().iter().enumerate();
    let fields = fields.map(|(number, field)| {
        let mut metadata = field.metadata().clone();
        if number == at {
            metadata.remove(COMMENT);
            if !text.is_empty() {
                metadata.insert(COMMENT.to_owned(), text.clone());
            }
        }
        field.as_ref().clone().with_metadata(metadata)
    });
    let columns = Schema::new(fields.collect::<Vec<_>>());
    context.commits()?;
    writer
        .add_columns(&columns, receipt)
        .await
        .map_err(lake_error)?;
    Ok(done)
}

async fn comment_on_view(
    context: &Context,
    scope: &Scope,
    mut view: View,
    (column, comment): (Option<ObjectNamePart>, Option<String>),
) -> Result<(), QueryError> {
    let comment = comment.filter(|text| !text.is_empty());
    match column {
        None => view.comments.view = comment,
        Some(column) => {
            let column = names::parts(&ObjectName(vec![column]))?;
            let column = column.into_iter().next_back().unwrap_or_default();
            let columns = information::schema_of(scope, &view.schema, &view.name).await;
            if columns.is_none_or(|columns| columns.column_with_name(&column).is_none()) {
                return Err(QueryError::new(
                    QueryErrorKind::UndefinedColumn,
                    format!(
                        "column `{column}` does not exist in `{}.{}`",
                        view.schema, view.name
                    ),
                ));
            }
            match comment {
                Some(text) => view.comments.columns.insert(column, text),
                None => view.comments.columns.remove(&column),
            };
        }
    }
    context.commits()?;
    context.comment_view(view).await
}
