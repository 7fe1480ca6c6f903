/// Returns the word of `known` that `word` was probably meant to be.
///
/// Case and `-` for `_` do not count as mistakes. Words that are nothing alike get no suggestion:
/// a wrong one misleads more than none.
pub fn did_you_mean<'a, S: AsRef<str>>(word: &str, known: &'a [S]) -> Option<&'a str> {
    let plain = |word: &str| word.to_ascii_lowercase().replace('-', "_");
    let wanted = plain(word);
    known
        .iter()
        .map(|candidate| {
            let candidate = candidate.as_ref();
            (strsim::jaro_winkler(&wanted, &plain(candidate)), candidate)
        })
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_what_is_close_and_nothing_else() {
        let known = ["listen", "public_url", "max_connections"];

        assert_eq!(did_you_mean("listne", &known), Some("listen"));
        assert_eq!(did_you_mean("public-URL", &known), Some("public_url"));
        assert_eq!(did_you_mean("colour", &known), None);
    }
}
