//! Where the columns of a plan come from.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema};
use datafusion::logical_expr::{Expr, LogicalPlan, Subquery};
use serde::Serialize;

use crate::functions::plain_name;
use crate::session::CATALOG;
use crate::travel::PINNED;

/// The columns one column of an answer is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ColumnLineage {
    pub column: String,
    pub sources: Vec<SourceColumn>,
}

/// A column of a table or view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct SourceColumn {
    /// As `schema.name`.
    pub relation: String,
    pub column: String,
    /// Whether the value is passed on as it is.
    pub unchanged: bool,
}

/// Columns of relations, and whether each is passed on as it is.
type Sources = BTreeMap<(String, String), bool>;

/// Returns where every column of a plan comes from.
pub(super) fn of(plan: &LogicalPlan) -> Vec<ColumnLineage> {
    let sources = outputs(plan);
    let fields = plan.schema().fields().iter();
    fields
        .zip(sources)
        .map(|(field, sources)| ColumnLineage {
            column: plain_name(field.name()).to_string(),
            sources: sources
                .into_iter()
                .map(|((relation, column), unchanged)| SourceColumn {
                    relation,
                    column,
                    unchanged,
                })
                .collect(),
        })
        .collect()
}

/// Returns the tables and views a plan names, those of subqueries included.
pub(crate) fn relations(plan: &LogicalPlan) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    // An error could come from the closure only, which makes none.
    let _ = plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            found.insert(relation(&scan.table_name.to_string()));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

/// Writes a relation's name without the database and quotes.
fn relation(name: &str) -> String {
    let name = name.replace('"', "");
    let prefix = format!("{CATALOG}.");
    let name = name.strip_prefix(&prefix).unwrap_or(&name);
    // Read as it was, it is the same relation.
    let (name, _) = name.split_once(PINNED).unwrap_or((name, ""));
    name.to_owned()
}

/// Returns the sources of each output column of a plan.
fn outputs(plan: &LogicalPlan) -> Vec<Sources> {
    match plan {
        LogicalPlan::TableScan(scan) => {
            let name = relation(&scan.table_name.to_string());
            let fields = plan.schema().fields().iter();
            fields
                .map(|field| Sources::from([((name.clone(), field.name().clone()), true)]))
                .collect()
        }
        LogicalPlan::Projection(projection) => {
            let input = outputs(&projection.input);
            let schema = projection.input.schema();
            let exprs = projection.expr.iter();
            exprs.map(|expr| sources(expr, schema, &input)).collect()
        }
        LogicalPlan::Aggregate(aggregate) => {
            let input = outputs(&aggregate.input);
            let schema = aggregate.input.schema();
            let exprs = aggregate.group_expr.iter().chain(&aggregate.aggr_expr);
            let mut out: Vec<Sources> = Vec::new();
            for expr in exprs {
                match expr {
                    Expr::GroupingSet(set) => {
                        let exprs = set.distinct_expr();
                        out.extend(exprs.into_iter().map(|e| sources(e, schema, &input)));
                    }
                    expr => out.push(sources(expr, schema, &input)),
                }
            }
            fitted(out, plan)
        }
        LogicalPlan::Window(window) => {
            let input = outputs(&window.input);
            let schema = window.input.schema();
            let added: Vec<Sources> = window
                .window_expr
                .iter()
                .map(|expr| sources(expr, schema, &input))
                .collect();
            input.into_iter().chain(added).collect()
        }
        LogicalPlan::Join(join) => {
            let sides = [&join.left, &join.right].map(|side| outputs(side));
            fitted(sides.concat(), plan)
        }
        LogicalPlan::Union(union) => {
            let mut inputs = union.inputs.iter().map(|input| outputs(input));
            let mut out = inputs.next().unwrap_or_default();
            for input in inputs {
                for (column, more) in out.iter_mut().zip(input) {
                    join(column, more, true);
                }
            }
            fitted(out, plan)
        }
        LogicalPlan::RecursiveQuery(query) => {
            let mut out = outputs(&query.static_term);
            for (column, more) in out.iter_mut().zip(outputs(&query.recursive_term)) {
                join(column, more, true);
            }
            fitted(out, plan)
        }
        LogicalPlan::Unnest(unnest) => {
            let input = outputs(&unnest.input);
            let at = |n: usize| unnest.dependency_indices.get(n).copied();
            (0..plan.schema().fields().len())
                .map(|n| {
                    at(n)
                        .and_then(|n| input.get(n))
                        .cloned()
                        .unwrap_or_default()
                })
                .map(changed)
                .collect()
        }
        // Rows come and go, columns stay: filters, sorts, limits, aliases, ...
        plan => match plan.inputs().as_slice() {
            [input] => fitted(outputs(input), plan),
            _ => vec![Sources::new(); plan.schema().fields().len()],
        },
    }
}

/// Makes as many columns of it as the plan has.
fn fitted(mut out: Vec<Sources>, plan: &LogicalPlan) -> Vec<Sources> {
    out.resize(plan.schema().fields().len(), Sources::new());
    out
}

fn join(into: &mut Sources, more: Sources, keep: bool) {
    for (source, unchanged) in more {
        let entry = into.entry(source).or_insert(unchanged && keep);
        *entry = *entry && unchanged && keep;
    }
}

fn changed(sources: Sources) -> Sources {
    sources.into_keys().map(|source| (source, false)).collect()
}

/// Returns the sources of a value.
fn sources(expr: &Expr, schema: &DFSchema, input: &[Sources]) -> Sources {
    match expr {
        Expr::Column(column) => of_column(column, schema, input),
        Expr::Alias(alias) => sources(&alias.expr, schema, input),
        expr => {
            let mut found = Sources::new();
            let _ = expr.apply(|part| {
                match part {
                    Expr::Column(column) => {
                        join(&mut found, of_column(column, schema, input), false)
                    }
                    Expr::ScalarSubquery(query) => join(&mut found, of_subquery(query), false),
                    Expr::InSubquery(test) => join(&mut found, of_subquery(&test.subquery), false),
                    Expr::Exists(test) => join(&mut found, of_subquery(&test.subquery), false),
                    _ => {}
                }
                Ok(TreeNodeRecursion::Continue)
            });
            found
        }
    }
}

fn of_column(column: &Column, schema: &DFSchema, input: &[Sources]) -> Sources {
    let at = schema.maybe_index_of_column(column);
    at.and_then(|at| input.get(at)).cloned().unwrap_or_default()
}

fn of_subquery(query: &Subquery) -> Sources {
    let mut all = Sources::new();
    for column in outputs(&query.subquery) {
        join(&mut all, column, false);
    }
    all
}
