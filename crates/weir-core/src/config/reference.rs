use std::fmt::Write;

use super::key::{KEYS, Key, Kind, OTHER_VARIABLES};
use super::time::format_duration;

/// Returns the reference page of the configuration, as Markdown.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    let mut section = "";
    for key in KEYS {
        if key.section != section {
            section = key.section;
            let _ = write!(page, "\n## `[{section}]`\n");
        }
        let _ = write!(
            page,
            "\n### `{}`\n\n{}\n\n- type: {}\n- default: {}\n- variable: `{}`\n",
            key.path(),
            key.doc,
            type_of(&key.kind),
            default_of(key),
            key.variable(),
        );
    }
    page.push_str("\n## Other environment variables\n\n| variable | meaning |\n|---|---|\n");
    for (name, doc) in OTHER_VARIABLES {
        let _ = writeln!(page, "| `{name}` | {doc} |");
    }
    page
}

const HEAD: &str = "\
# Configuration

<!-- Generated from the table of keys in crates/weir-core/src/config/key.rs by `make docs`. -->

A project is configured by `weir.toml`, whose first line is `version = 1`. Every key can be left
out. An environment variable, where it is set, wins over the file.

- Sizes are text with a unit, `\"64MB\"`; units are powers of 1024.
- Durations are text with a unit: `\"500ms\"`, `\"10s\"`, `\"90m\"`, `\"12h\"`, `\"30d\"`.
- `${env:NAME}` in any text stands for the environment variable `NAME`. Secrets can be written in
  no other way: a secret that stands in the file is refused.
- Unknown keys, wrong types and values out of range are errors that name line, column and fix.
";

fn type_of(kind: &Kind) -> String {
    match kind {
        Kind::Text(_) => "text".to_owned(),
        Kind::Secret(_) => "secret".to_owned(),
        Kind::WebAddress(_) => "web address".to_owned(),
        Kind::UrlPath(_) => "path that begins with `/`".to_owned(),
        Kind::Socket(_) => "IP address and port".to_owned(),
        Kind::Addresses(_) => "list of IP addresses (in a variable: with commas)".to_owned(),
        Kind::Retention(_) => "list of rules (in a variable: with commas)".to_owned(),
        Kind::Switch(_) => "`true` or `false`".to_owned(),
        Kind::Number(min, max, _) => format!("whole number, {min} to {max}"),
        Kind::Size(min, max, _) => format!("size, {min} to {max}"),
        Kind::SizeOrAuto(min, max, _) => format!("size, {min} to {max}, or `auto`"),
        Kind::Time(min, max, _) => {
            format!(
                "duration, {} to {}",
                format_duration(*min),
                format_duration(*max)
            )
        }
        Kind::TimeOrForever(min, max, _) => format!(
            "duration, {} to {}, or `forever`",
            format_duration(*min),
            format_duration(*max)
        ),
        Kind::Choice(words, _) => words
            .iter()
            .map(|word| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", "),
    }
}

fn default_of(key: &Key) -> String {
    let quoted = !matches!(key.kind, Kind::Switch(_) | Kind::Number(..));
    match (key.default, quoted) {
        ("", _) => "not set".to_owned(),
        (default, true) => format!("`\"{default}\"`"),
        (default, false) => format!("`{default}`"),
    }
}
