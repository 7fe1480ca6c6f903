//! A view of the database as of one place in its log.

use std::time::{Duration, Instant};

use super::Database;
use super::place::Place;
use super::server::Server;
use super::table::{Table, tables};
use super::wire::Session;
use crate::error::{ExtractError, protocol};

/// A snapshot is given back after this: as long as it is held, the server cannot clean up after updates.
const HELD_FOR: Duration = Duration::from_secs(600);

/// All that committed before one place in the log, and nothing else; tables as they were a moment later.
pub(super) struct Snapshot {
    pub(super) reader: Session,
    pub(super) file: String,
    pub(super) at: Place,
    pub(super) tables: Vec<Table>,
    /// Where the log ended when the tables had been asked for.
    pub(super) known: Place,
    taken: Instant,
}

impl Snapshot {
    /// Whether the next piece should be read in a newer one.
    pub(super) fn is_old(&self) -> bool {
        self.taken.elapsed() >= HELD_FOR
    }

    pub(super) async fn close(self) {
        self.reader.close().await;
    }
}

impl Database<'_> {
    /// Takes a snapshot.
    pub(super) async fn snapshot(
        &self,
        server: &Server,
        control: &mut Session,
    ) -> Result<Snapshot, ExtractError> {
        self.progress.doing("taking a snapshot");
        let mut reader = self.session().await?;
        reader
            .run("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            .await?;
        let (file, at) = match server.is_mariadb {
            true => consistent(&mut reader).await?,
            false => self.locked(server, &mut reader, control).await?,
        };
        let tables = tables(control, server).await?;
        let (_, known) = server.end(control).await?;
        Ok(Snapshot {
            reader,
            file,
            at,
            tables,
            known,
            taken: Instant::now(),
        })
    }

    /// Takes a snapshot while nobody may commit, since MySQL does not tell the place of one otherwise.
    async fn locked(
        &self,
        server: &Server,
        reader: &mut Session,
        control: &mut Session,
    ) -> Result<(String, Place), ExtractError> {
        let locked = control.run("FLUSH TABLES WITH READ LOCK").await;
        locked.map_err(|error| server.lacks(error, "RELOAD"))?;
        let begun = reader
            .run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            .await;
        let end = server.end(control).await;
        // Whatever came of it, others go on.
        control.run("UNLOCK TABLES").await?;
        begun?;
        end
    }
}

/// Takes a snapshot of which MariaDB tells the place, without holding anybody up.
async fn consistent(reader: &mut Session) -> Result<(String, Place), ExtractError> {
    reader
        .run("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        .await?;
    let rows = reader.rows("SHOW STATUS LIKE 'binlog_snapshot_%'").await?;
    let value = |name: &str| {
        let row = rows.iter().find(|row| {
            let own = row.first().and_then(Option::as_deref);
            own.is_some_and(|own| own.eq_ignore_ascii_case(name))
        });
        row?.get(1)?.clone().filter(|value| !value.is_empty())
    };
    let file = value("binlog_snapshot_file");
    let offset = value("binlog_snapshot_position").and_then(|text| text.parse().ok());
    match (file, offset) {
        (Some(file), Some(offset)) => {
            let at = Place::of(&file, offset)?;
            Ok((file, at))
        }
        _ => Err(protocol(
            "the server took a snapshot and does not tell its place in the log",
        )),
    }
}
