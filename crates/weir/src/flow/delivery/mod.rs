//! Deliveries: dashboards that are sent by the clock, asked with the rights of whoever has them sent and
//! drawn in this process.

mod answer;
mod draw;
mod letter;
mod markdown;
mod plan;
mod post;
mod series;
mod shares;
mod svg;
mod work;

pub(super) use letter::Attached;
pub(super) use plan::{add, schedule_of};
pub(super) use work::Deliveries;
