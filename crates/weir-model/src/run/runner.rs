use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use weir_jinja::{Args, Interpreter};

use super::earlier::{Earlier, Reuse, building_macros};
use super::fused::Fused;
use super::node::{Executor, Rendered, described};
use super::observer::{Observer, Publication};
use super::plan::{Plan, is_run};
use super::pool::{self, Next, Work};
use super::result::{NodeResult, Report, Status};
use crate::compile::{
    CompileOptions, Compiler, CompilerParts, Deferred, Purpose, StageParts, failure,
};
use crate::context::{
    Cancellation, Relation, RelationCache, Session, SessionParts, Shared, warehouse_error,
};
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{Manifest, Node, ResourceKind, UniqueId};
use crate::warehouse::{RelationName, Warehouse};

/// What a run does with nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Models, and with them seeds, snapshots and tests.
    Build,
    Run,
    Test,
    Seed,
    Snapshot,
    /// Renders SQL and writes it below `target/compiled`.
    Compile,
    /// Makes relations of another environment appear here.
    Clone,
}

impl Command {
    /// Says whether a node of this kind is run by the command.
    pub fn takes(self, kind: ResourceKind) -> bool {
        match self {
            Self::Build => matches!(
                kind,
                ResourceKind::Model
                    | ResourceKind::Seed
                    | ResourceKind::Snapshot
                    | ResourceKind::Test
                    | ResourceKind::UnitTest
            ),
            Self::Run => kind == ResourceKind::Model,
            Self::Test => matches!(kind, ResourceKind::Test | ResourceKind::UnitTest),
            Self::Seed => kind == ResourceKind::Seed,
            Self::Snapshot => kind == ResourceKind::Snapshot,
            Self::Compile => matches!(
                kind,
                ResourceKind::Model
                    | ResourceKind::Seed
                    | ResourceKind::Snapshot
                    | ResourceKind::Test
                    | ResourceKind::Analysis
                    | ResourceKind::SqlOperation
            ),
            Self::Clone => matches!(
                kind,
                ResourceKind::Model | ResourceKind::Seed | ResourceKind::Snapshot
            ),
        }
    }

    fn runs_hooks(self) -> bool {
        !matches!(self, Self::Compile | Self::Clone)
    }
}

/// A span of time, the end not included.
pub type Span = (DateTime<Utc>, DateTime<Utc>);

/// What the command line says about a run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    pub threads: usize,
    pub fail_fast: bool,
    /// Read no rows of what models read.
    pub empty: bool,
    /// Read rows of this time only.
    pub sample: Option<Span>,
    /// The time that microbatch models build, instead of what they would.
    pub event_time_start: Option<DateTime<Utc>>,
    pub event_time_end: Option<DateTime<Utc>>,
    /// Relations of another environment for nodes that are not built here: database, schema and name.
    pub defer: HashMap<UniqueId, RelationName>,
    pub favor_state: bool,
    /// Where SQL is written; nowhere if none.
    pub target_dir: Option<PathBuf>,
    /// Batches of microbatch models that are to run again, by model; all others run as a whole.
    pub batches: HashMap<UniqueId, Vec<Span>>,
    /// What was built before; none to build everything.
    pub earlier: Option<Arc<Earlier>>,
    /// What this invocation has rendered already with the same options otherwise.
    pub rendered: HashMap<UniqueId, Rendered>,
}

impl Default for RunOptions {
    fn default() -> Self {
        Self {
            threads: 4,
            fail_fast: false,
            empty: false,
            sample: None,
            event_time_start: None,
            event_time_end: None,
            defer: HashMap::new(),
            favor_state: false,
            target_dir: None,
            batches: HashMap::new(),
            earlier: None,
            rendered: HashMap::new(),
        }
    }
}

/// What a runner works with.
#[derive(Clone, Debug)]
pub struct RunnerParts {
    /// Everything that was parsed is set in it.
    pub shared: Arc<Shared>,
    pub warehouse: Arc<dyn Warehouse>,
    /// The runtime that connections live on. It must go on running meanwhile.
    pub runtime: Handle,
    pub observer: Arc<dyn Observer>,
    pub publication: Arc<dyn Publication>,
    pub cancellation: Arc<Cancellation>,
    pub options: RunOptions,
}

/// Runs nodes of one invocation.
#[derive(Debug)]
pub struct Runner {
    pub(super) parts: RunnerParts,
    pub(super) compiler: Arc<Compiler>,
    pub(super) sessions: SessionParts,
    /// For what no node's thread does: schemas, hooks, operations.
    pub(super) main: Arc<Session>,
    pub(super) reuse: Reuse,
    /// See [`building_macros`].
    pub(super) macros: String,
}

impl Runner {
    /// Makes a runner. Nothing is connected yet.
    pub fn new(parts: RunnerParts) -> Self {
        let options = &parts.options;
        let deferred = options
            .defer
            .iter()
            .map(|(id, name)| {
                let deferred = Deferred {
                    database: name.database.clone(),
                    schema: name.schema.clone(),
                    alias: name.name.clone(),
                };
                (id.clone(), deferred)
            })
            .collect();
        let compiler = Arc::new(Compiler::new(CompilerParts {
            shared: Arc::clone(&parts.shared),
            target_dir: options.target_dir.clone(),
            options: CompileOptions {
                empty: options.empty,
                sample: options.sample,
                favor_state: options.favor_state,
                no_files: options.target_dir.is_none(),
            },
            deferred,
        }));
        let sessions = SessionParts {
            warehouse: Arc::clone(&parts.warehouse),
            runtime: parts.runtime.clone(),
            cache: Arc::new(RelationCache::default()),
            cancellation: Arc::clone(&parts.cancellation),
        };
        let main = Arc::new(Session::new(sessions.clone(), "MainThread"));
        let reuse = Reuse::new(parts.options.earlier.clone(), &parts.shared.macros);
        let macros = building_macros(&parts.shared.macros);
        Self {
            parts,
            compiler,
            sessions,
            main,
            reuse,
            macros,
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.parts.shared
    }

    pub(super) fn manifest(&self) -> Arc<Manifest> {
        self.parts.shared.manifest()
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.shared().invocation.clock.now()
    }

    /// Runs what `command` does with the selected nodes; those it does nothing with are left out.
    ///
    /// # Errors
    /// When nothing could be begun: the warehouse cannot be reached, or a schema cannot be made. What
    /// happens to nodes is in the report.
    pub fn run(&self, command: Command, selected: &[UniqueId]) -> Result<Report, ModelError> {
        let started_at = self.now();
        let manifest = self.manifest();
        let chosen: Vec<UniqueId> = selected
            .iter()
            .filter(|id| match manifest.nodes.get(*id) {
                Some(node) => {
                    command.takes(node.kind) && (command == Command::Compile || is_run(node))
                }
                None if manifest.unit_tests.contains_key(*id) => {
                    command.takes(ResourceKind::UnitTest)
                }
                None => command == Command::Build && described(&manifest, id).is_some(),
            })
            .cloned()
            .collect();
        self.shared()
            .set_selected(chosen.iter().cloned().collect::<HashSet<_>>());
        let plan = Plan::new(&manifest, &chosen, command == Command::Build);
        self.parts.observer.planned(plan.order.len());
        let report = |results: Vec<NodeResult>| Report {
            results,
            started_at,
            seconds: seconds_between(started_at, self.now()),
            cancelled: self.parts.cancellation.is_cancelled(),
        };
        if plan.order.is_empty() {
            return Ok(report(Vec::new()));
        }
        let nodes: Vec<Arc<Node>> = plan
            .order
            .iter()
            .filter_map(|id| manifest.nodes.get(id).cloned())
            .collect();
        if command != Command::Compile {
            self.create_schemas(&nodes)?;
            let built = nodes
                .iter()
                .filter(|node| node.relation_name.is_some() && node.kind != ResourceKind::Test);
            let built: Vec<RelationName> = built
                .map(|node| self.compiler.relation(node).path.name())
                .collect();
            self.parts.publication.begin(&built)?;
        }
        let mut results = Vec::new();
        let hooked = command.runs_hooks();
        let begun = !hooked || self.run_hooks("on-run-start", &[], &mut results);
        let executed = self.execute(command, &plan, begun);
        results.extend(executed);
        if hooked {
            let nodes: Vec<NodeResult> = results
                .iter()
                .filter(|result| result.kind != ResourceKind::Operation)
                .cloned()
                .collect();
            self.run_hooks("on-run-end", &nodes, &mut results);
        }
        let report = report(results);
        if command != Command::Compile {
            self.parts.publication.finish(&report)?;
        }
        Ok(report)
    }

    /// Runs the nodes of a plan, or skips all of them.
    fn execute(&self, command: Command, plan: &Plan, begun: bool) -> Vec<NodeResult> {
        let pool = Pool {
            runner: self,
            executor: Executor::new(self, command, Fused::of(self, &plan.order)),
            sessions: (0..self.parts.options.threads.max(1))
                .map(|_| Mutex::new(None))
                .collect(),
            results: Mutex::new(Vec::with_capacity(plan.order.len())),
        };
        if begun {
            pool::run(plan, self.parts.options.threads, &pool);
        } else {
            for id in &plan.order {
                pool.skip(id, None);
            }
        }
        pool.results.into_inner()
    }

    /// Makes the schemas that nodes are built in, and lists what they hold.
    fn create_schemas(&self, nodes: &[Arc<Node>]) -> Result<(), ModelError> {
        let stores = self.shared().flags.store_failures;
        let needed = nodes.iter().filter(|node| match node.kind {
            ResourceKind::Test => node.config.store_failures().unwrap_or(stores),
            _ => !node.is_ephemeral(),
        });
        let mut schemas: BTreeSet<(Option<String>, String)> = BTreeSet::new();
        let mut makers: HashMap<(Option<String>, String), &Arc<Node>> = HashMap::new();
        for node in needed {
            let key = (node.database.clone(), node.schema.clone());
            makers.entry(key.clone()).or_insert(node);
            schemas.insert(key);
        }
        let databases: BTreeSet<Option<String>> = schemas
            .iter()
            .map(|(database, _)| database.clone())
            .collect();
        for database in databases {
            let name = database.clone().unwrap_or_default();
            let existing = self.main.schemas(&name).map_err(warehouse_error)?;
            for (_, schema) in schemas.iter().filter(|(of, _)| *of == database) {
                let exists = existing
                    .iter()
                    .any(|known| known.eq_ignore_ascii_case(schema));
                if exists {
                    let relations = self
                        .main
                        .relations(&name, schema)
                        .map_err(warehouse_error)?;
                    self.main.cache().fill(&name, schema, relations);
                    continue;
                }
                if let Some(node) = makers.get(&(database.clone(), schema.clone())) {
                    self.create_schema(node)?;
                }
                self.main.cache().fill(&name, schema, Vec::new());
            }
        }
        let links = self.main.dependents().map_err(warehouse_error)?;
        self.main.cache().link(links);
        Ok(())
    }

    /// Makes a node's schema by the macro that projects may cover.
    fn create_schema(&self, node: &Arc<Node>) -> Result<(), ModelError> {
        let parts = StageParts::new(
            Arc::clone(&self.compiler),
            Arc::clone(node),
            Purpose::Operation,
        );
        let (_stage, context) = Compiler::context(parts, Some(Arc::clone(&self.main)));
        let mut relation: Relation = self.compiler.relation(node);
        relation.path.identifier = None;
        relation.path.include.identifier = false;
        let macros = &self.shared().macros;
        let found = macros
            .find(&self.shared().project.name, "create_schema")
            .cloned();
        let Some(found) = found else {
            return Err(ModelError::new(
                ModelErrorKind::Internal,
                "there is no macro `create_schema`",
            ));
        };
        let mut interpreter = Interpreter::new(Arc::clone(&self.shared().environment));
        let made = interpreter.call_macro(&found, Args::from(vec![relation.value()]), &*context);
        let made = made
            .map_err(|error| failure(error, node))
            .and_then(|_| self.main.commit().map_err(warehouse_error));
        if made.is_err() {
            self.main.rollback();
        }
        made.map_err(|error| match error.hint_text() {
            Some(_) => error,
            None => error.hint(format!(
                "make the schema {} yourself, or give the user the right to create schemas",
                node.schema
            )),
        })
    }
}

pub(super) fn seconds_between(start: DateTime<Utc>, end: DateTime<Utc>) -> f64 {
    (end - start)
        .num_microseconds()
        .map_or(0.0, |micros| micros as f64 / 1_000_000.0)
}

/// The nodes of one run on their threads.
struct Pool<'r> {
    runner: &'r Runner,
    executor: Executor<'r>,
    sessions: Vec<Mutex<Option<Arc<Session>>>>,
    results: Mutex<Vec<NodeResult>>,
}

impl Pool<'_> {
    fn session(&self, thread: usize) -> Arc<Session> {
        let slot = &self.sessions[(thread - 1).min(self.sessions.len() - 1)];
        let mut slot = slot.lock();
        let made = slot.get_or_insert_with(|| {
            Arc::new(Session::new(
                self.runner.sessions.clone(),
                format!("Thread-{thread}"),
            ))
        });
        Arc::clone(made)
    }
}

impl Work for Pool<'_> {
    fn run(&self, id: &UniqueId, thread: usize, index: usize) -> Next {
        let cancellation = &self.runner.parts.cancellation;
        if cancellation.is_cancelled() {
            self.skip(id, None);
            return Next::Stop;
        }
        self.runner.parts.observer.started(id, index);
        let result = self.executor.run(id, &self.session(thread));
        self.runner.parts.observer.ended(&result, Some(index));
        let status = result.status;
        let stops = result
            .error
            .as_ref()
            .is_some_and(|error| error.hint_text() == Some("the run stops here"));
        self.results.lock().push(result);
        match status {
            _ if cancellation.is_cancelled() || stops => Next::Stop,
            status if status.is_failure() && self.runner.parts.options.fail_fast => Next::Stop,
            status if status.holds_back() => Next::Skip,
            _ => Next::Go,
        }
    }

    fn skip(&self, id: &UniqueId, cause: Option<&UniqueId>) {
        let manifest = self.runner.manifest();
        let mut result = match (manifest.nodes.get(id), manifest.unit_tests.get(id)) {
            (Some(node), _) => NodeResult::of(node, Status::Skipped, "MainThread"),
            (None, Some(unit)) => super::unit::skipped(unit),
            (None, None) => {
                let mut result = super::unit::blank(id, Status::Skipped);
                result.kind = described(&manifest, id).unwrap_or(ResourceKind::Exposure);
                result
            }
        };
        result.message = Some(match cause {
            Some(cause) => format!("Skipping because of {cause}"),
            None if self.runner.parts.cancellation.is_cancelled() => {
                "Skipping because the run was cancelled".to_owned()
            }
            None => "Skipping because the run was stopped".to_owned(),
        });
        self.runner.parts.observer.ended(&result, None);
        self.results.lock().push(result);
    }
}
