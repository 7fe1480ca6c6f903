use std::borrow::Cow;
use std::io::Read;

use crate::limits::Limits;

/// The ratio is looked at from here on: short bodies may repeat themselves as they like.
const RATIO_FROM: usize = 256 << 10;

/// What came out of a body.
#[derive(Debug, PartialEq)]
pub(crate) enum Inflated<'a> {
    Plain(Cow<'a, [u8]>),
    /// More came out than a body may hold.
    TooLarge,
    /// It says that it is compressed, and is not.
    Broken(String),
}

/// Decompresses a body that is compressed, whatever its headers say.
///
/// No JSON starts with the magic bytes of gzip, and some SDKs and proxies set the header wrongly
/// in one direction or the other, so for gzip the bytes alone decide.
pub(crate) fn inflate<'a>(body: &'a [u8], encoding: &str, limits: &Limits) -> Inflated<'a> {
    if body.starts_with(&[0x1f, 0x8b]) {
        return read(flate2::bufread::MultiGzDecoder::new(body), body, limits);
    }
    // zlib has no magic to trust, so here the header is asked; a JSON text never starts with `x`.
    if encoding.eq_ignore_ascii_case("deflate") && body.first() == Some(&0x78) {
        return read(flate2::bufread::ZlibDecoder::new(body), body, limits);
    }
    if body.len() > limits.decompressed_bytes {
        return Inflated::TooLarge;
    }
    Inflated::Plain(Cow::Borrowed(body))
}

fn read<'a>(mut decoder: impl Read, body: &[u8], limits: &Limits) -> Inflated<'a> {
    let most = limits
        .decompressed_bytes
        .min(RATIO_FROM.max(body.len().saturating_mul(limits.compression_ratio)));
    // The last four bytes of a gzip body are its length, if they are true.
    let hint = body
        .last_chunk()
        .map_or(0, |length| u32::from_le_bytes(*length) as usize);
    let mut out = Vec::with_capacity(hint.clamp(body.len() * 2, body.len() * 12).min(most) + 64);
    match (&mut decoder).take(most as u64 + 1).read_to_end(&mut out) {
        Ok(_) if out.len() > most => Inflated::TooLarge,
        Ok(_) => Inflated::Plain(Cow::Owned(out)),
        Err(error) => Inflated::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn bytes_decide_not_headers() {
        let limits = Limits::default();
        let plain = b"{\"batch\":[]}";
        let packed = gzip(plain);
        for encoding in ["", "gzip", "identity", "br"] {
            for body in [&plain[..], &packed] {
                let Inflated::Plain(out) = inflate(body, encoding, &limits) else {
                    panic!()
                };
                assert_eq!(out.as_ref(), plain);
            }
        }
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(plain).unwrap();
        let zlib = encoder.finish().unwrap();
        assert_eq!(
            inflate(&zlib, "deflate", &limits),
            Inflated::Plain(plain.into())
        );
    }

    #[test]
    fn bombs_are_stopped() {
        let limits = Limits::default();
        assert_eq!(
            inflate(&gzip(&vec![b' '; 5 << 20]), "gzip", &limits),
            Inflated::TooLarge
        );
        // Below the cap, but far too dense to be events.
        assert_eq!(
            inflate(&gzip(&vec![b' '; 3 << 20]), "gzip", &limits),
            Inflated::TooLarge
        );
        let fine = gzip(&vec![b' '; 200 << 10]);
        assert!(matches!(
            inflate(&fine, "gzip", &limits),
            Inflated::Plain(_)
        ));
        assert_eq!(
            inflate(&vec![b' '; 5 << 20], "", &limits),
            Inflated::TooLarge
        );
    }

    #[test]
    fn torn_bodies_are_named() {
        let packed = gzip(b"{\"batch\":[1,2,3]}");
        let torn = &packed[..packed.len() - 9];
        assert!(matches!(
            inflate(torn, "gzip", &Limits::default()),
            Inflated::Broken(_)
        ));
        assert!(matches!(
            inflate(&[0x1f, 0x8b], "", &Limits::default()),
            Inflated::Broken(_)
        ));
    }
}
