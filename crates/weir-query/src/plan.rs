//! From text to a physical plan: everything that happens before the first row is read.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::arrow::array::{RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::config::ConfigNonZeroUsize;
use datafusion::common::{Column, ScalarValue};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::context::SQLOptions;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::Statement as Sql;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use datafusion_functions_json::{JSON_UNION_DATA_TYPE, udfs};

use crate::catalog::{Asker, Instant, Pinned, Scope, Target};
use crate::constants;
use crate::engine::{Parts, QueryRequest};
use crate::error::{Names, QueryError, QueryErrorKind, translate};
use crate::functions;
use crate::guard;
use crate::logical;
use crate::params;
use crate::past;
use crate::registry::Reads;
use crate::secured;
use crate::statement;
use crate::stream::{Description, PinnedVersion};
use crate::system::pg_catalog;
use crate::travel::{self, Clause, PastTable};
use crate::types::type_name;
use crate::write;
use crate::yielding;

/// The most parameters a statement may take, as in Postgres' protocol.
const MAX_PARAMETERS: usize = 65_535;

/// A query ready to run.
pub(crate) struct Planned {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    /// What it was made of.
    pub(crate) logical: LogicalPlan,
    pub(crate) reads: Reads,
    pub(crate) state: SessionState,
    pub(crate) versions: BTreeMap<String, PinnedVersion>,
    pub(crate) scope: Scope,
}

/// A statement planned, with its parameters still open.
struct Logical {
    plan: LogicalPlan,
    scope: Scope,
}

/// Plans one request against `view`.
pub(crate) async fn plan(
    parts: &Parts,
    request: &QueryRequest,
    read: Read,
    instant: Instant,
) -> Result<Planned, QueryError> {
    let params = params::bind(&request.params)?;
    let Logical { plan, scope } = logical(parts, request, read, &params, instant).await?;
    let fail = |error| translate(error, &scope);
    let plan = with_params(plan, params, &scope)?;
    let plan = presentable(plan).map_err(fail)?;
    let mut state = scope.state();
    let logical = state.optimize(&plan).map_err(fail)?;
    let (plan, reads) = physical(&mut state, &logical).await.map_err(fail)?;
    Ok(Planned {
        plan,
        logical,
        reads,
        state,
        versions: scope.pinned.used(),
        scope,
    })
}

/// Makes a plan that can be run of an optimised one, and finds what it reads.
///
/// The session is left with batches as small as the plan's constants need.
pub(crate) async fn physical(
    state: &mut SessionState,
    plan: &LogicalPlan,
) -> datafusion::common::Result<(Arc<dyn ExecutionPlan>, Reads)> {
    let reads = Reads::of(plan)?;
    let usual = state.config().batch_size();
    let rows = constants::batch_rows(plan, usual)?;
    if rows < usual {
        let options = state.config_mut().options_mut();
        options.execution.batch_size = ConfigNonZeroUsize::try_new(rows)?;
    }
    let planner = state.query_planner().clone();
    let plan = planner.create_physical_plan(plan, state).await?;
    let plan = match rows < usual {
        true => yielding::in_small_batches(plan)?,
        false => plan,
    };
    Ok((plan, reads))
}

/// Finds what a request would answer.
pub(crate) async fn describe(
    parts: &Arc<Parts>,
    request: &QueryRequest,
    instant: Instant,
) -> Result<Description, QueryError> {
    let params = params::bind(&request.params)?;
    let read = read(parts, request)?;
    if write::writes(&read.statement) {
        return Box::pin(write::describe(parts, request, read)).await;
    }
    let Logical { plan, scope } = logical(parts, request, read, &params, instant).await?;
    let fail = |error| translate(error, &scope);
    let parameters = parameter_types(&plan, &params, &scope)?;
    // What is still open answers as text would.
    let typed = parameters
        .iter()
        .map(|kind| ScalarValue::try_from(kind.as_ref().unwrap_or(&DataType::Utf8)))
        .collect::<datafusion::common::Result<Vec<_>>>()
        .map_err(fail)?;
    let plan = match plan.get_parameter_names().map_err(fail)?.is_empty() {
        true => plan,
        false => plan
            .with_param_values(params::values(typed))
            .map_err(fail)?,
    };
    let schema = presentable(plan).map_err(fail)?.schema().inner().clone();
    let schema = functions::unmarked(&schema).unwrap_or(schema);
    Ok(Description {
        schema: Some(schema),
        parameters,
    })
}

/// Finds the types of the parameters a plan takes; those that are given count as typed.
pub(crate) fn parameter_types(
    plan: &LogicalPlan,
    params: &[ScalarValue],
    names: &dyn Names,
) -> Result<Vec<Option<DataType>>, QueryError> {
    let types = plan
        .get_parameter_types()
        .map_err(|error| translate(error, names))?;
    let casts = params::casts(plan).map_err(|error| translate(error, names))?;
    let number = |name: &str| name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
    let mut parameters: Vec<Option<DataType>> = params
        .iter()
        .map(|value| (!value.data_type().is_null()).then(|| value.data_type()))
        .collect();
    for (name, kind) in types {
        let Some(at) = number(&name).filter(|n| (1..=MAX_PARAMETERS).contains(n)) else {
            return Err(missing_parameter(&name));
        };
        if parameters.len() < at {
            parameters.resize(at, None);
        }
        let place = &mut parameters[at - 1];
        *place = place.take().or(kind).or_else(|| casts.get(&name).cloned());
    }
    Ok(parameters)
}

/// A statement as it was read, nothing in it looked up yet.
pub(crate) struct Read {
    pub(crate) statement: Statement,
    pub(crate) clauses: Vec<Clause>,
    pub(crate) past: Vec<PastTable>,
}

/// Reads the text of a request.
pub(crate) fn read(parts: &Parts, request: &QueryRequest) -> Result<Read, QueryError> {
    let tokens = guard::tokens(&request.sql, &parts.options)?;
    all_used(&tokens, request.params.len())?;
    let (tokens, clauses) = travel::cut(tokens)?;
    let mut statement = statement::parse(tokens)?;
    if write::writes(&statement) && request.read_only {
        return Err(QueryError::new(
            QueryErrorKind::ReadOnly,
            "cannot write in a read-only transaction or request",
        )
        .hint("over HTTP, writing takes a POST"));
    }
    if !write::writes(&statement) {
        statement::check(&statement)?;
    }
    functions::rewrite::rewrite(&mut statement)?;
    pg_catalog::rewrite::rewrite(&mut statement, &params::bind(&request.params)?);
    let past = travel::rename(&mut statement, &clauses)?;
    Ok(Read {
        statement,
        clauses,
        past,
    })
}

/// Refuses values for parameters that the statement does not have.
fn all_used(tokens: &[TokenWithSpan], given: usize) -> Result<(), QueryError> {
    let numbers = tokens.iter().filter_map(|token| match &token.token {
        Token::Placeholder(name) => name.strip_prefix('$')?.parse::<usize>().ok(),
        _ => None,
    });
    let used = numbers.max().unwrap_or(0);
    if given <= used {
        return Ok(());
    }
    Err(QueryError::new(
        QueryErrorKind::Parameter,
        format!("the statement takes {used} parameters, and {given} are given"),
    )
    .hint("$1 stands for the first of them"))
}

/// Returns what names mean in a statement, as of `instant`; `target` is the table it writes.
pub(crate) async fn scope(
    parts: &Parts,
    request: &QueryRequest,
    mut instant: Instant,
    (clauses, past): (&[Clause], &[PastTable]),
    params: &[ScalarValue],
    target: Option<Target>,
) -> Result<Scope, QueryError> {
    let asker = Asker {
        caller: request.caller.clone(),
        settings: request.settings.clone(),
    };
    let published = instant.clone();
    if let Some(transaction) = &request.transaction {
        instant.view = transaction.over(&instant.view);
    }
    let past = past::resolve(parts, request, &published, clauses, past.to_vec(), params).await?;
    let mut pinned = Pinned::new(parts, asker, past, instant)?;
    pinned.target = target;
    pinned.transaction = request.transaction.clone();
    Ok(Scope::new(pinned))
}

/// Turns a request into a logical plan, every name in it resolved.
async fn logical(
    parts: &Parts,
    request: &QueryRequest,
    read: Read,
    params: &[ScalarValue],
    instant: Instant,
) -> Result<Logical, QueryError> {
    let Read {
        statement,
        clauses,
        past,
    } = read;
    let scope = scope(parts, request, instant, (&clauses, &past), params, None).await?;
    let plan = question(&scope, statement).await?;
    Ok(Logical { plan, scope })
}

/// Returns a question that is not going to be run, and what its names mean over relations that are yet to be made.
pub(crate) async fn unrun(
    parts: &Parts,
    request: &QueryRequest,
    read: Read,
    planned: Arc<crate::check::Planned>,
) -> Result<(Statement, Scope), QueryError> {
    if write::writes(&read.statement) {
        return Err(QueryError::new(QueryErrorKind::ReadOnly, "not a query")
            .hint("a check takes SELECT statements"));
    }
    let instant = parts.instant().await;
    let past = past::resolve(parts, request, &instant, &read.clauses, read.past, &[]).await?;
    let mut pinned = Pinned::new(parts, asker(request), past, instant)?;
    pinned.planned = Some(planned);
    Ok((read.statement, Scope::new(pinned)))
}

/// Returns what a request finds, over relations that are yet to be made where there are some.
pub(crate) async fn scope_of(
    parts: &Parts,
    request: &QueryRequest,
    planned: Option<Arc<crate::check::Planned>>,
) -> Result<Scope, QueryError> {
    let instant = parts.instant().await;
    let past = past::resolve(parts, request, &instant, &[], Vec::new(), &[]).await?;
    let mut pinned = Pinned::new(parts, asker(request), past, instant)?;
    pinned.planned = planned;
    Ok(Scope::new(pinned))
}

fn asker(request: &QueryRequest) -> Asker {
    Asker {
        caller: request.caller.clone(),
        settings: request.settings.clone(),
    }
}

/// Plans a statement that asks, and makes sure that it does nothing else.
pub(crate) async fn question(
    scope: &Scope,
    statement: Statement,
) -> Result<LogicalPlan, QueryError> {
    let plan = logical::plan(scope, listed(statement)?)
        .await
        .map_err(|error| translate(error, scope))?;
    // The statement was checked by kind already; this holds for whatever the planner made of it.
    SQLOptions::new()
        .with_allow_ddl(false)
        .with_allow_dml(false)
        .with_allow_statements(false)
        .verify_plan(&plan)
        .map_err(|error| {
            QueryError::new(QueryErrorKind::ReadOnly, "queries only read").caused_by(error)
        })?;
    secured::verify(&plan)?;
    Ok(plan)
}

pub(crate) fn missing_parameter(name: &str) -> QueryError {
    QueryError::new(
        QueryErrorKind::Parameter,
        format!("parameter {name} has no value"),
    )
    .hint("pass the values in order, as \"params\": [...]")
}

/// Puts the parameters' values in; each use must have a value.
pub(crate) fn with_params(
    plan: LogicalPlan,
    params: Vec<ScalarValue>,
    names: &dyn Names,
) -> Result<LogicalPlan, QueryError> {
    let used = plan
        .get_parameter_names()
        .map_err(|error| translate(error, names))?;
    for name in &used {
        let number = name.strip_prefix('$').and_then(|n| n.parse::<usize>().ok());
        if !number.is_some_and(|number| (1..=params.len()).contains(&number)) {
            return Err(missing_parameter(name));
        }
    }
    if used.is_empty() {
        return Ok(plan);
    }
    let types = plan
        .get_parameter_types()
        .map_err(|error| translate(error, names))?;
    let casts = params::casts(&plan).map_err(|error| translate(error, names))?;
    let params = params::typed(params, &types, &casts)?;
    plan.with_param_values(params::values(params))
        .map_err(|error| translate(error, names))
}

/// Replaces `SHOW TABLES` and `SHOW SCHEMAS`, which the engine answers with its own tables mixed
/// in or not at all.
fn listed(statement: Statement) -> Result<Statement, QueryError> {
    let sql = match &statement {
        Statement::Statement(sql) => match sql.as_ref() {
            Sql::ShowTables { .. } => {
                "SELECT table_schema AS schema, table_name AS name, table_type AS kind \
                 FROM information_schema.tables WHERE table_schema NOT IN ('information_schema', 'pg_catalog') ORDER BY 1, 2"
            }
            Sql::ShowSchemas { .. } => {
                "SELECT schema_name AS schema FROM information_schema.schemata ORDER BY 1"
            }
            Sql::ShowVariable { variable } if matches!(variable.as_slice(), [name] if name.value.eq_ignore_ascii_case("all")) => {
                "SELECT name, setting, short_desc AS description FROM pg_catalog.pg_settings ORDER BY 1"
            }
            _ => return Ok(statement),
        },
        _ => return Ok(statement),
    };
    statement::parse(guard::tokens(sql, &crate::EngineOptions::default())?)
}

/// Gives the result the types people and programs can read.
pub(crate) fn presentable(plan: LogicalPlan) -> datafusion::common::Result<LogicalPlan> {
    if let LogicalPlan::DescribeTable(describe) = &plan {
        return described(&describe.schema);
    }
    let is_json = |kind: &DataType| *kind == *JSON_UNION_DATA_TYPE;
    let changes = |kind: &DataType| is_json(kind) || signed(kind).is_some();
    if !plan
        .schema()
        .fields()
        .iter()
        .any(|field| changes(field.data_type()))
    {
        return Ok(plan);
    }
    // `raw -> 'a'` gives the engine's own union of JSON's types: fine inside, text outside. Numbers
    // without a sign are nothing Postgres has.
    let columns: Vec<Expr> = plan
        .schema()
        .iter()
        .map(|(qualifier, field)| {
            let column = Expr::Column(Column::new(qualifier.cloned(), field.name()));
            if is_json(field.data_type()) {
                udfs::json_union_to_text_udf()
                    .call(vec![column])
                    .alias(field.name())
            } else if let Some(signed) = signed(field.data_type()) {
                cast(column, signed).alias(field.name())
            } else {
                column
            }
        })
        .collect();
    LogicalPlanBuilder::from(plan).project(columns)?.build()
}

/// Returns the type with a sign that a number without one is shown as.
fn signed(kind: &DataType) -> Option<DataType> {
    Some(match kind {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        _ => return None,
    })
}

/// Returns the answer to `DESCRIBE`, with SQL's names of types.
fn described(schema: &Schema) -> datafusion::common::Result<LogicalPlan> {
    let fields = ["column_name", "data_type", "is_nullable"]
        .map(|name| Field::new(name, DataType::Utf8, false));
    let answer: SchemaRef = Arc::new(Schema::new(fields.to_vec()));
    let columns = || schema.fields().iter();
    let batch = RecordBatch::try_new(
        answer.clone(),
        vec![
            Arc::new(
                columns()
                    .map(|f| Some(f.name().as_str()))
                    .collect::<StringArray>(),
            ),
            Arc::new(
                columns()
                    .map(|f| Some(type_name(f.data_type())))
                    .collect::<StringArray>(),
            ),
            Arc::new(
                columns()
                    .map(|f| Some(if f.is_nullable() { "YES" } else { "NO" }))
                    .collect::<StringArray>(),
            ),
        ],
    )?;
    let table = MemTable::try_new(answer, vec![vec![batch]])?;
    LogicalPlanBuilder::scan("columns", provider_as_source(Arc::new(table)), None)?.build()
}
