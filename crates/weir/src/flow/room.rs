//! The room where runs are kept: opened with the house, working while a server serves.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;
use weir_catalog::{Catalog, CatalogError};
use weir_extract::Extracts;
use weir_flow::{
    AssetId, AssetKind, Durability, ExecutorOptions, Flow, SqliteStore, Store, SystemClock,
};
use weir_lake::Lake;
use weir_query::Engine;
use weir_step::{FilesetStore, StepError, StepWorker};

use super::alerts::Receivers;
use super::code::{Codes, Kept, Looked};
use super::delivery::Deliveries;
use super::desk::FrontDesk;
use super::lookout;
use super::records::Records;
use super::rollup::Rollups;
use super::step::{Doors, Joined, Keep, StepRoom};
use super::syncs::Syncs;
use super::versions::LakeVersions;
use super::worker::{Models, app_of};
use super::workers::Workers;
use crate::client::Client;
use crate::failure::{Explain, ExplainHinted, Failure};
use crate::project::Project;

/// How often the clock, the tables and the leases are looked at.
const TICK: Duration = Duration::from_millis(500);
/// How often steps are looked for that may begin; each that ends looks by itself.
const LOOK: Duration = Duration::from_millis(200);
/// How often files are looked at.
const FILES: Duration = Duration::from_secs(1);
/// How long the logs of attempts are kept.
const LOGS: chrono::TimeDelta = chrono::TimeDelta::days(30);
/// The more steps a server could run, the more it would hold up whoever asks.
const SLOTS: u32 = 8;
/// Syncs that run at once at most, whatever the pools say.
const MOST_SYNCS: u32 = 64;

/// Schedules and runs of one project.
#[derive(Clone)]
pub(crate) struct FlowRoom {
    flow: Flow,
    codes: Arc<Codes>,
    store: SqliteStore,
    keep: Keep,
    /// What runs steps, once the server works.
    steps: Arc<OnceLock<StepRoom>>,
    catalog: Catalog,
    /// The number of changes of rollups that are in force. One looks at a time, so that what was read
    /// later is in force later.
    looking: Arc<Mutex<u64>>,
}

impl std::fmt::Debug for FlowRoom {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FlowRoom")
            .field("flow", &self.flow)
            .finish()
    }
}

/// The rooms that runs work with.
pub(crate) struct Around {
    pub(crate) lake: Lake,
    pub(crate) catalog: Catalog,
    pub(crate) engine: Engine,
    pub(crate) extracts: Extracts,
    /// This very server.
    pub(crate) client: Client,
    /// Where clients of PostgreSQL connect, if they can.
    pub(crate) postgres: Option<SocketAddr>,
    /// By what address people open the application.
    pub(crate) public_url: String,
}

/// What keeps a project fresh while its server runs.
pub(crate) struct Working {
    shutdown: CancellationToken,
    loops: Vec<tokio::task::JoinHandle<()>>,
    threads: Runtime,
}

impl FlowRoom {
    /// Opens the store of runs of a project.
    pub(crate) async fn open(project: &Project, catalog: &Catalog) -> Result<Self, Failure> {
        let path = project.state_dir().join("flow.db");
        let store = SqliteStore::open(&path, Durability::Power).await;
        let store = store.map_err(|error| {
            Failure::new("cannot open the store of runs")
                .because(&error)
                .with_hint_if(error.hint())
        })?;
        let keep = Keep::open(project)
            .await
            .map_err(|error| of_steps(&error))?;
        Ok(Self {
            keep,
            steps: Arc::default(),
            flow: Flow::new(Arc::new(store.clone()), Arc::new(SystemClock)),
            codes: Arc::new(Codes::new(project.clone())),
            store,
            catalog: catalog.clone(),
            looking: Arc::default(),
        })
    }

    /// Returns the room as the doors see it.
    pub(crate) fn runs(&self) -> weir_serve::Runs {
        weir_serve::Runs {
            catalog: self.catalog.clone(),
            flow: self.flow.clone(),
            desk: Arc::new(FrontDesk {
                room: self.clone(),
                codes: self.codes.clone(),
                steps: self.steps.clone(),
                keep: self.keep.clone(),
            }),
        }
    }

    /// Returns what system tables show.
    pub(crate) fn records(&self) -> Arc<dyn weir_query::RunRecords> {
        Arc::new(Records {
            store: self.store(),
            keep: self.keep.clone(),
        })
    }

    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.store.clone())
    }

    /// Reads the project's files and rollups if they have changed, and puts them into force.
    pub(crate) async fn look(&self) {
        let mut known = self.looking.lock().await;
        let changes = self.catalog.plan_changes();
        if changes != *known {
            match self.kept().await {
                Ok(kept) => {
                    self.codes.set_kept(kept);
                    *known = changes;
                }
                Err(error) => {
                    tracing::error!(%error, "rollups and deliveries cannot be read; trying again");
                }
            }
        }
        let codes = self.codes.clone();
        let Ok(looked) = tokio::task::spawn_blocking(move || codes.look()).await else {
            return;
        };
        match looked {
            Looked::Same => {}
            Looked::Wrong(text, part) => {
                tracing::error!(
                    "schedules.yml or the models are wrong; what was in force before stays: {text}"
                );
                if let Some(part) = part
                    && let Err(error) = self.flow.apply_part(*part).await
                {
                    let error = error.chain();
                    tracing::error!(error, "the schedules of sources cannot be stored");
                }
            }
            Looked::New(code) => {
                let project = code.as_ref().map(|code| code.plan.project.clone());
                let project = project.unwrap_or_default();
                let count = project.schedules().count();
                if let Err(error) = self.flow.apply(project).await {
                    tracing::error!(
                        error = error.chain(),
                        "the schedules cannot be stored; trying again when files change"
                    );
                    self.codes
                        .say(format!("the schedules cannot be stored: {error}"));
                } else if let Some(code) = code {
                    tracing::info!(schedules = count, "took over the project");
                    let rollups = code.plan.rollups.keys().cloned();
                    if let Err(failure) = self.number_on(rollups).await {
                        tracing::error!(error = failure.text(), "rollups may not be published");
                    }
                }
            }
        }
    }

    async fn kept(&self) -> Result<Kept, CatalogError> {
        Ok(Kept {
            rollups: self.catalog.rollups().await?,
            deliveries: self.catalog.deliveries().await?,
        })
    }

    /// Sees to it that publications get greater numbers than those there are: the store may be an
    /// older copy that was put back. Returns what the store is known by.
    async fn number_on(
        &self,
        assets: impl IntoIterator<Item = AssetId>,
    ) -> Result<String, Failure> {
        let failed = |error: weir_flow::FlowError| {
            let failure = Failure::new("cannot number publications").because(&error);
            failure.with_hint_if(error.hint())
        };
        let identity = self.store.identity().await.map_err(failed)?;
        let filesets = self.keep.files.newest().map_err(|error| of_steps(&error))?;
        let mut published = Vec::new();
        for asset in assets {
            let app = app_of(&identity, asset.as_str());
            let latest = self.catalog.published(&app).await;
            let latest = latest.explain_hinted(|| "cannot read what was published".into())?;
            let latest = latest.map(|(sequence, _)| sequence);
            let latest = latest.max(filesets.published(&app));
            published.extend(latest.map(|sequence| (asset, sequence)));
        }
        self.store
            .raise_sequences(&published)
            .await
            .map_err(failed)?;
        Ok(identity)
    }

    /// Starts to keep the project fresh, on threads that leave the cores to whoever takes events.
    pub(crate) async fn work(&self, project: &Project, around: Around) -> Result<Working, Failure> {
        let Around {
            lake,
            catalog,
            engine,
            extracts,
            client,
            postgres,
            public_url,
        } = around;
        let project_now = self.flow.project();
        let assets = project_now.graph().assets().map(|asset| asset.id.clone());
        let identity = self.number_on(assets).await?;
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("weir-flow")
            .on_thread_start(weir_core::priority::yield_to_others)
            .enable_all()
            .build()
            .explain(|| "cannot start threads".into())?;
        let shutdown = CancellationToken::new();
        let store = self.store();
        let versions = LakeVersions::new(lake.clone(), store.clone(), self.keep.files.clone());
        let versions = Arc::new(versions);
        let rollups = Rollups {
            engine: engine.clone(),
            catalog: catalog.clone(),
            identity: identity.clone(),
        };
        let deliveries = Deliveries::new(
            engine.clone(),
            catalog.clone(),
            self.codes.clone(),
            public_url,
        )?;
        let joined = Joined {
            engine,
            catalog,
            versions: versions.clone(),
            doors: Doors {
                url: client.url().to_owned(),
                postgres,
            },
            threads: threads.handle().clone(),
        };
        let steps = StepRoom::open(project, &self.keep, joined).await;
        let steps = steps.map_err(|error| of_steps(&error))?;
        let worker = Arc::new(Workers {
            steps: StepWorker::new(steps.runner.clone()).with_identity(identity.as_str()),
            rollups,
            deliveries,
            models: Models::new(
                self.codes.clone(),
                (store.clone(), identity),
                client,
                threads.handle().clone(),
            ),
            syncs: Syncs {
                extracts: extracts.clone(),
            },
            codes: self.codes.clone(),
        });
        let _ = self.steps.set(steps);
        let options = ExecutorOptions {
            // Logs are kept with each: whoever looks sees them a second later.
            beat: Duration::from_secs(1),
            slots: self.codes.now().map_or(SLOTS, |code| code.slots).min(SLOTS),
            kinds: not_fetched(),
            ..ExecutorOptions::default()
        };
        // A sync may take hours: no model waits for its slot. The pool says how many there are at once.
        let of_sources = ExecutorOptions {
            node: "local-sources".to_owned(),
            slots: MOST_SYNCS,
            kinds: vec![AssetKind::Source],
            ..options.clone()
        };
        let syncing = self.flow.executor(worker.clone(), of_sources);
        let executor = self.flow.executor(worker, options);
        let scheduler = self.flow.scheduler(versions, rand::random());
        let alerts = Arc::new(Receivers::new(self.codes.clone(), self.catalog.clone())?);
        let (flow, stop) = (self.flow.clone(), shutdown.clone());
        let running = threads.spawn(async move {
            // Until the log is read again rows are missing, and what is built would lack them.
            tokio::select! {
                () = lake.recovered() => {}
                () = stop.cancelled() => return,
            }
            tokio::join!(
                flow.run_scheduler(scheduler, alerts, TICK, stop.clone()),
                flow.run_executor(executor, LOOK, stop.clone()),
                flow.run_executor(syncing, LOOK, stop.clone()),
            );
        });
        let following = threads.spawn(follow_files(self.clone(), shutdown.clone()));
        let watching = threads.spawn(lookout::watch(extracts, self.store(), shutdown.clone()));
        Ok(Working {
            shutdown,
            loops: vec![running, following, watching],
            threads,
        })
    }

    pub(crate) async fn close(&self) {
        self.store.close().await;
        self.keep.close().await;
    }
}

impl Working {
    /// Lets what runs stop in order; what is not at its end begins anew with the next start.
    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        for ended in self.loops {
            let _ = ended.await;
        }
        self.threads.shutdown_background();
    }
}

/// Opens the filesets of a project, beside whatever works with them.
pub(crate) fn open_files(project: &Project) -> Result<FilesetStore, Failure> {
    Keep::files_of(project).map_err(|error| of_steps(&error))
}

/// Returns the kinds of assets that are not fetched.
fn not_fetched() -> Vec<AssetKind> {
    let kinds = AssetKind::ALL.into_iter();
    kinds.filter(|kind| *kind != AssetKind::Source).collect()
}

fn of_steps(error: &StepError) -> Failure {
    Failure::new("steps of other languages cannot be run")
        .because(error)
        .with_hint_if(error.hint())
}

async fn follow_files(room: FlowRoom, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(FILES);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut swept: Option<tokio::time::Instant> = None;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        room.look().await;
        if swept.is_none_or(|at| at.elapsed() > Duration::from_secs(3_600)) {
            swept = Some(tokio::time::Instant::now());
            if let Err(error) = room.store.forget_logs(chrono::Utc::now() - LOGS).await {
                let error = error.chain();
                tracing::warn!(error, "cannot forget old logs of runs");
            }
            if let Err(error) = room.keep.collect().await {
                tracing::warn!(%error, "cannot remove files of steps that nobody needs");
            }
        }
    }
}
