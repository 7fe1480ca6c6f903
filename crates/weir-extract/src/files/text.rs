//! Bytes of files as text: what they are compressed with and encoded in.

use std::io::{self, BufRead, BufReader, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, WINDOWS_1252};

/// As much of a file is looked at to tell what it is.
pub(super) const SAMPLE: usize = 64 << 10;

/// Opens what compresses a file, told by its first bytes.
pub(super) fn decompressed<'a>(
    mut file: BufReader<impl Read + 'a>,
) -> io::Result<Box<dyn Read + 'a>> {
    let start = file.fill_buf()?;
    Ok(match start {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        // Windows of more than 128 MiB are refused: they would take as much memory.
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::Decoder::with_buffer(file)?),
        [b'P', b'K', 3, 4, ..] => {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it is a ZIP archive where none is expected: unpack it",
            ));
        }
        _ => Box::new(file),
    })
}

/// Returns the encoding of a text by its beginning: by its mark, as UTF-8 where it is that, as Windows-1252
/// otherwise.
pub(super) fn encoding_of(sample: &[u8]) -> &'static Encoding {
    if let Some((encoding, _)) = Encoding::for_bom(sample) {
        return encoding;
    }
    match std::str::from_utf8(sample) {
        // The sample may end in the middle of a character.
        Err(error) if error.error_len().is_some() => WINDOWS_1252,
        _ => UTF_8,
    }
}

/// Reads bytes of any encoding as UTF-8, without the mark at the beginning.
pub(super) struct Utf8<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    ready: Vec<u8>,
    given: usize,
    ended: bool,
}

impl<R: Read> Utf8<R> {
    pub(super) fn new(inner: R, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder(),
            raw: Vec::new(),
            ready: Vec::new(),
            given: 0,
            ended: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut chunk = vec![0; SAMPLE];
        let read = self.inner.read(&mut chunk)?;
        self.ended = read == 0;
        self.raw.clear();
        self.raw.extend_from_slice(&chunk[..read]);
        self.ready.clear();
        self.given = 0;
        let mut at = 0;
        loop {
            let room = self
                .decoder
                .max_utf8_buffer_length(self.raw.len() - at)
                .unwrap_or(SAMPLE * 3);
            let before = self.ready.len();
            self.ready.resize(before + room, 0);
            let (result, used, written, _) =
                self.decoder
                    .decode_to_utf8(&self.raw[at..], &mut self.ready[before..], self.ended);
            at += used;
            self.ready.truncate(before + written);
            if result == CoderResult::InputEmpty {
                return Ok(());
            }
        }
    }
}

impl<R: Read> Read for Utf8<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready.len() {
            if self.ended {
                return Ok(0);
            }
            self.fill()?;
        }
        let part = &self.ready[self.given..];
        let count = part.len().min(out.len());
        out[..count].copy_from_slice(&part[..count]);
        self.given += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8]) -> String {
        let mut text = String::new();
        let mut utf8 = Utf8::new(bytes, encoding_of(bytes));
        utf8.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn texts_are_read_in_the_encoding_they_are_in() {
        assert_eq!(text("héllo".as_bytes()), "héllo");
        assert_eq!(text(b"\xef\xbb\xbfa,b"), "a,b");
        assert_eq!(text(b"h\xe9llo \x80"), "héllo €");
        assert_eq!(text(b"\xff\xfea\0,\0\xac\x20"), "a,€");
        let long = "é".repeat(200_000);
        assert_eq!(text(long.as_bytes()), long);
    }
}
