//! Commands about models: dbt projects read, checked, built, tested and published.
//!
//! The rooms are `weir-model` (what a project means) and a server (where its tables are); here they
//! are joined, and what people see is written.

mod arguments;
mod around;
mod artifacts;
mod check;
mod command;
mod earlier;
mod environment;
mod inspect;
mod opened;
mod operate;
mod plan;
mod progress;
mod publications;
mod publish;
mod run;
mod selection;
mod server;
mod stopped;
mod time;
mod warehouse;

pub(crate) use arguments::ProjectArgs;
pub(crate) use check::plan as plan_nodes;
pub(crate) use command::{DbtArgs, ModelCommand, build};
pub(crate) use earlier::Notes;
pub(crate) use opened::{Opened, Said, load_options_in, read as read_project};
pub(crate) use publish::{AtOnce, Outcome as Published};
pub(crate) use run::{flags_of_runs, git_commit};
pub(crate) use server::Server;
pub(crate) use warehouse::WeirWarehouse;
