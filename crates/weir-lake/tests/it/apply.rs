//! A small kind of record: each line of the payload is a row `id,column,value`.

use weir_core::TableName;
use weir_lake::{
    Apply, ColumnKind, ColumnSpec, DedupKey, Lake, LakeOptions, Record, Rows, Seen, TableSpec,
    Value,
};

pub(crate) struct Lines;

pub(crate) fn lines_table() -> TableName {
    TableName::new("test", "lines").unwrap()
}

impl Apply for Lines {
    fn apply(&mut self, record: &Record<'_>, rows: &mut Rows<'_>) {
        let spec = || TableSpec {
            columns: vec![
                ColumnSpec {
                    name: "weir_seq",
                    kind: ColumnKind::Integer,
                    fixed: true,
                },
                ColumnSpec {
                    name: "id",
                    kind: ColumnKind::String,
                    fixed: true,
                },
            ],
            sort_by: Some("weir_seq"),
            bloom: vec!["id"],
        };
        let text = std::str::from_utf8(record.payload).unwrap();
        for (line, seq) in text.lines().zip(record.first.0..) {
            let seq = weir_core::Seq(seq);
            let mut parts = line.splitn(3, ',');
            let (id, column, value) = (
                parts.next().unwrap(),
                parts.next().unwrap(),
                parts.next().unwrap(),
            );
            let key = DedupKey {
                scope: 1,
                id: id.as_bytes(),
                payload: 0,
                received_at: 0,
                seq,
            };
            if rows.seen(key) != Seen::New {
                continue;
            }
            let table = rows.open(&lines_table(), &spec);
            let table = rows.table(table);
            if !table.begin(seq) {
                continue;
            }
            let seq_column = table.column("weir_seq", ColumnKind::Integer).unwrap();
            let id_column = table.column("id", ColumnKind::String).unwrap();
            table.set(seq_column, Value::Integer(seq.0 as i64));
            table.set(id_column, Value::String(id));
            let value = match (value.parse::<i64>(), value.parse::<f64>()) {
                (Ok(integer), _) => Value::Integer(integer),
                (_, Ok(float)) => Value::Float(float),
                _ => Value::String(value),
            };
            let column = table.column(column, value.kind()).unwrap();
            table.set(column, value);
            table.end();
        }
    }
}

pub(crate) fn options(dir: &std::path::Path) -> LakeOptions {
    LakeOptions {
        flush_interval: std::time::Duration::from_secs(3600),
        min_free_bytes: 0,
        compaction: false,
        ..LakeOptions::new(dir, dir.join("lake").to_str().unwrap())
    }
}

pub(crate) async fn open(dir: &std::path::Path) -> Lake {
    let lake = Lake::open(options(dir), Box::new(Lines)).await.unwrap();
    lake.recovered().await;
    lake
}

/// Appends rows and waits until they are readable.
pub(crate) async fn add(lake: &Lake, lines: &[&str]) {
    let first = lake
        .append(lines.len() as u32, lines.join("\n").into_bytes())
        .await
        .unwrap();
    lake.wait_visible(first.plus(lines.len() as u64 - 1)).await;
}

/// Answers a query over `lines`, formatted.
pub(crate) async fn ask(lake: &Lake, sql: &str) -> String {
    let view = lake.view();
    let table = view
        .table(&lines_table())
        .expect("the table exists")
        .clone();
    ask_table(table, sql).await
}

pub(crate) async fn ask_table(table: std::sync::Arc<weir_lake::TableView>, sql: &str) -> String {
    try_ask(table, sql).await.unwrap()
}

/// Answers a query over `lines` that may fail.
pub(crate) async fn try_ask(
    table: std::sync::Arc<weir_lake::TableView>,
    sql: &str,
) -> datafusion::error::Result<String> {
    let context = datafusion::prelude::SessionContext::new();
    context.register_object_store(&table.store_url, table.store.clone());
    context
        .register_table(
            "lines",
            std::sync::Arc::new(weir_lake::LakeTable::new(table)),
        )
        .unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await?;
    let text = datafusion::arrow::util::pretty::pretty_format_batches(&batches)?;
    Ok(text.to_string())
}

pub(crate) async fn ids(lake: &Lake) -> Vec<String> {
    let text = ask(lake, "select id from lines order by id").await;
    let cells = text
        .lines()
        .filter_map(|l| l.strip_prefix("| ")?.strip_suffix(" |"));
    cells.skip(1).map(|id| id.trim().to_owned()).collect()
}
