//! What a command prints: its beginning line by line while it runs, its end when it has ended, and how
//! much was between. Memory is bounded, whatever it prints.

use std::collections::VecDeque;
use std::fmt::Debug;

use weir_flow::AttemptLog;

use crate::scrub::Scrubber;

/// Bytes of one line; what is longer is cut.
const LINE_BYTES: usize = 8 << 10;

/// Where lines go while a step runs.
pub trait StepLog: Send + Sync + Debug {
    /// Takes a line, without its end and without secrets.
    fn line(&self, text: &str);

    /// Takes a line of Weir's own, which is kept whatever else there is.
    fn note(&self, text: &str) {
        self.line(text);
    }

    /// Hears that the command says something, whether or not it is kept.
    fn alive(&self) {}
}

impl StepLog for AttemptLog {
    fn line(&self, text: &str) {
        self.write(text);
    }

    fn note(&self, text: &str) {
        AttemptLog::note(self, text);
    }

    fn alive(&self) {
        AttemptLog::alive(self);
    }
}

/// The streams of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    Out,
    Err,
}

/// Takes what one try at a datum prints.
pub(crate) struct Capture<'a> {
    log: &'a dyn StepLog,
    scrubber: &'a Scrubber,
    prefix: String,
    /// How much more of the beginning is kept.
    room: usize,
    tail_room: usize,
    streams: [Splitter; 2],
    kept: String,
    /// Bytes and lines that went past the beginning.
    past_bytes: u64,
    past_lines: u64,
}

#[derive(Default)]
struct Splitter {
    line: Vec<u8>,
    /// Bytes of the current line that were not kept.
    cut: usize,
    tail: VecDeque<u8>,
    /// Whether something before the tail was dropped.
    wrapped: bool,
}

impl<'a> Capture<'a> {
    /// `keep` is how many bytes are kept in all; `prefix` stands before each line that goes to `log`.
    pub(crate) fn new(
        log: &'a dyn StepLog,
        scrubber: &'a Scrubber,
        prefix: String,
        keep: u64,
    ) -> Self {
        let keep = usize::try_from(keep).unwrap_or(usize::MAX / 2);
        Self {
            log,
            scrubber,
            prefix,
            room: keep / 2,
            tail_room: (keep / 4).max(1024),
            streams: [Splitter::default(), Splitter::default()],
            kept: String::new(),
            past_bytes: 0,
            past_lines: 0,
        }
    }

    /// Takes bytes as they come.
    pub(crate) fn take(&mut self, stream: Stream, mut bytes: &[u8]) {
        self.log.alive();
        let longest = LINE_BYTES + self.scrubber.longest();
        while !bytes.is_empty() {
            let splitter = &mut self.streams[stream as usize];
            // A line that has begun is ended first: a secret may be across the border.
            if self.room == 0 && splitter.line.is_empty() && splitter.cut == 0 {
                return self.pass(stream, bytes);
            }
            let end = memchr::memchr(b'\n', bytes);
            let part = &bytes[..end.unwrap_or(bytes.len())];
            let fits = longest.saturating_sub(splitter.line.len()).min(part.len());
            splitter.line.extend_from_slice(&part[..fits]);
            splitter.cut += part.len() - fits;
            match end {
                Some(end) => {
                    self.end_line(stream);
                    bytes = &bytes[end + 1..];
                }
                None => return,
            }
        }
    }

    /// Writes a line of Weir's own.
    pub(crate) fn note(&mut self, text: &str) {
        let line = format!("weir: {}", self.scrubber.scrub(text.to_owned()));
        self.put_own(&line);
    }

    /// Returns what is kept, when nothing more comes.
    pub(crate) fn end(mut self) -> String {
        for stream in [Stream::Out, Stream::Err] {
            let splitter = &self.streams[stream as usize];
            if !splitter.line.is_empty() {
                self.end_line(stream);
            }
        }
        let kept: usize = self
            .streams
            .iter()
            .map(|splitter| splitter.tail.len())
            .sum();
        let lost = self.past_bytes.saturating_sub(kept as u64);
        if lost > 0 {
            let lines = self.past_lines;
            self.put_own(&format!(
                "weir: about {lost} bytes of {lines} lines are left out here; the step may keep more with `limits.log`"
            ));
        }
        for number in 0..self.streams.len() {
            let splitter = &mut self.streams[number];
            let tail = Vec::from(std::mem::take(&mut splitter.tail));
            // A line that is not whole may begin within a secret.
            let from = match (splitter.wrapped, memchr::memchr(b'\n', &tail)) {
                (false, _) => 0,
                (true, Some(end)) => end + 1,
                (true, None) => self.scrubber.longest().min(tail.len()),
            };
            for line in tail[from..].split(|&byte| byte == b'\n') {
                if !line.is_empty() {
                    let line = self.scrubber.scrub(text(line));
                    self.put(&shorten(&line, 0));
                }
            }
        }
        self.kept
    }

    fn end_line(&mut self, stream: Stream) {
        let splitter = &mut self.streams[stream as usize];
        let line = text(&std::mem::take(&mut splitter.line));
        let cut = std::mem::take(&mut splitter.cut);
        let line = shorten(&self.scrubber.scrub(line), cut);
        self.room = self.room.saturating_sub(line.len() + 1);
        self.put(&line);
    }

    /// Takes what is past the beginning.
    fn pass(&mut self, stream: Stream, bytes: &[u8]) {
        self.past_bytes += bytes.len() as u64;
        self.past_lines += memchr::memchr_iter(b'\n', bytes).count() as u64;
        let splitter = &mut self.streams[stream as usize];
        let over = (splitter.tail.len() + bytes.len()).saturating_sub(self.tail_room);
        splitter.wrapped |= over > 0;
        let bytes = &bytes[bytes.len().saturating_sub(self.tail_room)..];
        splitter.tail.drain(..over.min(splitter.tail.len()));
        splitter.tail.extend(bytes);
    }

    fn put(&mut self, line: &str) {
        self.log.line(&format!("{}{line}", self.prefix));
        self.keep(line);
    }

    fn put_own(&mut self, line: &str) {
        self.log.note(&format!("{}{line}", self.prefix));
        self.keep(line);
    }

    fn keep(&mut self, line: &str) {
        self.kept.push_str(line);
        self.kept.push('\n');
    }
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    // Other control characters could make a terminal lie.
    text.trim_end_matches('\r')
        .chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

fn shorten(line: &str, cut: usize) -> String {
    if line.len() <= LINE_BYTES && cut == 0 {
        return line.to_owned();
    }
    let end = (0..=LINE_BYTES.min(line.len()))
        .rev()
        .find(|&at| line.is_char_boundary(at))
        .unwrap_or(0);
    format!("{}… ({} bytes)", &line[..end], line.len() + cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Default)]
    struct Lines(parking_lot::Mutex<Vec<String>>);

    impl StepLog for Lines {
        fn line(&self, text: &str) {
            self.0.lock().push(text.to_owned());
        }
    }

    fn capture(keep: u64, secrets: &[&str], chunks: &[&[u8]]) -> String {
        let lines = Lines::default();
        let scrubber = Scrubber::new(secrets.iter().map(|&s| s.to_owned()));
        let mut capture = Capture::new(&lines, &scrubber, "d: ".to_owned(), keep);
        for chunk in chunks {
            capture.take(Stream::Out, chunk);
        }
        let kept = capture.end();
        let told: String = lines
            .0
            .lock()
            .iter()
            .map(|line| line["d: ".len()..].to_owned() + "\n")
            .collect();
        assert_eq!(told, kept);
        kept
    }

    #[test]
    fn lines_come_whole_from_any_chunks() {
        let kept = capture(
            10_000,
            &["hunter22"],
            &[b"one\ntw", b"o hun", b"ter22\r\nthr", b"ee"],
        );
        assert_eq!(kept, "one\ntwo ***\nthree\n");
    }

    #[test]
    fn the_middle_of_much_is_left_out() {
        let line = b"0123456789abcde\n".repeat(64);
        let chunks: Vec<&[u8]> = std::iter::repeat_n(line.as_slice(), 10_000).collect();
        let kept = capture(8_000, &[], &chunks);
        assert!(kept.len() < 8_000, "{}", kept.len());
        assert!(
            kept.contains("bytes of 639750 lines are left out"),
            "{kept}"
        );
    }

    #[test]
    fn a_secret_at_the_cut_of_a_long_line_is_scrubbed() {
        let line = "x".repeat(LINE_BYTES - 3) + "hunter22" + &"y".repeat(LINE_BYTES * 2) + "\n";
        let kept = capture(100_000, &["hunter22"], &[line.as_bytes()]);
        assert!(!kept.contains("hun"), "{}", &kept[LINE_BYTES - 10..]);
    }
}
