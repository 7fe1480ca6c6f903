//! Casts and arithmetic as Postgres does them, once the engine has settled all types.
//!
//! Nothing here changes the type of an expression, so nothing above it has to be planned again.

use std::sync::Arc;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion, TreeNodeVisitor};
use datafusion::common::{DFSchema, DataFusionError, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::{Between, BinaryExpr, Cast, InList};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, ScalarUDF, cast};
use datafusion::optimizer::AnalyzerRule;

use super::arithmetic::{ADD, DIVIDE, MULTIPLY, ROUND_EVEN, SUBTRACT};
use super::bounded::{CONCAT, is_bounded};
use super::clocks::Clocks;
use super::folded::Constants;
use super::intervals::{LENGTH, OF_DURATION};
use super::members::renamed_back;
use super::text::AS_TEXT;
use super::time::parser;
use super::types::{interval, is_text};
use super::windowed;
use crate::error::{QueryError, QueryErrorKind};

/// The rule; it runs after the engine's own.
#[derive(Debug)]
pub(crate) struct PostgresSemantics {
    add: Arc<ScalarUDF>,
    subtract: Arc<ScalarUDF>,
    multiply: Arc<ScalarUDF>,
    divide: Arc<ScalarUDF>,
    round_even: Arc<ScalarUDF>,
    as_text: Arc<ScalarUDF>,
    concat: Arc<ScalarUDF>,
    interval_length: Arc<ScalarUDF>,
    interval_of_duration: Arc<ScalarUDF>,
    clocks: Clocks,
    /// What the constants of a statement may weigh together.
    constant_bytes: usize,
}

impl PostgresSemantics {
    pub(crate) fn new(state: &SessionState, value_bytes: u64) -> Result<Self> {
        Ok(Self {
            add: state.udf(ADD)?,
            subtract: state.udf(SUBTRACT)?,
            multiply: state.udf(MULTIPLY)?,
            divide: state.udf(DIVIDE)?,
            round_even: state.udf(ROUND_EVEN)?,
            as_text: state.udf(AS_TEXT)?,
            concat: state.udf(CONCAT)?,
            interval_length: state.udf(LENGTH)?,
            interval_of_duration: state.udf(OF_DURATION)?,
            clocks: Clocks::new(state)?,
            constant_bytes: usize::try_from(value_bytes)
                .unwrap_or(usize::MAX)
                .saturating_mul(2),
        })
    }

    fn rewrite(
        &self,
        expr: Expr,
        schema: &DFSchema,
        constants: &mut Constants,
    ) -> Result<Transformed<Expr>> {
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                // Before types are asked for: finding them takes as long as the chain, at every link.
                if chain_length(&left) > CALL_DEPTH {
                    return Err(too_deep());
                }
                if op == Operator::StringConcat {
                    return self.concat(left, right, schema);
                }
                if compares(op) {
                    return self.compared(*left, op, *right, schema);
                }
                let function = match op {
                    Operator::Plus => &self.add,
                    Operator::Minus => &self.subtract,
                    Operator::Multiply => &self.multiply,
                    Operator::Divide => &self.divide,
                    _ => return Ok(Transformed::no(binary(left, op, right))),
                };
                let kind = left.get_type(schema)?;
                let same = kind == right.get_type(schema)?;
                let wraps = matches!(
                    kind,
                    DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64
                );
                let infinite = matches!(kind, DataType::Float32 | DataType::Float64);
                let ours = same
                    && match op {
                        Operator::Divide => infinite,
                        _ => wraps,
                    };
                Ok(match ours {
                    true => Transformed::yes(function.call(vec![*left, *right])),
                    false => Transformed::no(binary(left, op, right)),
                })
            }
            Expr::Between(between) if is_interval(&between.expr.get_type(schema)?) => {
                let length = |expr: Box<Expr>| Box::new(self.length(*expr));
                Ok(Transformed::yes(Expr::Between(Between {
                    expr: length(between.expr),
                    negated: between.negated,
                    low: length(between.low),
                    high: length(between.high),
                })))
            }
            Expr::InList(list) if is_interval(&list.expr.get_type(schema)?) => {
                Ok(Transformed::yes(Expr::InList(InList {
                    expr: Box::new(self.length(*list.expr)),
                    list: list.list.into_iter().map(|one| self.length(one)).collect(),
                    negated: list.negated,
                })))
            }
            Expr::Cast(Cast { expr, field }) => {
                let (from, to) = (expr.get_type(schema)?, field.data_type());
                if let Some(new) = self.cast(&expr, &from, to)? {
                    return Ok(Transformed::yes(new));
                }
                Ok(Transformed::no(Expr::Cast(Cast { expr, field })))
            }
            Expr::ScalarFunction(call)
                if call.func.name() == "round"
                    && call.args.len() == 1
                    && call.args[0].get_type(schema)?.is_floating() =>
            {
                // Half to even, as floats are rounded everywhere else.
                Ok(Transformed::yes(self.round_even.call(call.args)))
            }
            Expr::ScalarFunction(call) if is_bounded(&call.func) => {
                constants.folded(Expr::ScalarFunction(call))
            }
            Expr::WindowFunction(call) => {
                let (call, changed) = windowed::weighed(call, schema)?;
                let expr = Expr::WindowFunction(call);
                Ok(Transformed::new_transformed(expr, changed))
            }
            expr => Ok(Transformed::no(expr)),
        }
    }

    /// Compares intervals by how long they are; the engine compares their months first, then days.
    fn compared(
        &self,
        left: Expr,
        op: Operator,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Transformed<Expr>> {
        let ours = is_interval(&left.get_type(schema)?) && is_interval(&right.get_type(schema)?);
        let (left, right) = match ours {
            true => (self.length(left), self.length(right)),
            false => (left, right),
        };
        let compared = binary(Box::new(left), op, Box::new(right));
        Ok(Transformed::new_transformed(compared, ours))
    }

    fn length(&self, span: Expr) -> Expr {
        self.interval_length.call(vec![span])
    }

    /// Puts a function with bounds in place of `||`, where both sides are of one kind of text.
    fn concat(
        &self,
        left: Box<Expr>,
        right: Box<Expr>,
        schema: &DFSchema,
    ) -> Result<Transformed<Expr>> {
        let kind = left.get_type(schema)?;
        let same = kind == right.get_type(schema)? && is_text(&kind);
        if !same {
            return Ok(Transformed::no(binary(left, Operator::StringConcat, right)));
        }
        // One call for a whole chain: calls inside of calls take long to plan.
        let mut args = match *left {
            Expr::ScalarFunction(call) if call.func.name() == CONCAT => call.args,
            left => vec![left],
        };
        args.push(*right);
        Ok(Transformed::yes(self.concat.call(args)))
    }

    fn cast(&self, expr: &Expr, from: &DataType, to: &DataType) -> Result<Option<Expr>> {
        let value = || expr.clone();
        Ok(match (from, to) {
            (DataType::Float32 | DataType::Float64, to) if to.is_integer() => {
                if let Expr::ScalarFunction(call) = expr
                    && call.func.name() == ROUND_EVEN
                {
                    return Ok(None);
                }
                Some(cast(self.round_even.call(vec![value()]), to.clone()))
            }
            // By its digits, not by the binary fraction they stand for.
            (DataType::Float32, DataType::Decimal128(..) | DataType::Decimal256(..)) => {
                Some(cast(self.as_text.call(vec![value()]), to.clone()))
            }
            (DataType::Decimal128(_, scale) | DataType::Decimal256(_, scale), to)
                if to.is_integer() && *scale > 0 =>
            {
                let whole = cast(value(), DataType::Decimal128(38, 0));
                Some(cast(whole, to.clone()))
            }
            (
                DataType::Timestamp(..)
                | DataType::Float32
                | DataType::Float64
                | DataType::Interval(_)
                | DataType::Duration(_)
                | DataType::Binary
                | DataType::LargeBinary
                | DataType::BinaryView
                | DataType::List(_),
                to,
            ) if is_text(to) => {
                let text = self.as_text.call(vec![value()]);
                Some(match to {
                    DataType::Utf8 => text,
                    to => cast(text, to.clone()),
                })
            }
            (DataType::Duration(_), to) if is_interval(to) => {
                Some(self.interval_of_duration.call(vec![value()]))
            }
            (
                from,
                DataType::Timestamp(..)
                | DataType::Date32
                | DataType::Time64(_)
                | DataType::Boolean
                | DataType::Binary
                | DataType::Interval(_),
            ) if is_text(from) => Some(parser(to)?.call(vec![value()])),
            _ => None,
        })
    }
}

pub(super) fn compares(op: Operator) -> bool {
    matches!(
        op,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

fn is_interval(kind: &DataType) -> bool {
    *kind == interval()
}

fn binary(left: Box<Expr>, op: Operator, right: Box<Expr>) -> Expr {
    Expr::BinaryExpr(BinaryExpr { left, op, right })
}

/// Calls inside of calls: what planning them takes grows faster than with the square.
pub(super) const CALL_DEPTH: usize = 200;

/// Refuses expressions that are calls inside of calls, too deep to be planned in time.
fn check_depth(plan: &LogicalPlan) -> Result<()> {
    let mut deepest = 0;
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expr| {
            deepest = deepest.max(call_depth(expr)?);
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    if deepest <= CALL_DEPTH {
        return Ok(());
    }
    Err(too_deep())
}

/// Returns how many calls there are, each the first argument of the one before.
pub(super) fn chain_length(mut expr: &Expr) -> usize {
    let mut length = 0;
    loop {
        expr = match expr {
            Expr::ScalarFunction(call) if !call.args.is_empty() => {
                length += 1;
                &call.args[0]
            }
            Expr::Cast(Cast { expr, .. }) => expr,
            Expr::BinaryExpr(BinaryExpr { left, .. }) => left,
            _ => return length,
        }
    }
}

pub(super) fn too_deep() -> DataFusionError {
    let error = QueryError::new(
        QueryErrorKind::TooComplex,
        format!("an expression has more than {CALL_DEPTH} operators or calls inside of each other"),
    )
    .hint("compute parts of it in a subquery, or sum a list: SELECT sum(v) FROM (VALUES ...) t(v)");
    DataFusionError::External(Box::new(error))
}

/// Returns how many function calls are inside of each other.
fn call_depth(expr: &Expr) -> Result<usize> {
    let mut calls = Calls::default();
    expr.visit(&mut calls)?;
    Ok(calls.deepest)
}

#[derive(Default)]
struct Calls {
    depth: usize,
    deepest: usize,
}

impl<'n> TreeNodeVisitor<'n> for Calls {
    type Node = Expr;

    fn f_down(&mut self, expr: &'n Expr) -> Result<TreeNodeRecursion> {
        if matches!(expr, Expr::ScalarFunction(_)) {
            self.depth += 1;
            self.deepest = self.deepest.max(self.depth);
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn f_up(&mut self, expr: &'n Expr) -> Result<TreeNodeRecursion> {
        if matches!(expr, Expr::ScalarFunction(_)) {
            self.depth -= 1;
        }
        Ok(TreeNodeRecursion::Continue)
    }
}

impl AnalyzerRule for PostgresSemantics {
    fn analyze(&self, plan: LogicalPlan, options: &ConfigOptions) -> Result<LogicalPlan> {
        let mut constants = Constants::new(options, self.constant_bytes);
        let zone = options.execution.time_zone.as_deref();
        let zone = zone.filter(|zone| *zone != "UTC");
        let plan = plan.transform_up_with_subqueries(|plan| {
            let mut schema = merge_schema(&plan.inputs());
            if let LogicalPlan::TableScan(scan) = &plan {
                let source = DFSchema::try_from_qualified_schema(
                    scan.table_name.clone(),
                    &scan.source.schema(),
                )?;
                schema.merge(&source);
            }
            let names = NamePreserver::new(&plan);
            let outer = &schema;
            let mut rewrite = |expr: Expr| {
                expr.transform_up(|expr| {
                    let new = self.rewrite(expr, outer, &mut constants)?;
                    match zone {
                        Some(zone) => {
                            new.transform_data(|expr| self.clocks.rewrite(expr, outer, zone))
                        }
                        None => Ok(new),
                    }
                })
            };
            plan.map_expressions(|expr| renamed_back(expr, &names, &mut rewrite))
        })?;
        check_depth(&plan.data)?;
        Ok(plan.data)
    }

    fn name(&self) -> &str {
        "postgres_semantics"
    }
}
