use super::{Clock, Event, GENERATED, Kind, Protocol, QUARANTINED, Request, VERSION};

/// Why bytes are not a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event record: {what} at byte {at}")]
pub struct DecodeError {
    what: &'static str,
    at: usize,
}

/// Reads a record made by [`super::encode`].
pub fn decode(payload: &[u8]) -> Result<Request<'_>, DecodeError> {
    let mut reader = Reader { payload, at: 0 };
    if reader.byte()? != VERSION {
        return Err(reader.error("unknown layout"));
    }
    let source_id = u32::try_from(reader.number()?).map_err(|_| reader.error("source id"))?;
    let source = reader.text()?;
    let received_at = i64::from_le_bytes(reader.array()?);
    let protocol = Protocol::from_code(reader.byte()?).ok_or(reader.error("unknown protocol"))?;
    let clock = Clock::from_code(reader.byte()?).ok_or(reader.error("unknown clock policy"))?;
    let sdk = reader.text()?;
    let ip = reader.text()?;
    let request_id = reader.array()?;
    let envelope = Some(reader.text()?).filter(|envelope| !envelope.is_empty());
    let count = reader.number()?;
    // An event takes at least three bytes, so a false count cannot ask for memory.
    if count > (payload.len() as u64) / 3 {
        return Err(reader.error("too many events"));
    }
    let mut events = Vec::with_capacity(count as usize);
    for _ in 0..count {
        events.push(event(&mut reader)?);
    }
    if reader.at != payload.len() {
        return Err(reader.error("something follows the record"));
    }
    Ok(Request {
        source_id,
        source,
        received_at,
        protocol,
        clock,
        sdk,
        ip,
        request_id,
        envelope,
        events,
    })
}

fn event<'a>(reader: &mut Reader<'a>) -> Result<Event<'a>, DecodeError> {
    let tag = reader.byte()?;
    if tag == QUARANTINED {
        return Ok(Event::Quarantined {
            reason: reader.text()?,
            detail: reader.text()?,
            message_id: reader.text()?,
            raw: reader.bytes()?,
        });
    }
    let kind = Kind::from_code(tag & !GENERATED).ok_or(reader.error("unknown kind of event"))?;
    Ok(Event::Accepted {
        kind,
        generated: tag & GENERATED != 0,
        message_id: reader.text()?,
        raw: reader.text()?,
    })
}

struct Reader<'a> {
    payload: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn error(&self, what: &'static str) -> DecodeError {
        DecodeError { what, at: self.at }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], DecodeError> {
        let rest = &self.payload[self.at..];
        let taken = rest
            .get(..length)
            .ok_or(self.error("the record is cut off"))?;
        self.at += length;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, DecodeError> {
        Ok(self.take(1)?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        Ok(self.take(N)?.try_into().expect("N bytes were taken"))
    }

    fn number(&mut self) -> Result<u64, DecodeError> {
        let mut value = 0u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(self.error("number too long"))
    }

    fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        let length = self.number()?;
        let length = usize::try_from(length).map_err(|_| self.error("length"))?;
        self.take(length)
    }

    fn text(&mut self) -> Result<&'a str, DecodeError> {
        let bytes = self.bytes()?;
        simdutf8::basic::from_utf8(bytes).map_err(|_| self.error("text is not UTF-8"))
    }
}
