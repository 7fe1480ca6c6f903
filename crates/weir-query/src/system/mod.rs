//! Tables about the lake and the server, made when a query reads them.

mod access;
mod activity;
pub(crate) mod information;
mod models;
pub(crate) mod pg_catalog;
mod publications;
mod runs;
mod state;
mod storage;
mod virtual_table;

use std::sync::Arc;

use datafusion::catalog::TableProvider;

use crate::catalog::Scope;

pub use runs::{RunCell, RunRecords, RunTable, RunType};

/// The schema of system tables.
pub(crate) const SCHEMA: &str = "weir";

/// The schema SQL itself defines.
pub(crate) const INFORMATION_SCHEMA: &str = "information_schema";

/// The system tables; `event_fate` is a view and listed with the built-in views.
pub(crate) const TABLES: [&str; 24] = [
    "attempts",
    "audit",
    "builds",
    "commits",
    "datums",
    "filesets",
    "grants",
    "lake",
    "lineage",
    "publications",
    "queries",
    "query_users",
    "roles",
    "run_logs",
    "runs",
    "schedules",
    "sources",
    "steps",
    "storage",
    "tables",
    "tokens",
    "users",
    "views",
    "write_keys",
];

/// Returns the system table `weir.<name>`.
pub(crate) fn table(scope: &Scope, name: &str) -> Option<Arc<dyn TableProvider>> {
    let table = match name {
        "audit" => access::audit(scope),
        "grants" => access::grants(scope),
        "roles" => access::roles(scope),
        "tokens" => access::tokens(scope),
        "users" => access::users(scope),
        "builds" => publications::builds(scope),
        "lineage" => models::lineage(scope),
        "views" => models::views(scope),
        "publications" => publications::publications(scope),
        "commits" => state::commits(scope),
        "lake" => state::lake(scope),
        "queries" => activity::queries(scope),
        "query_users" => activity::users(scope),
        "schedules" => runs::table(scope, RunTable::Schedules),
        "runs" => runs::table(scope, RunTable::Runs),
        "steps" => runs::table(scope, RunTable::Steps),
        "attempts" => runs::table(scope, RunTable::Attempts),
        "run_logs" => runs::table(scope, RunTable::RunLogs),
        "datums" => runs::table(scope, RunTable::Datums),
        "filesets" => runs::table(scope, RunTable::Filesets),
        "sources" => state::sources(scope),
        "storage" => storage::storage(scope),
        "tables" => state::tables(scope),
        "write_keys" => state::write_keys(scope),
        _ => return None,
    };
    Some(Arc::new(table))
}
