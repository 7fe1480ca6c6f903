use std::borrow::Cow;

use crate::json::{Cursor, RawValue, Text};

/// Returns a member of a sound object, the last of its name.
pub(crate) fn member<'a>(object: RawValue<'a>, name: &str) -> Option<RawValue<'a>> {
    let mut cursor = Cursor::new(object.0);
    let mut found = None;
    cursor.expect(b'{').ok()?;
    while cursor.next() == b'"' {
        let key = cursor.key().ok()?;
        cursor.next();
        let start = cursor.at();
        cursor.skip_value(64).ok()?;
        if key.inside() == name.as_bytes() {
            found = Some(RawValue(cursor.slice(start, cursor.at())));
        }
        if cursor.next() != b',' {
            break;
        }
        cursor.bump();
    }
    found
}

/// Returns the write key among the members of a body.
pub(crate) fn write_key_of<'a>(members: &[(Text<'a>, RawValue<'a>)]) -> Option<Cow<'a, str>> {
    let (_, value) = members
        .iter()
        .rev()
        .find(|(key, _)| key.inside() == b"writeKey")?;
    Some(value.string()?.decode().0).filter(|key| !key.is_empty())
}
