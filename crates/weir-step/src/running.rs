//! Which keepers run: written down, so that what a killed Weir leaves behind is ended by the next.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::container::container_name;
use crate::error::StepError;
use crate::keeper::{process_start, processes_with_mark};

/// The variable by which processes of a step are known.
pub(crate) const MARK_VARIABLE: &str = "WEIR_STEP_MARK";

/// How often processes are looked for that begin others while they are ended.
const ROUNDS: usize = 100;

/// A folder with a file for each keeper.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    folder: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Noted {
    pid: u32,
    /// Pids come again; a pid and a start do not, until the machine is started anew.
    start: u64,
    boot: String,
    /// What runs its container, if it has one.
    engine: Option<PathBuf>,
}

/// A keeper that is written down until this is dropped.
#[derive(Debug)]
pub(crate) struct Note {
    path: PathBuf,
    pid: u32,
    start: u64,
}

impl Note {
    /// Ends the keeper if it is still there.
    pub(crate) fn end(&self) {
        kill(self.pid, self.start);
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        // What stays is found to be of no process at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Running {
    pub(crate) fn open(folder: &Path) -> Result<Self, StepError> {
        std::fs::create_dir_all(folder)
            .map_err(|error| StepError::io("create the folder", folder, error))?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    pub(crate) fn note(
        &self,
        mark: &str,
        pid: u32,
        engine: Option<&Path>,
    ) -> Result<Note, StepError> {
        let start = process_start(pid).unwrap_or(0);
        let noted = Noted {
            pid,
            start,
            boot: boot(),
            engine: engine.map(Path::to_owned),
        };
        let path = self.folder.join(mark);
        let text = serde_json::to_vec(&noted).unwrap_or_default();
        std::fs::write(&path, text).map_err(|error| StepError::io("write", &path, error))?;
        Ok(Note { path, pid, start })
    }

    /// Ends everything an earlier process of Weir left behind; returns how many processes.
    pub(crate) fn end_all(&self) -> Result<usize, StepError> {
        let failed = |error| StepError::io("list", &self.folder, error);
        let mut ended = 0;
        for entry in std::fs::read_dir(&self.folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let text = std::fs::read(&path).unwrap_or_default();
            let noted = serde_json::from_slice::<Noted>(&text).ok();
            if let Some(noted) = noted.as_ref().filter(|noted| noted.boot == boot()) {
                ended += usize::from(kill(noted.pid, noted.start));
            }
            if let Some(mark) = path.file_name().and_then(|name| name.to_str()) {
                ended += end_marked(mark);
                if let Some(engine) = noted.and_then(|noted| noted.engine) {
                    // It is gone already, most of the time.
                    let _ = std::process::Command::new(engine)
                        .args(["rm", "--force", &container_name(mark)])
                        .output();
                }
            }
            let _ = std::fs::remove_file(&path);
        }
        Ok(ended)
    }
}

/// Ends every process that has the mark in its environment.
pub(crate) fn end_marked(mark: &str) -> usize {
    let variable = format!("{MARK_VARIABLE}={mark}");
    let mut ended = 0;
    for _ in 0..ROUNDS {
        let found = processes_with_mark(&variable);
        if found.is_empty() {
            break;
        }
        ended += found
            .into_iter()
            .filter(|&(pid, start)| kill(pid, start))
            .count();
        std::thread::yield_now();
    }
    ended
}

/// Ends a process if it is still the one that was started then.
fn kill(pid: u32, start: u64) -> bool {
    let pid_of = i32::try_from(pid)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    match (process_start(pid), pid_of) {
        (Some(now), Some(pid)) if now == start => {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok()
        }
        _ => false,
    }
}

/// Names the time since the machine was started.
fn boot() -> String {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}
