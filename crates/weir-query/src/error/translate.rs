use datafusion::arrow::error::ArrowError;
use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::sql::sqlparser::parser::ParserError;
use weir_lake::LakeError;

use super::{Position, QueryError, QueryErrorKind, closest};
use crate::session::PATH;

/// Names a query could have meant, for "did you mean".
pub(crate) trait Names {
    /// Returns the table most like `name` (as written, with or without schema).
    fn similar_table(&self, name: &str) -> Option<String>;
}

/// Turns an error of the engine into one that may be shown.
///
/// The engine's texts are kept where they speak about the statement and replaced where they speak
/// about files, threads or its own code.
pub(crate) fn translate(error: DataFusionError, names: &dyn Names) -> QueryError {
    let position = error
        .diagnostic()
        .and_then(|d| d.span)
        .map(|span| Position {
            line: span.start.line,
            column: span.start.column,
        });
    inner(error, names).at(position)
}

fn inner(error: DataFusionError, names: &dyn Names) -> QueryError {
    use QueryErrorKind as Kind;
    match error {
        DataFusionError::Diagnostic(_, error) | DataFusionError::Context(_, error) => {
            inner(*error, names)
        }
        DataFusionError::Collection(mut errors) if !errors.is_empty() => {
            inner(errors.swap_remove(0), names)
        }
        DataFusionError::Shared(error) => match std::sync::Arc::try_unwrap(error) {
            Ok(error) => inner(error, names),
            Err(shared) => from_text(&shared),
        },
        DataFusionError::SQL(error, _) => syntax(&error),
        DataFusionError::SchemaError(error, _) => schema(&error),
        DataFusionError::Plan(message) => planning(&message, names),
        DataFusionError::NotImplemented(message) => QueryError::new(
            Kind::Unsupported,
            format!("not supported: {}", first_line(&message)),
        ),
        DataFusionError::Configuration(message) => {
            QueryError::new(Kind::Invalid, first_line(&message))
        }
        DataFusionError::ArrowError(error, _) => arrow(*error, names),
        DataFusionError::Execution(message) => execution(&message),
        DataFusionError::ResourcesExhausted(message) => exhausted(&message),
        DataFusionError::External(error) => external(error),
        DataFusionError::ObjectStore(error) => unreadable(*error),
        DataFusionError::ParquetError(error) => unreadable(*error),
        DataFusionError::IoError(error) if error.kind() == std::io::ErrorKind::StorageFull => {
            QueryError::new(Kind::OutOfDisk, "the disk that queries spill to is full")
                .caused_by(error)
        }
        DataFusionError::IoError(error) => unreadable(error),
        other => QueryError::internal(other),
    }
}

/// An error that several parts of a plan hold: only its text can be had.
fn from_text(error: &DataFusionError) -> QueryError {
    match error {
        DataFusionError::Shared(error) => from_text(error),
        DataFusionError::Context(_, error) | DataFusionError::Diagnostic(_, error) => {
            from_text(error)
        }
        DataFusionError::ResourcesExhausted(message) => exhausted(message),
        DataFusionError::Execution(message) => execution(message),
        DataFusionError::ArrowError(error, _) => value(&error.to_string()),
        DataFusionError::External(error) => {
            if let Some(error) = error.downcast_ref::<QueryError>() {
                return error.again();
            }
            match error.downcast_ref::<LakeError>() {
                Some(error) => QueryError::new(QueryErrorKind::Lake, error.to_string()),
                None => QueryError::internal(error.to_string()),
            }
        }
        DataFusionError::ObjectStore(error) => unreadable(error.to_string()),
        DataFusionError::ParquetError(error) => unreadable(error.to_string()),
        other => QueryError::internal(other.to_string()),
    }
}

/// Turns a parser's error into one with a position instead of a suffix.
pub(crate) fn syntax(error: &ParserError) -> QueryError {
    let text = match error {
        ParserError::RecursionLimitExceeded => {
            return QueryError::new(
                QueryErrorKind::TooComplex,
                "the statement is nested too deeply",
            )
            .hint("split it with WITH, or move parts into a view");
        }
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text,
    };
    let (message, position) = split_position(text);
    let message = message
        .strip_prefix("sql parser error: ")
        .unwrap_or(message);
    let at_end = message.ends_with("found: EOF");
    let message = message.replace("found: EOF", "found the end of the statement");
    let error = QueryError::new(QueryErrorKind::Syntax, lower_first(&message)).at(position);
    if at_end {
        error.hint("the statement looks unfinished")
    } else {
        error
    }
}

/// Splits ` at Line: 3, Column: 14` off the end of a parser's message.
fn split_position(text: &str) -> (&str, Option<Position>) {
    let Some((message, place)) = text.rsplit_once(" at Line: ") else {
        return (text, None);
    };
    let parse = || {
        let (line, column) = place.split_once(", Column: ")?;
        let digits = column
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(column.len());
        Some(Position {
            line: line.parse().ok()?,
            column: column[..digits].parse().ok()?,
        })
    };
    match parse() {
        Some(position) if position.line > 0 => (message, Some(position)),
        _ => (message, None),
    }
}

fn schema(error: &SchemaError) -> QueryError {
    match error {
        SchemaError::FieldNotFound {
            field,
            valid_fields,
        } => {
            let name = display_column(field);
            let message = match &field.relation {
                Some(relation) => format!(
                    "column `{}` does not exist in `{}`",
                    field.name,
                    relation.table()
                ),
                None => format!("column `{name}` does not exist"),
            };
            QueryError::new(QueryErrorKind::UndefinedColumn, message)
                .hint_if(column_hint(field, valid_fields))
        }
        SchemaError::AmbiguousReference { field } => {
            let message = format!("column `{}` is in more than one of the tables", field.name);
            QueryError::new(QueryErrorKind::AmbiguousColumn, message)
                .hint("write the table's name or alias before it")
        }
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => {
            let message = format!("two columns of the result are called `{name}`");
            QueryError::new(QueryErrorKind::Invalid, message)
                .hint("give one of them another name with AS")
        }
    }
}

fn display_column(field: &Column) -> String {
    match &field.relation {
        Some(relation) => format!("{}.{}", relation.table(), field.name),
        None => field.name.clone(),
    }
}

fn column_hint(field: &Column, valid: &[Column]) -> Option<String> {
    // Names the optimiser made up are no use to anybody.
    let valid = || {
        valid
            .iter()
            .map(|c| c.name.as_str())
            .filter(|n| !n.starts_with("__"))
    };
    if let Some(same) = valid().find(|n| n.eq_ignore_ascii_case(&field.name)) {
        return Some(format!(
            "its name has upper-case letters: write \"{same}\" in double quotes"
        ));
    }
    if let Some(near) = closest(&field.name, valid()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let mut names: Vec<_> = valid().collect();
    names.dedup();
    match names.len() {
        0 => None,
        1..=20 => Some(format!("there are: {}", names.join(", "))),
        _ => Some(format!(
            "there are {} columns; DESCRIBE the table to see them",
            names.len()
        )),
    }
}

fn planning(message: &str, names: &dyn Names) -> QueryError {
    use QueryErrorKind as Kind;
    let message = message
        .strip_prefix("Error during planning: ")
        .unwrap_or(message);
    if let Some(rest) = message.strip_prefix("table '") {
        let table = rest.split('\'').next().unwrap_or_default();
        let table = table
            .strip_prefix("weir.")
            .filter(|t| t.contains('.'))
            .unwrap_or(table);
        let bare = table.strip_prefix(PATH).and_then(|t| t.strip_prefix('.'));
        let table = bare.unwrap_or(table);
        let shown = table;
        return QueryError::new(
            Kind::UndefinedTable,
            format!("table `{shown}` does not exist"),
        )
        .hint(match names.similar_table(table) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "SHOW TABLES lists what there is".to_owned(),
        });
    }
    if message.starts_with("Invalid function") || message.starts_with("table function '") {
        let (head, hint) = match message.split_once(".\nDid you mean ") {
            Some((head, near)) => (
                head,
                Some(format!(
                    "did you mean `{}`?",
                    near.trim_matches(['\'', '?', '.'])
                )),
            ),
            None => (message, None),
        };
        let name = head.split('\'').nth(1).unwrap_or("?");
        return QueryError::new(
            Kind::UndefinedFunction,
            format!("function `{name}` does not exist"),
        )
        .hint_if(hint);
    }
    if message.contains("No function matches the given name and argument types")
        || message.contains("Failed to coerce arguments")
    {
        return QueryError::new(Kind::UndefinedFunction, first_line(message))
            .hint("cast the arguments, as in CAST(x AS DOUBLE)");
    }
    if message.contains("Placeholder") || message.contains("No value found for placeholder") {
        return QueryError::new(Kind::Parameter, first_line(message));
    }
    if message.contains("must appear in the GROUP BY")
        || message.contains("could not be resolved from available columns")
    {
        return QueryError::new(Kind::Invalid, first_line(message)).with_sqlstate("42803");
    }
    if let Some(rest) =
        message.strip_prefix("Projections require unique expression names but the expression \"")
    {
        let name = rest.split('"').next().unwrap_or_default();
        let name = name.rsplit(" AS ").next().unwrap_or(name);
        return QueryError::new(
            Kind::Invalid,
            format!("two columns of the result are called `{name}`"),
        )
        .hint("give one of them another name with AS");
    }
    QueryError::new(Kind::Invalid, first_line(message))
}

fn arrow(error: ArrowError, names: &dyn Names) -> QueryError {
    match error {
        ArrowError::DivideByZero => QueryError::new(QueryErrorKind::Value, "division by zero")
            .with_sqlstate("22012")
            .hint("NULLIF(x, 0) as the divisor gives NULL instead"),
        ArrowError::ExternalError(error) => match error.downcast::<DataFusionError>() {
            Ok(error) => inner(*error, names),
            Err(error) => external(error),
        },
        ArrowError::ParquetError(message) => unreadable(message),
        ArrowError::MemoryError(message) => exhausted(&message),
        other => value(&other.to_string()),
    }
}

fn value(message: &str) -> QueryError {
    // What writes spill files reports a full disk as an error of values.
    if message.contains(SPILL_LIMIT) || message.contains(DISK_FULL) {
        return exhausted(message);
    }
    if let Some(at) = message.find("regex parse error") {
        return pattern(&message[at..]);
    }
    let message = first_line(message);
    let message = [
        "Cast error: ",
        "Parser error: ",
        "Arithmetic overflow: ",
        "Invalid argument error: ",
        "Compute error: ",
    ]
    .iter()
    .find_map(|prefix| message.strip_prefix(prefix))
    .unwrap_or(&message);
    if message.starts_with("Divide by zero") {
        return QueryError::new(QueryErrorKind::Value, "division by zero").with_sqlstate("22012");
    }
    let lower = message.to_ascii_lowercase();
    if lower.contains("overflow")
        || lower.starts_with("can't cast value")
        || lower.contains("too large to store")
    {
        return QueryError::new(
            QueryErrorKind::Value,
            format!("value out of range: {}", lower_first(message)),
        )
        .with_sqlstate("22003")
        .hint("cast to a wider type first, such as numeric");
    }
    let error = QueryError::new(QueryErrorKind::Value, lower_first(message));
    if message.starts_with("Cannot cast") || message.starts_with("Error parsing") {
        return error
            .with_sqlstate("22P02")
            .hint("TRY_CAST gives NULL for values that do not fit");
    }
    error
}

/// The last line of the engine's drawing of a pattern says what is wrong with it.
fn pattern(drawn: &str) -> QueryError {
    let lines = drawn.lines().map(str::trim);
    let why = lines.filter_map(|line| line.strip_prefix("error: ")).next();
    let error = QueryError::new(
        QueryErrorKind::Value,
        format!(
            "the pattern is no regular expression: {}",
            why.unwrap_or("it cannot be read")
        ),
    )
    .with_sqlstate("2201B");
    match why.is_some_and(|why| why.contains("look-around") || why.contains("backreferences")) {
        true => {
            error.hint("look-around and backreferences are not supported: compare in two steps")
        }
        false => error,
    }
}

fn execution(message: &str) -> QueryError {
    // A panic of a helper thread arrives as text.
    if message.contains("panicked") || message.contains("Join Error") {
        return QueryError::internal(message.to_owned());
    }
    value(message)
}

/// How the engine's message names the limit of temporary space.
const SPILL_LIMIT: &str = "max_temp_directory_size";

/// How the system's message says that a disk is full.
const DISK_FULL: &str = "No space left on device";

fn exhausted(message: &str) -> QueryError {
    if message.contains(SPILL_LIMIT)
        || message.contains(DISK_FULL)
        || message.contains("disk")
        || message.contains("temporary file")
        || message.contains("temp directory")
    {
        return QueryError::new(
            QueryErrorKind::OutOfDisk,
            "the query needs more disk space for spilling than queries may use",
        )
        .hint("narrow it with WHERE, or raise the limit of temporary space")
        .caused_by(message.to_owned());
    }
    QueryError::new(QueryErrorKind::OutOfMemory, "the query needs more memory than queries may use")
        .hint("narrow it with WHERE, select fewer columns, join the smaller table on the right, or raise the memory limit")
        .caused_by(message.to_owned())
}

fn external(error: Box<dyn std::error::Error + Send + Sync>) -> QueryError {
    let error = match error.downcast::<QueryError>() {
        Ok(error) => return *error,
        Err(error) => error,
    };
    match error.downcast::<LakeError>() {
        Ok(error) => QueryError::new(QueryErrorKind::Lake, error.to_string()).caused_by(error),
        Err(error) => {
            let text = error.to_string();
            match text.starts_with("regex parse error") {
                true => pattern(&text),
                false => QueryError::internal(error),
            }
        }
    }
}

fn unreadable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> QueryError {
    let error = error.into();
    let text = error.to_string();
    // The name of the file helps, the place of the lake does not.
    let file = text
        .split(|c: char| c.is_whitespace() || c == '"' || c == '\'' || c == '`')
        .find(|word| word.contains(".parquet"))
        .and_then(|path| path.rsplit('/').next())
        .map(|file| file.trim_matches([':', ',', '.', ')', '(']).to_owned());
    let message = match file {
        Some(file) => format!("the lake's file `{file}` cannot be read"),
        None => "a file of the lake cannot be read".to_owned(),
    };
    QueryError::new(QueryErrorKind::Lake, message)
        .caused_by(error)
        .hint("`weir fsck` says which files are damaged and can set them aside; the rest of the table answers then")
}

fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    line.trim().trim_end_matches('.').to_owned()
}

fn lower_first(message: &str) -> String {
    let mut chars = message.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tables;

    impl Names for Tables {
        fn similar_table(&self, name: &str) -> Option<String> {
            closest(name, ["shop.tracks"].into_iter()).map(str::to_owned)
        }
    }

    #[test]
    fn a_parser_message_gives_its_position() {
        let error = syntax(&ParserError::ParserError(
            "Expected: an expression, found: FROM at Line: 3, Column: 14".to_owned(),
        ));
        assert_eq!(error.message(), "expected: an expression, found: FROM");
        assert_eq!(
            error.position(),
            Some(Position {
                line: 3,
                column: 14
            })
        );
        assert_eq!(error.sqlstate(), "42601");
    }

    #[test]
    fn a_missing_table_is_named_as_written() {
        let error = translate(
            DataFusionError::Plan("table 'weir.shop.track' not found".to_owned()),
            &Tables,
        );
        assert_eq!(error.message(), "table `shop.track` does not exist");
        assert_eq!(error.advice(), Some("did you mean `shop.tracks`?"));
    }

    #[test]
    fn texts_about_files_are_not_shown() {
        let error = translate(
            DataFusionError::Execution("task 12 panicked with message: secret".to_owned()),
            &Tables,
        );
        assert_eq!(error.kind(), QueryErrorKind::Internal);
        assert!(!error.message().contains("secret"));
        let error = unreadable("bad footer in /srv/lake/a/b/part-1.parquet: EOF");
        assert_eq!(
            error.message(),
            "the lake's file `part-1.parquet` cannot be read"
        );
    }
}
