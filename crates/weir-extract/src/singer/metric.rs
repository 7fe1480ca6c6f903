//! What taps report of their requests, in the lines they log.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use serde_json::Value;

/// Requests a tap has reported, in either of two ways: some taps report each, some now and then how many, some both.
#[derive(Debug, Default)]
pub(super) struct Asked {
    each: u64,
    counted: u64,
}

impl Asked {
    /// Returns how many more requests a line makes known.
    pub(super) fn more(&mut self, line: &str) -> u64 {
        let Some((_, metric)) = line.split_once("METRIC: ") else {
            return 0;
        };
        let Ok(metric) = serde_json::from_str::<Value>(metric.trim()) else {
            return 0;
        };
        let before = self.each.max(self.counted);
        match metric["metric"].as_str() {
            Some("http_request_duration") => self.each += 1,
            Some("http_request_count") => {
                // Whole, but some write it as a float.
                let count = metric["value"].as_f64().unwrap_or(0.0);
                self.counted += count.clamp(0.0, 1e9) as u64;
            }
            _ => {}
        }
        self.each.max(self.counted) - before
    }
}

/// Returns how long a service wants to be left alone, where a line says so.
pub(super) fn rest(line: &str) -> Option<Duration> {
    static RETRY: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r"(?i)\bretry[-_ ]after\b\W{1,6}(\d{1,5})\b").ok());
    let found = RETRY.as_ref()?.captures(line)?;
    Some(Duration::from_secs(found[1].parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_counted_once() {
        let mut asked = Asked::default();
        let timer = r#"INFO METRIC: {"type": "timer", "metric": "http_request_duration", "value": 0.1, "tags": {}}"#;
        assert_eq!(asked.more(timer), 1);
        assert_eq!(asked.more(timer), 1);
        let counter = r#"2024-01-01 INFO METRIC: {"type": "counter", "metric": "http_request_count", "value": 5, "tags": {}}"#;
        assert_eq!(asked.more(counter), 3);
        assert_eq!(
            asked.more(r#"METRIC: {"metric": "record_count", "value": 9}"#),
            0
        );
        assert_eq!(asked.more("INFO GET /orders"), 0);
    }

    #[test]
    fn a_wish_for_rest_is_heard() {
        let seconds = |line| rest(line).map(|wait| wait.as_secs());
        assert_eq!(seconds("429: {'Retry-After': '17'}"), Some(17));
        assert_eq!(seconds("rate limited, retry after 5 seconds"), Some(5));
        assert_eq!(seconds("retry_after=60"), Some(60));
        assert_eq!(seconds("Retry-After: Wed, 21 Oct"), None);
        assert_eq!(seconds("retried after all"), None);
    }
}
