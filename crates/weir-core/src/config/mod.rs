//! `weir.toml`: text and environment variables in, a checked [`Config`] out.
//!
//! One table, [`KEYS`], says everything about every key: type, limits, default, documentation,
//! where the value goes. Reading, environment variables, suggestions and the reference page all
//! follow from it. Nothing here opens a file.

mod key;
mod problem;
mod read;
mod reference;
mod retention;
mod sections;
mod size;
mod time;

pub use key::{KEYS, Key, Kind, OTHER_VARIABLES};
pub use problem::{ConfigError, Problem};
pub use read::Loaded;
pub use reference::reference;
pub use retention::RetentionRule;
pub use sections::{
    Collect, Config, Dedup, Flush, Hot, Lake, Log, LogFormat, Maintenance, Postgres, Query, Server,
    Wal,
};
pub use size::ByteSize;
pub use time::{format_duration, parse_duration};
