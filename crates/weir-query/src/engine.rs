//! The engine: admits queries, plans and runs them on its own threads, and ends them in time.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::{Schema, SchemaRef};
use datafusion::execution::TaskContext;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{FutureExt, StreamExt};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tracing::error;
use weir_access::{Action, Object};
use weir_catalog::Catalog;
use weir_lake::Lake;

use crate::access_statements;
use crate::caller::Caller;
use crate::catalog::Scope;
use crate::error::{QueryError, QueryErrorKind, translate};
use crate::functions;
use crate::memory::Share;
use crate::options::EngineOptions;
use crate::params::Parameter;
use crate::plan::{self, Planned};
use crate::registry::{Queries, QueryId, QueryState, QuerySummary, Ticket};
use crate::secured::Guard;
use crate::session;
use crate::settings::Settings;
use crate::stream::{
    Command, Description, Message, PinnedVersion, QueryResult, QueryStream, timed_out,
};
use crate::threads::QueryThreads;
use crate::write::{self, Gate, Job, Outcome};

/// Batches that wait for a slow reader, per query.
const BATCHES_AHEAD: usize = 2;

/// How often a query that is still computing is asked whether it may.
const RIGHTS_INTERVAL: Duration = Duration::from_millis(250);

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
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
}

/// What planning needs.
pub(crate) struct Parts {
    pub(crate) base: Arc<SessionState>,
    pub(crate) runtime: Arc<RuntimeEnv>,
    pub(crate) options: Arc<EngineOptions>,
    pub(crate) lake: Lake,
    pub(crate) catalog: Catalog,
    pub(crate) queries: Arc<Queries>,
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
        let running = Arc::new(Semaphore::new(options.running.max(1)));
        let parts = Arc::new(Parts {
            base: Arc::new(base),
            runtime,
            options: Arc::new(options),
            lake,
            catalog,
            queries: Arc::default(),
        });
        Ok(Self {
            inner: Arc::new(Inner {
                parts,
                threads,
                running,
                waiting: AtomicUsize::new(0),
            }),
        })
    }

    /// Plans `request` against this instant of the lake and begins to run it.
    ///
    /// Dropping the future, or later the result's rows, ends the query.
    pub async fn query(&self, request: QueryRequest) -> Result<QueryResult, QueryError> {
        let started = Instant::now();
        let options = &self.inner.parts.options;
        let timeout = request
            .timeout
            .map_or(options.timeout, |timeout| timeout.min(options.timeout));
        let deadline = started + timeout;
        let ticket = self
            .inner
            .parts
            .queries
            .start(&request.caller, &request.sql);
        let parts = &self.inner.parts;
        match access_statements::read(&request.sql, options) {
            Ok(None) => {}
            Ok(Some(statement)) => {
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
        let permit = self.admit().await?;
        let parts = self.inner.parts.clone();
        let planning = self.inner.threads.plan(move || async move {
            let _permit = permit;
            let view = parts.lake.view();
            AssertUnwindSafe(plan::describe(&parts, &request, view))
                .catch_unwind()
                .await
                .unwrap_or_else(|panic| Err(panicked(&panic)))
        });
        tokio::time::timeout(timeout, planning)
            .await
            .map_err(|_| timed_out(timeout))?
            .map_err(QueryError::internal)?
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
        let permit = match self.admit().await {
            Ok(permit) => permit,
            Err(error) => {
                ticket.failed(&error);
                return Err(error);
            }
        };
        ticket.enter(QueryState::Planning);
        let parts = self.inner.parts.clone();
        let executor = self.inner.threads.executor();
        let planning = self.inner.threads.plan(move || async move {
            let fail = |ticket: Ticket, error: QueryError| {
                report(&ticket, &error);
                ticket.failed(&error);
                Err(error)
            };
            let read = std::panic::catch_unwind(AssertUnwindSafe(|| plan::read(&parts, &request)));
            let read = match read.unwrap_or_else(|panic| Err(panicked(&panic))) {
                Ok(read) => read,
                Err(error) => return fail(ticket, error),
            };
            if write::writes(&read.statement) {
                let (answer, outcome) = oneshot::channel();
                let id = ticket.id();
                let share = Arc::new(Share::new(
                    parts.runtime.memory_pool.clone(),
                    parts.options.query_memory_bytes,
                ));
                ticket.track(share.clone());
                ticket.enter(QueryState::Running);
                let (context, statement) =
                    match write::Context::new(parts, request, read, id.clone(), share, gate) {
                        Ok(made) => made,
                        Err(error) => return fail(ticket, error),
                    };
                let job = Job {
                    context,
                    statement,
                    ticket,
                    permit,
                    answer,
                    deadline,
                    timeout,
                };
                executor.spawn(job.drive());
                return Ok(Begun::Writing { id, outcome });
            }
            // The instant is chosen as late as possible: waiting must not make answers older.
            let view = parts.lake.view();
            let planned = AssertUnwindSafe(plan::plan(&parts, &request, read, view))
                .catch_unwind()
                .await;
            let planned = planned.unwrap_or_else(|panic| Err(panicked(&panic)));
            let planned = match planned {
                Ok(planned) => planned,
                Err(error) => return fail(ticket, error),
            };
            let Planned {
                plan,
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
            ticket.track(share.clone());
            ticket.enter(QueryState::Running);
            let task = task_context(&state, &parts.runtime, share, &ticket.id())?;
            let (sender, messages) = mpsc::channel(BATCHES_AHEAD);
            let id = ticket.id();
            let run = Run {
                plan,
                renamed,
                task,
                scope,
                ticket,
                permit,
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
            Begun::Writing { id, outcome } => {
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

    async fn admit(&self) -> Result<OwnedSemaphorePermit, QueryError> {
        if let Ok(permit) = self.inner.running.clone().try_acquire_owned() {
            return Ok(permit);
        }
        /// Leaves the queue when the waiting future is dropped, too.
        struct InQueue<'a>(&'a AtomicUsize);
        impl Drop for InQueue<'_> {
            fn drop(&mut self) {
                self.0.fetch_sub(1, Ordering::Relaxed);
            }
        }
        let ahead = self.inner.waiting.fetch_add(1, Ordering::Relaxed);
        let _in_queue = InQueue(&self.inner.waiting);
        if ahead >= self.inner.parts.options.waiting {
            return Err(QueryError::new(
                QueryErrorKind::Busy,
                format!(
                    "{} queries run and {ahead} wait already",
                    self.inner.parts.options.running
                ),
            )
            .hint("try again in a moment; weir.queries shows what runs"));
        }
        self.inner
            .running
            .clone()
            .acquire_owned()
            .await
            .map_err(QueryError::internal)
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
    Writing {
        id: QueryId,
        outcome: oneshot::Receiver<Outcome>,
    },
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
        state.scalar_functions().clone(),
        state.higher_order_functions().clone(),
        state.aggregate_functions().clone(),
        state.window_functions().clone(),
        runtime,
    )))
}

/// A query on its way through the executor.
struct Run {
    plan: Arc<dyn ExecutionPlan>,
    /// The columns as they are shown, where they have other names inside.
    renamed: Option<SchemaRef>,
    task: Arc<TaskContext>,
    scope: Scope,
    ticket: Ticket,
    /// Held until the work has really stopped, not only until nobody waits for it.
    permit: OwnedSemaphorePermit,
    sender: mpsc::Sender<Message>,
    deadline: Instant,
    timeout: Duration,
}

impl Run {
    async fn drive(self) {
        let Self {
            plan,
            renamed,
            task,
            scope,
            ticket,
            permit,
            sender,
            deadline,
            timeout,
        } = self;
        let cancelled = ticket.cancelled();
        let work = batches((plan, renamed), task, &scope, &ticket, &sender, cancelled);
        let end = tokio::select! {
            biased;
            end = AssertUnwindSafe(work).catch_unwind() => end.unwrap_or_else(|panic| Err(panicked(&panic))),
            () = tokio::time::sleep_until(deadline.into()) => Err(timed_out(timeout)),
        };
        match end {
            Ok(()) => {
                ticket.done();
                let _ = sender
                    .try_send(Message::Done)
                    .or_else(|full| later(&sender, full));
            }
            Err(error) => {
                report(&ticket, &error);
                ticket.failed(&error);
                let _ = sender
                    .try_send(Message::Failed(error))
                    .or_else(|full| later(&sender, full));
            }
        }
        drop(permit);
    }
}

/// Delivers a last word to a reader that is behind, without holding the query's place for it.
fn later(
    sender: &mpsc::Sender<Message>,
    full: mpsc::error::TrySendError<Message>,
) -> Result<(), ()> {
    match full {
        mpsc::error::TrySendError::Full(message) => {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(message).await });
            Ok(())
        }
        mpsc::error::TrySendError::Closed(_) => Err(()),
    }
}

/// Runs the plan and hands its batches out until it ends, fails, or nobody reads.
async fn batches(
    (plan, renamed): (Arc<dyn ExecutionPlan>, Option<SchemaRef>),
    task: Arc<TaskContext>,
    scope: &Scope,
    ticket: &Ticket,
    sender: &mpsc::Sender<Message>,
    mut cancelled: watch::Receiver<bool>,
) -> Result<(), QueryError> {
    let mut stream = execute_stream(plan, task).map_err(|error| translate(error, scope))?;
    let guard = &scope.pinned.guard;
    let mut rights = tokio::time::interval(RIGHTS_INTERVAL);
    loop {
        let batch = tokio::select! {
            biased;
            () = sender.closed() => return Err(given_up()),
            () = asked_to_end(&mut cancelled) => return Err(given_up()),
            _ = rights.tick() => {
                guard.recheck()?;
                continue;
            }
            batch = stream.next() => batch,
        };
        let batch = match batch {
            None => return Ok(()),
            Some(Ok(batch)) if batch.num_rows() == 0 => continue,
            Some(Ok(batch)) => batch,
            Some(Err(error)) => return Err(translate(error, scope)),
        };
        let batch = match &renamed {
            Some(schema) => {
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                let columns = batch.columns().to_vec();
                RecordBatch::try_new_with_options(schema.clone(), columns, &options)
                    .map_err(QueryError::internal)?
            }
            None => batch,
        };
        ticket.count_rows(batch.num_rows());
        tokio::select! {
            biased;
            () = asked_to_end(&mut cancelled) => return Err(given_up()),
            sent = sender.send(Message::Batch(batch)) => if sent.is_err() { return Err(given_up()) },
        }
    }
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
