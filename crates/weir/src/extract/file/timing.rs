//! When a source is fetched, how often its service may be asked, and who is told of trouble.

use std::time::Duration;

use weir_extract::{Budget, Cron};
use weir_model::yaml::Map;

use crate::flow::file::section::Reader;

/// Returns how often the source's service may be asked: `100/min`, or that with the account.
pub(super) fn budget(reader: &mut Reader<'_>, map: &Map) -> Option<Budget> {
    let yaml = map.get("budget").filter(|yaml| !yaml.is_null())?;
    let at = (yaml.line, yaml.column);
    let (text, account) = match yaml.as_map() {
        Some(_) => {
            let own = reader.map(yaml, "`budget`", &["requests", "account"])?;
            let account = reader.text(own, "account").map(str::to_owned);
            (reader.text(own, "requests")?.to_owned(), account)
        }
        None => (yaml.scalar_text().unwrap_or_default(), None),
    };
    let Some((requests, window)) = rate(&text) else {
        let hint = "write one such as `10/s`, `100/min`, `5000/h` or `100000/day`".to_owned();
        reader.wrong(at, format!("`{text}` is no budget of requests"), Some(hint));
        return None;
    };
    Some(Budget {
        account,
        requests,
        window,
    })
}

fn rate(text: &str) -> Option<(u64, Duration)> {
    let (requests, unit) = text.split_once('/')?;
    let seconds = match unit.trim() {
        "s" | "sec" | "second" => 1,
        "m" | "min" | "minute" => 60,
        "h" | "hour" => 3_600,
        "d" | "day" => 86_400,
        _ => return None,
    };
    let requests = requests.trim().parse().ok().filter(|count| *count > 0)?;
    Some((requests, Duration::from_secs(seconds)))
}

/// Returns the instants at which syncs begin, where the file names some.
pub(super) fn schedule(reader: &mut Reader<'_>, map: &Map) -> Option<Cron> {
    let at = |key: &str| {
        map.entry(key)
            .map_or((1, 1), |e| (e.value.line, e.value.column))
    };
    let zone = reader.text(map, "zone").unwrap_or("UTC");
    let Some(cron) = reader.text(map, "schedule") else {
        if map.get("zone").is_some() {
            let hint = "it is the zone of a `schedule: \"0 6 * * *\"`".to_owned();
            reader.wrong(
                at("zone"),
                "`zone` means nothing here".to_owned(),
                Some(hint),
            );
        }
        return None;
    };
    if map.get("every").is_some() {
        let message = "a source says in two ways when it is synced: `every` and `schedule`";
        let hint = Some("take one of them away".to_owned());
        reader.wrong(at("schedule"), message.to_owned(), hint);
    }
    let wrong = match weir_flow::parse_zone(zone) {
        Err(error) => Some(("zone", error)),
        Ok(_) => weir_flow::Cron::parse(cron, zone)
            .err()
            .map(|error| ("schedule", error)),
    };
    if let Some((key, error)) = wrong {
        let hint = error.hint().map(str::to_owned);
        reader.wrong(at(key), error.to_string(), hint);
        return None;
    }
    Some(Cron {
        cron: cron.to_owned(),
        zone: zone.to_owned(),
    })
}

/// Returns who is told; none for everybody.
pub(super) fn alerts(reader: &mut Reader<'_>, map: &Map) -> Option<Vec<String>> {
    let value = map.get("alerts").filter(|value| !value.is_null())?;
    match value.as_bool() {
        Some(true) => None,
        Some(false) => Some(Vec::new()),
        None => {
            let words = reader.words(map, "alerts").into_iter();
            Some(words.map(|(name, _)| name).collect())
        }
    }
}
