//! What `SET` sets.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_query::Settings;

use super::encode::Zone;
use super::failure::Failure;

/// Settings that are accepted with the values that change nothing here; everything else they could
/// be set to is refused rather than ignored.
const FIXED: &[(&str, &[&str])] = &[
    ("client_encoding", &["utf8", "utf-8", "unicode"]),
    ("standard_conforming_strings", &["on", "true", "1", "yes"]),
    ("intervalstyle", &["postgres"]),
    ("bytea_output", &["hex"]),
    ("session_replication_role", &["origin"]),
    ("array_nulls", &["on", "true"]),
    ("backslash_quote", &["safe_encoding"]),
    ("row_security", &["on", "off"]),
    ("default_transaction_deferrable", &["off", "false"]),
];

/// Settings that are about how Postgres does things, not about what it answers.
const ACCEPTED: &[&str] = &[
    "extra_float_digits",
    "client_min_messages",
    "lock_timeout",
    "idle_in_transaction_session_timeout",
    "default_transaction_isolation",
    "transaction_isolation",
    "default_transaction_read_only",
    "transaction_read_only",
    "jit",
    "work_mem",
    "maintenance_work_mem",
    "enable_seqscan",
    "enable_hashjoin",
    "enable_mergejoin",
    "enable_nestloop",
    "enable_sort",
    "enable_material",
    "enable_indexscan",
    "enable_bitmapscan",
    "geqo",
    "synchronous_commit",
    "tcp_keepalives_idle",
    "tcp_keepalives_interval",
    "statement_mem",
    "optimizer",
    "check_function_bodies",
    "default_tablespace",
    "temp_tablespaces",
    "xmloption",
    "log_statement",
    "max_parallel_workers_per_gather",
    "cursor_tuple_fraction",
    "synchronize_seqscans",
    "quote_all_identifiers",
    "default_table_access_method",
    "default_with_oids",
    "idle_session_timeout",
    "transaction_timeout",
];

/// A session's settings.
pub(super) struct Variables {
    pub(super) settings: Settings,
    pub(super) zone: Zone,
    pub(super) timeout: Option<Duration>,
    others: BTreeMap<String, String>,
}

impl Variables {
    /// Returns the settings a session starts with, as its start-up packet says.
    pub(super) fn new(parameters: &BTreeMap<String, String>) -> (Self, Vec<Failure>) {
        let mut variables = Self {
            settings: Settings::default(),
            zone: Zone::utc(),
            timeout: None,
            others: BTreeMap::new(),
        };
        let mut failures = Vec::new();
        let mut set = |name: &str, value: &str| {
            if let Err(failure) = variables.set(name, &[value.to_owned()]) {
                failures.push(failure);
            }
        };
        for (name, value) in parameters {
            match name.as_str() {
                "user" | "database" | "replication" => {}
                "options" => options(value)
                    .into_iter()
                    .for_each(|(name, value)| set(&name, &value)),
                name if name.starts_with("_pq_.") => {}
                name => set(name, value),
            }
        }
        (variables, failures)
    }

    /// Sets `name` to values; returns the setting's value if the client has to hear of it.
    pub(super) fn set(
        &mut self,
        name: &str,
        values: &[String],
    ) -> Result<Option<(&'static str, String)>, Failure> {
        let name = name.to_ascii_lowercase();
        let value = values.first().cloned().unwrap_or_default();
        let refused = || {
            Failure::new(
                "22023",
                format!("invalid value for parameter \"{name}\": \"{value}\""),
            )
        };
        match name.as_str() {
            "timezone" | "time zone" => {
                let wanted = match value.to_ascii_lowercase().as_str() {
                    "default" | "local" | "utc" | "z" | "gmt" => "UTC".to_owned(),
                    _ => value.clone(),
                };
                self.zone = Zone::named(&wanted).ok_or_else(refused)?;
                self.settings.time_zone.clone_from(&wanted);
                Ok(Some(("TimeZone", wanted)))
            }
            "search_path" => {
                // As one text, or as a list of names.
                let path = values.iter().flat_map(|value| value.split(','));
                self.settings.search_path = path
                    .map(|schema| schema.trim().trim_matches('"').to_owned())
                    .filter(|schema| !schema.is_empty())
                    .map(|schema| match schema.as_str() {
                        // The schema Postgres calls so is called `main` here.
                        "public" => "main".to_owned(),
                        _ => schema,
                    })
                    .collect();
                if value.eq_ignore_ascii_case("default") {
                    self.settings.search_path = Settings::default().search_path;
                }
                Ok(None)
            }
            "application_name" => {
                self.settings.application_name = value.chars().take(63).collect();
                Ok(Some((
                    "application_name",
                    self.settings.application_name.clone(),
                )))
            }
            "statement_timeout" => {
                self.timeout = duration(&value).ok_or_else(refused)?;
                Ok(None)
            }
            "datestyle" => match value.to_ascii_lowercase().starts_with("iso")
                || value.eq_ignore_ascii_case("default")
            {
                true => Ok(None),
                false => Err(refused().hint("dates are always written in ISO style")),
            },
            "client_encoding" if value.to_ascii_lowercase().trim_matches('\'') == "utf8" => {
                Ok(None)
            }
            _ => {
                if let Some((_, allowed)) = FIXED.iter().find(|(fixed, _)| *fixed == name) {
                    let lower = value.to_ascii_lowercase();
                    return match allowed.contains(&lower.as_str()) || lower == "default" {
                        true => Ok(None),
                        false => Err(refused()),
                    };
                }
                // Names with a dot are the client's own.
                if ACCEPTED.contains(&name.as_str()) || name.contains('.') {
                    self.others.insert(name, values.join(", "));
                    return Ok(None);
                }
                Err(Failure::new(
                    "42704",
                    format!("unrecognized configuration parameter \"{name}\""),
                ))
            }
        }
    }

    /// Sets one back to what it was at the start, or all.
    pub(super) fn reset(&mut self, name: &str) {
        match name.to_ascii_lowercase().as_str() {
            "all" => {
                let application_name = std::mem::take(&mut self.settings.application_name);
                *self = Self {
                    settings: Settings {
                        application_name,
                        ..Settings::default()
                    },
                    zone: Zone::utc(),
                    timeout: None,
                    others: BTreeMap::new(),
                };
            }
            "timezone" => {
                self.zone = Zone::utc();
                self.settings.time_zone = Settings::default().time_zone;
            }
            "search_path" => self.settings.search_path = Settings::default().search_path,
            "statement_timeout" => self.timeout = None,
            name => {
                self.others.remove(name);
            }
        }
    }

    /// Whether statements that write are refused until further notice.
    pub(super) fn reads_only(&self) -> bool {
        let value = self.others.get("default_transaction_read_only");
        value.is_some_and(|value| {
            ["on", "true", "1", "yes"].contains(&value.to_ascii_lowercase().as_str())
        })
    }

    /// Returns a setting the session itself has; others are the server's.
    pub(super) fn get(&self, name: &str) -> Option<String> {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            "statement_timeout" => Some(match self.timeout {
                None => "0".to_owned(),
                Some(timeout) => format!("{}ms", timeout.as_millis()),
            }),
            _ => self.others.get(&name).cloned(),
        }
    }
}

/// Reads `30s`, `500ms`, `1min` or milliseconds; zero is none.
fn duration(text: &str) -> Option<Option<Duration>> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("default") {
        return Some(None);
    }
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    let millis = number.checked_mul(unit)?;
    Some((millis > 0).then(|| Duration::from_millis(millis)))
}

/// Reads the `options` of a start-up packet: `-c name=value`, `--name=value`.
fn options(text: &str) -> Vec<(String, String)> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => word.extend(chars.next()),
            c if c.is_whitespace() => words.push(std::mem::take(&mut word)),
            c => word.push(c),
        }
    }
    words.push(word);
    let mut words = words.into_iter().filter(|word| !word.is_empty());
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let pair = match word.as_str() {
            "-c" => words.next(),
            word => word
                .strip_prefix("--")
                .or_else(|| word.strip_prefix("-c"))
                .map(str::to_owned),
        };
        if let Some((name, value)) = pair.as_deref().and_then(|pair| pair.split_once('=')) {
            found.push((name.replace('-', "_"), value.to_owned()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        Variables::new(&BTreeMap::new()).0
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let mut variables = variables();
        let mut code = |name: &str, value: &str| {
            variables
                .set(name, &[value.to_owned()])
                .map(drop)
                .map_err(|failure| failure.code)
        };
        assert_eq!(code("client_encoding", "LATIN1"), Err("22023"));
        assert_eq!(code("DateStyle", "German"), Err("22023"));
        assert_eq!(code("TimeZone", "Mars/Olympus"), Err("22023"));
        assert_eq!(code("no_such_thing", "1"), Err("42704"));
        assert_eq!(code("statement_timeout", "soon"), Err("22023"));
        assert_eq!(code("myapp.user", "7"), Ok(()));
    }

    #[test]
    fn timeouts_have_units() {
        let mut variables = variables();
        for (text, millis) in [
            ("30s", Some(30_000)),
            ("250", Some(250)),
            ("0", None),
            ("1min", Some(60_000)),
        ] {
            variables
                .set("statement_timeout", &[text.to_owned()])
                .unwrap();
            assert_eq!(variables.timeout, millis.map(Duration::from_millis));
        }
    }

    #[test]
    fn options_of_the_start_are_read() {
        assert_eq!(
            options("-c search_path=a\\ b -cx=1 --statement-timeout=5s"),
            [
                ("search_path".to_owned(), "a b".to_owned()),
                ("x".to_owned(), "1".to_owned()),
                ("statement_timeout".to_owned(), "5s".to_owned()),
            ]
        );
    }
}
