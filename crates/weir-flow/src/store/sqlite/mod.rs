//! The store in one SQLite file. Everything that is SQLite about this crate is here, so that another
//! database takes one more module and no change to callers.

mod advance;
mod backfill;
mod control;
mod definition;
mod due;
mod end;
mod figures;
mod history;
mod incident;
mod lease;
mod open;
mod store;

use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use fail::fail_point;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use sqlx::{Sqlite, Transaction};

use crate::error::{FlowError, FlowErrorKind};

/// Migrations in order; the file's `user_version` says how many it has.
const MIGRATIONS: [&str; 3] = [
    include_str!("../../../migrations/0001_flow.sql"),
    include_str!("../../../migrations/0002_tables.sql"),
    include_str!("../../../migrations/0003_identity.sql"),
];

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

type Tx = Transaction<'static, Sqlite>;

/// What the transactions of this store survive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The end of the machine's power. Each transaction waits for the disk.
    #[default]
    Power,
    /// The end of the process. After a power cut the latest transactions may be missing, and what
    /// they covered is done once more.
    Process,
}

/// The store of runs in one SQLite file; cheap to clone.
#[derive(Clone, Debug)]
pub struct SqliteStore {
    pool: SqlitePool,
}

impl SqliteStore {
    /// Opens the store in `path`, creating or migrating it as needed.
    ///
    /// # Errors
    /// When the file cannot be used, is no store of runs, or was written by a newer Weir.
    pub async fn open(path: &Path, durability: Durability) -> Result<Self, FlowError> {
        let action = || format!("open the store of runs `{}`", path.display());
        weir_sqlite::create_private(path).map_err(|error| {
            FlowError::new(FlowErrorKind::Unavailable, action())
                .because(error)
                .with_hint("check that the folder exists and belongs to the user Weir runs as")
        })?;
        let pool = weir_sqlite::pool(3)
            .connect_with(connect_options(path, durability))
            .await
            .map_err(|error| FlowError::database(action(), error))?;
        let store = Self { pool };
        store.migrate(path).await?;
        Ok(store)
    }

    /// Closes the file.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    async fn migrate(&self, path: &Path) -> Result<(), FlowError> {
        let action = "migrate the store of runs";
        let failed = |error| FlowError::database(action, error);
        let mut tx = self.begin(action).await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut *tx)
            .await
            .map_err(failed)?;
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        if done > MIGRATIONS.len() {
            return Err(FlowError::new(
                FlowErrorKind::Newer,
                format!(
                    "the store of runs `{}` has format {version}, this Weir knows {}",
                    path.display(),
                    MIGRATIONS.len()
                ),
            )
            .with_hint("use the newer Weir, or restore the file from before the upgrade"));
        }
        if done == MIGRATIONS.len() {
            return Ok(());
        }
        for migration in &MIGRATIONS[done..] {
            sqlx::raw_sql(*migration)
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        // A pragma takes no parameters.
        let set = format!("PRAGMA user_version = {}", MIGRATIONS.len());
        sqlx::raw_sql(sqlx::AssertSqlSafe(set))
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    /// Begins a transaction that writes: taking the lock first keeps two writers from failing late.
    async fn begin(&self, action: &str) -> Result<Tx, FlowError> {
        self.pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(|error| FlowError::database(action, error))
    }
}

fn connect_options(path: &Path, durability: Durability) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(match durability {
            Durability::Power => SqliteSynchronous::Full,
            Durability::Process => SqliteSynchronous::Normal,
        })
        .foreign_keys(true)
        .statement_cache_capacity(200)
        .busy_timeout(BUSY_TIMEOUT)
}

/// Does something of many statements in a thread of its own, to its end even if nobody waits for it.
/// Each answer of SQLite's thread wakes this one alone then and not the runtime, which takes a third less time.
async fn apart<T: Send + 'static>(
    action: &'static str,
    work: impl Future<Output = Result<T, FlowError>> + Send + 'static,
) -> Result<T, FlowError> {
    let runtime = tokio::runtime::Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work)).await;
    done.unwrap_or_else(|ended| {
        Err(FlowError::new(FlowErrorKind::Unavailable, action).because(ended))
    })
}

/// Commits what went well, takes back what did not.
async fn settle<T>(tx: Tx, action: &str, done: Result<T, Trouble>) -> Result<T, FlowError> {
    match done {
        Ok(value) => {
            fail_point!(&crash_point(action, ""));
            let committed = tx.commit().await;
            committed.map_err(|error| FlowError::database(action, error))?;
            fail_point!(&crash_point(action, "-done"));
            Ok(value)
        }
        Err(trouble) => {
            // On a full disk SQLite has done it already; the pool sees to what is not taken back.
            let _ = tx.rollback().await;
            Err(trouble.of(action))
        }
    }
}

/// Names the point before or after a commit: `flow-open-runs`, `flow-open-runs-done`.
#[allow(dead_code, reason = "crash points are there in test builds only")]
fn crash_point(action: &str, suffix: &str) -> String {
    format!("flow-{}{suffix}", action.replace(' ', "-"))
}

/// What goes wrong within a transaction: the database, or what was asked.
enum Trouble {
    Sql(sqlx::Error),
    Flow(FlowError),
}

impl Trouble {
    fn of(self, action: &str) -> FlowError {
        match self {
            Self::Sql(error) => FlowError::database(action, error),
            Self::Flow(error) => error,
        }
    }

    /// The store holds what nobody wrote.
    fn corrupt(what: impl Into<String>) -> Self {
        Self::Flow(FlowError::new(FlowErrorKind::Corrupt, what))
    }
}

impl From<sqlx::Error> for Trouble {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<FlowError> for Trouble {
    fn from(error: FlowError) -> Self {
        Self::Flow(error)
    }
}

fn micros(at: DateTime<Utc>) -> i64 {
    at.timestamp_micros()
}

fn time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}

/// A list of numbers for `json_each`: a statement with a list has one text, and is prepared once.
fn json_list(numbers: impl IntoIterator<Item = i64>) -> String {
    let texts: Vec<String> = numbers.into_iter().map(|n| n.to_string()).collect();
    format!("[{}]", texts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn fill(tx: &mut Tx) -> Result<(), Trouble> {
        // A megabyte is more than a file has room for that is not to grow.
        sqlx::query("INSERT INTO filling VALUES (zeroblob(1000000))")
            .execute(&mut **tx)
            .await?;
        Ok(())
    }

    #[tokio::test]
    async fn a_store_goes_on_once_a_full_disk_has_room() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flow.db");
        weir_sqlite::create_private(&path).unwrap();
        let pool = weir_sqlite::pool(1)
            // One, so that the connection of the failure is the one that is used after it.
            .connect_with(connect_options(&path, Durability::Process))
            .await
            .unwrap();
        let store = SqliteStore { pool };
        store.migrate(&path).await.unwrap();
        sqlx::query("CREATE TABLE filling (bytes BLOB)")
            .execute(&store.pool)
            .await
            .unwrap();
        let may_grow = async |to: u32| {
            let set = format!("PRAGMA max_page_count = {to}");
            sqlx::raw_sql(sqlx::AssertSqlSafe(set))
                .execute(&store.pool)
                .await
                .unwrap();
        };

        may_grow(1).await;
        // Taken back in order, and dropped in the middle.
        for settles in [true, false, true] {
            let mut tx = store.begin("fill the store").await.unwrap();
            let filled = fill(&mut tx).await;
            let error = match settles {
                true => settle(tx, "fill the store", filled).await.unwrap_err(),
                false => filled.unwrap_err().of("fill the store"),
            };
            let hint = error.hint().unwrap_or_default();
            assert!(hint.starts_with("make room on the disk"), "{error:?}");
        }

        may_grow(u32::MAX / 4).await;
        let mut tx = store.begin("fill the store").await.unwrap();
        let filled = fill(&mut tx).await;
        settle(tx, "fill the store", filled).await.unwrap();
        let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM filling")
            .fetch_one(&store.pool)
            .await
            .unwrap();
        assert_eq!(rows, 1);
    }
}
