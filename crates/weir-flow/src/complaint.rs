//! Failures that come again and again are told once in a while.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::FlowError;

/// How long what was told is not told again.
const AGAIN: TimeDelta = TimeDelta::seconds(10);

/// What was told lately. A loop that cannot do its work tries several times a second: a log of the
/// same line buries what else is in it.
#[derive(Debug, Default)]
pub(crate) struct Complaints {
    told: HashMap<String, DateTime<Utc>>,
}

impl Complaints {
    /// Returns a failure with its causes as it is to be told; none if it was told lately.
    pub(crate) fn hear(&mut self, error: &FlowError, now: DateTime<Utc>) -> Option<String> {
        // A clock that was turned back forgets all that was told.
        self.told.retain(|_, at| *at <= now && now - *at < AGAIN);
        let text = error.chain();
        if self.told.contains_key(&text) {
            return None;
        }
        self.told.insert(text.clone(), now);
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FlowErrorKind;

    #[test]
    fn the_same_is_told_every_ten_seconds_with_its_causes() {
        let mut complaints = Complaints::default();
        let start = DateTime::UNIX_EPOCH;
        let full = FlowError::new(FlowErrorKind::Unavailable, "end attempts")
            .because(std::io::Error::other("no room"))
            .with_hint("make some");
        let mut told = Vec::new();
        for tenths in 0..=100 {
            told.extend(complaints.hear(&full, start + TimeDelta::milliseconds(tenths * 100)));
        }
        assert_eq!(told, ["end attempts: no room (make some)"; 2]);
        let other = FlowError::new(FlowErrorKind::Busy, "open runs");
        assert!(complaints.hear(&other, start).is_some());
    }
}
