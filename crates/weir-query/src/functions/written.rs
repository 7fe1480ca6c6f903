//! Text made by a template, and what counts NULLs.

use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, ListArray, StringArray, make_array,
    new_empty_array,
};
use datafusion::arrow::buffer::OffsetBuffer;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{Result, exec_err};
use weir_core::quote_ident;

use super::native::{Call, Native};
use super::text::{as_text, zone};
use super::time::value_error;

/// A list as it is, and an empty one where there is none.
pub(crate) const NO_NULL_LIST: &str = "weir_list";

/// True where a key is in one row only, and otherwise an error.
pub(crate) const ONCE: &str = "weir_once";

/// The widest field of a template.
const WIDEST: usize = 1 << 16;

pub(super) fn functions() -> Vec<Native> {
    let any = |types: &[DataType]| Ok(types.to_vec());
    let number = |_: &[DataType]| Ok(DataType::Int32);
    vec![
        Native::new("format", any, |_| Ok(DataType::Utf8), format).stable(),
        Native::new("num_nulls", any, number, |call| count(call, true)),
        Native::new("num_nonnulls", any, number, |call| count(call, false)),
        Native::new(
            NO_NULL_LIST,
            any,
            |types| Ok(types.first().cloned().unwrap_or(DataType::Null)),
            no_null_list,
        ),
        Native::new(
            ONCE,
            |_| Ok(vec![DataType::Int64]),
            |_| Ok(DataType::Boolean),
            once,
        ),
    ]
}

fn count(call: &Call, nulls: bool) -> Result<ArrayRef> {
    let counts = (0..call.rows).map(|row| {
        let null = |arg: &&ArrayRef| arg.data_type().is_null() || arg.is_null(row);
        let found = call.args.iter().filter(null).count();
        let counted = if nulls {
            found
        } else {
            call.args.len() - found
        };
        i32::try_from(counted).unwrap_or(i32::MAX)
    });
    Ok(Arc::new(Int32Array::from_iter_values(counts)))
}

fn once(call: &Call) -> Result<ArrayRef> {
    let rows = call.args[0].as_primitive::<Int64Type>();
    if rows.iter().flatten().any(|rows| rows > 1) {
        return Err(value_error(
            "21000",
            "ON CONFLICT DO UPDATE cannot change a row a second time: two of the rows have the same key",
        ));
    }
    Ok(Arc::new(BooleanArray::from(vec![true; call.rows])))
}

fn no_null_list(call: &Call) -> Result<ArrayRef> {
    let list = &call.args[0];
    let DataType::List(item) = list.data_type() else {
        return Ok(make_array(list.to_data()));
    };
    if list.null_count() == 0 {
        return Ok(list.clone());
    }
    let lists = list.as_list::<i32>();
    let sizes = (0..lists.len()).map(|row| match lists.is_null(row) {
        true => 0,
        false => lists.value_length(row) as usize,
    });
    let sizes: Vec<usize> = sizes.collect();
    // What lies under a NULL is left out.
    let kept = (0..lists.len()).filter(|row| lists.is_valid(*row));
    let kept: Vec<ArrayRef> = kept.map(|row| lists.value(row)).collect();
    let parts: Vec<&dyn Array> = kept.iter().map(AsRef::as_ref).collect();
    let values = match parts.is_empty() {
        true => new_empty_array(item.data_type()),
        false => datafusion::arrow::compute::concat(&parts)?,
    };
    let offsets = OffsetBuffer::from_lengths(sizes);
    Ok(Arc::new(ListArray::try_new(
        item.clone(),
        offsets,
        values,
        None,
    )?))
}

/// `format('%s %I %L %%', ...)`, with `%2$s` and widths.
fn format(call: &Call) -> Result<ArrayRef> {
    let Some(templates) = call.args.first() else {
        return exec_err!("format takes a template");
    };
    let zone = zone(call)?;
    let texts = call.args.iter().map(|arg| match arg.data_type() {
        DataType::Null => Ok(StringArray::new_null(call.rows)),
        _ => as_text(arg, &zone),
    });
    let texts: Vec<StringArray> = texts.collect::<Result<_>>()?;
    let filled = (0..call.rows).map(|row| {
        if templates.data_type().is_null() || texts[0].is_null(row) {
            return Ok(None);
        }
        let value = |at: usize| {
            let text = texts.get(at)?;
            Some(text.is_valid(row).then(|| text.value(row)))
        };
        fill(texts[0].value(row), &value).map(Some)
    });
    let filled: StringArray = filled.collect::<Result<_>>()?;
    Ok(Arc::new(filled))
}

/// Fills a template; `value` returns the argument of a place, none where there is none.
fn fill<'a>(template: &str, value: &dyn Fn(usize) -> Option<Option<&'a str>>) -> Result<String> {
    let wrong = |what: &str| value_error("22023", format!("format(): {what}"));
    let few = || wrong("too few arguments");
    let mut out = String::with_capacity(template.len());
    let mut rest = template;
    let mut next = 1;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let mut place = None;
        let size = digits(rest);
        if size > 0 && rest[size..].starts_with('$') {
            let number: usize = rest[..size].parse().map_err(|_| few())?;
            if number == 0 {
                return Err(wrong("arguments are numbered from 1"));
            }
            place = Some(number);
            rest = &rest[size + 1..];
        }
        let mut left = false;
        while let Some(after) = rest.strip_prefix('-') {
            left = true;
            rest = after;
        }
        let mut width = 0;
        if let Some(after) = rest.strip_prefix('*') {
            let text = value(next).ok_or_else(few)?.unwrap_or("0");
            next += 1;
            let asked: i64 = text
                .parse()
                .map_err(|_| wrong("a width is a whole number"))?;
            left |= asked < 0;
            width = usize::try_from(asked.unsigned_abs()).unwrap_or(usize::MAX);
            rest = after;
        } else {
            let size = digits(rest);
            if size > 0 {
                width = rest[..size].parse().unwrap_or(usize::MAX);
                rest = &rest[size..];
            }
        }
        if width > WIDEST {
            return Err(wrong("a width is 65536 at most"));
        }
        let Some(kind) = rest.chars().next() else {
            return Err(wrong("unterminated format() type specifier"));
        };
        rest = &rest[kind.len_utf8()..];
        let at = place.unwrap_or(next);
        next = at + 1;
        let given = value(at).ok_or_else(few)?;
        let text = match (kind, given) {
            ('s', given) => given.unwrap_or("").to_owned(),
            ('I', Some(name)) => quote_ident(name).into_owned(),
            ('I', None) => {
                return Err(wrong(
                    "null values cannot be formatted as an SQL identifier",
                ));
            }
            ('L', Some(text)) => literal(text),
            ('L', None) => "NULL".to_owned(),
            (other, _) => return Err(wrong(&format!("unrecognized type specifier \"{other}\""))),
        };
        let blanks = " ".repeat(width.saturating_sub(text.chars().count()));
        match left {
            true => out.extend([text, blanks]),
            false => out.extend([blanks, text]),
        }
    }
    out.push_str(rest);
    Ok(out)
}

fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    match text.contains('\\') {
        true => format!("E'{}'", quoted.replace('\\', "\\\\")),
        false => format!("'{quoted}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_filled() {
        let values = [Some("a"), Some("B c"), None];
        let value = |at: usize| values.get(at.checked_sub(1)?).copied();
        assert_eq!(fill("%s-%I-%L-%%", &value).unwrap(), "a-\"B c\"-NULL-%");
        assert_eq!(fill("%2$s|%1$5s|%-3s|", &value).unwrap(), "B c|    a|B c|");
        assert!(fill("%s %s %s %s", &value).is_err());
        assert!(fill("%d", &value).is_err());
        assert!(fill("%", &value).is_err());
    }
}
