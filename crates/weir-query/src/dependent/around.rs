//! The rows around a subquery, and the different values of them that it names.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, JoinType, NullEquality, Result};
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, Projection, SubqueryAlias, lit,
};

use super::{Numbers, known, shared};

/// What a subquery names of the rows around it.
pub(super) struct Around<'a> {
    pub(super) numbers: &'a Numbers,
    /// The columns it names.
    pub(super) columns: Vec<Column>,
    /// Their different values, one row each.
    values: Option<LogicalPlan>,
}

impl<'a> Around<'a> {
    /// Looks at the rows around `subquery`; returns them as they are to be read from now on.
    pub(super) fn of(
        rows: Arc<LogicalPlan>,
        subquery: &LogicalPlan,
        numbers: &'a Numbers,
    ) -> Result<(Self, Arc<LogicalPlan>)> {
        let mut columns = known::named(subquery)?;
        // What is farther out is for the subquery around this one.
        columns.retain(|column| rows.schema().has_column(column));
        if columns.is_empty() {
            let around = Self {
                numbers,
                columns,
                values: None,
            };
            return Ok((around, rows));
        }
        // They are read twice, which has to give the same rows twice.
        let rows = match reads_the_same(&rows)? {
            true => rows,
            false => Arc::new(shared::once(&rows, numbers)?),
        };
        let name = numbers.name("around");
        let exprs = columns
            .iter()
            .enumerate()
            .map(|(at, column)| Expr::Column(column.clone()).alias(format!("{name}_{at}")));
        let values = LogicalPlanBuilder::from(rows.clone())
            .project(exprs.collect::<Vec<_>>())?
            .distinct()?
            .build()?;
        let around = Self {
            numbers,
            columns,
            values: Some(values),
        };
        Ok((around, rows))
    }

    /// Returns how many columns the values have; they are the last of each plan that hands them on.
    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    /// Returns the values under a name of their own.
    pub(super) fn values(&self) -> Result<LogicalPlan> {
        let Some(values) = &self.values else {
            return LogicalPlanBuilder::empty(true).build();
        };
        let alias = SubqueryAlias::try_new(Arc::new(values.clone()), self.numbers.name("values"))?;
        Ok(LogicalPlan::SubqueryAlias(alias))
    }

    /// Whether a plan names one of the columns.
    pub(super) fn named_in(&self, plan: &LogicalPlan) -> Result<bool> {
        let named = known::named(plan)?;
        Ok(named.iter().any(|column| self.columns.contains(column)))
    }

    /// Returns the columns of a plan that hand the values on.
    pub(super) fn columns_of(&self, plan: &LogicalPlan) -> Vec<Column> {
        let fields = plan.schema().fields().len();
        let first = fields.saturating_sub(self.width());
        (first..fields)
            .map(|at| Column::from(plan.schema().qualified_field(at)))
            .collect()
    }

    /// Puts the columns that hand the values on in the place of what names them.
    pub(super) fn inside(&self, expr: Expr, values: &[Column]) -> Result<Expr> {
        expr.transform_up(|expr| {
            Ok(match &expr {
                Expr::OuterReferenceColumn(_, column) => {
                    match self.columns.iter().position(|one| one == column) {
                        Some(at) => Transformed::yes(Expr::Column(values[at].clone())),
                        None => Transformed::no(expr),
                    }
                }
                _ => Transformed::no(expr),
            })
        })
        .data()
    }

    /// Does so with many.
    pub(super) fn all_inside(&self, exprs: &[Expr], values: &[Column]) -> Result<Vec<Expr>> {
        let exprs = exprs.iter().cloned();
        exprs.map(|expr| self.inside(expr, values)).collect()
    }

    /// Joins the rows around with what was found for their values, which stand last in `found`.
    pub(super) fn join(
        &self,
        rows: Arc<LogicalPlan>,
        found: LogicalPlan,
        kind: JoinType,
        filter: Option<Expr>,
    ) -> Result<LogicalPlan> {
        let values = self.columns_of(&found);
        let rows = LogicalPlanBuilder::from(rows);
        if values.is_empty() {
            let always = filter.unwrap_or_else(|| lit(true));
            return rows.join_on(found, kind, Some(always))?.build();
        }
        let keys = (self.columns.clone(), values);
        rows.join_detailed(found, kind, keys, filter, NullEquality::NullEqualsNull)?
            .build()
    }
}

/// Takes columns of a plan by their places, under the names they had.
pub(super) fn shaped(
    plan: LogicalPlan,
    own: impl IntoIterator<Item = usize>,
    values: impl IntoIterator<Item = usize>,
    names: &DFSchema,
) -> Result<LogicalPlan> {
    let mut exprs = Vec::new();
    for (place, at) in own.into_iter().enumerate() {
        let column = Column::from(plan.schema().qualified_field(at));
        let (relation, field) = names.qualified_field(place);
        exprs.push(
            match column.relation.as_ref() == relation && column.name == *field.name() {
                true => Expr::Column(column),
                false => Expr::Column(column).alias_qualified(relation.cloned(), field.name()),
            },
        );
    }
    for at in values {
        exprs.push(Expr::Column(Column::from(
            plan.schema().qualified_field(at),
        )));
    }
    Projection::try_new(exprs, Arc::new(plan)).map(LogicalPlan::Projection)
}

/// Whether a plan is made of what gives the same rows each time it is read, and quickly so.
fn reads_the_same(plan: &LogicalPlan) -> Result<bool> {
    let mut same = true;
    plan.apply_with_subqueries(|node| {
        same &= matches!(
            node,
            LogicalPlan::TableScan(_)
                | LogicalPlan::SubqueryAlias(_)
                | LogicalPlan::Projection(_)
                | LogicalPlan::Filter(_)
                | LogicalPlan::EmptyRelation(_)
                | LogicalPlan::Values(_)
                | LogicalPlan::Join(_)
                | LogicalPlan::Unnest(_)
                | LogicalPlan::Union(_)
        );
        node.apply_expressions(|expr| {
            same &= !expr.is_volatile();
            Ok(TreeNodeRecursion::Continue)
        })?;
        Ok(match same {
            true => TreeNodeRecursion::Continue,
            false => TreeNodeRecursion::Stop,
        })
    })?;
    Ok(same)
}
