//! Secrets are not for logs.

/// Shorter ones would make logs unreadable, and are nobody's secret for long.
const SHORTEST: usize = 4;

/// What secrets are replaced by.
const INSTEAD: &str = "***";

/// Replaces secrets in lines.
#[derive(Clone, Default)]
pub(crate) struct Scrubber {
    /// The longest first: one may contain another.
    secrets: Vec<String>,
}

impl Scrubber {
    pub(crate) fn new(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut lines: Vec<String> = secrets
            .into_iter()
            .flat_map(|secret| {
                secret
                    .lines()
                    .map(|line| line.trim().to_owned())
                    .collect::<Vec<_>>()
            })
            .filter(|line| line.len() >= SHORTEST)
            .collect();
        lines.sort_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
        lines.dedup();
        Self { secrets: lines }
    }

    /// Returns the length of the longest secret, in bytes.
    pub(crate) fn longest(&self) -> usize {
        self.secrets.first().map_or(0, String::len)
    }

    pub(crate) fn scrub(&self, mut line: String) -> String {
        for secret in &self.secrets {
            if line.contains(secret.as_str()) {
                line = line.replace(secret.as_str(), INSTEAD);
            }
        }
        line
    }
}

impl std::fmt::Debug for Scrubber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Scrubber({} secrets)", self.secrets.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_replaced() {
        let scrubber = Scrubber::new([
            "abcd-token".to_owned(),
            "abcd".to_owned(),
            "x".to_owned(),
            "one line\nsecond one".to_owned(),
        ]);
        let scrub = |line: &str| scrubber.scrub(line.to_owned());
        assert_eq!(scrub("with abcd-token, abcd and x"), "with ***, *** and x");
        assert_eq!(scrub("> second one"), "> ***");
        assert!(!format!("{scrubber:?}").contains("abcd"));
    }
}
