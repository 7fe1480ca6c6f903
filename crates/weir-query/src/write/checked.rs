//! Columns whose values are text that is checked when it is put in: UUIDs and JSON, which are written as the
//! type does, and text that may have so many characters.

use datafusion::arrow::datatypes::Field;
use datafusion::logical_expr::{Expr, lit};
use datafusion::sql::sqlparser::ast::{CharacterLength, DataType as SqlType, Expr as SqlExpr};

use crate::functions::rewrite::{call, cast, number};
use crate::functions::{FITTING, checker};

/// The metadata of such a column: which type it was declared as, such as `uuid` or `varchar(10)`.
const CHECKED: &str = "weir.checked";

const VARCHAR: u32 = 1043;
const BPCHAR: u32 = 1042;

/// A text type with a length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limited {
    /// Its number in `pg_type`.
    pub(crate) oid: u32,
    /// How many characters a value has at most.
    pub(crate) most: i32,
}

impl Limited {
    /// Returns the type of a column; none where it is no text with a length.
    pub(crate) fn of(field: &Field) -> Option<Self> {
        let (word, length) = of(field)?.strip_suffix(')')?.split_once('(')?;
        let oid = match word {
            "varchar" => VARCHAR,
            "char" => BPCHAR,
            _ => return None,
        };
        let most = length.parse().ok()?;
        Some(Self { oid, most })
    }

    fn declared(data_type: &SqlType) -> Option<Self> {
        let (oid, length) = match data_type {
            SqlType::Varchar(length)
            | SqlType::CharacterVarying(length)
            | SqlType::CharVarying(length) => (VARCHAR, length.as_ref()?),
            SqlType::Char(None) | SqlType::Character(None) => {
                return Some(Self {
                    oid: BPCHAR,
                    most: 1,
                });
            }
            SqlType::Char(Some(length)) | SqlType::Character(Some(length)) => (BPCHAR, length),
            _ => return None,
        };
        match length {
            CharacterLength::IntegerLength { length, .. } => Some(Self {
                oid,
                most: i32::try_from(*length).unwrap_or(i32::MAX),
            }),
            CharacterLength::Max => None,
        }
    }
}

/// Returns the word for a type whose values are checked text.
pub(super) fn word(data_type: &SqlType) -> Option<String> {
    let word = match data_type {
        SqlType::Uuid => "uuid",
        SqlType::JSON => "json",
        SqlType::JSONB => "jsonb",
        other => {
            let Limited { oid, most } = Limited::declared(other)?;
            let word = if oid == VARCHAR { "varchar" } else { "char" };
            return Some(format!("{word}({most})"));
        }
    };
    Some(word.to_owned())
}

/// Returns the word of a column.
pub(super) fn of(field: &Field) -> Option<&str> {
    field.metadata().get(CHECKED).map(String::as_str)
}

/// Makes a column one whose values are checked, or one whose values are not.
pub(super) fn declared(mut field: Field, word: Option<&str>) -> Field {
    let metadata = field.metadata_mut();
    match word {
        Some(word) => metadata.insert(CHECKED.to_owned(), word.to_owned()),
        None => metadata.remove(CHECKED),
    };
    field
}

/// Checks what is put into a column.
pub(super) fn checked(value: Expr, column: &Field) -> Expr {
    if let Some(limited) = Limited::of(column) {
        return match checker(FITTING) {
            Some(fitting) => fitting.call(vec![value, lit(i64::from(limited.most))]),
            None => value,
        };
    }
    match of(column).and_then(checker) {
        Some(checker) => checker.call(vec![value]),
        None => value,
    }
}

/// Makes what a column holds of another type: as a cast does, but nothing is cut off in silence.
pub(super) fn converted(value: SqlExpr, data_type: SqlType) -> SqlExpr {
    match Limited::declared(&data_type) {
        Some(limited) => {
            let value = cast(value, SqlType::Text);
            call(FITTING, vec![value, number(&limited.most.to_string())])
        }
        None => cast(value, data_type),
    }
}
