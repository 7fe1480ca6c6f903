//! Types that have to be clear before the engine settles them.
//!
//! A double beside a numeric makes the numeric a double, as in Postgres. The engine makes both numerics of thirty
//! digits, which not every double fits in: one `1e20` in a column would make `column > 0.5` fail for everybody, and
//! `1e-20 > 0.0` would be false. What rounds needs its digits as they were written, and room for one more.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::expr::{Between, BinaryExpr, Case, InList};
use datafusion::logical_expr::expr_rewriter::{NamePreserver, coerce_plan_expr_for_schema};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan, Operator, Union, cast};
use datafusion::optimizer::AnalyzerRule;

use super::members::renamed_back;
use super::semantics::{CALL_DEPTH, chain_length, compares};

/// Functions whose arguments become one type.
const ALIKE: [&str; 6] = [
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "make_array",
    "mod",
];

/// The rule; it runs before the engine settles types.
#[derive(Debug)]
pub(crate) struct TypesFirst;

impl AnalyzerRule for TypesFirst {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = plan.transform_up_with_subqueries(|plan| match plan {
            LogicalPlan::Union(union) => united(union),
            plan => {
                let mut schema = merge_schema(&plan.inputs());
                if let LogicalPlan::TableScan(scan) = &plan {
                    let table = scan.table_name.clone();
                    let source = scan.source.schema();
                    schema.merge(&DFSchema::try_from_qualified_schema(table, &source)?);
                }
                let names = NamePreserver::new(&plan);
                let mut rewrite = |expr: Expr| expr.transform_up(|expr| rewrite(expr, &schema));
                let new = plan.map_expressions(|expr| renamed_back(expr, &names, &mut rewrite))?;
                match new.transformed {
                    true => new.map_data(LogicalPlan::recompute_schema),
                    false => Ok(new),
                }
            }
        })?;
        Ok(plan.data)
    }

    fn name(&self) -> &str {
        "types_first"
    }
}

fn rewrite(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    match expr {
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if is_of_numbers(op) => {
            // Finding types takes as long as the chain; one that is too long is refused later.
            if chain_length(&left) > CALL_DEPTH {
                let expr = Expr::BinaryExpr(BinaryExpr { left, op, right });
                return Ok(Transformed::no(expr));
            }
            let [left, right] = [*left, *right];
            let mut sides = [left, right];
            let changed = alike(sides.iter_mut(), schema)?;
            let [left, right] = sides.map(Box::new);
            let expr = Expr::BinaryExpr(BinaryExpr { left, op, right });
            Ok(Transformed::new_transformed(expr, changed))
        }
        Expr::Between(mut between) => {
            let Between {
                expr, low, high, ..
            } = &mut between;
            let changed = alike([expr, low, high].map(Box::as_mut).into_iter(), schema)?;
            let expr = Expr::Between(between);
            Ok(Transformed::new_transformed(expr, changed))
        }
        Expr::InList(mut within) => {
            let InList { expr, list, .. } = &mut within;
            let all = std::iter::once(expr.as_mut()).chain(list);
            let changed = alike(all, schema)?;
            let expr = Expr::InList(within);
            Ok(Transformed::new_transformed(expr, changed))
        }
        Expr::Case(mut case) => {
            let Case {
                expr,
                when_then_expr,
                else_expr,
            } = &mut case;
            let (mut whens, mut thens) = (Vec::new(), Vec::new());
            for (when, then) in when_then_expr {
                whens.push(when.as_mut());
                thens.push(then.as_mut());
            }
            thens.extend(else_expr.as_deref_mut());
            let mut changed = alike(thens.into_iter(), schema)?;
            if let Some(expr) = expr {
                whens.push(expr);
                changed |= alike(whens.into_iter(), schema)?;
            }
            Ok(Transformed::new_transformed(Expr::Case(case), changed))
        }
        // The type of what is rounded depends on the number of digits, which must not be hidden in the cast
        // that settling types would make.
        Expr::ScalarFunction(mut call) if call.func.name() == "round" => {
            let changed = call.args.get_mut(1).is_some_and(as_int);
            let expr = Expr::ScalarFunction(call);
            Ok(Transformed::new_transformed(expr, changed))
        }
        // The next whole number may have one digit more.
        Expr::ScalarFunction(mut call) if matches!(call.func.name(), "ceil" | "floor") => {
            let kind = call.args.first().map(|arg| arg.get_type(schema));
            let wider = match kind {
                Some(Ok(DataType::Decimal128(digits, scale))) if scale > 0 && digits < 38 => {
                    DataType::Decimal128(digits + 1, scale)
                }
                _ => return Ok(Transformed::no(Expr::ScalarFunction(call))),
            };
            let value = call.args.remove(0);
            call.args.insert(0, cast(value, wider));
            Ok(Transformed::yes(Expr::ScalarFunction(call)))
        }
        Expr::ScalarFunction(mut call) if ALIKE.contains(&call.func.name()) => {
            let changed = alike(call.args.iter_mut(), schema)?;
            let expr = Expr::ScalarFunction(call);
            Ok(Transformed::new_transformed(expr, changed))
        }
        expr => Ok(Transformed::no(expr)),
    }
}

/// Makes a written number a 32-bit one.
fn as_int(expr: &mut Expr) -> bool {
    let Expr::Literal(ScalarValue::Int64(Some(value)), metadata) = expr else {
        return false;
    };
    let Ok(value) = i32::try_from(*value) else {
        return false;
    };
    *expr = Expr::Literal(ScalarValue::Int32(Some(value)), metadata.take());
    true
}

fn is_of_numbers(op: Operator) -> bool {
    use Operator as Op;
    let computes = matches!(
        op,
        Op::Plus | Op::Minus | Op::Multiply | Op::Divide | Op::Modulo
    );
    computes || compares(op)
}

/// Makes doubles of the numerics, if there is a double among `exprs`.
fn alike<'e>(exprs: impl Iterator<Item = &'e mut Expr>, schema: &DFSchema) -> Result<bool> {
    let mut numerics = Vec::new();
    let mut floats = false;
    for expr in exprs {
        // What has no type yet, such as a parameter, is for the engine to settle.
        match expr.get_type(schema) {
            Ok(kind) if kind.is_floating() => floats = true,
            Ok(kind) if kind.is_decimal() => numerics.push(expr),
            _ => {}
        }
    }
    if !floats || numerics.is_empty() {
        return Ok(false);
    }
    for expr in numerics {
        *expr = match &*expr {
            Expr::Literal(value, metadata) => {
                Expr::Literal(value.cast_to(&DataType::Float64)?, metadata.clone())
            }
            expr => cast(expr.clone(), DataType::Float64),
        };
    }
    Ok(true)
}

/// The same for the columns of a union.
fn united(union: Union) -> Result<Transformed<LogicalPlan>> {
    let columns = union.schema.fields().len();
    let is = |column: usize, of: fn(&DataType) -> bool| {
        let mut inputs = union.inputs.iter();
        inputs.any(|input| {
            let fields = input.schema().fields();
            fields
                .get(column)
                .is_some_and(|field| of(field.data_type()))
        })
    };
    let mixed: Vec<bool> = (0..columns)
        .map(|column| is(column, DataType::is_floating) && is(column, DataType::is_decimal))
        .collect();
    if !mixed.contains(&true) {
        return Ok(Transformed::no(LogicalPlan::Union(union)));
    }
    let inputs = union.inputs.into_iter().map(|input| {
        let fields = input
            .schema()
            .iter()
            .zip(&mixed)
            .map(|((table, field), mixed)| {
                let field = match *mixed && field.data_type().is_decimal() {
                    true => {
                        let field = Field::clone(field);
                        Arc::new(field.with_data_type(DataType::Float64))
                    }
                    false => field.clone(),
                };
                (table.cloned(), field)
            });
        let metadata = input.schema().metadata().clone();
        let wanted = DFSchema::new_with_metadata(fields.collect(), metadata)?;
        let input = Arc::unwrap_or_clone(input);
        coerce_plan_expr_for_schema(input, &wanted).map(Arc::new)
    });
    let inputs = inputs.collect::<Result<Vec<_>>>()?;
    let union = Union::try_new_with_loose_types(inputs)?;
    Ok(Transformed::yes(LogicalPlan::Union(union)))
}
