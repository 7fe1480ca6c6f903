//! MySQL and MariaDB, replicated by the binary log: a copy as of one place in it, then every change from there,
//! in whole transactions.
//!
//! The server keeps nothing for us: its log goes when it is old. The lake's commits say where to go on, so that
//! the same changes are never taken twice, and a log that is not there any more is known by it.

mod address;
mod cascade;
mod changes;
mod charset;
mod copy;
mod ddl;
mod event;
mod follow;
mod json;
mod login;
mod place;
mod server;
mod snapshot;
mod state;
mod table;
mod value;
mod wire;

pub(crate) use self::state::is_settled;

use std::collections::BTreeMap;

use serde_json::Value;

use self::address::Address;
use self::server::Server;
use self::snapshot::Snapshot;
use self::state::{Position, Prepared};
use self::table::{Table, tables};
use self::wire::Session;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::load;
use crate::progress::Progress;
use crate::singer::Offered;
use crate::spec::{MysqlSpec, SourceSpec};

/// As often tables are copied again in one sync: whoever alters them faster is followed by the next.
const ROUNDS: usize = 3;

/// A database that is replicated.
pub(crate) struct Database<'a> {
    spec: &'a SourceSpec,
    mysql: &'a MysqlSpec,
    progress: Progress,
}

/// What is known of the log.
enum Standing {
    /// The source was never read.
    New,
    /// The log goes on where the lake ends.
    Good(Position),
    /// Changes are missing between the lake and the log: for the reason that is told.
    Lost(String),
}

impl<'a> Database<'a> {
    pub(crate) fn new(spec: &'a SourceSpec, mysql: &'a MysqlSpec, progress: Progress) -> Self {
        Self {
            spec,
            mysql,
            progress,
        }
    }

    async fn session(&self) -> Result<Session, ExtractError> {
        Session::open(&Address::read(self.mysql.url.reveal())?).await
    }

    /// Returns the tables there are, and which of them are taken, after looking whether they can be followed.
    pub(crate) async fn discover(&self) -> Result<Vec<Offered>, ExtractError> {
        self.progress.doing("asking the server for its tables");
        let mut control = self.session().await?;
        let server = self.ready(&mut control).await?;
        let tables = tables(&mut control, &server).await?;
        if tables.is_empty() {
            return Err(no_table(&server));
        }
        control.close().await;
        let offered = tables.iter().map(|table| Offered {
            stream: table.name.clone(),
            taken: table.unfit.is_none() && self.spec.takes(&table.name),
            replication: match &table.unfit {
                Some(why) => format!("not possible: {why}"),
                None => "LOG_BASED".to_owned(),
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

    /// Asks the server what it is; fails where its log may not be followed.
    async fn ready(&self, control: &mut Session) -> Result<Server, ExtractError> {
        let server = Server::ask(control).await?;
        server.end(control).await?;
        let mut replica = self.session().await?;
        server
            .require_replica(&mut replica, replica_number())
            .await?;
        replica.close().await;
        Ok(server)
    }

    /// Reads all changes up to now, after a copy of what was never taken.
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
        let mut control = self.session().await?;
        let server = self.ready(&mut control).await?;
        let standing = self.standing(into.state(), &server, &mut control).await?;
        let (mut state, snapshot) = match standing {
            Standing::Good(state) if !refresh => (state, None),
            Standing::Lost(why) if !refresh => return Err(self.lost(&why)),
            Standing::New => self.begin(&server, &mut control, 0).await?,
            // What is before the snapshot need not be read, and may be what cannot be. Versions tell old rows
            // from new ones, and so do places in the log.
            Standing::Good(_) | Standing::Lost(_) => {
                let shift = into.last_position();
                self.begin(&server, &mut control, shift).await?
            }
        };
        self.catch_up(&mut into, &mut control, &server, &mut state, snapshot)
            .await?;
        control.close().await;
        Ok(())
    }

    /// Copies what is missing and follows the log, until both agree up to the log's end as it is now.
    async fn catch_up(
        &self,
        into: &mut load::Session,
        control: &mut Session,
        server: &Server,
        state: &mut Position,
        mut snapshot: Option<Snapshot>,
    ) -> Result<(), ExtractError> {
        for round in 1.. {
            self.leave_gone(control, server, state).await?;
            self.copy_missing(into, control, server, state, snapshot.take())
                .await?;
            let (_, end) = server.end(control).await?;
            let again = self.follow(into, control, server, state, end).await?;
            if !again || round == ROUNDS {
                break;
            }
        }
        Ok(())
    }

    /// Returns the state of a source of which nothing is copied yet. Its rows stand after `shift`, the last
    /// position of rows from before.
    async fn begin(
        &self,
        server: &Server,
        control: &mut Session,
        shift: i64,
    ) -> Result<(Position, Option<Snapshot>), ExtractError> {
        let snapshot = self.snapshot(server, control).await?;
        let state = Position {
            server: server.identity.clone(),
            file: snapshot.file.clone(),
            offset: snapshot.at.offset,
            made: 0,
            tables: BTreeMap::new(),
            copying: BTreeMap::new(),
            shift: (shift + 2 - snapshot.at.position(0)?).max(0),
            prepared: Prepared::default(),
        };
        Ok((state, Some(snapshot)))
    }

    /// Returns where to go on, after looking whether the log is still there.
    async fn standing(
        &self,
        state: &Value,
        server: &Server,
        control: &mut Session,
    ) -> Result<Standing, ExtractError> {
        if state.is_null() {
            return Ok(Standing::New);
        }
        let position: Position = self.spec.state(state, "MySQL")?;
        if position.server != server.identity {
            return Ok(Standing::Lost(format!(
                "this is another server than the one that was copied: {} instead of {}",
                server.identity, position.server
            )));
        }
        let files = server.files(control).await?;
        Ok(match files.get(&position.file) {
            None => Standing::Lost(format!(
                "the server has no file `{}` of its log any more: it was purged, or the log was begun anew",
                position.file
            )),
            Some(length) if *length < position.offset => Standing::Lost(format!(
                "the file `{}` of the server's log has {length} bytes, and {} of it were read: the server has lost the end of its log, or begun it anew",
                position.file, position.offset
            )),
            Some(_) => Standing::Good(position),
        })
    }

    /// Says what was lost, and how it comes back.
    fn lost(&self, why: &str) -> ExtractError {
        ExtractError::new(ExtractErrorKind::NotFound, why).hint(format!(
            "`weir sync {} --full-refresh` copies all tables anew and goes on from there; what is in the lake stays until then",
            self.spec.name
        ))
    }

    /// Returns the tables to replicate.
    async fn taken(
        &self,
        control: &mut Session,
        server: &Server,
    ) -> Result<Vec<Table>, ExtractError> {
        let mut tables = tables(control, server).await?;
        tables.retain(|table| self.spec.takes(&table.name));
        for table in tables.iter().filter(|table| table.unfit.is_some()) {
            let why = table.unfit.as_deref().unwrap_or_default();
            if self.spec.streams.contains_key(&table.name) {
                let message = format!("table `{}` cannot be replicated: {why}", table.name);
                return Err(ExtractError::new(ExtractErrorKind::Invalid, message)
                    .hint("leave it out with `skip: true`"));
            }
            self.progress
                .note(format!("{}: left out: {why}", table.name));
        }
        tables.retain(|table| table.unfit.is_none());
        match tables.is_empty() {
            true => Err(no_table(server)),
            false => Ok(tables),
        }
    }

    /// Lets go of tables that are gone or not taken any more.
    async fn leave_gone(
        &self,
        control: &mut Session,
        server: &Server,
        state: &mut Position,
    ) -> Result<(), ExtractError> {
        let taken = self.taken(control, server).await?;
        let is_there = |name: &String| taken.iter().any(|table| table.name == *name);
        state.copying.retain(|name, _| is_there(name));
        state.tables.retain(|name, _| {
            let stays = is_there(name);
            if !stays {
                self.progress.note(format!(
                    "{name}: it is not replicated any more; its rows stay"
                ));
            }
            stays
        });
        Ok(())
    }
}

fn no_table(server: &Server) -> ExtractError {
    ExtractError::new(
        ExtractErrorKind::Invalid,
        format!(
            "the database `{}` has no table that the user may read and Weir can replicate",
            server.database
        ),
    )
    .hint(format!(
        "GRANT SELECT ON {}.* TO {}; `weir source discover` lists the tables there are",
        table::quoted(&server.database),
        server.user()
    ))
}

/// Returns the number by which a server knows us among its replicas: each must have another.
fn replica_number() -> u32 {
    let (number, ..) = uuid::Uuid::new_v4().as_fields();
    number | 1 << 31
}
