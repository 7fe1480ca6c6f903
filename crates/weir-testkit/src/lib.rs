//! Test environments: a real Weir process in a folder of its own, on a free port of loopback.
//!
//! For tests only. Nothing here is faked: the process is the shipped binary, driven through its
//! command line and its HTTP doors, and ended the hard way when a test asks for it.

mod clients;
mod load;
mod mariadb;
mod postgres;
mod proxy;
mod sshd;
mod user;
mod weir;

pub use anyhow::{Context, Result, bail, ensure};
pub use clients::Clients;
pub use load::{Load, LoadOptions};
pub use mariadb::Mariadb;
pub use postgres::{Answer, Failure, Postgres};
pub use proxy::{Fault, Proxy};
pub use sshd::Sshd;
pub use weir::{Weir, until};
