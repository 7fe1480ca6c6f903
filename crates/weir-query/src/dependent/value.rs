//! Subqueries in expressions: the one value, `EXISTS`, `IN`, `= ANY` and `> ALL`.

use std::sync::Arc;

use datafusion::arrow::array::Array;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::cast::as_int64_array;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, JoinType, Result, ScalarValue};
use datafusion::functions_aggregate::expr_fn::{bool_and, bool_or, count, first_value};
use datafusion::logical_expr::expr::{
    BinaryExpr, Exists, InSubquery, SetComparison, SetQuantifier,
};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::{
    Aggregate, ColumnarValue, Expr, ExprSchemable, Filter, LogicalPlan, LogicalPlanBuilder,
    Operator, Projection, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, SortExpr,
    SubqueryAlias, Volatility, binary_expr, lit, when,
};

use super::around::{Around, shaped};
use super::{Numbers, known, push};
use crate::error::{QueryError, QueryErrorKind};

/// Joins what an operator reads with the answers of the subqueries in its expressions.
pub(super) fn joined(plan: LogicalPlan, numbers: &Numbers) -> Result<Transformed<LogicalPlan>> {
    if !has_subquery(&plan)? {
        return Ok(Transformed::no(plan));
    }
    let Some(input) = plan
        .inputs()
        .first()
        .map(|input| Arc::new((*input).clone()))
    else {
        return Ok(Transformed::no(plan));
    };
    let before = input.schema().fields().len();
    let rows = match &plan {
        LogicalPlan::Sort(sort) => widened(&sort.expr, input)?,
        _ => input,
    };
    let mut place = Place {
        kind: Kind::of(&plan),
        rows,
        changed: false,
        numbers,
    };
    let names = NamePreserver::new(&plan);
    let exprs = plan.expressions().into_iter();
    let exprs = exprs
        .map(|expr| {
            let name = names.save(&expr);
            let new = match place.kind {
                Kind::Condition => place.condition(expr, true)?,
                _ => place.value(expr)?,
            };
            Ok(match place.kind {
                Kind::Sorted => new,
                _ => name.restore(new),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    if !place.changed {
        return Ok(Transformed::no(plan));
    }
    let schema = plan.schema().clone();
    let added = place.rows.schema().fields().len() - before;
    let plan = plan.with_new_exprs(exprs, vec![Arc::unwrap_or_clone(place.rows)])?;
    let fields = plan.schema().fields().len();
    let plan = match place.kind {
        Kind::Own => plan,
        _ => shaped(plan, (0..before).chain(before + added..fields), [], &schema)?,
    };
    Ok(Transformed::yes(plan))
}

/// Adds to what is sorted the columns that only the subqueries in its keys name.
fn widened(keys: &[SortExpr], input: Arc<LogicalPlan>) -> Result<Arc<LogicalPlan>> {
    let LogicalPlan::Projection(projection) = input.as_ref() else {
        return Ok(input);
    };
    let mut missing: Vec<Column> = Vec::new();
    for key in keys {
        key.expr.apply(|expr| {
            if let Expr::ScalarSubquery(subquery)
            | Expr::Exists(Exists { subquery, .. })
            | Expr::InSubquery(InSubquery { subquery, .. }) = expr
            {
                let named = known::named(&subquery.subquery)?.into_iter();
                missing.extend(named.filter(|column| {
                    !input.schema().has_column(column)
                        && projection.input.schema().has_column(column)
                }));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    missing.sort();
    missing.dedup();
    if missing.is_empty() {
        return Ok(input);
    }
    let columns = missing.into_iter().map(Expr::Column);
    let exprs = projection.expr.iter().cloned().chain(columns).collect();
    let wider = Projection::try_new(exprs, projection.input.clone())?;
    Ok(Arc::new(LogicalPlan::Projection(wider)))
}

fn has_subquery(plan: &LogicalPlan) -> Result<bool> {
    let mut found = false;
    plan.apply_expressions(|expr| {
        found |= expr.exists(|expr| Ok(is_subquery(expr)))?;
        Ok(match found {
            true => TreeNodeRecursion::Stop,
            false => TreeNodeRecursion::Continue,
        })
    })?;
    Ok(found)
}

fn is_subquery(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_)
    )
}

/// What an operator does with its expressions.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Keeps rows.
    Condition,
    /// Sorts rows.
    Sorted,
    /// Adds columns to what it reads.
    Added,
    /// Has columns of its own.
    Own,
}

impl Kind {
    fn of(plan: &LogicalPlan) -> Self {
        match plan {
            LogicalPlan::Filter(_) => Kind::Condition,
            LogicalPlan::Sort(_) => Kind::Sorted,
            LogicalPlan::Window(_) => Kind::Added,
            _ => Kind::Own,
        }
    }
}

/// Where subqueries stand.
struct Place<'a> {
    kind: Kind,
    /// What is read there, joined with the answers so far.
    rows: Arc<LogicalPlan>,
    changed: bool,
    numbers: &'a Numbers,
}

impl Place<'_> {
    /// Looks through a condition; what it asks for plainly is the engine's own.
    ///
    /// Where nothing denies it, false is as good as unknown; `alone` says that nothing is beside it either.
    fn condition(&mut self, expr: Expr, alone: bool) -> Result<Expr> {
        match expr {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: op @ (Operator::And | Operator::Or),
                right,
            }) => {
                let alone = alone && op == Operator::And;
                let left = self.condition(*left, alone)?;
                let right = self.condition(*right, alone)?;
                Ok(binary_expr(left, op, right))
            }
            Expr::Exists(exists) if self.has_rows(&exists.subquery.subquery)? => {
                Ok(Expr::Exists(exists))
            }
            Expr::SetComparison(comparison) => match as_list(comparison) {
                Ok(list) => self.condition(Expr::InSubquery(list), alone),
                Err(comparison) => self.value(Expr::SetComparison(comparison)),
            },
            Expr::InSubquery(list)
                if self.has_rows(&list.subquery.subquery)?
                    && (!list.negated
                        || alone && known::named(&list.subquery.subquery)?.is_empty()) =>
            {
                let expr = Box::new(self.value(*list.expr)?);
                Ok(Expr::InSubquery(InSubquery { expr, ..list }))
            }
            expr => self.value(expr),
        }
    }

    fn has_rows(&self, subquery: &LogicalPlan) -> Result<bool> {
        known::rows(subquery, self.rows.schema())
    }

    /// Puts columns in the place of subqueries that the engine cannot compute.
    fn value(&mut self, expr: Expr) -> Result<Expr> {
        expr.transform_up(|expr| {
            Ok(match expr {
                Expr::ScalarSubquery(subquery) => {
                    let plan = &subquery.subquery;
                    let known = match self.kind {
                        Kind::Condition | Kind::Own => known::value(plan, self.rows.schema())?,
                        Kind::Sorted | Kind::Added => known::named(plan)?.is_empty(),
                    };
                    match known {
                        true => Transformed::no(Expr::ScalarSubquery(subquery)),
                        false => Transformed::yes(self.one(plan)?),
                    }
                }
                Expr::Exists(Exists { subquery, negated }) => {
                    let found = self.exists(&subquery.subquery)?;
                    Transformed::yes(match negated {
                        true => !found,
                        false => found,
                    })
                }
                Expr::InSubquery(list) => Transformed::yes(self.listed(list)?),
                Expr::SetComparison(comparison) => Transformed::yes(match as_list(comparison) {
                    Ok(list) => self.listed(list)?,
                    Err(comparison) => self.compared(&comparison)?,
                }),
                expr => Transformed::no(expr),
            })
        })
        .data()
    }

    /// The value of a subquery of one row at most.
    fn one(&mut self, subquery: &LogicalPlan) -> Result<Expr> {
        let (around, rows) = Around::of(self.rows.clone(), subquery, self.numbers)?;
        let found = push::pushed(subquery, &around)?;
        let found = match subquery.max_rows().is_some_and(|rows| rows <= 1) {
            true => found,
            false => one_each(found, &around)?,
        };
        let value = column(&found, 0);
        self.join(rows, found, value, &around)
    }

    /// Whether a subquery has rows.
    fn exists(&mut self, subquery: &LogicalPlan) -> Result<Expr> {
        let (around, rows) = Around::of(self.rows.clone(), subquery, self.numbers)?;
        let found = push::pushed(subquery, &around)?;
        let values = around.columns_of(&found).into_iter().map(Expr::Column);
        let found = LogicalPlanBuilder::from(found);
        let found = match around.width() {
            0 => found.limit(0, Some(1))?.project([lit(true)])?.build()?,
            _ => found
                .project(values.collect::<Vec<_>>())?
                .distinct()?
                .build()?,
        };
        let found = self.join(rows, found, lit(true), &around)?;
        Ok(found.is_not_null())
    }

    /// `x IN (SELECT ...)` as a value: unknown, where it is not found beside what is unknown.
    fn listed(&mut self, list: InSubquery) -> Result<Expr> {
        let InSubquery {
            expr,
            subquery,
            negated,
        } = list;
        let plan = subquery.subquery.as_ref();
        let value = column(plan, 0);
        let those = |condition: Expr| {
            Filter::try_new(condition, Arc::new(plan.clone())).map(LogicalPlan::Filter)
        };
        let sought = self.outwards(expr.as_ref().clone())?;
        let found = self.exists(&those(value.clone().eq(sought))?)?;
        let mut unknown = lit(false);
        if value.nullable(plan.schema())? {
            unknown = unknown.or(self.exists(&those(value.is_null())?)?);
        }
        if expr.nullable(self.rows.schema())? {
            let some = self.exists(plan)?;
            unknown = unknown.or(expr.as_ref().clone().is_null().and(some));
        }
        let null = Expr::Literal(ScalarValue::Boolean(None), None);
        let other = when(unknown, null).otherwise(lit(false))?;
        let listed = found.or(other);
        Ok(match negated {
            true => !listed,
            false => listed,
        })
    }

    /// `x > ALL (SELECT ...)`: compared with each of the rows.
    fn compared(&mut self, comparison: &SetComparison) -> Result<Expr> {
        let plan = comparison.subquery.subquery.clone();
        let sought = self.outwards(comparison.expr.as_ref().clone())?;
        let one = binary_expr(sought, comparison.op, column(&plan, 0));
        let known = count(one.clone());
        let (decides, answer) = match comparison.quantifier {
            SetQuantifier::Any => (bool_or(one), true),
            SetQuantifier::All => (bool_and(one), false),
        };
        let found = vec![count(lit(1_i64)), known, decides];
        let found = Aggregate::try_new(plan, Vec::new(), found).map(LogicalPlan::Aggregate)?;
        let [rows, known, decides] = [0, 1, 2].map(|at| column(&found, at));
        // Of no rows nothing is decided, and of unknown ones neither.
        let decided = match answer {
            true => decides.is_true(),
            false => decides.is_false(),
        };
        let unknown = Expr::Literal(ScalarValue::Boolean(None), None);
        let value = when(decided, lit(answer))
            .when(known.lt(rows), unknown)
            .otherwise(lit(!answer))?;
        let found = Projection::try_new(vec![value], Arc::new(found))?;
        self.one(&LogicalPlan::Projection(found))
    }

    /// Writes an expression over the rows around as a subquery names it.
    fn outwards(&self, expr: Expr) -> Result<Expr> {
        let schema = self.rows.schema();
        expr.transform_up(|expr| {
            Ok(match expr {
                Expr::Column(column) => {
                    let field = schema.qualified_field_from_column(&column)?.1.clone();
                    Transformed::yes(Expr::OuterReferenceColumn(field, column))
                }
                expr => Transformed::no(expr),
            })
        })
        .data()
    }

    /// Joins the rows with an answer; returns its column.
    fn join(
        &mut self,
        rows: Arc<LogicalPlan>,
        found: LogicalPlan,
        value: Expr,
        around: &Around<'_>,
    ) -> Result<Expr> {
        let name = self.numbers.name("answer");
        let values = around.columns_of(&found).into_iter().enumerate();
        let values = values.map(|(at, value)| Expr::Column(value).alias(format!("{name}_{at}")));
        let exprs = [value.alias("value")].into_iter().chain(values).collect();
        let found = Projection::try_new(exprs, Arc::new(found)).map(LogicalPlan::Projection)?;
        let found = SubqueryAlias::try_new(Arc::new(found), name.as_str())?;
        let found = LogicalPlan::SubqueryAlias(found);
        self.rows = Arc::new(around.join(rows, found, JoinType::Left, None)?);
        self.changed = true;
        Ok(Expr::Column(Column::new(Some(name), "value")))
    }
}

/// `= ANY` is `IN`, and `<> ALL` is `NOT IN`.
fn as_list(comparison: SetComparison) -> std::result::Result<InSubquery, SetComparison> {
    let negated = match (comparison.op, &comparison.quantifier) {
        (Operator::Eq, SetQuantifier::Any) => false,
        (Operator::NotEq, SetQuantifier::All) => true,
        _ => return Err(comparison),
    };
    Ok(InSubquery {
        expr: comparison.expr,
        subquery: comparison.subquery,
        negated,
    })
}

fn column(plan: &LogicalPlan, at: usize) -> Expr {
    Expr::Column(Column::from(plan.schema().qualified_field(at)))
}

/// Makes one row of those of each of the values; many are an error when it is run.
fn one_each(found: LogicalPlan, around: &Around<'_>) -> Result<LogicalPlan> {
    let values = around.columns_of(&found).into_iter().map(Expr::Column);
    let values: Vec<Expr> = values.collect();
    let width = values.len();
    let value = column(&found, 0);
    let aggregates = vec![first_value(value, Vec::new()), count(lit(1_i64))];
    let found = Aggregate::try_new(Arc::new(found), values.clone(), aggregates)?;
    let found = LogicalPlan::Aggregate(found);
    let (value, rows) = (column(&found, width), column(&found, width + 1));
    let value = only().call(vec![value, rows]).alias("value");
    let exprs = [value].into_iter().chain(values).collect();
    Projection::try_new(exprs, Arc::new(found)).map(LogicalPlan::Projection)
}

/// Returns the function that takes a value and how many there are, and refuses more than one.
fn only() -> ScalarUDF {
    ScalarUDF::new_from_impl(Only {
        signature: Signature::any(2, Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Only {
    signature: Signature,
}

impl ScalarUDFImpl for Only {
    fn name(&self) -> &str {
        "weir_only"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, args: &[DataType]) -> Result<DataType> {
        Ok(args.first().cloned().unwrap_or(DataType::Null))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value, rows] = args.args.as_slice() else {
            return Err(DataFusionError::Internal("two arguments".to_owned()));
        };
        let rows = rows.to_array(args.number_rows)?;
        let rows = as_int64_array(&rows)?;
        let many = |at: usize| rows.is_valid(at) && rows.value(at) > 1;
        if (0..rows.len()).any(many) {
            let error = QueryError::new(
                QueryErrorKind::Value,
                "more than one row returned by a subquery used as an expression",
            )
            .with_sqlstate("21000")
            .hint("add an aggregate, or ORDER BY ... LIMIT 1, to the subquery");
            return Err(DataFusionError::External(Box::new(error)));
        }
        Ok(value.clone())
    }
}
