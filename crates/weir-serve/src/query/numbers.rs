//! Numbers that JSON has no form for: `"NaN"`, `"Infinity"`, `"-Infinity"`, as PostgreSQL writes them.

use std::sync::{Arc, LazyLock};

use arrow::array::{Array, AsArray, Float64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, FieldRef, Float64Type};
use arrow::error::ArrowError;
use arrow::json::writer::{Encoder, EncoderFactory, EncoderOptions, NullableEncoder, make_encoder};

/// Returns how values become JSON: with nulls, and no number turned into one.
pub(crate) fn json_options() -> EncoderOptions {
    EncoderOptions::default()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(NotFinite))
}

/// Encoders for arrays with numbers that are not finite; others have the usual ones.
#[derive(Debug)]
pub(crate) struct NotFinite;

impl EncoderFactory for NotFinite {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        if !array.data_type().is_floating() {
            return Ok(None);
        }
        let wide = cast(array, &DataType::Float64)?;
        let values = wide.as_primitive::<Float64Type>();
        if values.values().iter().all(|value| value.is_finite()) {
            return Ok(None);
        }
        static PLAIN: LazyLock<EncoderOptions> = LazyLock::new(EncoderOptions::default);
        let finite = make_encoder(field, array, &PLAIN)?;
        let nulls = array.nulls().cloned();
        Ok(Some(NullableEncoder::new(
            Box::new(Named {
                values: values.clone(),
                finite,
            }),
            nulls,
        )))
    }
}

struct Named<'a> {
    values: Float64Array,
    finite: NullableEncoder<'a>,
}

impl Encoder for Named<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        match name(self.values.value(row)) {
            Some(name) => out.extend_from_slice(name.as_bytes()),
            None => self.finite.encode(row, out),
        }
    }
}

/// Returns what stands for a number that is not finite.
fn name(value: f64) -> Option<&'static str> {
    match value {
        value if value.is_finite() => None,
        value if value.is_nan() => Some("\"NaN\""),
        value if value > 0.0 => Some("\"Infinity\""),
        _ => Some("\"-Infinity\""),
    }
}
