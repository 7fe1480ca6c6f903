//! Commits of statements: one commit per statement, whatever it changes.

use std::collections::HashSet;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use chrono::Utc;
use deltalake::kernel::engine::arrow_conversion::TryIntoKernel;
use deltalake::kernel::transaction::{CommitBuilder, CommitProperties};
use deltalake::kernel::{Action, MetadataExt, Protocol, StructType, Transaction};
use deltalake::protocol::{DeltaOperation, SaveMode};
use deltalake::{DeltaTable, DeltaTableError};
use fail::fail_point;
use serde_json::json;
use tracing::warn;
use weir_core::TableName;

use super::log::TableLog;
use super::receipt::Receipt;
use crate::error::{LakeError, LakeErrorKind};
use crate::view::DataFile;

/// Who writes a table: absent for those of the intake.
const WRITER: &str = "weir.writer";

/// What a connector remembers, as of the rows of the same version.
const LOAD_STATE: &str = "weir.load";

/// Set while a table is dropped: its log stays, so that a new table of the name continues it.
const DROPPED: &str = "weir.dropped";
/// The setting of a table that was made again after it was dropped: its first version since.
const RECREATED: &str = "weir.recreated";

/// The table this one was, and the version it had, as `schema.table@version`.
const RENAMED_FROM: &str = "weir.renamedFrom";

/// How many commits back an answer that was lost is looked for.
const LOOK_BACK: usize = 16;

/// Who writes a table that the intake does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Statements of SQL.
    Statements,
    /// A connector, which loads what another system has.
    Loads,
}

impl Writer {
    fn as_str(self) -> &'static str {
        match self {
            Writer::Statements => "sql",
            Writer::Loads => "load",
        }
    }
}

/// What a statement did to the rows, as Delta names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Create,
    Append,
    Overwrite,
    Delete,
    Update,
    Merge,
    Alter,
    Drop,
}

/// What a statement's commit changes.
#[derive(Debug)]
pub(crate) struct StatementCommit {
    pub(crate) operation: Operation,
    pub(crate) add: Vec<DataFile>,
    pub(crate) remove: Vec<DataFile>,
    /// The columns the table has from now on, where they change.
    pub(crate) schema: Option<SchemaRef>,
    /// What people are told the table is, where that changes; empty for nothing.
    pub(crate) comment: Option<String>,
    /// The table whose name and rows this one takes over, and its version.
    pub(crate) renamed_from: Option<(TableName, u64)>,
    /// Who writes the table, where it is new.
    pub(crate) writer: Writer,
    /// What a connector remembers from now on, where that changes.
    pub(crate) load_state: Option<String>,
    /// An application and how far it has come, as other writers of Delta tables tell it.
    pub(crate) transaction: Option<(String, i64)>,
    pub(crate) receipt: Receipt,
}

impl StatementCommit {
    /// Returns a commit that changes nothing yet.
    pub(crate) fn new(operation: Operation, receipt: Receipt) -> Self {
        Self {
            operation,
            add: Vec::new(),
            remove: Vec::new(),
            schema: None,
            comment: None,
            renamed_from: None,
            writer: Writer::Statements,
            load_state: None,
            transaction: None,
            receipt,
        }
    }

    fn transaction_action(&self, now: i64) -> Option<Action> {
        let (application, version) = self.transaction.clone()?;
        Some(Action::Txn(Transaction::new_with_last_update(
            application,
            version,
            Some(now),
        )))
    }

    fn origin(&self) -> Option<String> {
        let (name, version) = self.renamed_from.as_ref()?;
        Some(format!("{name}@{version}"))
    }
}

impl TableLog {
    /// Tells whether statements write this table, dropped or not.
    pub(crate) fn is_written_by_statements(&self) -> bool {
        self.is_written_by(Writer::Statements)
    }

    /// Tells whether `writer` writes this table, dropped or not.
    pub(crate) fn is_written_by(&self, writer: Writer) -> bool {
        self.setting(WRITER)
            .is_some_and(|word| word == writer.as_str())
    }

    /// Returns what a connector remembers as of this version.
    pub(crate) fn load_state(&self) -> Option<&str> {
        self.setting(LOAD_STATE).map(String::as_str)
    }

    /// Returns what a connector remembered as of an older version.
    pub(crate) async fn load_state_at(&self, version: u64) -> Result<Option<String>, LakeError> {
        let state = self.state_at(version).await?;
        Ok(state.metadata().configuration().get(LOAD_STATE).cloned())
    }

    /// Tells whether the table was dropped: only its history is left.
    pub(crate) fn is_dropped(&self) -> bool {
        self.setting(DROPPED).is_some()
    }

    /// Returns the first version since the table was dropped last; those before are of another table.
    pub(crate) fn recreated_at(&self) -> u64 {
        self.setting(RECREATED)
            .and_then(|version| version.parse().ok())
            .unwrap_or(0)
    }

    /// Returns what people are told the table is.
    pub(crate) fn comment(&self) -> Option<&str> {
        let comment = self.state.as_ref()?.metadata().description();
        comment.filter(|comment| !comment.is_empty())
    }

    /// Returns the table this one was renamed from, and the version that one had.
    pub(crate) fn renamed_from(&self) -> Option<(String, u64)> {
        let (name, version) = self.setting(RENAMED_FROM)?.rsplit_once('@')?;
        Some((name.to_owned(), version.parse().ok()?))
    }

    fn setting(&self, key: &str) -> Option<&String> {
        self.state.as_ref()?.metadata().configuration().get(key)
    }

    /// Makes a statement's change, all of it or nothing.
    pub(crate) async fn commit_statement(
        &mut self,
        commit: StatementCommit,
    ) -> Result<u64, LakeError> {
        match self.try_commit_statement(&commit).await {
            Ok(version) => Ok(version),
            Err(error) => {
                // The answer may have been lost after the work was done.
                self.load().await?;
                match self.committed_by(&commit.receipt.run_id).await? {
                    Some(version) => {
                        warn!(table = %self.name, version, %error, "commit went through although its answer was an error");
                        Ok(version)
                    }
                    None => Err(self.refused(error)),
                }
            }
        }
    }

    fn refused(&self, error: DeltaTableError) -> LakeError {
        let kind = match &error {
            DeltaTableError::Transaction { .. } | DeltaTableError::VersionAlreadyExists(_) => {
                LakeErrorKind::Conflict
            }
            _ => LakeErrorKind::Storage,
        };
        LakeError::new(kind, "commit to table", &self.name).because(error)
    }

    async fn committed_by(&self, run_id: &str) -> Result<Option<u64>, LakeError> {
        let commits = self.history(LOOK_BACK).await?;
        let found = commits
            .iter()
            .find(|c| c.receipt.as_ref().is_some_and(|r| r.run_id == run_id));
        Ok(found.map(|commit| commit.version))
    }

    async fn try_commit_statement(
        &mut self,
        commit: &StatementCommit,
    ) -> Result<u64, DeltaTableError> {
        fail_point!("statement-commit", |_| Err(DeltaTableError::generic(
            "failpoint statement-commit"
        )));
        let Some(state) = &self.state else {
            return self.create_by_statement(commit).await;
        };
        let mut actions = Vec::new();
        let mut metadata = state.metadata().clone();
        if let Some(schema) = &commit.schema {
            let kernel: StructType = schema.as_ref().try_into_kernel()?;
            if let Some(protocol) = raised(state.protocol(), schema)? {
                actions.push(Action::Protocol(protocol));
            }
            metadata = metadata.with_schema(&kernel)?;
        }
        let dropped = metadata.configuration().contains_key(DROPPED);
        match commit.operation {
            Operation::Drop => metadata = metadata.add_config_key(DROPPED.into(), "true".into())?,
            _ if dropped => {
                let version = state.version() + 1;
                metadata = metadata
                    .remove_config_key(DROPPED)?
                    .add_config_key(RECREATED.into(), version.to_string())?
                    .with_description(String::new())?;
            }
            _ => {}
        }
        if let Some(origin) = commit.origin() {
            metadata = metadata.add_config_key(RENAMED_FROM.into(), origin)?;
        }
        if let Some(comment) = &commit.comment {
            metadata = metadata.with_description(comment.clone())?;
        }
        if let Some(state) = &commit.load_state {
            metadata = metadata.add_config_key(LOAD_STATE.into(), state.clone())?;
        }
        if metadata != *state.metadata() {
            actions.push(Action::Metadata(metadata));
        }
        let now = Utc::now().timestamp_millis();
        actions.extend(commit.transaction_action(now));
        for file in &commit.remove {
            actions.push(Action::Remove(self.remove_action(file, now, true)));
        }
        for file in &commit.add {
            actions.push(Action::Add(self.add_action(file, true)));
        }
        let done = CommitBuilder::default()
            .with_actions(actions)
            .with_app_metadata(commit.receipt.clone().into_metadata())
            .build(Some(state), self.log_store.clone(), commit.operation.into())
            .await?;
        fail_point!("statement-committed", |_| Err(DeltaTableError::generic(
            "failpoint statement-committed"
        )));
        let alone = done.version() == state.version() + 1;
        let (version, state) = (done.version(), done.snapshot());
        if alone {
            // Nobody else wrote: our own account of the files is the newest.
            let removed: HashSet<_> = commit.remove.iter().map(|file| &file.path).collect();
            let kept = self.files.iter().filter(|f| !removed.contains(&f.path));
            self.files = kept.chain(&commit.add).cloned().collect::<Vec<_>>().into();
            self.schema = state.snapshot().arrow_schema();
            self.state = Some(state);
        } else {
            self.accept(state)
                .await
                .map_err(|e| DeltaTableError::generic(e.to_string()))?;
        }
        Ok(version)
    }

    /// Makes the table and its first rows in one commit.
    async fn create_by_statement(
        &mut self,
        commit: &StatementCommit,
    ) -> Result<u64, DeltaTableError> {
        let schema = commit
            .schema
            .as_ref()
            .ok_or_else(|| DeltaTableError::generic("a new table needs columns"))?;
        let kernel: StructType = schema.as_ref().try_into_kernel()?;
        let adds = commit.add.iter();
        let mut actions: Vec<Action> = adds
            .map(|file| Action::Add(self.add_action(file, true)))
            .collect();
        actions.extend(commit.transaction_action(Utc::now().timestamp_millis()));
        let receipt = commit.receipt.clone().into_metadata();
        let table = DeltaTable::new(self.log_store.clone())
            .create()
            .with_table_name(self.name.to_string())
            .with_columns(kernel.fields().cloned())
            .with_raise_if_key_not_exists(false)
            .with_configuration([
                (WRITER.to_owned(), Some(commit.writer.as_str().to_owned())),
                (LOAD_STATE.to_owned(), commit.load_state.clone()),
                ("delta.checkpointInterval".to_owned(), Some("50".to_owned())),
                (RENAMED_FROM.to_owned(), commit.origin()),
            ])
            .with_actions(actions)
            .with_commit_properties(CommitProperties::default().with_metadata(receipt))
            .await?;
        let state = table.snapshot()?.clone();
        let version = state.version();
        self.accept(state)
            .await
            .map_err(|e| DeltaTableError::generic(e.to_string()))?;
        // As written: bounds and sizes are not read back from text.
        self.files = commit.add.clone().into();
        Ok(version)
    }
}

impl From<Operation> for DeltaOperation {
    fn from(operation: Operation) -> Self {
        let write = |mode| DeltaOperation::Write {
            mode,
            partition_by: None,
            predicate: None,
        };
        match operation {
            Operation::Append => write(SaveMode::Append),
            Operation::Create | Operation::Overwrite | Operation::Alter | Operation::Drop => {
                write(SaveMode::Overwrite)
            }
            Operation::Delete => DeltaOperation::Delete { predicate: None },
            Operation::Update => DeltaOperation::Update { predicate: None },
            Operation::Merge => DeltaOperation::Merge {
                predicate: None,
                merge_predicate: None,
                matched_predicates: Vec::new(),
                not_matched_predicates: Vec::new(),
                not_matched_by_source_predicates: Vec::new(),
            },
        }
    }
}

/// Returns the protocol that `schema` asks for, if the table has a lower one: a timestamp without a
/// zone is a feature of its own.
fn raised(now: &Protocol, schema: &Schema) -> Result<Option<Protocol>, DeltaTableError> {
    const FEATURE: &str = "timestampNtz";
    if !schema
        .fields()
        .iter()
        .any(|f| has_local_time(f.data_type()))
    {
        return Ok(None);
    }
    let now = serde_json::to_value(now)?;
    let listed = |key: &str| -> Vec<String> {
        let list = now.get(key).and_then(|v| v.as_array());
        let texts = list.into_iter().flatten().filter_map(|v| v.as_str());
        texts.map(str::to_owned).collect()
    };
    let (mut reader, mut writer) = (listed("readerFeatures"), listed("writerFeatures"));
    if reader.iter().any(|feature| feature == FEATURE) {
        return Ok(None);
    }
    if writer.is_empty() {
        // What the lower writer version stands for.
        writer = ["appendOnly", "invariants"].map(str::to_owned).to_vec();
    }
    reader.push(FEATURE.to_owned());
    writer.push(FEATURE.to_owned());
    let raised = json!({
        "minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": reader, "writerFeatures": writer,
    });
    Ok(Some(serde_json::from_value(raised)?))
}

fn has_local_time(data_type: &DataType) -> bool {
    match data_type {
        DataType::Timestamp(_, None) => true,
        DataType::List(item) => has_local_time(item.data_type()),
        DataType::Struct(fields) => fields.iter().any(|f| has_local_time(f.data_type())),
        _ => false,
    }
}
