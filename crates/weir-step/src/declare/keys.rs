//! The keys of a file of steps: which there are, and where in the text they stand.

use std::ops::Range;

use serde_yaml_ng::{Mapping, Value};
use weir_core::did_you_mean;

use crate::error::StepError;

const STEP: [&str; 32] = [
    "name",
    "description",
    "command",
    "shell",
    "stdin",
    "err_command",
    "err_cmd",
    "err_shell",
    "err_stdin",
    "cwd",
    "env",
    "code",
    "input",
    "inputs",
    "output",
    "outputs",
    "tries",
    "retries",
    "timeout",
    "silence",
    "grace",
    "parallel",
    "limits",
    "collision",
    "reprocess",
    "runner",
    "image",
    "network",
    "compat",
    "owner",
    "database",
    // Where a file has more than one.
    "steps",
];
const INPUT: [&str; 15] = [
    "cross",
    "union",
    "join",
    "group",
    "name",
    "fileset",
    "branch",
    "folder",
    "table",
    "as",
    "glob",
    "join_on",
    "outer_join",
    "group_by",
    "empty_files",
];
const OUTPUT: [&str; 5] = ["from", "fileset", "branch", "table", "format"];
const LIMITS: [&str; 9] = [
    "memory",
    "cpu",
    "file_size",
    "processes",
    "open_files",
    "output",
    "scratch",
    "free_disk",
    "log",
];

/// Returns the first key that nothing has, with its place and what was probably meant.
pub(super) fn unknown(file: &str, text: &str, root: &Value) -> Option<StepError> {
    let (what, key, known) = match root.get("steps") {
        Some(steps) => {
            let mut items = steps.as_sequence().into_iter().flatten();
            of(root, "the file", &["steps"]).or_else(|| items.find_map(of_step))?
        }
        None => of_step(root)?,
    };
    let (line, column) = place(text, 0..usize::MAX, key).unwrap_or((1, 1));
    let error = StepError::invalid(format!(
        "{file}:{line}:{column}: unknown key `{key}` of {what}"
    ));
    Some(match did_you_mean(key, known) {
        Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
        None => error.with_hint(format!(
            "{what} takes {}; docs/steps.md says what they do",
            listed(known)
        )),
    })
}

type Unknown<'a> = (&'static str, &'a str, &'static [&'static str]);

fn of_step(step: &Value) -> Option<Unknown<'_>> {
    let one = |key: &str| step.get(key).into_iter();
    let many = |key: &str| {
        let items = step.get(key).and_then(Value::as_sequence);
        items.into_iter().flatten()
    };
    let mut inputs = one("input").chain(many("inputs"));
    let mut outputs = one("output").chain(many("outputs"));
    let limits = step.get("limits");
    of(step, "a step", &STEP)
        .or_else(|| of(limits?, "`limits`", &LIMITS))
        .or_else(|| inputs.find_map(of_input))
        .or_else(|| outputs.find_map(|output| of(output, "an output", &OUTPUT)))
}

fn of_input(input: &Value) -> Option<Unknown<'_>> {
    of(input, "an input", &INPUT).or_else(|| {
        let parts = ["cross", "union", "join", "group"].into_iter();
        let mut parts = parts.filter_map(|kind| input.get(kind)?.as_sequence());
        parts.find_map(|items| items.iter().find_map(of_input))
    })
}

/// Returns the first key of a mapping that is not among those it may have.
fn of<'a>(
    value: &'a Value,
    what: &'static str,
    known: &'static [&'static str],
) -> Option<Unknown<'a>> {
    let map: &Mapping = value.as_mapping()?;
    let mut keys = map.iter().filter_map(|(key, _)| key.as_str());
    let unknown = keys.find(|key| !known.contains(key))?;
    Some((what, unknown, known))
}

fn listed(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

/// Returns line and column of a key, from 1, within some lines, from 0.
fn place(text: &str, lines: Range<usize>, key: &str) -> Option<(usize, usize)> {
    let of_file = text.lines().enumerate();
    let mut within = of_file.filter(|(at, _)| lines.contains(at));
    within.find_map(|(at, line)| Some((at + 1, column(line, key)?)))
}

fn column(line: &str, key: &str) -> Option<usize> {
    if line.trim_start().starts_with('#') {
        return None;
    }
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
    let stands = |at: usize| {
        let before = line[..at].chars().next_back();
        let after = line[at + key.len()..].trim_start_matches(['"', '\'']);
        !before.is_some_and(is_word) && after.trim_start().starts_with(':')
    };
    let (at, _) = line.match_indices(key).find(|(at, _)| stands(*at))?;
    Some(line[..at].chars().count() + 1)
}

/// Returns the line of what an error of a step quotes: a key, or else a value; the line where the step
/// begins, if it quotes nothing that is there.
pub(super) fn line_of(text: &str, name: &str, alone: bool, error: &str) -> usize {
    let (first, lines) = match alone {
        // One alone begins with its file.
        true => (1, 0..usize::MAX),
        false => block(text, name),
    };
    // Every other part is within quotes; what is said to be missing stands nowhere.
    let parts: Vec<&str> = error.split('`').collect();
    let pairs = parts.chunks(2).zip(parts.iter().skip(1).step_by(2));
    let there = pairs.filter(|(before, _)| !before[0].ends_with("no "));
    let quoted: Vec<&str> = there.map(|(_, quoted)| *quoted).collect();
    let key = quoted.iter().find_map(|quoted| {
        let word = quoted.split(':').next().unwrap_or_default();
        let word = word.rsplit('.').next().unwrap_or_default();
        let is_key = [&STEP[..], &INPUT[..], &OUTPUT[..], &LIMITS[..]]
            .iter()
            .any(|known| known.contains(&word));
        is_key.then(|| place(text, lines.clone(), word)).flatten()
    });
    let value = || {
        let mut long = quoted.iter().filter(|quoted| quoted.len() > 2);
        long.find_map(|quoted| {
            let mut of_file = text.lines().enumerate();
            of_file.find(|(at, line)| lines.contains(at) && line.contains(*quoted))
        })
    };
    key.map(|(line, _)| line)
        .or_else(|| value().map(|(at, _)| at + 1))
        .unwrap_or(first)
}

/// Returns the line of the name of a step of a list, from 1, and the lines of the step, from 0.
fn block(text: &str, name: &str) -> (usize, Range<usize>) {
    let lines: Vec<&str> = text.lines().collect();
    let names = |line: &&str| {
        let line = line.trim_start().trim_start_matches("- ").trim_start();
        let value = line.strip_prefix("name:").map(str::trim);
        value.is_some_and(|value| value.trim_matches(['"', '\'']) == name)
    };
    let Some(at) = lines.iter().position(names) else {
        return (1, 0..lines.len());
    };
    let own = indent(lines[at]);
    let mut from = at;
    while from > 0 && !begins(lines[from], own) {
        from -= 1;
    }
    let goes_on = |line: &&&str| {
        let line: &str = line;
        line.trim().is_empty() || indent(line) >= own && !begins(line, own)
    };
    let length = lines[at + 1..].iter().take_while(goes_on).count();
    (at + 1, from..at + 1 + length)
}

/// Returns how far from the left the first key of a line stands.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '-']).len()
}

/// Whether an item of a list whose keys are indented by `own` begins with a line.
fn begins(line: &str, own: usize) -> bool {
    line.trim_start().starts_with('-') && indent(line) == own
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::de::DeserializeOwned;

    use super::super::written::{WrittenInput, WrittenLimits, WrittenOutput, WrittenStep};
    use super::*;

    /// Returns the keys that reading takes, as it tells them of one that it does not.
    fn taken<T: DeserializeOwned>() -> BTreeSet<String> {
        let error = serde_yaml_ng::from_str::<T>("nobody_has_it: 1").err();
        let error = error.expect("an unknown key").to_string();
        let (_, listed) = error.split_once("expected").expect("a list of keys");
        let words = listed.split('`').skip(1).step_by(2);
        words.map(str::to_owned).collect()
    }

    #[test]
    fn the_keys_are_those_that_are_read() {
        let of = |known: &[&str]| -> BTreeSet<String> {
            let words = known.iter().filter(|word| **word != "steps");
            words.map(|word| (*word).to_owned()).collect()
        };
        assert_eq!(of(&STEP), taken::<WrittenStep>());
        assert_eq!(of(&INPUT), taken::<WrittenInput>());
        assert_eq!(of(&OUTPUT), taken::<WrittenOutput>());
        assert_eq!(of(&LIMITS), taken::<WrittenLimits>());
    }
}
