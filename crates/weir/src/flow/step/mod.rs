//! Steps of other languages: `steps/*.yml` joined with the lake, users and runs.

mod declared;
mod guess;
mod read;
mod room;
mod tables;

pub(super) use declared::{Declared, read_steps, step_files, wrong};
pub(super) use room::{Joined, Keep, StepRoom};
pub(super) use tables::Doors;
