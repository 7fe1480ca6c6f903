use chrono::Utc;
use flate2::{Compress, Compression, Crc, FlushCompress};
use serde_json::{Value, json};

use super::Options;
use crate::demo::{Stream, time};

/// Length of a message id: that of a UUID.
const ID: usize = 36;

/// The part of all ids of one connection of one run that stays the same.
#[derive(Clone, Debug)]
pub(super) struct IdPrefix(String);

impl IdPrefix {
    pub(super) fn new(run: u32, worker: usize) -> Self {
        Self(format!("{run:08x}-{:04x}-4000-8000", worker & 0xffff))
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// Writes the id with this number over `place`.
    fn write(&self, number: u64, place: &mut [u8]) {
        let prefix = self.0.len();
        place[..prefix].copy_from_slice(self.0.as_bytes());
        place[prefix] = b'-';
        for (index, digit) in place[prefix + 1..].iter_mut().rev().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (4 * index)) as usize & 15];
        }
    }
}

/// A request whose message ids can be written over, compressed or not, without making it again.
///
/// In the compressed form each id stands in a stored block of its own, between compressed blocks
/// that end on whole bytes. The compressor was shown unique bytes in place of the ids, so no
/// later block refers back to them; only the checksum at the end has to be computed again.
#[derive(Clone)]
pub(super) struct Batch {
    /// Head and body, as they are sent.
    request: Vec<u8>,
    /// Where the ids lie in `request`.
    places: Vec<usize>,
    /// What the compressed body stands for; empty when it is not compressed.
    plain: Vec<u8>,
    plain_places: Vec<usize>,
}

impl Batch {
    /// Makes a request of the company's events of the last minutes.
    pub(super) fn new(options: &Options, turn: usize) -> Self {
        let now = Utc::now();
        let seed = options.seed.wrapping_add(turn as u64);
        let mut stream = Stream::new(seed);
        let mut events = stream.history(options.batch, now - chrono::Duration::minutes(2), now);
        events.truncate(options.batch);
        let events: Vec<Value> = events
            .into_iter()
            .enumerate()
            .map(|(index, made)| {
                let mut event = made.event;
                event.insert("messageId".into(), json!(placeholder(index)));
                Value::Object(event)
            })
            .collect();
        let (path, body) = match events.as_slice() {
            [event] if options.batch == 1 => {
                let path = format!("/v1/{}", event["type"].as_str().unwrap_or("track"));
                (path, event.clone())
            }
            _ => (
                "/v1/batch".to_owned(),
                json!({ "batch": events, "sentAt": time(now) }),
            ),
        };
        let plain = body.to_string().into_bytes();
        let plain_places: Vec<usize> = (0..options.batch)
            .filter_map(|index| find(&plain, placeholder(index).as_bytes()))
            .collect();
        let head = |length: usize| head(options, &path, length);
        if options.gzip {
            let (body, offsets) = compress(&plain, &plain_places);
            let mut request = head(body.len());
            let places = offsets
                .iter()
                .map(|offset| request.len() + offset)
                .collect();
            request.extend_from_slice(&body);
            return Self {
                request,
                places,
                plain,
                plain_places,
            };
        }
        let mut request = head(plain.len());
        let places = plain_places
            .iter()
            .map(|offset| request.len() + offset)
            .collect();
        request.extend_from_slice(&plain);
        Self {
            request,
            places,
            plain: Vec::new(),
            plain_places: Vec::new(),
        }
    }

    /// Gives the events the ids from `first` on.
    pub(super) fn write_ids(&mut self, prefix: &IdPrefix, first: u64) {
        for (number, place) in (first..).zip(&self.places) {
            prefix.write(number, &mut self.request[*place..place + ID]);
        }
        if self.plain.is_empty() {
            return;
        }
        for (number, place) in (first..).zip(&self.plain_places) {
            prefix.write(number, &mut self.plain[*place..place + ID]);
        }
        let mut crc = Crc::new();
        crc.update(&self.plain);
        let at = self.request.len() - 8;
        self.request[at..at + 4].copy_from_slice(&crc.sum().to_le_bytes());
    }

    /// Returns the bytes to send.
    pub(super) fn request(&self) -> &[u8] {
        &self.request
    }
}

/// Text of an id's length that occurs nowhere else in a body.
fn placeholder(index: usize) -> String {
    format!("~{index:034}~")
}

fn find(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .position(|window| window == wanted)
}

fn head(options: &Options, path: &str, length: usize) -> Vec<u8> {
    use base64::Engine;
    let key = base64::engine::general_purpose::STANDARD.encode(format!("{}:", options.key));
    let encoding = if options.gzip {
        "Content-Encoding: gzip\r\n"
    } else {
        ""
    };
    format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Basic {key}\r\nContent-Type: \
         application/json\r\n{encoding}Content-Length: {length}\r\n\r\n",
        options.address
    )
    .into_bytes()
}

/// Compresses `plain` and returns where the ids lie in the result.
fn compress(plain: &[u8], places: &[usize]) -> (Vec<u8>, Vec<usize>) {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut compress = Compress::new(Compression::default(), false);
    let mut offsets = Vec::with_capacity(places.len());
    let mut from = 0;
    for (index, place) in places.iter().enumerate() {
        deflate(
            &mut compress,
            &plain[from..*place],
            FlushCompress::Sync,
            &mut out,
        );
        // The compressor sees bytes that occur nowhere else; what it makes of them is dropped, and
        // a stored block of the same length stands in its place.
        let unique: Vec<u8> = (0..ID).map(|at| unique_byte(index, at)).collect();
        deflate(&mut compress, &unique, FlushCompress::Sync, &mut Vec::new());
        let length = ID as u16;
        out.push(0);
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&(!length).to_le_bytes());
        offsets.push(out.len());
        out.extend_from_slice(&plain[*place..place + ID]);
        from = place + ID;
    }
    deflate(
        &mut compress,
        &plain[from..],
        FlushCompress::Finish,
        &mut out,
    );
    // The checksum is written with the ids.
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(plain.len() as u32).to_le_bytes());
    (out, offsets)
}

/// Bytes above ASCII in an order that changes, so that JSON text never matches three of them.
fn unique_byte(index: usize, at: usize) -> u8 {
    0x80 | ((index * 37 + at * (index % 13 + 1)) as u8 & 0x7f)
}

fn deflate(compress: &mut Compress, bytes: &[u8], flush: FlushCompress, out: &mut Vec<u8>) {
    let start = compress.total_in();
    loop {
        out.reserve(bytes.len() / 2 + 256);
        let done = (compress.total_in() - start) as usize;
        let before = out.len();
        let status = compress.compress_vec(&bytes[done..], out, flush);
        let done = (compress.total_in() - start) as usize;
        let ended = match flush {
            FlushCompress::Finish => matches!(status, Ok(flate2::Status::StreamEnd) | Err(_)),
            // All taken and room left over: the flush is complete.
            _ => {
                status.is_err()
                    || (done == bytes.len() && out.len() < out.capacity())
                    || out.len() == before
            }
        };
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::io::Read;
    use std::time::Duration;

    use super::*;

    fn options(batch: usize, gzip: bool) -> Options {
        Options {
            address: "127.0.0.1:1".into(),
            key: "wk_test".into(),
            connections: 1,
            batch,
            gzip,
            rate: None,
            duration: Duration::ZERO,
            retry: false,
            ids: None,
            seed: 7,
        }
    }

    fn body(batch: &Batch, gzip: bool) -> Value {
        let start = find(batch.request(), b"\r\n\r\n").unwrap() + 4;
        let body = &batch.request()[start..];
        if !gzip {
            return serde_json::from_slice(body).unwrap();
        }
        let mut text = String::new();
        flate2::read::GzDecoder::new(body)
            .read_to_string(&mut text)
            .unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn ids_can_be_written_over_in_both_forms() {
        for gzip in [false, true] {
            let mut batch = Batch::new(&options(100, gzip), 3);
            let prefix = IdPrefix::new(0xabcd, 3);
            let mut seen = HashSet::new();
            for first in [0, 100, 0xffff_ffff] {
                batch.write_ids(&prefix, first);
                let body = body(&batch, gzip);
                let events = body["batch"].as_array().unwrap();
                assert_eq!(events.len(), 100);
                for event in events {
                    let id = event["messageId"].as_str().unwrap();
                    assert!(id.starts_with(prefix.as_str()), "{id}");
                    assert!(seen.insert(id.to_owned()), "{id} twice");
                }
            }
        }
    }

    #[test]
    fn compression_is_worth_its_name() {
        let plain = Batch::new(&options(100, false), 0).request().len();
        let gzip = Batch::new(&options(100, true), 0).request().len();

        assert!(gzip * 3 < plain, "{plain} became {gzip}");
    }

    #[test]
    fn a_single_event_is_sent_by_its_type() {
        let mut batch = Batch::new(&options(1, false), 0);
        batch.write_ids(&IdPrefix::new(1, 0), 5);

        assert!(batch.request().starts_with(b"POST /v1/"));
        assert!(body(&batch, false)["type"].is_string());
    }
}
