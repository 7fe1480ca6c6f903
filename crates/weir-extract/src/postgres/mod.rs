//! PostgreSQL, replicated: a copy in one snapshot, then every change from its log, in whole transactions.
//!
//! The slot is told that changes are kept only after the lake's commit that has them, and that commit says
//! where to go on: whatever ends in between, the same changes come again and are not taken twice.

mod changes;
mod copy;
mod pgoutput;
mod slot;
mod table;
mod wire;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use chrono::Utc;

use self::changes::Changes;
use self::slot::{Position, json, lsn_number, lsn_text, require_log, system};
use self::table::{Table, literal, quoted};
use self::wire::{Session, Streamed};
use crate::error::{ExtractError, ExtractErrorKind, protocol};
use crate::load;
use crate::progress::Progress;
use crate::singer::Offered;
use crate::spec::{PostgresSpec, SourceSpec};

/// So much of the log is read again rather than noted as read, where it has nothing of ours.
const QUIET_BYTES: u64 = 16 << 20;
/// How often the server is told how far we are.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// A database that is replicated.
pub(crate) struct Database<'a> {
    spec: &'a SourceSpec,
    postgres: &'a PostgresSpec,
    progress: Progress,
}

impl<'a> Database<'a> {
    pub(crate) fn new(
        spec: &'a SourceSpec,
        postgres: &'a PostgresSpec,
        progress: Progress,
    ) -> Self {
        Self {
            spec,
            postgres,
            progress,
        }
    }

    async fn session(&self, replication: bool) -> Result<Session, ExtractError> {
        Session::open(self.postgres.url.reveal(), replication).await
    }

    /// Returns the tables there are, and which of them are taken.
    pub(crate) async fn discover(&self) -> Result<Vec<Offered>, ExtractError> {
        self.progress.doing("asking the server for its tables");
        let mut session = self.session(false).await?;
        require_log(&mut session).await?;
        let tables = table::tables(&mut session).await?;
        session.close().await;
        let offered = tables.iter().map(|table| Offered {
            stream: table.stream(),
            taken: table.unfit.is_none() && self.spec.takes(&table.stream()),
            replication: match &table.unfit {
                None => "LOG_BASED".to_owned(),
                Some(why) => format!("not possible: {why}"),
            },
            replication_key: None,
            key: table.keys().into_iter().map(str::to_owned).collect(),
            columns: table
                .columns
                .iter()
                .map(|column| column.name.clone())
                .collect(),
        });
        Ok(offered.collect())
    }

    /// Reads all changes up to now, after a copy of what there is where that was never taken.
    pub(crate) async fn sync(
        &self,
        mut into: load::Session,
        streams: &[String],
        refresh: bool,
    ) -> Result<(), ExtractError> {
        if !streams.is_empty() {
            let message = "tables of one database are read together, up to one point of its log";
            return Err(ExtractError::new(ExtractErrorKind::Invalid, message)
                .hint(format!("sync `{}` as a whole", self.spec.name)));
        }
        let mut control = self.session(false).await?;
        require_log(&mut control).await?;
        let system = system(&mut control).await?;
        let tables = self.taken(&mut control).await?;
        let taken: BTreeSet<String> = tables.iter().map(Table::stream).collect();
        let state = match refresh {
            true => None,
            false => self.position(into.state(), &system, &mut control).await?,
        };
        let state = match state {
            Some(state) => {
                self.same_tables(&state, &taken)?;
                state
            }
            None => {
                let (state, session) = self.copy(into, &mut control, &tables, system).await?;
                into = session;
                state
            }
        };
        self.follow(into, control, tables, taken, state).await
    }

    /// Returns the tables to replicate.
    async fn taken(&self, control: &mut Session) -> Result<Vec<Table>, ExtractError> {
        let mut tables = table::tables(control).await?;
        tables.retain(|table| self.spec.takes(&table.stream()));
        for table in tables.iter().filter(|table| table.unfit.is_some()) {
            let why = table.unfit.as_deref().unwrap_or_default();
            let stream = table.stream();
            if self.spec.streams.contains_key(&stream) {
                let message = format!("table `{stream}` cannot be replicated: {why}");
                return Err(ExtractError::new(ExtractErrorKind::Invalid, message)
                    .hint("give it a primary key, or leave it out with `skip: true`"));
            }
            self.progress.note(format!("{stream}: left out: {why}"));
        }
        tables.retain(|table| table.unfit.is_none());
        match tables.is_empty() {
            true => Err(ExtractError::new(
                ExtractErrorKind::Invalid,
                "the database has no table that can be replicated",
            )
            .hint("tables need a primary key; `weir source discover` lists them")),
            false => Ok(tables),
        }
    }

    fn same_tables(&self, state: &Position, taken: &BTreeSet<String>) -> Result<(), ExtractError> {
        let new: Vec<&str> = taken
            .difference(&state.tables)
            .map(String::as_str)
            .collect();
        if new.is_empty() {
            return Ok(());
        }
        let message = format!("tables came that were not copied yet: {}", new.join(", "));
        Err(ExtractError::new(ExtractErrorKind::Unsupported, message).hint(format!(
            "leave them out with `skip: true`, or copy everything again: `weir sync {} --full-refresh`",
            self.spec.name
        )))
    }

    /// Makes slot and publication, and copies all tables as of the slot's first position.
    async fn copy(
        &self,
        mut into: load::Session,
        control: &mut Session,
        tables: &[Table],
        system: String,
    ) -> Result<(Position, load::Session), ExtractError> {
        let slot = &self.postgres.slot;
        self.prepare(control, tables).await?;
        let mut maker = self.session(true).await?;
        let made = maker
            .rows(&format!(
                "CREATE_REPLICATION_SLOT {} LOGICAL pgoutput (SNAPSHOT 'export')",
                quoted(slot)
            ))
            .await;
        let made = match made {
            // Servers before 15 take the words in another order.
            Err(error) if error.kind() == ExtractErrorKind::Protocol => {
                let old = format!(
                    "CREATE_REPLICATION_SLOT {} LOGICAL pgoutput EXPORT_SNAPSHOT",
                    quoted(slot)
                );
                maker.rows(&old).await?
            }
            made => made?,
        };
        let row = made.into_iter().next().unwrap_or_default();
        let text = |at: usize| row.get(at).cloned().flatten();
        let (Some(lsn), Some(snapshot)) = (text(1), text(2)) else {
            return Err(protocol("the server made a slot without a snapshot"));
        };
        into.hold();
        let position = lsn_number(&lsn)?;
        // Where there are rows from before, those of this copy replace them once all are there.
        let version = Some(Utc::now().timestamp_micros().max(position));
        let mut reader = self.session(false).await?;
        reader
            .rows(&format!(
                "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
                literal(&snapshot)
            ))
            .await?;
        for table in tables {
            let stream = table.stream();
            self.progress.doing(format!("copying {stream}"));
            into.declare(&stream, &table.fields())?;
            if let Some(table) = into.stream(&stream)
                && let (None, Some(version)) = (table.active(), version)
            {
                table.activate(version);
            }
            copy::copy(&mut reader, table, &mut into, (position, version)).await?;
        }
        reader.rows("COMMIT").await?;
        reader.close().await;
        maker.close().await;
        for table in tables {
            if let (Some(table), Some(version)) = (into.stream(&table.stream()), version) {
                table.activate(version);
            }
        }
        let state = Position {
            slot: slot.clone(),
            lsn,
            system,
            tables: tables.iter().map(Table::stream).collect(),
        };
        into.cover(json(&state));
        into.release().await?;
        Ok((state, into))
    }

    /// Streams changes until the log's end as it is now.
    async fn follow(
        &self,
        mut into: load::Session,
        mut control: Session,
        tables: Vec<Table>,
        taken: BTreeSet<String>,
        mut state: Position,
    ) -> Result<(), ExtractError> {
        self.progress.doing("reading changes");
        for table in &tables {
            into.declare(&table.stream(), &table.fields())?;
        }
        let target = control.rows("SELECT pg_current_wal_flush_lsn()").await?;
        let target = target
            .first()
            .and_then(|row| row.first().cloned().flatten());
        let target = lsn_number(&target.unwrap_or_default())? as u64;
        let mut log = self.session(true).await?;
        let begin = lsn_number(&state.lsn)? as u64;
        let sql = format!(
            "START_REPLICATION SLOT {} LOGICAL {} (proto_version '1', publication_names {})",
            quoted(&state.slot),
            state.lsn,
            literal(&quoted(&state.slot)),
        );
        log.stream(&sql).await?;
        let mut changes = Changes::new(tables, taken, self.progress.clone());
        let (mut reached, mut kept) = (begin, begin);
        let mut told = Instant::now();
        log.confirm(reached, kept, true).await?;
        while reached < target || changes.is_within() {
            let waited = tokio::time::timeout(TELL_EVERY, log.streamed()).await;
            match waited {
                Err(_) => log.confirm(reached, kept, true).await?,
                Ok(streamed) => match streamed? {
                    Streamed::End => {
                        return Err(protocol("the server ended the stream of changes"));
                    }
                    Streamed::Alive { end, wants_answer } => {
                        if !changes.is_within() && end > reached {
                            // Nothing of ours is before it.
                            reached = end;
                            state.lsn = lsn_text(end);
                            into.cover(json(&state));
                        }
                        if wants_answer {
                            log.confirm(reached, kept, false).await?;
                        }
                    }
                    Streamed::Change(message) => {
                        let change = pgoutput::decode(message)?;
                        if let Some(end) = changes.take(change, &mut into, &mut control).await? {
                            reached = end;
                            state.lsn = lsn_text(end);
                            into.cover(json(&state));
                            if into.settle().await? {
                                kept = end;
                                log.confirm(reached, kept, false).await?;
                                told = Instant::now();
                            }
                        }
                    }
                },
            }
            if told.elapsed() >= TELL_EVERY {
                log.confirm(reached, kept, false).await?;
                told = Instant::now();
            }
        }
        if into.is_settled() && reached.saturating_sub(kept) < QUIET_BYTES {
            // Others wrote to the log. That is read again quickly, and a commit for it would be one for
            // every look.
            log.confirm(reached, kept, false).await?;
            log.close().await;
            control.close().await;
            return Ok(());
        }
        into.finish().await?;
        // Only now: the lake has it.
        log.confirm(reached, reached, false).await?;
        log.close().await;
        control.close().await;
        Ok(())
    }
}
