//! One request as it lies in the log: what the door decided, and every byte of every event.
//!
//! The door decides what needs a clock, a key or a random number; what is behind it depends on the
//! record alone. The layout is versioned by its first byte, and decoding any bytes at all gives a
//! record or an error, never a panic.
//!
//! ```text
//! 0xC1 · source id · source · received_at · protocol · clock · sdk · ip · request id · envelope
//!      · count · (kind · message id · raw | 0xF0 · reason · detail · message id · raw)*
//! ```
//! Lengths and numbers are LEB128; `received_at` is 8 bytes, little-endian.

mod decode;
mod encode;

pub use decode::{DecodeError, decode};
pub use encode::encode;

/// The first byte of a record of this layout.
const VERSION: u8 = 0xC1;
/// Marks an event whose message id the door made up.
const GENERATED: u8 = 0x40;
/// Marks an event that was set aside.
const QUARANTINED: u8 = 0xF0;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $code:literal $word:literal),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($variant),* }

        impl $name {
            /// All there are.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns the word it has in tables and replies.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// Returns what `word` means.
            pub fn from_word(word: &str) -> Option<Self> {
                match word { $($word => Some(Self::$variant),)* _ => None }
            }

            fn code(self) -> u8 {
                match self { $(Self::$variant => $code),* }
            }

            fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

words! {
    /// What an event says.
    Kind {
        Track = 1 "track",
        Identify = 2 "identify",
        Page = 3 "page",
        Screen = 4 "screen",
        Group = 5 "group",
        Alias = 6 "alias",
        Merge = 7 "merge",
        Webhook = 8 "webhook",
    }
}

words! {
    /// The way a request came in.
    Protocol {
        Http = 1 "http",
        Batch = 2 "batch",
        Pixel = 3 "pixel",
        Beacon = 4 "beacon",
        Webhook = 5 "webhook",
        Import = 6 "import",
        Internal = 7 "internal",
    }
}

words! {
    /// How the time of an event is found; the source's setting when the request came.
    Clock {
        Correct = 1 "correct",
        Trust = 2 "trust",
    }
}

/// One request.
#[derive(Clone, Debug, PartialEq)]
pub struct Request<'a> {
    /// The source's number, stable for ever.
    pub source_id: u32,
    /// The source's name when the request came.
    pub source: &'a str,
    /// When the door took it, in microseconds since the epoch.
    pub received_at: i64,
    /// The way it came in.
    pub protocol: Protocol,
    /// How the times of its events are found.
    pub clock: Clock,
    /// The library that sent it, `name/version`; may be empty.
    pub sdk: &'a str,
    /// What is kept of the sender's address; may be empty.
    pub ip: &'a str,
    /// Identifies the request in replies and logs.
    pub request_id: [u8; 16],
    /// The members of the request beside its events, as one JSON object.
    pub envelope: Option<&'a str>,
    /// What came, in the order it came; each takes one position of the log.
    pub events: Vec<Event<'a>>,
}

/// One event of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Event<'a> {
    /// It is an event.
    Accepted {
        kind: Kind,
        message_id: &'a str,
        /// Whether the door made the message id up, so that it cannot come again.
        generated: bool,
        /// Its JSON, untouched.
        raw: &'a str,
    },
    /// It is kept, but is no event.
    Quarantined {
        /// A stable word.
        reason: &'a str,
        detail: &'a str,
        /// May be empty.
        message_id: &'a str,
        raw: &'a [u8],
    },
}

#[cfg(test)]
mod tests;
