//! `MERGE`: one join says for each pair of rows which clause applies, and what it makes of them.

use std::sync::Arc;

use datafusion::arrow::array::{AsArray, BooleanArray, RecordBatch};
use datafusion::arrow::compute::filter_record_batch;
use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Int32Type};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Ident, Join, JoinConstraint, JoinOperator, Merge, MergeAction,
    MergeClauseKind, MergeInsertKind, Query, SelectItem, TableAlias, TableFactor, TableWithJoins,
    UnaryOperator, Value, With,
};
use futures::StreamExt;
use weir_access::{Action, Object};
use weir_lake::{FILE_COLUMN, Matched, ROW_COLUMN, Rewrite};

use super::authorize::authorize;
use super::change::{Named, assignments, found, named};
use super::context::{Context, assigned, lake_error, no_nulls, target};
use super::insert::column;
use super::names;
use super::{invalid, splice, unsupported};
use crate::catalog::Target;
use crate::error::{QueryError, QueryErrorKind, translate};
use crate::stream::Command;

/// Which clause applies to a pair of rows.
const CLAUSE: &str = "__weir_clause";
/// Set for rows that have a source.
const SOURCE: &str = "__weir_source";

/// What a clause does, and where its values are in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Nothing,
    Delete,
    Update { first: usize },
    Insert { first: usize },
}

struct Question {
    query: Query,
    does: Vec<Does>,
    columns: Vec<FieldRef>,
}

/// `MERGE INTO t USING s ON ... WHEN ...`.
pub(super) async fn merge(
    context: &Context,
    merge: Merge,
    with: Option<With>,
) -> Result<Command, QueryError> {
    let scope = context.now().await?;
    let named = named(&scope, &merge.table)?;
    let name = names::table_name(&named.schema, &named.table)?;
    context.writable(&scope, &named.schema, &named.table)?;
    let object = Object::Table {
        schema: &named.schema,
        table: &named.table,
    };
    for clause in &merge.clauses {
        let action = match &clause.action {
            MergeAction::Insert(_) => Action::Insert,
            MergeAction::Update(_) => Action::Update,
            MergeAction::Delete { .. } => Action::Delete,
        };
        authorize(context, action, &object)?;
    }
    let writer = context.writer(&name).await?;
    let Some(view) = writer.table().cloned() else {
        return Err(names::missing(&scope, &named.schema, &named.table));
    };
    let target = target(&view);
    let scope = context.changing(&view).await?;
    let Question {
        query,
        does,
        columns,
    } = question(merge, with, &named, &target)?;
    let plan = context.plan(&scope, query).await?;
    let plan = assigned(plan, &columns).map_err(|error| translate(error, &scope))?;

    let mut sink = writer.sink(&view.schema).map_err(lake_error)?;
    let (mut matched, mut inserted) = (Matched::default(), 0_u64);
    let mut updated = 0_u64;
    let work = async {
        let mut rows = context.rows(&scope, &plan).await?;
        while let Some(batch) = rows.next().await {
            let batch = batch.map_err(|error| translate(error, &scope))?;
            for (clause, does) in does.iter().enumerate() {
                let rows = applying(&batch, clause as i32)
                    .map_err(|error| translate(error.into(), &scope))?;
                if rows.num_rows() == 0 || *does == Does::Nothing {
                    continue;
                }
                if matches!(does, Does::Delete | Does::Update { .. }) {
                    let new = found(&rows, &mut matched);
                    if new.false_count() > 0 {
                        return Err(twice());
                    }
                }
                let first = match does {
                    Does::Update { first } => {
                        updated += rows.num_rows() as u64;
                        *first
                    }
                    Does::Insert { first } => {
                        inserted += rows.num_rows() as u64;
                        *first
                    }
                    Does::Nothing | Does::Delete => continue,
                };
                let places: Vec<usize> = (first..first + view.schema.fields().len()).collect();
                let rows = rows
                    .project(&places)
                    .map_err(|error| translate(error.into(), &scope))?;
                no_nulls(&rows, sink.schema(), &named.table)?;
                sink.write(&rows).await.map_err(lake_error)?;
            }
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
    let touched = matched.rows() + inserted;
    if touched > 0 {
        let rows = sink.finish().await.map_err(lake_error)?;
        context.commits()?;
        let receipt = context.receipt(&scope, updated + inserted, matched.rows());
        writer
            .rewrite(Rewrite::Merge, files, rows, receipt)
            .await
            .map_err(lake_error)?;
    }
    Ok(Command {
        tag: "MERGE",
        rows: Some(touched),
    })
}

fn twice() -> QueryError {
    QueryError::new(
        QueryErrorKind::Value,
        "MERGE cannot change a row a second time: more than one source row matches it",
    )
    .with_sqlstate("21000")
    .hint("make the source's rows unique by the condition, for example with DISTINCT ON")
}

/// Returns the rows a clause applies to.
fn applying(
    batch: &RecordBatch,
    clause: i32,
) -> Result<RecordBatch, datafusion::arrow::error::ArrowError> {
    let clauses = batch.column(2).as_primitive::<Int32Type>();
    let mask: BooleanArray = clauses.iter().map(|c| Some(c == Some(clause))).collect();
    filter_record_batch(batch, &mask)
}

/// Finds the parameters of a `MERGE`.
pub(super) async fn parameters(
    context: &Context,
    merge: Merge,
    with: Option<With>,
) -> Result<Vec<Option<DataType>>, QueryError> {
    let scope = context.now().await?;
    let named = named(&scope, &merge.table)?;
    let view = context.writable(&scope, &named.schema, &named.table)?;
    let target = target(&view);
    let question = question(merge, with, &named, &target)?;
    context.parameters(question.query, Some(&view)).await
}

fn question(
    merge: Merge,
    with: Option<With>,
    named: &Named,
    target: &Target,
) -> Result<Question, QueryError> {
    if merge.output.is_some() {
        return Err(unsupported("RETURNING").hint("ask for the rows with SELECT afterwards"));
    }
    let (source, source_alias) = marked(merge.source)?;
    let view = &target.view;
    let fields = view.schema.fields();
    let in_target = || not_null(splice::column(&named.alias, ROW_COLUMN));
    let in_source = || not_null(splice::column(&source_alias, SOURCE));

    let mut items = [FILE_COLUMN, ROW_COLUMN]
        .map(|name| splice::named(splice::column(&named.alias, name), name))
        .to_vec();
    let mut columns: Vec<FieldRef> = [
        (FILE_COLUMN, DataType::Int32),
        (ROW_COLUMN, DataType::Int64),
        (CLAUSE, DataType::Int32),
    ]
    .map(|(name, kind)| Arc::new(Field::new(name, kind, true)))
    .into();
    let mut values: Vec<SelectItem> = Vec::new();
    let mut conditions = Vec::new();
    let mut does = Vec::new();
    let (mut unmatched_target, mut unmatched_source) = (false, false);
    for (number, clause) in merge.clauses.into_iter().enumerate() {
        let kind = match clause.clause_kind {
            MergeClauseKind::Matched => and(in_target(), in_source()),
            MergeClauseKind::NotMatched | MergeClauseKind::NotMatchedByTarget => {
                unmatched_source = true;
                and(not(in_target()), in_source())
            }
            MergeClauseKind::NotMatchedBySource => {
                unmatched_target = true;
                and(in_target(), not(in_source()))
            }
        };
        let condition = match clause.predicate {
            Some(predicate) => and(kind, Expr::Nested(Box::new(predicate))),
            None => kind,
        };
        conditions.push(CaseWhen {
            condition,
            result: number_literal(number),
        });
        let first = columns.len();
        let row: Vec<Expr> = match clause.action {
            MergeAction::Delete { .. } => {
                does.push(Does::Delete);
                continue;
            }
            MergeAction::Update(update) => {
                if update.update_predicate.is_some() || update.delete_predicate.is_some() {
                    return Err(unsupported("WHERE inside UPDATE of MERGE")
                        .hint("put the condition into WHEN MATCHED AND ..."));
                }
                does.push(Does::Update { first });
                let new = assignments(update.assignments, view)?;
                new.into_iter()
                    .zip(fields)
                    .map(|(value, field)| {
                        value.unwrap_or_else(|| splice::column(&named.alias, field.name()))
                    })
                    .collect()
            }
            MergeAction::Insert(insert) => {
                if insert.insert_predicate.is_some() {
                    return Err(unsupported("WHERE inside INSERT of MERGE")
                        .hint("put the condition into WHEN NOT MATCHED AND ..."));
                }
                does.push(Does::Insert { first });
                let MergeInsertKind::Values(given) = insert.kind else {
                    return Err(unsupported("INSERT ROW"));
                };
                let [given] = <[_; 1]>::try_from(given.rows)
                    .map_err(|_| invalid("INSERT of MERGE takes one row of values"))?;
                let given = given.content;
                let places = match insert.columns.is_empty() {
                    true => (0..fields.len().min(given.len())).collect(),
                    false => insert
                        .columns
                        .iter()
                        .map(|name| column(view, name))
                        .collect::<Result<Vec<_>, _>>()?,
                };
                if places.len() != given.len() {
                    return Err(invalid(
                        "INSERT of MERGE has other than as many values as columns",
                    )
                    .with_sqlstate("42601"));
                }
                let mut row = vec![splice::null(); fields.len()];
                for (at, value) in places.into_iter().zip(given) {
                    row[at] = splice::value_for(value, fields[at].data_type());
                }
                row
            }
        };
        for (field, value) in fields.iter().zip(row) {
            let name = format!("{number}.{}", field.name());
            values.push(splice::named(value, &name));
            columns.push(Arc::new(field.as_ref().clone().with_name(name)));
        }
    }
    let clause = Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions,
        else_result: None,
    };
    items.push(splice::named(clause, CLAUSE));
    items.extend(values);

    let on = JoinConstraint::On(*merge.on);
    let join = Join {
        relation: splice::table(
            target.view.name.schema(),
            &target.name,
            Some(named.alias.clone()),
        ),
        global: false,
        join_operator: match (unmatched_source, unmatched_target) {
            (false, false) => JoinOperator::Inner(on),
            (true, false) => JoinOperator::LeftOuter(on),
            (false, true) => JoinOperator::RightOuter(on),
            (true, true) => JoinOperator::FullOuter(on),
        },
    };
    let from = TableWithJoins {
        relation: source,
        joins: vec![join],
    };
    let mut query = splice::select(items, vec![from], None)?;
    query.with = with;
    Ok(Question {
        query,
        does,
        columns,
    })
}

/// Returns the source with a column that tells its rows from none, and what it is called.
fn marked(source: TableFactor) -> Result<(TableFactor, Ident), QueryError> {
    let alias = match &source {
        TableFactor::Table {
            alias: Some(alias), ..
        }
        | TableFactor::Derived {
            alias: Some(alias), ..
        } => alias.name.clone(),
        TableFactor::Table {
            name, alias: None, ..
        } => {
            let parts = names::parts(name)?;
            names::quoted(parts.last().map(String::as_str).unwrap_or_default())
        }
        _ => return Err(invalid("the source of MERGE needs an alias")),
    };
    let everything = SelectItem::Wildcard(Default::default());
    let mark = splice::named(Expr::value(Value::Boolean(true)), SOURCE);
    let subquery = splice::select(vec![everything, mark], vec![splice::alone(source)], None)?;
    let factor = TableFactor::Derived {
        lateral: false,
        subquery: Box::new(subquery),
        alias: Some(TableAlias {
            explicit: true,
            name: alias.clone(),
            columns: Vec::new(),
            at: None,
        }),
        sample: None,
    };
    Ok((factor, alias))
}

fn number_literal(number: usize) -> Expr {
    Expr::value(Value::Number(number.to_string(), false))
}

fn not_null(expr: Expr) -> Expr {
    Expr::IsNotNull(Box::new(expr))
}

fn not(expr: Expr) -> Expr {
    Expr::UnaryOp {
        op: UnaryOperator::Not,
        expr: Box::new(Expr::Nested(Box::new(expr))),
    }
}

fn and(left: Expr, right: Expr) -> Expr {
    Expr::BinaryOp {
        left: Box::new(left),
        op: BinaryOperator::And,
        right: Box::new(right),
    }
}
