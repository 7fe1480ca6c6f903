//! From deliveries to assets and schedules.

use std::collections::BTreeMap;

use weir_catalog::Delivery;
use weir_flow::{
    Asset, AssetId, AssetKind, Cron, FlowError, MissedTicks, Schedule, ScheduleName, Target,
    Trigger,
};

use crate::flow::assets::Assets;
use crate::flow::file::FlowFile;

/// With this begin the names of their assets and schedules.
const PREFIX: &str = "delivery.";

pub(super) fn asset_of(delivery: &Delivery) -> AssetId {
    AssetId::new(format!("{PREFIX}{}", delivery.id))
}

/// Returns what the schedule of a delivery is called.
pub(in crate::flow) fn schedule_of(delivery: &Delivery) -> ScheduleName {
    ScheduleName::new(asset_of(delivery).as_str())
}

/// Adds deliveries to what runs; returns those that cannot be, by id, and why.
pub(in crate::flow) fn add(
    deliveries: &[Delivery],
    file: &FlowFile,
    assets: &mut Assets,
    schedules: &mut Vec<Schedule>,
) -> BTreeMap<String, String> {
    let mut unfit = BTreeMap::new();
    for delivery in deliveries {
        match schedule(delivery) {
            Ok(schedule) => {
                let id = asset_of(delivery);
                let mut asset = Asset::new(id.clone(), AssetKind::Dashboard);
                file.defaults.apply(&mut asset);
                assets.assets.insert(id, asset);
                schedules.push(schedule);
            }
            Err(error) => {
                unfit.insert(delivery.id.clone(), error.to_string());
            }
        }
    }
    unfit
}

fn schedule(delivery: &Delivery) -> Result<Schedule, FlowError> {
    let asset = asset_of(delivery);
    Ok(Schedule {
        name: schedule_of(delivery),
        target: Target::only([asset]),
        trigger: Trigger::Cron {
            cron: Cron::parse(&delivery.cron, &delivery.zone)?,
            // What was due while nobody was there is sent once, late.
            missed: MissedTicks::Latest,
        },
        priority: 0,
        max_open_runs: 1,
        alerts: true,
    })
}
