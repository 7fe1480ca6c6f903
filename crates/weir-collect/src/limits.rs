/// What intake accepts, and how much of it.
///
/// The defaults take everything the SDKs send and stop what only an attacker or a mistake sends.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest body as it comes over the wire.
    pub body_bytes: usize,
    /// Largest body after decompression.
    pub decompressed_bytes: usize,
    /// Most bytes one compressed byte may become, once 256 KB have come out.
    pub compression_ratio: usize,
    /// Largest event; a larger one is set aside.
    pub event_bytes: usize,
    /// Most events of one request; those beyond are set aside together.
    pub batch_events: usize,
    /// Most levels of brackets in an event; at most 64.
    pub depth: u32,
    /// Events per second and write key.
    pub key_rate: Rate,
    /// Requests per second and address (IPv6: network of 64 bits).
    pub ip_rate: Rate,
    /// A second path to every route, for pages whose readers block the usual ones.
    pub path_prefix: Option<String>,
}

/// A token bucket: `burst` at once, `per_second` for ever.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    pub per_second: f64,
    pub burst: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 4 << 20,
            decompressed_bytes: 4 << 20,
            compression_ratio: 256,
            event_bytes: 32 << 10,
            batch_events: 10_000,
            depth: 64,
            key_rate: Rate {
                per_second: 500_000.0,
                burst: 2_000_000.0,
            },
            ip_rate: Rate {
                per_second: 50_000.0,
                burst: 200_000.0,
            },
            path_prefix: None,
        }
    }
}

impl Limits {
    /// Returns the limits with those that have an upper bound of their own held to it.
    pub(crate) fn bounded(mut self) -> Self {
        self.depth = self.depth.clamp(2, 64);
        self.batch_events = self.batch_events.max(1);
        self
    }
}
