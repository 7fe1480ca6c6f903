//! What the fuzz target `postgres_wire` does, over good conversations and what becomes of them when
//! bytes are changed: the same at every run. A panic is a finding.

use weir_serve::fuzzing::{Reached, connection};

/// A generator without surprises.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }
}

fn packet(version: u32, rest: &[u8]) -> Vec<u8> {
    let mut packet = (rest.len() as u32 + 8).to_be_bytes().to_vec();
    packet.extend(version.to_be_bytes());
    packet.extend(rest);
    packet
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend((body.len() as u32 + 4).to_be_bytes());
    message.extend(body);
    message
}

/// A Bind with one value, in text and in binary.
fn bind(value: &[u8], binary: bool) -> Vec<u8> {
    let mut body = b"\0s\0".to_vec();
    body.extend([0, 1, 0, u8::from(binary), 0, 1]);
    body.extend((value.len() as u32).to_be_bytes());
    body.extend(value);
    body.extend([0, 1, 0, 1]);
    message(b'B', &body)
}

fn conversations() -> Vec<Vec<u8>> {
    let start = packet(
        196_608,
        b"user\0vera\0database\0weir\0options\0-c search_path=a\\ b --x=1\0TimeZone\0Europe/Berlin\0\0",
    );
    let first = b"n,,n=,r=rOprNGfwEbeRWgbNEkqO";
    let mut sasl = b"SCRAM-SHA-256\0".to_vec();
    sasl.extend((first.len() as u32).to_be_bytes());
    sasl.extend(first);
    let sasl = message(b'p', &sasl);
    let last = message(
        b'p',
        b"c=biws,r=rOprNGfwEbeRWgbNEkqOx,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
    );
    let query = |sql: &str| message(b'Q', &[sql.as_bytes(), b"\0"].concat());
    let parse = |sql: &str| {
        message(
            b'P',
            &[b"s\0", sql.as_bytes(), b"\0\0\x01\0\0\x06\xa4"].concat(),
        )
    };
    let array = [0_u32, 0, 23, 2, 1, 4, 7, u32::MAX];
    // One dimension without NULLs' flag, of int4: two items, the second NULL.
    let array: Vec<u8> = [1_u32, 1]
        .iter()
        .chain(&array[2..])
        .flat_map(|n| n.to_be_bytes())
        .collect();
    let numeric = [0, 2, 0, 0, 0, 0, 0, 3, 0x30, 0x39, 0x1a, 0x7c];
    vec![
        [packet(80_877_103, b""), start.clone()].concat(),
        packet(80_877_102, &[0; 8]),
        [start.clone(), sasl, last].concat(),
        [
            start.clone(),
            message(b'p', b"weir_secret\0"),
            query("SELECT 1; SELECT ';' -- x"),
        ]
        .concat(),
        [
            start.clone(),
            query("SET search_path TO \"a\", 'b'; BEGIN; DECLARE \"c\" CURSOR FOR SELECT $a$;$a$"),
        ]
        .concat(),
        [
            start.clone(),
            query("COPY (SELECT 1) TO STDOUT WITH (FORMAT csv, DELIMITER ';', HEADER)"),
        ]
        .concat(),
        [
            start.clone(),
            parse("SELECT $1"),
            bind(b"1.5", false),
            bind(&numeric, true),
        ]
        .concat(),
        [
            start.clone(),
            parse("SELECT E'\\''"),
            bind(&array, true),
            bind(b"{1,\"a b\",NULL}", false),
        ]
        .concat(),
        [
            start.clone(),
            bind(&[0; 16], true),
            bind(&[0xff; 8], true),
            bind(b"2024-02-29 12:30:00+00", false),
        ]
        .concat(),
        [
            start.clone(),
            query("COPY t (a, b) FROM STDIN"),
            message(b'd', b"1\tx\\ty\n\\N\t\"z\n"),
            message(b'd', b"1,\"x\"\"y\"\n2,\n"),
            message(b'c', b""),
        ]
        .concat(),
        [
            start,
            message(b'D', b"Ss\0"),
            message(b'E', b"\0\0\0\0\x05"),
            message(b'C', b"Pp\0"),
            message(b'S', b""),
        ]
        .concat(),
    ]
}

fn sum(all: impl IntoIterator<Item = Reached>) -> Reached {
    all.into_iter()
        .fold(Reached::default(), |sum, one| Reached {
            startups: sum.startups + one.startups,
            messages: sum.messages + one.messages,
            values: sum.values + one.values,
            exchanges: sum.exchanges + one.exchanges,
            rows: sum.rows + one.rows,
        })
}

#[test]
fn good_conversations_are_understood() {
    let reached = sum(conversations().iter().map(|bytes| connection(bytes)));
    assert_eq!(reached.startups, 10);
    assert_eq!(reached.rows, 4);
    assert!(reached.messages >= 18, "{reached:?}");
    assert!(reached.values >= 40, "{reached:?}");
    assert_eq!(reached.exchanges, 1);
}

#[test]
fn changed_bytes_are_errors_at_most() {
    // Panics in the decoder of messages are expected, and kept from going further: not a word here.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = std::panic::catch_unwind(changed);
    std::panic::set_hook(hook);
    let reached = found.expect("a panic on foreign bytes");
    // Most of it has to come through, or nothing was tried.
    assert!(
        reached.messages > 20_000 && reached.values > 20_000,
        "{reached:?}"
    );
}

fn changed() -> Reached {
    let mut random = Random(0x5eed);
    let conversations = conversations();
    let one = |n: usize| {
        let mut bytes = conversations[n % conversations.len()].clone();
        for _ in 0..=random.below(4) {
            let at = random.below(bytes.len());
            match random.below(7) {
                0 => bytes[at] = random.next() as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                2 => bytes.truncate(at.max(1)),
                3 => bytes.insert(at, random.next() as u8),
                4 => bytes[at] = [0, 0xff, 0x7f, 0x80, b'\'', b'"', b'$', b'\\'][random.below(8)],
                5 => {
                    let other = &conversations[random.below(conversations.len())];
                    let from = random.below(other.len());
                    bytes.splice(at.., other[from..].iter().copied());
                }
                // A length or a count that lies.
                _ => {
                    let lie = [0, 1, 0xffff, 0x7fff_ffff, 0x8000_0000, u32::MAX][random.below(6)];
                    let end = (at + 4).min(bytes.len());
                    bytes.splice(at..end, u32::to_be_bytes(lie));
                }
            }
        }
        connection(&bytes)
    };
    sum((0..36_000).map(one))
}
