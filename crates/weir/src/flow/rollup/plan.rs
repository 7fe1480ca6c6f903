//! From rollups to assets and schedules. One that does not fit the project is left out, and told at its
//! question; the others run.

use std::collections::{BTreeMap, HashSet};

use weir_catalog::{Rollup, RollupTrigger};
use weir_flow::{
    AssetId, Batch, Cron, FlowError, Graph, MissedTicks, Schedule, ScheduleName, TableId, Target,
    Trigger,
};

use crate::flow::assets::Assets;
use crate::flow::file::FlowFile;
use crate::flow::plan::circle;

/// With this begin the names of their assets and schedules.
pub(super) const PREFIX: &str = "rollup.";

pub(in crate::flow) fn table_of(rollup: &Rollup) -> TableId {
    TableId::new(format!("{}.{}", rollup.schema, rollup.table))
}

pub(in crate::flow) fn asset_of(rollup: &Rollup) -> AssetId {
    AssetId::new(format!("{PREFIX}{}", table_of(rollup)))
}

/// Adds rollups to what runs; returns those that do not fit, by question, and why.
pub(in crate::flow) fn add(
    rollups: &[Rollup],
    file: &FlowFile,
    assets: &mut Assets,
    schedules: &mut Vec<Schedule>,
) -> BTreeMap<String, String> {
    let mut wrong = BTreeMap::new();
    // Nearly always all of them fit; else they are tried one after another.
    if try_add(rollups, file, assets, schedules).is_ok() {
        return wrong;
    }
    let mut fitting: Vec<Rollup> = Vec::new();
    for rollup in rollups {
        fitting.push(rollup.clone());
        let (mut some, mut of_some) = (assets.clone(), schedules.clone());
        if let Err(why) = try_add(&fitting, file, &mut some, &mut of_some) {
            wrong.insert(rollup.question.clone(), why);
            fitting.pop();
        }
    }
    // What fitted one by one fits together: the last try was just this.
    let _ = try_add(&fitting, file, assets, schedules);
    wrong
}

/// Adds all, or nothing and says why.
fn try_add(
    rollups: &[Rollup],
    file: &FlowFile,
    assets: &mut Assets,
    schedules: &mut Vec<Schedule>,
) -> Result<(), String> {
    let (mut grown, mut planned) = (assets.clone(), schedules.clone());
    let mut names: HashSet<ScheduleName> = planned.iter().map(|one| one.name.clone()).collect();
    for rollup in rollups {
        let table = table_of(rollup);
        if let Some(maker) = grown.maker_of(&table) {
            return Err(format!("`{table}` is made by `{maker}` already"));
        }
        let schedule = schedule(rollup).map_err(|error| told(&error))?;
        if !names.insert(schedule.name.clone()) {
            return Err(format!("there is a schedule `{}` already", schedule.name));
        }
        planned.push(schedule);
    }
    grown.add_rollups(rollups);
    for rollup in rollups {
        if let Some(asset) = grown.assets.get_mut(&asset_of(rollup)) {
            file.defaults.apply(asset);
        }
    }
    Graph::new(grown.assets.values().cloned()).map_err(|error| told(&error))?;
    if let Some(error) = circle(file, &planned, &grown) {
        return Err(error.message().to_owned());
    }
    (*assets, *schedules) = (grown, planned);
    Ok(())
}

fn schedule(rollup: &Rollup) -> Result<Schedule, FlowError> {
    let asset = asset_of(rollup);
    let trigger = match &rollup.trigger {
        RollupTrigger::Cron { cron, zone } => Trigger::Cron {
            cron: Cron::parse(cron, zone)?,
            missed: MissedTicks::Latest,
        },
        RollupTrigger::Inputs {
            at_most_every_seconds,
        } => Trigger::Inputs {
            tables: rollup.follows.iter().cloned().map(TableId::new).collect(),
            batch: Batch::Together,
            at_most_every: std::time::Duration::from_secs(u64::from(*at_most_every_seconds)),
        },
    };
    Ok(Schedule {
        name: ScheduleName::new(asset.as_str()),
        target: Target::only([asset]),
        trigger,
        priority: 0,
        max_open_runs: 1,
        alerts: true,
    })
}

fn told(error: &FlowError) -> String {
    match std::error::Error::source(error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}
