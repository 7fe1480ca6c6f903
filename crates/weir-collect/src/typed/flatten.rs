use std::borrow::Cow;

use super::path::{PathId, Paths};
use super::time;
use crate::json::{Bad, BadKind, Cursor, Flaws, Number, Text, minify};

/// Levels of objects an event may have; the door lets no more in, and raw rows are checked again.
const DEPTH: usize = 64;

/// A value on its way to a column.
#[derive(Debug)]
pub(crate) struct Leaf<'a> {
    pub(crate) path: PathId,
    pub(crate) value: LeafValue<'a>,
    /// The value as it came; of a string, what lies between its quotes.
    pub(crate) raw: &'a [u8],
    pub(crate) flaws: Flaws,
    /// Whether nobody needs to know when another value has the column already.
    pub(crate) yields: bool,
}

#[derive(Debug)]
pub(crate) enum LeafValue<'a> {
    Boolean(bool),
    Integer(i64),
    Float(f64),
    Timestamp(i64, &'a str),
    Text(Cow<'a, str>),
}

impl LeafValue<'_> {
    #[inline]
    pub(crate) fn as_value(&self) -> weir_lake::Value<'_> {
        use weir_lake::Value;
        match self {
            LeafValue::Boolean(value) => Value::Boolean(*value),
            LeafValue::Integer(value) => Value::Integer(*value),
            LeafValue::Float(value) => Value::Float(*value),
            LeafValue::Timestamp(value, text) => Value::Timestamp(*value, text),
            LeafValue::Text(text) => Value::String(text),
        }
    }
}

/// Adds the values of an object to `leaves`, nested objects joined into longer paths.
///
/// The object is read with a list of the open objects rather than by recursion.
pub(crate) fn flatten<'a>(
    object: &'a [u8],
    root: PathId,
    yields: bool,
    paths: &mut Paths,
    leaves: &mut Vec<Leaf<'a>>,
) -> Result<(), Bad> {
    let mut cursor = Cursor::new(object);
    let mut outer: Vec<PathId> = Vec::new();
    let mut parent = root;
    let mut before = root;
    let mut first = true;
    cursor.expect(b'{')?;
    loop {
        match cursor.next() {
            b'}' => {
                cursor.bump();
                let Some(up) = outer.pop() else {
                    return cursor.end();
                };
                before = parent;
                parent = up;
                first = false;
                continue;
            }
            b',' if !first => cursor.bump(),
            _ if first => {}
            _ => return Err(cursor.bad(BadKind::Unexpected)),
        }
        first = false;
        let key = cursor.key()?;
        let path = match key.plain() {
            Some(key) => paths.child(parent, before, key),
            None => paths.child(parent, before, &key.decode().0),
        };
        if cursor.next() == b'{' {
            if outer.len() >= DEPTH {
                return Err(cursor.bad(BadKind::Deep));
            }
            cursor.bump();
            outer.push(parent);
            parent = path;
            before = path;
            first = true;
            continue;
        }
        before = path;
        let start = cursor.at();
        let (value, flaws) = match cursor.next() {
            b'"' => {
                let text = cursor.string()?;
                let (value, flaws) = text_value(text);
                if let Some(value) = value {
                    leaves.push(Leaf {
                        path,
                        value,
                        raw: text.inside(),
                        flaws,
                        yields,
                    });
                }
                continue;
            }
            b'[' => {
                cursor.skip_value(DEPTH as u32)?;
                (
                    array_value(cursor.slice(start, cursor.at())),
                    Flaws::default(),
                )
            }
            b'-' | b'0'..=b'9' => {
                let number = cursor.number()?;
                (
                    Some(number_value(number, cursor.slice(number.start, number.end))),
                    Flaws::default(),
                )
            }
            byte => {
                cursor.literal()?;
                (
                    (byte != b'n').then_some(LeafValue::Boolean(byte == b't')),
                    Flaws::default(),
                )
            }
        };
        if let Some(value) = value {
            let raw = cursor.slice(start, cursor.at());
            leaves.push(Leaf {
                path,
                value,
                raw,
                flaws,
                yields,
            });
        }
    }
}

/// Returns the value of a string: an instant when it is written like one, nothing when empty.
pub(crate) fn text_value(text: Text<'_>) -> (Option<LeafValue<'_>>, Flaws) {
    if let Some(plain) = text.plain() {
        let value = match time::parse(plain) {
            _ if plain.is_empty() => None,
            Some(micros) => Some(LeafValue::Timestamp(micros, plain)),
            None => Some(LeafValue::Text(Cow::Borrowed(plain))),
        };
        return (value, Flaws::default());
    }
    let (decoded, flaws) = text.decode();
    let value = (!decoded.is_empty() || flaws.nul).then_some(LeafValue::Text(decoded));
    (value, flaws)
}

/// Returns the value of a number: an integer where it is one (`1.0` is), else a float; text where
/// neither holds it.
fn number_value(number: Number, digits: &[u8]) -> LeafValue<'_> {
    let text = std::str::from_utf8(digits).unwrap_or("0");
    if number.whole
        && let Ok(value) = text.parse::<i64>()
    {
        return LeafValue::Integer(value);
    }
    match text.parse::<f64>() {
        // Whole numbers beyond 64 bits are identifiers more often than amounts.
        _ if number.whole => LeafValue::Text(Cow::Borrowed(text)),
        Ok(value) if value.fract() == 0.0 && value.abs() < (1u64 << 53) as f64 => {
            LeafValue::Integer(value as i64)
        }
        Ok(value) if value.is_finite() => LeafValue::Float(value),
        _ => LeafValue::Text(Cow::Borrowed(text)),
    }
}

/// Returns an array as JSON text without white space.
fn array_value(json: &[u8]) -> Option<LeafValue<'_>> {
    if !json
        .iter()
        .any(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t'))
    {
        let text = simdutf8::basic::from_utf8(json).ok()?;
        return Some(LeafValue::Text(Cow::Borrowed(text)));
    }
    let mut out = Vec::with_capacity(json.len());
    minify(json, &mut out);
    Some(LeafValue::Text(Cow::Owned(String::from_utf8(out).ok()?)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::path::PROPERTIES;
    use super::*;

    fn flat(object: &str) -> Vec<String> {
        let mut paths = Paths::new();
        let mut leaves = Vec::new();
        flatten(
            object.as_bytes(),
            PROPERTIES,
            false,
            &mut paths,
            &mut leaves,
        )
        .unwrap();
        leaves
            .iter()
            .map(|leaf| {
                format!(
                    "{}={:?}",
                    paths.name(leaf.path).unwrap_or("?"),
                    leaf.value.as_value()
                )
            })
            .collect()
    }

    #[test]
    fn values_get_their_types() {
        assert_eq!(
            flat(
                r#"{"a":1,"b":1.0,"c":1.5,"d":true,"e":null,"f":"","g":"x","h":[1, {"y": 2}],
                "i":{"j":{"k":-3},"l":{}},"m":"2024-01-02","n":12345678901234567890,"o":1e400,
                "p":9007199254740993,"q":"a\u00e9","r":[],"s":1e3,"t":"12"}"#
            ),
            [
                "a=Integer(1)",
                "b=Integer(1)",
                "c=Float(1.5)",
                "d=Boolean(true)",
                "g=String(\"x\")",
                "h=String(\"[1,{\\\"y\\\":2}]\")",
                "i_j_k=Integer(-3)",
                "m=Timestamp(1704153600000000, \"2024-01-02\")",
                "n=String(\"12345678901234567890\")",
                "o=String(\"1e400\")",
                "p=Integer(9007199254740993)",
                "q=String(\"aé\")",
                "r=String(\"[]\")",
                "s=Integer(1000)",
                "t=String(\"12\")",
            ]
        );
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut object = b"{\"a\":{".to_vec();
            object.extend(bytes);
            let _ = flatten(&object, PROPERTIES, false, &mut Paths::new(), &mut Vec::new());
        }

        #[test]
        fn stops_where_the_json_is_bad(text in r#"[{}\[\]",:a1 ]{0,30}"#) {
            let object = format!("{{{text}");
            let ours = flatten(object.as_bytes(), PROPERTIES, false, &mut Paths::new(), &mut Vec::new());
            let theirs = serde_json::from_str::<serde_json::Map<_, _>>(&object);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{}", object);
        }
    }
}
