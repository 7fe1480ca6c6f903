//! What rows are fetched from: files of the project, the lake they go to, the threads they come on.

pub(crate) mod file;
mod fold;
mod http;
mod lake;
pub(crate) mod timed;

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use weir_catalog::Catalog;
use weir_extract::{
    ExtractError, ExtractErrorKind, Extracts, NamedSource, SourceFiles, SourceSpec,
};
use weir_lake::Lake;
use weir_model::ModelError;
use weir_query::Engine;

use crate::failure::{Explain, Failure};
use crate::project::Project;

use self::fold::Folder;
use self::lake::LakeDestination;

/// The room of sources, with its threads.
pub(crate) struct ExtractRoom {
    extracts: Extracts,
    lake: Lake,
    engine: Engine,
    threads: Option<Runtime>,
}

impl ExtractRoom {
    /// Opens the room.
    pub(crate) fn open(
        project: &Project,
        lake: &Lake,
        catalog: &Catalog,
        engine: &Engine,
    ) -> Result<Self, Failure> {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("weir-extract")
            .on_thread_start(weir_core::priority::yield_to_others)
            .enable_all()
            .build()
            .explain(|| "cannot start threads".into())?;
        let destination = Arc::new(LakeDestination::new(
            lake.clone(),
            catalog.clone(),
            engine.clone(),
        ));
        let folder = project.state_dir().join("sources");
        let files = Box::new(ProjectSources(project.clone()));
        let web = http::Web::new().explain(|| "cannot start an HTTP client".into())?;
        let extracts = Extracts::new(files, destination, folder, threads.handle().clone())
            .with_http(Arc::new(web));
        Ok(Self {
            extracts,
            lake: lake.clone(),
            engine: engine.clone(),
            threads: Some(threads),
        })
    }

    /// Begins syncs by themselves and folds changelogs, until `shutdown`.
    pub(crate) fn follow(&self, shutdown: CancellationToken) {
        if let Some(threads) = &self.threads {
            threads.spawn(timed::follow(self.extracts(), shutdown.clone()));
            let folder = Folder {
                extracts: self.extracts(),
                lake: self.lake.clone(),
                engine: self.engine.clone(),
            };
            threads.spawn(folder.follow(shutdown));
        }
    }

    pub(crate) fn extracts(&self) -> Extracts {
        self.extracts.clone()
    }
}

impl Drop for ExtractRoom {
    fn drop(&mut self) {
        // Syncs end where they are: what they had not committed was never seen.
        if let Some(threads) = self.threads.take() {
            threads.shutdown_background();
        }
    }
}

/// Reads what a project's files declare; nothing where the folder cannot be read.
pub(crate) fn declared(project: &Project) -> Vec<NamedSource> {
    ProjectSources(project.clone())
        .sources()
        .unwrap_or_default()
}

/// `sources/*.yml` of a project.
struct ProjectSources(Project);

impl SourceFiles for ProjectSources {
    fn sources(&self) -> Result<Vec<(String, Result<SourceSpec, ExtractError>)>, ExtractError> {
        let files = self
            .0
            .fetched_files()
            .map_err(|failure| ExtractError::new(ExtractErrorKind::Invalid, failure.text()))?;
        let variable = |name: &str| self.0.variable(name);
        let mut sources: Vec<(String, Result<SourceSpec, ExtractError>)> =
            Vec::with_capacity(files.len());
        for read in files {
            let parts = (read.file.as_str(), read.stem.as_str(), read.text.as_str());
            let spec = file::parse(parts, self.0.dir(), &variable).map_err(|errors| told(&errors));
            let name = spec
                .as_ref()
                .map_or(read.stem.clone(), |spec| spec.name.to_string());
            if sources.iter().any(|(other, _)| *other == name) {
                let message = format!("two files in `sources/` describe `{name}`");
                return Err(ExtractError::new(ExtractErrorKind::Invalid, message)
                    .hint("rename one of the sources"));
            }
            sources.push((name, spec));
        }
        Ok(sources)
    }
}

/// Returns all mistakes of a file as one error.
fn told(errors: &[ModelError]) -> ExtractError {
    let lines = errors.iter().map(|error| {
        let place = error.place().map_or(String::new(), |place| {
            format!("{}:{}:{}: ", place.file, place.line, place.column)
        });
        let hint = error
            .hint_text()
            .map_or(String::new(), |hint| format!("; {hint}"));
        format!("{place}{error}{hint}")
    });
    let lines: Vec<String> = lines.collect();
    ExtractError::new(ExtractErrorKind::Invalid, "a source is described wrongly")
        .because(lines.join("\n"))
}
