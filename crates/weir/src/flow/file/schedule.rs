use std::time::Duration;

use weir_flow::{Batch, Cron, FlowError, MissedTicks, ScheduleName};
use weir_model::yaml::{Map, Yaml};

use super::section::{Reader, listed};

/// Line and column, from one.
pub(in crate::flow) type Place = (u32, u32);

/// One entry of `schedules`.
#[derive(Clone, Debug)]
pub(in crate::flow) struct FileSchedule {
    pub(in crate::flow) name: ScheduleName,
    pub(in crate::flow) place: Place,
    pub(in crate::flow) select: Vec<(String, Place)>,
    pub(in crate::flow) exclude: Vec<(String, Place)>,
    pub(in crate::flow) trigger: FileTrigger,
    pub(in crate::flow) priority: i32,
    pub(in crate::flow) max_open_runs: Option<u32>,
    /// Who is told of failures; none for everybody.
    pub(in crate::flow) alerts: Option<Vec<String>>,
}

/// What makes a schedule run, as the file says it.
#[derive(Clone, Debug)]
pub(in crate::flow) enum FileTrigger {
    Cron {
        cron: Cron,
        missed: MissedTicks,
    },
    /// Changes of these tables; of what the target reads when none are named.
    Inputs {
        tables: Vec<(String, Place)>,
        batch: Batch,
        at_most_every: Duration,
    },
    Freshness {
        by: Option<Cron>,
        max_age: Duration,
        lead: Duration,
    },
    /// Calls that show this token.
    Webhook {
        token: String,
    },
    Manual,
}

const KEYS: [&str; 17] = [
    "name",
    "cron",
    "zone",
    "missed",
    "trigger",
    "tables",
    "batch",
    "at_most_every",
    "by",
    "fresh_within",
    "lead",
    "token",
    "select",
    "exclude",
    "priority",
    "max_open_runs",
    "alerts",
];

/// How long runs on changes rest in between unless the file says so.
const REST: Duration = Duration::from_secs(10);

pub(super) fn read(
    reader: &mut Reader<'_>,
    yaml: &Yaml,
    receivers: &[String],
) -> Option<FileSchedule> {
    let map = reader.map(yaml, "a schedule", &KEYS)?;
    let place = (yaml.line, yaml.column);
    let Some(name) = reader.text(map, "name") else {
        let hint = Some("it is what `weir schedule` and `weir runs` call it".to_owned());
        reader.wrong(place, "a schedule has no `name`".to_owned(), hint);
        return None;
    };
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.len() > 100 || !name.chars().all(fits) {
        let hint = Some("use letters, digits, `_`, `-` and `.`".to_owned());
        reader.wrong(
            at(map, "name"),
            format!("`{name}` is no name of a schedule"),
            hint,
        );
        return None;
    }
    let name = ScheduleName::new(name);
    let trigger = trigger(reader, map, &name, place)?;
    let priority = reader.number(map, "priority", (-100, 100)).unwrap_or(0);
    let max_open_runs = reader.number(map, "max_open_runs", (1, 100));
    Some(FileSchedule {
        place,
        select: reader.words(map, "select"),
        exclude: reader.words(map, "exclude"),
        trigger,
        priority: i32::try_from(priority).unwrap_or(0),
        max_open_runs: max_open_runs.and_then(|number| u32::try_from(number).ok()),
        alerts: alerts(reader, map, receivers),
        name,
    })
}

fn at(map: &Map, key: &str) -> Place {
    map.entry(key)
        .map_or((0, 0), |entry| (entry.value.line, entry.value.column))
}

fn trigger(
    reader: &mut Reader<'_>,
    map: &Map,
    name: &ScheduleName,
    place: Place,
) -> Option<FileTrigger> {
    let told: Vec<&str> = ["cron", "trigger", "fresh_within"]
        .into_iter()
        .filter(|key| map.get(key).is_some())
        .collect();
    if told.len() != 1 {
        let message = match told.is_empty() {
            true => format!("schedule `{name}` does not say when it runs"),
            false => format!(
                "schedule `{name}` says in several ways when it runs: {}",
                listed(&told)
            ),
        };
        let hint = "write one of `cron: \"0 3 * * *\"`, `fresh_within: 2h`, `trigger: inputs`, `trigger: webhook` and `trigger: manual`";
        reader.wrong(place, message, Some(hint.to_owned()));
        return None;
    }
    let word = match told[0] {
        "trigger" => reader.text(map, "trigger")?,
        other => other,
    };
    let own: &[&str] = match word {
        "cron" => &["cron", "zone", "missed"],
        "fresh_within" => &["fresh_within", "lead", "by", "zone"],
        "inputs" => &["trigger", "tables", "batch", "at_most_every"],
        "webhook" => &["trigger", "token"],
        "manual" => &["trigger"],
        other => {
            let known = ["inputs", "webhook", "manual"];
            let hint = match weir_core::did_you_mean(other, &known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("it is one of {}", listed(&known)),
            };
            reader.wrong(
                at(map, "trigger"),
                format!("nothing runs on `{other}`"),
                Some(hint),
            );
            return None;
        }
    };
    let of_triggers = [
        "cron",
        "zone",
        "missed",
        "trigger",
        "tables",
        "batch",
        "at_most_every",
        "fresh_within",
        "lead",
        "by",
        "token",
    ];
    for key in of_triggers {
        if map.get(key).is_some() && !own.contains(&key) {
            let message = format!("`{key}` means nothing for a schedule that runs by `{word}`");
            reader.wrong(at(map, key), message, Some("take it away".to_owned()));
        }
    }
    match word {
        "cron" => cron(reader, map),
        "fresh_within" => freshness(reader, map),
        "inputs" => Some(FileTrigger::Inputs {
            tables: reader.words(map, "tables"),
            batch: batch(reader, map)?,
            at_most_every: reader.duration(map, "at_most_every").unwrap_or(REST),
        }),
        "webhook" => {
            if map.get("token").is_none() {
                let hint = Some(
                    "write `token: ${env:NAME}`: callers show it as `Authorization: Bearer ...`"
                        .to_owned(),
                );
                reader.wrong(
                    place,
                    format!("schedule `{name}` has no token that callers show"),
                    hint,
                );
                return None;
            }
            let token = reader.value(map, "token", true)?;
            if token.len() < 16 {
                let hint = Some("make one with `openssl rand -hex 24`".to_owned());
                reader.wrong(
                    at(map, "token"),
                    "the token is shorter than 16 characters".to_owned(),
                    hint,
                );
                return None;
            }
            Some(FileTrigger::Webhook { token })
        }
        _ => Some(FileTrigger::Manual),
    }
}

/// How long before the time by which something is wanted it is to be there.
const LEAD: Duration = Duration::from_secs(15 * 60);

fn freshness(reader: &mut Reader<'_>, map: &Map) -> Option<FileTrigger> {
    let max_age = reader.duration(map, "fresh_within")?;
    let by = match map.get("by") {
        None if map.get("zone").is_some() => {
            let message = "`zone` means nothing without `by`".to_owned();
            let hint = "write `by: \"08:00\"` for the time at which it must be fresh";
            reader.wrong(at(map, "zone"), message, Some(hint.to_owned()));
            return None;
        }
        None => None,
        Some(_) => Some(clock(reader, map, "by")?),
    };
    let lead = match reader.duration(map, "lead") {
        Some(lead) => lead,
        None if by.is_some() => LEAD.min(max_age / 4),
        None => Duration::ZERO,
    };
    Some(FileTrigger::Freshness { max_age, lead, by })
}

/// Reads when something is, by the clock of `zone`: a cron expression, or a time of every day.
fn clock(reader: &mut Reader<'_>, map: &Map, key: &str) -> Option<Cron> {
    let text = reader.text(map, key)?;
    let zone = reader.text(map, "zone").unwrap_or("UTC");
    if let Err(error) = weir_flow::parse_zone(zone) {
        told(reader, at(map, "zone"), &error);
        return None;
    }
    let daily = chrono::NaiveTime::parse_from_str(text, "%H:%M").ok();
    let daily = daily.map(|time| time.format("%-M %-H * * *").to_string());
    match Cron::parse(daily.as_deref().unwrap_or(text), zone) {
        Ok(cron) => Some(cron),
        Err(error) => {
            told(reader, at(map, key), &error);
            None
        }
    }
}

fn cron(reader: &mut Reader<'_>, map: &Map) -> Option<FileTrigger> {
    let cron = clock(reader, map, "cron")?;
    let missed = match map.get("missed") {
        None => MissedTicks::default(),
        Some(value) => match value.as_str() {
            Some("latest") => MissedTicks::Latest,
            Some("skip") => MissedTicks::Skip,
            Some("all") => MissedTicks::All { max: 100 },
            _ => match value
                .as_map()
                .and_then(|own| reader.number(own, "all", (1, 1000)))
            {
                Some(max) => MissedTicks::All {
                    max: u32::try_from(max).unwrap_or(1),
                },
                None => {
                    let hint = Some("it is `latest`, `skip`, `all` or `{all: 10}`".to_owned());
                    reader.wrong(
                        at(map, "missed"),
                        "`missed` cannot be understood".to_owned(),
                        hint,
                    );
                    return None;
                }
            },
        },
    };
    Some(FileTrigger::Cron { cron, missed })
}

fn batch(reader: &mut Reader<'_>, map: &Map) -> Option<Batch> {
    let Some(value) = map.get("batch") else {
        return Some(Batch::Together);
    };
    if value.as_str() == Some("together") {
        return Some(Batch::Together);
    }
    let max = value
        .as_map()
        .and_then(|own| reader.number(own, "each", (1, 1000)));
    match (value.as_str(), max) {
        (Some("each"), _) => Some(Batch::Each { max: 100 }),
        (_, Some(max)) => Some(Batch::Each {
            max: u32::try_from(max).unwrap_or(1),
        }),
        _ => {
            let hint = Some("it is `together`, `each` or `{each: 10}`".to_owned());
            reader.wrong(
                at(map, "batch"),
                "`batch` cannot be understood".to_owned(),
                hint,
            );
            None
        }
    }
}

fn alerts(reader: &mut Reader<'_>, map: &Map, receivers: &[String]) -> Option<Vec<String>> {
    let value = map.get("alerts").filter(|value| !value.is_null())?;
    match value.as_bool() {
        Some(true) => return None,
        Some(false) => return Some(Vec::new()),
        None => {}
    }
    let mut names = Vec::new();
    for (name, place) in reader.words(map, "alerts") {
        if !receivers.contains(&name) {
            let hint = match weir_core::did_you_mean(&name, receivers) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => "name one of `alerts` at the top of the file, or write `false`".to_owned(),
            };
            reader.wrong(
                place,
                format!("there is no alert receiver `{name}`"),
                Some(hint),
            );
        }
        names.push(name);
    }
    Some(names)
}

fn told(reader: &mut Reader<'_>, place: Place, error: &FlowError) {
    reader.wrong(place, error.to_string(), error.hint().map(str::to_owned));
}
