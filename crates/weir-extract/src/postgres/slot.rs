//! The slot and the publication: made with consent, looked at before they are used.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Database;
use super::table::{Table, literal, quoted};
use super::wire::Session;
use crate::error::{ExtractError, ExtractErrorKind, protocol};

/// Where the log is read on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) slot: String,
    /// A place in the log, as PostgreSQL writes it.
    pub(super) lsn: String,
    /// The cluster whose log it is.
    pub(super) system: String,
    /// The tables that were copied when they were first taken.
    pub(super) tables: BTreeSet<String>,
}

impl Database<'_> {
    /// Returns where to go on, after looking whether the slot is still there and not ahead of us.
    pub(super) async fn position(
        &self,
        state: &Value,
        system: &str,
        control: &mut Session,
    ) -> Result<Option<Position>, ExtractError> {
        if state.is_null() {
            return Ok(None);
        }
        let again = format!(
            "`weir sync {} --full-refresh` copies everything again; what is there stays until that is done",
            self.spec.name
        );
        let position: Position = serde_json::from_value(state.clone()).map_err(|error| {
            ExtractError::new(
                ExtractErrorKind::Invalid,
                "the state of the source is not one of PostgreSQL",
            )
            .because(error)
            .hint(&again)
        })?;
        let lost = |what: String| ExtractError::new(ExtractErrorKind::NotFound, what).hint(&again);
        if position.system != system {
            return Err(lost(
                "this is another PostgreSQL cluster than the one that was copied".into(),
            ));
        }
        let sql = format!(
            "SELECT confirmed_flush_lsn, confirmed_flush_lsn > {}::pg_lsn, COALESCE(wal_status, ''), \
             pg_is_in_recovery() FROM pg_replication_slots WHERE slot_name = {}",
            literal(&position.lsn),
            literal(&position.slot)
        );
        let rows = control.rows(&sql).await?;
        let Some(row) = rows.first() else {
            return Err(lost(format!(
                "the replication slot `{}` is gone",
                position.slot
            )));
        };
        let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
        if text(2) == "lost" {
            return Err(lost(format!(
                "the server has dropped the log that slot `{}` needs",
                position.slot
            )));
        }
        if text(1) == "t" {
            return Err(lost(format!(
                "the slot `{}` is at {}, ahead of the lake at {}: changes between them are gone",
                position.slot,
                text(0),
                position.lsn
            )));
        }
        Ok(Some(position))
    }

    /// Makes the publication anew and drops a slot that an earlier copy left behind, with consent.
    pub(super) async fn prepare(
        &self,
        control: &mut Session,
        tables: &[Table],
    ) -> Result<(), ExtractError> {
        let slot = &self.postgres.slot;
        let names: Vec<String> = tables.iter().map(Table::quoted).collect();
        if !self.postgres.manage {
            let message = format!(
                "Weir may not make the replication slot and the publication `{slot}` there"
            );
            return Err(ExtractError::new(ExtractErrorKind::Denied, message)
                .hint("say `manage: true` in the source's file; they hold the server's log back until Weir has read it"));
        }
        let held = control
            .rows(&format!("SELECT active, plugin, database = current_database() FROM pg_replication_slots WHERE slot_name = {}", literal(slot)))
            .await?;
        if let Some(row) = held.first() {
            let is = |at: usize, word: &str| row.get(at).and_then(Option::as_deref) == Some(word);
            if is(0, "t") || !is(1, "pgoutput") || !is(2, "t") {
                let message =
                    format!("a replication slot `{slot}` is there already, and in use or not ours");
                return Err(ExtractError::new(ExtractErrorKind::Busy, message)
                    .hint("stop who uses it, or name another `slot` in the source's file"));
            }
            control
                .rows(&format!(
                    "SELECT pg_drop_replication_slot({})",
                    literal(slot)
                ))
                .await?;
        }
        let publication = quoted(slot);
        control
            .rows(&format!("DROP PUBLICATION IF EXISTS {publication}"))
            .await?;
        let options = match server_version(control).await? {
            130_000.. => " WITH (publish_via_partition_root = true)",
            _ => "",
        };
        control
            .rows(&format!(
                "CREATE PUBLICATION {publication} FOR TABLE {}{options}",
                names.join(", ")
            ))
            .await?;
        Ok(())
    }
}

pub(super) fn json(state: &Position) -> Value {
    serde_json::to_value(state).unwrap_or(Value::Null)
}

/// Reads a place in the log, such as `16/B374D848`.
pub(super) fn lsn_number(text: &str) -> Result<i64, ExtractError> {
    let read = || {
        let (high, low) = text.split_once('/')?;
        let (high, low) = (
            u32::from_str_radix(high, 16).ok()?,
            u32::from_str_radix(low, 16).ok()?,
        );
        i64::try_from(u64::from(high) << 32 | u64::from(low)).ok()
    };
    read().ok_or_else(|| protocol(format!("`{text}` is no place in a log")))
}

pub(super) fn lsn_text(lsn: u64) -> String {
    format!("{:X}/{:X}", lsn >> 32, lsn & 0xffff_ffff)
}

async fn one(session: &mut Session, sql: &str) -> Result<String, ExtractError> {
    let rows = session.rows(sql).await?;
    Ok(rows
        .into_iter()
        .next()
        .and_then(|row| row.into_iter().next().flatten())
        .unwrap_or_default())
}

pub(super) async fn system(session: &mut Session) -> Result<String, ExtractError> {
    one(session, "SELECT system_identifier FROM pg_control_system()").await
}

async fn server_version(session: &mut Session) -> Result<u32, ExtractError> {
    let text = one(session, "SHOW server_version_num").await?;
    text.parse()
        .map_err(|_| protocol("the server has no version"))
}

/// Fails where the server does not write what replication needs.
pub(super) async fn require_log(session: &mut Session) -> Result<(), ExtractError> {
    let version = server_version(session).await?;
    if version < 120_000 {
        let message = format!(
            "this is PostgreSQL {}; replication of servers before 12 does not exist yet",
            version / 10_000
        );
        return Err(ExtractError::new(ExtractErrorKind::Unsupported, message)
            .hint("use a Singer tap, such as `meltanolabs-tap-postgres`"));
    }
    let level = one(session, "SHOW wal_level").await?;
    match level == "logical" {
        true => Ok(()),
        false => Err(ExtractError::new(
            ExtractErrorKind::Denied,
            format!("the server's `wal_level` is `{level}`, so its log has no rows"),
        )
        .hint("set `wal_level = logical` and restart the server; managed servers call it logical replication")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_the_log_are_numbers() {
        assert_eq!(lsn_number("16/B374D848").unwrap(), 0x16_B374_D848);
        assert_eq!(lsn_text(0x16_B374_D848), "16/B374D848");
        assert!(lsn_number("x").is_err());
        assert!(lsn_number("FFFFFFFF/FFFFFFFF").is_err());
    }
}
