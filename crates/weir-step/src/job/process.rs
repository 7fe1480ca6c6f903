//! One datum: its tries, and what recovers it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;

use super::blocking;
use super::check::check_outputs;
use super::work::Work;
use crate::capture::Capture;
use crate::container::{Engine, Inside, outer_env};
use crate::datum::Datum;
use crate::declare::{Command, RunnerKind};
use crate::error::{StepError, StepErrorKind};
use crate::keeper::{KeeperLimits, KeeperSpec, disk_usage};
use crate::ledger::{DatumDetails, DatumRecord, DatumState};
use crate::scratch::{Collected, Put, Scratch};
use crate::supervise::{Exit, Supervise, Supervised};

/// How a try ended.
enum Tried {
    Done(Collected),
    /// Why not, and whether another try may end differently.
    Failed(String, bool),
    Cancelled,
}

/// Tries a datum as often as its step allows; none when it was cancelled.
pub(super) async fn process(
    work: Arc<Work>,
    datum: Arc<Datum>,
) -> Result<Option<DatumRecord>, StepError> {
    let step = &work.request.step;
    let label = datum.label(&work.loaded);
    let mut details = DatumDetails {
        run: work.request.run.clone(),
        label,
        ..DatumDetails::default()
    };
    let mut state = DatumState::Failed;
    for number in 1..=step.tries {
        details.tries = number;
        match one_try(&work, &datum, &step.command, false, &mut details).await? {
            Tried::Cancelled => return Ok(None),
            Tried::Done(collected) => {
                state = DatumState::Succeeded;
                details.reason = None;
                details.bytes = collected.written;
                details.outputs = collected.outputs;
                break;
            }
            Tried::Failed(why, again) => {
                tracing::debug!(step = %step.name, datum = %datum.key, number, "a datum failed");
                details.reason = Some(why);
                if !again {
                    break;
                }
            }
        }
    }
    if state == DatumState::Failed
        && let Some(command) = &step.err_command
    {
        let failure = details.reason.take();
        match one_try(&work, &datum, command, true, &mut details).await? {
            Tried::Cancelled => return Ok(None),
            Tried::Done(_) => {
                state = DatumState::Recovered;
                details.reason = failure;
            }
            Tried::Failed(why, _) => {
                let failure = failure.unwrap_or_default();
                details.reason = Some(format!("{failure}; the err_command {why}"));
            }
        }
    }
    details.ended_at = Utc::now();
    Ok(Some(DatumRecord {
        key: datum.key,
        fingerprint: datum.fingerprint,
        code: work.code,
        state,
        details,
    }))
}

async fn one_try(
    work: &Arc<Work>,
    datum: &Arc<Datum>,
    command: &Command,
    recovers: bool,
    details: &mut DatumDetails,
) -> Result<Tried, StepError> {
    let step = &work.request.step;
    let folder = work.folder.join(uuid::Uuid::new_v4().simple().to_string());
    // Without a sandbox, nothing keeps a command from writing into a blob through its other name.
    let put = if work.links { Put::Link } else { Put::Copy };
    let (task, unit, stdin) = (work.clone(), datum.clone(), command.stdin.clone());
    let scratch = blocking(move || {
        let scratch = Scratch::create(folder, task.request.step.compat)?;
        scratch.put_inputs(&unit, &task.loaded, &task.inner.store, &task.exports, put)?;
        if let Some(text) = stdin {
            let path = scratch.root.join("stdin");
            std::fs::write(&path, text).map_err(|error| StepError::io("write", &path, error))?;
        }
        Ok(scratch)
    })
    .await?;
    let what = if recovers { "err_command" } else { "command" };
    let prefix = match work.prefixed {
        true => format!("[{}] ", shorten(&details.label)),
        false => String::new(),
    };
    let keep = step.limits.log;
    let mut capture = Capture::new(&*work.request.log, &work.scrubber, prefix, keep);
    let ended = supervise(work, datum, command, &scratch, &mut capture).await;
    let tried = match &ended {
        Ok(ended) => {
            details.ms = millis(ended.elapsed);
            details.cpu_ms = ended.cpu_ms;
            details.memory = ended.memory;
            details.exit_code = match ended.exit {
                Exit::Code(code) => Some(code),
                _ => None,
            };
            judge(work, datum, &scratch, ended, recovers).await
        }
        Err(_) => Ok(Tried::Cancelled),
    };
    if let Ok(Tried::Failed(why, _)) = &tried {
        capture.note(&format!(
            "the {what} {why} (try {} of {})",
            details.tries, step.tries
        ));
    }
    details.log.push_str(&capture.end());
    let removed = blocking(move || scratch.remove()).await;
    ended?;
    let tried = tried?;
    removed?;
    Ok(tried)
}

/// Runs the command.
async fn supervise(
    work: &Arc<Work>,
    datum: &Datum,
    command: &Command,
    scratch: &Scratch,
    capture: &mut Capture<'_>,
) -> Result<Supervised, StepError> {
    let step = &work.request.step;
    let options = &work.inner.options;
    let mark = uuid::Uuid::new_v4().simple().to_string();
    let run = &work.request.run;
    let env = work
        .environment
        .for_datum(step, run, &mark, datum, &work.loaded, scratch);
    let limits = &step.limits;
    let mut spec = KeeperSpec {
        argv: command.argv.clone(),
        cwd: options.project.join(&step.cwd),
        env,
        stdin: command.stdin.as_ref().map(|_| scratch.root.join("stdin")),
        writable: Some(vec![scratch.out.clone(), scratch.tmp.clone()]),
        pfs: scratch.pfs.clone(),
        root: scratch.root.join("root"),
        counted: vec![scratch.out.clone(), scratch.tmp.clone()],
        isolate: options.isolate,
        limits: KeeperLimits {
            memory: limits.memory,
            cpu_ms: limits.cpu.map(millis),
            file_size: limits.file_size,
            processes: limits.processes,
            open_files: limits.open_files,
            scratch: limits.scratch,
            free_disk: limits.free_disk,
        },
    };
    if let (RunnerKind::Container { image, network }, Some(engine)) = (&step.runner, &work.engine) {
        spec.argv = engine.argv(&Inside {
            step,
            argv: &command.argv,
            image,
            network: *network,
            mark: &mark,
            project: &options.project,
            scratch,
            stdin: command.stdin.is_some(),
            env: &spec.env,
        });
        spec.env = outer_env(spec.env);
        // The engine keeps these limits; its own program needs its files and its socket.
        (spec.writable, spec.pfs, spec.isolate) = (None, None, false);
        spec.limits = KeeperLimits {
            scratch: limits.scratch,
            free_disk: limits.free_disk,
            ..KeeperLimits::default()
        };
    } else if scratch.pfs.is_some() {
        // The command sees them under other names.
        let seen = [&scratch.out, &scratch.tmp].map(|path| scratch.seen(path));
        spec.writable.get_or_insert_default().extend(seen);
    }
    let supervised = Supervise {
        forker: &work.inner.forker,
        running: &work.inner.running,
        spec: &spec,
        mark: &mark,
        engine: work.engine.as_ref().map(Engine::program),
        timeout: step.timeout,
        silence: step.silence,
        grace: step.grace,
        cancel: &work.request.cancel,
    }
    .run(capture)
    .await;
    let clean = matches!(
        &supervised,
        Ok(Supervised {
            exit: Exit::Code(_),
            ..
        })
    );
    if !clean && let Some(engine) = &work.engine {
        engine.remove(&mark).await;
    }
    supervised
}

/// Decides what a command's end means, and takes what it wrote.
async fn judge(
    work: &Arc<Work>,
    datum: &Arc<Datum>,
    scratch: &Scratch,
    ended: &Supervised,
    recovers: bool,
) -> Result<Tried, StepError> {
    let step = &work.request.step;
    match &ended.exit {
        Exit::Cancelled => return Ok(Tried::Cancelled),
        Exit::Code(0) => {}
        exit => return Ok(Tried::Failed(exit.text(step.grace), exit.may_pass())),
    }
    // What recovers a datum says so by its exit; what it writes is not kept.
    if recovers {
        return Ok(Tried::Done(Collected::default()));
    }
    let (task, unit, scratch) = (work.clone(), datum.clone(), scratch.clone());
    let taken = blocking(move || {
        let step = &task.request.step;
        let limits = &step.limits;
        if let Some(most) = limits.scratch {
            // Whatever came between the last look and the end.
            let used = disk_usage(&[scratch.out.clone(), scratch.tmp.clone()], most);
            if used > most {
                return Err(StepError::new(
                    StepErrorKind::Limit,
                    format!("used {used} bytes of scratch, {most} are allowed; raise `limits.scratch` if it needs more"),
                ));
            }
        }
        let store = &task.inner.store;
        let collected = scratch.take_outputs(&unit, &task.loaded, store, limits.output)?;
        check_outputs(&step.outputs, &collected.outputs, store)?;
        Ok(collected)
    })
    .await;
    match taken {
        Ok(collected) => Ok(Tried::Done(collected)),
        Err(error) if matches!(error.kind(), StepErrorKind::Output | StepErrorKind::Limit) => {
            let hint = error
                .hint()
                .map(|hint| format!(" ({hint})"))
                .unwrap_or_default();
            Ok(Tried::Failed(
                format!("left what cannot be taken: {error}{hint}"),
                true,
            ))
        }
        Err(error) => Err(error),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn shorten(label: &str) -> &str {
    let end = label
        .char_indices()
        .nth(60)
        .map_or(label.len(), |(at, _)| at);
    &label[..end]
}

/// Where a job keeps the files of its tables.
pub(super) fn tables_folder(work: &std::path::Path) -> PathBuf {
    work.join("tables")
}
