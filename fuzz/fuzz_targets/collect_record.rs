//! Any bytes as a record of the log: decoding gives a record that encodes to the same bytes, or
//! an error.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(request) = weir_collect::record::decode(bytes) {
        let again = weir_collect::record::encode(&request);
        assert_eq!(weir_collect::record::decode(&again).as_ref(), Ok(&request));
    }
});
