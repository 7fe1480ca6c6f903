//! What Weir and a keeper say to each other: one line of JSON each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What to run, and within what.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeeperSpec {
    pub(crate) argv: Vec<String>,
    pub(crate) cwd: PathBuf,
    /// The whole environment. It comes through the socket, so that nobody sees it in a list of
    /// processes.
    pub(crate) env: Vec<(String, String)>,
    /// The file it reads from its standard input.
    pub(crate) stdin: Option<PathBuf>,
    /// Where it may write; none when it may everywhere.
    pub(crate) writable: Option<Vec<PathBuf>>,
    /// What it sees as `/pfs`.
    pub(crate) pfs: Option<PathBuf>,
    /// A folder for the new root, if one is needed.
    pub(crate) root: PathBuf,
    /// The folders its bytes are counted in.
    pub(crate) counted: Vec<PathBuf>,
    /// Whether namespaces are tried.
    pub(crate) isolate: bool,
    pub(crate) limits: KeeperLimits,
}

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(crate) struct KeeperLimits {
    pub(crate) memory: Option<u64>,
    pub(crate) cpu_ms: Option<u64>,
    pub(crate) file_size: Option<u64>,
    pub(crate) processes: Option<u64>,
    pub(crate) open_files: Option<u64>,
    pub(crate) scratch: Option<u64>,
    pub(crate) free_disk: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ToKeeper {
    /// SIGTERM now, SIGKILL after the grace.
    Stop { grace_ms: u64 },
    /// SIGKILL.
    Kill,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum FromKeeper {
    /// It is there, and waits for what to run.
    Here {
        pid: u32,
    },
    Started(Started),
    /// It was not begun.
    NotStarted {
        why: String,
        /// Whether there is no such program.
        missing: bool,
    },
    Ended(Ended),
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Started {
    /// Whether it has namespaces of its own.
    pub(crate) isolated: bool,
    /// What could not be contained.
    pub(crate) notes: Vec<String>,
}

/// How the command ended.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    /// Whether it left processes behind.
    pub(crate) left: bool,
    pub(crate) cpu_ms: u64,
    /// The most memory all processes had at once, as far as was seen.
    pub(crate) memory: u64,
    /// What it used too much of.
    pub(crate) over: Option<Over>,
}

/// What a command used too much of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Over {
    /// The limit's key.
    pub(crate) limit: String,
    /// What was seen.
    pub(crate) used: u64,
    /// What it may.
    pub(crate) most: u64,
}
