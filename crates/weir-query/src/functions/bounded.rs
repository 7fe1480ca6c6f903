//! Functions that make much out of little, held to the size one value may have.
//!
//! What a function allocates is counted by nobody, and an allocation the system refuses ends the
//! process. So the size of the answer is found first, from the arguments, and refused where it is
//! too much.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, make_array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::compute;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{DataFusionError, ExprSchema, Result};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::expr::Expr;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};

use super::json;
use super::made::Made;
use super::measure::{self, Arguments, Measure};
use crate::error::{QueryError, QueryErrorKind};

/// The operator `||` between texts.
pub(super) const CONCAT: &str = "weir_concat";

/// What all values that one call makes of one batch may weigh, in largest values.
const VALUES_PER_BATCH: u64 = 8;

/// The engine's functions whose answers can be larger than what they are made of.
const FUNCTIONS: [(&str, Measure); 22] = [
    ("repeat", measure::repeat),
    ("lpad", measure::pad),
    ("rpad", measure::pad),
    ("replace", measure::replace),
    ("regexp_replace", measure::regexp_replace),
    ("concat", measure::sum),
    ("concat_ws", measure::joined),
    ("overlay", measure::sum),
    ("array_repeat", measure::repeat),
    ("array_resize", measure::resize),
    ("array_concat", measure::sum),
    ("array_append", measure::sum),
    ("array_prepend", measure::sum),
    ("array_to_string", measure::array_to_string),
    ("string_to_array", measure::string_to_array),
    ("generate_series", measure::series),
    ("range", measure::series),
    ("encode", measure::doubled),
    ("make_array", measure::sum),
    (json::OBJECT, measure::escaped),
    (json::ARRAY, measure::escaped),
    (json::OF_LIST, measure::escaped),
];

/// Functions whose measure is what they could make at most, and rarely do.
const ROUGH: [&str; 5] = [
    "replace",
    "regexp_replace",
    json::OBJECT,
    json::ARRAY,
    json::OF_LIST,
];

/// Puts bounds around functions: each makes values of `value_bytes` at most, and all of them together
/// `made_bytes` at one time.
pub(super) fn register(state: &mut SessionState, value_bytes: u64, made_bytes: u64) -> Result<()> {
    let made = Made::up_to(made_bytes);
    let concat = state.udf("concat")?;
    for (name, measure) in FUNCTIONS {
        let inner = state.udf(name)?;
        let rough = ROUGH.contains(&name);
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(Bounded {
            inner,
            measure,
            rough,
            value_bytes,
            made: made.clone(),
        })))?;
    }
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(Concat {
        inner: concat,
        signature: Signature::user_defined(Volatility::Immutable),
        value_bytes,
        made,
    })))?;
    Ok(())
}

/// Whether a function makes much out of little, and is held to bounds.
pub(super) fn is_bounded(function: &ScalarUDF) -> bool {
    let function = function.inner();
    function.is::<Bounded>() || function.is::<Concat>()
}

fn too_large(name: &str, bytes: u64, limit: u64) -> DataFusionError {
    let error = QueryError::new(
        QueryErrorKind::Value,
        format!("{name} would make a value of {bytes} bytes, and one may have {limit}"),
    )
    .with_sqlstate("54000")
    .hint("ask for a shorter text or list; query.value_size is the limit");
    DataFusionError::External(Box::new(error))
}

fn too_much(name: &str, bytes: u64, rows: usize, limit: u64) -> DataFusionError {
    let error = QueryError::new(
        QueryErrorKind::Value,
        format!("{name} would make {bytes} bytes for {rows} rows, and may make {limit} at a time"),
    )
    .with_sqlstate("54000")
    .hint("ask for shorter values, or for fewer rows");
    DataFusionError::External(Box::new(error))
}

/// Refuses an answer that is too large, before it is made.
fn check(name: &str, sizes: &[u64], rows: usize, value_bytes: u64) -> Result<()> {
    let largest = sizes.iter().copied().max().unwrap_or(0);
    if largest > value_bytes {
        return Err(too_large(name, largest, value_bytes));
    }
    check_total(name, sizes, rows, value_bytes)
}

fn check_total(name: &str, sizes: &[u64], rows: usize, value_bytes: u64) -> Result<()> {
    let total = sizes
        .iter()
        .fold(0_u64, |sum, size| sum.saturating_add(*size));
    let limit = value_bytes.saturating_mul(VALUES_PER_BATCH);
    match total > limit {
        true => Err(too_much(name, total, rows, limit)),
        false => Ok(()),
    }
}

/// Refuses one value that would be written out for each of many rows.
pub(super) fn check_repeated(
    name: &str,
    value: &ColumnarValue,
    rows: usize,
    value_bytes: u64,
) -> Result<()> {
    let ColumnarValue::Scalar(value) = value else {
        return Ok(());
    };
    let size = value.size() as u64;
    // Most constants are a few bytes.
    if size < 1 << 10 {
        return Ok(());
    }
    check_total(name, &[size.saturating_mul(rows as u64)], rows, value_bytes)
}

/// A function of the engine whose answers are measured first.
#[derive(Debug)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    measure: Measure,
    rough: bool,
    value_bytes: u64,
    made: Arc<Made>,
}

impl Bounded {
    /// Computes in parts none of which can be too much, and counts what they really make.
    fn in_parts(&self, args: &ScalarFunctionArgs, sizes: &[u64]) -> Result<ColumnarValue> {
        let limit = self.value_bytes.saturating_mul(VALUES_PER_BATCH);
        let (mut parts, mut made, mut start) = (Vec::<ArrayRef>::new(), 0_u64, 0);
        while start < sizes.len() {
            let (mut end, mut could) = (start, 0_u64);
            while end < sizes.len()
                && (end == start || could.saturating_add(sizes[end]) <= self.value_bytes)
            {
                could = could.saturating_add(sizes[end]);
                end += 1;
            }
            let slice = |arg: &ColumnarValue| match arg {
                ColumnarValue::Array(array) => {
                    ColumnarValue::Array(array.slice(start, end - start))
                }
                ColumnarValue::Scalar(value) => ColumnarValue::Scalar(value.clone()),
            };
            let part = ScalarFunctionArgs {
                args: args.args.iter().map(slice).collect(),
                number_rows: end - start,
                ..args.clone()
            };
            let part = self.inner.invoke_with_args(part)?.into_array(end - start)?;
            made = made.saturating_add(part.get_array_memory_size() as u64);
            if made > limit {
                return Err(too_much(self.inner.name(), made, args.number_rows, limit));
            }
            parts.push(part);
            start = end;
        }
        let parts: Vec<&dyn Array> = parts.iter().map(Arc::as_ref).collect();
        Ok(ColumnarValue::Array(compute::concat(&parts)?))
    }
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.name().hash(state);
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.inner().schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.inner().return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.inner().return_field_from_args(args)
    }

    #[expect(deprecated, reason = "the engine asks it of the functions it brings")]
    fn is_nullable(&self, args: &[Expr], schema: &dyn ExprSchema) -> bool {
        self.inner.inner().is_nullable(args, schema)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(types)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.inner().output_ordering(inputs)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.documentation()
    }

    // Not `simplify`: the engine's own would put functions without bounds in place of this one.

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let (name, rows) = (self.inner.name(), args.number_rows);
        let sizes = (self.measure)(&Arguments::new(&args.args, rows)?);
        let many = args
            .args
            .iter()
            .any(|arg| matches!(arg, ColumnarValue::Array(_)));
        if self.rough && many {
            let largest = sizes.iter().copied().max().unwrap_or(0);
            if largest > self.value_bytes {
                return Err(too_large(name, largest, self.value_bytes));
            }
            if check_total(name, &sizes, rows, self.value_bytes).is_err() {
                let answer = self.in_parts(&args, &sizes)?;
                return self.made.counted(answer);
            }
        } else {
            check(name, &sizes, rows, self.value_bytes)?;
        }
        let answer = self.inner.invoke_with_args(args)?;
        check_repeated(name, &answer, rows, self.value_bytes)?;
        self.made.counted(answer)
    }
}

/// `||` between texts: the engine's `concat`, but NULL where a side is NULL.
#[derive(Debug)]
struct Concat {
    inner: Arc<ScalarUDF>,
    signature: Signature,
    value_bytes: u64,
    made: Arc<Made>,
}

impl PartialEq for Concat {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Concat {}

impl Hash for Concat {
    fn hash<H: Hasher>(&self, state: &mut H) {
        CONCAT.hash(state);
    }
}

impl ScalarUDFImpl for Concat {
    fn name(&self) -> &str {
        CONCAT
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.inner().return_type(types)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let sizes = measure::sum(&Arguments::new(&args.args, rows)?);
        check("||", &sizes, rows, self.value_bytes)?;
        let mut nulls: Option<NullBuffer> = None;
        for arg in &args.args {
            match arg {
                ColumnarValue::Scalar(value) if value.is_null() => {
                    let none = args.return_field.data_type().try_into()?;
                    return Ok(ColumnarValue::Scalar(none));
                }
                ColumnarValue::Scalar(_) => {}
                ColumnarValue::Array(array) => {
                    nulls = NullBuffer::union(nulls.as_ref(), array.logical_nulls().as_ref());
                }
            }
        }
        let answer = self.inner.invoke_with_args(args)?;
        check_repeated("||", &answer, rows, self.value_bytes)?;
        match (answer, nulls) {
            (ColumnarValue::Array(array), Some(nulls)) => {
                let data = array.to_data().into_builder().nulls(Some(nulls)).build()?;
                self.made.counted(ColumnarValue::Array(make_array(data)))
            }
            (answer, _) => self.made.counted(answer),
        }
    }
}
