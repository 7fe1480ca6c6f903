use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::error::{ModelError, ModelErrorKind};
use crate::warehouse::{
    Answer, Canceller, Cell, ColumnInfo, Connection, Fetch, RelationInfo, RelationKind,
    RelationName, TableColumn, Warehouse, WarehouseError, WarehouseErrorKind,
};

/// Ends running statements and keeps new ones from starting.
#[derive(Default)]
pub struct Cancellation {
    cancelled: AtomicBool,
    next: AtomicU64,
    running: Mutex<HashMap<u64, Arc<dyn Canceller>>>,
}

impl Cancellation {
    /// Says whether the run is to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Acquire)
    }

    /// Ends what runs. Errors of connections that cannot be reached are left aside: they end by themselves.
    pub async fn cancel(&self) {
        self.cancelled.store(true, Ordering::Release);
        let running: Vec<_> = self.running.lock().values().cloned().collect();
        for canceller in running {
            if let Err(error) = canceller.cancel().await {
                tracing::warn!(%error, "a statement could not be cancelled");
            }
        }
    }

    fn register(&self, canceller: Arc<dyn Canceller>) -> u64 {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.running.lock().insert(id, canceller);
        id
    }

    fn forget(&self, id: u64) {
        self.running.lock().remove(&id);
    }
}

impl fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cancellation({})", self.is_cancelled())
    }
}

/// What exists in the warehouse, as far as a run has seen or made it.
#[derive(Debug, Default)]
pub(crate) struct RelationCache {
    schemas: Mutex<BTreeMap<(String, String), BTreeMap<String, RelationInfo>>>,
    /// What goes when a relation is dropped with everything that reads it.
    dependents: Mutex<HashMap<RelationName, Vec<RelationName>>>,
}

impl RelationCache {
    fn key(database: &str, schema: &str) -> (String, String) {
        (database.to_lowercase(), schema.to_lowercase())
    }

    pub(crate) fn knows(&self, database: &str, schema: &str) -> bool {
        self.schemas
            .lock()
            .contains_key(&Self::key(database, schema))
    }

    pub(crate) fn fill(&self, database: &str, schema: &str, relations: Vec<RelationInfo>) {
        let by_name = relations
            .into_iter()
            .map(|info| (info.name.name.clone(), info))
            .collect();
        self.schemas
            .lock()
            .insert(Self::key(database, schema), by_name);
    }

    pub(crate) fn link(&self, links: Vec<(RelationName, RelationName)>) {
        let mut dependents = self.dependents.lock();
        for (referenced, dependent) in links {
            dependents.entry(referenced).or_default().push(dependent);
        }
    }

    pub(crate) fn list(&self, database: &str, schema: &str) -> Vec<RelationInfo> {
        let schemas = self.schemas.lock();
        schemas
            .get(&Self::key(database, schema))
            .map(|found| found.values().cloned().collect())
            .unwrap_or_default()
    }

    /// Returns the relation of that name in any case, the first of several.
    pub(crate) fn find_folded(
        &self,
        database: &str,
        schema: &str,
        name: &str,
    ) -> Option<RelationInfo> {
        let schemas = self.schemas.lock();
        let mut known = schemas.get(&Self::key(database, schema))?.values();
        known
            .find(|info| info.name.name.eq_ignore_ascii_case(name))
            .cloned()
    }

    pub(crate) fn find(&self, database: &str, schema: &str, name: &str) -> Option<RelationInfo> {
        self.schemas
            .lock()
            .get(&Self::key(database, schema))?
            .get(name)
            .cloned()
    }

    pub(crate) fn add(&self, info: RelationInfo) {
        let database = info.name.database.clone().unwrap_or_default();
        let mut schemas = self.schemas.lock();
        if let Some(known) = schemas.get_mut(&Self::key(&database, &info.name.schema)) {
            known.insert(info.name.name.clone(), info);
        }
    }

    /// Forgets a relation and, if dropping takes them along, what reads it.
    pub(crate) fn drop_relation(&self, name: &RelationName) {
        let mut waiting = vec![name.clone()];
        let mut steps = 0;
        while let Some(name) = waiting.pop() {
            steps += 1;
            if steps > 1_000_000 {
                return;
            }
            let key = Self::key(name.database.as_deref().unwrap_or_default(), &name.schema);
            if let Some(known) = self.schemas.lock().get_mut(&key) {
                known.remove(&name.name);
            }
            waiting.extend(self.dependents.lock().remove(&name).unwrap_or_default());
        }
    }

    pub(crate) fn rename(&self, from: &RelationName, to: &RelationName) {
        let key = Self::key(from.database.as_deref().unwrap_or_default(), &from.schema);
        let mut schemas = self.schemas.lock();
        if let Some(known) = schemas.get_mut(&key)
            && let Some(mut info) = known.remove(&from.name)
        {
            info.name = to.clone();
            known.insert(to.name.clone(), info);
        }
        drop(schemas);
        let mut dependents = self.dependents.lock();
        if let Some(readers) = dependents.remove(from) {
            dependents.insert(to.clone(), readers);
        }
        for readers in dependents.values_mut() {
            for reader in readers.iter_mut().filter(|reader| *reader == from) {
                reader.clone_from(to);
            }
        }
    }

    pub(crate) fn drop_schema(&self, database: &str, schema: &str) {
        self.schemas.lock().remove(&Self::key(database, schema));
    }
}

/// What sessions of one run share.
#[derive(Clone, Debug)]
pub(crate) struct SessionParts {
    pub(crate) warehouse: Arc<dyn Warehouse>,
    pub(crate) runtime: Handle,
    pub(crate) cache: Arc<RelationCache>,
    pub(crate) cancellation: Arc<Cancellation>,
}

/// What stands beside every statement, for whoever looks at what the warehouse runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StatementComment {
    pub(crate) text: String,
    /// Behind the statement instead of before it.
    pub(crate) append: bool,
}

impl StatementComment {
    fn on(&self, sql: &str) -> String {
        let Self { text, append } = self;
        match append {
            true => format!("{}\n/* {text} */", sql.trim_end().trim_end_matches(';')),
            false => format!("/* {text} */\n{sql}"),
        }
    }
}

/// The connection of one thread, opened when it is first needed.
///
/// All methods block, so they are for threads that are not the runtime's.
pub(crate) struct Session {
    parts: SessionParts,
    pub(crate) thread: String,
    name: Mutex<String>,
    comment: Mutex<Option<StatementComment>>,
    connection: Mutex<Option<Opened>>,
    /// How often what is in the warehouse decided what a template gave.
    asked: AtomicU64,
    /// How often the warehouse, or what is remembered of it, was looked at.
    looked: AtomicU64,
}

struct Opened {
    connection: Box<dyn Connection>,
    registered: u64,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.thread)
    }
}

impl Session {
    /// Makes a session for `thread`; nothing is connected yet.
    pub(crate) fn new(parts: SessionParts, thread: impl Into<String>) -> Self {
        Self {
            parts,
            thread: thread.into(),
            name: Mutex::default(),
            comment: Mutex::default(),
            connection: Mutex::default(),
            asked: AtomicU64::new(0),
            looked: AtomicU64::new(0),
        }
    }

    /// Counts a question whose answer may be another once tables are built.
    pub(crate) fn note_asked(&self) {
        self.asked.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many questions were counted: the same number before and after a template was
    /// rendered says that nothing in the warehouse decided what it gave.
    pub(crate) fn asked(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }

    /// Counts a look at the warehouse, or at what is remembered of it.
    pub(crate) fn note_looked(&self) {
        self.looked.fetch_add(1, Ordering::Relaxed);
    }

    /// Returns how many looks were counted: the same number before and after a template was rendered
    /// says that it gives the same whatever happens in the warehouse.
    pub(crate) fn looked(&self) -> u64 {
        self.looked.load(Ordering::Relaxed)
    }

    /// Says for whom the next statements run.
    pub(crate) fn set_name(&self, name: &str) {
        name.clone_into(&mut self.name.lock());
        *self.comment.lock() = None;
    }

    /// Says what stands beside the next statements.
    pub(crate) fn set_comment(&self, comment: Option<StatementComment>) {
        *self.comment.lock() = comment;
    }

    pub(crate) fn cache(&self) -> &RelationCache {
        &self.parts.cache
    }

    pub(crate) fn cancellation(&self) -> &Arc<Cancellation> {
        &self.parts.cancellation
    }

    /// Lends the connection to `work`, opening it if there is none. A lost one is thrown away.
    fn with<T>(
        &self,
        work: impl AsyncFnOnce(&mut dyn Connection) -> Result<T, WarehouseError>,
    ) -> Result<T, WarehouseError> {
        self.note_looked();
        if self.parts.cancellation.is_cancelled() {
            return Err(WarehouseError::new(
                WarehouseErrorKind::Cancelled,
                "the run was cancelled",
            ));
        }
        let mut slot = self.connection.lock();
        if slot.is_none() {
            let name = self.name.lock().clone();
            let connection = self
                .parts
                .runtime
                .block_on(self.parts.warehouse.connect(&name))?;
            let canceller: Arc<dyn Canceller> = Arc::from(connection.canceller());
            *slot = Some(Opened {
                connection,
                registered: self.parts.cancellation.register(canceller),
            });
        }
        let Some(opened) = slot.as_mut() else {
            return Err(WarehouseError::new(
                WarehouseErrorKind::Connect,
                "there is no connection",
            ));
        };
        let done = self.parts.runtime.block_on(work(&mut *opened.connection));
        if done
            .as_ref()
            .is_err_and(|error| error.kind == WarehouseErrorKind::Lost)
            && let Some(opened) = slot.take()
        {
            self.parts.cancellation.forget(opened.registered);
        }
        done
    }

    /// Runs a statement; within a transaction if `begin` says so and there is none yet.
    pub(crate) fn execute(
        &self,
        sql: &str,
        begin: bool,
        fetch: Fetch,
    ) -> Result<Answer, WarehouseError> {
        self.note_asked();
        let commented = self.comment.lock().as_ref().map(|comment| comment.on(sql));
        let sql = commented.as_deref().unwrap_or(sql);
        self.with(async |connection| {
            if begin {
                connection.begin().await?;
            }
            connection.execute(sql, fetch).await
        })
    }

    pub(crate) fn begin(&self) -> Result<(), WarehouseError> {
        self.with(async |connection| connection.begin().await)
    }

    /// Makes an open transaction durable; without a connection there is none.
    pub(crate) fn commit(&self) -> Result<(), WarehouseError> {
        if self.connection.lock().is_none() {
            return Ok(());
        }
        self.with(async |connection| connection.commit().await)
    }

    /// Undoes an open transaction, also after the run was cancelled.
    pub(crate) fn rollback(&self) {
        let mut slot = self.connection.lock();
        let Some(opened) = slot.as_mut() else { return };
        if let Err(error) = self.parts.runtime.block_on(opened.connection.rollback()) {
            tracing::debug!(%error, "a transaction could not be rolled back; its connection is closed");
            if let Some(opened) = slot.take() {
                self.parts.cancellation.forget(opened.registered);
            }
        }
    }

    pub(crate) fn schemas(&self, database: &str) -> Result<Vec<String>, WarehouseError> {
        self.with(async |connection| connection.schemas(database).await)
    }

    /// Asks the warehouse what is in a schema.
    pub(crate) fn relations(
        &self,
        database: &str,
        schema: &str,
    ) -> Result<Vec<RelationInfo>, WarehouseError> {
        self.with(async |connection| connection.relations(database, schema).await)
    }

    pub(crate) fn dependents(&self) -> Result<Vec<(RelationName, RelationName)>, WarehouseError> {
        self.with(async |connection| connection.dependents().await)
    }

    pub(crate) fn columns(
        &self,
        relation: &RelationName,
    ) -> Result<Vec<ColumnInfo>, WarehouseError> {
        self.note_asked();
        self.with(async |connection| connection.columns(relation).await)
    }

    pub(crate) fn describe(&self, sql: &str) -> Result<Vec<TableColumn>, WarehouseError> {
        self.note_asked();
        self.with(async |connection| connection.describe(sql).await)
    }

    pub(crate) fn copy_in(
        &self,
        table: &RelationName,
        columns: &[String],
        rows: &mut (dyn Iterator<Item = Vec<Cell>> + Send),
    ) -> Result<u64, WarehouseError> {
        self.with(async |connection| {
            connection.begin().await?;
            connection.copy_in(table, columns, rows).await
        })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(opened) = self.connection.get_mut().take() {
            self.parts.cancellation.forget(opened.registered);
            // Connections may need the runtime to say goodbye.
            let _runtime = self.parts.runtime.enter();
            drop(opened.connection);
        }
    }
}

/// Reads the word that macros give for a relation's kind.
pub(crate) fn kind_of(word: &str) -> RelationKind {
    match word {
        "view" => RelationKind::View,
        "materialized_view" => RelationKind::MaterializedView,
        "table" => RelationKind::Table,
        _ => RelationKind::External,
    }
}

/// Wraps an error of the warehouse for templates to carry.
pub(crate) fn carried(error: WarehouseError) -> weir_jinja::Error {
    weir_jinja::Error::from_source(warehouse_error(error))
}

/// Says what the warehouse said.
pub(crate) fn warehouse_error(error: WarehouseError) -> ModelError {
    let kind = match error.kind {
        WarehouseErrorKind::Cancelled => ModelErrorKind::Cancelled,
        _ => ModelErrorKind::Warehouse,
    };
    let mut message = error.message.clone();
    if let Some(detail) = &error.detail {
        message.push('\n');
        message.push_str(detail);
    }
    let made = ModelError::new(kind, message);
    match &error.hint {
        Some(hint) => made.hint(hint.clone()),
        None => made,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(schema: &str, name: &str) -> RelationName {
        RelationName {
            database: Some("db".to_owned()),
            schema: schema.to_owned(),
            name: name.to_owned(),
        }
    }

    fn view(schema: &str, of: &str) -> RelationInfo {
        RelationInfo {
            name: name(schema, of),
            kind: RelationKind::View,
        }
    }

    #[test]
    fn dropping_takes_readers_along_under_their_new_names() {
        let cache = RelationCache::default();
        cache.fill(
            "db",
            "s",
            vec![view("s", "a"), view("s", "b"), view("s", "c")],
        );
        cache.link(vec![
            (name("s", "a"), name("s", "b")),
            (name("s", "b"), name("s", "c")),
        ]);
        cache.rename(&name("s", "b"), &name("s", "b2"));
        cache.drop_relation(&name("s", "a"));
        assert!(cache.list("db", "S").is_empty());
    }

    #[test]
    fn schemas_that_were_not_listed_stay_unknown() {
        let cache = RelationCache::default();
        cache.add(view("s", "a"));
        assert!(!cache.knows("db", "s"));
        assert!(cache.find("db", "s", "a").is_none());
    }
}
