//! Commands about models: dbt projects read, checked, built, tested and published.
//!
//! The rooms are `weir-model` (what a project means) and a server (where its tables are); here they
//! are joined, and what people see is written.

mod arguments;
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
mod time;
mod warehouse;

pub(crate) use command::{DbtArgs, ModelCommand, build};
