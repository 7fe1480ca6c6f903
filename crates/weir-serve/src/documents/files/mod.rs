//! Dashboards and questions as files under git, both ways by themselves: a file that is changed is applied,
//! a document that is saved is written. Where both were changed nothing is lost: both stay as they are until
//! somebody says which counts.
//!
//! It begins with the folder: what has no `dashboards/` has no files of dashboards.

mod decide;
mod folder;
mod route;
mod sync;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use serde::Serialize;
use weir_catalog::{Catalog, DocumentKind};

pub(crate) use route::router;

/// The folder of each kind, from the project's. Questions first: dashboards name them.
const FOLDERS: [(DocumentKind, &str); 2] = [
    (DocumentKind::Question, "questions"),
    (DocumentKind::Dashboard, "dashboards"),
];

/// The files of a project's documents; clones share what was found.
#[derive(Clone)]
pub(crate) struct Files {
    project: PathBuf,
    catalog: Catalog,
    found: Arc<Mutex<Found>>,
    /// One works at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What is wrong, as of the last look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Found {
    /// By file, what is wrong with it.
    problems: BTreeMap<String, String>,
    /// By document, the file that was changed as well as it.
    conflicts: BTreeMap<String, Conflict>,
}

/// A document and its file, both changed since they agreed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Conflict {
    document: String,
    kind: DocumentKind,
    name: String,
    path: String,
}

impl Files {
    pub(crate) fn new(project: PathBuf, catalog: Catalog) -> Self {
        Self {
            project,
            catalog,
            found: Arc::default(),
            turn: Arc::default(),
        }
    }

    /// Keeps files and documents alike until the server stops.
    pub(crate) async fn follow_until(self, shutdown: tokio_util::sync::CancellationToken) {
        sync::follow_until(&self, shutdown).await;
    }
}
