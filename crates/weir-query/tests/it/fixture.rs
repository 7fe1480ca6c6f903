//! A lake with a few tables, filled through its log, and an engine over it.

use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use futures::StreamExt;
use serde_json::{Value as Json, json};
use tempfile::TempDir;
use weir_catalog::Catalog;
use weir_core::{SourceName, TableName};
use weir_lake::{Apply, ColumnKind, Lake, LakeOptions, Record, Rows, TableSpec, Value};
use weir_query::{Caller, Command, Engine, EngineOptions, QueryError, QueryRequest};

/// Writes records of the form `[{"schema": .., "table": .., "row": {..}}, ..]` as they are; text
/// that ends in `Z` and starts with a year is an instant.
struct JsonApply;

impl Apply for JsonApply {
    fn apply(&mut self, record: &Record<'_>, rows: &mut Rows<'_>) {
        let items: Vec<Json> = serde_json::from_slice(record.payload).expect("records are ours");
        for (i, item) in items.iter().enumerate() {
            let seq = record.first.plus(i as u64);
            let name = TableName::new(
                item["schema"].as_str().unwrap(),
                item["table"].as_str().unwrap(),
            )
            .unwrap();
            let id = rows.open(&name, &TableSpec::default);
            let table = rows.table(id);
            if !table.begin(seq) {
                continue;
            }
            let mut set = |name: &str, kind, value: Value<'_>| {
                let column = table.column(name, kind).expect("few columns");
                table.set(column, value);
            };
            set(
                "weir_seq",
                ColumnKind::Integer,
                Value::Integer(seq.0 as i64),
            );
            for (name, value) in item["row"].as_object().unwrap() {
                match value {
                    Json::Bool(v) => set(name, ColumnKind::Boolean, Value::Boolean(*v)),
                    Json::Number(v) if v.is_i64() => set(
                        name,
                        ColumnKind::Integer,
                        Value::Integer(v.as_i64().unwrap()),
                    ),
                    Json::Number(v) => {
                        set(name, ColumnKind::Float, Value::Float(v.as_f64().unwrap()))
                    }
                    Json::String(v) if v.starts_with("20") && v.ends_with('Z') => {
                        let micros = chrono::DateTime::parse_from_rfc3339(v)
                            .unwrap()
                            .timestamp_micros();
                        set(name, ColumnKind::Timestamp, Value::Timestamp(micros, v));
                    }
                    Json::String(v) => set(name, ColumnKind::String, Value::String(v)),
                    Json::Null => {}
                    other => panic!("no column holds {other}"),
                }
            }
            table.end();
        }
    }
}

/// One lake, one catalog, one engine.
pub(crate) struct Fixture {
    pub(crate) engine: Engine,
    pub(crate) lake: Lake,
    pub(crate) catalog: Catalog,
    _dir: TempDir,
}

impl Fixture {
    /// An empty lake.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// An empty lake, and an engine whose limits are changed.
    pub(crate) async fn with(change: impl FnOnce(&mut EngineOptions)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut lake_options = LakeOptions::new(
            dir.path().join("state"),
            dir.path().join("lake").display().to_string(),
        );
        lake_options.flush_interval = Duration::from_secs(3600);
        lake_options.min_free_bytes = 0;
        lake_options.compaction = false;
        let lake = Lake::open(lake_options, Box::new(JsonApply)).await.unwrap();
        let catalog = Catalog::open(&dir.path().join("catalog.db")).await.unwrap();
        catalog
            .upsert_source(
                &weir_catalog::Actor::local(),
                &SourceName::new("shop").unwrap(),
                true,
                &Default::default(),
            )
            .await
            .unwrap();
        let mut options = EngineOptions {
            temp_dir: dir.path().join("spill"),
            threads: 2,
            timeout: Duration::from_secs(30),
            ..EngineOptions::default()
        };
        change(&mut options);
        let engine = Engine::new(lake.clone(), catalog.clone(), options).unwrap();
        Self {
            engine,
            lake,
            catalog,
            _dir: dir,
        }
    }

    /// The lake most tests read: some rows in files, some in memory.
    pub(crate) async fn filled() -> Self {
        let fixture = Self::new().await;
        fixture.fill().await;
        fixture
    }

    pub(crate) async fn fill(&self) {
        let order = |id: i64, user: &str, amount: f64, at: &str| {
            let raw = json!({"type": "track", "properties": {"amount": amount, "items": [{"sku": "a"}, {"sku": "b"}]}});
            vec![
                json!({"schema": "raw_shop", "table": "events", "row": {
                    "message_id": format!("m{id}"), "type": "track", "event": "Order Completed", "user_id": user,
                    "received_at": at, "raw": raw.to_string(),
                }}),
                json!({"schema": "shop", "table": "orders", "row": {
                    "id": format!("m{id}"), "user_id": user, "amount": amount, "received_at": at,
                }}),
            ]
        };
        let identify = |id: i64, user: &str, traits: Json| {
            let mut row = json!({"id": format!("i{id}"), "user_id": user, "received_at": format!("2026-01-0{id}T00:00:00Z")});
            row.as_object_mut()
                .unwrap()
                .extend(traits.as_object().unwrap().clone());
            vec![json!({"schema": "shop", "table": "identifies", "row": row})]
        };
        let mut cold = order(1, "ada", 10.5, "2026-01-01T10:00:00Z");
        cold.extend(order(2, "bob", 20.0, "2026-01-02T10:00:00Z"));
        cold.extend(identify(
            1,
            "ada",
            json!({"email": "ada@old.example", "plan": "free"}),
        ));
        self.append(&cold).await;
        self.lake.flush().await.unwrap();
        let mut hot = order(3, "ada", 30.25, "2026-01-03T10:00:00Z");
        hot.extend(identify(2, "ada", json!({"email": "ada@new.example"})));
        hot.extend(identify(3, "bob", json!({"plan": "pro"})));
        hot.push(json!({"schema": "raw_shop", "table": "quarantine", "row": {
            "received_at": "2026-01-03T11:00:00Z", "reason": "invalid_json", "detail": "line 1", "message_id": null,
        }}));
        hot.push(json!({"schema": "raw_shop", "table": "duplicates", "row": {
            "received_at": "2026-01-03T12:00:00Z", "message_id": "m1", "first_seq": 1, "payload": "different",
        }}));
        hot.push(json!({"schema": "shop", "table": "discards", "row": {
            "received_at": "2026-01-03T13:00:00Z", "table_name": "orders", "row_id": "m3", "column_name": "amount",
            "column_value": "x", "reason": "type_conflict",
        }}));
        self.append(&hot).await;
    }

    pub(crate) async fn append(&self, items: &[Json]) {
        let payload = serde_json::to_vec(items).unwrap();
        let first = self.lake.append(items.len() as u32, payload).await.unwrap();
        self.lake
            .wait_visible(first.plus(items.len() as u64 - 1))
            .await;
    }

    /// Asks, and returns the rows as text.
    pub(crate) async fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, QueryError> {
        self.ask(QueryRequest::new(sql, Caller::owner("test")))
            .await
    }

    /// Asks with parameters.
    pub(crate) async fn rows_with(
        &self,
        sql: &str,
        params: Vec<Json>,
    ) -> Result<Vec<Vec<String>>, QueryError> {
        self.ask(QueryRequest {
            params: params.into_iter().map(Into::into).collect(),
            ..QueryRequest::new(sql, Caller::owner("test"))
        })
        .await
    }

    pub(crate) async fn ask(&self, request: QueryRequest) -> Result<Vec<Vec<String>>, QueryError> {
        Ok(self.answer(request).await?.0)
    }

    /// Asks, and returns the rows as text and what the statement did.
    pub(crate) async fn answer(
        &self,
        request: QueryRequest,
    ) -> Result<(Vec<Vec<String>>, Command), QueryError> {
        let mut result = self.engine.query(request).await?;
        let mut rows = Vec::new();
        while let Some(batch) = result.rows.next().await {
            rows.extend(text_rows(&batch?));
        }
        Ok((rows, result.command))
    }

    /// Asks for one value.
    pub(crate) async fn value(&self, sql: &str) -> String {
        match self.rows(sql).await {
            Ok(rows) => rows
                .first()
                .and_then(|row| row.first())
                .cloned()
                .unwrap_or_default(),
            Err(error) => panic!("{sql}: {error}"),
        }
    }
}

fn text_rows(batch: &RecordBatch) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .map(|c| ArrayFormatter::try_new(c.as_ref(), &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|c| c.value(row).to_string()).collect())
        .collect()
}
