//! Postgres' words for the borders of words in regular expressions.

use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Value,
};

use super::last;
use crate::functions::patterns::MATCHES;

/// Functions whose second argument is a pattern.
const FUNCTIONS: [&str; 9] = [
    "regexp_replace",
    "regexp_match",
    "regexp_matches",
    MATCHES,
    "regexp_like",
    "regexp_count",
    "regexp_instr",
    "regexp_substr",
    "regexp_split_to_array",
];

/// Puts the engine's words in place of Postgres' in patterns that are written out.
pub(super) fn in_words(expr: &mut Expr) {
    match expr {
        Expr::BinaryOp {
            op:
                BinaryOperator::PGRegexMatch
                | BinaryOperator::PGRegexIMatch
                | BinaryOperator::PGRegexNotMatch
                | BinaryOperator::PGRegexNotIMatch,
            right,
            ..
        } => in_pattern(right),
        Expr::Function(function) if FUNCTIONS.contains(&last(&function.name).as_str()) => {
            if let FunctionArguments::List(list) = &mut function.args
                && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(pattern))) =
                    list.args.get_mut(1)
            {
                in_pattern(pattern);
            }
            if let FunctionArguments::List(list) = &mut function.args
                && let Some(FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))) =
                    list.args.get_mut(2)
                && last(&function.name) == "regexp_replace"
                && let Value::SingleQuotedString(written) | Value::EscapedStringLiteral(written) =
                    &mut value.value
            {
                // The whole match is the group before the first.
                *written = written.replace("\\&", "\\0");
            }
        }
        _ => {}
    }
}

fn in_pattern(pattern: &mut Expr) {
    let Expr::Value(value) = pattern else {
        return;
    };
    if let Value::SingleQuotedString(written) | Value::EscapedStringLiteral(written) =
        &mut value.value
        && written.contains('\\')
    {
        *written = translated(written);
    }
}

fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('m') => out.push_str(r"\b{start}"),
            Some('M') => out.push_str(r"\b{end}"),
            Some('y') => out.push_str(r"\b"),
            Some('Y') => out.push_str(r"\B"),
            Some('Z') => out.push_str(r"\z"),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_of_words_are_translated() {
        assert_eq!(
            translated(r"\mcat\M|\\mouse|\d"),
            r"\b{start}cat\b{end}|\\mouse|\d"
        );
    }
}
