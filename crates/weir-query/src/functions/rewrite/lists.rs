//! Lists written as text: `'{1,2}'::int[]`, `x = ANY('{a,b}')`.

use datafusion::sql::sqlparser::ast::{
    Array, ArrayElemTypeDef, BinaryOperator, DataType, Expr, Value,
};

use super::{call, cast, take, text};
use crate::functions::written::NO_NULL_LIST;

/// `'{1,2}'::int[]`: a list of values, each cast.
pub(super) fn of_text(expr: &Expr, data_type: &DataType) -> Option<Expr> {
    let DataType::Array(
        ArrayElemTypeDef::SquareBracket(kind, _)
        | ArrayElemTypeDef::AngleBracket(kind)
        | ArrayElemTypeDef::Parenthesis(kind),
    ) = data_type
    else {
        return None;
    };
    let items = items(written(expr)?)?;
    if items.is_empty() {
        // The engine gives an empty list no type; a NULL has the one it is cast to.
        let nothing = cast(Expr::value(Value::Null), data_type.clone());
        return Some(call(NO_NULL_LIST, vec![nothing]));
    }
    let items = items.into_iter().map(|item| match item {
        Some(item) => cast(text(&item), (**kind).clone()),
        None => cast(Expr::value(Value::Null), (**kind).clone()),
    });
    Some(Expr::Array(Array {
        elem: items.collect(),
        named: true,
    }))
}

/// `x = ANY('{a,b}')`: one of these.
pub(super) fn any_of(expr: &mut Expr) -> Option<Expr> {
    let (left, right, negated) = match expr {
        Expr::AnyOp {
            left,
            compare_op: BinaryOperator::Eq,
            right,
            ..
        } => (left, right, false),
        Expr::AllOp {
            left,
            compare_op: BinaryOperator::NotEq,
            right,
        } => (left, right, true),
        _ => return None,
    };
    let inner = match &**right {
        Expr::Nested(inner) => inner,
        _ => right,
    };
    let list = items(written(inner)?)?;
    let list = list.into_iter().map(|item| match item {
        Some(item) => text(&item),
        None => Expr::value(Value::Null),
    });
    let list: Vec<Expr> = list.collect();
    if list.is_empty() {
        return Some(Expr::value(Value::Boolean(negated)));
    }
    Some(Expr::InList {
        list,
        expr: Box::new(take(left)),
        negated,
    })
}

fn written(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// Reads `{a,"b c",NULL}`; none where it is something else, or lists in a list.
pub(in crate::functions) fn items(written: &str) -> Option<Vec<Option<String>>> {
    let inside = written.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut items = Vec::new();
    if inside.trim().is_empty() {
        return Some(items);
    }
    let mut chars = inside.chars().peekable();
    loop {
        let (mut item, mut quoted) = (String::new(), false);
        loop {
            match chars.next() {
                Some('"') => {
                    quoted = true;
                    loop {
                        match chars.next()? {
                            '"' => break,
                            '\\' => item.push(chars.next()?),
                            c => item.push(c),
                        }
                    }
                }
                Some('{' | '}') => return None,
                Some('\\') => item.push(chars.next()?),
                end @ (Some(',') | None) => {
                    let item = if quoted { item } else { item.trim().to_owned() };
                    let null = !quoted && item.eq_ignore_ascii_case("null");
                    if item.is_empty() && !quoted {
                        return None;
                    }
                    items.push((!null).then_some(item));
                    match end {
                        Some(_) => break,
                        None => return Some(items),
                    }
                }
                // Blanks around what is quoted are not part of it.
                Some(c) if quoted && c.is_whitespace() => {}
                Some(c) => item.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_as_postgres_writes_them() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(items("{1, 2,NULL}"), Some(vec![some("1"), some("2"), None]));
        assert_eq!(
            items(r#"{"a,b","c\"d",e}"#),
            Some(vec![some("a,b"), some("c\"d"), some("e")])
        );
        assert_eq!(items("{}"), Some(Vec::new()));
        for other in ["", "1,2", "{1,}", "{{1},{2}}", r#"{"open}"#] {
            assert_eq!(items(other), None, "{other}");
        }
    }
}
