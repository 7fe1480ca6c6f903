use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::array::ArrayRef;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, TypeSignature, Volatility,
};

use crate::error::QueryError;

type Call = dyn Fn(&[ScalarValue]) -> Result<ScalarValue, QueryError> + Send + Sync;

/// A function of any arguments that is computed row by row: catalogs are small.
#[derive(Clone)]
pub(super) struct RowFunction {
    pub(super) name: &'static str,
    signature: Signature,
    returns: DataType,
    call: Arc<Call>,
}

impl RowFunction {
    pub(super) fn new(
        name: &'static str,
        returns: DataType,
        call: impl Fn(&[ScalarValue]) -> Result<ScalarValue, QueryError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name,
            signature: Signature::one_of(
                vec![TypeSignature::Nullary, TypeSignature::VariadicAny],
                Volatility::Stable,
            ),
            returns,
            call: Arc::new(call),
        }
    }
}

impl fmt::Debug for RowFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl PartialEq for RowFunction {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for RowFunction {}

impl Hash for RowFunction {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl ScalarUDFImpl for RowFunction {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.returns.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = |values: &[ScalarValue]| {
            (self.call)(values).map_err(|error| DataFusionError::External(Box::new(error)))
        };
        let mut values = Vec::with_capacity(args.args.len());
        if args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)))
        {
            for arg in &args.args {
                if let ColumnarValue::Scalar(value) = arg {
                    values.push(value.clone());
                }
            }
            return Ok(ColumnarValue::Scalar(call(&values)?));
        }
        let arrays: Vec<ArrayRef> = args
            .args
            .iter()
            .map(|arg| arg.to_array(args.number_rows))
            .collect::<Result<_>>()?;
        let mut rows = Vec::with_capacity(args.number_rows);
        for row in 0..args.number_rows {
            values.clear();
            for array in &arrays {
                values.push(ScalarValue::try_from_array(array, row)?);
            }
            rows.push(call(&values)?);
        }
        Ok(ColumnarValue::Array(match rows.is_empty() {
            true => datafusion::arrow::array::new_empty_array(&self.returns),
            false => ScalarValue::iter_to_array(rows)?,
        }))
    }
}

/// Returns a text value.
pub(super) fn text(value: impl Into<String>) -> ScalarValue {
    ScalarValue::Utf8(Some(value.into()))
}

/// Returns the text of a value.
pub(super) fn str(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

/// Returns the number of a value, also when it is written as text.
pub(super) fn oid(value: &ScalarValue) -> Option<u32> {
    match value.try_as_str() {
        Some(text) => text?.parse().ok(),
        None => match value.cast_to(&DataType::Int64).ok()? {
            ScalarValue::Int64(Some(number)) => u32::try_from(number).ok(),
            _ => None,
        },
    }
}
