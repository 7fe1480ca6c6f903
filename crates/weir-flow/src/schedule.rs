use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::cron::Cron;
use crate::error::FlowError;
use crate::graph::Graph;
use crate::id::{AssetId, ScheduleName, TableId};
use crate::project::age;

/// What is brought up to date when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Its name, unique in the project.
    pub name: ScheduleName,
    /// What it brings up to date.
    pub target: Target,
    /// What makes it run.
    pub trigger: Trigger,
    /// Added to the priority of each asset.
    #[serde(default)]
    pub priority: i32,
    /// How many of its runs may be open at once; what comes on top is skipped with a note.
    #[serde(default = "usual_open_runs")]
    pub max_open_runs: u32,
    /// Whether failures raise an alert.
    #[serde(default = "yes")]
    pub alerts: bool,
}

fn usual_open_runs() -> u32 {
    4
}

fn yes() -> bool {
    true
}

/// Which assets a schedule brings up to date.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Target {
    /// These.
    pub assets: Vec<AssetId>,
    /// And what they need.
    pub ancestors: bool,
    /// And what needs them.
    pub descendants: bool,
}

impl Target {
    /// Only these assets.
    pub fn only<I: Into<AssetId>>(assets: impl IntoIterator<Item = I>) -> Self {
        Self {
            assets: assets.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// These assets and all that need them.
    pub fn with_descendants<I: Into<AssetId>>(assets: impl IntoIterator<Item = I>) -> Self {
        Self {
            descendants: true,
            ..Self::only(assets)
        }
    }

    /// Returns the assets that are meant, inputs first.
    ///
    /// # Errors
    /// When an asset is unknown (with the one that was probably meant) or none is named.
    pub fn resolve(&self, graph: &Graph) -> Result<Vec<AssetId>, FlowError> {
        if self.assets.is_empty() {
            return Err(FlowError::invalid("no asset is named").with_hint("name at least one"));
        }
        for asset in &self.assets {
            graph.expect(asset)?;
        }
        let mut roots = self.assets.clone();
        if self.descendants {
            roots = graph.with_descendants(&roots);
        }
        if self.ancestors {
            roots = graph.with_ancestors(&roots);
        }
        let wanted: std::collections::HashSet<&AssetId> = roots.iter().collect();
        // The ancestors of all come in order; those not wanted are left out.
        let ordered = graph.with_ancestors(&roots);
        Ok(ordered
            .into_iter()
            .filter(|id| wanted.contains(id))
            .collect())
    }
}

/// What makes a schedule run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Trigger {
    /// The clock.
    Cron {
        /// When.
        #[serde(flatten)]
        cron: Cron,
        /// What happens with instants at which nothing was there to see them.
        #[serde(default)]
        missed: MissedTicks,
    },
    /// The clock, so long after the beginning of one run as that of the next.
    Every {
        /// How long.
        every: Duration,
    },
    /// New versions of tables.
    Inputs {
        /// The tables that are followed.
        tables: Vec<TableId>,
        /// Whether versions are taken together.
        #[serde(default)]
        batch: Batch,
        /// How long after one run the next may come at the earliest; what changes meanwhile is taken
        /// then. A process that is restarted begins anew to count.
        #[serde(default)]
        at_most_every: Duration,
    },
    /// The age of what is there: runs so that the target never gets older than this.
    Freshness {
        /// The greatest age; beyond it, an alert is raised.
        max_age: Duration,
        /// How long before that the run ends, as runs usually go: it begins earlier by as long as the
        /// latest runs took.
        #[serde(default)]
        lead: Duration,
        /// When the age counts; always, without it. An alert is raised before an instant at which the
        /// target is going to be too old, when half of `lead` is gone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<Cron>,
    },
    /// Calls from outside.
    Webhook,
    /// People.
    Manual,
}

impl Trigger {
    /// Returns the word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Cron { .. } => "cron",
            Self::Every { .. } => "every",
            Self::Inputs { .. } => "inputs",
            Self::Freshness { .. } => "freshness",
            Self::Webhook => "webhook",
            Self::Manual => "manual",
        }
    }

    /// Returns when a target that was brought up to date at `at` is first too old; none when this asks
    /// for no freshness.
    pub(crate) fn too_old_at(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let Self::Freshness { max_age, by, .. } = self else {
            return None;
        };
        let end = at + age(*max_age);
        match by {
            Some(cron) => cron.next_after(end),
            None => Some(end),
        }
    }

    /// Returns when an alert is raised about such a target: before it is too late where there is a time
    /// by which it is wanted, and not for runs that take a little longer than usual.
    pub(crate) fn told_at(&self, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let too_old = self.too_old_at(at)?;
        match self {
            Self::Freshness {
                lead, by: Some(_), ..
            } => Some(too_old - age(*lead / 2)),
            _ => Some(too_old),
        }
    }
}

/// Which of several missed instants still get their run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MissedTicks {
    /// None that is later than a minute.
    Skip,
    /// The latest.
    #[default]
    Latest,
    /// The latest so many.
    All {
        /// At most.
        max: u32,
    },
}

/// How new versions make runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Batch {
    /// One run takes all there are.
    #[default]
    Together,
    /// One run for each version, as long as no more than `max` wait; older ones are taken together.
    Each {
        /// How many may wait.
        max: u32,
    },
}

/// How late a tick may be and still count as on time.
pub(crate) const ON_TIME: chrono::TimeDelta = chrono::TimeDelta::seconds(60);
/// The most ticks that are caught up at once, whatever a schedule says.
pub(crate) const MOST_CAUGHT_UP: u32 = 1_000;

/// What the clock asks of a schedule now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ticks {
    /// The instants that get a run, oldest first.
    pub(crate) run: Vec<DateTime<Utc>>,
    /// Whether earlier ones get none.
    pub(crate) missed: bool,
    /// When to look again.
    pub(crate) next: Option<DateTime<Utc>>,
}

/// Decides which instants from `planned` to `now` get a run.
pub(crate) fn due_ticks(
    cron: &Cron,
    missed: MissedTicks,
    planned: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Ticks {
    let next = cron.next_after(now);
    let before = planned - chrono::TimeDelta::microseconds(1);
    let most = match missed {
        MissedTicks::Skip | MissedTicks::Latest => 1,
        MissedTicks::All { max } => max.clamp(1, MOST_CAUGHT_UP),
    };
    let (mut run, mut more) = cron.latest(before, now, most as usize);
    if missed == MissedTicks::Skip {
        let late = run.iter().filter(|&&at| now - at > ON_TIME).count();
        run.drain(..late);
        more |= late > 0;
    }
    Ticks {
        run,
        missed: more,
        next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn missed_instants_follow_the_policy() {
        let cron = Cron::parse("0 * * * *", "UTC").unwrap();
        let planned = at("2025-01-01T01:00:00Z");
        let ticks = |missed, now: &str| {
            let ticks = due_ticks(&cron, missed, planned, at(now));
            assert_eq!(ticks.next, cron.next_after(at(now)));
            (ticks.run.len(), ticks.missed)
        };
        // On time, all agree.
        for missed in [
            MissedTicks::Skip,
            MissedTicks::Latest,
            MissedTicks::All { max: 5 },
        ] {
            assert_eq!(ticks(missed, "2025-01-01T01:00:01Z"), (1, false));
        }
        // Three and a half hours late.
        let late = "2025-01-01T04:30:00Z";
        assert_eq!(ticks(MissedTicks::Skip, late), (0, true));
        assert_eq!(ticks(MissedTicks::Latest, late), (1, true));
        assert_eq!(ticks(MissedTicks::All { max: 3 }, late), (3, true));
        assert_eq!(ticks(MissedTicks::All { max: 50 }, late), (4, false));
        // Late, but one of them is on time.
        assert_eq!(ticks(MissedTicks::Skip, "2025-01-01T04:00:30Z"), (1, true));
        // A year late, every second: bounded.
        let often = Cron::parse("* * * * * *", "UTC").unwrap();
        let ticks = due_ticks(
            &often,
            MissedTicks::All { max: u32::MAX },
            planned,
            at("2026-01-01T00:00:00Z"),
        );
        assert_eq!((ticks.run.len(), ticks.missed), (1_000, true));
    }

    #[test]
    fn is_written_as_people_write_it() {
        let schedule: Schedule = serde_json::from_str(
            r#"{"name": "nightly", "target": {"assets": ["model.orders"], "descendants": true},
                "trigger": {"kind": "cron", "cron": "30 2 * * *", "zone": "Europe/Berlin",
                            "missed": {"all": {"max": 3}}}}"#,
        )
        .unwrap();
        assert_eq!(schedule.max_open_runs, 4);
        let again: Schedule =
            serde_json::from_str(&serde_json::to_string(&schedule).unwrap()).unwrap();
        assert_eq!(again, schedule);
        let error = serde_json::from_str::<Schedule>(
            r#"{"name": "x", "target": {}, "trigger": {"kind": "cron", "cron": "0 0 30 2 *"}}"#,
        )
        .unwrap_err();
        assert!(error.to_string().contains("never comes true"), "{error}");
    }
}
