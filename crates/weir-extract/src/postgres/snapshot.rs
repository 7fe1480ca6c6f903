//! A view of the database as of one place in its log, which connections can share.

use std::time::{Duration, Instant};

use super::Database;
use super::lsn::Lsn;
use super::table::{literal, quoted};
use super::wire::Session;
use crate::error::{ExtractError, ExtractErrorKind, protocol};

/// A snapshot is given back after this: as long as it is held, the server cannot clean up after updates.
const HELD_FOR: Duration = Duration::from_secs(600);

/// All that committed before one place in the log, and nothing else.
pub(super) struct Snapshot {
    /// Keeps the snapshot: it says nothing while others read.
    maker: Session,
    name: String,
    pub(super) reader: Session,
    pub(super) at: Lsn,
    taken: Instant,
}

impl Snapshot {
    /// Whether the next piece should be read in a newer one.
    pub(super) fn is_old(&self) -> bool {
        self.taken.elapsed() >= HELD_FOR
    }

    /// Returns when nothing more should be begun in it.
    pub(super) fn old_at(&self) -> Instant {
        self.taken + HELD_FOR
    }

    /// Returns the name by which other connections see the same.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn close(mut self) {
        let _ = self.reader.rows("COMMIT").await;
        self.reader.close().await;
        self.maker.close().await;
    }
}

/// Opens another connection that sees what a snapshot does, by its name.
pub(super) async fn another(url: &str, name: &str) -> Result<Session, ExtractError> {
    let mut session = Session::open(url, false).await?;
    session.rows(&seeing(name)).await?;
    Ok(session)
}

/// Returns the statements by which a connection sees what a snapshot does.
fn seeing(name: &str) -> String {
    format!(
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET TRANSACTION SNAPSHOT {}",
        literal(name)
    )
}

impl Database<'_> {
    /// Makes the slot that the log is read from, and takes a snapshot as of its beginning.
    pub(super) async fn slot_snapshot(&self) -> Result<Snapshot, ExtractError> {
        self.take(&quoted(&self.postgres.slot)).await
    }

    /// Takes a snapshot. Only making a slot tells its place in the log exactly; this one lasts as long as
    /// the connection.
    pub(super) async fn snapshot(&self) -> Result<Snapshot, ExtractError> {
        let slot = &self.postgres.slot;
        let number = uuid::Uuid::new_v4().simple().to_string();
        let name = format!("{}_{}", &slot[..slot.len().min(50)], &number[..8]);
        self.take(&format!("{} TEMPORARY", quoted(&name))).await
    }

    async fn take(&self, slot: &str) -> Result<Snapshot, ExtractError> {
        // The server waits for all transactions that are under way, however long they are.
        self.progress
            .doing("waiting for a snapshot: transactions under way end first");
        let mut maker = self.session(true).await?;
        let made = maker
            .rows(&format!(
                "CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput (SNAPSHOT 'export')"
            ))
            .await;
        let made = match made {
            // Servers before 15 take the words in another order.
            Err(error) if error.kind() == ExtractErrorKind::Protocol => {
                let old =
                    format!("CREATE_REPLICATION_SLOT {slot} LOGICAL pgoutput EXPORT_SNAPSHOT");
                maker.rows(&old).await?
            }
            made => made?,
        };
        let row = made.into_iter().next().unwrap_or_default();
        let text = |at: usize| row.get(at).cloned().flatten();
        let (Some(at), Some(name)) = (text(1), text(2)) else {
            return Err(protocol("the server made a slot without a snapshot"));
        };
        let mut reader = self.session(false).await?;
        reader.rows(&seeing(&name)).await?;
        Ok(Snapshot {
            maker,
            name,
            reader,
            at: at.parse()?,
            taken: Instant::now(),
        })
    }
}
