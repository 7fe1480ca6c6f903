//! The versions of the lake's tables and of filesets, for runs on new rows and for what steps read.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use weir_core::TableName;
use weir_flow::{BoxError, Changes, Store, TableId, TableState, Versions};
use weir_lake::{Lake, LakeView, Receipt, TableView};
use weir_query::{Engine, Instant};
use weir_step::{FilesetStore, StepError};

/// Numbers the states of tables. The numbers outlive the process: what is as it was keeps its number,
/// and rows that only moved from memory into files are as they were.
pub(super) struct LakeVersions {
    lake: Lake,
    store: Arc<dyn Store>,
    files: FilesetStore,
    seen: Mutex<Seen>,
}

impl std::fmt::Debug for LakeVersions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LakeVersions")
    }
}

#[derive(Debug, Default)]
struct Seen {
    /// Whether what was remembered has been read.
    is_read: bool,
    mark: u64,
    tables: HashMap<TableName, Known>,
    /// The version of each branch of a fileset, and the mark with which it got it.
    filesets: HashMap<TableId, (i64, u64)>,
    filesets_changed: Option<std::time::SystemTime>,
}

#[derive(Debug)]
struct Known {
    /// The very view that was looked at last.
    view: Weak<TableView>,
    state: State,
    version: i64,
    id: uuid::Uuid,
    /// The mark with which it got this version.
    mark: u64,
}

/// A table or view as of one instant.
#[derive(Clone, Debug)]
pub(super) struct PinnedRelation {
    pub(super) instant: Instant,
    /// Greater for later rows; of a view, the sum of those of the tables below it.
    pub(super) version: i64,
    /// The same as long as the rows are.
    pub(super) fingerprint: String,
}

/// What is remembered of a table.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    #[serde(flatten)]
    state: State,
    /// Unlike a version it never comes again, whatever becomes of the store.
    #[serde(default)]
    id: Option<uuid::Uuid>,
}

/// What tells one state of a table from the next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// Of the Delta table; none before the first commit.
    delta: Option<u64>,
    /// In files and in memory.
    rows: u64,
    columns: usize,
}

impl State {
    fn of(view: &TableView) -> Self {
        let files: u64 = view.files.iter().map(|file| file.rows).sum();
        let hot: usize = view.hot.iter().map(|batch| batch.num_rows()).sum();
        Self {
            delta: view.version,
            rows: files + hot as u64,
            columns: view.schema.fields().len(),
        }
    }
}

impl LakeVersions {
    pub(super) fn new(lake: Lake, store: Arc<dyn Store>, files: FilesetStore) -> Self {
        Self {
            lake,
            store,
            files,
            seen: Mutex::default(),
        }
    }

    /// Whether rows were added, changed or taken away between two states.
    async fn is_other(&self, name: &TableName, then: &State, now: &State) -> bool {
        if then.rows != now.rows || then.columns != now.columns {
            return true;
        }
        let (Some(before), Some(after)) = (then.delta, now.delta) else {
            // Its first rows went from memory into files, or it is another table.
            return now.delta.is_none() && then.delta.is_some();
        };
        if after <= before {
            return after < before;
        }
        let since = usize::try_from(after - before).unwrap_or(usize::MAX);
        let Ok(commits) = self.lake.commits(name, since).await else {
            return true;
        };
        // As many rows as before: what came through the log is only in files now.
        let keeps_rows = |receipt: &Receipt| match receipt.writer.as_str() {
            "collect" | "compact" | "vacuum" => true,
            // A changelog only grows, unless something is taken back: this was a state without rows.
            "load" => receipt.details.contains_key("sync"),
            _ => false,
        };
        commits
            .iter()
            .filter(|commit| commit.version > before)
            .any(|commit| {
                let receipt = commit.receipt.as_ref();
                !receipt.is_some_and(keeps_rows)
            })
    }
}

impl LakeVersions {
    /// Returns a table or view as it is now; none when there is none, or when nobody can tell yet.
    pub(super) async fn pin(
        &self,
        engine: &Engine,
        schema: &str,
        name: &str,
    ) -> Result<Option<PinnedRelation>, BoxError> {
        if self.lake.status().recovering {
            return Ok(None);
        }
        let mut seen = self.seen.lock().await;
        // Within the turn: what is looked at is never older than what was looked at before.
        let instant = engine.instant().await;
        let Some(resting) = engine.rests_on(&instant, schema, name) else {
            return Ok(None);
        };
        self.look(&mut seen, instant.tables()).await?;
        let mut hash = Sha256::new();
        let mut version = 0;
        for table in &resting.tables {
            let known = seen.tables.get(table).ok_or("a table is not known")?;
            version += known.version;
            hash.update(format!("{table} {}\n", known.id));
        }
        for (view, state) in &resting.queries {
            hash.update(format!("{view} {state}\n"));
        }
        let hash = hash.finalize();
        Ok(Some(PinnedRelation {
            instant,
            version,
            fingerprint: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        }))
    }

    /// Reads what was remembered by earlier processes.
    async fn recall(&self, seen: &mut Seen) -> Result<(), BoxError> {
        for known in self.store.table_states().await? {
            let Some((schema, table)) = known.table.as_str().split_once('.') else {
                continue;
            };
            let (Ok(name), Ok(Remembered { state, id })) = (
                TableName::new(schema, table),
                serde_json::from_str(&known.state),
            ) else {
                continue;
            };
            let known = Known {
                view: Weak::new(),
                state,
                version: known.version,
                id: id.unwrap_or_else(uuid::Uuid::new_v4),
                mark: 1,
            };
            seen.tables.insert(name, known);
        }
        seen.is_read = true;
        seen.mark = 1;
        Ok(())
    }

    /// Gives tables that are other than they were their next numbers.
    async fn look(&self, seen: &mut Seen, view: &LakeView) -> Result<(), BoxError> {
        if !seen.is_read {
            self.recall(seen).await?;
        }
        let next = seen.mark + 1;
        let mut other = Vec::new();
        for (name, view) in view.tables.iter() {
            let known = seen.tables.get(name);
            if known.is_some_and(|known| known.view.ptr_eq(&Arc::downgrade(view))) {
                continue;
            }
            let state = State::of(view);
            let (version, is_other) = match known {
                None => (0, true),
                Some(known) => (
                    known.version,
                    self.is_other(name, &known.state, &state).await,
                ),
            };
            let is_new_text = known.is_none_or(|known| known.state != state);
            let marked = known.map_or(next, |known| known.mark);
            let known = Known {
                view: Arc::downgrade(view),
                version: version + i64::from(is_other && known.is_some()),
                id: match known {
                    Some(known) if !is_other => known.id,
                    _ => uuid::Uuid::new_v4(),
                },
                mark: if is_other { next } else { marked },
                state,
            };
            if is_new_text {
                let remembered = Remembered {
                    state: known.state.clone(),
                    id: Some(known.id),
                };
                other.push(TableState {
                    table: TableId::new(name.to_string()),
                    version: known.version,
                    state: serde_json::to_string(&remembered)?,
                });
            }
            seen.tables.insert(name.clone(), known);
        }
        if !other.is_empty() {
            // Before anybody is told: a number that was told must not be given again.
            if let Err(error) = self.store.put_table_states(&other).await {
                // What could not be kept is looked at anew.
                seen.tables.clear();
                seen.is_read = false;
                return Err(error.into());
            }
            seen.mark = next;
        }
        Ok(())
    }

    /// Gives branches of filesets that moved their versions.
    async fn look_at_filesets(&self, seen: &mut Seen) -> Result<(), BoxError> {
        let (files, before) = (self.files.clone(), seen.filesets_changed);
        let looked = tokio::task::spawn_blocking(move || -> Result<_, StepError> {
            let changed = files.changed_at();
            match changed.is_some() && changed == before {
                true => Ok(None),
                false => Ok(Some((changed, files.list()?))),
            }
        });
        let Some((changed, all)) = looked.await?? else {
            return Ok(());
        };
        seen.filesets_changed = changed;
        let next = seen.mark + 1;
        for (name, fileset) in all {
            let table = TableId::new(format!("fileset:{name}"));
            let known = seen.filesets.get(&table);
            if known.is_none_or(|(version, _)| *version != fileset.version) {
                seen.filesets.insert(table, (fileset.version, next));
                seen.mark = next;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Versions for LakeVersions {
    async fn changes(&self, mark: u64) -> Result<Changes, BoxError> {
        let mut seen = self.seen.lock().await;
        if !seen.is_read {
            self.recall(&mut seen).await?;
        }
        // Until the log is read again, tables look as if rows were gone.
        if !self.lake.status().recovering {
            self.look(&mut seen, &self.lake.view()).await?;
        }
        self.look_at_filesets(&mut seen).await?;
        let tables = seen.tables.iter().filter(|(_, known)| known.mark > mark);
        let tables = tables.map(|(name, known)| (TableId::new(name.to_string()), known.version));
        let filesets = seen.filesets.iter().filter(|(_, (_, at))| *at > mark);
        let filesets = filesets.map(|(name, (version, _))| (name.clone(), *version));
        Ok(Changes {
            tables: tables.chain(filesets).collect(),
            mark: seen.mark,
        })
    }
}
