//! The log, read from where the lake ends.

use std::time::{Duration, Instant};

use super::Database;
use super::changes::{Changes, Taken};
use super::columns::{self, Earlier};
use super::lsn::Lsn;
use super::pgoutput::{self, Change};
use super::slot::{Position, inserts};
use super::table::{Table, literal, quoted};
use super::wire::{Session, Streamed};
use crate::error::{ExtractError, protocol};
use crate::load;

/// So much of the log is read again rather than noted as read, where it has nothing of ours.
const QUIET_BYTES: u64 = 16 << 20;
/// How often the server is told how far we are, and asked how much of its log it keeps for us.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// How far to read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    /// At least up to here, in whole transactions.
    Past(Lsn),
    /// All that committed before here, and nothing that committed after.
    Exactly(Lsn),
}

impl Until {
    fn lsn(self) -> Lsn {
        match self {
            Until::Past(lsn) | Until::Exactly(lsn) => lsn,
        }
    }
}

impl Database<'_> {
    /// Streams changes into the lake; returns whether some tables are to be copied again.
    ///
    /// The server is told that changes are kept only after the commit that has them.
    pub(super) async fn follow(
        &self,
        into: &mut load::Session,
        control: &mut Session,
        tables: &[Table],
        state: &mut Position,
        until: Until,
    ) -> Result<bool, ExtractError> {
        self.progress.doing("reading changes");
        let mut rewritten = false;
        for table in tables {
            let Some(mut copied) = state.tables.get(&table.stream()).copied() else {
                continue;
            };
            let changed = into.declare(&table.stream(), &table.fields())?;
            let earlier =
                columns::settle(table, &changed, None, &mut copied, into, control).await?;
            match earlier {
                Earlier::Known => {
                    state.tables.insert(table.stream(), copied);
                }
                Earlier::Rewritten => {
                    state.tables.remove(&table.stream());
                    rewritten = true;
                }
            }
        }
        if rewritten {
            return Ok(true);
        }
        let mut log = self.session(true).await?;
        log.stream(&start(state)).await?;
        let begin = state.lsn;
        let mut changes = Changes::new(tables, state, self.progress.clone());
        let mut told = Instant::now();
        // What the server was told is kept, and how far the log was read.
        let (mut kept, mut reached) = (begin, begin);
        log.confirm(reached.0, kept.0, true).await?;
        while reached < until.lsn() || changes.is_within() {
            match tokio::time::timeout(TELL_EVERY, log.streamed()).await {
                Err(_) => log.confirm(reached.0, kept.0, true).await?,
                Ok(streamed) => match streamed? {
                    Streamed::End => {
                        return Err(protocol("the server ended the stream of changes"));
                    }
                    Streamed::Alive { end, wants_answer } => {
                        let end = Lsn(end).min(until.cap());
                        if !changes.is_within() && end > reached {
                            // Nothing of ours is before it.
                            reached = end;
                            into.cover(changes.reach(end));
                        }
                        if wants_answer {
                            log.confirm(reached.0, kept.0, false).await?;
                        }
                    }
                    Streamed::Change(message) => {
                        let change = pgoutput::decode(message)?;
                        if let (Change::Begin { commit }, Until::Exactly(end)) = (&change, until)
                            && *commit >= end.0
                        {
                            // Of the transactions before `end`, none comes any more.
                            reached = end;
                            into.cover(changes.reach(end));
                            break;
                        }
                        if let Taken::Ended(end) = changes.take(change, into, control).await? {
                            reached = end;
                            into.cover(changes.reach(end));
                            if into.settle().await? {
                                kept = end;
                                log.confirm(reached.0, kept.0, false).await?;
                            }
                        }
                    }
                },
            }
            if told.elapsed() >= TELL_EVERY {
                log.confirm(reached.0, kept.0, false).await?;
                self.within_budget(control).await?;
                told = Instant::now();
            }
        }
        let again = changes.finish();
        let differs = !state.is_as(into.state());
        into.cover(state.json());
        if differs || !into.is_settled() || reached.0.saturating_sub(kept.0) >= QUIET_BYTES {
            into.commit().await?;
            // Only now: the lake has it.
            log.confirm(reached.0, reached.0, false).await?;
        } else {
            // Others wrote to the log. That is read again quickly, and a commit for it would be one for
            // every look.
            log.confirm(reached.0, kept.0, false).await?;
        }
        log.close().await;
        Ok(again)
    }
}

impl Until {
    /// Returns the place that is not passed without a transaction that says so.
    fn cap(self) -> Lsn {
        match self {
            Until::Past(_) => Lsn(u64::MAX),
            Until::Exactly(lsn) => lsn,
        }
    }
}

fn start(state: &Position) -> String {
    let mut publications = vec![quoted(&state.slot)];
    if state.inserts {
        publications.push(quoted(&inserts(&state.slot)));
    }
    format!(
        "START_REPLICATION SLOT {} LOGICAL {} (proto_version '1', publication_names {})",
        quoted(&state.slot),
        state.lsn,
        literal(&publications.join(",")),
    )
}
