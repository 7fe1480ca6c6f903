use std::collections::HashSet;
use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use chrono::{DateTime, Utc};
use parking_lot::RwLock;
use weir_jinja::{Environment, Value};

use super::{Flags, MacroTable};
use crate::node::{Manifest, UniqueId};
use crate::project::{EnvVars, Project};
use crate::warehouse::Dialect;

/// Tells the time. Tests give one that stands still.
pub trait Clock: Send + Sync + Debug {
    /// Returns the present moment.
    fn now(&self) -> DateTime<Utc>;
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}

/// One run of a command.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// A UUID.
    pub id: String,
    pub started_at: DateTime<Utc>,
    pub clock: Arc<dyn Clock>,
}

/// What a template said by `log()` or `print()`, or a warning that it raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    pub text: String,
    /// Whether people should see it; the rest is for the log file.
    pub shown: bool,
    /// Whether it is output of its own, without time or level: `print()`.
    pub plain: bool,
}

/// Takes what templates say. Calls come from several threads.
pub trait LogSink: Send + Sync + Debug {
    /// Takes one line.
    fn line(&self, line: LogLine);

    /// Takes a warning.
    fn warning(&self, text: &str) {
        self.line(LogLine {
            text: text.to_owned(),
            shown: true,
            plain: false,
        });
    }
}

/// Forgets everything.
impl LogSink for () {
    fn line(&self, _: LogLine) {}
}

/// What an invocation is known by from its start.
#[derive(Clone, Debug)]
pub struct SharedParts {
    pub project: Arc<Project>,
    pub macros: Arc<MacroTable>,
    pub environment: Arc<Environment>,
    pub env: EnvVars,
    pub dialect: Dialect,
    pub flags: Flags,
    pub invocation: Invocation,
    pub log: Arc<dyn LogSink>,
}

/// What all contexts of one invocation share.
#[derive(Debug)]
pub struct Shared {
    parts: SharedParts,
    /// Empty while parsing; set once everything is known.
    pub(crate) manifest: RwLock<Arc<Manifest>>,
    pub(crate) selected: RwLock<Arc<HashSet<UniqueId>>>,
    target: OnceLock<Value>,
    flags_value: OnceLock<Value>,
    pub(crate) graph: OnceLock<Value>,
    suffixes: std::sync::atomic::AtomicU64,
}

impl Shared {
    /// Makes it of its parts, before anything is parsed.
    pub fn new(parts: SharedParts) -> Self {
        Self {
            parts,
            manifest: RwLock::default(),
            selected: RwLock::default(),
            target: OnceLock::new(),
            flags_value: OnceLock::new(),
            graph: OnceLock::new(),
            suffixes: std::sync::atomic::AtomicU64::new(0),
        }
    }

    /// Returns everything that was parsed; nothing while parsing.
    pub fn manifest(&self) -> Arc<Manifest> {
        Arc::clone(&self.manifest.read())
    }

    /// Says what was parsed. What templates saw of `graph` before is forgotten by making a new `Shared`.
    pub fn set_manifest(&self, manifest: Arc<Manifest>) {
        *self.manifest.write() = manifest;
    }

    /// Says what a command works on, for `selected_resources`.
    pub fn set_selected(&self, selected: HashSet<UniqueId>) {
        *self.selected.write() = Arc::new(selected);
    }

    pub(super) fn target_value(&self) -> Value {
        self.target
            .get_or_init(|| self.project.target.to_value())
            .clone()
    }

    pub(super) fn flags_value(&self) -> Value {
        self.flags_value.get_or_init(|| self.flags.object()).clone()
    }

    pub(super) fn selected_value(&self) -> Value {
        let mut ids: Vec<_> = self.selected.read().iter().cloned().collect();
        ids.sort();
        Value::list(ids.iter().map(|id| Value::str(id.as_str())))
    }

    /// Environment variables that are to stand in the metadata of artifacts.
    pub(super) fn metadata_envs(&self) -> Value {
        const PREFIX: &str = "DBT_ENV_CUSTOM_ENV_";
        let mut known: Vec<_> = self
            .env
            .iter()
            .filter_map(|(name, value)| Some((name.strip_prefix(PREFIX)?, value.as_str())))
            .collect();
        known.sort_unstable();
        Value::dict(
            known
                .into_iter()
                .map(|(name, value)| (name, Value::str(value))),
        )
    }

    /// Whether a behaviour flag of dbt_project.yml is on.
    pub(crate) fn behaviour(&self, name: &str) -> bool {
        self.project
            .root()
            .flags
            .get(name)
            .and_then(serde_json::Value::as_bool)
            .unwrap_or(false)
    }
}

impl std::ops::Deref for Shared {
    type Target = SharedParts;

    fn deref(&self) -> &SharedParts {
        &self.parts
    }
}

impl Shared {
    /// Returns a text that no other relation of this run has in its name.
    pub(crate) fn unique_suffix(&self) -> String {
        let number = self
            .suffixes
            .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        format!(
            "{}{number:03}",
            self.invocation.clock.now().format("%H%M%S%6f")
        )
    }
}
