//! What columns without a name are called, as in Postgres.

use std::collections::HashSet;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::sql::sqlparser::ast::{
    AccessExpr, CastKind, DataType, Expr, Ident, ObjectName, ObjectNamePart, Select, SelectItem,
    SetExpr, Subscript,
};

/// Separates a name from the number that tells two columns of that name apart. Nobody types it.
const MARK: char = '\u{2063}';

/// Names the columns of a `SELECT` that have no name. At the top, where nothing can refer to them,
/// columns of the same name are told apart; the mark goes before anybody sees it.
pub(super) fn label(select: &mut Select, top: bool) {
    let mut seen = HashSet::new();
    let wild = select.projection.iter().any(|item| {
        !matches!(
            item,
            SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. }
        )
    });
    let mut number = 0;
    for item in &mut select.projection {
        let (expr, name, plain) = match item {
            SelectItem::UnnamedExpr(expr) => {
                let plain = column(expr);
                let name = plain.clone().unwrap_or_else(|| name_of(expr));
                (expr, name, plain.is_some())
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                let name = match alias.quote_style {
                    Some(_) => alias.value.clone(),
                    None => alias.value.to_lowercase(),
                };
                if seen.insert(name.clone()) || !top {
                    continue;
                }
                (expr, name, false)
            }
            _ => continue,
        };
        let first = seen.insert(name.clone());
        let taken = !first || (wild && top);
        // A plain column keeps its name by itself.
        if plain && (!taken || !top) {
            continue;
        }
        // Inside, two columns of one name can only be told apart by their place.
        let alias = match taken {
            true => {
                number += 1;
                format!("{name}{MARK}{number}")
            }
            false => name,
        };
        let expr = std::mem::replace(expr, Expr::Identifier(Ident::new("x")));
        *item = SelectItem::ExprWithAlias {
            expr,
            alias: Ident::with_quote('"', alias),
        };
    }
}

/// Takes the marks off the names of a result's columns; none when there are none.
pub(crate) fn unmarked(schema: &SchemaRef) -> Option<SchemaRef> {
    let marked = |field: &Field| field.name().contains(MARK);
    if !schema.fields().iter().any(|field| marked(field)) {
        return None;
    }
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_name(plain_name(field.name())))
        .collect();
    Some(SchemaRef::new(Schema::new_with_metadata(
        fields,
        schema.metadata().clone(),
    )))
}

/// Returns a name without its mark.
pub(crate) fn plain_name(name: &str) -> &str {
    name.split(MARK).next().unwrap_or(name)
}

fn normal(ident: &Ident) -> String {
    match ident.quote_style {
        Some(_) => ident.value.clone(),
        None => ident.value.to_lowercase(),
    }
}

/// Returns the name of a plain column.
fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) => Some(normal(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(normal),
        _ => None,
    }
}

fn name_of(expr: &Expr) -> String {
    named(expr).unwrap_or_else(|| "?column?".to_owned())
}

fn last(name: &ObjectName) -> Option<String> {
    match name.0.last()? {
        ObjectNamePart::Identifier(ident) => Some(normal(ident)),
        ObjectNamePart::Function(_) => None,
    }
}

fn named(expr: &Expr) -> Option<String> {
    let word = |word: &str| Some(word.to_owned());
    match expr {
        Expr::Identifier(_) | Expr::CompoundIdentifier(_) => column(expr),
        Expr::Function(function) => last(&function.name),
        Expr::Nested(inner) => named(inner),
        Expr::Collate { expr, .. } => named(expr),
        Expr::Cast {
            expr,
            data_type,
            kind: CastKind::Cast | CastKind::DoubleColon,
            ..
        } => named(expr)
            .filter(|name| !weak(expr, name))
            .or_else(|| type_name(data_type)),
        Expr::Cast { .. } => word("try_cast"),
        Expr::TypedString(typed) => type_name(&typed.data_type),
        Expr::Interval(_) => word("interval"),
        Expr::Case { else_result, .. } => {
            let name = else_result.as_deref().and_then(named);
            let strong = else_result
                .as_deref()
                .zip(name.as_deref())
                .is_some_and(|(e, n)| !weak(e, n));
            if strong { name } else { word("case") }
        }
        Expr::Exists { .. } => word("exists"),
        Expr::Array(_) => word("array"),
        Expr::Tuple(_) => word("row"),
        Expr::Extract { .. } => word("extract"),
        Expr::Position { .. } => word("position"),
        Expr::Substring { .. } => word("substring"),
        Expr::Overlay { .. } => word("overlay"),
        Expr::Ceil { .. } => word("ceil"),
        Expr::Floor { .. } => word("floor"),
        Expr::Trim { trim_where, .. } => word(
            match trim_where.as_ref().map(ToString::to_string).as_deref() {
                Some("LEADING") => "ltrim",
                Some("TRAILING") => "rtrim",
                _ => "btrim",
            },
        ),
        Expr::AtTimeZone { .. } => word("timezone"),
        Expr::Value(value) => match value.value {
            datafusion::sql::sqlparser::ast::Value::Boolean(_) => word("bool"),
            _ => None,
        },
        Expr::Subquery(query) => match query.body.as_ref() {
            SetExpr::Select(select) => match select.projection.as_slice() {
                [SelectItem::UnnamedExpr(expr)] => named(expr),
                [SelectItem::ExprWithAlias { alias, .. }] => Some(normal(alias)),
                _ => None,
            },
            _ => None,
        },
        Expr::CompoundFieldAccess { root, access_chain } => match access_chain.last() {
            Some(AccessExpr::Dot(field)) => named(field),
            Some(AccessExpr::Subscript(Subscript::Index { .. } | Subscript::Slice { .. })) => {
                named(root)
            }
            None => named(root),
        },
        _ => None,
    }
}

/// Whether a name says nothing of its own, so that a cast or a `CASE` around it names the column.
fn weak(expr: &Expr, name: &str) -> bool {
    match expr {
        Expr::Cast { .. } | Expr::TypedString(_) => false,
        Expr::Value(_) => true,
        Expr::Case { .. } => name == "case",
        Expr::Nested(inner) => weak(inner, name),
        _ => false,
    }
}

/// Returns the name Postgres has for a type inside.
fn type_name(data_type: &DataType) -> Option<String> {
    Some(
        match data_type {
            DataType::SmallInt(_) | DataType::Int2(_) => "int2",
            DataType::Int(_) | DataType::Integer(_) | DataType::Int4(_) => "int4",
            DataType::BigInt(_) | DataType::Int8(_) => "int8",
            DataType::Real | DataType::Float4 => "float4",
            DataType::Float(_)
            | DataType::Double(_)
            | DataType::DoublePrecision
            | DataType::Float8 => "float8",
            DataType::Numeric(_) | DataType::Decimal(_) | DataType::Dec(_) => "numeric",
            DataType::Boolean | DataType::Bool => "bool",
            DataType::Text => "text",
            DataType::Varchar(_) | DataType::CharacterVarying(_) | DataType::CharVarying(_) => {
                "varchar"
            }
            DataType::Char(_) | DataType::Character(_) => "bpchar",
            DataType::Date => "date",
            DataType::Time(..) => "time",
            DataType::Timestamp(_, zone) => match zone.to_string().to_uppercase().as_str() {
                zone if zone.contains("WITHOUT") || zone.is_empty() => "timestamp",
                _ => "timestamptz",
            },
            DataType::Interval { .. } => "interval",
            DataType::Bytea => "bytea",
            DataType::Uuid => "uuid",
            DataType::JSON => "json",
            DataType::JSONB => "jsonb",
            DataType::Regclass => "regclass",
            DataType::Custom(name, _) => return last(name),
            _ => return None,
        }
        .to_owned(),
    )
}
