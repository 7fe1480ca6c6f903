//! Processes that die at every transition: the tables are as if nothing had happened.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use proptest::prelude::*;
use weir_flow::*;

use crate::world::*;

/// Where a process dies: at its so-many-th transition, before or after it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Death {
    pub(crate) at: u64,
    pub(crate) after: bool,
}

/// The life of one process: counts transitions, and ends at one of them.
#[derive(Debug, Default)]
pub(crate) struct Life {
    passed: AtomicU64,
    death: Option<Death>,
    dead: AtomicBool,
    /// Ends the process in earnest.
    real: bool,
}

impl Life {
    pub(crate) fn new(death: Option<Death>, real: bool) -> Arc<Self> {
        Arc::new(Self {
            death,
            real,
            ..Self::default()
        })
    }

    fn end(&self) -> FlowError {
        if self.real {
            let own = rustix::process::getpid();
            let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
            loop {
                std::thread::park();
            }
        }
        self.dead.store(true, Ordering::SeqCst);
        FlowError::new(FlowErrorKind::Unavailable, "the process is dead")
    }

    fn check(&self) -> Result<(), FlowError> {
        match self.dead.load(Ordering::SeqCst) {
            true => Err(self.end()),
            false => Ok(()),
        }
    }

    /// Counts a transition; says whether the process dies after it.
    fn begin(&self) -> Result<bool, FlowError> {
        self.check()?;
        let number = self.passed.fetch_add(1, Ordering::SeqCst);
        match self.death {
            Some(Death { at, after: false }) if at == number => Err(self.end()),
            Some(Death { at, after: true }) => Ok(at == number),
            _ => Ok(false),
        }
    }

    async fn pass<T>(
        &self,
        transition: impl Future<Output = Result<T, FlowError>>,
    ) -> Result<T, FlowError> {
        let dies = self.begin()?;
        let done = transition.await;
        if dies {
            return Err(self.end());
        }
        self.check()?;
        done
    }
}

/// A store that dies with its process.
#[derive(Debug)]
struct Mortal {
    inner: SqliteStore,
    life: Arc<Life>,
}

macro_rules! mortal {
    (
        reads { $(fn $read:ident($($ra:ident: $rt:ty),*) -> $ro:ty;)* }
        writes { $(fn $write:ident($($wa:ident: $wt:ty),*) -> $wo:ty;)* }
    ) => {
        #[async_trait]
        impl Store for Mortal {
            $(async fn $read(&self, $($ra: $rt),*) -> Result<$ro, FlowError> {
                self.life.check()?;
                self.inner.$read($($ra),*).await
            })*
            $(async fn $write(&self, $($wa: $wt),*) -> Result<$wo, FlowError> {
                self.life.pass(self.inner.$write($($wa),*)).await
            })*
        }
    };
}

type Time = DateTime<Utc>;
type Places = Vec<(u64, PartitionKey)>;
type Cursors = HashMap<TableId, i64>;
type Times = HashMap<AssetId, Time>;
type Place = Option<(BackfillId, u64)>;

mortal! {
    reads {
        fn schedules() -> Vec<ScheduleRecord>;
        fn schedule(name: &ScheduleName) -> ScheduleRecord;
        fn due(now: Time, most: u32) -> Due;
        fn cursors(schedule: &ScheduleName) -> Cursors;
        fn succeeded_at(assets: &[AssetId]) -> Times;
        fn has_ready(now: Time, kinds: &[AssetKind]) -> bool;
        fn backfill(backfill: BackfillId) -> Backfill;
        fn backfill_place(backfill: BackfillId, run: RunId) -> Place;
        fn alerts(most: u32) -> Vec<Alert>;
        fn backfills(most: u32) -> Vec<Backfill>;
        fn run_lengths(schedule: &ScheduleName, most: u32) -> Vec<std::time::Duration>;
        fn figures(now: Time) -> Figures;
        fn run(run: RunId) -> Run;
        fn runs(filter: &RunFilter) -> Vec<Run>;
        fn steps(run: RunId) -> Vec<Step>;
        fn attempts(step: StepId) -> Vec<AttemptRecord>;
        fn log(attempt: AttemptId, from: u64, most: u32) -> Vec<LogLine>;
        fn identity() -> String;
        fn table_states() -> Vec<TableState>;
        fn steps_of(runs: &[RunId]) -> Vec<Step>;
        fn attempts_of(runs: &[RunId]) -> Vec<(RunId, AttemptRecord)>;
        fn logs_of(attempts: &[AttemptId], most: u32) -> Vec<(AttemptId, LogLine)>;
    }
    writes {
        fn define(definitions: &Definitions, now: Time) -> ();
        fn pause(name: &ScheduleName, now: Time) -> ();
        fn resume(name: &ScheduleName, resume: Resume, next_at: Option<Time>, now: Time) -> ();
        fn open(openings: &[Opening], plans: &[Plan]) -> Planned;
        fn give_up_waiting(steps: &[StepId], now: Time) -> ();
        fn take_over(node: &str, boot: &str, now: Time) -> u64;
        fn advance(turn: &Turn) -> Turned;
        fn beat(beats: &[Beat], now: Time, until: Time) -> Vec<BeatAnswer>;
        fn begin_publish(attempt: AttemptId, now: Time, until: Time) -> ();
        fn cancel(run: RunId, reason: &str, now: Time) -> ();
        fn begin_backfill(backfill: &NewBackfill, now: Time) -> BackfillId;
        fn pause_backfill(backfill: BackfillId, pause: bool, now: Time) -> ();
        fn cancel_backfill(backfill: BackfillId, reason: &str, now: Time) -> ();
        fn continue_backfill(backfill: BackfillId, most: u32, now: Time) -> Places;
        fn incident(key: &str, problem: Option<&str>, now: Time) -> bool;
        fn raise_sequences(published: &[(AssetId, u64)]) -> ();
        fn put_table_states(states: &[TableState]) -> ();
        fn forget_logs(before: Time) -> u64;
        fn alert_tried(alert: i64, again_at: Option<Time>, now: Time) -> ();
    }
}

/// Tables in a file, so that they outlive processes that end in earnest. A publication is one line.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    lines: Mutex<Vec<(String, u64, String)>>,
    /// Publications that an earlier attempt had made.
    adopted: AtomicU64,
}

impl Journal {
    pub(crate) fn open(path: PathBuf) -> Arc<Self> {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = text.lines().map(|line| {
            let mut parts = line.split('\t');
            let mut part = || parts.next().unwrap().to_owned();
            (part(), part().parse().unwrap(), part())
        });
        let lines = Mutex::new(lines.collect());
        Arc::new(Self {
            path,
            lines,
            adopted: AtomicU64::new(0),
        })
    }

    /// Commits by the contract of `PublishToken`.
    fn commit(&self, token: &PublishToken, content: &str) -> Result<String, FlowError> {
        let mut lines = self.lines.lock();
        let of_app = lines.iter().filter(|(app, ..)| *app == token.app);
        let latest = of_app.map(|(_, sequence, _)| *sequence).max().unwrap_or(0);
        if latest > token.sequence {
            return Err(FlowError::new(
                FlowErrorKind::Stale,
                "a later step has published",
            ));
        }
        if latest == token.sequence {
            self.adopted.fetch_add(1, Ordering::SeqCst);
        } else {
            use std::io::Write;
            let mut file = std::fs::OpenOptions::new();
            let mut file = file.create(true).append(true).open(&self.path).unwrap();
            let line = format!("{}\t{}\t{content}\n", token.app, token.sequence);
            file.write_all(line.as_bytes()).unwrap();
            lines.push((token.app.clone(), token.sequence, content.to_owned()));
        }
        Ok(format!("{}@{}", token.app, token.sequence))
    }

    pub(crate) fn contents(&self) -> BTreeMap<String, Vec<String>> {
        let mut contents: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (app, _, content) in &*self.lines.lock() {
            contents
                .entry(app.clone())
                .or_default()
                .push(content.clone());
        }
        contents
    }
}

/// Publishes; committing to the tables is a transition too. The first try at `flaky` fails.
#[derive(Debug)]
struct Publisher {
    journal: Arc<Journal>,
    life: Arc<Life>,
}

#[async_trait]
impl Worker for Publisher {
    async fn run(&self, attempt: Attempt) -> Outcome {
        attempt.log().write("begun");
        if attempt.asset().as_str() == "flaky" && attempt.number() == 1 {
            return Outcome::transient("busy");
        }
        let content = content_of(&attempt);
        let published = attempt
            .publish(async |token| {
                let commit = async { self.journal.commit(&token, &content) };
                self.life.pass(commit).await
            })
            .await;
        match published {
            Ok(version) => Outcome::Succeeded(Some(version)),
            Err(error) => Outcome::transient(error.to_string()),
        }
    }
}

fn everything() -> Project {
    let mut parted = model("parted", &[]);
    parted.partitioning = Some(Partitioning::Keys(vec!["eu".into(), "us".into()]));
    let patient = RetryPolicy {
        lost: 100,
        longest_wait: SECOND * 20,
        ..RetryPolicy::default()
    };
    let assets = [
        model("base", &[]),
        model("flaky", &["base"]),
        model("top", &["base", "flaky"]),
        model("followed", &[]),
        parted,
    ];
    let clock = Trigger::Cron {
        cron: Cron::parse("*/10 * * * *", "UTC").unwrap(),
        missed: MissedTicks::All { max: 10 },
    };
    let inputs = Trigger::Inputs {
        tables: vec!["raw".into()],
        batch: Batch::Each { max: 100 },
        at_most_every: std::time::Duration::ZERO,
    };
    let schedules = [
        schedule("clock", "base", clock),
        schedule("inputs", "followed", inputs),
    ];
    let assets = assets.map(|asset| asset.with_retry(patient));
    Project::new(graph(assets), schedules, []).unwrap()
}

/// What is left when all is done.
#[derive(Debug, PartialEq)]
pub(crate) struct Remains {
    contents: BTreeMap<String, Vec<String>>,
    runs: BTreeMap<String, State>,
    cursors: BTreeMap<String, i64>,
}

/// The world outside: it goes on while processes die.
struct Outside {
    folder: PathBuf,
    clock: Arc<HandClock>,
    shelf: Arc<Shelf>,
    journal: Arc<Journal>,
}

const START: &str = "2025-06-01T00:05:00Z";

/// Lives the life of one process; true when all was done, false when it died.
async fn live(outside: &Outside, life: Arc<Life>, boot: u64) -> bool {
    let lived = try_live(outside, life.clone(), boot).await;
    match lived {
        Ok(()) => true,
        Err(_) if life.dead.load(Ordering::SeqCst) => false,
        Err(error) => panic!("{error}: {error:?}"),
    }
}

async fn try_live(outside: &Outside, life: Arc<Life>, boot: u64) -> Result<(), FlowError> {
    let store = Arc::new(Mortal {
        inner: open_store(&outside.folder).await,
        life: life.clone(),
    });
    let flow = Flow::new(store, outside.clock.clone());
    flow.apply(everything()).await?;
    let journal = outside.journal.clone();
    let worker = Arc::new(Publisher { journal, life });
    let mut scheduler = flow.scheduler(outside.shelf.clone(), boot);
    let mut executor = flow.executor(
        worker,
        ExecutorOptions {
            boot: boot.to_string(),
            ..options("node")
        },
    );
    executor.take_over().await?;
    let end = at(START) + TimeDelta::minutes(30);
    loop {
        let passed = (outside.clock.now() - at(START)).num_seconds();
        // What happens outside: new versions, and somebody who wants a backfill until there is one.
        outside.shelf.set("raw", (passed / 300).min(3));
        if passed >= 120 && flow.backfill_progress(BackfillId(1)).await.is_err() {
            let request = BackfillRequest {
                target: Target::only(["parted"]),
                range: PartitionRange::All,
                chunk: 1,
                priority: 0,
            };
            flow.backfill(&request).await?;
        }
        loop {
            let tick = scheduler.tick().await?;
            let worked = executor.turn().await?;
            executor.beat().await?;
            if executor.running() > 0 {
                executor.settle().await;
            } else if worked == Worked::default() && tick.opened.is_empty() && tick.lost == 0 {
                break;
            }
        }
        let runs = flow.store().runs(&RunFilter::default()).await?;
        if outside.clock.now() >= end && runs.iter().all(|run| run.state.has_ended()) {
            return Ok(());
        }
        outside.clock.turn(TimeDelta::seconds(30));
    }
}

async fn look(folder: &Path, journal: &Journal) -> Remains {
    let store = open_store(folder).await;
    let filter = RunFilter {
        most: 1_000,
        ..RunFilter::default()
    };
    let mut runs = BTreeMap::new();
    for run in store.runs(&filter).await.unwrap() {
        let run = store.run(run.id).await.unwrap();
        for step in store.steps(run.id).await.unwrap() {
            for attempt in store.attempts(step.id).await.unwrap() {
                assert!(attempt.state.has_ended(), "an attempt was left behind");
            }
        }
        let name = format!(
            "{:?} {:?} {:?} {:?}",
            run.schedule, run.scheduled_at, run.partition, run.inputs
        );
        assert_eq!(runs.insert(name, run.state), None, "a run came twice");
    }
    let cursors = store.cursors(&"inputs".into()).await.unwrap();
    Remains {
        contents: journal.contents(),
        runs,
        cursors: cursors
            .into_iter()
            .map(|(t, v)| (t.to_string(), v))
            .collect(),
    }
}

struct History {
    remains: Remains,
    /// How many transitions the last life had.
    transitions: u64,
    adopted: u64,
}

/// Lives life after life, each ending as told, the last one to the end.
async fn history(deaths: &[Death]) -> History {
    let folder = tempfile::tempdir().unwrap();
    let outside = outside(folder.path());
    for (boot, death) in deaths.iter().enumerate() {
        if live(&outside, Life::new(Some(*death), false), boot as u64).await {
            break;
        }
        outside.clock.turn(TimeDelta::seconds(3));
    }
    let last = Life::new(None, false);
    assert!(live(&outside, last.clone(), 1_000).await);
    let transitions = last.passed.load(Ordering::SeqCst);
    History {
        remains: look(folder.path(), &outside.journal).await,
        transitions,
        adopted: outside.journal.adopted.load(Ordering::SeqCst),
    }
}

fn outside(folder: &Path) -> Outside {
    Outside {
        folder: folder.to_owned(),
        clock: HandClock::new(at(START)),
        shelf: Arc::new(Shelf::default()),
        journal: Journal::open(folder.join("journal")),
    }
}

/// One life in a process of its own; see `process.rs`.
pub(crate) async fn one_life(folder: &Path, death: Option<Death>, boot: u64, now: Time) -> Time {
    let outside = outside(folder);
    outside.clock.set(now);
    live(&outside, Life::new(death, true), boot).await;
    outside.clock.now()
}

pub(crate) async fn result_in(folder: &Path) -> Remains {
    look(folder, &Journal::open(folder.join("journal"))).await
}

pub(crate) async fn uninterrupted() -> (Remains, u64) {
    let History {
        remains: result,
        transitions,
        ..
    } = history(&[]).await;
    assert_eq!(result.contents.len(), 6);
    assert_eq!(result.contents["top"].len(), 3);
    assert_eq!(result.contents["followed"].len(), 4);
    assert_eq!(result.cursors["raw"], 3);
    assert!(result.runs.values().all(|state| *state == State::Succeeded));
    (result, transitions)
}

#[tokio::test]
async fn a_death_at_any_transition_changes_nothing() {
    let (expected, transitions) = uninterrupted().await;
    assert!(transitions > 50, "{transitions}");
    let mut adopted = 0;
    for at in 0..transitions {
        for after in [false, true] {
            let death = Death { at, after };
            let history = history(&[death]).await;
            assert_eq!(history.remains, expected, "{death:?}");
            adopted += history.adopted;
        }
    }
    println!("{transitions} transitions, {adopted} publications adopted");
    // Whoever died right after a commit was followed by one that found it done.
    assert!(adopted >= 15, "{adopted}");
}

static EXPECTED: std::sync::OnceLock<Remains> = std::sync::OnceLock::new();

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn many_deaths_change_nothing(
        deaths in prop::collection::vec((0u64..60, any::<bool>()), 1..8)
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let deaths: Vec<Death> =
            deaths.into_iter().map(|(at, after)| Death { at, after }).collect();
        let expected = EXPECTED.get_or_init(|| runtime.block_on(uninterrupted()).0);
        let result = runtime.block_on(history(&deaths)).remains;
        prop_assert_eq!(&result, expected);
    }
}
