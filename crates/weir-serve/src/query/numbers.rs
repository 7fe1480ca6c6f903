//! Numbers that JSON has no form for: `"NaN"`, `"Infinity"`, `"-Infinity"`, as PostgreSQL writes them.

use std::sync::Arc;

use arrow::array::{Array, AsArray};
use arrow::datatypes::{DataType, FieldRef, Float16Type, Float32Type, Float64Type};
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
        let names: Vec<Option<&'static str>> = match array.data_type() {
            DataType::Float16 => array
                .as_primitive::<Float16Type>()
                .values()
                .iter()
                .map(|value| name(f64::from(*value)))
                .collect(),
            DataType::Float32 => array
                .as_primitive::<Float32Type>()
                .values()
                .iter()
                .map(|value| name(f64::from(*value)))
                .collect(),
            DataType::Float64 => array
                .as_primitive::<Float64Type>()
                .values()
                .iter()
                .map(|value| name(*value))
                .collect(),
            _ => return Ok(None),
        };
        if names.iter().all(Option::is_none) {
            return Ok(None);
        }
        static PLAIN: std::sync::LazyLock<EncoderOptions> =
            std::sync::LazyLock::new(EncoderOptions::default);
        let finite = make_encoder(field, array, &PLAIN)?;
        let nulls = array.nulls().cloned();
        Ok(Some(NullableEncoder::new(
            Box::new(Named { names, finite }),
            nulls,
        )))
    }
}

struct Named<'a> {
    names: Vec<Option<&'static str>>,
    finite: NullableEncoder<'a>,
}

impl Encoder for Named<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        match self.names[row] {
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
