//! The engine: admits queries, plans and runs them on its own threads, and ends them in time.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{RwLock, mpsc, oneshot, watch};
use tracing::error;
use weir_access::{Action, Object};
use weir_catalog::Catalog;
use weir_core::TableName;
use weir_lake::Lake;

use crate::access_statements;
use crate::caller::Caller;
use crate::catalog;
use crate::check::Found;
use crate::error::{QueryError, QueryErrorKind};
use crate::explain::Places;
use crate::frugal::Frugal;
use crate::functions;
use crate::idle::Idle;
use crate::memory::Share;
use crate::options::EngineOptions;
use crate::params::Parameter;
use crate::plan::{self, Planned};
use crate::queue::{Place, Queue};
use crate::registry::{Queries, QueryId, QueryState, QuerySummary, Ticket};
use crate::run::{Run, Seat};
use crate::secured::Guard;
use crate::session;
use crate::settings::Settings;
use crate::stream::{
    Command, Description, Message, PinnedVersion, QueryResult, QueryStream, timed_out,
};
use crate::threads::QueryThreads;
use crate::transaction::{Transaction, Transactions, take_back_cut_off};
use crate::write::{self, Gate, Job};

/// Batches that wait for a slow reader, per query.
const BATCHES_AHEAD: usize = 2;

/// One question.
#[derive(Clone, Debug)]
pub struct QueryRequest {
    /// The statement; exactly one.
    pub sql: String,
    /// Values for `$1`, `$2`, ...: bound as values, never spliced into the text.
    pub params: Vec<Parameter>,
    pub caller: Caller,
    pub settings: Arc<Settings>,
    /// Whether a statement that writes is refused.
    pub read_only: bool,
    /// A shorter timeout than the engine's; a longer one is cut to the engine's.
    pub timeout: Option<Duration>,
    /// The transaction it is part of; none when what it does is seen at once.
    pub transaction: Option<Transaction>,
    /// The instant a question is about; now unless given. Who may read is asked now in any case.
    pub instant: Option<catalog::Instant>,
}

impl QueryRequest {
    /// Returns a request without parameters.
    pub fn new(sql: impl Into<String>, caller: Caller) -> Self {
        Self {
            sql: sql.into(),
            params: Vec::new(),
            caller,
            settings: Arc::default(),
            read_only: false,
            timeout: None,
            transaction: None,
            instant: None,
        }
    }
}

/// Answers SQL over one lake. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

struct Inner {
    parts: Arc<Parts>,
    threads: QueryThreads,
}

/// What planning needs.
pub(crate) struct Parts {
    pub(crate) base: Arc<SessionState>,
    pub(crate) runtime: Arc<RuntimeEnv>,
    pub(crate) options: Arc<EngineOptions>,
    pub(crate) lake: Lake,
    pub(crate) catalog: Catalog,
    pub(crate) queries: Arc<Queries>,
    pub(crate) queue: Queue,
    pub(crate) idle: Arc<Idle>,
    pub(crate) transactions: Transactions,
    /// What the last check found.
    pub(crate) found: Found,
    /// Held for writing while a publication changes what is seen.
    pub(crate) publishing: RwLock<()>,
}

impl Parts {
    /// Returns all tables and views as they are now.
    pub(crate) async fn instant(&self) -> catalog::Instant {
        let _whole = self.publishing.read().await;
        catalog::Instant {
            view: self.lake.view(),
            views: self.catalog.views(),
        }
    }
}

impl Engine {
    /// Starts the engine's threads over `lake`.
    pub fn new(lake: Lake, catalog: Catalog, options: EngineOptions) -> Result<Self, QueryError> {
        let start = || {
            let runtime = session::runtime(&options)?;
            let base = session::base(&options, runtime.clone())?;
            let threads = QueryThreads::start(&options)?;
            Ok((runtime, base, threads))
        };
        let (runtime, base, threads) =
            start().map_err(|error: datafusion::common::DataFusionError| {
                QueryError::new(QueryErrorKind::Internal, "the query engine cannot start")
                    .hint("check that the directory for temporary files can be written")
                    .caused_by(error)
            })?;
        let queries = Queries::kept_in(options.history_dir.as_deref()).map_err(|error| {
            QueryError::new(
                QueryErrorKind::Internal,
                "the log of queries cannot be read",
            )
            .hint("check that the project's folder can be written")
            .caused_by(error)
        })?;
        let queue = Queue::new(options.running, options.waiting, options.busy);
        let idle = Arc::new(Idle::new(&options));
        let parts = Arc::new(Parts {
            base: Arc::new(base),
            runtime,
            options: Arc::new(options),
            lake,
            catalog,
            queries: Arc::new(queries),
            queue,
            idle,
            transactions: Transactions::default(),
            found: Found::default(),
            publishing: RwLock::default(),
        });
        Ok(Self {
            inner: Arc::new(Inner { parts, threads }),
        })
    }

    /// Plans `request` against this instant of the lake and begins to run it.
    ///
    /// Dropping the future, or later the result's rows, ends the query.
    pub async fn query(&self, request: QueryRequest) -> Result<QueryResult, QueryError> {
        let started = Instant::now();
        let options = &self.inner.parts.options;
        // What is part of something longer may take as long as that.
        let longest = match request.transaction.is_some() || request.instant.is_some() {
            true => options.transaction_timeout,
            false => options.timeout,
        };
        let timeout = request
            .timeout
            .map_or(longest, |timeout| timeout.min(longest));
        let deadline = started + timeout;
        let ticket = self.inner.parts.queries.start(&request);
        let parts = &self.inner.parts;
        match access_statements::read(&request.sql, options) {
            Ok(None) => {}
            Ok(Some(_)) if request.transaction.is_some() => {
                return self.defer(request, ticket).await;
            }
            Ok(Some(statement)) => {
                ticket.identify(&request.sql, options.sql_bytes);
                let (catalog, lake) = (&parts.catalog, &parts.lake);
                let done = access_statements::execute(statement, catalog, lake, &request).await;
                let id = ticket.id();
                return match done {
                    Ok(command) => {
                        ticket.done();
                        Ok(QueryResult {
                            id,
                            schema: Arc::new(Schema::empty()),
                            versions: BTreeMap::new(),
                            command,
                            started,
                            rows: QueryStream::finished(deadline, timeout),
                        })
                    }
                    Err(error) => {
                        report(&ticket, &error);
                        ticket.failed(&error);
                        Err(error)
                    }
                };
            }
            Err(error) => {
                ticket.failed(&error);
                return Err(error);
            }
        }
        let mut cancelled = ticket.cancelled();
        let gate = Arc::new(Gate::default());
        let clock = Clock {
            started,
            deadline,
            timeout,
        };
        let mut work = Box::pin(self.admit_and_plan(request, ticket, gate.clone(), clock));
        let why = tokio::select! {
            biased;
            result = &mut work => return result,
            () = asked_to_end(&mut cancelled) => given_up(),
            () = tokio::time::sleep_until(deadline.into()) => timed_out(timeout),
        };
        if gate.give_up() {
            return Err(why);
        }
        // A statement that commits already is waited for: what it says is what happened.
        work.await
    }

    /// Keeps a statement about rights until its transaction ends.
    async fn defer(
        &self,
        request: QueryRequest,
        ticket: Ticket,
    ) -> Result<QueryResult, QueryError> {
        let started = Instant::now();
        let timeout = self.inner.parts.options.timeout;
        ticket.identify(&request.sql, self.inner.parts.options.sql_bytes);
        if let Some(transaction) = request.transaction.clone() {
            let _in_use = transaction.enter().await?;
            transaction.defer(QueryRequest {
                transaction: None,
                ..request
            });
        }
        let id = ticket.id();
        ticket.done();
        Ok(QueryResult {
            id,
            schema: Arc::new(Schema::empty()),
            versions: BTreeMap::new(),
            command: Command {
                tag: "GRANT",
                rows: None,
            },
            started,
            rows: QueryStream::finished(started + timeout, timeout),
        })
    }

    /// Returns all tables and views as they are now; a question may be about it later.
    pub async fn instant(&self) -> catalog::Instant {
        self.inner.parts.instant().await
    }

    /// Takes back what a process that ended in the middle of a publication left. To be called once,
    /// before anything is written.
    pub async fn recover(&self) -> Result<(), QueryError> {
        take_back_cut_off(&self.inner.parts.lake, &self.inner.parts.catalog).await
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.inner.parts
    }

    pub(crate) fn shared_parts(&self) -> Arc<Parts> {
        self.inner.parts.clone()
    }

    /// Plans something on the engine's own threads, whose stacks are large.
    pub(crate) async fn plan_aside<T, F>(
        &self,
        work: impl FnOnce() -> F + Send + 'static,
    ) -> Result<T, QueryError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, QueryError>>,
    {
        let work = || async move {
            AssertUnwindSafe(work())
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| Err(panicked(&panic)))
        };
        self.inner
            .threads
            .plan(work)
            .await
            .map_err(QueryError::internal)?
    }

    /// Finds what `request` would answer and which parameters it takes, without running it.
    ///
    /// Parameters that are given count as typed; for the others the statement is asked.
    pub async fn describe(&self, request: QueryRequest) -> Result<Description, QueryError> {
        let timeout = self.inner.parts.options.timeout;
        if let Some(statement) = access_statements::read(&request.sql, &self.inner.parts.options)? {
            return Ok(Description {
                schema: None,
                parameters: statement.parameters(),
            });
        }
        let place = self.admit(&request.caller).await?;
        let parts = self.inner.parts.clone();
        let planning = self.inner.threads.plan(move || async move {
            let _place = place;
            let instant = parts.instant().await;
            AssertUnwindSafe(plan::describe(&parts, &request, instant))
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| Err(panicked(&panic)))
        });
        tokio::time::timeout(timeout, planning)
            .await
            .map_err(|_| timed_out(timeout))?
            .map_err(QueryError::internal)?
    }

    /// Checks that rows of an older version of `schema.table` may be shown to `caller`: those of a table that was
    /// dropped since are for whoever may drop its namesake.
    ///
    /// # Errors
    /// Denied where they may not. Other rights to the table are not looked at.
    pub async fn may_read_version(
        &self,
        caller: &Caller,
        table: &str,
        version: u64,
    ) -> Result<(), QueryError> {
        let parts = self.parts();
        let name = table.split_once('.');
        let name = name.and_then(|(schema, table)| TableName::new(schema, table).ok());
        let Some(name) = name else { return Ok(()) };
        match parts.lake.recreated_at(&name).await > version {
            true => crate::secured::of_dropped(&parts.catalog.access(), caller, &name),
            false => Ok(()),
        }
    }

    /// Asks a running query to end; returns whether there is one.
    pub fn cancel(&self, id: &str) -> bool {
        self.inner.parts.queries.cancel(id)
    }

    /// Asks a running query to end on behalf of `caller`, who may end their own queries, and those of
    /// others as an admin; returns whether there is one they know of.
    pub fn cancel_for(&self, caller: &Caller, id: &str) -> bool {
        let access = self.inner.parts.catalog.access();
        let all = access.decide(caller.identity(), Action::Admin, &Object::Server);
        let queries = &self.inner.parts.queries;
        let own = |of: &Caller| of.identity().is_user_of(caller.identity());
        queries.cancel_if(id, |of| all.allowed || own(of))
    }

    /// Returns running queries, then recent ones, newest first.
    pub fn queries(&self) -> Vec<QuerySummary> {
        self.inner.parts.queries.list()
    }

    /// Returns how many queries run now.
    pub fn running(&self) -> usize {
        self.inner.parts.queries.counts().0
    }

    /// Returns how many answers wait for readers that do not read.
    pub fn idle(&self) -> usize {
        self.inner.parts.idle.count()
    }

    /// Returns the bytes of memory queries hold now.
    pub fn memory_used(&self) -> usize {
        self.inner.parts.runtime.memory_pool.reserved()
    }

    /// Returns the bytes of disk queries spill to now.
    pub fn disk_used(&self) -> u64 {
        self.inner.parts.runtime.disk_manager.used_disk_space()
    }

    /// Returns where work on behalf of queries is to be spawned, such as writing rows out.
    pub fn executor(&self) -> Handle {
        self.inner.threads.executor()
    }

    async fn admit_and_plan(
        &self,
        request: QueryRequest,
        ticket: Ticket,
        gate: Arc<Gate>,
        clock: Clock,
    ) -> Result<QueryResult, QueryError> {
        let Clock {
            started,
            deadline,
            timeout,
        } = clock;
        let place = match self.admit(&request.caller).await {
            Ok(place) => place,
            Err(error) => {
                ticket.failed(&error);
                return Err(error);
            }
        };
        ticket.enter(QueryState::Planning);
        let parts = self.inner.parts.clone();
        let executor = self.inner.threads.executor();
        // Its other end goes with whoever asks: a statement that nobody waits for is given up.
        let (answer, outcome) = oneshot::channel();
        let planning = self.inner.threads.plan(move || async move {
            let fail = |ticket: Ticket, error: QueryError| {
                report(&ticket, &error);
                ticket.failed(&error);
                Err(error)
            };
            ticket.identify(&request.sql, parts.options.sql_bytes);
            let read = std::panic::catch_unwind(AssertUnwindSafe(|| plan::read(&parts, &request)));
            let read = match read.unwrap_or_else(|panic| Err(panicked(&panic))) {
                Ok(read) => read,
                Err(error) => return fail(ticket, error),
            };
            if write::writes(&read.statement) {
                let id = ticket.id();
                let share = Arc::new(Share::new(
                    parts.runtime.memory_pool.clone(),
                    parts.options.query_memory_bytes,
                ));
                ticket.track(share.clone());
                ticket.enter(QueryState::Running);
                let in_use = match &request.transaction {
                    Some(transaction) => match transaction.enter().await {
                        Ok(in_use) => Some(in_use),
                        Err(error) => return fail(ticket, error),
                    },
                    None => None,
                };
                let (context, statement) =
                    match write::Context::new(parts, request, read, id.clone(), share, gate) {
                        Ok(made) => made,
                        Err(error) => return fail(ticket, error),
                    };
                let job = Job {
                    context,
                    statement,
                    ticket,
                    place,
                    answer,
                    deadline,
                    timeout,
                    in_use,
                };
                // On this thread, which is its own: each one more that has a part in it has to be woken up.
                job.drive().await;
                return Ok(Begun::Wrote { id });
            }
            // The instant is chosen as late as possible: waiting must not make answers older.
            let instant = match &request.instant {
                Some(instant) => instant.clone(),
                None => parts.instant().await,
            };
            let planned = AssertUnwindSafe(plan::plan(&parts, &request, read, instant))
                .catch_unwind()
                .await;
            let planned = planned.unwrap_or_else(|panic| Err(panicked(&panic)));
            let planned = match planned {
                Ok(planned) => planned,
                Err(error) => return fail(ticket, error),
            };
            let Planned {
                plan,
                logical,
                reads,
                state,
                versions,
                scope,
            } = planned;
            let schema = plan.schema();
            let renamed = functions::unmarked(&schema);
            let schema = renamed.clone().unwrap_or(schema);
            let guard = scope.pinned.guard.clone();
            let share = Arc::new(Share::new(
                parts.runtime.memory_pool.clone(),
                parts.options.query_memory_bytes,
            ));
            ticket.reads(reads);
            ticket.track(share.clone());
            ticket.enter(QueryState::Running);
            let task = task_context(&state, &parts.runtime, share.clone(), &ticket.id())?;
            let places = Places::in_rows_of(&logical, &scope);
            let frugal = Frugal::for_plan(&plan, logical, state, parts.clone(), share.clone());
            let (sender, messages) = mpsc::channel(BATCHES_AHEAD);
            let id = ticket.id();
            let run = Run {
                plan,
                frugal,
                renamed,
                places,
                task,
                scope,
                ticket,
                seat: Seat::new(&parts, &request.caller, share, place),
                sender,
                deadline,
                timeout,
            };
            executor.spawn(run.drive());
            Ok(Begun::Reading {
                id,
                schema,
                versions,
                messages,
                guard,
            })
        });
        let begun = planning.await.map_err(QueryError::internal)??;
        let (id, schema, versions, messages, guard) = match begun {
            Begun::Reading {
                id,
                schema,
                versions,
                messages,
                guard,
            } => (id, schema, versions, messages, guard),
            Begun::Wrote { id } => {
                let lost = |_| QueryError::internal("the statement's thread ended without a word");
                let written = outcome.await.map_err(lost)??;
                return Ok(QueryResult {
                    id,
                    schema: Arc::new(Schema::empty()),
                    versions: written.versions,
                    command: written.command,
                    started,
                    rows: QueryStream::finished(deadline, timeout),
                });
            }
        };
        // Made here, so that its clock is the reader's: the executor's may stand still while every
        // one of its threads computes.
        let rows = QueryStream::new(schema.clone(), messages, deadline, timeout).guarded(guard);
        Ok(QueryResult {
            id,
            schema,
            versions,
            command: Command::SELECT,
            started,
            rows,
        })
    }

    /// Waits for the caller's turn.
    pub(crate) async fn admit(&self, caller: &Caller) -> Result<Place, QueryError> {
        self.inner.parts.queue.enter(caller.name()).await
    }
}

/// What a request became.
enum Begun {
    Reading {
        id: QueryId,
        schema: SchemaRef,
        versions: BTreeMap<String, PinnedVersion>,
        messages: mpsc::Receiver<Message>,
        guard: Arc<Guard>,
    },
    /// The outcome is in its channel.
    Wrote { id: QueryId },
}

/// When a query came in, and how long it may take.
#[derive(Clone, Copy)]
struct Clock {
    started: Instant,
    deadline: Instant,
    timeout: Duration,
}

pub(crate) fn task_context(
    state: &SessionState,
    runtime: &RuntimeEnv,
    share: Arc<Share>,
    id: &QueryId,
) -> Result<Arc<TaskContext>, QueryError> {
    let runtime = RuntimeEnvBuilder::from_runtime_env(runtime)
        .with_memory_pool(share)
        .build_arc()
        .map_err(QueryError::internal)?;
    let id = id.to_string();
    Ok(Arc::new(TaskContext::new(
        Some(id.clone()),
        id,
        state.config().clone(),
        // Only plans that come from other processes look functions up by name.
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        HashMap::new(),
        runtime,
    )))
}

/// Waits until somebody asks the query to end; for ever when it has ended and nobody did.
pub(crate) async fn asked_to_end(cancelled: &mut watch::Receiver<bool>) {
    if cancelled.wait_for(|cancelled| *cancelled).await.is_err() {
        std::future::pending::<()>().await;
    }
}

pub(crate) fn given_up() -> QueryError {
    QueryError::new(QueryErrorKind::Cancelled, "the query was cancelled")
}

pub(crate) fn panicked(panic: &Box<dyn std::any::Any + Send>) -> QueryError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "panic".to_owned());
    QueryError::internal(text)
}

/// Logs what the asker is not shown: causes of errors that are ours or the lake's.
pub(crate) fn report(ticket: &Ticket, error: &QueryError) {
    if matches!(
        error.kind(),
        QueryErrorKind::Internal | QueryErrorKind::Lake
    ) {
        let cause = std::error::Error::source(error)
            .map(ToString::to_string)
            .unwrap_or_default();
        error!(query = %ticket.id(), %error, cause, "query failed");
    }
}
