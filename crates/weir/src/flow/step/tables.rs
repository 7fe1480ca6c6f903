//! The lake's tables for steps: what they read as files, what they wrote as tables.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant as Moment};

use async_trait::async_trait;
use chrono::{TimeDelta, Utc};
use parking_lot::Mutex;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use weir_access::{Identity, Scope};
use weir_catalog::{Actor, Catalog, NewToken, PublicationToken};
use weir_core::{TableName, quoted};
use weir_flow::PublishToken;
use weir_lake::{Input, Receipt};
use weir_query::{
    Caller, Engine, Instant, PublishRequest, QueryError, QueryErrorKind, QueryRequest,
    TableLoad as Load, Transaction,
};
use weir_serve::{FileFormat, RowsFileError, write_rows};
use weir_step::{
    DatabaseUse, Lent, Made, StepError, StepErrorKind, TableFile, TableFormat, TableLoad, Warehouse,
};

use super::declared::parts;
use super::read;
use crate::flow::versions::{LakeVersions, PinnedRelation};

/// By which door steps ask, in the audit.
const DOOR: &str = "step";
/// With these words begin the labels of tokens that steps are lent.
const LABEL: &str = "lent to step ";
/// When a lent token ends that nobody took back.
const LENT_FOR: TimeDelta = TimeDelta::hours(24);
/// So long what a table was like is kept for the job that asked; jobs write their inputs at once.
const PINNED_FOR: Duration = Duration::from_secs(600);
const PINNED: usize = 256;
/// Batches on their way from files to the lake.
const AHEAD: usize = 2;

/// What is needed to reach this server from a command.
#[derive(Clone, Debug)]
pub(in crate::flow) struct Doors {
    pub(in crate::flow) url: String,
    pub(in crate::flow) postgres: Option<SocketAddr>,
}

/// Tables for steps.
pub(super) struct LakeTables {
    pub(super) engine: Engine,
    pub(super) catalog: Catalog,
    pub(super) versions: Arc<LakeVersions>,
    pub(super) doors: Doors,
    /// Where tokens are taken back when an attempt is dropped.
    pub(super) threads: Handle,
    pub(super) pins: Mutex<HashMap<(String, i64), (Moment, PinnedRelation)>>,
}

impl fmt::Debug for LakeTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LakeTables")
    }
}

impl LakeTables {
    fn caller(&self, owner: Option<&str>) -> Result<Caller, StepError> {
        let Some(owner) = owner else {
            return Ok(Caller::owner(DOOR));
        };
        let access = self.catalog.access();
        match access.identity(owner) {
            Some(identity) => Ok(Caller::new(identity, DOOR)),
            None => {
                let names: Vec<&str> = access.users().map(|user| user.name.as_str()).collect();
                let error = StepError::new(
                    StepErrorKind::Invalid,
                    format!("there is no user `{owner}`, whose rights the step is to have"),
                );
                Err(
                    error.with_hint(match weir_core::did_you_mean(owner, &names) {
                        Some(meant) => format!("did you mean `{meant}`?"),
                        None => {
                            "name another `owner`; `weir users list` shows who there is".to_owned()
                        }
                    }),
                )
            }
        }
    }

    fn pinned(&self, table: &str, version: i64) -> Result<PinnedRelation, StepError> {
        let pins = self.pins.lock();
        let found = pins.get(&(table.to_owned(), version));
        found.map(|(_, pinned)| pinned.clone()).ok_or_else(|| {
            StepError::new(
                StepErrorKind::Unavailable,
                format!("nobody kept how `{table}` was at version {version}"),
            )
            .with_hint("run the step again: it then reads the table as it is")
        })
    }

    fn request(&self, sql: String, caller: Caller, instant: Option<Instant>) -> QueryRequest {
        QueryRequest {
            instant,
            ..QueryRequest::new(sql, caller)
        }
    }

    /// Makes the schema of a table if it is not there.
    async fn ensure_schema(&self, schema: &str, caller: &Caller) -> Result<(), StepError> {
        let sql = format!("CREATE SCHEMA IF NOT EXISTS {}", quoted(schema));
        let made = self.engine.query(self.request(sql, caller.clone(), None));
        made.await
            .map(drop)
            .map_err(|error| of_query(error, format!("make the schema `{schema}`")))
    }

    /// Puts the rows of one table into a transaction.
    async fn load_table(
        &self,
        transaction: &Transaction,
        load: &TableLoad,
        receipt: &Receipt,
    ) -> Result<(), StepError> {
        let (schema, table) = parts(&load.table);
        let action = || format!("load `{}`", load.table);
        let files = load.files.clone();
        let columns = match files.is_empty() {
            true => match self.columns_now(schema, table).await {
                Some(columns) => columns,
                // No rows, and nobody can tell of what.
                None => return Ok(()),
            },
            false => {
                let files = files.clone();
                let read = tokio::task::spawn_blocking(move || read::columns(&files)).await;
                let columns = read
                    .map_err(ended)?
                    .map_err(|error| wrong_output(action(), error))?;
                Arc::new(columns)
            }
        };
        let (sender, rows) = mpsc::channel(AHEAD);
        let fitted = columns.clone();
        let reading = tokio::task::spawn_blocking(move || {
            let read = read::rows(&files, &fitted, |batch| {
                sender.blocking_send(Some(batch)).is_ok()
            });
            if read.is_err() {
                let _ = sender.blocking_send(None);
            }
            read
        });
        let request = Load {
            schema: schema.to_owned(),
            table: table.to_owned(),
            columns,
            receipt: receipt.clone(),
        };
        let loaded = self.engine.load(transaction, request, rows).await;
        // What is wrong with a file says more than that the rows ended.
        reading
            .await
            .map_err(ended)?
            .map_err(|error| wrong_output(action(), error))?;
        loaded.map(drop).map_err(|error| of_query(error, action()))
    }

    async fn columns_now(&self, schema: &str, table: &str) -> Option<arrow::datatypes::SchemaRef> {
        let name = TableName::new(schema, table).ok()?;
        let instant = self.engine.instant().await;
        let view = instant.tables().table(&name)?;
        Some(view.schema.clone())
    }
}

#[async_trait]
impl Warehouse for LakeTables {
    async fn version(&self, table: &str, _owner: Option<&str>) -> Result<Option<i64>, StepError> {
        let (schema, name) = parts(table);
        let pinned = self.versions.pin(&self.engine, schema, name).await;
        let pinned = pinned.map_err(|error| {
            StepError::new(
                StepErrorKind::Unavailable,
                format!("cannot tell the version of `{table}`"),
            )
            .because(error)
        })?;
        let Some(pinned) = pinned else {
            return Ok(None);
        };
        let version = pinned.version;
        let mut pins = self.pins.lock();
        pins.retain(|_, (at, _)| at.elapsed() < PINNED_FOR);
        if pins.len() >= PINNED {
            let oldest = pins.iter().min_by_key(|(_, (at, _))| *at);
            if let Some(key) = oldest.map(|(key, _)| key.clone()) {
                pins.remove(&key);
            }
        }
        pins.insert((table.to_owned(), version), (Moment::now(), pinned));
        Ok(Some(version))
    }

    async fn files(
        &self,
        table: &str,
        version: i64,
        format: TableFormat,
    ) -> Result<Vec<TableFile>, StepError> {
        let pinned = self.pinned(table, version)?;
        let (schema, name) = parts(table);
        let view = TableName::new(schema, name).ok();
        let view = view.and_then(|name| pinned.instant.tables().table(&name).cloned());
        Ok(vec![TableFile {
            name: format!("{name}.{format}"),
            fingerprint: pinned.fingerprint,
            size: view.map_or(0, |view| view.files.iter().map(|file| file.size).sum()),
        }])
    }

    async fn export(
        &self,
        table: &str,
        version: i64,
        format: TableFormat,
        names: &[String],
        folder: &Path,
        owner: Option<&str>,
    ) -> Result<(), StepError> {
        let pinned = self.pinned(table, version)?;
        let (schema, name) = parts(table);
        let sql = format!("SELECT * FROM {}.{}", quoted(schema), quoted(name));
        let format = match format {
            TableFormat::Parquet => FileFormat::Parquet,
            TableFormat::Arrow => FileFormat::Arrow,
            TableFormat::Csv => FileFormat::Csv,
            TableFormat::Json => FileFormat::JsonLines,
        };
        let action = || format!("write the rows of `{table}` for the step");
        for file in names {
            let mut request = self.request(
                sql.clone(),
                self.caller(owner)?,
                Some(pinned.instant.clone()),
            );
            request.read_only = true;
            let result = self.engine.query(request).await;
            let result = result.map_err(|error| of_query(error, action()))?;
            let path = folder.join(file);
            write_rows(result, format, &path)
                .await
                .map_err(|error| match error {
                    RowsFileError::Query(error) => of_query(error, action()),
                    RowsFileError::File(error) => {
                        StepError::new(StepErrorKind::Unavailable, action())
                            .because(error)
                            .with_hint("make room on the disk, then run the step again")
                    }
                    error => StepError::new(StepErrorKind::Invalid, action())
                        .because(error)
                        .with_hint("read it in another format: `as: parquet`"),
                })?;
        }
        Ok(())
    }

    async fn load(
        &self,
        loads: &[TableLoad],
        made: &Made,
        token: &PublishToken,
    ) -> Result<String, StepError> {
        let action = || format!("publish the tables of step `{}`", made.step);
        let token = PublicationToken {
            app: token.app.clone(),
            sequence: token.sequence,
        };
        let earlier = self.engine.published(&token).await;
        let earlier = earlier.map_err(|error| match error.kind() {
            QueryErrorKind::Conflict => {
                StepError::new(StepErrorKind::Stale, error.message().to_owned())
            }
            _ => of_query(error, action()),
        })?;
        if let Some(earlier) = earlier {
            return Ok(earlier.id);
        }
        let caller = self.caller(made.owner.as_deref())?;
        let transaction = self
            .engine
            .begin(caller.clone())
            .map_err(|error| of_query(error, action()))?;
        let receipt = receipt(made);
        let loading = async {
            for load in loads {
                self.ensure_schema(parts(&load.table).0, &caller).await?;
                self.load_table(&transaction, load, &receipt).await?;
            }
            Ok(())
        };
        if let Err(error) = loading.await {
            self.engine.discard(&transaction).await;
            return Err(error);
        }
        let request = PublishRequest {
            about: about(made),
            token: Some(token),
            ..PublishRequest::default()
        };
        let published = self.engine.publish(&transaction, request).await;
        published
            .map(|published| published.id)
            .map_err(|error| of_query(error, action()))
    }

    async fn lend(
        &self,
        step: &str,
        owner: Option<&str>,
        may: DatabaseUse,
    ) -> Result<Lent, StepError> {
        self.caller(owner)?;
        let local = Identity::local();
        let user = owner.unwrap_or(local.user()).to_owned();
        let scopes = match may {
            DatabaseUse::Read => "read",
            DatabaseUse::Write => "read,write",
        };
        let new = NewToken {
            user: user.clone(),
            label: format!("{LABEL}{step}"),
            scopes: Scope::parse_list(scopes).unwrap_or_default(),
            expires_at: Some(Utc::now() + LENT_FOR),
        };
        let made = self.catalog.create_token(&actor(), new).await;
        let (token, info) = made.map_err(|error| {
            let hint = error.hint().map(str::to_owned);
            let error = StepError::new(
                StepErrorKind::Unavailable,
                format!("make a token for step `{step}`"),
            )
            .because(error);
            match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        })?;
        let secret = token.reveal().to_owned();
        let until = Box::new(TakenBack {
            catalog: self.catalog.clone(),
            threads: self.threads.clone(),
            token: info.id,
        });
        let mut variables = vec![
            ("WEIR_URL".to_owned(), self.doors.url.clone()),
            ("WEIR_TOKEN".to_owned(), secret.clone()),
        ];
        let mut secrets = vec![secret.clone()];
        if let Some(address) = self.doors.postgres {
            let host = match address.ip() {
                IpAddr::V4(ip) if ip.is_unspecified() => "127.0.0.1".to_owned(),
                IpAddr::V6(ip) if ip.is_unspecified() => "::1".to_owned(),
                ip => ip.to_string(),
            };
            let in_url = match host.contains(':') {
                true => format!("[{host}]"),
                false => host.clone(),
            };
            let port = address.port();
            let url = format!("postgresql://{user}:{secret}@{in_url}:{port}/weir?sslmode=require");
            let pairs = [
                ("DATABASE_URL", url.as_str()),
                ("PGHOST", host.as_str()),
                ("PGPORT", &port.to_string()),
                ("PGUSER", user.as_str()),
                ("PGPASSWORD", secret.as_str()),
                ("PGDATABASE", "weir"),
                ("PGSSLMODE", "require"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()));
            variables.extend(pairs);
            secrets.push(url);
        }
        Ok(Lent {
            variables,
            secrets,
            until,
        })
    }
}

/// Takes the token of a step back.
struct TakenBack {
    catalog: Catalog,
    threads: Handle,
    token: i64,
}

impl Drop for TakenBack {
    fn drop(&mut self) {
        let (catalog, token) = (self.catalog.clone(), self.token);
        self.threads
            .spawn(async move { take_back(&catalog, token).await });
    }
}

/// Takes back the tokens that steps of a process that is gone were lent.
pub(super) async fn take_all_back(catalog: &Catalog) {
    let access = catalog.access();
    let now = Utc::now();
    let left = access
        .tokens()
        .filter(|token| token.label.starts_with(LABEL) && token.refusal(now).is_none());
    let left: Vec<i64> = left.map(|token| token.id).collect();
    for token in left {
        take_back(catalog, token).await;
    }
}

async fn take_back(catalog: &Catalog, token: i64) {
    let done = catalog.revoke_token(&actor(), &token.to_string()).await;
    if let Err(error) = done {
        tracing::warn!(%error, token, "cannot take the token of a step back; it ends by itself");
    }
}

/// Returns Weir itself, as the one who lends and takes back.
fn actor() -> Actor {
    Actor::new(Identity::local(), DOOR)
}

fn receipt(made: &Made) -> Receipt {
    let inputs = made.inputs.iter().filter_map(|(origin, version)| {
        let name = origin.strip_prefix("table:").unwrap_or(origin);
        // Tables are named with the format they were read in.
        let name = match name.len() < origin.len() {
            true => name.rsplit_once('.').map_or(name, |(table, _)| table),
            false => name,
        };
        let version = u64::try_from(*version).ok()?;
        Some(Input {
            name: name.to_owned(),
            from: version,
            to: version,
        })
    });
    Receipt {
        writer: DOOR.to_owned(),
        run_id: made.run.clone(),
        inputs: inputs.collect(),
        code: format!("blake3:{}", hex(&made.code)),
        ..Receipt::default()
    }
}

/// Returns what the publication says of itself.
fn about(made: &Made) -> Map<String, Value> {
    let inputs: Map<String, Value> = made
        .inputs
        .iter()
        .map(|(origin, version)| (origin.clone(), Value::from(*version)))
        .collect();
    let mut about = Map::new();
    about.insert("command".to_owned(), json!("step"));
    let run = made.run.parse::<i64>().map_or(json!(made.run), Value::from);
    about.insert("run".to_owned(), run);
    about.insert("step".to_owned(), json!(format!("step.{}", made.step)));
    about.insert(
        "code".to_owned(),
        json!(format!("blake3:{}", hex(&made.code))),
    );
    about.insert("inputs".to_owned(), Value::Object(inputs));
    about
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn ended(error: tokio::task::JoinError) -> StepError {
    StepError::new(StepErrorKind::Unavailable, "reading files was cut off").because(error)
}

fn wrong_output(action: String, error: read::Unreadable) -> StepError {
    StepError::new(StepErrorKind::Output, action)
        .because(error)
        .with_hint("nothing of it was loaded; mend the command and run the step again")
}

/// Turns an answer of the engine into one about a step.
fn of_query(error: QueryError, action: String) -> StepError {
    use QueryErrorKind as Kind;
    let kind = match error.kind() {
        Kind::Conflict | Kind::Busy | Kind::Lake | Kind::Internal | Kind::Cancelled => {
            StepErrorKind::Unavailable
        }
        Kind::OutOfMemory | Kind::OutOfDisk | Kind::Timeout => StepErrorKind::Limit,
        Kind::Value => StepErrorKind::Output,
        Kind::UndefinedTable | Kind::UndefinedVersion => StepErrorKind::NotFound,
        _ => StepErrorKind::Invalid,
    };
    let hint = error.advice().map(str::to_owned);
    let made = StepError::new(kind, format!("cannot {action}: {}", error.message())).because(error);
    match hint {
        Some(hint) => made.with_hint(hint),
        None => made,
    }
}
