//! The versions of the lake's tables, for runs on new rows.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;
use weir_core::TableName;
use weir_flow::{BoxError, Changes, Store, TableId, TableState, Versions};
use weir_lake::{Lake, TableView};

/// Numbers the states of tables. The numbers outlive the process: what is as it was keeps its number,
/// and rows that only moved from memory into files are as they were.
pub(super) struct LakeVersions {
    lake: Lake,
    store: Arc<dyn Store>,
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
}

#[derive(Debug)]
struct Known {
    /// The very view that was looked at last.
    view: Weak<TableView>,
    state: State,
    version: i64,
    /// The mark with which it got this version.
    mark: u64,
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
    pub(super) fn new(lake: Lake, store: Arc<dyn Store>) -> Self {
        Self {
            lake,
            store,
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
        let keeps_rows = |writer: &str| matches!(writer, "collect" | "compact" | "vacuum");
        commits
            .iter()
            .filter(|commit| commit.version > before)
            .any(|commit| {
                let receipt = commit.receipt.as_ref();
                !receipt.is_some_and(|receipt| keeps_rows(&receipt.writer))
            })
    }
}

#[async_trait]
impl Versions for LakeVersions {
    async fn changes(&self, mark: u64) -> Result<Changes, BoxError> {
        let mut seen = self.seen.lock().await;
        if !seen.is_read {
            for known in self.store.table_states().await? {
                let Some((schema, table)) = known.table.as_str().split_once('.') else {
                    continue;
                };
                let (Ok(name), Ok(state)) = (
                    TableName::new(schema, table),
                    serde_json::from_str(&known.state),
                ) else {
                    continue;
                };
                let known = Known {
                    view: Weak::new(),
                    state,
                    version: known.version,
                    mark: 1,
                };
                seen.tables.insert(name, known);
            }
            seen.is_read = true;
            seen.mark = 1;
        }
        // Until the log is read again, tables look as if rows were gone.
        if !self.lake.status().recovering {
            let next = seen.mark + 1;
            let mut other = Vec::new();
            for (name, view) in self.lake.view().tables.iter() {
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
                    mark: if is_other { next } else { marked },
                    state,
                };
                if is_new_text {
                    other.push(TableState {
                        table: TableId::new(name.to_string()),
                        version: known.version,
                        state: serde_json::to_string(&known.state)?,
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
        }
        let tables = seen.tables.iter().filter(|(_, known)| known.mark > mark);
        let tables = tables.map(|(name, known)| (TableId::new(name.to_string()), known.version));
        Ok(Changes {
            tables: tables.collect(),
            mark: seen.mark,
        })
    }
}
