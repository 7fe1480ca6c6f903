//! The fuzz targets' properties on mutated seeds, in every test run; `fuzz/` looks further.

use weir_collect::{fuzzing, record};

/// How many mutants each property sees; `WEIR_MUTANTS` for longer runs.
fn mutants() -> usize {
    let set = std::env::var("WEIR_MUTANTS").ok();
    set.and_then(|n| n.parse().ok()).unwrap_or(5_000)
}

const BODIES: [&[u8]; 6] = [
    br#"{"batch":[{"type":"track","event":"A","messageId":"m","userId":"u","properties":{"n":1.5e3,"s":"\u00e9\ud83d\ude00","l":[1,null,true,{}]}}],"sentAt":"2026-11-21T09:00:00.000Z"}"#,
    br#"{"type":"identify","userId":7,"traits":{"email":"a@b","nested":{"deep":{"er":[[]]}}},"timestamp":"2026-02-30T25:61:00Z"}"#,
    br#"[{"event":"B"},{"event":"C","context":{"ip":"1.2.3.4","library":{"name":"x"}}}]"#,
    br#"{"batch":[{"type":"page","name":"\ud800"},{"type":"nothing"}],"context":{}}"#,
    b"data=eyJldmVudCI6IkEifQ%3D%3D",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\xab\x56\x4a\x2d\x4b\xcd\x2b\x51\xb2\x52\x72\x54\xaa\x05\x00",
];

/// A small generator of numbers: the same mutants in every run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }
}

/// Changes some of the bytes: flips, cuts, repeats, and words that mean something.
fn mutate(bytes: &mut Vec<u8>, numbers: &mut Numbers) {
    const WORDS: [&[u8]; 10] = [
        b"{",
        b"}",
        b"[",
        b"\"",
        b"\\u0000",
        b"\\ud800",
        b"1e999",
        b"-0",
        b"\xff\xfe",
        b"\0",
    ];
    for _ in 0..=numbers.below(4) {
        let at = numbers.below(bytes.len() + 1);
        match numbers.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 if at < bytes.len() => bytes[at] = numbers.below(256) as u8,
            2 => bytes.truncate(at),
            3 => {
                let part = bytes[at..].to_vec();
                bytes.extend(&part[..part.len().min(64)]);
            }
            4 => {
                let word = WORDS[numbers.below(WORDS.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            _ => {
                let word = WORDS[numbers.below(3)].repeat(1 + numbers.below(300));
                bytes.splice(at..at, word);
            }
        }
    }
}

#[test]
fn mutated_bodies_are_survived() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for mutant in 0..mutants() {
        let mut bytes = BODIES[mutant % BODIES.len()].to_vec();
        mutate(&mut bytes, &mut numbers);
        for encoding in ["", "gzip", "deflate"] {
            fuzzing::body(&bytes, encoding);
        }
    }
}

#[test]
fn mutated_records_decode_to_themselves_or_not_at_all() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let request = record::Request {
        source_id: 7,
        source: "app",
        received_at: 1_790_000_000_000_000,
        protocol: record::Protocol::ALL[0],
        clock: record::Clock::ALL[0],
        sdk: "analytics.js/1",
        ip: "1.2.3.4",
        request_id: [9; 16],
        envelope: Some("{}"),
        events: vec![
            record::Event::Accepted {
                kind: record::Kind::Track,
                message_id: "m1",
                generated: false,
                raw: r#"{"event":"A"}"#,
            },
            record::Event::Quarantined {
                reason: "invalid_json",
                detail: "at 3",
                message_id: "",
                raw: b"{{{",
            },
        ],
    };
    let seed = record::encode(&request);
    for _ in 0..mutants() {
        let mut bytes = seed.clone();
        mutate(&mut bytes, &mut numbers);
        if let Ok(request) = record::decode(&bytes) {
            let again = record::encode(&request);
            assert_eq!(record::decode(&again).as_ref(), Ok(&request));
        }
        if let Ok(frame) = weir_lake::read_frame(&bytes) {
            assert!(frame.size <= bytes.len() && frame.rows > 0);
        }
    }
}
