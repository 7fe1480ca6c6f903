//! PostgreSQL: by its log where it may be read, else by asking its tables (`polled`).
//!
//! Replicated by its log: a copy piece by piece, then every change from its log, in whole transactions.
//!
//! The slot is told that changes are kept only after the lake's commit that has them, and that commit says
//! where to go on: whatever ends in between, the same changes come again and are not taken twice.

mod binary;
mod changes;
mod columns;
mod copy;
mod fingerprint;
mod follow;
mod health;
mod lsn;
mod pgoutput;
mod polled;
mod ranges;
mod slot;
mod snapshot;
mod table;
mod verify;
mod wire;

pub use self::health::Lag;
pub use self::verify::TableScore;

pub(crate) use self::slot::is_settled;

use std::collections::BTreeMap;

use self::follow::Until;
use self::slot::{Position, Standing, log_end, system};
use self::snapshot::Snapshot;
use self::table::{Found, Identity, Table};
use self::wire::Session;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::load;
use crate::progress::Progress;
use crate::singer::Offered;
use crate::spec::{PostgresSpec, SourceSpec};

/// As often tables are copied again in one sync: whoever alters them faster is followed by the next.
const ROUNDS: usize = 3;

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
        let methods = match self.is_polled() {
            true => self.polled_methods(&mut session).await?,
            false => {
                self.require_log(&mut session).await?;
                BTreeMap::new()
            }
        };
        let tables = table::tables(&mut session, self.found()).await?;
        if !self.is_polled()
            && let Some(lag) = self.lag(&mut session).await?
        {
            self.progress.lag(lag);
        }
        session.close().await;
        let method = |table: &Table| methods.get(&table.stream()).cloned();
        let offered = tables.iter().map(|table| Offered {
            stream: table.stream(),
            taken: table.unfit.is_none() && self.spec.takes(&table.stream()),
            replication: match (&table.unfit, method(table), table.identity) {
                (Some(why), ..) => format!("not possible: {why}"),
                (None, Some((method, _)), _) => method.to_owned(),
                (None, None, Identity::None) if !self.is_polled() => {
                    "LOG_BASED, new rows only".to_owned()
                }
                (None, None, _) if !self.is_polled() => "LOG_BASED".to_owned(),
                (None, None, _) => String::new(),
            },
            replication_key: method(table).and_then(|(_, column)| column),
            key: table.keys().into_iter().map(str::to_owned).collect(),
            columns: table
                .columns
                .iter()
                .map(|column| column.name.clone())
                .collect(),
        });
        Ok(offered.collect())
    }

    /// Reads all changes up to now, after a copy of what was never taken.
    pub(crate) async fn sync(
        &self,
        mut into: load::Session,
        streams: &[String],
        refresh: bool,
    ) -> Result<(), ExtractError> {
        if self.is_polled() {
            return self.poll(&mut into, streams, refresh).await;
        }
        if !streams.is_empty() {
            let message = "tables of one database are read together, up to one point of its log";
            return Err(ExtractError::new(ExtractErrorKind::Invalid, message)
                .hint(format!("sync `{}` as a whole", self.spec.name)));
        }
        let mut control = self.session(false).await?;
        self.require_log(&mut control).await?;
        match self.read_on(&mut into, &mut control, refresh).await {
            Err(over) if over.kind() == ExtractErrorKind::Budget => {
                Err(self.detach(into, &mut control, &over).await?)
            }
            Err(error) => Err(error),
            Ok(()) => {
                if let Some(lag) = self.lag(&mut control).await? {
                    self.progress.lag(lag);
                }
                control.close().await;
                Ok(())
            }
        }
    }

    async fn read_on(
        &self,
        into: &mut load::Session,
        control: &mut Session,
        refresh: bool,
    ) -> Result<(), ExtractError> {
        let system = system(control).await?;
        let tables = self.taken(control).await?;
        // Rows of before that were not read by the log stand at numbers, and places in it come after them.
        let was_polled = polled::is_polled(into.state());
        let state = match was_polled {
            true => &serde_json::Value::Null,
            false => into.state(),
        };
        let (mut state, snapshot) = match self.standing(state, &system, control).await? {
            Standing::Good(mut state) => {
                self.within_budget(control).await?;
                if refresh {
                    state.tables.clear();
                    state.copying.clear();
                }
                (state, None)
            }
            Standing::Lost(_, why) if !refresh => return Err(self.lost(&why)),
            Standing::New => {
                let shift = if was_polled { into.last_position() } else { 0 };
                self.begin(control, &tables, system, shift).await?
            }
            // Versions tell old rows from new ones, and so do places in the log.
            Standing::Lost(..) => {
                let shift = into.last_position();
                self.begin(control, &tables, system, shift).await?
            }
        };
        let tables = self.published(control, tables, &mut state).await?;
        self.catch_up(into, control, tables, &mut state, snapshot)
            .await
    }

    /// Copies what is missing and follows the log, until both agree up to the log's end as it is now.
    async fn catch_up(
        &self,
        into: &mut load::Session,
        control: &mut Session,
        mut tables: Vec<Table>,
        state: &mut Position,
        mut snapshot: Option<Snapshot>,
    ) -> Result<(), ExtractError> {
        for round in 1.. {
            self.copy_missing(into, state, &tables, snapshot.take())
                .await?;
            let end = log_end(control).await?;
            let again = self
                .follow(into, control, &tables, state, Until::Past(end))
                .await?;
            if !again || round == ROUNDS {
                break;
            }
            tables = self.taken(control).await?;
            tables = self.published(control, tables, state).await?;
        }
        Ok(())
    }

    /// Makes slot and publications; returns the state of a source of which nothing is copied yet. Its rows
    /// stand after `shift`, the last position of rows from before.
    async fn begin(
        &self,
        control: &mut Session,
        tables: &[Table],
        system: String,
        shift: i64,
    ) -> Result<(Position, Option<Snapshot>), ExtractError> {
        self.prepare(control, tables).await?;
        let snapshot = self.slot_snapshot().await?;
        let state = Position {
            slot: self.postgres.slot.clone(),
            lsn: snapshot.at,
            system,
            tables: BTreeMap::new(),
            copying: BTreeMap::new(),
            shift: (shift + 2 - snapshot.at.position(0)?).max(0),
            inserts: true,
            detached: None,
        };
        Ok((state, Some(snapshot)))
    }

    fn found(&self) -> Found {
        match self.is_polled() {
            true => Found::ByAsking,
            false => Found::ByLog,
        }
    }

    /// Returns the tables to replicate.
    async fn taken(&self, control: &mut Session) -> Result<Vec<Table>, ExtractError> {
        let mut tables = table::tables(control, self.found()).await?;
        tables.retain(|table| self.spec.takes(&table.stream()));
        for table in tables.iter().filter(|table| table.unfit.is_some()) {
            let why = table.unfit.as_deref().unwrap_or_default();
            let stream = table.stream();
            if self.spec.streams.contains_key(&stream) {
                let message = format!("table `{stream}` cannot be replicated: {why}");
                return Err(ExtractError::new(ExtractErrorKind::Invalid, message)
                    .hint("leave it out with `skip: true`"));
            }
            self.progress.note(format!("{stream}: left out: {why}"));
        }
        tables.retain(|table| table.unfit.is_none());
        match tables.is_empty() {
            true => Err(ExtractError::new(
                ExtractErrorKind::Invalid,
                "the database has no table that can be replicated",
            )
            .hint("`weir source discover` lists the tables there are")),
            false => Ok(tables),
        }
    }

    /// Brings the publications to the tables; returns those that the log tells of, and notes what people
    /// should know of the others.
    async fn published(
        &self,
        control: &mut Session,
        mut tables: Vec<Table>,
        state: &mut Position,
    ) -> Result<Vec<Table>, ExtractError> {
        let missing = self.publish(control, &tables, state.inserts).await?;
        for stream in &missing {
            self.progress.note(format!(
                "{stream}: left out: it is in no publication of Weir's, which may not change them without `manage: true`"
            ));
        }
        tables.retain(|table| !missing.contains(&table.stream()));
        for table in tables
            .iter()
            .filter(|table| table.identity == Identity::None)
        {
            self.progress.note(format!(
                "{}: it has no key: new rows come, updates and deletes do not. \
                 `ALTER TABLE {} REPLICA IDENTITY FULL` lets the log tell them",
                table.stream(),
                table.quoted()
            ));
        }
        state.tables.retain(|stream, _| {
            let is_there = tables.iter().any(|table| table.stream() == *stream);
            if !is_there {
                self.progress.note(format!(
                    "{stream}: it is not replicated any more; its rows stay"
                ));
            }
            is_there
        });
        Ok(tables)
    }
}
