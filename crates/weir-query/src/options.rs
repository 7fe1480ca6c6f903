use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::system::RunRecords;

/// What queries may use of the machine, and how large a query may be.
#[derive(Clone, Debug)]
pub struct EngineOptions {
    /// Memory all queries share for sorting, grouping and joining. Tracked, so not a limit on the
    /// resident memory of the process: operators hold batches beyond it.
    pub memory_bytes: usize,
    /// The part of it a single query may take.
    pub query_memory_bytes: usize,
    /// Where operators spill. Emptied when the engine starts.
    pub temp_dir: PathBuf,
    /// The largest value a function may make: a text, a list.
    pub value_bytes: u64,
    /// Where queries that ended are kept; in memory only without it.
    pub history_dir: Option<PathBuf>,
    /// Disk space all queries share for spilling.
    pub temp_bytes: u64,
    /// Threads that execute queries, and partitions a scan is split into.
    pub threads: usize,
    /// Queries that run at the same time; further ones wait.
    pub running: usize,
    /// Queries that wait for their turn; further ones are refused, those of whoever has most waiting
    /// first.
    pub waiting: usize,
    /// Answers that wait for their readers without counting as running; a user may have half of
    /// them, and all together hold half of the memory.
    pub idle: usize,
    /// How long an answer may wait for its reader while they hold more.
    pub idle_patience: Duration,
    /// A query that takes longer is ended, whether it waits, plans or runs.
    pub timeout: Duration,
    /// The same for a statement within a transaction.
    pub transaction_timeout: Duration,
    /// The longest SQL text.
    pub sql_bytes: usize,
    /// The most operators (`+`, `OR`, `JOIN`, `UNION`, ...) in one statement.
    ///
    /// A chain of operators becomes a tree as deep as the chain is long, and planners recurse: a few
    /// thousand overflow an ordinary stack, and planning time grows with the square.
    pub operators: usize,
    /// The most values, arguments and columns listed in one statement.
    pub items: usize,
    /// The deepest nesting of brackets, `CASE` and subqueries.
    pub depth: usize,
    /// Whether query threads run at a lower priority than intake (Linux only).
    pub yield_to_intake: bool,
    /// Called with true when a query begins to run and none did, with false when the last one has ended: for
    /// what the process does otherwise meanwhile. It must not block.
    pub busy: Option<fn(bool)>,
    /// What `weir.runs` and its kin show; nothing without it.
    pub runs: Option<Arc<dyn RunRecords>>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            memory_bytes: 512 << 20,
            query_memory_bytes: 384 << 20,
            value_bytes: 32 << 20,
            temp_dir: std::env::temp_dir().join(format!("weir-query-{}", std::process::id())),
            history_dir: None,
            temp_bytes: 10 << 30,
            threads,
            running: (threads * 2).max(4),
            waiting: 200,
            idle: 64,
            idle_patience: Duration::from_secs(10),
            timeout: Duration::from_secs(300),
            transaction_timeout: Duration::from_secs(6 * 3_600),
            sql_bytes: 1 << 20,
            operators: 1_000,
            items: 50_000,
            depth: 60,
            yield_to_intake: true,
            busy: None,
            runs: None,
        }
    }
}
