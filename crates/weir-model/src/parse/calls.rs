//! Which macros a text calls, found without running it.

use std::sync::LazyLock;

use regex::Regex;

/// One call as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call<'t> {
    pub(super) namespace: Option<&'t str>,
    pub(super) name: &'t str,
    /// Whether it goes through `adapter.dispatch`.
    pub(super) dispatched: bool,
}

/// Finds the calls within the tags of `text`: `name(`, `package.name(` and `adapter.dispatch('name', 'package')`.
pub(super) fn calls(text: &str) -> Vec<Call<'_>> {
    static CALL: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r#"(?x)
            \b adapter \s*\.\s* dispatch \s*\( \s* (?:macro_name\s*=\s*)? ['"](?P<dispatched>\w+)['"]
                (?: \s*,\s* (?:macro_namespace\s*=\s*|packages\s*=\s*)? ['"](?P<within>\w+)['"] )?
            | (?: \b (?P<package>\w+) \s*\.\s* )? \b (?P<name>[A-Za-z_]\w*) \s* \("#,
        )
        .ok()
    });
    let Some(pattern) = CALL.as_ref() else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for tag in tags(text) {
        let quoted = quotes(tag);
        for captures in pattern.captures_iter(tag) {
            let start = captures.get(0).map_or(0, |whole| whole.start());
            // Not a call of a macro: a text in quotes, a method, a filter.
            let before = tag[..start].trim_end();
            if quoted
                .iter()
                .any(|(from, to)| (*from..*to).contains(&start))
                || before.ends_with(['.', '|'])
            {
                continue;
            }
            let group = |name| captures.name(name).map(|found| found.as_str());
            if let Some(name) = group("dispatched") {
                found.push(Call {
                    namespace: group("within"),
                    name,
                    dispatched: true,
                });
            } else if let Some(name) = group("name") {
                found.push(Call {
                    namespace: group("package"),
                    name,
                    dispatched: false,
                });
            }
        }
    }
    found
}

/// Returns where texts in quotes begin and end.
fn quotes(tag: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut open: Option<(u8, usize)> = None;
    let mut escaped = false;
    for (at, byte) in tag.bytes().enumerate() {
        match open {
            Some(_) if escaped => escaped = false,
            Some(_) if byte == b'\\' => escaped = true,
            Some((quote, from)) if byte == quote => {
                found.push((from, at));
                open = None;
            }
            None if matches!(byte, b'\'' | b'"') => open = Some((byte, at)),
            _ => {}
        }
    }
    found
}

/// Returns what stands inside of `{{ }}` and `{% %}`, comments left out.
fn tags(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('{') {
        let after = &rest[start..];
        let Some(kind) = after.as_bytes().get(1) else {
            break;
        };
        let close = match kind {
            b'{' => "}}",
            b'%' => "%}",
            b'#' => "#}",
            _ => {
                rest = &after[1..];
                continue;
            }
        };
        let inside = &after[2..];
        let end = inside.find(close).unwrap_or(inside.len());
        if *kind != b'#' {
            found.push(&inside[..end]);
        }
        rest = inside.get(end + 2..).unwrap_or_default();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_found_in_tags_only() {
        let text = "{{ return(adapter.dispatch('go', 'pkg')(x)) }} no_call(1) {# not(this) #} {% set a = u.v(w (1), 'x(1)') | y(2) %}{{ a[0].z() }}";
        let found: Vec<_> = calls(text)
            .into_iter()
            .filter(|call| call.name != "return")
            .map(|call| (call.namespace, call.name, call.dispatched))
            .collect();
        assert_eq!(
            found,
            [
                (Some("pkg"), "go", true),
                (Some("u"), "v", false),
                (None, "w", false)
            ]
        );
    }
}
