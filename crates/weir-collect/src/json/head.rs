use std::borrow::Cow;

use super::cursor::{Bad, BadKind, Cursor};
use super::text::{Flaws, Text};

/// A value as it is written, white space around it removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawValue<'a>(pub(crate) &'a [u8]);

impl<'a> RawValue<'a> {
    pub(crate) fn is_object(self) -> bool {
        self.0.first() == Some(&b'{')
    }

    /// Whether the value says that there is none: `null` or an empty string.
    pub(crate) fn is_empty(self) -> bool {
        self.0 == b"null" || self.0 == b"\"\""
    }

    /// Returns the string the value is.
    pub(crate) fn string(self) -> Option<Text<'a>> {
        if self.0.first() != Some(&b'"') {
            return None;
        }
        Cursor::new(self.0).string().ok()
    }

    /// Returns an identifier: a string, or a number in its own digits (senders mix them up).
    pub(crate) fn identifier(self) -> Option<(Cow<'a, str>, Flaws)> {
        match self.0.first()? {
            b'"' => self.string().map(|text| text.decode()),
            b'-' | b'0'..=b'9' => {
                let digits = simdutf8::basic::from_utf8(self.0).ok()?;
                Some((Cow::Borrowed(digits), Flaws::default()))
            }
            _ => None,
        }
    }
}

macro_rules! head {
    ($($field:ident = $key:literal),* $(,)?) => {
        /// The first-level members of an event that mean something; the last of a name counts.
        #[derive(Clone, Default, Debug)]
        pub(crate) struct Head<'a> {
            $(pub(crate) $field: Option<RawValue<'a>>,)*
            /// Ranges of members that change when the same event is sent again.
            pub(crate) volatile: Volatile,
        }

        impl<'a> Head<'a> {
            #[inline]
            fn set(&mut self, key: &[u8], value: RawValue<'a>) {
                match key {
                    $($key => self.$field = Some(value),)*
                    _ => {}
                }
            }
        }
    };
}

head! {
    kind = b"type",
    message_id = b"messageId",
    user_id = b"userId",
    anonymous_id = b"anonymousId",
    event = b"event",
    name = b"name",
    category = b"category",
    properties = b"properties",
    traits = b"traits",
    context = b"context",
    group_id = b"groupId",
    previous_id = b"previousId",
    timestamp = b"timestamp",
    original_timestamp = b"originalTimestamp",
    sent_at = b"sentAt",
    channel = b"channel",
    write_key = b"writeKey",
    batch = b"batch",
}

/// Up to four ranges of bytes, in order.
pub(crate) type Volatile = [(u32, u32); 4];

impl<'a> Head<'a> {
    /// Reads the object the cursor stands before, checking all of it, and passes it.
    ///
    /// The `volatile` ranges are positions in the cursor's bytes, less `base`.
    pub(crate) fn read(cursor: &mut Cursor<'a>, depth: u32, base: usize) -> Result<Self, Bad> {
        let mut head = Head::default();
        let mut found = 0;
        cursor.expect(b'{')?;
        if cursor.next() == b'}' {
            cursor.bump();
            return Ok(head);
        }
        loop {
            cursor.next();
            let member = cursor.at();
            let key = cursor.key()?;
            cursor.next();
            let start = cursor.at();
            cursor.skip_value(depth - 1)?;
            let end = cursor.at();
            let value = RawValue(cursor.slice(start, end));
            match key.plain() {
                Some(plain) => head.set(plain.as_bytes(), value),
                None => head.set(key.decode().0.as_bytes(), value),
            }
            // What a retry changes: `sentAt`, analytics.js' `_metadata`, and the key after a rotation.
            if matches!(key.inside(), b"sentAt" | b"_metadata" | b"writeKey") && found < 4 {
                head.volatile[found] = ((member - base) as u32, (end - base) as u32);
                found += 1;
            }
            match cursor.next() {
                b',' => cursor.bump(),
                b'}' => {
                    cursor.bump();
                    return Ok(head);
                }
                _ => return Err(cursor.bad(BadKind::Unexpected)),
            }
        }
    }

    /// Reads `bytes` as one object.
    pub(crate) fn parse(bytes: &'a [u8], depth: u32) -> Result<Self, Bad> {
        let mut cursor = Cursor::new(bytes);
        let head = Self::read(&mut cursor, depth, 0)?;
        cursor.end()?;
        Ok(head)
    }

    /// Hashes the event without what changes when the same event is sent again.
    pub(crate) fn payload_hash(&self, raw: &[u8]) -> u64 {
        let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
        if self.volatile[0] == (0, 0) {
            return xxhash_rust::xxh3::xxh3_64(raw);
        }
        let mut at = 0;
        for &(start, end) in self.volatile.iter().take_while(|range| **range != (0, 0)) {
            hash.update(raw.get(at..start as usize).unwrap_or_default());
            at = end as usize;
        }
        hash.update(raw.get(at..).unwrap_or_default());
        hash.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_members_and_checks_the_rest() {
        let raw =
            br#" { "type" : "track", "userId":42, "properties":{"a":[1,{"b":null}]}, "x":1e5 } "#;
        let head = Head::parse(raw, 64).unwrap();
        assert_eq!(head.kind.unwrap().string().unwrap().plain(), Some("track"));
        assert_eq!(head.user_id.unwrap().identifier().unwrap().0, "42");
        assert!(head.properties.unwrap().is_object());
        assert!(Head::parse(br#"{"a":tru}"#, 64).is_err());
        assert!(Head::parse(br#"{"a":1}}"#, 64).is_err());
        assert!(Head::parse(br#"{"a":1,}"#, 64).is_err());
        assert!(
            Head::parse(br#"{"\u0074ype":"x"}"#, 64)
                .unwrap()
                .kind
                .is_some()
        );
    }

    #[test]
    fn a_retry_hashes_like_the_first_try() {
        let hash = |raw: &str| {
            Head::parse(raw.as_bytes(), 64)
                .unwrap()
                .payload_hash(raw.as_bytes())
        };
        let first = r#"{"messageId":"a","sentAt":"1","_metadata":{"retryCount":0},"x":1}"#;
        let again = r#"{"messageId":"a","sentAt":"2","_metadata":{"retryCount":7},"x":1}"#;
        let other = r#"{"messageId":"a","sentAt":"2","_metadata":{"retryCount":7},"x":2}"#;
        assert_eq!(hash(first), hash(again));
        assert_ne!(hash(first), hash(other));
    }
}
