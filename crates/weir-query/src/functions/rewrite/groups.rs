//! How many sets a `GROUP BY` with `CUBE`, `ROLLUP` and `GROUPING SETS` makes.

use datafusion::sql::sqlparser::ast::{Expr, GroupByExpr, GroupByWithModifier};

use crate::error::{QueryError, QueryErrorKind};

/// All of them are planned at once, and every row goes into each.
const SETS: u64 = 1_024;

/// Refuses more sets than can be planned.
pub(super) fn check(group_by: &GroupByExpr) -> Result<(), QueryError> {
    let (expressions, modifiers) = match group_by {
        GroupByExpr::All(modifiers) => (&[][..], modifiers),
        GroupByExpr::Expressions(expressions, modifiers) => (&expressions[..], modifiers),
    };
    let cube = |columns: usize| match columns {
        0..=62 => 1_u64 << columns,
        _ => u64::MAX,
    };
    let own = expressions.iter().map(|expression| match expression {
        Expr::Cube(columns) => cube(columns.len()),
        Expr::Rollup(columns) => columns.len() as u64 + 1,
        Expr::GroupingSets(sets) => sets.len() as u64,
        _ => 1,
    });
    let more = modifiers.iter().map(|modifier| match modifier {
        GroupByWithModifier::Cube => cube(expressions.len()),
        GroupByWithModifier::Rollup => expressions.len() as u64 + 1,
        GroupByWithModifier::Totals | GroupByWithModifier::GroupingSets(_) => 1,
    });
    let sets = own.chain(more).fold(1, u64::saturating_mul);
    if sets <= SETS {
        return Ok(());
    }
    let error = QueryError::new(
        QueryErrorKind::TooComplex,
        format!("GROUP BY makes more than {SETS} grouping sets"),
    );
    Err(error.hint("CUBE makes two to the power of its columns: list the sets that are needed"))
}

#[cfg(test)]
mod tests {
    use datafusion::sql::sqlparser::ast::Ident;

    use super::*;

    #[test]
    fn sets_multiply() {
        let column = || vec![Expr::Identifier(Ident::new("a"))];
        let by = |expressions| check(&GroupByExpr::Expressions(expressions, Vec::new()));
        let cube = |columns: usize| Expr::Cube((0..columns).map(|_| column()).collect());
        assert!(by(vec![cube(10)]).is_ok());
        assert!(by(vec![cube(11)]).is_err());
        assert!(by(vec![cube(6), cube(6)]).is_err());
        assert!(by(vec![cube(1_000)]).is_err());
    }
}
