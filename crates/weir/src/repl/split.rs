/// Splits text into what can be run: statements that end in `;` and `\commands` on lines of their
/// own. The rest is what is not finished yet.
pub(crate) fn split(text: &str) -> (Vec<&str>, &str) {
    let mut done = Vec::new();
    let mut rest = text;
    loop {
        let begun = rest.trim_start();
        if let Some(command) = begun.strip_prefix('\\') {
            let end = command.find('\n').map_or(begun.len(), |at| at + 1);
            done.push(begun[..end].trim_end());
            rest = &begun[end..];
            continue;
        }
        match end_of_statement(begun) {
            Some(end) => {
                // A lone `;` asks nothing.
                if end > 1 {
                    done.push(&begun[..end]);
                }
                rest = &begun[end..];
            }
            None => return (done, begun),
        }
    }
}

/// Returns the position after the `;` that ends the first statement, looking past quotes and
/// comments.
fn end_of_statement(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b';' => return Some(at + 1),
            quote @ (b'\'' | b'"') => at = after(text, at + 1, quote as char)?,
            b'-' if bytes.get(at + 1) == Some(&b'-') => at += text[at..].find('\n')?,
            b'/' if bytes.get(at + 1) == Some(&b'*') => at = after_comment(bytes, at)?,
            b'$' => match dollar_tag(&text[at..]) {
                Some(tag) => at = at + tag.len() + text[at + tag.len()..].find(tag)? + tag.len(),
                None => at += 1,
            },
            _ => at += 1,
        }
    }
    None
}

fn after(text: &str, from: usize, quote: char) -> Option<usize> {
    text[from..].find(quote).map(|end| from + end + 1)
}

/// Comments nest.
fn after_comment(bytes: &[u8], mut at: usize) -> Option<usize> {
    let mut depth = 0;
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (depth, at) = (depth + 1, at + 2),
            b"*/" => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// Returns the opening `$tag$` of a dollar-quoted string; `$1` is a parameter.
fn dollar_tag(text: &str) -> Option<&str> {
    let end = text[1..].find('$')? + 1;
    let name = &text[1..end];
    let fits = name.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !name.starts_with(|c: char| c.is_ascii_digit());
    fits.then(|| &text[..=end])
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn statements_end_at_their_own_semicolon() {
        let (done, rest) =
            split("SELECT ';' -- ;\n, \";\" /* ; /* ; */ */; select $$;$$, $1; SELECT 3");
        assert_eq!(done.len(), 2);
        assert!(done[0].starts_with("SELECT ';'") && done[0].ends_with(';'));
        assert_eq!(done[1], "select $$;$$, $1;");
        assert_eq!(rest, "SELECT 3");
    }

    #[test]
    fn commands_end_with_their_line() {
        let (done, rest) = split("\\dt\n;;\nSELECT 1;\n\\x on\n");
        assert_eq!(done, ["\\dt", "SELECT 1;", "\\x on"]);
        assert_eq!(rest, "");
    }

    #[test]
    fn what_is_open_is_not_finished() {
        for open in ["SELECT 'a;", "SELECT /* ;", "SELECT $a$ ;", "SELECT -- ;"] {
            assert_eq!(split(open), (Vec::new(), open));
        }
    }
}
