//! Rollups: saved questions whose answers are tables, built with the rights of whoever asked for that.

mod build;
mod plan;

pub(super) use build::Rollups;
pub(super) use plan::{add, asset_of, table_of};
