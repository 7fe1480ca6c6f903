//! A generator of load: the demo company's events, as many as a machine takes, with the time to
//! each acknowledgement and a record of what was acknowledged.
//!
//! It shares the machine with the server it measures, so it spends as little as it can: batches are
//! compressed once, message ids are written into the compressed bytes, connections are plain
//! sockets.

mod batch;
mod connection;
mod report;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use rand::Rng;

use crate::failure::{Explain, Failure};
use crate::ui::Ui;

use self::batch::{Batch, IdPrefix};
use self::connection::{Connection, Outcome};
use self::report::{Acknowledged, Latencies, Report};

/// One of the templates is made anew after so long, so that times are not from the past.
const RENEW: Duration = Duration::from_secs(2);
/// Requests that differ in their events; connections take them in turn.
const TEMPLATES: usize = 4;
/// Requests after which a connection takes the next template.
const TURN: u64 = 32;

#[derive(Clone, Debug)]
pub(crate) struct Options {
    /// `host:port` of the server.
    pub(crate) address: String,
    pub(crate) key: String,
    pub(crate) connections: usize,
    /// Events in one request; 1 sends single events.
    pub(crate) batch: usize,
    pub(crate) gzip: bool,
    /// Events per second over all connections; none sends the next when the last is answered.
    pub(crate) rate: Option<f64>,
    pub(crate) duration: Duration,
    /// Send a request again until it is acknowledged, over new connections if need be.
    pub(crate) retry: bool,
    /// Where to write which ids were acknowledged.
    pub(crate) ids: Option<PathBuf>,
    pub(crate) seed: u64,
}

/// What all connections share.
struct Run {
    options: Options,
    started: Instant,
    until: Instant,
    prefix: u32,
    /// Made in the background, one at a time: making one takes as long as many answers.
    templates: [ArcSwap<Batch>; TEMPLATES],
    acknowledged: Acknowledged,
    /// Answers that were no success, and connections that broke.
    refused: AtomicU64,
    broken: AtomicU64,
}

/// Sends until the time is up, and says what came of it.
pub(crate) async fn run(options: Options, ui: &Ui) -> Result<(), Failure> {
    let acknowledged = Acknowledged::open(options.ids.as_deref())
        .explain(|| "cannot write the ids that were acknowledged".into())?;
    let templates = std::array::from_fn(|index| ArcSwap::from_pointee(Batch::new(&options, index)));
    let started = Instant::now();
    let run = Arc::new(Run {
        until: started + options.duration,
        started,
        templates,
        prefix: rand::rng().random(),
        acknowledged,
        refused: AtomicU64::new(0),
        broken: AtomicU64::new(0),
        options,
    });
    let renewing = tokio::spawn(renew(run.clone()));
    let workers: Vec<_> = (0..run.options.connections)
        .map(|worker| tokio::spawn(work(run.clone(), worker)))
        .collect();
    let mut latencies = Latencies::default();
    for worker in workers {
        let of_worker = worker
            .await
            .explain(|| "a connection's task ended early".into())??;
        latencies.merge(of_worker);
    }
    renewing.abort();
    run.acknowledged
        .finish()
        .explain(|| "cannot write the ids that were acknowledged".into())?;
    let report = Report::new(
        &latencies,
        run.started.elapsed(),
        run.options.batch,
        run.refused.load(Ordering::Relaxed),
        run.broken.load(Ordering::Relaxed),
    );
    ui.answer_json(&report);
    Ok(())
}

impl Run {
    /// Returns a copy of a template to write ids into.
    fn template(&self, worker: usize, turn: u64) -> Batch {
        let index = (worker as u64 + turn) % TEMPLATES as u64;
        Batch::clone(&self.templates[index as usize].load())
    }
}

/// Keeps the templates fresh.
async fn renew(run: Arc<Run>) {
    for turn in 0.. {
        tokio::time::sleep(RENEW).await;
        let making = run.clone();
        let made = tokio::task::spawn_blocking(move || Batch::new(&making.options, turn)).await;
        if let Ok(batch) = made {
            run.templates[turn % TEMPLATES].store(Arc::new(batch));
        }
    }
}

/// One connection: sends, waits, notes, until the time is up.
async fn work(run: Arc<Run>, worker: usize) -> Result<Latencies, Failure> {
    let options = &run.options;
    let prefix = IdPrefix::new(run.prefix, worker);
    let mut batch = run.template(worker, 0);
    let mut latencies = Latencies::default();
    let mut connection: Option<Connection> = None;
    let mut next_id: u64 = 0;
    let pause = options.rate.map(|rate| {
        Duration::from_secs_f64(options.batch as f64 * options.connections as f64 / rate)
    });
    // Connections take turns instead of all sending at the same moment.
    let mut due = run.started
        + pause
            .unwrap_or_default()
            .mul_f64(worker as f64 / options.connections as f64);

    while Instant::now() < run.until {
        if let Some(pause) = pause {
            tokio::time::sleep_until(due.into()).await;
            due += pause;
        }
        // An answer that comes late because the one before was late counts from when it was due.
        let begun = pause.map_or_else(Instant::now, |pause| due - pause);
        let turn = next_id / options.batch as u64;
        if turn.is_multiple_of(TURN) {
            batch = run.template(worker, turn / TURN);
        }
        batch.write_ids(&prefix, next_id);
        let first = next_id;
        next_id += options.batch as u64;
        if deliver(&run, &batch, &mut connection).await {
            latencies.record(begun.elapsed());
            run.acknowledged.note(&prefix, first, options.batch);
        }
    }
    Ok(latencies)
}

/// Sends one request until it is acknowledged, or once; returns whether it was.
async fn deliver(run: &Run, batch: &Batch, connection: &mut Option<Connection>) -> bool {
    loop {
        let outcome = match connection {
            Some(open) => open.send(batch.request()).await,
            None => match Connection::open(&run.options.address).await {
                Ok(open) => connection.insert(open).send(batch.request()).await,
                Err(_) => Outcome::Broken,
            },
        };
        match outcome {
            Outcome::Acknowledged { keep } => {
                if !keep {
                    *connection = None;
                }
                return true;
            }
            Outcome::Refused { keep } => {
                run.refused.fetch_add(1, Ordering::Relaxed);
                if !keep {
                    *connection = None;
                }
            }
            Outcome::Broken => {
                run.broken.fetch_add(1, Ordering::Relaxed);
                *connection = None;
                // A server that is being started again is not helped by a storm.
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        if !run.options.retry || Instant::now() >= run.until {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
