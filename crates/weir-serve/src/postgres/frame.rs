//! From bytes to packets and messages, without a connection around them.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;

use bytes::{Buf, BytesMut};
use pgwire::messages::startup::PasswordMessageFamily;
use pgwire::messages::{DecodeContext, PgWireFrontendMessage};

use super::wire::Broken;

/// The largest start-up packet, as in Postgres.
const MAX_STARTUP: usize = 10_000;

/// The largest message: a statement or its parameters.
const MAX_MESSAGE: usize = 64 << 20;

/// Returns what the decoder has to know: start-up packets are read here, not there.
pub(super) fn context() -> DecodeContext {
    let mut context = DecodeContext::default();
    context.awaiting_frontend_ssl = false;
    context.awaiting_frontend_startup = false;
    context
}

/// Takes a start-up packet's body, without the length, if all of it is here.
pub(super) fn startup(input: &mut BytesMut) -> Result<Option<BytesMut>, Broken> {
    let Some(head) = input.first_chunk::<4>() else {
        return Ok(None);
    };
    let length = u32::from_be_bytes(*head) as usize;
    if !(8..=MAX_STARTUP).contains(&length) {
        return Err(Broken::Protocol("invalid length of startup packet".into()));
    }
    if input.len() < length {
        return Ok(None);
    }
    let mut packet = input.split_to(length);
    packet.advance(4);
    Ok(Some(packet))
}

/// Reads the names and values of a start-up packet, each ended by a NUL.
pub(super) fn parameters(packet: &[u8]) -> BTreeMap<String, String> {
    let mut texts = packet
        .split(|byte| *byte == 0)
        .map(|text| String::from_utf8_lossy(text).into_owned());
    let mut parameters = BTreeMap::new();
    while let (Some(name), Some(value)) = (texts.next(), texts.next()) {
        if name.is_empty() {
            break;
        }
        parameters.insert(name, value);
    }
    parameters
}

/// Takes the next message if all of it is here.
pub(super) fn message(
    input: &mut BytesMut,
    context: &DecodeContext,
) -> Result<Option<PgWireFrontendMessage>, Broken> {
    let Some(head) = input.first_chunk::<5>() else {
        return Ok(None);
    };
    let kind = head[0];
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if !(4..=MAX_MESSAGE).contains(&length) {
        return Err(Broken::Protocol(format!("invalid message length {length}")));
    }
    if input.len() < 1 + length {
        return Ok(None);
    }
    let mut frame = input.split_to(1 + length);
    if kind == b'F' {
        return Err(Broken::Protocol("function calls are not supported".into()));
    }
    // The decoder would put signs in the place of bytes that are none.
    if matches!(kind, b'Q' | b'P') && !is_text(kind, &frame[5..]) {
        return Err(Broken::Protocol(
            "a statement is not UTF-8, or does not end".into(),
        ));
    }
    // The decoder trusts counts inside a message; a panic there ends this connection only.
    let decoded = std::panic::catch_unwind(AssertUnwindSafe(|| {
        PgWireFrontendMessage::decode(&mut frame, context)
    }));
    match decoded {
        Ok(Ok(Some(message))) => Ok(Some(message)),
        Ok(Err(error)) => Err(Broken::Protocol(error.to_string())),
        Ok(Ok(None)) | Err(_) => Err(Broken::Protocol(format!(
            "malformed message of type {:?}",
            char::from(kind)
        ))),
    }
}

/// Whether the texts of a statement are UTF-8; numbers of types may follow them.
fn is_text(kind: u8, body: &[u8]) -> bool {
    let texts = if kind == b'P' { 2 } else { 1 };
    let mut rest = body;
    (0..texts).all(|_| match text(rest) {
        Some((_, after)) => {
            rest = after;
            true
        }
        None => false,
    })
}

/// Returns what a message that answers a question for a password holds, unread: the library's own
/// readers trust the lengths inside, and nobody has signed in yet.
pub(super) fn secret(message: PasswordMessageFamily) -> BytesMut {
    match message {
        PasswordMessageFamily::Raw(body) => body,
        _ => BytesMut::new(),
    }
}

/// Reads a text that a NUL ends; returns it and what follows.
pub(super) fn text(body: &[u8]) -> Option<(&str, &[u8])> {
    let end = body.iter().position(|byte| *byte == 0)?;
    let text = std::str::from_utf8(&body[..end]).ok()?;
    Some((text, &body[end + 1..]))
}

/// Reads the first message of an exchange: the mechanism, and what it begins with.
pub(super) fn sasl_first(body: &[u8]) -> Option<(&str, &[u8])> {
    let (mechanism, rest) = text(body)?;
    let (length, data) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(i32::from_be_bytes(*length)).ok()?;
    (data.len() == length).then_some((mechanism, data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_that_lie_are_no_messages() {
        assert_eq!(text(b"abc\0de"), Some(("abc", &b"de"[..])));
        assert_eq!(sasl_first(b"X\0\0\0\0\x02ab"), Some(("X", &b"ab"[..])));
        for body in [
            &b""[..],
            b"X",
            b"X\0",
            b"X\0\0\0",
            b"X\0\0\0\0\x03ab",
            b"X\0\0\0\0\x01ab",
            b"X\0\xff\xff\xff\xff",
            b"X\0\x7f\xff\xff\xffab",
            b"\xff\0\0\0\0\0",
        ] {
            assert_eq!(sasl_first(body), None, "{body:?}");
        }
    }
}
