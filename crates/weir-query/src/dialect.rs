use std::any::TypeId;

use datafusion::sql::sqlparser::ast::Expr;
use datafusion::sql::sqlparser::dialect::{Dialect, PostgreSqlDialect, Precedence};
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};

use crate::functions::rewrite;

/// Postgres' dialect, without what makes reading it slow.
///
/// For `f('a': 1)` the parser of the plain dialect reads every argument twice, and an argument of an
/// argument four times: fifty brackets would take it years. Nothing here needs that syntax.
#[derive(Debug)]
pub(crate) struct WeirDialect(PostgreSqlDialect);

/// The dialect all SQL is read in.
pub(crate) const DIALECT: WeirDialect = WeirDialect(PostgreSqlDialect {});

impl WeirDialect {
    /// Reads `x [NOT] BETWEEN SYMMETRIC a AND b`: the bounds in any order.
    fn parse_symmetric(
        &self,
        parser: &mut Parser,
        left: &Expr,
    ) -> Option<Result<Expr, ParserError>> {
        let words = [Keyword::BETWEEN, Keyword::SYMMETRIC];
        let negated = parser.parse_keywords(&[Keyword::NOT, words[0], words[1]]);
        if !negated && !parser.parse_keywords(&words) {
            return None;
        }
        let bounds = |parser: &mut Parser| {
            let precedence = self.prec_value(Precedence::Between);
            let first = parser.parse_subexpr(precedence)?;
            parser.expect_keyword(Keyword::AND)?;
            Ok((first, parser.parse_subexpr(precedence)?))
        };
        Some(bounds(parser).map(|(first, second)| {
            let bound = |name| Box::new(rewrite::call(name, vec![first.clone(), second.clone()]));
            Expr::Between {
                expr: Box::new(left.clone()),
                negated,
                low: bound("least"),
                high: bound("greatest"),
            }
        }))
    }
}

/// Answers as Postgres' dialect does.
macro_rules! as_postgres {
    ($($name:ident),* $(,)?) => {
        $(fn $name(&self) -> bool {
            self.0.$name()
        })*
    };
}

impl Dialect for WeirDialect {
    fn dialect(&self) -> TypeId {
        self.0.dialect()
    }

    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        false
    }

    fn supports_named_fn_args_with_colon_operator(&self) -> bool {
        false
    }

    fn identifier_quote_style(&self, identifier: &str) -> Option<char> {
        self.0.identifier_quote_style(identifier)
    }

    fn is_delimited_identifier_start(&self, ch: char) -> bool {
        self.0.is_delimited_identifier_start(ch)
    }

    fn is_identifier_start(&self, ch: char) -> bool {
        self.0.is_identifier_start(ch)
    }

    fn is_identifier_part(&self, ch: char) -> bool {
        self.0.is_identifier_part(ch)
    }

    fn is_reserved_for_identifier(&self, keyword: Keyword) -> bool {
        self.0.is_reserved_for_identifier(keyword)
    }

    fn is_custom_operator_part(&self, ch: char) -> bool {
        self.0.is_custom_operator_part(ch)
    }

    fn get_next_precedence(&self, parser: &Parser) -> Option<Result<u8, ParserError>> {
        self.0.get_next_precedence(parser)
    }

    /// Reads `a IS [NOT] DISTINCT FROM b`, whose right side the parser would take for all that follows,
    /// `AND`s and `OR`s included.
    fn parse_infix(
        &self,
        parser: &mut Parser,
        left: &Expr,
        precedence: u8,
    ) -> Option<Result<Expr, ParserError>> {
        if let Some(between) = self.parse_symmetric(parser, left) {
            return Some(between);
        }
        let (is, not, distinct, from) =
            (Keyword::IS, Keyword::NOT, Keyword::DISTINCT, Keyword::FROM);
        let make = if parser.parse_keywords(&[is, distinct, from]) {
            Expr::IsDistinctFrom
        } else if parser.parse_keywords(&[is, not, distinct, from]) {
            Expr::IsNotDistinctFrom
        } else {
            return self.0.parse_infix(parser, left, precedence);
        };
        let right = parser.parse_subexpr(precedence);
        Some(right.map(|right| make(Box::new(left.clone()), Box::new(right))))
    }

    fn prec_value(&self, precedence: Precedence) -> u8 {
        self.0.prec_value(precedence)
    }

    as_postgres!(
        supports_unicode_string_literal,
        supports_filter_during_aggregation,
        supports_group_by_expr,
        allow_extract_custom,
        allow_extract_single_quotes,
        supports_create_index_with_clause,
        supports_explain_with_utility_options,
        supports_listen_notify,
        supports_factorial_operator,
        supports_bitwise_shift_operators,
        supports_comment_on,
        supports_load_extension,
        supports_empty_projections,
        supports_nested_comments,
        supports_string_escape_constant,
        supports_numeric_literal_underscores,
        supports_array_typedef_with_brackets,
        supports_geometric_types,
        supports_set_names,
        supports_alter_column_type_using,
        supports_notnull_operator,
        supports_interval_options,
        supports_insert_table_alias,
        supports_create_table_like_parenthesized,
        supports_select_wildcard_with_alias,
        supports_comma_separated_trim,
        supports_xml_expressions,
        supports_comment_optimizer_hint,
    );
}
