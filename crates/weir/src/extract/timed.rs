//! Sources that are followed: synced so often that a run for each sync would be noise. All others are synced by
//! runs of their schedules.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use weir_extract::{ExtractError, ExtractErrorKind, Extracts, SourceSpec, SyncRequest};

/// How long nobody looks at the sources' files at most: they may have changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// After failures in a row the next sync waits longer, up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// A source that is synced more often than this is followed, without runs.
const FOLLOWED: Duration = Duration::from_secs(60);

/// Returns how often a source is synced by itself without runs; none for all others.
pub(crate) fn followed(spec: &SourceSpec) -> Option<Duration> {
    spec.every.filter(|every| *every < FOLLOWED)
}

/// When a source was last begun with, and how that ended.
#[derive(Default)]
struct Known {
    began: Option<Instant>,
    failures: u32,
}

impl Known {
    /// Returns when the next sync is due; none for at once.
    fn due(&self, every: Duration) -> Option<Instant> {
        let wait = match self.failures {
            0 => every,
            failures => every
                .saturating_mul(1 << failures.min(10))
                .min(LONGEST_WAIT.max(every)),
        };
        Some(self.began? + wait)
    }
}

/// Begins syncs when they are due, until `shutdown`.
pub(super) async fn follow(extracts: Extracts, shutdown: CancellationToken) {
    let mut known: BTreeMap<String, Known> = BTreeMap::new();
    let (ended, mut endings) = tokio::sync::mpsc::channel::<(String, Result<(), ExtractError>)>(64);
    let mut running: BTreeSet<String> = BTreeSet::new();
    let mut look = Instant::now();
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            Some((name, done)) = endings.recv() => {
                running.remove(&name);
                note(&name, &done, known.entry(name.clone()).or_default());
            }
            () = tokio::time::sleep_until(look) => {}
        }
        let now = Instant::now();
        look = now + LOOK_EVERY;
        let Ok(sources) = extracts.sources() else {
            // Whoever syncs by hand is told what is wrong.
            continue;
        };
        let followed = sources.into_iter().filter_map(|(name, spec)| {
            let every = spec.ok().as_ref().and_then(followed)?;
            Some((name, every))
        });
        for (name, every) in followed {
            if running.contains(&name) {
                continue;
            }
            let known = known.entry(name.clone()).or_default();
            if let Some(due) = known.due(every).filter(|due| *due > now) {
                look = look.min(due);
                continue;
            }
            known.began = Some(now);
            match extracts.sync(&name, SyncRequest::default()) {
                Ok(mut sync) => {
                    running.insert(name.clone());
                    let ended = ended.clone();
                    let shutdown = shutdown.clone();
                    tokio::spawn(async move {
                        let done = tokio::select! {
                            done = sync.ended() => done,
                            () = shutdown.cancelled() => return,
                        };
                        let _ = ended.send((name, done)).await;
                    });
                }
                // Somebody syncs it by hand.
                Err(error) if error.kind() == ExtractErrorKind::Busy => {}
                Err(error) => note(&name, &Err(error), known),
            }
        }
    }
}

fn note(name: &str, done: &Result<(), ExtractError>, known: &mut Known) {
    match done {
        Ok(()) => {
            if known.failures > 0 {
                tracing::info!(source = name, "syncs again");
            }
            known.failures = 0;
        }
        Err(error) => {
            // Once for each failure in a row that makes it wait longer.
            if known.failures < 8 {
                let cause = std::error::Error::source(error).map(ToString::to_string);
                tracing::error!(source = name, %error, cause, hint = error.advice(), "a sync failed; it is tried again");
            }
            known.failures = known.failures.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sync_is_due_from_the_beginning_of_the_last_and_later_after_failures() {
        let (began, second) = (Instant::now(), Duration::from_secs(1));
        let due = |failures| {
            let known = Known {
                began: Some(began),
                failures,
            };
            known.due(second)
        };
        assert_eq!(Known::default().due(second), None);
        assert_eq!(due(0), Some(began + second));
        assert_eq!(due(3), Some(began + 8 * second));
        assert_eq!(due(u32::MAX), Some(began + LONGEST_WAIT));
    }
}
