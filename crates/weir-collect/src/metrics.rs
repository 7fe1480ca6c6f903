use std::sync::atomic::{AtomicU64, Ordering};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What intake did since the process started.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
        pub struct IntakeCounts {
            $($(#[$doc])* pub $name: u64,)*
        }

        #[derive(Default)]
        pub(crate) struct Counters {
            $(pub(crate) $name: Counter,)*
        }

        impl Counters {
            pub(crate) fn snapshot(&self) -> IntakeCounts {
                IntakeCounts { $($name: self.$name.0.load(Ordering::Relaxed),)* }
            }
        }
    };
}

counters! {
    /// Requests to any intake path.
    requests,
    /// Events accepted and durable; duplicates are found later and counted there.
    accepted,
    /// Events set aside and durable.
    quarantined,
    /// Requests without a key, or with one nobody has.
    unauthorised,
    /// Requests for a source that is switched off.
    disabled,
    /// Requests sent back because a key, an address or the log had enough (429).
    throttled,
    /// Requests sent back because the log could not be written (503).
    unavailable,
    /// Requests that could not be understood (other 4xx).
    refused,
    /// Bytes of accepted bodies as they came.
    bytes_received,
    /// Bytes of accepted bodies after decompression.
    bytes_decompressed,
    /// Requests an SDK said it sent before.
    retried_requests,
}

/// A number that only grows.
#[derive(Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }
}
