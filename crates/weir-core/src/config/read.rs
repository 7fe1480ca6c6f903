mod value;

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::key::{KEYS, Key, Kind, OTHER_VARIABLES};
use super::problem::{ConfigError, Problem};
use super::sections::Config;
use crate::spelling::did_you_mean;
use value::{Given, Wrong, is_only_reference, set, written};

/// The version of the file's format that this Weir reads.
const VERSION: i64 = 1;

/// A configuration, with what is odd but harmless about it.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What the reader should be told.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads the text of `file` (a path for messages) and the environment's variables.
    ///
    /// Every problem is reported, not only the first.
    pub fn parse(
        file: &str,
        text: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Loaded, ConfigError> {
        let variables = variables.into_iter().collect();
        let mut reader = Reader {
            file,
            text,
            variables,
            found: Vec::new(),
            given: BTreeMap::new(),
        };
        reader.read_file();
        let warnings = reader.read_variables();
        let mut config = Config::blank();
        for (index, key) in KEYS.iter().enumerate() {
            reader.apply(index, key, &mut config);
        }
        if reader.found.is_empty() {
            reader.check(&config);
        }
        if reader.found.is_empty() {
            return Ok(Loaded { config, warnings });
        }
        reader.found.sort_by_key(|(offset, _)| *offset);
        Err(ConfigError {
            problems: reader
                .found
                .into_iter()
                .map(|(_, problem)| problem)
                .collect(),
        })
    }
}

/// The configuration of an empty file.
pub(super) fn defaults() -> Config {
    let mut config = Config::blank();
    for key in KEYS {
        let given = Given::Plain(key.default.to_owned());
        if let Err(wrong) = set(key, &given, &mut config) {
            unreachable!("the default of {} {}", key.path(), wrong.message);
        }
    }
    config
}

/// Where a value was written.
#[derive(Clone)]
enum Place {
    File(Range<usize>),
    Variable(String),
}

struct Reader<'a> {
    file: &'a str,
    text: &'a str,
    variables: BTreeMap<String, String>,
    /// Problems with where they stand in the file; those of variables come last.
    found: Vec<(usize, Problem)>,
    /// What was written for the key at an index of [`KEYS`].
    given: BTreeMap<usize, (Given, Place)>,
}

impl Reader<'_> {
    fn problem(&mut self, place: &Place, message: impl Into<String>, hint: Option<String>) {
        let (offset, place) = match place {
            Place::Variable(name) => (usize::MAX, name.clone()),
            Place::File(span) => {
                let (line, column) = line_and_column(self.text, span.start);
                (span.start, format!("{}:{line}:{column}", self.file))
            }
        };
        self.found.push((
            offset,
            Problem {
                place,
                message: message.into(),
                hint,
            },
        ));
    }

    fn read_file(&mut self) {
        let (table, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            let place = Place::File(error.span().unwrap_or(0..0));
            let message = error.message().lines().collect::<Vec<_>>().join("; ");
            self.problem(&place, message, None);
        }
        if !self.found.is_empty() {
            return;
        }
        let mut version = false;
        for (name, value) in table.get_ref() {
            let place = Place::File(name.span());
            let name = name.get_ref().as_ref();
            if name == "version" {
                version = true;
                self.check_version(value.get_ref(), Place::File(value.span()));
            } else if KEYS.iter().any(|key| key.section == name) {
                match value.get_ref() {
                    DeValue::Table(section) => self.read_section(name, section),
                    _ => self.problem(
                        &place,
                        format!("`{name}` is a section"),
                        Some(format!(
                            "write `[{name}]` on a line of its own, its keys below"
                        )),
                    ),
                }
            } else {
                self.unknown_top(name, &place);
            }
        }
        if !version {
            let hint = format!("write `version = {VERSION}` at the top of the file");
            self.problem(
                &Place::File(0..0),
                "the version of the file is missing",
                Some(hint),
            );
        }
    }

    fn check_version(&mut self, value: &DeValue<'_>, place: Place) {
        let number = value
            .as_integer()
            .and_then(|number| number.as_str().parse::<i64>().ok());
        match number {
            Some(VERSION) => {}
            Some(number) if number > VERSION => self.problem(
                &place,
                format!("version {number} is newer than this Weir, which reads version {VERSION}"),
                Some("use a newer Weir".to_owned()),
            ),
            _ => self.problem(
                &place,
                format!("the version must be the number {VERSION}"),
                Some(format!("write `version = {VERSION}`")),
            ),
        }
    }

    fn unknown_top(&mut self, name: &str, place: &Place) {
        let mut sections: Vec<&str> = KEYS.iter().map(|key| key.section).collect();
        sections.dedup();
        let hint = if let Some(key) = KEYS.iter().find(|key| key.name == name) {
            Some(format!("`{name}` belongs under `[{}]`", key.section))
        } else if let Some(better) = did_you_mean(name, &sections) {
            Some(format!("did you mean `[{better}]`?"))
        } else {
            let list = sections
                .iter()
                .map(|s| format!("`[{s}]`"))
                .collect::<Vec<_>>()
                .join(", ");
            Some(format!("there are {list}"))
        };
        self.problem(place, format!("unknown key `{name}`"), hint);
    }

    fn read_section(&mut self, section: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let place = Place::File(name.span());
            let name = name.get_ref().as_ref();
            let index = KEYS
                .iter()
                .position(|key| key.section == section && key.name == name);
            match index {
                Some(index) => {
                    self.given
                        .insert(index, (written(value.get_ref()), Place::File(value.span())));
                }
                None => {
                    let hint = unknown_key_hint(section, name);
                    self.problem(
                        &place,
                        format!("unknown key `{name}` in `[{section}]`"),
                        hint,
                    );
                }
            }
        }
    }

    /// Takes values from variables, which win over the file; returns the unknown ones.
    fn read_variables(&mut self) -> Vec<Problem> {
        let names: Vec<String> = KEYS.iter().map(Key::variable).collect();
        let mut warnings = Vec::new();
        for (name, value) in &self.variables {
            // An empty variable is how compose files and shells spell "not set".
            if !name.starts_with("WEIR_") || value.is_empty() {
                continue;
            }
            if let Some(index) = names.iter().position(|known| known == name) {
                let given = Given::Plain(value.clone());
                self.given
                    .insert(index, (given, Place::Variable(name.clone())));
            } else if !OTHER_VARIABLES.iter().any(|(known, _)| known == name) {
                warnings.push(Problem {
                    place: name.clone(),
                    message: "this variable means nothing to Weir".to_owned(),
                    hint: did_you_mean(name, &names)
                        .map(|better| format!("did you mean `{better}`?")),
                });
            }
        }
        warnings
    }

    fn apply(&mut self, index: usize, key: &Key, config: &mut Config) {
        let default = || {
            (
                Given::Plain(key.default.to_owned()),
                Place::Variable(String::new()),
            )
        };
        let (mut given, place) = self.given.get(&index).cloned().unwrap_or_else(default);
        if matches!(place, Place::File(_)) {
            if matches!(key.kind, Kind::Secret(_)) && !is_only_reference(&given) {
                let hint = format!(
                    "write `{} = \"${{env:NAME}}\"`, with a variable's name",
                    key.name
                );
                let message = format!("`{}` is a secret and must not stand in a file", key.path());
                return self.problem(&place, message, Some(hint));
            }
            if let Err(wrong) = self.expand(&mut given) {
                return self.problem(&place, wrong.message, wrong.hint);
            }
        }
        if let Err(wrong) = set(key, &given, config) {
            self.problem(
                &place,
                format!("`{}` {}", key.path(), wrong.message),
                wrong.hint,
            );
        }
    }

    /// Replaces `${env:NAME}` in a value of the file.
    fn expand(&self, given: &mut Given) -> Result<(), Wrong> {
        match given {
            Given::Text(text) => *text = self.expand_text(text)?,
            Given::List(items) => {
                for item in items {
                    *item = self.expand_text(item)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn expand_text(&self, text: &str) -> Result<String, Wrong> {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            out.push_str(&rest[..start]);
            let reference = &rest[start + 2..];
            let end = reference.find('}').ok_or_else(|| Wrong {
                message: "a `${` has no `}`".to_owned(),
                hint: Some("write `${env:NAME}`".to_owned()),
            })?;
            let name = reference[..end].strip_prefix("env:").ok_or_else(|| Wrong {
                message: format!("unknown reference `${{{}}}`", &reference[..end]),
                hint: Some("write `${env:NAME}`".to_owned()),
            })?;
            let value = self.variables.get(name).ok_or_else(|| Wrong {
                message: format!("the environment has no variable `{name}`"),
                hint: Some(format!("set `{name}` before Weir is started")),
            })?;
            out.push_str(value);
            rest = &reference[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Checks what no key can know alone.
    fn check(&mut self, config: &Config) {
        let rules: [(&str, &str, bool, String); 5] = [
            ("hot", "limit", config.hot.limit >= config.flush.bytes, {
                format!(
                    "must be at least `flush.bytes`, which is {}",
                    config.flush.bytes
                )
            }),
            (
                "wal",
                "max_size",
                config.wal.max_size.0 / 2 >= config.wal.segment_size.0,
                { format!("must hold two segments of {}", config.wal.segment_size) },
            ),
            (
                "collect",
                "max_batch_size",
                config.collect.max_batch_size >= config.collect.max_event_size,
                format!("must hold an event of {}", config.collect.max_event_size),
            ),
            (
                "lake",
                "url",
                !config.lake.url.is_empty(),
                "must not be empty".to_owned(),
            ),
            (
                "wal",
                "dir",
                !config.wal.dir.is_empty(),
                "must not be empty".to_owned(),
            ),
        ];
        for (section, name, holds, message) in rules {
            if !holds {
                self.problem(
                    &self.place_of(section, name),
                    format!("`{section}.{name}` {message}"),
                    None,
                );
            }
        }
        self.check_lake_url(&config.lake.url);
    }

    fn check_lake_url(&mut self, url: &str) {
        const SCHEMES: [&str; 8] = ["file", "s3", "s3a", "gs", "az", "azure", "abfs", "abfss"];
        let Some((scheme, _)) = url.split_once("://") else {
            return;
        };
        if SCHEMES.contains(&scheme) {
            return;
        }
        let hint = match did_you_mean(scheme, &SCHEMES) {
            Some(better) => format!("did you mean `{better}://`?"),
            None => "write a folder, or an `s3://`, `gs://` or `az://` URL".to_owned(),
        };
        let message = format!("`lake.url` has an unknown scheme `{scheme}://`");
        self.problem(&self.place_of("lake", "url"), message, Some(hint));
    }

    fn place_of(&self, section: &str, name: &str) -> Place {
        KEYS.iter()
            .position(|key| key.section == section && key.name == name)
            .and_then(|index| self.given.get(&index))
            .map_or_else(
                || Place::Variable(self.file.to_owned()),
                |(_, place)| place.clone(),
            )
    }
}

fn unknown_key_hint(section: &str, name: &str) -> Option<String> {
    let here: Vec<&str> = KEYS
        .iter()
        .filter(|key| key.section == section)
        .map(|key| key.name)
        .collect();
    if let Some(better) = did_you_mean(name, &here) {
        return Some(format!("did you mean `{better}`?"));
    }
    if let Some(key) = KEYS.iter().find(|key| key.name == name) {
        return Some(format!("`{name}` belongs under `[{}]`", key.section));
    }
    let list = here
        .iter()
        .map(|name| format!("`{name}`"))
        .collect::<Vec<_>>()
        .join(", ");
    Some(format!("it has {list}"))
}

/// Returns line and column (in characters), both from 1.
fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |at| at + 1);
    (line, before[start..].chars().count() + 1)
}

#[cfg(test)]
mod tests;
