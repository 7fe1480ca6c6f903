//! Which files belong to a stream: patterns such as `2024/*/orders-*.csv`.

use regex::Regex;

/// A pattern of paths: `*` and `?` stay within a folder, `**` goes through folders, `{a,b}` is either.
#[derive(Clone, Debug)]
pub(super) struct Pattern(Regex);

impl Pattern {
    /// Reads a pattern; none where it cannot be one.
    pub(super) fn new(text: &str) -> Option<Self> {
        let mut regex = String::from("^");
        let mut chars = text.chars().peekable();
        let mut depth = 0_u32;
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.peek() == Some(&'*') => {
                    chars.next();
                    // `**/` is also no folder at all.
                    match chars.next_if_eq(&'/') {
                        Some(_) => regex.push_str("(?:.*/)?"),
                        None => regex.push_str(".*"),
                    }
                }
                '*' => regex.push_str("[^/]*"),
                '?' => regex.push_str("[^/]"),
                '{' => {
                    depth += 1;
                    regex.push_str("(?:");
                }
                '}' if depth > 0 => {
                    depth -= 1;
                    regex.push(')');
                }
                ',' if depth > 0 => regex.push('|'),
                c => regex.push_str(&regex::escape(&c.to_string())),
            }
        }
        regex.push('$');
        Regex::new(&regex).ok().map(Self)
    }

    pub(super) fn fits(&self, path: &str) -> bool {
        self.0.is_match(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stay_in_folders_unless_told() {
        let fits = |pattern: &str, path: &str| Pattern::new(pattern).unwrap().fits(path);
        assert!(fits("*.csv", "a.csv") && !fits("*.csv", "b/a.csv"));
        assert!(fits("**/*.csv", "b/c/a.csv") && fits("**/*.csv", "a.csv"));
        assert!(fits("2024/*/o-?.{csv,csv.gz}", "2024/01/o-1.csv.gz"));
        assert!(!fits("a.csv", "a_csv") && fits("a+(1).csv", "a+(1).csv"));
        assert!(Pattern::new("{a").is_none());
    }
}
