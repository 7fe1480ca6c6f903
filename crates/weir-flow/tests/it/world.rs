//! A small world: a clock that is turned by hand, tables that keep what is published, a worker that
//! does as it is told, and a store that can fail at any transition.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::Notify;
use weir_flow::*;

pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// A clock that stands still until it is turned.
#[derive(Debug)]
pub(crate) struct HandClock {
    now: Mutex<DateTime<Utc>>,
    turned: Notify,
    /// Until when those sleep that do, by the number of their sleep.
    sleeps: Mutex<(u64, HashMap<u64, DateTime<Utc>>)>,
}

/// Somebody's sleep; dropped, they are awake.
struct Sleep<'a>(&'a HandClock, u64);

impl Drop for Sleep<'_> {
    fn drop(&mut self) {
        self.0.sleeps.lock().1.remove(&self.1);
    }
}

impl HandClock {
    pub(crate) fn new(now: DateTime<Utc>) -> Arc<Self> {
        Arc::new(Self {
            now: Mutex::new(now),
            turned: Notify::new(),
            sleeps: Mutex::default(),
        })
    }

    /// How many wait for a time that has not come.
    pub(crate) fn asleep(&self) -> usize {
        let now = self.now();
        self.sleeps
            .lock()
            .1
            .values()
            .filter(|&&at| at > now)
            .count()
    }

    pub(crate) fn turn(&self, by: TimeDelta) {
        *self.now.lock() += by;
        self.turned.notify_waiters();
    }

    pub(crate) fn set(&self, to: DateTime<Utc>) {
        *self.now.lock() = to;
        self.turned.notify_waiters();
    }
}

#[async_trait]
impl Clock for HandClock {
    fn now(&self) -> DateTime<Utc> {
        *self.now.lock()
    }

    async fn sleep_until(&self, at: DateTime<Utc>) {
        let number = {
            let mut sleeps = self.sleeps.lock();
            sleeps.0 += 1;
            let number = sleeps.0;
            sleeps.1.insert(number, at);
            number
        };
        let _sleep = Sleep(self, number);
        loop {
            let turned = self.turned.notified();
            if self.now() >= at {
                return;
            }
            turned.await;
        }
    }
}

/// Tables that keep their publications as the contract of `PublishToken` asks.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    kept: Mutex<BTreeMap<String, Vec<(u64, String)>>>,
    /// Publications that were there already.
    pub(crate) adopted: AtomicUsize,
    /// Publications that came too late.
    pub(crate) stale: AtomicUsize,
}

impl Tables {
    pub(crate) fn commit(&self, token: &PublishToken, content: &str) -> Result<String, String> {
        let mut kept = self.kept.lock();
        let of_app = kept.entry(token.app.clone()).or_default();
        let latest = of_app.last().map_or(0, |(sequence, _)| *sequence);
        if latest > token.sequence {
            self.stale.fetch_add(1, Ordering::Relaxed);
            return Err("a later step has published".to_owned());
        }
        if latest == token.sequence {
            self.adopted.fetch_add(1, Ordering::Relaxed);
        } else {
            of_app.push((token.sequence, content.to_owned()));
        }
        Ok(format!("{}@{}", token.app, token.sequence))
    }

    /// What was published, in order, by table.
    pub(crate) fn contents(&self) -> BTreeMap<String, Vec<String>> {
        let kept = self.kept.lock();
        let contents = kept.iter().map(|(app, all)| {
            let all = all.iter().map(|(_, content)| content.clone());
            (app.clone(), all.collect())
        });
        contents.collect()
    }

    pub(crate) fn count(&self, app: &str) -> usize {
        self.kept.lock().get(app).map_or(0, Vec::len)
    }
}

/// What the worker does with an attempt before it publishes.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// Fails.
    Fail(ErrorClass, &'static str),
    /// Panics.
    Panic,
    /// Waits until it is told to stop, and stops.
    Wait,
    /// Waits for ever, whatever it is told.
    Hang,
    /// Writes to its log, then waits as `Wait`.
    Say(String),
    /// Succeeds without publishing.
    Skip,
}

/// A worker that publishes what its attempt stands for, unless it was told otherwise.
#[derive(Debug, Default)]
pub(crate) struct Hands {
    pub(crate) tables: Arc<Tables>,
    /// What to do with the next attempts at an asset; then it succeeds.
    pub(crate) script: Mutex<HashMap<String, VecDeque<Act>>>,
    /// Attempts that began, by asset.
    pub(crate) begun: Mutex<Vec<String>>,
}

impl Hands {
    pub(crate) fn will(&self, asset: &str, acts: impl IntoIterator<Item = Act>) {
        let mut script = self.script.lock();
        script.entry(asset.to_owned()).or_default().extend(acts);
    }

    pub(crate) fn begun(&self) -> Vec<String> {
        self.begun.lock().clone()
    }
}

/// What an attempt stands for, whichever attempt it is.
pub(crate) fn content_of(attempt: &Attempt) -> String {
    let inputs: Vec<String> = attempt
        .inputs()
        .iter()
        .map(|range| format!("{}:{}..{}", range.table, range.from, range.to))
        .collect();
    match attempt.scheduled_at() {
        Some(at) => format!("{at}"),
        None => inputs.join(","),
    }
}

#[async_trait]
impl Worker for Hands {
    async fn run(&self, attempt: Attempt) -> Outcome {
        let asset = attempt.asset().to_string();
        self.begun.lock().push(asset.clone());
        let act = {
            let mut script = self.script.lock();
            script.get_mut(&asset).and_then(VecDeque::pop_front)
        };
        match act {
            Some(Act::Fail(class, why)) => return Outcome::Failed(class, why.to_owned()),
            Some(Act::Panic) => panic!("as told"),
            Some(Act::Wait) => {
                attempt.cancelled().await;
                return Outcome::Cancelled;
            }
            Some(Act::Hang) => std::future::pending().await,
            Some(Act::Say(text)) => {
                attempt.log().write(&text);
                attempt.cancelled().await;
                return Outcome::Cancelled;
            }
            Some(Act::Skip) => return Outcome::Skipped("nothing new".to_owned()),
            None => {}
        }
        let content = content_of(&attempt);
        let published = attempt
            .publish(async |token| self.tables.commit(&token, &content))
            .await;
        match published {
            Ok(version) => Outcome::Succeeded(Some(version)),
            Err(error) => Outcome::transient(error.to_string()),
        }
    }
}

/// Versions that a test sets.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<Marked>);

/// The latest mark, and of each table its version and the mark of that.
type Marked = (u64, BTreeMap<TableId, (i64, u64)>);

impl Shelf {
    pub(crate) fn set(&self, table: &str, version: i64) {
        let mut shelf = self.0.lock();
        shelf.0 += 1;
        let mark = shelf.0;
        shelf.1.insert(table.into(), (version, mark));
    }
}

#[async_trait]
impl Versions for Shelf {
    async fn changes(&self, mark: u64) -> Result<Changes, BoxError> {
        let shelf = self.0.lock();
        let changed = shelf.1.iter().filter(|(_, (_, when))| *when > mark);
        Ok(Changes {
            mark: shelf.0,
            tables: changed
                .map(|(t, (version, _))| (t.clone(), *version))
                .collect(),
        })
    }
}

/// Everything a test needs.
pub(crate) struct World {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<HandClock>,
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) hands: Arc<Hands>,
    pub(crate) flow: Flow,
    pub(crate) scheduler: Scheduler,
    pub(crate) executor: Executor,
}

pub(crate) async fn open_store(folder: &Path) -> SqliteStore {
    let path = folder.join("flow.db");
    SqliteStore::open(&path, Durability::Process).await.unwrap()
}

pub(crate) fn options(node: &str) -> ExecutorOptions {
    ExecutorOptions {
        node: node.to_owned(),
        boot: "1".to_owned(),
        seed: 1,
        ..ExecutorOptions::default()
    }
}

impl World {
    pub(crate) async fn new(start: &str, project: Project) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(open_store(folder.path()).await);
        let clock = HandClock::new(at(start));
        let shelf = Arc::new(Shelf::default());
        let hands = Arc::new(Hands::default());
        let flow = Flow::new(store, clock.clone());
        flow.apply(project).await.unwrap();
        let scheduler = flow.scheduler(shelf.clone(), 1);
        let executor = flow.executor(hands.clone(), options("one"));
        Self {
            folder,
            clock,
            shelf,
            hands,
            flow,
            scheduler,
            executor,
        }
    }

    /// Ticks and works until nothing is left to do at this time.
    pub(crate) async fn work(&mut self) -> Vec<(RunId, State)> {
        let mut ended = Vec::new();
        loop {
            let tick = self.scheduler.tick().await.unwrap();
            let worked = self.executor.turn().await.unwrap();
            ended.extend(worked.runs.clone());
            if self.executor.running() > 0 {
                self.executor.settle().await;
            } else if tick.opened.is_empty() && tick.lost == 0 && worked == Worked::default() {
                return ended;
            }
        }
    }

    /// Ticks and begins what there is, without waiting for ends.
    pub(crate) async fn begin(&mut self) -> Worked {
        self.scheduler.tick().await.unwrap();
        let worked = self.executor.turn().await.unwrap();
        // Lets what began get to where it waits.
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        worked
    }

    /// Ticks and works until attempts at all of these have begun.
    pub(crate) async fn begin_until(&mut self, assets: &[&str]) {
        while !assets
            .iter()
            .all(|asset| self.hands.begun().iter().any(|begun| begun == asset))
        {
            self.begin().await;
        }
    }

    pub(crate) fn turn(&self, seconds: i64) {
        self.clock.turn(TimeDelta::seconds(seconds));
    }

    pub(crate) async fn states(&self, run: RunId) -> BTreeMap<String, State> {
        let steps = self.flow.store().steps(run).await.unwrap();
        let states = steps.into_iter();
        states
            .map(|step| (step.asset.to_string(), step.state))
            .collect()
    }

    pub(crate) async fn state(&self, run: RunId) -> State {
        self.flow.store().run(run).await.unwrap().state
    }
}

pub(crate) fn model(id: &str, inputs: &[&str]) -> Asset {
    Asset::new(id, AssetKind::Model).after(inputs.iter().copied())
}

pub(crate) fn graph(assets: impl IntoIterator<Item = Asset>) -> Graph {
    Graph::new(assets).unwrap()
}

/// `a` feeds `b` and `c`, which feed `d`.
pub(crate) fn diamond() -> Graph {
    graph([
        model("a", &[]),
        model("b", &["a"]),
        model("c", &["a"]),
        model("d", &["b", "c"]),
    ])
}

pub(crate) fn schedule(name: &str, asset: &str, trigger: Trigger) -> Schedule {
    Schedule {
        name: name.into(),
        target: Target::with_descendants([asset]),
        trigger,
        priority: 0,
        max_open_runs: 4,
        alerts: true,
    }
}

pub(crate) fn cron(text: &str, zone: &str) -> Trigger {
    Trigger::Cron {
        cron: Cron::parse(text, zone).unwrap(),
        missed: MissedTicks::Latest,
    }
}

pub(crate) fn project(graph: Graph, schedules: impl IntoIterator<Item = Schedule>) -> Project {
    Project::new(graph, schedules, []).unwrap()
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
