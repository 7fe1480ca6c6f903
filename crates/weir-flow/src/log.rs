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

/// Lines of Weir's own begin with this.
const OWN: &str = "weir: ";
/// Bytes of Weir's own lines that are kept besides beginning and end.
const OWN_BYTES: usize = 64 << 10;

/// The log of an attempt: its beginning, its end and Weir's own lines are kept; a line in the place of
/// what is between says how much that was. Cheap to clone; writing to it never waits.
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
    /// Weir's own lines that came after the beginning.
    own: Vec<LogLine>,
    own_room: usize,
    /// What people raise to keep more.
    limit: Option<&'static str>,
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
            own: Vec::new(),
            own_room: OWN_BYTES,
            limit: None,
            last_at: clock.now(),
        };
        Self {
            inner: Arc::new(Mutex::new(inner)),
            clock,
        }
    }

    /// Keeps at least so many bytes; `limit` is what people raise to keep more.
    pub fn allow(&self, bytes: u64, limit: &'static str) {
        let half = usize::try_from(bytes / 2).unwrap_or(usize::MAX / 4);
        let mut inner = self.inner.lock();
        let more = half.saturating_sub(inner.limits.head_bytes);
        inner.limits.head_bytes += more;
        inner.head_room += more;
        inner.limits.tail_bytes = inner.limits.tail_bytes.max(half);
        inner.limit = Some(limit);
    }

    /// Writes lines; whoever writes sees to it that no secret is in them.
    pub fn write(&self, text: &str) {
        self.put(text, |line| line.starts_with(OWN));
    }

    /// Writes lines of Weir's own, whatever they begin with.
    pub fn note(&self, text: &str) {
        self.put(text, |_| true);
    }

    fn put(&self, text: &str, is_own: impl Fn(&str) -> bool) {
        let now = self.clock.now();
        let mut inner = self.inner.lock();
        for line in text.lines() {
            inner.push(line, is_own(line), now);
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
        let rest = inner.own.iter().chain(&inner.tail);
        let rest = rest.filter(|line| line.number >= inner.kept);
        let mut lines: Vec<LogLine> = inner.head.iter().chain(rest).cloned().collect();
        let dropped = inner.dropped();
        let mut spared = Vec::new();
        if let Some((from, to)) = dropped {
            let own = inner.own.iter().map(|line| line.number);
            spared.extend(own.filter(|number| (from..to).contains(number)));
            lines.push(inner.gap((from, to), spared.len() as u64));
        }
        lines.sort_by_key(|line| line.number);
        Some(LogFlush {
            lines,
            dropped,
            spared,
        })
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
    /// Returns between which numbers lines are not kept.
    fn dropped(&self) -> Option<(u64, u64)> {
        let from = self.head_end?;
        let to = self.tail.front().map_or(self.next, |line| line.number);
        (from < to).then_some((from, to))
    }

    /// Says in the place of the first line that is left out how many are.
    fn gap(&self, (from, to): (u64, u64), spared: u64) -> LogLine {
        let count = to - from - spared;
        let more = match self.limit {
            Some(limit) => format!("; `{limit}` keeps more"),
            None => String::new(),
        };
        LogLine {
            number: from,
            at: self.tail.front().map_or(self.last_at, |line| line.at),
            text: format!("{OWN}{count} lines are left out here, up to line {to}{more}"),
        }
    }

    fn push(&mut self, text: &str, is_own: bool, at: DateTime<Utc>) {
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
        if is_own && bytes <= self.own_room {
            self.own_room -= bytes;
            self.own.push(line);
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
        assert_eq!(numbers(&flush), [0, 1, 2, 3, 4, 999_998, 999_999]);
        assert_eq!(flush.dropped, Some((4, 999_998)));
        assert_eq!(
            flush.lines[4].text,
            "weir: 999994 lines are left out here, up to line 999998"
        );
        log.keep(&flush);
        assert_eq!(log.pending(), None);
        log.write("the end");
        let flush = log.pending().unwrap();
        assert_eq!(numbers(&flush), [4, 1_000_000]);
        assert_eq!(flush.dropped, Some((4, 999_999)));
    }

    #[test]
    fn lines_of_weirs_own_are_kept_in_the_middle() {
        let log = log(30, 30);
        log.allow(10, "limits.log");
        for n in 0..1_000 {
            match n {
                500 => log.write("weir: the command failed"),
                501 => log.note("[a] weir: tried again"),
                n => log.write(&format!("line {n}")),
            }
        }
        let flush = log.pending().unwrap();
        assert_eq!(numbers(&flush), [0, 1, 2, 3, 4, 500, 501, 997, 998, 999]);
        assert_eq!(flush.dropped, Some((4, 997)));
        assert_eq!(flush.spared, [500, 501]);
        assert_eq!(
            flush.lines[4].text,
            "weir: 991 lines are left out here, up to line 997; `limits.log` keeps more"
        );
    }

    #[test]
    fn what_a_step_may_keep_is_kept() {
        let log = log(30, 30);
        log.allow(20_000, "limits.log");
        for n in 0..1_000 {
            log.write(&format!("line {n}"));
        }
        let flush = log.pending().unwrap();
        assert_eq!((flush.lines.len(), flush.dropped), (1_000, None));
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
