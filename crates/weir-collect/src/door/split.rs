use crate::json::{Bad, Cursor, Head, RawValue, Text, lenient_end};
use crate::limits::Limits;

/// A body taken apart.
#[derive(Default)]
pub(crate) struct Parts<'a> {
    /// Sound first-level members other than the events.
    pub(crate) members: Vec<(Text<'a>, RawValue<'a>)>,
    /// Members that are no JSON, name and all.
    pub(crate) unsound: Vec<&'a [u8]>,
    /// The elements of `batch`; `None` when the body has no such array.
    pub(crate) elements: Option<Vec<Element<'a>>>,
    /// What lies beyond the most events a request may have.
    pub(crate) overflow: Option<&'a [u8]>,
    /// Where the body stops making sense, to its end.
    pub(crate) broken: Option<(Bad, &'a [u8])>,
}

/// One element of a batch.
#[derive(Debug)]
pub(crate) enum Element<'a> {
    /// A sound object.
    Object(Box<Head<'a>>, &'a [u8]),
    /// A sound value of another kind.
    Other(&'a [u8]),
    /// No JSON, with the position in it that shows why.
    Unsound(Bad, &'a [u8]),
}

/// Takes the body apart; `None` when it is no object at all.
///
/// Sound elements are read once. Only where one is not does a scan by strings and brackets find
/// its end, so that it costs its neighbours nothing.
pub(crate) fn split<'a>(body: &'a [u8], limits: &Limits) -> Option<Parts<'a>> {
    let mut cursor = Cursor::new(body);
    if cursor.next() != b'{' {
        return None;
    }
    cursor.bump();
    let mut parts = Parts::default();
    if let Err(bad) = members(&mut cursor, body, limits, &mut parts) {
        let from = cursor.at().min(body.len());
        parts.broken = Some((
            Bad {
                at: bad.at.saturating_sub(from),
                ..bad
            },
            &body[from..],
        ));
    }
    Some(parts)
}

/// Reads members until the object ends; on failure the cursor stands where sense ends.
fn members<'a>(
    cursor: &mut Cursor<'a>,
    body: &'a [u8],
    limits: &Limits,
    parts: &mut Parts<'a>,
) -> Result<(), Bad> {
    if cursor.next() == b'}' {
        cursor.bump();
        return at_end(cursor);
    }
    loop {
        cursor.next();
        let member = cursor.at();
        let key = rewind_on_error(cursor, member, Cursor::key)?;
        let is_batch = key.inside() == b"batch";
        if is_batch && cursor.next() == b'[' {
            cursor.bump();
            elements(cursor, body, limits, parts)?;
        } else {
            cursor.next();
            let start = cursor.at();
            match cursor.skip_value(limits.depth) {
                Ok(()) => {
                    parts
                        .members
                        .push((key, RawValue(cursor.slice(start, cursor.at()))));
                }
                Err(bad) => {
                    let Some(end) = lenient_end(body, start).filter(|&end| end > start) else {
                        cursor.seek(member);
                        return Err(bad);
                    };
                    parts.unsound.push(&body[member..end]);
                    cursor.seek(end);
                }
            }
        }
        let after = cursor.at();
        match cursor.next() {
            b',' => cursor.bump(),
            b'}' => {
                cursor.bump();
                return at_end(cursor);
            }
            _ => {
                let bad = cursor.bad(crate::json::BadKind::Unexpected);
                cursor.seek(after);
                return Err(bad);
            }
        }
    }
}

fn at_end(cursor: &mut Cursor<'_>) -> Result<(), Bad> {
    cursor.end()
}

fn rewind_on_error<'a, T>(
    cursor: &mut Cursor<'a>,
    to: usize,
    read: impl FnOnce(&mut Cursor<'a>) -> Result<T, Bad>,
) -> Result<T, Bad> {
    let read = read(cursor);
    if read.is_err() {
        cursor.seek(to);
    }
    read
}

/// Reads the elements of the batch; the cursor stands behind its opening bracket.
fn elements<'a>(
    cursor: &mut Cursor<'a>,
    body: &'a [u8],
    limits: &Limits,
    parts: &mut Parts<'a>,
) -> Result<(), Bad> {
    let list = parts.elements.get_or_insert_default();
    loop {
        match cursor.next() {
            b']' => {
                cursor.bump();
                return Ok(());
            }
            b',' => {
                cursor.bump();
                continue;
            }
            _ => {}
        }
        let start = cursor.at();
        if list.len() >= limits.batch_events {
            let end = rest_of_array(body, start);
            parts.overflow = Some(&body[start..end]);
            cursor.seek(end);
            if end == body.len() {
                return Err(cursor.bad(crate::json::BadKind::Ends));
            }
            continue;
        }
        match element(cursor, start, limits) {
            Ok(element) => list.push(element),
            Err(bad) => {
                let Some(end) = lenient_end(body, start).filter(|&end| end > start) else {
                    cursor.seek(start);
                    return Err(bad);
                };
                let raw = body[start..end].trim_ascii_end();
                list.push(Element::Unsound(
                    Bad {
                        at: bad.at.saturating_sub(start),
                        ..bad
                    },
                    raw,
                ));
                cursor.seek(end);
            }
        }
    }
}

/// Reads one sound element; what follows it must be able to follow one.
fn element<'a>(cursor: &mut Cursor<'a>, start: usize, limits: &Limits) -> Result<Element<'a>, Bad> {
    let element = if cursor.next() == b'{' {
        let head = Head::read(cursor, limits.depth, start)?;
        Element::Object(Box::new(head), cursor.slice(start, cursor.at()))
    } else {
        cursor.skip_value(limits.depth)?;
        Element::Other(cursor.slice(start, cursor.at()))
    };
    Ok(element)
}

/// Returns where the array ends whose element starts at `at`: its closing bracket, or the end.
fn rest_of_array(body: &[u8], mut at: usize) -> usize {
    loop {
        match lenient_end(body, at) {
            Some(end) if body[end..].first() == Some(&b']') => return end,
            Some(end) if end > at => at = end,
            // A comma, or a bracket that fits nothing: passed over.
            Some(end) => at = end + 1,
            None => return body.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raws(body: &str) -> Vec<String> {
        let parts = split(body.as_bytes(), &Limits::default()).expect("an object");
        parts
            .elements
            .unwrap_or_default()
            .iter()
            .map(|element| match element {
                Element::Object(_, raw) => format!("object {}", String::from_utf8_lossy(raw)),
                Element::Other(raw) => format!("other {}", String::from_utf8_lossy(raw)),
                Element::Unsound(_, raw) => format!("unsound {}", String::from_utf8_lossy(raw)),
            })
            .collect()
    }

    #[test]
    fn one_bad_element_costs_its_neighbours_nothing() {
        assert_eq!(
            raws(r#"{"batch":[{"a":1}, {"b":tru}, {"c":[1}, oops, 7, {"d":2}],"sentAt":"x"}"#),
            [
                r#"object {"a":1}"#,
                r#"unsound {"b":tru}"#,
                r#"unsound {"c":[1}"#,
                "unsound oops",
                "other 7",
                r#"object {"d":2}"#,
            ]
        );
        assert_eq!(
            raws(r#"{"batch":[{"a":1} x {"b":2}]}"#),
            [r#"object {"a":1}"#, r#"unsound x {"b":2}"#,]
        );
    }

    #[test]
    fn deep_elements_end_where_they_end() {
        let deep = format!("{}{}", "[".repeat(300), "]".repeat(300));
        let found = raws(&format!(r#"{{"batch":[{{"x":{deep}}},{{"a":1}}]}}"#));
        assert_eq!(found.len(), 2);
        assert!(found[0].starts_with("unsound") && found[1].starts_with("object"));
    }

    #[test]
    fn what_came_before_the_break_is_kept() {
        let parts = split(
            br#"{"writeKey":"k","batch":[{"a":1},{"b":"cut"#,
            &Limits::default(),
        );
        let parts = parts.unwrap();
        assert_eq!(parts.members.len(), 1);
        assert_eq!(parts.elements.unwrap().len(), 1);
        assert_eq!(parts.broken.unwrap().1, br#"{"b":"cut"#);
        let parts = split(br#"{"batch":[{"a":1}]} tail"#, &Limits::default()).unwrap();
        assert_eq!(parts.broken.unwrap().1, b"tail");
    }

    #[test]
    fn unsound_members_stand_alone() {
        let parts = split(
            br#"{"context":{"a":nope},"batch":[{}],"x":1}"#,
            &Limits::default(),
        );
        let parts = parts.unwrap();
        assert_eq!(parts.unsound, [br#""context":{"a":nope}"#]);
        assert_eq!(parts.members.len(), 1);
        assert!(parts.broken.is_none());
    }

    #[test]
    fn too_many_events_are_set_aside_together() {
        let limits = Limits {
            batch_events: 2,
            ..Limits::default()
        };
        let body = br#"{"batch":[{"a":1},{"a":2},{"a":3},{"a":4}],"sentAt":"x"}"#;
        let parts = split(body, &limits).unwrap();
        assert_eq!(parts.elements.unwrap().len(), 2);
        assert_eq!(parts.overflow.unwrap(), br#"{"a":3},{"a":4}"#);
        assert_eq!(parts.members.len(), 1);
        assert!(parts.broken.is_none());
    }

    #[test]
    fn no_object_no_parts() {
        for body in ["", "[]", "null", "\"x\"", "ok", "\u{feff}{}"] {
            assert!(
                split(body.as_bytes(), &Limits::default()).is_none(),
                "{body}"
            );
        }
    }

    #[test]
    fn hostile_shapes_take_linear_time() {
        for unit in [
            "[",
            "{\"a\":",
            "[}",
            "\"",
            "{\"batch\":[",
            ",",
            "[x,",
            "{\"a\":1} ",
        ] {
            let body = format!("{{\"batch\":[{}", unit.repeat((4 << 20) / unit.len()));
            let began = std::time::Instant::now();
            let _ = split(body.as_bytes(), &Limits::default());
            assert!(began.elapsed().as_secs() < 5, "{unit}");
        }
    }

    proptest! {
        // Every byte of the array is in an element, in the overflow, in the broken rest, or
        // between elements.
        #[test]
        fn nothing_is_lost(inside in r#"([{}\[\]",:x1 \\]|\{"a":1\},){0,30}"#) {
            let body = format!("{{\"batch\":[{inside}");
            let limits = Limits { batch_events: 5, ..Limits::default() };
            let parts = split(body.as_bytes(), &limits).unwrap();
            let ink = |bytes: &[u8]| bytes.iter().filter(|b| b"{}\"x1a:".contains(b)).count();
            let mut found = parts.broken.map_or(0, |(_, raw)| ink(raw));
            found += parts.overflow.map_or(0, ink);
            found += parts.unsound.iter().map(|raw| ink(raw)).sum::<usize>();
            for (key, value) in &parts.members {
                found += ink(key.inside()) + ink(value.0) + 3;
            }
            for element in parts.elements.unwrap_or_default() {
                found += match element {
                    Element::Object(_, raw) | Element::Other(raw) | Element::Unsound(_, raw) => ink(raw),
                };
            }
            // The rest is the brackets that end the batch and the body.
            prop_assert!(found + 2 >= ink(inside.as_bytes()), "{} {}", found, body);
        }

        #[test]
        fn a_sound_batch_is_taken_apart_exactly(
            values in proptest::collection::vec("[a-z\"\\\\\\[\\]{},]{0,12}", 0..8)
        ) {
            let events: Vec<String> = values
                .iter()
                .map(|v| format!("{{\"v\":{}}}", serde_json::to_string(v).unwrap()))
                .collect();
            let body = format!("{{\"batch\":[{}]}}", events.join(", "));
            let wanted: Vec<String> = events.iter().map(|e| format!("object {e}")).collect();
            prop_assert_eq!(raws(&body), wanted);
        }

        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = split(&bytes, &Limits::default());
            let mut body = b"{\"batch\":[".to_vec();
            body.extend(bytes);
            let _ = split(&body, &Limits::default());
        }
    }
}
