//! Steps of any language: commands over files, one datum at a time, supervised.
//!
//! A project declares a [`Step`]: a command, what it reads and what it writes. A [`StepRunner`] cuts the
//! inputs into datums, skips those that succeeded before with equal files and equal code, runs the
//! command for the rest in contained processes, and stages what they wrote as a [`Job`], which is
//! published once or not at all. Files are kept in a [`FilesetStore`], datums in a [`Ledger`]; tables
//! come and go through a [`Warehouse`]. A [`StepWorker`] does this for attempts of the scheduler.
//!
//! What this crate is not: it knows no SQL engine and speaks no HTTP. The process that uses it must call
//! [`keep_if_asked`] first thing in `main`: its program is also the keeper of the commands it runs.

mod error;

mod declare;
mod glob;
mod manifest;

mod fileset;
mod ledger;
mod warehouse;

mod code;
mod datum;

mod capture;
mod container;
mod environment;
mod forker;
mod keeper;
mod running;
mod scratch;
mod scrub;
mod supervise;

mod job;
mod worker;

pub use capture::StepLog;
pub use declare::{
    Collision, Command, Compat, DatabaseUse, EnvValue, Input, Limits, Origin, Output, OutputTarget,
    Reprocess, RunnerKind, Source, Step, TableFormat, parse_steps,
};
pub use environment::Variables;
pub use error::{BoxError, StepError, StepErrorKind};
pub use fileset::{
    Blob, Collected, CommitRecord, Committed, FilesetChange, FilesetEdit, FilesetRef, FilesetStore,
};
pub use glob::{Glob, Template};
pub use job::{Job, JobReport, JobRequest, PlannedDatum, RunnerOptions, StepRunner};
pub use keeper::{KEEPER_WORD, keep_if_asked};
pub use ledger::{
    DatumDetails, DatumRecord, DatumRow, DatumState, KnownDatum, Ledger, SqliteLedger, WrittenDatum,
};
pub use manifest::{ContentHash, DatumKey, FileEntry, Manifest};
pub use scratch::DatumOutput;
pub use warehouse::{Lent, LoadFile, Made, TableFile, TableLoad, Warehouse};
pub use worker::StepWorker;
