//! Patterns with `*`, `?` and `[...]`, as the shell and Python's fnmatch have them.

/// Says whether all of `text` fits `pattern`; `*` fits slashes and dots too.
pub(crate) fn fits(text: &str, pattern: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let pattern: Vec<char> = pattern.chars().collect();
    // The place to go back to: after the last star, with the text it last took up to.
    let (mut at, mut in_pattern) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < text.len() {
        match pattern.get(in_pattern) {
            Some('*') => {
                back = Some((in_pattern + 1, at));
                in_pattern += 1;
                continue;
            }
            Some('?') => {
                at += 1;
                in_pattern += 1;
                continue;
            }
            Some('[') => {
                if let Some((length, inside)) = class(&pattern[in_pattern..], text[at]) {
                    if inside {
                        at += 1;
                        in_pattern += length;
                        continue;
                    }
                } else if text[at] == '[' {
                    at += 1;
                    in_pattern += 1;
                    continue;
                }
            }
            Some(c) if *c == text[at] => {
                at += 1;
                in_pattern += 1;
                continue;
            }
            _ => {}
        }
        match &mut back {
            Some((after, taken)) => {
                *taken += 1;
                at = *taken;
                in_pattern = *after;
            }
            None => return false,
        }
    }
    pattern[in_pattern..].iter().all(|c| *c == '*')
}

/// Reads `[...]`: how long it is and whether `c` is in it; nothing when it never ends.
fn class(pattern: &[char], c: char) -> Option<(usize, bool)> {
    let negated = matches!(pattern.get(1), Some('!'));
    let first = if negated { 2 } else { 1 };
    // A bracket right at the beginning is a member.
    let end = (first + 1..pattern.len()).find(|at| pattern[*at] == ']')?;
    let mut inside = false;
    let mut at = first;
    while at < end {
        if at + 2 < end && pattern[at + 1] == '-' {
            inside |= (pattern[at]..=pattern[at + 2]).contains(&c);
            at += 3;
        } else {
            inside |= pattern[at] == c;
            at += 1;
        }
    }
    Some((end + 1, inside != negated))
}

/// Says whether `path` fits a pattern of paths, in which `*` stays within a folder and `**` does not.
pub(crate) fn path_fits(path: &str, pattern: &str) -> bool {
    let path: Vec<&str> = path.split('/').collect();
    let pattern: Vec<&str> = pattern
        .trim_end_matches('/')
        .trim_start_matches("./")
        .split('/')
        .collect();
    // Which beginnings of the path fit the pattern read so far: no pattern takes long.
    let mut fitting = vec![false; path.len() + 1];
    fitting[0] = true;
    for part in pattern {
        let mut next = vec![false; path.len() + 1];
        for at in 0..=path.len() {
            next[at] = if part == "**" {
                fitting[at] || (at > 0 && next[at - 1])
            } else {
                at > 0 && fitting[at - 1] && fits(path[at - 1], part)
            };
        }
        fitting = next;
    }
    fitting[path.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_pattern_ends(text in "\\PC{0,60}", pattern in "(\\PC|[*?!\\[\\]/-]){0,60}") {
            fits(&text, &pattern);
            path_fits(&text, &pattern);
        }
    }

    #[test]
    fn patterns_fit_as_in_python() {
        for (text, pattern, wanted) in [
            ("orders", "ord*", true),
            ("orders", "*ers", true),
            ("orders", "o?ders", true),
            ("orders", "[a-p]rders", true),
            ("orders", "[!o]rders", false),
            ("a.b.c", "a*c", true),
            ("", "*", true),
            ("ab", "a", false),
            ("aaab", "*a*b", true),
            ("[x", "[x", true),
        ] {
            assert_eq!(fits(text, pattern), wanted, "{text} {pattern}");
        }
        assert!(path_fits("models/a/b.sql", "models/**/*.sql"));
        assert!(!path_fits("models/a/b.sql", "models/*.sql"));
    }
}
