//! How far behind a database the lake is, and what that costs the database.

use serde::{Deserialize, Serialize};

use super::Database;
use super::slot::Position;
use super::table::literal;
use super::wire::Session;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::load;

/// A slot as its server sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lag {
    /// Bytes of the log that are not in the lake yet.
    pub behind_bytes: u64,
    /// Bytes of the log that the server keeps since they are not, or since they are needed to read them.
    pub retained_bytes: u64,
    /// As many it keeps before Weir lets go of the slot; none for any.
    pub budget_bytes: Option<u64>,
    /// What the server says of its log: `reserved`, `extended`, `unreserved` or `lost`.
    pub wal_status: String,
}

impl Database<'_> {
    /// Asks the server how much of its log it keeps for us; none where there is no slot.
    pub(super) async fn lag(&self, control: &mut Session) -> Result<Option<Lag>, ExtractError> {
        let sql = format!(
            "SELECT pg_wal_lsn_diff(pg_current_wal_flush_lsn(), confirmed_flush_lsn)::bigint, \
             pg_wal_lsn_diff(pg_current_wal_flush_lsn(), restart_lsn)::bigint, COALESCE(wal_status, '') \
             FROM pg_replication_slots WHERE slot_name = {}",
            literal(&self.postgres.slot)
        );
        let rows = control.rows(&sql).await?;
        let lag = rows.first().map(|row| {
            let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
            // What is written and not flushed yet counts as nothing.
            let number = |at: usize| text(at).parse::<i64>().unwrap_or(0).max(0).unsigned_abs();
            Lag {
                behind_bytes: number(0),
                retained_bytes: number(1),
                budget_bytes: self.postgres.retain,
                wal_status: text(2).to_owned(),
            }
        });
        Ok(lag)
    }

    /// Fails where the server keeps more of its log for us than it may.
    pub(super) async fn within_budget(&self, control: &mut Session) -> Result<(), ExtractError> {
        let Some(budget) = self.postgres.retain else {
            return Ok(());
        };
        let Some(lag) = self.lag(control).await? else {
            return Ok(());
        };
        self.progress.lag(lag.clone());
        match lag.retained_bytes > budget {
            false => Ok(()),
            true => Err(ExtractError::new(
                ExtractErrorKind::Budget,
                format!(
                    "the server keeps {} bytes of its log for Weir, more than the {budget} of `retain`",
                    lag.retained_bytes
                ),
            )),
        }
    }

    /// Lets go of the slot, so that the server's disk does not fill, and remembers that it did.
    pub(super) async fn detach(
        &self,
        into: load::Session,
        control: &mut Session,
        why: &ExtractError,
    ) -> Result<ExtractError, ExtractError> {
        let slot = literal(&self.postgres.slot);
        if !self.postgres.manage {
            let kept = ExtractError::new(ExtractErrorKind::Budget, why.to_string());
            return Ok(kept.hint("Weir may not drop the slot without `manage: true`: drop it, or let the server keep more"));
        }
        // Whoever reads it, and be it we, ends first; the server takes a moment to notice.
        let drop = format!(
            "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = {slot} AND active; \
             SELECT pg_sleep(0.1) FROM pg_replication_slots WHERE slot_name = {slot} AND active; \
             SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = {slot}"
        );
        let mut tries = 0;
        while let Err(error) = control.rows(&drop).await {
            tries += 1;
            if error.kind() != ExtractErrorKind::Busy || tries >= 50 {
                return Err(error);
            }
        }
        if let Ok(mut position) = serde_json::from_value::<Position>(into.state().clone()) {
            position.detached = Some(why.to_string());
            into.set_state(position.json()).await?;
        }
        tracing::error!(source = %self.spec.name, reason = %why, "let go of a replication slot");
        Ok(self.lost(&format!("Weir let go of the replication slot: {why}")))
    }
}
