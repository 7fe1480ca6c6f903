//! Columns of UUIDs and JSON: text that is checked, and written as the type is, when it is put in.

use std::collections::HashMap;

use datafusion::arrow::datatypes::Field;
use datafusion::logical_expr::Expr;
use datafusion::sql::sqlparser::ast::DataType as SqlType;

use crate::functions::checker;

/// The metadata of such a column: which type it was declared as.
const CHECKED: &str = "weir.checked";

/// Returns the word for a type whose values are checked text.
pub(super) fn word(data_type: &SqlType) -> Option<&'static str> {
    match data_type {
        SqlType::Uuid => Some("uuid"),
        SqlType::JSON => Some("json"),
        SqlType::JSONB => Some("jsonb"),
        _ => None,
    }
}

/// Returns the word of a column.
pub(super) fn of(field: &Field) -> Option<&str> {
    field.metadata().get(CHECKED).map(String::as_str)
}

/// Makes a column one whose values are checked.
pub(super) fn declared(field: Field, word: Option<&str>) -> Field {
    match word {
        Some(word) => field.with_metadata(HashMap::from([(CHECKED.to_owned(), word.to_owned())])),
        None => field,
    }
}

/// Checks what is put into a column.
pub(super) fn checked(value: Expr, column: &Field) -> Expr {
    match of(column).and_then(checker) {
        Some(checker) => checker.call(vec![value]),
        None => value,
    }
}
