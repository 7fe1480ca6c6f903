//! `pg_sleep(seconds)`: waits without holding a thread, and ends when its query does.

use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use datafusion::arrow::array::{AsArray, StringArray};
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::Result;
use datafusion::logical_expr::async_udf::{AsyncScalarUDF, AsyncScalarUDFImpl};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::time::value_error;

/// The longest pause; a query's time ends sooner.
const LONGEST: f64 = 1e6;

/// Returns the function.
pub(super) fn function() -> ScalarUDF {
    AsyncScalarUDF::new(Arc::new(Sleep {
        signature: Signature::exact(vec![DataType::Float64], Volatility::Volatile),
    }))
    .into_scalar_udf()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Sleep {
    signature: Signature,
}

impl ScalarUDFImpl for Sleep {
    fn name(&self) -> &str {
        "pg_sleep"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Err(value_error(
            "0A000",
            "pg_sleep() is for the list of a SELECT only",
        ))
    }
}

#[async_trait]
impl AsyncScalarUDFImpl for Sleep {
    /// A row at a time: whoever waits wants each of them to be waited for.
    fn ideal_batch_size(&self) -> Option<usize> {
        Some(1)
    }

    async fn invoke_async_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let seconds = args.args[0].to_array(args.number_rows)?;
        let seconds = seconds.as_primitive::<Float64Type>();
        let mut answers = Vec::with_capacity(seconds.len());
        for seconds in seconds {
            if let Some(seconds) = seconds.filter(|seconds| *seconds > 0.0) {
                tokio::time::sleep(Duration::from_secs_f64(seconds.min(LONGEST))).await;
            }
            answers.push(seconds.map(|_| ""));
        }
        Ok(ColumnarValue::Array(Arc::new(StringArray::from(answers))))
    }
}
