//! Any bytes as the start of a log segment's records: reading gives a record that lies within
//! them, or an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(frame) = weir_lake::read_frame(bytes) {
        assert!(frame.size <= bytes.len() && frame.rows > 0);
        assert!(frame.payload.len() < frame.size);
    }
});
