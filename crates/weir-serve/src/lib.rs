//! The doors: one HTTP listener for events, queries, administration, health and metrics.
//!
//! The intake is answered before any router is asked, everything else by axum. Everything but
//! the intake and health is for people and programs who are known, with the rights they have.
//!
//! What this crate is not: it computes no answer. It turns HTTP into calls of the rooms, and what
//! they say into HTTP.

mod admin;
mod alerts;
mod app;
mod auth;
mod body;
mod documents;
mod error;
mod extract;
mod health;
mod intake;
mod metrics;
mod metrics_rooms;
mod models;
mod openapi;
mod peer;
mod postgres;
mod process;
mod query;
mod results;
mod rollups;
mod routes;
mod runs;
mod server;
mod session;
mod tail;
mod tls;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use weir_access::LoginLimiter;
use weir_catalog::Catalog;
use weir_collect::{ApplyCounts, Collector, LiveEvents};
use weir_extract::Extracts;
use weir_lake::Lake;
use weir_query::Engine;

pub use documents::{FilterValue, filter_values};
pub use models::{ModelColumn, ModelInfo, ModelTest, Reference};
pub use postgres::{PostgresOptions, serve_postgres};
pub use query::{FileFormat, RowsFileError, write_rows};
pub use rollups::followed;
pub use runs::{Desk, FileInfo, PlannedInfo, Runs, StepInfo};
pub use server::{Routes, Server};
pub use session::Setup;
pub use tls::{Certificate, TlsError, fingerprint};

/// What the fuzzers call: the decoders of foreign bytes, without a socket around them.
#[doc(hidden)]
pub mod fuzzing {
    pub use crate::postgres::fuzz::{Reached, connection};
}

/// The rooms that the doors lead to.
#[derive(Clone)]
pub struct Services {
    /// Where rows go.
    pub lake: Lake,
    /// Who may write.
    pub catalog: Catalog,
    /// What takes events.
    pub collector: Collector,
    /// What became of events after they were taken.
    pub applied: ApplyCounts,
    /// What happens at this moment.
    pub live: LiveEvents,
    /// What answers queries.
    pub engine: Engine,
    /// What runs when, and how it went.
    pub runs: Runs,
    /// What rows are fetched from.
    pub extracts: Extracts,
    /// Slows guessing down, at all doors together.
    pub logins: Arc<LoginLimiter>,
    /// The link by which the first owner comes in.
    pub setup: Setup,
}

/// How the listener behaves.
#[derive(Clone)]
pub struct ServeOptions {
    /// What connections are encrypted with; none: they are not.
    pub certificate: Option<Certificate>,
    /// The address by which SDKs and browsers reach us, when it is not the one they ask for.
    pub public_url: Option<String>,
    /// Connections open at one time; others wait in the kernel's queue.
    pub max_connections: usize,
    /// How long a request's head may take, and a connection may idle.
    pub header_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// Size of an event request's body.
    pub max_body: u64,
    /// How long running requests may go on after shutdown has begun.
    pub shutdown_grace: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
    /// The project's folder, whose `dashboards/` and `questions/` are followed.
    pub project: PathBuf,
}
