//! What can be done with a source.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use weir_core::SourceName;

use crate::budget::Account;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::files::Files;
use crate::http::Http;
use crate::load::{Destination, LoadRules, Session, table_name};
use crate::mysql;
use crate::postgres::Database;
use crate::progress::Progress;
use crate::singer::{Expected, Offered, SourceFolder, Tap, Target, Work};
use crate::spec::{SingerSpec, SourceKind, SourceSpec, StreamRules};

/// What is asked of a sync.
#[derive(Clone, Debug, Default)]
pub struct SyncRequest {
    /// Only these streams; all that the source takes when empty.
    pub streams: Vec<String>,
    /// Whether it begins anew: its rows take the place of those before once all of them are there.
    pub full_refresh: bool,
    /// The moment from which on rows are read again, where the source can.
    pub from: Option<DateTime<Utc>>,
}

impl SyncRequest {
    /// Reads the moment from which on rows are read again: a day or an instant.
    pub fn moment(text: &str) -> Result<DateTime<Utc>, ExtractError> {
        crate::singer::moment(text).ok_or_else(|| {
            ExtractError::new(
                ExtractErrorKind::Invalid,
                format!("`{text}` is no day and no instant"),
            )
            .hint("write one such as 2024-03-01 or 2024-03-01T08:00:00Z")
        })
    }
}

/// A source, the place of its own files, and where its rows go.
#[derive(Clone)]
pub(crate) struct Source {
    pub spec: SourceSpec,
    pub service: Service,
    pub folder: SourceFolder,
    pub destination: Arc<dyn Destination>,
}

/// The service behind a source: by what it is asked, and how often it may be.
#[derive(Clone)]
pub(crate) struct Service {
    pub account: Arc<Account>,
    pub http: Option<Arc<dyn Http>>,
}

/// A stream as a source offers it and the lake has it.
#[derive(Clone, Debug, Serialize)]
pub struct PlannedStream {
    #[serde(flatten)]
    pub offered: Offered,
    /// The table of its changes.
    pub table: String,
    /// Whether that is there already.
    pub exists: bool,
}

impl Source {
    /// Returns what the source offers, and what a sync would take of it.
    pub(crate) async fn discover(
        &self,
        run: &str,
        progress: &Progress,
    ) -> Result<Vec<PlannedStream>, ExtractError> {
        let standing = self.destination.standing(&self.spec.name).await?;
        let offered = match &self.spec.kind {
            SourceKind::Singer(singer) => {
                let tap = self.tap(singer, progress).await?;
                tap.discover(run).await?.1
            }
            SourceKind::Postgres(postgres) => {
                Database::new(&self.spec, postgres, progress.clone())
                    .discover()
                    .await?
            }
            SourceKind::Mysql(mysql) => {
                mysql::Database::new(&self.spec, mysql, progress.clone())
                    .discover()
                    .await?
            }
            SourceKind::Files(files) => {
                Files::open(&self.spec, files, &self.service, progress.clone())?
                    .discover()
                    .await?
            }
        };
        let planned = offered.into_iter().map(|offered| {
            let table = table_name(&offered.stream);
            PlannedStream {
                exists: standing.iter().any(|standing| standing.name == table),
                table: format!("{}.{table}", self.spec.name.raw_schema()),
                offered,
            }
        });
        Ok(planned.collect())
    }

    /// Reads what is new.
    pub(crate) async fn sync(
        &self,
        run: String,
        request: SyncRequest,
        progress: &Progress,
    ) -> Result<(), ExtractError> {
        let session = self.session(&run, progress).await?;
        match &self.spec.kind {
            SourceKind::Singer(singer) => {
                let tap = self.tap(singer, progress).await?;
                let work = Work {
                    streams: request.streams,
                    refresh: request.full_refresh,
                    from: request.from,
                    run,
                    version: Utc::now().timestamp_micros(),
                };
                tap.sync(session, work).await
            }
            SourceKind::Postgres(postgres) => {
                if request.from.is_some() {
                    let message = "a database is read on from a place, not from a day";
                    return Err(ExtractError::new(ExtractErrorKind::Unsupported, message).hint(
                        format!(
                            "`weir verify {0} --repair` fetches what differs, `weir sync {0} --full-refresh` everything",
                            self.spec.name
                        ),
                    ));
                }
                let database = Database::new(&self.spec, postgres, progress.clone());
                database
                    .sync(session, &request.streams, request.full_refresh)
                    .await
            }
            SourceKind::Mysql(mysql) => {
                if request.from.is_some() {
                    let message = "a database is read on from a place, not from a day";
                    return Err(
                        ExtractError::new(ExtractErrorKind::Unsupported, message).hint(format!(
                            "`weir sync {} --full-refresh` fetches everything",
                            self.spec.name
                        )),
                    );
                }
                let database = mysql::Database::new(&self.spec, mysql, progress.clone());
                database
                    .sync(session, &request.streams, request.full_refresh)
                    .await
            }
            SourceKind::Files(files) => {
                let files = Files::open(&self.spec, files, &self.service, progress.clone())?;
                files.sync(session, &request).await
            }
        }
    }

    async fn tap<'a>(
        &'a self,
        singer: &'a SingerSpec,
        progress: &Progress,
    ) -> Result<Tap<'a>, ExtractError> {
        let (folder, account) = (self.folder.clone(), self.service.account.clone());
        Tap::ready(&self.spec, singer, (folder, account), progress.clone()).await
    }

    /// Compares the source with the lake; with `repair`, fetches what differs.
    pub(crate) async fn verify(
        &self,
        run: &str,
        repair: bool,
        progress: &Progress,
    ) -> Result<(), ExtractError> {
        let SourceKind::Postgres(postgres) = &self.spec.kind else {
            let message = format!(
                "`{}` is a source of kind `{}`, which cannot be compared row by row",
                self.spec.name,
                self.spec.kind_name()
            );
            return Err(ExtractError::new(ExtractErrorKind::Unsupported, message)
                .hint("read everything again: weir sync --full-refresh"));
        };
        let session = self.session(run, progress).await?;
        let database = Database::new(&self.spec, postgres, progress.clone());
        database.verify(session, repair).await
    }

    async fn session(&self, run: &str, progress: &Progress) -> Result<Session, ExtractError> {
        let rules = LoadRules::of(&self.spec)?;
        let (destination, name) = (self.destination.clone(), self.spec.name.clone());
        Session::begin(destination, name, run.to_owned(), rules, progress.clone()).await
    }
}

/// Returns where a source is to be read on from; null for the beginning.
pub(crate) async fn state(
    destination: &Arc<dyn Destination>,
    source: &SourceName,
) -> Result<Value, ExtractError> {
    let session = bare(destination, source, "state").await?;
    Ok(session.state().clone())
}

/// Sets where a source is to be read on from; null for the beginning.
pub(crate) async fn set_state(
    destination: &Arc<dyn Destination>,
    source: &SourceName,
    run: &str,
    state: Value,
) -> Result<(), ExtractError> {
    bare(destination, source, run).await?.set_state(state).await
}

async fn bare(
    destination: &Arc<dyn Destination>,
    source: &SourceName,
    run: &str,
) -> Result<Session, ExtractError> {
    let (destination, source) = (destination.clone(), source.clone());
    let rules = LoadRules::default();
    Session::begin(
        destination,
        source,
        run.to_owned(),
        rules,
        Progress::default(),
    )
    .await
}

/// A Singer target: takes the messages of a tap that somebody else runs.
pub struct Loading {
    target: Target,
}

impl Loading {
    /// Begins a load into the tables of `source`; as many levels of objects become columns as `flatten`
    /// says.
    pub async fn begin(
        destination: Arc<dyn Destination>,
        source: SourceName,
        run: String,
        flatten: u8,
    ) -> Result<Self, ExtractError> {
        let rules = LoadRules::of_all(StreamRules {
            flatten,
            ..StreamRules::default()
        });
        let progress = Progress::default();
        let session = Session::begin(destination, source, run, rules, progress).await?;
        Ok(Self {
            target: Target::new(session, Expected::default()),
        })
    }

    /// Takes one line; returns the state that is durable with all it covers, where a commit was made.
    pub async fn line(&mut self, line: &str) -> Result<Option<Value>, ExtractError> {
        let committed = self.target.line(line).await?;
        Ok(committed.then(|| self.target.state().clone()))
    }

    /// Ends a load that was complete; returns its last state.
    pub async fn finish(self) -> Result<Value, ExtractError> {
        self.target.finish().await
    }

    /// Ends a load that was not complete: what a state covers is kept.
    pub async fn stop(self) -> Result<(), ExtractError> {
        self.target.stop().await
    }
}
