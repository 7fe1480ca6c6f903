//! `coalesce` with Postgres' idea of a quoted text beside values of another type.

use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::functions::core::coalesce::CoalesceFunc;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::binary::type_union_resolution;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDFImpl, Signature,
};

use super::types::is_text;

/// The engine's own, except for what its arguments become.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Coalesce(CoalesceFunc);

impl ScalarUDFImpl for Coalesce {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn signature(&self) -> &Signature {
        self.0.signature()
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.0.return_type(types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.0.return_field_from_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.0.simplify(args, info)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.0.invoke_with_args(args)
    }

    fn conditional_arguments<'a>(
        &self,
        args: &'a [Expr],
    ) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.0.conditional_arguments(args)
    }

    fn short_circuits(&self) -> bool {
        self.0.short_circuits()
    }

    /// A text among numbers, dates or times stands for one of these; Postgres takes only literals so,
    /// and refuses columns of text.
    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let others: Vec<DataType> = types
            .iter()
            .filter(|kind| !is_text(kind) && !kind.is_null())
            .cloned()
            .collect();
        let has_text = types.iter().any(is_text);
        if !has_text || others.is_empty() || !others.iter().all(is_plain) {
            return self.0.coerce_types(types);
        }
        match type_union_resolution(&others) {
            Some(kind) => Ok(vec![kind; types.len()]),
            None => self.0.coerce_types(types),
        }
    }
}

fn is_plain(kind: &DataType) -> bool {
    kind.is_numeric() || kind.is_temporal() || *kind == DataType::Boolean
}
