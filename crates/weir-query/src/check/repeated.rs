//! Where in a query a column comes from whose name another one has.

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Expr, Ident, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Spanned, Statement as Sql,
};

use crate::error::Position;
use crate::functions::plain_name;

/// The columns of a query as its text lists them.
#[derive(Debug)]
pub(super) struct Listed(Vec<(Name, Option<Position>)>);

#[derive(Debug)]
enum Name {
    Is(String),
    /// A `*`: any name.
    Any,
    /// An expression that is given a name by what it is.
    Made,
}

impl Listed {
    /// Reads what the outermost SELECT lists; of a UNION its first.
    pub(super) fn of(statement: &Statement) -> Self {
        let Statement::Statement(statement) = statement else {
            return Self(Vec::new());
        };
        let Sql::Query(query) = statement.as_ref() else {
            return Self(Vec::new());
        };
        let mut body = query.body.as_ref();
        loop {
            body = match body {
                SetExpr::Query(query) => &query.body,
                SetExpr::SetOperation { left, .. } => left,
                SetExpr::Select(select) => {
                    return Self(select.projection.iter().map(listed).collect());
                }
                _ => return Self(Vec::new()),
            };
        }
    }

    /// Returns where the second column of this name is listed; a `*` may bring it.
    pub(super) fn second(&self, name: &str) -> Option<Position> {
        let fits = |listed: &&(Name, _)| match &listed.0 {
            Name::Is(known) => known == name,
            Name::Any => true,
            Name::Made => false,
        };
        let mut places = self.0.iter().filter(fits);
        let first = places.next()?;
        match (places.next(), &first.0) {
            (Some(second), _) => second.1,
            // Both of one `*`.
            (None, Name::Any) => first.1,
            (None, _) => None,
        }
    }
}

fn listed(item: &SelectItem) -> (Name, Option<Position>) {
    let span = item.span();
    let ident = |ident: &Ident| {
        // Where a name is there twice, it has got a mark by now.
        let name = plain_name(&ident.value);
        Name::Is(match ident.quote_style {
            Some(_) => name.to_owned(),
            None => name.to_lowercase(),
        })
    };
    let name = match item {
        SelectItem::ExprWithAlias { alias, .. } => ident(alias),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => ident(name),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            parts.last().map_or(Name::Made, ident)
        }
        SelectItem::Wildcard(_)
        | SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(_), _) => {
            Name::Any
        }
        _ => Name::Made,
    };
    // What was rewritten is nowhere in the text.
    let position = (span.start.line > 0).then_some(Position {
        line: span.start.line,
        column: span.start.column,
    });
    (name, position)
}

#[cfg(test)]
mod tests {
    use datafusion::sql::parser::DFParser;

    use super::*;

    fn second(sql: &str, name: &str) -> Option<(u64, u64)> {
        let statement = DFParser::parse_sql(sql).unwrap().pop_front().unwrap();
        let place = Listed::of(&statement).second(name);
        place.map(|place| (place.line, place.column))
    }

    #[test]
    fn the_second_of_a_name_is_found() {
        assert_eq!(
            second("select 1 as a,\n 2 as b,\n 3 as A", "a"),
            Some((3, 2))
        );
        assert_eq!(second("select x.id, y.id from x, y", "id"), Some((1, 14)));
        assert_eq!(second("select id, x.* from x", "id"), Some((1, 12)));
        assert_eq!(
            second("with x as (select 1)\nselect * from x, y", "id"),
            Some((2, 8))
        );
        assert_eq!(
            second("select 1 as a, 2 as a union all select 1, 2", "a"),
            Some((1, 16))
        );
        assert_eq!(second("select count(x), count(y) from x", "count"), None);
        assert_eq!(second("values (1, 2)", "column1"), None);
    }
}
