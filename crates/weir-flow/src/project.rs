use std::collections::HashMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use indexmap::IndexMap;
use weir_core::did_you_mean;

use crate::error::FlowError;
use crate::graph::Graph;
use crate::id::{AssetId, PoolName, ScheduleName, TableId};
use crate::schedule::{Schedule, Trigger};
use crate::store::{DefinedSchedule, Definitions, NewStep};

/// The pool of assets that name none.
pub const DEFAULT_POOL: &str = "default";
/// The pool of what rows are fetched with: that may take hours, and models must not wait for it.
pub const SOURCE_POOL: &str = "sources";
/// How many sources are fetched from at once unless the project says so.
const SOURCE_POOL_SIZE: u32 = 4;
/// How many slots the default pool has unless the project says so.
const DEFAULT_POOL_SIZE: u32 = 8;
/// Priorities beyond this would let some wait for hours for others.
const MOST_PRIORITY: i32 = 100;

/// Everything a project says about runs, checked as a whole.
#[derive(Clone, Debug, Default)]
pub struct Project {
    graph: Graph,
    schedules: IndexMap<ScheduleName, Schedule>,
    pools: IndexMap<PoolName, u32>,
}

impl Project {
    /// Joins assets, schedules and pools.
    ///
    /// # Errors
    /// When something refers to what does not exist (with what was probably meant), or says what
    /// cannot be.
    pub fn new(
        graph: Graph,
        schedules: impl IntoIterator<Item = Schedule>,
        pools: impl IntoIterator<Item = (PoolName, u32)>,
    ) -> Result<Self, FlowError> {
        let mut project = Self {
            graph,
            ..Self::default()
        };
        project.pools.insert(DEFAULT_POOL.into(), DEFAULT_POOL_SIZE);
        project.pools.insert(SOURCE_POOL.into(), SOURCE_POOL_SIZE);
        for (name, size) in pools {
            if size == 0 {
                return Err(FlowError::invalid(format!("pool `{name}` has no slots"))
                    .with_hint("give it at least one; to stop what is in it, pause schedules"));
            }
            project.pools.insert(name, size);
        }
        for asset in project.graph.assets() {
            project.check_pool(asset.id.as_str(), asset.pool.as_ref())?;
            check_priority(asset.id.as_str(), asset.priority)?;
        }
        for schedule in schedules {
            project.check_schedule(&schedule)?;
            let name = schedule.name.clone();
            if project.schedules.insert(name.clone(), schedule).is_some() {
                return Err(
                    FlowError::invalid(format!("there are two schedules `{name}`"))
                        .with_hint("rename one of them"),
                );
            }
        }
        Ok(project)
    }

    /// Returns the assets.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Returns the schedules.
    pub fn schedules(&self) -> impl Iterator<Item = &Schedule> {
        self.schedules.values()
    }

    /// Returns the schedule called `name`.
    pub fn schedule(&self, name: &ScheduleName) -> Option<&Schedule> {
        self.schedules.get(name)
    }

    fn check_pool(&self, asset: &str, pool: Option<&PoolName>) -> Result<(), FlowError> {
        let Some(pool) = pool.filter(|pool| !self.pools.contains_key(*pool)) else {
            return Ok(());
        };
        let known: Vec<&PoolName> = self.pools.keys().collect();
        let error = FlowError::invalid(format!(
            "asset `{asset}` is in pool `{pool}`, which does not exist"
        ));
        Err(match did_you_mean(pool.as_str(), &known) {
            Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
            None => error.with_hint("define the pool and its size"),
        })
    }

    fn check_schedule(&self, schedule: &Schedule) -> Result<(), FlowError> {
        let name = &schedule.name;
        let invalid = |what: &str| FlowError::invalid(format!("schedule `{name}` {what}"));
        let target = schedule.target.resolve(&self.graph);
        target.map_err(|error| {
            let hint = error.hint().map(str::to_owned);
            let wrapped = invalid("has a target that does not exist").because(error);
            match hint {
                Some(hint) => wrapped.with_hint(hint),
                None => wrapped,
            }
        })?;
        check_priority(name.as_str(), schedule.priority)?;
        if schedule.max_open_runs == 0 {
            return Err(invalid("may have no open run").with_hint("pause it instead"));
        }
        match &schedule.trigger {
            Trigger::Inputs { tables, .. } if tables.is_empty() => {
                Err(invalid("follows no table").with_hint("name the tables it follows"))
            }
            Trigger::Every { every } if *every < Duration::from_secs(1) => {
                Err(invalid("runs without a rest").with_hint("let at least a second pass"))
            }
            Trigger::Freshness { max_age, .. } if *max_age < Duration::from_secs(1) => {
                Err(invalid("has no greatest age").with_hint("give at least a second"))
            }
            Trigger::Freshness { max_age, lead, .. } if lead >= max_age => Err(invalid(
                "begins longer before its deadline than its target may be old",
            )
            .with_hint("make `lead` shorter than `max_age`")),
            _ => Ok(()),
        }
    }

    /// Returns what the store keeps of this; `now` is when new schedules begin to count.
    pub(crate) fn definitions(&self, now: DateTime<Utc>) -> Definitions {
        let first = |schedule: &Schedule| match &schedule.trigger {
            Trigger::Cron { cron, .. } => (cron.next_after(now), None),
            // What was never built is not told to be late before there was a time to build it.
            Trigger::Freshness {
                lead, by: Some(by), ..
            } => {
                let slack = age(*lead / 2);
                let by = by.next_after(now + slack);
                (Some(now), by.map(|at| at - slack))
            }
            Trigger::Freshness { max_age, .. } => (Some(now), Some(now + age(*max_age))),
            Trigger::Every { .. } => (Some(now), None),
            _ => (None, None),
        };
        Definitions {
            pools: self.pools.iter().map(|(n, s)| (n.clone(), *s)).collect(),
            schedules: self
                .schedules
                .values()
                .map(|schedule| {
                    let (next_at, deadline_at) = first(schedule);
                    DefinedSchedule {
                        schedule: schedule.clone(),
                        next_at,
                        deadline_at,
                    }
                })
                .collect(),
            keeps_others: false,
        }
    }

    /// Makes the steps of a run over `assets`, which come inputs first. An asset waits for the nearest
    /// ones before it that are in the run.
    pub(crate) fn steps(&self, assets: &[AssetId], priority: i32) -> Vec<NewStep> {
        let known: Vec<_> = assets.iter().filter_map(|id| self.graph.get(id)).collect();
        let position: HashMap<&AssetId, usize> = known
            .iter()
            .enumerate()
            .map(|(at, asset)| (&asset.id, at))
            .collect();
        known
            .iter()
            .map(|asset| NewStep {
                asset: asset.id.clone(),
                kind: asset.kind,
                pool: asset.pool.clone().unwrap_or_else(|| DEFAULT_POOL.into()),
                priority: (asset.priority + priority).clamp(-2 * MOST_PRIORITY, 2 * MOST_PRIORITY),
                queue_timeout: asset.timeouts.queue,
                after: self.nearest(asset.inputs.as_slice(), &position),
                reuse: None,
            })
            .collect()
    }

    /// Finds the nearest assets in the run among `inputs` and what is behind them.
    fn nearest(&self, inputs: &[AssetId], position: &HashMap<&AssetId, usize>) -> Vec<usize> {
        let mut found = std::collections::BTreeSet::new();
        let mut seen = std::collections::HashSet::new();
        let mut waiting: Vec<&AssetId> = inputs.iter().collect();
        while let Some(id) = waiting.pop() {
            if !seen.insert(id) {
                continue;
            }
            match position.get(id) {
                Some(&at) => {
                    found.insert(at);
                }
                None => waiting.extend(self.graph.get(id).into_iter().flat_map(|a| &a.inputs)),
            }
        }
        found.into_iter().collect()
    }

    /// Returns which schedules follow each table.
    pub(crate) fn followers(&self) -> HashMap<TableId, Vec<ScheduleName>> {
        let mut followers: HashMap<TableId, Vec<ScheduleName>> = HashMap::new();
        for schedule in self.schedules.values() {
            if let Trigger::Inputs { tables, .. } = &schedule.trigger {
                for table in tables {
                    let of_table = followers.entry(table.clone()).or_default();
                    of_table.push(schedule.name.clone());
                }
            }
        }
        followers
    }
}

fn check_priority(what: &str, priority: i32) -> Result<(), FlowError> {
    if (-MOST_PRIORITY..=MOST_PRIORITY).contains(&priority) {
        return Ok(());
    }
    Err(
        FlowError::invalid(format!("`{what}` has the priority {priority}"))
            .with_hint("priorities go from -100 to 100"),
    )
}

/// A length of time from a configuration; what is beyond the calendar is a century.
pub(crate) fn age(length: Duration) -> TimeDelta {
    let century = TimeDelta::days(36_500);
    TimeDelta::from_std(length).map_or(century, |length| length.min(century))
}
