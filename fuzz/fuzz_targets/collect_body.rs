//! Any bytes as a request body: decompressed, split, judged.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for encoding in ["", "gzip", "deflate"] {
        weir_collect::fuzzing::body(bytes, encoding);
    }
    // Most bytes are no batch; what is inside one is the interesting part.
    let mut batch = b"{\"batch\":[".to_vec();
    batch.extend_from_slice(bytes);
    weir_collect::fuzzing::body(&batch, "");
});
