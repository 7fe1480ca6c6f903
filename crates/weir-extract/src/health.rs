//! How sources do: when each was last read to its end, why that fails, and what has become stale.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::error::ExtractError;
use crate::postgres::Lag;
use crate::progress::Shown;
use crate::spec::SourceSpec;

/// The file, in the source's folder, that outlives the process.
const FILE: &str = "health.json";
/// How often it is written while nothing but times changes.
const WRITTEN_EVERY: TimeDelta = TimeDelta::seconds(30);
/// So many failures in a row that may go away by themselves are one that does not.
const PATIENCE: u64 = 3;

/// How a source does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SourceHealth {
    /// When it was first synced, or tried to be.
    pub known_since: Option<DateTime<Utc>>,
    /// When a sync last ended well.
    pub synced_at: Option<DateTime<Utc>>,
    /// Syncs that failed since then.
    pub failures: u64,
    /// Since when they fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<DateTime<Utc>>,
    /// Why the last one failed.
    pub problem: Option<String>,
    /// Whether the next one might well succeed.
    #[serde(default)]
    pub transient: bool,
    /// How far behind its log a database is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<Lag>,
    /// When rows of each stream last came.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub arrived: BTreeMap<String, DateTime<Utc>>,
    #[serde(skip)]
    written_at: Option<DateTime<Utc>>,
}

impl SourceHealth {
    /// Reads how a source did when it was last looked at.
    pub(crate) fn read(folder: &Path) -> Option<Self> {
        let text = std::fs::read_to_string(folder.join(FILE)).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Takes over how a sync ended. Returns the text of its file where that is to be written.
    pub(crate) fn ended(
        &mut self,
        shown: &Shown,
        done: &Result<(), ExtractError>,
        now: DateTime<Utc>,
    ) -> Option<String> {
        let was_failing = self.is_failing();
        self.known_since.get_or_insert(now);
        if let Some(lag) = &shown.lag {
            self.lag = Some(lag.clone());
        }
        // A stream that sent rows lately is no news for the file: the times in it may be a little old.
        for (stream, rows) in &shown.rows {
            if *rows > 0 {
                self.arrived.insert(stream.clone(), now);
            }
        }
        match done {
            Ok(()) => {
                self.synced_at = Some(now);
                self.failures = 0;
                self.failing_since = None;
                self.problem = None;
                self.transient = false;
            }
            Err(error) => {
                self.failures += 1;
                self.failing_since.get_or_insert(now);
                self.problem = Some(error.told());
                self.transient = error.is_transient();
            }
        }
        let old = self.written_at.is_none_or(|at| now - at >= WRITTEN_EVERY);
        if !old && was_failing == self.is_failing() {
            return None;
        }
        self.written_at = Some(now);
        serde_json::to_string(self).ok()
    }

    /// Whether syncs fail, and not just by a mishap.
    pub fn is_failing(&self) -> bool {
        self.problem.is_some() && (!self.transient || self.failures >= PATIENCE)
    }

    /// Says which of what the source's file wants fresh is not: the stream, or none for the source as a
    /// whole, and since when.
    pub fn stale(&self, spec: &SourceSpec, now: DateTime<Utc>) -> Vec<Stale> {
        let mut stale = Vec::new();
        let mut look = |stream: Option<&str>, wanted, at: Option<DateTime<Utc>>| {
            let Ok(wanted) = TimeDelta::from_std(wanted) else {
                return;
            };
            // Before anything came, from when it could have.
            let Some(since) = at.or(self.known_since) else {
                return;
            };
            if now - since > wanted {
                stale.push(Stale {
                    stream: stream.map(str::to_owned),
                    since,
                    never: at.is_none(),
                });
            }
        };
        if let Some(wanted) = spec.freshness {
            look(None, wanted, self.synced_at);
        }
        for (stream, rules) in spec.streams.iter().filter(|(name, _)| *name != "*") {
            if let Some(wanted) = rules.freshness {
                look(Some(stream), wanted, self.arrived.get(stream).copied());
            }
        }
        stale
    }
}

/// What people should know of a source, as of one look.
#[derive(Clone, Debug)]
pub struct Looked {
    pub source: String,
    /// What its file declares; none where that is wrong.
    pub spec: Option<SourceSpec>,
    /// Why it is not read, where that is more than a mishap.
    pub failing: Option<String>,
    pub stale: Vec<Stale>,
}

/// Which sources are not well.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attention {
    pub failing: Vec<String>,
    pub stale: Vec<String>,
}

impl Attention {
    pub(crate) fn of(looked: &[Looked]) -> Self {
        let names = |which: &dyn Fn(&&Looked) -> bool| {
            let chosen = looked.iter().filter(which);
            chosen.map(|looked| looked.source.clone()).collect()
        };
        Self {
            failing: names(&|looked| looked.failing.is_some()),
            stale: names(&|looked| !looked.stale.is_empty()),
        }
    }
}

/// Something that is older than the file of its source allows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Stale {
    /// The stream whose rows stay away; none for a source that is not read.
    pub stream: Option<String>,
    pub since: DateTime<Utc>,
    /// Whether nothing ever came.
    pub never: bool,
}

/// Texts of health files on their way to the disk: of each source the newest, one written at a time.
#[derive(Clone, Debug, Default)]
pub(crate) struct HealthFiles {
    waiting: Arc<Mutex<BTreeMap<PathBuf, String>>>,
    writing: Arc<Mutex<()>>,
}

impl HealthFiles {
    /// Keeps a text; what cannot be written is not missed before the next start.
    pub(crate) fn write(&self, folder: PathBuf, text: String) {
        self.waiting.lock().insert(folder.clone(), text);
        let files = self.clone();
        tokio::task::spawn_blocking(move || {
            let _one_at_a_time = files.writing.lock();
            let Some(text) = files.waiting.lock().remove(&folder) else {
                return;
            };
            let (path, new) = (folder.join(FILE), folder.join("health.new"));
            let written = std::fs::create_dir_all(&folder)
                .and_then(|()| std::fs::write(&new, text))
                .and_then(|()| std::fs::rename(&new, &path));
            if let Err(error) = written {
                tracing::warn!(%error, path = %path.display(), "how a source does is not kept");
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::ExtractErrorKind;
    use crate::spec::{FilesSpec, SourceKind, StreamRules};

    fn spec() -> SourceSpec {
        let hour = Some(Duration::from_secs(3_600));
        let orders = StreamRules {
            freshness: hour,
            ..StreamRules::default()
        };
        SourceSpec {
            name: weir_core::SourceName::new("shop").unwrap(),
            kind: SourceKind::Files(FilesSpec {
                place: "in".into(),
                options: BTreeMap::new(),
                headers: BTreeMap::new(),
                streams: Vec::new(),
                folder: PathBuf::new(),
            }),
            streams: BTreeMap::from([("orders".to_owned(), orders)]),
            schema_changes: Default::default(),
            every: None,
            schedule: None,
            freshness: hour,
            alerts: None,
            budget: None,
            hash_key: None,
        }
    }

    #[test]
    fn mishaps_are_waited_out_and_the_rest_is_told() {
        let mut health = SourceHealth::default();
        let now = Utc::now();
        let mut fail = |kind| {
            let _ = health.ended(&Shown::default(), &Err(ExtractError::new(kind, "no")), now);
            health.is_failing()
        };
        assert!(!fail(ExtractErrorKind::Unreachable));
        assert!(!fail(ExtractErrorKind::Unreachable));
        assert!(fail(ExtractErrorKind::Unreachable));
        let mut health = SourceHealth::default();
        let denied = Err(ExtractError::new(
            ExtractErrorKind::Denied,
            "wrong password",
        ));
        let written = health.ended(&Shown::default(), &denied, now).unwrap();
        assert!(health.is_failing());
        // It outlives the process.
        let again: SourceHealth = serde_json::from_str(&written).unwrap();
        assert!(again.is_failing() && again.failing_since == Some(now));
        // Well again is written at once, and after that seldom.
        assert!(health.ended(&Shown::default(), &Ok(()), now).is_some());
        assert!(health.ended(&Shown::default(), &Ok(()), now).is_none());
        assert!(!health.is_failing() && health.failing_since.is_none());
    }

    #[test]
    fn what_stays_away_is_stale_and_comes_back() {
        let (mut health, spec) = (SourceHealth::default(), spec());
        let start = Utc::now();
        let at = |minutes| start + TimeDelta::minutes(minutes);
        assert_eq!(health.stale(&spec, at(0)), []);
        let empty = Shown::default();
        let rows = Shown {
            rows: BTreeMap::from([("orders".to_owned(), 3)]),
            ..Shown::default()
        };
        let _ = health.ended(&empty, &Ok(()), at(0));
        assert_eq!(health.stale(&spec, at(60)), []);
        // Read lately, but nothing came.
        let _ = health.ended(&empty, &Ok(()), at(60));
        let stale = health.stale(&spec, at(61));
        assert_eq!(stale.len(), 1);
        assert_eq!(stale[0].stream.as_deref(), Some("orders"));
        assert!(stale[0].never && stale[0].since == at(0));
        let _ = health.ended(&rows, &Ok(()), at(62));
        assert_eq!(health.stale(&spec, at(120)), []);
        let stale = health.stale(&spec, at(123));
        assert_eq!(stale.len(), 2);
        assert!(stale[0].stream.is_none() && stale[0].since == at(62));
    }
}
