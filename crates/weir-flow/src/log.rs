use std::collections::VecDeque;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;

use crate::clock::Clock;
use crate::record::LogLine;
use crate::store::LogFlush;

/// How much of an attempt's log is kept, whatever it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimits {
    /// Bytes of the beginning.
    pub head_bytes: usize,
    /// Bytes of the end.
    pub tail_bytes: usize,
    /// Bytes of one line; what is longer is cut.
    pub line_bytes: usize,
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            head_bytes: 256 << 10,
            tail_bytes: 256 << 10,
            line_bytes: 8 << 10,
        }
    }
}

/// The log of an attempt: its beginning and its end are kept, what is between is counted. Cheap to
/// clone; writing to it never waits.
#[derive(Clone, Debug)]
pub struct AttemptLog {
    inner: Arc<Mutex<Inner>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Inner {
    limits: LogLimits,
    /// The number of the next line.
    next: u64,
    /// Lines before this one are in the store, if they are kept.
    kept: u64,
    /// Lines of the beginning that are not in the store yet.
    head: Vec<LogLine>,
    head_room: usize,
    /// The first line that is not of the beginning.
    head_end: Option<u64>,
    tail: VecDeque<LogLine>,
    tail_bytes: usize,
    last_at: DateTime<Utc>,
}

impl AttemptLog {
    pub(crate) fn new(limits: LogLimits, clock: Arc<dyn Clock>) -> Self {
        let inner = Inner {
            limits,
            next: 0,
            kept: 0,
            head: Vec::new(),
            head_room: limits.head_bytes,
            head_end: None,
            tail: VecDeque::new(),
            tail_bytes: 0,
            last_at: clock.now(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            clock,
        }
    }

    /// Writes lines; whoever writes sees to it that no secret is in them.
    pub fn write(&self, text: &str) {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        for line in text.lines() {
            inner.push(line, now);
        }
        inner.last_at = now;
    }

    /// Says that the attempt gets on, without a line.
    pub fn alive(&self) {
        self.inner.lock().last_at = self.clock.now();
    }

    /// When the attempt last said something.
    pub(crate) fn last_at(&self) -> DateTime<Utc> {
        self.inner.lock().last_at
    }

    /// Returns what the store does not have yet, if there is anything.
    pub(crate) fn pending(&self) -> Option<LogFlush> {
        let inner = self.inner.lock();
        if inner.next == inner.kept {
            return None;
        }
        let tail = inner.tail.iter().filter(|line| line.number >= inner.kept);
        let lines = inner.head.iter().chain(tail).cloned().collect();
        let first_of_tail = inner.tail.front().map_or(inner.next, |line| line.number);
        let dropped = inner
            .head_end
            .map(|from| (from, first_of_tail))
            .filter(|(from, to)| from < to);
        Some(LogFlush { lines, dropped })
    }

    /// Notes that the store has what [`Self::pending`] returned.
    pub(crate) fn keep(&self, flush: &LogFlush) {
        let Some(last) = flush.lines.last() else {
            return;
        };
        let mut inner = self.inner.lock();
        let kept = last.number + 1;
        inner.kept = inner.kept.max(kept);
        inner.head.retain(|line| line.number >= kept);
    }
}

impl Inner {
    fn push(&mut self, text: &str, at: DateTime<Utc>) {
        let line = LogLine {
            number: self.next,
            at,
            text: cut(text, self.limits.line_bytes),
        };
        self.next += 1;
        let bytes = line.text.len() + 1;
        if self.head_end.is_none() && bytes <= self.head_room {
            self.head_room -= bytes;
            self.head.push(line);
            return;
        }
        self.head_end.get_or_insert(line.number);
        self.tail_bytes += bytes;
        self.tail.push_back(line);
        while self.tail_bytes > self.limits.tail_bytes && self.tail.len() > 1 {
            if let Some(old) = self.tail.pop_front() {
                self.tail_bytes -= old.text.len() + 1;
            }
        }
    }
}

/// Shortens a line to `most` bytes, at the boundary of a character.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|&at| text.is_char_boundary(at));
    format!("{}… ({} bytes)", &text[..end.unwrap_or(0)], text.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;

    fn log(head: usize, tail: usize) -> AttemptLog {
        let limits = LogLimits {
            head_bytes: head,
            tail_bytes: tail,
            line_bytes: 20,
        };
        AttemptLog::new(limits, Arc::new(SystemClock))
    }

    fn numbers(flush: &LogFlush) -> Vec<u64> {
        flush.lines.iter().map(|line| line.number).collect()
    }

    #[test]
    fn keeps_beginning_and_end() {
        let log = log(30, 30);
        for n in 0..1_000_000 {
            log.write(&format!("line {n}"));
        }
        let flush = log.pending().unwrap();
        assert_eq!(numbers(&flush), [0, 1, 2, 3, 999_998, 999_999]);
        assert_eq!(flush.dropped, Some((4, 999_998)));
        log.keep(&flush);
        assert_eq!(log.pending(), None);
        log.write("the end");
        let flush = log.pending().unwrap();
        assert_eq!(numbers(&flush), [1_000_000]);
        assert_eq!(flush.dropped, Some((4, 999_999)));
    }

    #[test]
    fn what_was_not_kept_is_told_again() {
        let log = log(100, 100);
        log.write("one\ntwo");
        assert_eq!(numbers(&log.pending().unwrap()), [0, 1]);
        log.write("three");
        let flush = log.pending().unwrap();
        assert_eq!(numbers(&flush), [0, 1, 2]);
        log.write("four");
        log.keep(&flush);
        assert_eq!(numbers(&log.pending().unwrap()), [3]);
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let log = log(100, 100);
        log.write(&"ä".repeat(50));
        let flush = log.pending().unwrap();
        assert_eq!(
            flush.lines[0].text,
            format!("{}… (100 bytes)", "ä".repeat(10))
        );
    }
}
