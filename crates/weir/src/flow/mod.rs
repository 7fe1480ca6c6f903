//! Schedules and runs of a project: `weir-flow` joined with the lake, the models and people.
//!
//! The room is opened with the house; its loops run while a server does. What an asset does inside is
//! here (`worker`), what a run is and when there is one is in `weir-flow`.

mod alerts;
mod assets;
mod choice;
mod code;
mod delivery;
mod desk;
mod fetched;
pub(crate) mod file;
mod follow;
mod inventory;
mod lookout;
mod mail;
mod plan;
mod records;
mod rollup;
mod room;
mod said;
mod step;
mod syncs;
mod versions;
mod whose;
mod worker;
mod workers;

#[cfg(test)]
mod tests;

pub(crate) use follow::{Follower, ago, run_line, seconds, step_rows};
pub(crate) use room::{Around, FlowRoom, Working, open_files};
