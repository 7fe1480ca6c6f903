//! Tells people of sources that fail or are stale, and when they are well again.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;
use weir_extract::{Extracts, Looked, Stale};
use weir_flow::Store;

use crate::extract::timed;

/// How often sources are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Looks at all sources until `shutdown`.
pub(super) async fn watch(extracts: Extracts, store: Arc<dyn Store>, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // What was told of each, by key: whether it is bad. What an earlier process told is in the store.
    let mut told: BTreeMap<String, bool> = BTreeMap::new();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let looking = extracts.clone();
        let Ok(Ok(looked)) = tokio::task::spawn_blocking(move || looking.look()).await else {
            // The folder cannot be read: nobody knows more than before.
            continue;
        };
        let mut found: BTreeMap<String, Option<String>> =
            looked.iter().flat_map(problems).collect();
        for (key, _) in told.iter().filter(|(_, is_bad)| **is_bad) {
            // Its source or its line is gone from the files.
            found.entry(key.clone()).or_default();
        }
        for (key, problem) in found {
            if told.get(&key) == Some(&problem.is_some()) {
                continue;
            }
            match store.incident(&key, problem.as_deref(), Utc::now()).await {
                Ok(_) => {
                    told.insert(key, problem.is_some());
                }
                Err(error) => tracing::error!(key, %error, "an alert cannot be raised"),
            }
        }
    }
}

/// Returns what could be wrong with a source, and what is.
fn problems(looked: &Looked) -> Vec<(String, Option<String>)> {
    let source = &looked.source;
    let mut problems = Vec::new();
    let by_runs = looked
        .spec
        .as_ref()
        .is_some_and(|spec| timed::followed(spec).is_none());
    // What fails in a run is told with the run.
    if !by_runs {
        let text = looked.failing.as_ref();
        let text = text.map(|why| format!("source `{source}` is not read: {why}"));
        problems.push((format!("source:{source}"), text));
    }
    let Some(spec) = &looked.spec else {
        return problems;
    };
    let of = |stream: Option<&str>| {
        let stale = looked.stale.iter();
        let mut stale = stale.filter(|stale| stale.stream.as_deref() == stream);
        stale.next().map(|stale| said(source, stale))
    };
    if spec.freshness.is_some() {
        problems.push((format!("stale:{source}"), of(None)));
    }
    let streams = spec.streams.iter();
    for (stream, _) in streams.filter(|(_, rules)| rules.freshness.is_some()) {
        problems.push((format!("stale:{source}.{stream}"), of(Some(stream))));
    }
    problems
}

fn said(source: &str, stale: &Stale) -> String {
    let since = stale.since.format("%Y-%m-%d %H:%M:%S UTC");
    match (&stale.stream, stale.never) {
        (None, false) => format!("source `{source}` was last read to its end at {since}"),
        (None, true) => format!("source `{source}` was never read to its end, since {since}"),
        (Some(stream), false) => format!("the last rows of `{source}.{stream}` came at {since}"),
        (Some(stream), true) => format!("no rows of `{source}.{stream}` came since {since}"),
    }
}
