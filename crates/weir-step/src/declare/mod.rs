//! What a step is, and how a project says it.

mod files;
mod input;
mod keys;
mod output;
mod read;
mod written;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

pub use self::input::{Input, Origin, Source};
pub use self::output::{Output, OutputTarget, TableFormat};
pub(crate) use self::read::check_name;
pub use self::read::parse_steps;

/// A command that turns inputs into outputs, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Its name, which is also that of its asset and of its datums in the ledger.
    pub name: String,
    /// What is run for each datum.
    pub command: Command,
    /// What is run for a datum whose command failed as often as it may; if it succeeds, the datum
    /// counts as recovered and has no outputs.
    pub err_command: Option<Command>,
    /// Where it is run, from the project's folder.
    pub cwd: PathBuf,
    /// The whole environment, besides what Weir tells.
    pub env: BTreeMap<String, EnvValue>,
    /// Files of the project that are part of the fingerprint: the code.
    pub code: Vec<crate::glob::Glob>,
    /// What it reads.
    pub input: Input,
    /// What becomes of the files it writes.
    pub outputs: Vec<Output>,
    /// How often a datum is tried in all.
    pub tries: u32,
    /// How long one try may take.
    pub timeout: Option<Duration>,
    /// How long one try may say nothing.
    pub silence: Option<Duration>,
    /// How long a command has between SIGTERM and SIGKILL.
    pub grace: Duration,
    /// How many datums are worked on at once.
    pub parallel: u32,
    /// What one try may use.
    pub limits: Limits,
    /// What happens when two datums write the same path.
    pub collision: Collision,
    /// Which datums are done again.
    pub reprocess: Reprocess,
    /// What runs the command.
    pub runner: RunnerKind,
    /// Whose names the environment and folders have.
    pub compat: Compat,
    /// The user whose rights it has over tables; the project's owner unless given.
    pub owner: Option<String>,
    /// What the command may do in the database by itself.
    pub database: Option<DatabaseUse>,
}

/// A program with its arguments, and what it reads from its standard input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// The program, then its arguments.
    pub argv: Vec<String>,
    /// What it reads; nothing unless given.
    pub stdin: Option<String>,
}

/// The value of a variable of the environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EnvValue {
    /// As it is.
    Plain(String),
    /// Text in which `${env:NAME}` stands for a variable of Weir's own environment: a secret.
    Secret(String),
}

/// What one try at a datum may use. `None` is no bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Memory of all its processes together, in bytes.
    pub memory: Option<u64>,
    /// Time on the CPU of all its processes together.
    pub cpu: Option<Duration>,
    /// Bytes of one file.
    pub file_size: Option<u64>,
    /// How many processes and threads it may have at once.
    pub processes: Option<u64>,
    /// How many files one process may have open.
    pub open_files: Option<u64>,
    /// Bytes of all files it leaves.
    pub output: Option<u64>,
    /// Bytes of all it writes: outputs and temporary files.
    pub scratch: Option<u64>,
    /// Bytes that must stay free on the disk it writes to, once it has written a little.
    pub free_disk: Option<u64>,
    /// Bytes of its log that are kept.
    pub log: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: Some(4 << 30),
            cpu: None,
            file_size: None,
            processes: Some(512),
            open_files: Some(4096),
            output: Some(16 << 30),
            scratch: Some(32 << 30),
            free_disk: Some(512 << 20),
            log: 1 << 20,
        }
    }
}

/// What a command may do in the database by itself, with a way in that ends with its job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DatabaseUse {
    /// Read what its owner may read.
    Read,
    /// Read and write what its owner may.
    Write,
}

/// What happens when two datums write the same path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collision {
    /// The step fails, naming both.
    #[default]
    Error,
    /// The files are put one after the other, in the order of the datums' paths.
    Concat,
}

/// Which datums that succeeded before are done again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reprocess {
    /// Those whose files, command, code or environment changed.
    #[default]
    Changed,
    /// All.
    All,
    /// Those whose files changed; a change of the step itself counts for new files only.
    Never,
}

/// What runs the command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RunnerKind {
    /// A process of this machine.
    #[default]
    Process,
    /// A container, through podman or docker.
    Container {
        /// The image.
        image: String,
        /// Whether it reaches the network.
        network: bool,
    },
}

/// Whose names the environment and folders have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compat {
    /// Ours: `WEIR_IN`, `WEIR_OUT`.
    #[default]
    Weir,
    /// Pachyderm's as well: `/pfs` and `PACH_*`.
    Pachyderm,
}

impl fmt::Display for RunnerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Process => f.write_str("process"),
            Self::Container { image, .. } => write!(f, "container {image}"),
        }
    }
}
