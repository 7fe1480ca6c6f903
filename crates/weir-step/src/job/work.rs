//! One job: which datums to do, doing them, and writing down how they ended while others run.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::process::{process, tables_folder};
use super::{Inner, Job, JobReport, JobRequest, blocking, inputs, merge};
use crate::code;
use crate::container::Engine;
use crate::datum::{Datum, Loaded, datums};
use crate::declare::{Compat, Reprocess, RunnerKind};
use crate::environment::Environment;
use crate::error::{StepError, StepErrorKind};
use crate::ledger::{DatumRecord, DatumState, KnownDatum};
use crate::manifest::{ContentHash, DatumKey};
use crate::scratch::{Exports, remove_tree};
use crate::scrub::Scrubber;
use crate::warehouse::{Lent, Made};

/// At most so many ends of datums are written down at once.
const BATCH: usize = 1000;
/// So many failures are told; the ledger has all.
const FAILURES_TOLD: usize = 3;

/// What all datums of a job share.
pub(super) struct Work {
    pub(super) inner: Arc<Inner>,
    pub(super) request: JobRequest,
    pub(super) loaded: Vec<Loaded>,
    pub(super) exports: Exports,
    pub(super) environment: Environment,
    pub(super) scrubber: Scrubber,
    pub(super) engine: Option<Engine>,
    /// The hash of the step.
    pub(super) code: [u8; 32],
    /// Where its tries have their folders.
    pub(super) folder: PathBuf,
    /// Whether lines of the log name their datum.
    pub(super) prefixed: bool,
    /// Whether inputs are other names of blobs.
    pub(super) links: bool,
    /// The way into the database that commands have until the last of them has ended.
    _lent: Option<Lent>,
}

impl Drop for Work {
    fn drop(&mut self) {
        // What stays is removed with the folder of the process.
        let _ = remove_tree(&self.folder);
    }
}

/// What a job has to do.
pub(super) struct Planned {
    environment: Environment,
    engine: Option<Engine>,
    pub(super) loaded: Vec<Loaded>,
    pub(super) datums: Vec<Datum>,
    pub(super) known: Vec<KnownDatum>,
    pub(super) code: [u8; 32],
}

/// Reads inputs and ledger; changes nothing but what is known of folders.
pub(super) async fn plan(inner: &Arc<Inner>, request: &JobRequest) -> Result<Planned, StepError> {
    let step = &request.step;
    let environment = Environment::of(step, &inner.options.variables)?;
    let (engine, image) = engine(request, &environment).await?;
    let loaded = inputs::load(inner, request).await?;
    let (task, project) = (request.clone(), inner.options.project.clone());
    let cut = blocking(move || {
        let code = code::fingerprint(&task.step, &project, image.as_deref())?;
        let all = datums(&task.step.input, &loaded)?;
        Ok((loaded, all, code))
    });
    let (cut, known) = tokio::join!(cut, inner.ledger.known(&step.name));
    let (loaded, datums, code) = cut?;
    Ok(Planned {
        environment,
        engine,
        loaded,
        datums,
        known: known?,
        code,
    })
}

impl Planned {
    pub(super) fn is_done(&self, datum: &Datum, reprocess: Reprocess) -> bool {
        is_done(datum, &self.known, self.code, reprocess)
    }
}

pub(super) async fn run(inner: &Arc<Inner>, request: &JobRequest) -> Result<Job, StepError> {
    let step = &request.step;
    let planned = plan(inner, request).await?;
    let mut report = JobReport {
        datums: planned.datums.len(),
        inputs: planned
            .loaded
            .iter()
            .map(|it| (it.source.origin.to_string(), it.version))
            .collect(),
        ..JobReport::default()
    };
    let Planned {
        environment,
        engine,
        loaded,
        datums: all,
        known,
        code,
    } = planned;
    let live: HashSet<DatumKey> = all.iter().map(|datum| datum.key).collect();
    let todo: Vec<Datum> = all
        .into_iter()
        .filter(|datum| !is_done(datum, &known, code, step.reprocess))
        .collect();
    report.skipped = report.datums - todo.len();
    let gone: Vec<DatumKey> = known
        .iter()
        .map(|datum| datum.key)
        .filter(|key| !live.contains(key))
        .collect();
    report.gone = gone.len();
    fail::fail_point!("job-planned");
    let known = match todo.is_empty() {
        true => known,
        false => {
            let folder = inner
                .scratch
                .join(uuid::Uuid::new_v4().simple().to_string());
            let exports = inputs::export(
                inner,
                &loaded,
                &todo,
                &tables_folder(&folder),
                step.owner.as_deref(),
            )
            .await?;
            let mut environment = environment;
            let lent = match step.database {
                None => None,
                Some(may) => {
                    let owner = step.owner.as_deref();
                    let lent = inputs::warehouse(inner)?
                        .lend(&step.name, owner, may)
                        .await?;
                    environment.lend(&lent);
                    Some(lent)
                }
            };
            let work = Work {
                inner: inner.clone(),
                request: request.clone(),
                scrubber: Scrubber::new(environment.secrets.clone()),
                // Containers see inputs as they are, and cannot write there.
                links: match (&engine, step.compat) {
                    (None, _) => sandboxed(),
                    (Some(_), Compat::Weir) => true,
                    (Some(_), Compat::Pachyderm) => false,
                },
                prefixed: report.datums > 1,
                loaded,
                exports,
                environment,
                engine,
                code,
                folder,
                _lent: lent,
            };
            do_all(Arc::new(work), todo, &mut report).await?;
            fail::fail_point!("job-done");
            inner.ledger.known(&step.name).await?
        }
    };
    let staged = merge::stage(inner, step, &known, live, gone).await?;
    fail::fail_point!("job-staged");
    let made = Made {
        step: step.name.clone(),
        owner: step.owner.clone(),
        run: request.run.clone(),
        code,
        inputs: report.inputs.clone(),
    };
    Ok(Job {
        made,
        report,
        staged,
    })
}

/// Whether a datum need not be done.
fn is_done(datum: &Datum, known: &[KnownDatum], code: [u8; 32], reprocess: Reprocess) -> bool {
    let found = known.binary_search_by_key(&datum.key, |known| known.key);
    let Some(known) = found.ok().map(|at| &known[at]) else {
        return false;
    };
    known.state != DatumState::Failed
        && known.fingerprint == datum.fingerprint
        && match reprocess {
            Reprocess::All => false,
            Reprocess::Changed => known.code == code,
            Reprocess::Never => true,
        }
}

async fn engine(
    request: &JobRequest,
    environment: &Environment,
) -> Result<(Option<Engine>, Option<String>), StepError> {
    let RunnerKind::Container { image, .. } = &request.step.runner else {
        return Ok((None, None));
    };
    let path = environment.variables.iter().find(|(key, _)| key == "PATH");
    let engine = Engine::find(path.map_or("", |(_, path)| path))?;
    let id = tokio::select! {
        id = engine.image_id(image) => id?,
        () = request.cancel.cancelled() => return Err(cancelled()),
    };
    Ok((Some(engine), Some(id)))
}

/// Runs datums, a few at a time, and writes down how they end.
async fn do_all(
    work: Arc<Work>,
    todo: Vec<Datum>,
    report: &mut JobReport,
) -> Result<(), StepError> {
    let (ended, receiver) = mpsc::channel(BATCH);
    let recorder = tokio::spawn(record(work.clone(), receiver));
    let most = work.request.step.parallel.max(1) as usize;
    let mut waiting = todo.into_iter();
    let mut tasks = JoinSet::new();
    let mut failures = Vec::new();
    let mut trouble = None;
    let mut stopped = false;
    loop {
        while !stopped && tasks.len() < most {
            let Some(datum) = waiting.next() else { break };
            tasks.spawn(process(work.clone(), Arc::new(datum)));
        }
        let Some(joined) = tasks.join_next().await else {
            break;
        };
        match joined {
            Ok(Ok(Some(datum))) => {
                count(&datum, report, &mut failures);
                if ended.send(datum).await.is_err() {
                    // The recorder says why.
                    stopped = true;
                }
            }
            Ok(Ok(None)) => stopped = true,
            Ok(Err(error)) => {
                stopped = true;
                trouble = trouble.or(Some(error));
            }
            Err(error) => {
                stopped = true;
                let lost = StepError::new(StepErrorKind::Unavailable, "a datum was dropped");
                trouble = trouble.or(Some(lost.because(error)));
            }
        }
        stopped |= work.request.cancel.is_cancelled();
    }
    drop(ended);
    let recorded = recorder.await.map_err(|error| {
        StepError::new(
            StepErrorKind::Unavailable,
            "the ends of datums were not written down",
        )
        .because(error)
    })?;
    recorded?;
    match trouble {
        Some(error) => return Err(error),
        None if stopped => return Err(cancelled()),
        None => {}
    }
    match report.failed {
        0 => Ok(()),
        failed => Err(failure(
            &work.request.step.name,
            failed,
            report.datums,
            &failures,
        )),
    }
}

fn count(datum: &DatumRecord, report: &mut JobReport, failures: &mut Vec<String>) {
    report.bytes_written += datum.details.bytes;
    match datum.state {
        DatumState::Succeeded => report.processed += 1,
        DatumState::Recovered => report.recovered += 1,
        DatumState::Failed => {
            report.failed += 1;
            if failures.len() < FAILURES_TOLD {
                let why = datum.details.reason.as_deref().unwrap_or("failed");
                failures.push(format!("`{}` {why}", datum.details.label));
            }
        }
    }
}

fn failure(step: &str, failed: usize, datums: usize, failures: &[String]) -> StepError {
    let mut text = format!(
        "{failed} of {datums} datums of step `{step}` failed: {}",
        failures.join("; ")
    );
    if failed > failures.len() {
        text.push_str(&format!("; and {} more", failed - failures.len()));
    }
    StepError::new(StepErrorKind::Failed, text).with_hint(
        "nothing was published; mend the command or its input and run the step again: what succeeded is not done again",
    )
}

fn cancelled() -> StepError {
    StepError::new(StepErrorKind::Cancelled, "the step was cancelled")
}

/// Writes down ends of datums, as many at once as have come since the last time.
async fn record(work: Arc<Work>, mut ended: mpsc::Receiver<DatumRecord>) -> Result<(), StepError> {
    let mut batch = Vec::new();
    while ended.recv_many(&mut batch, BATCH).await > 0 {
        let store = work.inner.store.clone();
        let mut blobs: Vec<ContentHash> = batch
            .iter()
            .flat_map(|datum| &datum.details.outputs)
            .map(|file| file.hash)
            .collect();
        blobs.sort_unstable();
        blobs.dedup();
        // What the ledger says is there must be there after a power cut.
        blocking(move || store.sync_blobs(&blobs)).await?;
        fail::fail_point!("job-synced");
        work.inner
            .ledger
            .record(&work.request.step.name, &batch)
            .await?;
        fail::fail_point!("job-recorded");
        batch.clear();
    }
    Ok(())
}

/// Whether this kernel keeps a command from writing elsewhere.
fn sandboxed() -> bool {
    // SAFETY: with these arguments, the call only tells the version of Landlock.
    let version = unsafe { libc::syscall(libc::SYS_landlock_create_ruleset, 0, 0, 1) };
    version > 0
}
