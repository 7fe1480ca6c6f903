//! The slot and its publications: made with consent, looked at before they are used.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::Database;
use super::lsn::Lsn;
use super::ranges::Ranges;
use super::table::{Identity, Table, literal, quoted};
use super::wire::Session;
use crate::error::{ExtractError, ExtractErrorKind, protocol};

/// Where a database is read on from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Position {
    pub(super) slot: String,
    /// All that committed before is in the lake.
    pub(super) lsn: Lsn,
    /// The cluster whose log it is.
    pub(super) system: String,
    /// The tables that were copied as a whole, by stream.
    #[serde(deserialize_with = "copied")]
    pub(super) tables: BTreeMap<String, Copied>,
    /// The tables whose copy is under way.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) copying: BTreeMap<String, Copying>,
    /// What places in this cluster's log are moved by, so that they come after those of the one before.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) shift: i64,
    /// Whether there is a publication of rows without a key since the slot was made.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(super) inserts: bool,
    /// Why Weir let go of the slot; none while it has not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) detached: Option<String>,
}

/// How a table was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copied {
    /// As of where its first rows were read: changes from before are among them.
    pub(super) first: Lsn,
    /// As of where its last rows were read.
    #[serde(default, skip_serializing_if = "is_start")]
    pub(super) last: Lsn,
    /// The server's number of the table; a table of that name that came later has another.
    #[serde(default)]
    pub(super) id: u32,
    /// The number of its youngest column.
    #[serde(default)]
    pub(super) attributes: u32,
    #[serde(default, skip_serializing_if = "Identity::is_key")]
    pub(super) identity: Identity,
}

/// How far a copy has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Copying {
    #[serde(flatten)]
    pub(super) so_far: Copied,
    /// The version of its rows.
    pub(super) version: i64,
    /// The key of the last row that was read; empty at the beginning.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) after: Vec<String>,
    /// The ranges of blocks that were read, where it goes by these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ranges: Option<Ranges>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_start(lsn: &Lsn) -> bool {
    lsn.0 == 0
}

/// Reads the tables; earlier versions wrote names alone.
fn copied<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, Copied>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Names(Vec<String>),
        Copied(BTreeMap<String, Copied>),
    }
    Ok(match Written::deserialize(from)? {
        Written::Copied(tables) => tables,
        Written::Names(names) => {
            let each = names.into_iter().map(|name| (name, Copied::default()));
            each.collect()
        }
    })
}

impl Copied {
    pub(super) fn of(table: &Table) -> Self {
        Self {
            id: table.id,
            attributes: table.attributes,
            identity: table.identity,
            ..Self::default()
        }
    }

    /// Notes a snapshot that rows were read in.
    pub(super) fn read_at(&mut self, at: Lsn) {
        if is_start(&self.first) {
            self.first = at;
        }
        self.last = at;
    }

    /// Whether these rows are those of `table` as it is.
    pub(super) fn is_of(&self, table: &Table) -> bool {
        let same = self.id == 0 || self.id == table.id;
        same && self.identity == table.identity
    }
}

impl Position {
    pub(super) fn json(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// Whether a state says the same, but for how far the log was read.
    pub(super) fn is_as(&self, state: &Value) -> bool {
        let other = serde_json::from_value::<Position>(state.clone());
        other.is_ok_and(|other| {
            let lsn = self.lsn;
            Position { lsn, ..other } == *self
        })
    }

    /// Whether a table's rows are all in the lake, up to what the log has of it.
    pub(super) fn has(&self, table: &Table) -> bool {
        let copied = self.tables.get(&table.stream());
        copied.is_some_and(|copied| copied.is_of(table))
    }
}

/// Whether the log has nothing that belongs before rows that were copied; a state that is not of PostgreSQL
/// has no log.
pub(crate) fn is_settled(state: &Value) -> bool {
    serde_json::from_value::<Position>(state.clone()).map_or(true, |position| {
        let mut tables = position.tables.values();
        position.copying.is_empty() && tables.all(|copied| copied.last <= position.lsn)
    })
}

/// What is known of the slot.
pub(super) enum Standing {
    /// The source was never read.
    New,
    /// The log goes on where the lake ends.
    Good(Position),
    /// Changes are missing between the lake and the log: for the reason that is told.
    Lost(Position, String),
}

impl Database<'_> {
    /// Returns where to go on, after looking whether the slot is still there and not ahead of us.
    pub(super) async fn standing(
        &self,
        state: &Value,
        system: &str,
        control: &mut Session,
    ) -> Result<Standing, ExtractError> {
        if state.is_null() {
            return Ok(Standing::New);
        }
        let position: Position = self.spec.state(state, "PostgreSQL")?;
        if position.system != system {
            let why = "this is another PostgreSQL cluster than the one that was copied";
            return Ok(Standing::Lost(position, why.to_owned()));
        }
        let sql = format!(
            "SELECT confirmed_flush_lsn, confirmed_flush_lsn > {}::pg_lsn, COALESCE(wal_status, '') \
             FROM pg_replication_slots WHERE slot_name = {}",
            literal(&position.lsn.to_string()),
            literal(&position.slot)
        );
        let rows = control.rows(&sql).await?;
        let Some(row) = rows.first() else {
            let why = match &position.detached {
                Some(why) => format!("Weir let go of the replication slot: {why}"),
                None => format!(
                    "the replication slot `{}` is gone: somebody dropped it, or another server took over",
                    position.slot
                ),
            };
            return Ok(Standing::Lost(position, why));
        };
        let text = |at: usize| row.get(at).and_then(Option::as_deref).unwrap_or_default();
        if text(2) == "lost" {
            let why = format!(
                "the server has dropped the log that slot `{}` needs: it passed `max_slot_wal_keep_size`",
                position.slot
            );
            return Ok(Standing::Lost(position, why));
        }
        if text(1) == "t" {
            let why = format!(
                "the slot `{}` is at {}, ahead of the lake at {}: changes between them are gone",
                position.slot,
                text(0),
                position.lsn
            );
            return Ok(Standing::Lost(position, why));
        }
        Ok(Standing::Good(position))
    }

    /// Says what was lost, and how it comes back.
    pub(super) fn lost(&self, why: &str) -> ExtractError {
        ExtractError::new(ExtractErrorKind::NotFound, why).hint(format!(
            "`weir verify {0} --repair` makes a new slot, compares every table with the lake and fetches only \
             what differs; `weir sync {0} --full-refresh` copies everything again. What is there stays until then",
            self.spec.name
        ))
    }

    /// Fails unless Weir may make and drop the slot and the publications.
    pub(super) fn require_consent(&self) -> Result<(), ExtractError> {
        match self.postgres.manage {
            true => Ok(()),
            false => Err(ExtractError::new(
                ExtractErrorKind::Denied,
                format!(
                    "Weir may not make the replication slot and the publication `{}` there",
                    self.postgres.slot
                ),
            )
            .hint("say `manage: true` in the source's file; they hold the server's log back until Weir has read it")),
        }
    }

    /// Drops a slot that an earlier copy left behind and makes the publications anew, with consent.
    pub(super) async fn prepare(
        &self,
        control: &mut Session,
        tables: &[Table],
    ) -> Result<(), ExtractError> {
        let slot = &self.postgres.slot;
        self.require_consent()?;
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
            let drop = format!("SELECT pg_drop_replication_slot({})", literal(slot));
            control.rows(&drop).await?;
        }
        let root = match server_version(control).await? {
            130_000.. => ", publish_via_partition_root = true",
            _ => "",
        };
        // Without a key the server refuses updates of published rows, so those have a publication that
        // leaves updates out.
        for (name, publish) in [
            (slot.clone(), "insert, update, delete, truncate"),
            (inserts(slot), "insert, truncate"),
        ] {
            let name = quoted(&name);
            for sql in [
                format!("DROP PUBLICATION IF EXISTS {name}"),
                format!("CREATE PUBLICATION {name} WITH (publish = '{publish}'{root})"),
            ] {
                control.rows(&sql).await.map_err(may_not_publish)?;
            }
        }
        let published = self.publish(control, tables, true).await;
        published.map(drop).map_err(may_not_publish)
    }

    /// Makes the publications name these tables; returns the streams that are in none, since Weir may not
    /// change them.
    pub(super) async fn publish(
        &self,
        control: &mut Session,
        tables: &[Table],
        has_inserts: bool,
    ) -> Result<Vec<String>, ExtractError> {
        let slot = &self.postgres.slot;
        let sql = format!(
            "SELECT r.prrelid, p.pubname, n.nspname, c.relname FROM pg_publication_rel r \
             JOIN pg_publication p ON p.oid = r.prpubid JOIN pg_class c ON c.oid = r.prrelid \
             JOIN pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname IN ({}, {})",
            literal(slot),
            literal(&inserts(slot))
        );
        let mut named: Vec<(String, String, String)> = Vec::new();
        for row in control.rows(&sql).await? {
            let mut texts = row.into_iter().map(Option::unwrap_or_default);
            let mut next = || texts.next().unwrap_or_default();
            let (id, publication) = (next(), next());
            named.push((
                id,
                publication,
                format!("{}.{}", quoted(&next()), quoted(&next())),
            ));
        }
        let wanted = |table: &Table| match table.identity {
            Identity::None if has_inserts => Some(inserts(slot)),
            Identity::None => None,
            Identity::Key | Identity::Whole => Some(slot.clone()),
        };
        let mut missing = Vec::new();
        let mut changes = Vec::new();
        for (id, publication, name) in &named {
            let of = tables.iter().find(|table| table.id.to_string() == *id);
            if of.and_then(wanted).as_ref() != Some(publication) {
                changes.push(format!(
                    "ALTER PUBLICATION {} DROP TABLE {name}",
                    quoted(publication)
                ));
            }
        }
        for table in tables {
            let Some(publication) = wanted(table) else {
                missing.push(table.stream());
                continue;
            };
            let id = table.id.to_string();
            if named
                .iter()
                .any(|(of, at, _)| *of == id && *at == publication)
            {
                continue;
            }
            if !self.postgres.manage {
                missing.push(table.stream());
            }
            changes.push(format!(
                "ALTER PUBLICATION {} ADD TABLE {}",
                quoted(&publication),
                table.quoted()
            ));
        }
        if self.postgres.manage {
            for change in changes {
                control.rows(&change).await?;
            }
        }
        Ok(missing)
    }
}

/// Says which rights a publication takes, where one is missing.
fn may_not_publish(error: ExtractError) -> ExtractError {
    match error.kind() {
        ExtractErrorKind::Denied => error.hint(format!(
            "a publication is made by who has `GRANT CREATE ON DATABASE` and owns its tables (`ALTER TABLE ... OWNER TO`): \
             give the user of `url` both, {OTHERWISE}"
        )),
        _ => error,
    }
}

/// Returns the publication of rows without a key.
pub(super) fn inserts(slot: &str) -> String {
    format!("{}_inserts", &slot[..slot.len().min(55)])
}

pub(super) async fn one(session: &mut Session, sql: &str) -> Result<String, ExtractError> {
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

/// Returns how far the server's log is written and safe.
pub(super) async fn log_end(session: &mut Session) -> Result<Lsn, ExtractError> {
    one(session, "SELECT pg_current_wal_flush_lsn()")
        .await?
        .parse()
}

pub(super) async fn server_version(session: &mut Session) -> Result<u32, ExtractError> {
    let text = one(session, "SHOW server_version_num").await?;
    text.parse()
        .map_err(|_| protocol("the server has no version"))
}

/// Who the user is, and whether the catalog gives the right to replicate. Hosts of servers have other ways to
/// give it.
const RIGHT: &str = "SELECT rolname, rolreplication OR rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user";

/// What a source without the log says in its file.
pub(super) const OTHERWISE: &str =
    "or read the tables without the log, with `replication: xmin` in the source's file";

/// Fails where the server does not write what replication needs.
async fn require_rows(session: &mut Session) -> Result<(), ExtractError> {
    let version = server_version(session).await?;
    if version < 120_000 {
        let message = format!(
            "this is PostgreSQL {}, whose log is not read: that takes 12 or later",
            name_of(version)
        );
        return Err(ExtractError::new(ExtractErrorKind::Unsupported, message)
            .hint(format!("upgrade the server, {OTHERWISE}")));
    }
    let level = one(session, "SHOW wal_level").await?;
    if level != "logical" {
        let message = format!("the server's `wal_level` is `{level}`, so its log has no rows");
        return Err(
            ExtractError::new(ExtractErrorKind::Denied, message).hint(format!(
                "`ALTER SYSTEM SET wal_level = logical` and restart the server (managed servers call it logical \
                 replication), {OTHERWISE}"
            )),
        );
    }
    Ok(())
}

impl Database<'_> {
    /// Fails where the server does not write what replication needs, or the user may not have it.
    pub(super) async fn require_log(&self, control: &mut Session) -> Result<(), ExtractError> {
        require_rows(control).await?;
        let right = control.rows(RIGHT).await?.into_iter().next();
        let right = right.unwrap_or_default();
        let text = |at: usize| right.get(at).and_then(Option::as_deref).unwrap_or_default();
        if text(1) == "t" {
            return Ok(());
        }
        // Whoever is let in has the right.
        match self.session(true).await {
            Ok(session) => {
                session.close().await;
                Ok(())
            }
            Err(error) if error.kind() == ExtractErrorKind::Denied => {
                let user = text(0);
                let message = format!(
                    "the user `{user}` may not replicate: it lacks the right `REPLICATION`"
                );
                Err(ExtractError::new(ExtractErrorKind::Denied, message)
                    .because(error)
                    .hint(format!(
                        "`ALTER ROLE {0} REPLICATION` (on Amazon: `GRANT rds_replication TO {0}`), {OTHERWISE}",
                        quoted(user)
                    )))
            }
            Err(error) => Err(error),
        }
    }
}

/// Returns a server's version as people say it.
pub(super) fn name_of(version: u32) -> String {
    match version {
        100_000.. => (version / 10_000).to_string(),
        _ => format!("{}.{}", version / 10_000, version / 100 % 100),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn states_of_earlier_versions_are_read_and_new_ones_come_back() {
        let old = json!({"slot": "s", "lsn": "0/10", "system": "7", "tables": ["a", "b"]});
        let mut position: Position = serde_json::from_value(old).unwrap();
        assert_eq!(position.tables["a"], Copied::default());
        let mut so_far = Copied::default();
        so_far.read_at(Lsn(8));
        so_far.read_at(Lsn(16));
        assert_eq!((so_far.first, so_far.last), (Lsn(8), Lsn(16)));
        let copying = Copying {
            so_far,
            version: 3,
            after: vec!["k".into()],
            ranges: None,
        };
        position.copying.insert("c".into(), copying);
        let again: Position = serde_json::from_value(position.json()).unwrap();
        assert_eq!(again, position);
        assert_eq!(inserts(&"x".repeat(63)).len(), 63);
    }
}
