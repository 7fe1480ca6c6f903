//! Sums and averages of whole numbers and numerics: exact, and errors where a value does not fit.
//!
//! The engine's own wrap around at the ends of a type, and cut averages off instead of rounding.

mod groups;
mod one;
mod spans;
mod total;

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, exec_err};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, SetMonotonicity,
    Signature, Volatility,
};

use self::groups::Groups;
use self::one::{Distinct, One};
use self::spans::Spans;
use self::total::{Goal, Shape};
use super::arithmetic::numeric_shape;
use super::types::interval;

/// Digits after the point of an average, where its numbers have fewer than twelve.
const AVERAGE_SCALE: i8 = 16;

pub(super) fn register(state: &mut SessionState) -> Result<()> {
    for goal in [Goal::Sum, Goal::Average] {
        let inner = state.udaf(goal.name())?;
        state.register_udaf(Arc::new(AggregateUDF::new_from_impl(Exact {
            inner,
            goal,
            signature: Signature::user_defined(Volatility::Immutable),
        })))?;
    }
    Ok(())
}

/// `sum` or `avg`; of floats and spans of time it is the engine's.
#[derive(Debug)]
struct Exact {
    inner: Arc<AggregateUDF>,
    goal: Goal,
    signature: Signature,
}

impl Exact {
    /// Returns what is computed here, if it is.
    fn shape(&self, fields: &[FieldRef], returns: &DataType, distinct: bool) -> Option<Shape> {
        let input = fields.first()?.data_type();
        let ours = matches!(input, DataType::Int64 | DataType::Decimal128(..))
            && (!distinct || self.goal == Goal::Average);
        ours.then(|| Shape::new(self.goal, input, returns))
    }

    /// Whether it is an average of intervals, which the engine has none of.
    fn of_spans(&self, fields: &[FieldRef], distinct: bool) -> bool {
        let input = fields.first().map(|field| field.data_type());
        self.goal == Goal::Average && !distinct && matches!(input, Some(DataType::Interval(_)))
    }

    fn shape_of(&self, args: &AccumulatorArgs) -> Option<Shape> {
        let returns = args.return_field.data_type();
        self.shape(args.expr_fields, returns, args.is_distinct)
    }
}

impl PartialEq for Exact {
    fn eq(&self, other: &Self) -> bool {
        self.goal == other.goal
    }
}

impl Eq for Exact {}

impl Hash for Exact {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.goal.name().hash(state);
    }
}

impl AggregateUDFImpl for Exact {
    fn name(&self) -> &str {
        self.goal.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn signature(&self) -> &Signature {
        match self.goal {
            Goal::Sum => self.inner.signature(),
            Goal::Average => &self.signature,
        }
    }

    /// Averages of whole numbers are numerics, where the engine would have taken floats.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if self.goal == Goal::Sum {
            return self.inner.coerce_types(types);
        }
        let [kind] = types else {
            return exec_err!("avg takes one value");
        };
        Ok(vec![match numeric_shape(kind) {
            Some((precision, scale)) => DataType::Decimal128(precision.min(38), scale),
            None => match kind {
                DataType::Duration(_) => kind.clone(),
                DataType::Interval(_) => interval(),
                kind if kind.is_floating() || kind.is_null() => DataType::Float64,
                kind => return exec_err!("avg takes numbers, not {kind}"),
            },
        }])
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match (self.goal, types) {
            (Goal::Average, [DataType::Decimal128(_, scale)]) => {
                let scale = AVERAGE_SCALE.max(scale.saturating_add(4)).min(38);
                Ok(DataType::Decimal128(38, scale))
            }
            (Goal::Average, [DataType::Interval(_)]) => Ok(interval()),
            _ => self.inner.return_type(types),
        }
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if self.of_spans(args.expr_fields, args.is_distinct) {
            return Ok(Box::new(Spans::default()));
        }
        Ok(match self.shape_of(&args) {
            Some(shape) if args.is_distinct => Box::new(Distinct::new(shape)),
            Some(shape) => Box::new(One::new(shape)),
            None => self.inner.accumulator(args)?,
        })
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let field = |name: &str, kind: DataType| -> FieldRef {
            Arc::new(Field::new(format_state_name(args.name, name), kind, true))
        };
        if self.of_spans(args.input_fields, args.is_distinct) {
            return Ok(Spans::STATE.map(|(name, kind)| field(name, kind)).into());
        }
        let returns = args.return_type();
        let Some(shape) = self.shape(args.input_fields, returns, args.is_distinct) else {
            return self.inner.state_fields(args);
        };
        if args.is_distinct {
            let item = Field::new_list_field(shape.total(), true);
            return Ok(vec![field("values", DataType::List(Arc::new(item)))]);
        }
        let total = field("total", shape.total());
        Ok(vec![total, field("count", DataType::UInt64)])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        match self.shape_of(&args) {
            _ if self.of_spans(args.expr_fields, args.is_distinct) => false,
            Some(_) => !args.is_distinct,
            None => self.inner.groups_accumulator_supported(args),
        }
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        match self.shape_of(&args) {
            Some(shape) => Ok(Box::new(Groups::new(shape))),
            None => self.inner.create_groups_accumulator(args),
        }
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        match self.shape_of(&args) {
            _ if self.of_spans(args.expr_fields, args.is_distinct) => {
                Ok(Box::new(Spans::default()))
            }
            Some(shape) if !args.is_distinct => Ok(Box::new(One::new(shape))),
            _ => self.inner.create_sliding_accumulator(args),
        }
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }

    fn set_monotonicity(&self, kind: &DataType) -> SetMonotonicity {
        self.inner.inner().set_monotonicity(kind)
    }
}
