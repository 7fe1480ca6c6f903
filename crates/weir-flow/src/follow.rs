//! Runs on new versions: cursors, never messages. What is not taken now is taken later.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};

use crate::error::{FlowError, FlowErrorKind};
use crate::id::{RunId, ScheduleName, TableId};
use crate::project::{Project, age};
use crate::record::{Cause, InputRange};
use crate::schedule::{Batch, Schedule, Trigger};
use crate::scheduler::of_schedule;
use crate::store::{OpenTick, Opened, Opening, Store};
use crate::versions::Versions;

/// How long a schedule that has its run open, or rests, is left alone.
const RECHECK: TimeDelta = TimeDelta::seconds(1);
/// How many ranges are tried that have had their run already and failed.
const MOST_RANGES: i64 = 1_000;

/// What a scheduler remembers of versions. All of it can be forgotten: it comes from the tables and
/// the cursors again.
#[derive(Debug, Default)]
pub(crate) struct Following {
    mark: u64,
    versions: HashMap<TableId, i64>,
    /// Schedules that may have something to take, and when to look.
    waiting: BTreeMap<ScheduleName, DateTime<Utc>>,
    /// The project all of whose schedules were looked at, and who follows what in it.
    seen: Option<Arc<Project>>,
    followers: HashMap<TableId, Vec<ScheduleName>>,
}

/// What a schedule can take.
enum Take {
    Nothing,
    Range(Vec<InputRange>),
}

impl Following {
    /// Opens runs for new versions.
    pub(crate) async fn follow(
        &mut self,
        store: &dyn Store,
        versions: &dyn Versions,
        project: &Arc<Project>,
        now: DateTime<Utc>,
    ) -> Result<Vec<RunId>, FlowError> {
        self.look(versions, project, now).await?;
        let ready: Vec<ScheduleName> = self
            .waiting
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(name, _)| name.clone())
            .collect();
        let mut runs = Vec::new();
        for name in ready {
            let Some(schedule) = project.schedule(&name) else {
                self.waiting.remove(&name);
                continue;
            };
            match self.take(store, project, schedule, now).await? {
                // The next range may wait already.
                Some(Opened::Run(run)) => {
                    runs.push(run);
                    let rest = match &schedule.trigger {
                        Trigger::Inputs { at_most_every, .. } => age(*at_most_every),
                        _ => RECHECK,
                    };
                    self.waiting.insert(name, now + rest.max(RECHECK));
                }
                Some(_) => {
                    self.waiting.insert(name, now + RECHECK);
                }
                None => {
                    self.waiting.remove(&name);
                }
            }
        }
        Ok(runs)
    }

    async fn look(
        &mut self,
        versions: &dyn Versions,
        project: &Arc<Project>,
        now: DateTime<Utc>,
    ) -> Result<(), FlowError> {
        let changes = versions.changes(self.mark).await.map_err(|error| {
            FlowError::new(FlowErrorKind::Unavailable, "read the versions of tables").because(error)
        })?;
        let seen = self.seen.as_ref();
        if !seen.is_some_and(|seen| Arc::ptr_eq(seen, project)) {
            self.followers = project.followers();
            let all = self.followers.values().flatten();
            self.waiting = all.map(|name| (name.clone(), now)).collect();
            self.seen = Some(project.clone());
        }
        for (table, version) in changes.tables {
            for name in self.followers.get(&table).into_iter().flatten() {
                self.waiting.entry(name.clone()).or_insert(now);
            }
            self.versions.insert(table, version);
        }
        self.mark = changes.mark;
        Ok(())
    }

    /// Opens the next run of a schedule; none when there is nothing new for it.
    async fn take(
        &self,
        store: &dyn Store,
        project: &Project,
        schedule: &Schedule,
        now: DateTime<Utc>,
    ) -> Result<Option<Opened>, FlowError> {
        let Trigger::Inputs { tables, batch, .. } = &schedule.trigger else {
            return Ok(None);
        };
        if !tables.iter().any(|table| self.versions.contains_key(table)) {
            return Ok(None);
        }
        let cursors = store.cursors(&schedule.name).await?;
        for further in 0..MOST_RANGES {
            let inputs = match self.range(tables, *batch, &cursors, further) {
                Take::Nothing => return Ok(None),
                Take::Range(inputs) => inputs,
            };
            let opening = Opening {
                tick: Some(OpenTick {
                    schedule: schedule.name.clone(),
                    key: key_of(&inputs),
                }),
                inputs,
                by_itself: true,
                at_cursor: true,
                // Ranges follow each other: the next begins where this one ends.
                max_open_runs: Some(1),
                ..of_schedule(project, schedule, Cause::Inputs, now)?
            };
            let planned = store.open(&[opening], &[]).await?;
            match planned.opened.first() {
                // A range that failed is tried again when there is more.
                Some(Opened::Already(_)) if matches!(batch, Batch::Each { .. }) => {}
                Some(Opened::Already(_)) | None => return Ok(None),
                Some(other) => return Ok(Some(*other)),
            }
        }
        Ok(None)
    }

    /// Decides what to take; `further` versions more than usual, as far as there are.
    fn range(
        &self,
        tables: &[TableId],
        batch: Batch,
        cursors: &HashMap<TableId, i64>,
        further: i64,
    ) -> Take {
        let mut changed = Vec::new();
        for table in tables {
            let Some(&to) = self.versions.get(table) else {
                continue;
            };
            let from = cursors.get(table).copied().unwrap_or(-1);
            if from != to {
                changed.push(InputRange {
                    table: table.clone(),
                    from,
                    to,
                });
            }
        }
        let Batch::Each { max } = batch else {
            return match changed.is_empty() || further > 0 {
                true => Take::Nothing,
                false => Take::Range(changed),
            };
        };
        let Some(mut first) = changed.into_iter().next() else {
            return Take::Nothing;
        };
        let there = first.to - first.from;
        let too_many = (there - i64::from(max.max(1))).max(0);
        // A table that was made anew is taken as a whole.
        let take = if there < 0 {
            there
        } else {
            1 + too_many + further
        };
        if there > 0 && take > there || there < 0 && further > 0 {
            return Take::Nothing;
        }
        first.to = first.from + take;
        Take::Range(vec![first])
    }
}

fn key_of(inputs: &[InputRange]) -> String {
    let parts: Vec<String> = inputs
        .iter()
        .map(|range| format!("{}:{}..{}", range.table, range.from, range.to))
        .collect();
    parts.join(",")
}
