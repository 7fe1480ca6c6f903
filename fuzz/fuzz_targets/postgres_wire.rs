//! Any bytes as a connection of a PostgreSQL client: start-up packets, messages, what is in them.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        // The decoder of messages panics on counts that lie, which ends a connection and no more;
        // what is not caught ends the fuzzer all the same.
        std::panic::set_hook(Box::new(|_| {}));
    },
    |bytes: &[u8]| {
        weir_serve::fuzzing::connection(bytes);
    }
);
