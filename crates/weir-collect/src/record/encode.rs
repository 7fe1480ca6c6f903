use super::{Event, GENERATED, QUARANTINED, Request, VERSION};

/// Returns the record of a request.
pub fn encode(request: &Request<'_>) -> Vec<u8> {
    let raw: usize = request
        .events
        .iter()
        .map(|event| event.raw().len() + 48)
        .sum();
    let mut out = Vec::with_capacity(128 + request.envelope.map_or(0, str::len) + raw);
    out.push(VERSION);
    number(&mut out, u64::from(request.source_id));
    bytes(&mut out, request.source.as_bytes());
    out.extend_from_slice(&request.received_at.to_le_bytes());
    out.push(request.protocol.code());
    out.push(request.clock.code());
    bytes(&mut out, request.sdk.as_bytes());
    bytes(&mut out, request.ip.as_bytes());
    out.extend_from_slice(&request.request_id);
    // An envelope is never empty: no length means that there is none.
    bytes(&mut out, request.envelope.unwrap_or_default().as_bytes());
    number(&mut out, request.events.len() as u64);
    for event in &request.events {
        match event {
            Event::Accepted {
                kind,
                message_id,
                generated,
                raw,
            } => {
                out.push(kind.code() | if *generated { GENERATED } else { 0 });
                bytes(&mut out, message_id.as_bytes());
                bytes(&mut out, raw.as_bytes());
            }
            Event::Quarantined {
                reason,
                detail,
                message_id,
                raw,
            } => {
                out.push(QUARANTINED);
                for part in [
                    reason.as_bytes(),
                    detail.as_bytes(),
                    message_id.as_bytes(),
                    raw,
                ] {
                    bytes(&mut out, part);
                }
            }
        }
    }
    out
}

impl<'a> Event<'a> {
    /// Returns the event's bytes as they came.
    pub fn raw(&self) -> &'a [u8] {
        match self {
            Event::Accepted { raw, .. } => raw.as_bytes(),
            Event::Quarantined { raw, .. } => raw,
        }
    }
}

fn number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}
