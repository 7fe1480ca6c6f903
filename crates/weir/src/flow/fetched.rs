//! Sources that rows are fetched from, as runs see them: assets whose work is a sync.

use weir_core::SourceName;
use weir_extract::{NamedSource, SourceSpec};
use weir_flow::{
    AssetId, Cron, FlowError, MissedTicks, Schedule, ScheduleName, TableId, Target, Trigger,
};

use crate::extract::timed;

/// What the ids of their assets begin with; those of a dbt project's sources have more parts.
const PREFIX: &str = "source.";

/// A source of the project's files, and when it is synced.
#[derive(Clone, Debug)]
pub(super) struct Fetched {
    pub(super) name: SourceName,
    /// Its file, from the project's folder.
    pub(super) file: String,
    /// None where the file is wrong: whoever syncs is told.
    spec: Option<SourceSpec>,
}

impl Fetched {
    /// Returns the sources among `sources` whose names can be told.
    pub(super) fn of(sources: Vec<NamedSource>) -> Vec<Self> {
        let named = sources.into_iter().filter_map(|(name, spec)| {
            Some(Self {
                file: format!("sources/{name}.yml"),
                name: SourceName::new(&name).ok()?,
                spec: spec.ok(),
            })
        });
        named.collect()
    }

    pub(super) fn asset(&self) -> AssetId {
        AssetId::new(format!("{PREFIX}{}", self.name))
    }

    /// Whether a table is one of its changelogs or current rows.
    pub(super) fn has(&self, table: &TableId) -> bool {
        let schema = table.as_str().split_once('.').map(|(schema, _)| schema);
        schema.is_some_and(|schema| {
            schema == self.name.as_str() || schema == self.name.raw_schema().as_str()
        })
    }

    /// Returns the table that changes when a table of it does: the current rows are a view.
    pub(super) fn changelog(&self, table: &TableId) -> TableId {
        match table.as_str().split_once('.') {
            Some((_, name)) => TableId::new(format!("{}.{name}", self.name.raw_schema())),
            None => table.clone(),
        }
    }

    /// Returns who is told of it; none for everybody.
    pub(super) fn alerts(&self) -> Option<&Vec<String>> {
        self.spec.as_ref()?.alerts.as_ref()
    }

    /// Returns the schedule of its syncs; none where it is synced by hand, or followed.
    pub(super) fn schedule(&self) -> Result<Option<Schedule>, FlowError> {
        let Some(spec) = &self.spec else {
            return Ok(None);
        };
        let trigger = match (&spec.schedule, spec.every) {
            (Some(said), _) => Trigger::Cron {
                cron: Cron::parse(&said.cron, &said.zone)?,
                missed: MissedTicks::default(),
            },
            (None, Some(every)) if timed::followed(spec).is_none() => Trigger::Every { every },
            _ => return Ok(None),
        };
        Ok(Some(Schedule {
            name: schedule_of(self.name.as_str()),
            target: Target::only([self.asset()]),
            trigger,
            priority: 0,
            max_open_runs: 1,
            alerts: self.alerts().is_none_or(|names| !names.is_empty()),
        }))
    }
}

/// Returns the name of the schedule that the file of a source makes; what is told of the source is told to
/// whoever is told of that.
pub(super) fn schedule_of(source: &str) -> ScheduleName {
    ScheduleName::new(format!("{PREFIX}{source}"))
}

/// Returns the name of the source that an asset is.
pub(super) fn source_of(asset: &AssetId) -> Option<&str> {
    let name = asset.as_str().strip_prefix(PREFIX)?;
    (!name.contains('.')).then_some(name)
}
