//! Does the work of sources: syncs, which go on where the last commit ended, whoever made it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::MissedTickBehavior;
use weir_extract::{ExtractError, ExtractErrorKind, Extracts, Gate, Running, Shown, SyncRequest};
use weir_flow::{Attempt, ErrorClass, Outcome, PublishError};

use super::fetched::source_of;

/// How often a log says how far a sync is.
const SAID_EVERY: Duration = Duration::from_secs(5);

/// Syncs sources.
#[derive(Debug)]
pub(super) struct Syncs {
    pub(super) extracts: Extracts,
}

/// Lets a sync commit as long as its attempt has its lease.
struct Lease(Arc<Attempt>);

#[async_trait]
impl Gate for Lease {
    async fn pass(&self) -> Result<(), ExtractError> {
        let alive = self.0.publish(async |_| Ok::<_, ExtractError>(())).await;
        alive.map_err(|error| match error {
            PublishError::Commit(error) => error,
            refused => ExtractError::new(
                ExtractErrorKind::Busy,
                "the run has lost the right to commit",
            )
            .because(refused),
        })
    }
}

impl Syncs {
    pub(super) async fn run(&self, attempt: Attempt) -> Outcome {
        let attempt = Arc::new(attempt);
        let Some(name) = source_of(attempt.asset()) else {
            return Outcome::permanent(format!("`{}` is fetched by nobody", attempt.asset()));
        };
        let gate = Arc::new(Lease(attempt.clone()));
        let begun = tokio::select! {
            begun = self.extracts.sync_in_turn(name, SyncRequest::default(), gate) => begun,
            () = attempt.cancelled() => return Outcome::Cancelled,
        };
        let ended = match begun {
            Ok(running) => follow(&attempt, running).await,
            Err(error) => Err(error),
        };
        match ended {
            Ok(outcome) => outcome,
            Err(error) => {
                let log = attempt.log();
                log.write(&error.to_string());
                let mut cause = std::error::Error::source(&error);
                while let Some(error) = cause {
                    log.write(&error.to_string());
                    cause = error.source();
                }
                if let Some(hint) = error.advice() {
                    log.write(&format!("hint: {hint}"));
                }
                Outcome::Failed(class_of(&error), error.told())
            }
        }
    }
}

/// Waits for the end of a sync, and says how it gets on. What it has committed stays when it is stopped.
async fn follow(attempt: &Attempt, mut running: Running) -> Result<Outcome, ExtractError> {
    let log = attempt.log();
    log.write(&format!("sync {}", running.run));
    let mut ticks = tokio::time::interval(SAID_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut said = Shown::default();
    loop {
        tokio::select! {
            ended = running.ended() => {
                let shown = running.progress.shown();
                notes(attempt, &mut said, &shown);
                ended?;
                return Ok(done(attempt, &running.run, &shown));
            }
            () = attempt.cancelled() => return Ok(Outcome::Cancelled),
            _ = ticks.tick() => {
                let shown = running.progress.shown();
                notes(attempt, &mut said, &shown);
                if shown.rows != said.rows || shown.doing != said.doing {
                    let rows: u64 = shown.rows.values().sum();
                    log.write(&format!("{}: {rows} rows, {} in the lake", shown.doing, shown.committed));
                }
                said = shown;
            }
        }
    }
}

fn notes(attempt: &Attempt, said: &mut Shown, shown: &Shown) {
    for note in shown.notes.iter().skip(said.notes.len()) {
        attempt.log().write(note);
    }
    said.notes.clone_from(&shown.notes);
}

fn done(attempt: &Attempt, run: &str, shown: &Shown) -> Outcome {
    for (stream, rows) in &shown.rows {
        attempt.log().write(&format!("{stream}: {rows} rows"));
    }
    match shown.commits {
        0 => Outcome::succeeded(),
        // By this name it is taken back.
        _ => Outcome::Succeeded(Some(run.to_owned())),
    }
}

/// Decides whether something may work the next time.
fn class_of(error: &ExtractError) -> ErrorClass {
    match error.kind() {
        _ if error.is_transient() => ErrorClass::Transient,
        // Taps end for any reason, and most often that is the network.
        ExtractErrorKind::Program => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    }
}
