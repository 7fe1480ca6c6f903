use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use datafusion::arrow::datatypes::{Field, Schema};
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::sqlparser::ast::{
    ColumnDef, ColumnOption, CreateTable, CreateView, DataType as SqlType, Ident, Query,
    SchemaName, SelectItem, TableAlias, TableAliasColumnDef, TableConstraint, TableFactor,
};
use weir_access::{Action, Object};
use weir_catalog::View;

use super::authorize::{actor, authorize};
use super::checked;
use super::circle;
use super::context::{Context, assigned, catalog_error, lake_error};
use super::names::{self, normal, quoted, taken};
use super::qualify::{names_in, qualify};
use super::{invalid, splice, unsupported};
use crate::catalog::{Kind, Scope};
use crate::error::{QueryError, translate};
use crate::functions::plain_name;
use crate::functions::rewrite::float;
use crate::stream::Command;
use crate::transaction::Transaction;

/// `CREATE SCHEMA`.
pub(super) async fn schema(
    context: &Context,
    name: &SchemaName,
    if_not_exists: bool,
) -> Result<Command, QueryError> {
    let done = Command {
        tag: "CREATE SCHEMA",
        rows: None,
    };
    let name = match name {
        SchemaName::Simple(name) | SchemaName::NamedAuthorization(name, _) => {
            let (catalog, name) = names::split(name)?;
            if catalog.is_some_and(|catalog| catalog != crate::session::CATALOG) {
                return Err(invalid("a schema lies in the database `weir`"));
            }
            name
        }
        SchemaName::UnnamedAuthorization(user) => normal(user),
    };
    let scope = context.now().await?;
    if context.schema_exists(&scope, &name) {
        if if_not_exists {
            return Ok(done);
        }
        return Err(invalid(format!("schema `{name}` exists")).with_sqlstate("42P06"));
    }
    authorize(context, Action::Create, &Object::Server)?;
    context.commits()?;
    context
        .parts
        .catalog
        .create_schema(&actor(context), &name)
        .await
        .map_err(catalog_error)?;
    Ok(done)
}

/// `CREATE [OR REPLACE] TABLE t (columns) | AS SELECT ...`.
pub(super) async fn table(context: &Context, create: CreateTable) -> Result<Command, QueryError> {
    refuse(&create)?;
    let scope = context.now().await?;
    let (schema, table) = names::new(context, &scope, &create.name)?;
    let name = names::table_name(&schema, &table)?;
    authorize(context, Action::Create, &Object::Schema(&schema))?;
    let is_query = create.query.is_some();
    let tag = if is_query { "SELECT" } else { "CREATE TABLE" };
    match free(&scope, &schema, &table)? {
        Found::Nothing => {}
        Found::Table if create.or_replace => {
            let object = Object::Table {
                schema: &schema,
                table: &table,
            };
            authorize(context, Action::Drop, &object)?;
        }
        Found::Table | Found::View if create.if_not_exists => {
            return Ok(Command {
                tag: "CREATE TABLE",
                rows: None,
            });
        }
        Found::Table => return Err(taken("table", &schema, &table)),
        Found::View => return Err(taken("view", &schema, &table)),
    }
    let lake = &context.parts.lake;
    let declared: HashMap<String, String> = create
        .columns
        .iter()
        .filter_map(|column| Some((normal(&column.name), checked::word(&column.data_type)?)))
        .collect();
    let (query, required) = match create.query {
        Some(query) => (*query, HashSet::new()),
        None => defined(create.columns.clone(), &create.constraints)?,
    };
    let plan = context.plan(&scope, query).await?;
    let plan = match is_query && !create.columns.is_empty() {
        true => renamed(plan, &create.columns).map_err(|error| translate(error, &scope))??,
        false => plan,
    };
    let columns = columns(&plan, &required, &declared)?;
    let mut sink = lake.row_sink(&name, &columns).map_err(lake_error)?;
    let rows = match is_query {
        true => {
            let plan = crate::plan::presentable(plan).map_err(|error| translate(error, &scope))?;
            context.pour(&scope, &plan, &mut sink, &table).await
        }
        false => Ok(()),
    };
    if let Err(error) = rows {
        sink.abandon().await;
        return Err(error);
    }
    let rows = sink.finish().await.map_err(lake_error)?;
    let writer = context.writer(&name).await?;
    if writer.table().is_some() && !create.or_replace {
        return match create.if_not_exists {
            true => Ok(Command {
                tag: "CREATE TABLE",
                rows: None,
            }),
            false => Err(taken("table", &schema, &table)),
        };
    }
    context.commits()?;
    let added = rows.rows;
    let removed = writer.table().map_or(0, |table| table.rows());
    let receipt = context.receipt(&scope, added, removed);
    writer.replace(rows, receipt).await.map_err(lake_error)?;
    context.created(&schema, &table).await?;
    Ok(Command {
        tag,
        rows: is_query.then_some(added),
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Nothing,
    Table,
    View,
}

/// Looks what a name is taken by.
fn free(scope: &Scope, schema: &str, table: &str) -> Result<Found, QueryError> {
    match scope.kind(schema, table) {
        None => Ok(Found::Nothing),
        Some(Kind::Table) => Ok(Found::Table),
        Some(Kind::View) => Ok(Found::View),
        Some(Kind::System) => Err(taken("table", schema, table)),
    }
}

/// Refuses what a table cannot be, instead of leaving it out in silence.
fn refuse(create: &CreateTable) -> Result<(), QueryError> {
    if create.temporary || create.global.is_some() || create.on_commit.is_some() {
        return Err(unsupported("a temporary table")
            .hint("CREATE TABLE in your own schema, and DROP TABLE when done"));
    }
    if create.external || create.location.is_some() || create.file_format.is_some() {
        return Err(unsupported("CREATE EXTERNAL TABLE")
            .hint("rows come in through sources, or with INSERT"));
    }
    if create.like.is_some() || create.clone.is_some() {
        return Err(
            unsupported("CREATE TABLE LIKE").hint("CREATE TABLE new AS SELECT * FROM old LIMIT 0")
        );
    }
    if create.partition_by.is_some() || create.inherits.is_some() || create.partition_of.is_some() {
        return Err(unsupported("a partitioned or inherited table")
            .hint("leave it out: files are pruned by their statistics"));
    }
    Ok(())
}

/// Returns a question that gives the columns of a definition and no row, and which of them must
/// have a value.
fn defined(
    columns: Vec<ColumnDef>,
    constraints: &[TableConstraint],
) -> Result<(Query, HashSet<String>), QueryError> {
    if let Some(constraint) = constraints.first() {
        return Err(constraint_error(&constraint.to_string()));
    }
    if columns.is_empty() {
        return Err(invalid("a table needs a column"));
    }
    let mut required = HashSet::new();
    let mut seen = HashSet::new();
    let mut items = Vec::with_capacity(columns.len());
    for column in columns {
        let name = normal(&column.name);
        if !seen.insert(name.clone()) {
            return Err(invalid(format!("column `{name}` is there twice")).with_sqlstate("42701"));
        }
        for option in &column.options {
            match &option.option {
                ColumnOption::Null => {}
                ColumnOption::NotNull => {
                    required.insert(name.clone());
                }
                ColumnOption::Default(expr) if expr.to_string().eq_ignore_ascii_case("null") => {}
                ColumnOption::Default(_) => {
                    return Err(unsupported("DEFAULT").hint("name the value in INSERT"));
                }
                ColumnOption::Comment(_) => {
                    return Err(
                        unsupported("COMMENT in CREATE TABLE").hint("use COMMENT ON COLUMN")
                    );
                }
                other => return Err(constraint_error(&other.to_string())),
            }
        }
        items.push(splice::typed_null(plain(column.data_type)?, &name));
    }
    Ok((splice::select(items, Vec::new(), None)?, required))
}

fn constraint_error(text: &str) -> QueryError {
    unsupported(&format!("the constraint {text}"))
        .hint("only NOT NULL is enforced; leave the others out, and test for them in queries")
}

/// Refuses types that stand for more than values, and names the others as the engine does.
pub(super) fn plain(data_type: SqlType) -> Result<SqlType, QueryError> {
    if let SqlType::Custom(name, _) = &data_type {
        let name = name.to_string().to_lowercase();
        if name.contains("serial") {
            return Err(unsupported(&format!("the type {name}"))
                .hint("use bigint, and row_number() or gen_random_uuid() for values"));
        }
    }
    Ok(match data_type {
        SqlType::Float(precision) => float(&precision),
        // The engine knows the short name only.
        SqlType::CharacterVarying(length) | SqlType::CharVarying(length) => {
            SqlType::Varchar(length)
        }
        other => other,
    })
}

/// Returns the columns a plan's rows are stored as.
fn columns(
    plan: &LogicalPlan,
    required: &HashSet<String>,
    declared: &HashMap<String, String>,
) -> Result<Schema, QueryError> {
    let mut seen = HashSet::new();
    let mut fields = Vec::new();
    for field in plan.schema().fields() {
        let name = plain_name(field.name());
        if !seen.insert(name) {
            return Err(invalid(format!("two columns would be called `{name}`"))
                .with_sqlstate("42701")
                .hint("give one of them another name with AS"));
        }
        let kind = match *field.data_type() == *datafusion_functions_json::JSON_UNION_DATA_TYPE {
            true => datafusion::arrow::datatypes::DataType::Utf8,
            false => field.data_type().clone(),
        };
        let field = Field::new(name, kind, !required.contains(name));
        fields.push(checked::declared(
            field,
            declared.get(name).map(String::as_str),
        ));
    }
    Ok(Schema::new(fields))
}

/// Gives the columns of a question the names listed after the table's.
fn renamed(
    plan: LogicalPlan,
    columns: &[ColumnDef],
) -> datafusion::common::Result<Result<LogicalPlan, QueryError>> {
    let given = plan.schema().fields().len();
    if columns.len() > given {
        return Ok(Err(invalid(
            "more names are listed than the query has columns",
        )
        .with_sqlstate("42601")));
    }
    let names: Vec<_> = plan
        .schema()
        .fields()
        .iter()
        .enumerate()
        .map(|(at, field)| match columns.get(at) {
            Some(column) => Arc::new(field.as_ref().clone().with_name(normal(&column.name))),
            None => field.clone(),
        })
        .collect();
    assigned(plan, &names).map(Ok)
}

/// `CREATE [OR REPLACE] VIEW v [(columns)] AS SELECT ...`.
pub(super) async fn view(context: &Context, create: CreateView) -> Result<Command, QueryError> {
    let done = Command {
        tag: "CREATE VIEW",
        rows: None,
    };
    if create.temporary {
        return Err(unsupported("a temporary view").hint("use WITH, or a view in your own schema"));
    }
    if create.materialized {
        return Err(unsupported("a materialized view")
            .hint("CREATE OR REPLACE TABLE ... AS SELECT ... whenever it is to be refreshed"));
    }
    if !context.clauses.is_empty() {
        return Err(unsupported("FOR ... AS OF in a view")
            .hint("keep the old rows with CREATE TABLE ... AS SELECT ..."));
    }
    if !context.params.is_empty() {
        return Err(invalid("a view takes no parameters"));
    }
    let scope = context.now().await?.columns_only();
    let (schema, name) = names::new(context, &scope, &create.name)?;
    names::table_name(&schema, &name)?;
    authorize(context, Action::Create, &Object::Schema(&schema))?;
    let found = free(&scope, &schema, &name)?;
    match found {
        Found::Nothing => {}
        Found::View if create.or_replace => {
            let object = Object::Table {
                schema: &schema,
                table: &name,
            };
            authorize(context, Action::Drop, &object)?;
        }
        Found::Table | Found::View if create.if_not_exists => return Ok(done),
        Found::View => return Err(taken("view", &schema, &name)),
        Found::Table => return Err(taken("table", &schema, &name)),
    }
    let mut query = *create.query;
    qualify(&scope, &mut query);
    if !create.columns.is_empty() {
        let columns = create
            .columns
            .into_iter()
            .map(|column| column.name)
            .collect();
        query = relabelled(query, quoted(&name), columns)?;
    }
    // What reads a name that is nothing cannot be planned.
    if found == Found::View && circle::reads(&scope, &query, &schema, &name) {
        return Err(invalid(format!("view {schema}.{name} would read itself"))
            .hint("keep what it reads now under another name, and read that"));
    }
    let transaction = context.request.transaction.as_ref();
    let since = transaction.map(Transaction::remembered);
    // It must mean something now; what it reads may change later.
    let shown = match context.parts.found.take(&scope, &query).await {
        Some(columns) => columns,
        None => {
            let plan = context.plan(&scope, query.clone()).await?;
            columns(&plan, &HashSet::new(), &HashMap::new())?;
            Arc::new(plan.schema().as_arrow().clone())
        }
    };
    context.commits()?;
    let view = View {
        schema: schema.clone(),
        name: name.clone(),
        sql: query.to_string(),
        // As in Postgres, another query does not change what is said about the view.
        comments: scope
            .view(&schema, &name)
            .map(|old| old.comments)
            .unwrap_or_default(),
        ..View::default()
    };
    context.put_view(view).await?;
    context.created(&schema, &name).await?;
    if let (Some(transaction), Some(since)) = (transaction, since) {
        let names = names_in(&query);
        transaction.remember(&scope, (&schema, &name), shown, names, since);
    }
    Ok(done)
}

/// Returns `SELECT * FROM (query) AS name (columns)`.
fn relabelled(query: Query, name: Ident, columns: Vec<Ident>) -> Result<Query, QueryError> {
    let factor = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(query),
        alias: Some(TableAlias {
            explicit: true,
            name,
            columns: columns
                .into_iter()
                .map(|name| TableAliasColumnDef {
                    name,
                    data_type: None,
                })
                .collect(),
            at: None,
        }),
        sample: None,
    };
    let everything = vec![SelectItem::Wildcard(Default::default())];
    splice::select(everything, vec![splice::alone(factor)], None)
}
