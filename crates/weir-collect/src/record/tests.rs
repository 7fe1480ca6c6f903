use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Owned {
    Accepted(Kind, String, bool, String),
    Quarantined(String, String, String, Vec<u8>),
}

fn event() -> impl Strategy<Value = Owned> {
    prop_oneof![
        (
            proptest::sample::select(Kind::ALL),
            ".{0,40}",
            any::<bool>(),
            ".{0,300}"
        )
            .prop_map(|(kind, id, generated, raw)| Owned::Accepted(kind, id, generated, raw)),
        (
            ".{0,20}",
            ".{0,20}",
            ".{0,20}",
            proptest::collection::vec(any::<u8>(), 0..300)
        )
            .prop_map(|(reason, detail, id, raw)| Owned::Quarantined(reason, detail, id, raw)),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        source_id: u32,
        received_at: i64,
        request_id: [u8; 16],
        (source, sdk, ip) in (".{0,60}", ".{0,60}", ".{0,60}"),
        envelope in proptest::option::of(".{1,60}"),
        protocol in proptest::sample::select(Protocol::ALL),
        clock in proptest::sample::select(Clock::ALL),
        events in proptest::collection::vec(event(), 0..12),
        cut: prop::sample::Index,
    ) {
        let events = events
            .iter()
            .map(|event| match event {
                Owned::Accepted(kind, message_id, generated, raw) => {
                    Event::Accepted { kind: *kind, message_id, generated: *generated, raw }
                }
                Owned::Quarantined(reason, detail, message_id, raw) => {
                    Event::Quarantined { reason, detail, message_id, raw }
                }
            })
            .collect();
        let request = Request {
            source_id,
            source: &source,
            received_at,
            protocol,
            clock,
            sdk: &sdk,
            ip: &ip,
            request_id,
            envelope: envelope.as_deref(),
            events,
        };
        let payload = encode(&request);
        prop_assert_eq!(decode(&payload).unwrap(), request);
        prop_assert!(decode(&payload[..cut.index(payload.len())]).is_err());
    }

    #[test]
    fn any_bytes_are_a_record_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = decode(&bytes);
        if let Some(first) = bytes.first_mut() {
            *first = VERSION;
        }
        let _ = decode(&bytes);
    }
}
