//! Singer messages: what becomes of them, and of those that are wrong.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use serde_json::{Value, json};
use weir_extract::{BatchRecords, Destination, ExtractError, Extracts, SourceFiles, SourceSpec};

use crate::memory::{Fault, Memory};

pub(crate) struct NoFiles;

impl SourceFiles for NoFiles {
    fn sources(&self) -> Result<Vec<(String, Result<SourceSpec, ExtractError>)>, ExtractError> {
        Ok(Vec::new())
    }
}

fn room(memory: &Arc<Memory>) -> Extracts {
    let destination: Arc<dyn Destination> = memory.clone();
    let folder = std::env::temp_dir().join("weir-no-such-folder");
    Extracts::new(
        Box::new(NoFiles),
        destination,
        folder,
        tokio::runtime::Handle::current(),
    )
}

/// Loads lines; returns the last state, or what was said about the line that was wrong.
async fn load(memory: &Arc<Memory>, lines: &[Value]) -> Result<Value, String> {
    load_flat(memory, lines, 0).await
}

/// The same with as many levels of objects as columns.
async fn load_flat(memory: &Arc<Memory>, lines: &[Value], levels: u8) -> Result<Value, String> {
    let loading = room(memory).load("shop", levels).await;
    let (_turn, mut loading, _) = loading.map_err(|e| e.to_string())?;
    for line in lines {
        let text = match line {
            Value::String(text) => text.clone(),
            line => line.to_string(),
        };
        if let Err(error) = loading.line(&text).await {
            loading.stop().await.map_err(|e| e.to_string())?;
            return Err(error.to_string());
        }
    }
    loading.finish().await.map_err(|e| e.to_string())
}

fn schema(properties: Value, keys: &[&str]) -> Value {
    json!({"type": "SCHEMA", "stream": "orders", "schema": {"properties": properties}, "key_properties": keys})
}

fn orders() -> Value {
    schema(
        json!({"id": {"type": "integer"}, "total": {"type": ["number", "null"]}}),
        &["id"],
    )
}

fn record(id: i64, total: f64) -> Value {
    json!({"type": "RECORD", "stream": "orders", "record": {"id": id, "total": total}})
}

fn state(at: i64) -> Value {
    json!({"type": "STATE", "value": {"at": at}})
}

#[tokio::test]
async fn the_newest_change_of_each_key_counts_and_all_are_kept() {
    let memory = Memory::new();
    let lines = [
        orders(),
        record(1, 1.0),
        record(2, 2.0),
        record(1, 3.0),
        state(1),
    ];
    assert_eq!(load(&memory, &lines).await, Ok(json!({"at": 1})));
    assert_eq!(memory.values("orders", "id"), ["1", "2"]);
    assert_eq!(memory.values("orders", "total"), ["3.0", "2.0"]);
    assert_eq!(memory.changes("orders").len(), 3);
    // A later load goes on: its changes are newer.
    load(&memory, &[orders(), record(2, 5.0)]).await.unwrap();
    assert_eq!(memory.values("orders", "total"), ["3.0", "5.0"]);
}

#[tokio::test]
async fn wrong_lines_are_named_and_what_a_state_covers_is_kept() {
    for (line, wanted) in [
        (json!("{\"type\": \"RECORD\""), "line 5: it is not JSON"),
        (
            json!({"type": "RECORD", "stream": "users", "record": {}}),
            "line 5: a RECORD message of stream `users` comes before its SCHEMA",
        ),
        (
            json!({"type": "RECORD", "stream": "orders", "record": {"total": 1}}),
            "line 5: the record of stream `orders` has no value for its key `id`",
        ),
        (
            json!({"type": "RECORD", "stream": "orders", "record": [1]}),
            "line 5: the record of stream `orders` is not an object",
        ),
        (
            json!({"type": "SCHEMA", "stream": "x", "schema": {"properties": {}}, "key_properties": ["id"]}),
            "line 5: stream `x`: its key `id` is not among the properties",
        ),
        (
            json!({"type": "ACTIVATE_VERSION", "stream": "x", "version": 1}),
            "line 5: a ACTIVATE_VERSION message of stream `x`",
        ),
        (
            json!({"type": "BATCH", "stream": "orders", "encoding": {}, "manifest": []}),
            "line 5: a BATCH names files",
        ),
    ] {
        let memory = Memory::new();
        let error = load(
            &memory,
            &[orders(), record(1, 1.0), state(1), record(2, 2.0), line],
        )
        .await;
        assert!(error.clone().unwrap_err().starts_with(wanted), "{error:?}");
        // The second row came after the state: it comes again, and is not there twice.
        assert_eq!(memory.values("orders", "id"), ["1"], "{wanted}");
        load(&memory, &[orders(), record(2, 2.0), state(2)])
            .await
            .unwrap();
        assert_eq!(memory.changes("orders").len(), 2, "{wanted}");
    }
}

#[tokio::test]
async fn commits_that_fail_or_whose_answer_is_lost_neither_lose_nor_double() {
    for fault in [Fault::Before(1), Fault::After(1)] {
        let memory = Memory::new();
        memory.fail(fault);
        let rows = [orders(), record(1, 1.0), record(2, 2.0), state(7)];
        assert!(load(&memory, &rows).await.is_err());
        let at = room(&memory).state("shop").await.unwrap();
        let sent = match at.is_null() {
            true => rows.to_vec(),
            // What the tap would send from there on.
            false => vec![orders(), state(7)],
        };
        assert_eq!(at.is_null(), matches!(fault, Fault::Before(_)));
        load(&memory, &sent).await.unwrap();
        assert_eq!(memory.changes("orders").len(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn columns_come_and_widen_and_values_that_do_not_fit_are_kept_beside() {
    let memory = Memory::new();
    let text = schema(
        json!({"id": {"type": "integer"}, "total": {"type": "string"}, "note": {"type": "string"}}),
        &["id"],
    );
    let odd = json!({"type": "RECORD", "stream": "orders", "record": {"id": 3, "total": "x", "extra": {"a": 1}}});
    load(&memory, &[orders(), record(1, 1.5), text, odd])
        .await
        .unwrap();
    assert_eq!(memory.values("orders", "total"), ["1.5", "x"]);
    assert_eq!(memory.values("orders", "note"), ["NULL", "NULL"]);
    let unfit = memory.changes("orders")[1]["weir_unfit"].clone().unwrap();
    assert_eq!(
        unfit,
        r#"{"extra":{"value":"{\"a\":1}","reason":"the source did not declare it"}}"#
    );
    // The narrower schema of before does not narrow the table.
    load(&memory, &[orders(), record(4, 2.0)]).await.unwrap();
    assert_eq!(memory.values("orders", "total"), ["1.5", "x", "2.0"]);
    let bad = json!({"type": "RECORD", "stream": "dates", "record": {"at": "12024-01-01T00:00:00Z", "n": "x"}});
    let dates = json!({"type": "SCHEMA", "stream": "dates", "schema": {"properties": {"at": {"type": "string", "format": "date-time"}, "n": {"type": "integer"}}}, "key_properties": []});
    load(&memory, &[dates, bad]).await.unwrap();
    let change = &memory.changes("dates")[0];
    assert_eq!(change["n"], None);
    assert!(
        change["weir_unfit"]
            .as_ref()
            .unwrap()
            .contains("not a whole number")
    );
}

#[tokio::test]
async fn a_version_that_is_activated_takes_the_place_of_the_rows_before() {
    let memory = Memory::new();
    let of = |version: i64, id: i64| json!({"type": "RECORD", "stream": "orders", "record": {"id": id}, "version": version});
    let activate =
        |version: i64| json!({"type": "ACTIVATE_VERSION", "stream": "orders", "version": version});
    load(
        &memory,
        &[orders(), activate(1), of(1, 1), of(1, 2), activate(1)],
    )
    .await
    .unwrap();
    assert_eq!(memory.values("orders", "id"), ["1", "2"]);
    load(&memory, &[orders(), of(2, 2), of(2, 3)])
        .await
        .unwrap();
    assert_eq!(memory.values("orders", "id"), ["1", "2"]);
    load(&memory, &[orders(), activate(2)]).await.unwrap();
    assert_eq!(memory.values("orders", "id"), ["2", "3"]);
    assert_eq!(memory.changes("orders").len(), 4);
}

#[tokio::test]
async fn odd_names_find_a_place_of_their_own() {
    let memory = Memory::new();
    let odd = schema(
        json!({"Id": {}, "id": {}, "a b": {}, "weir_op": {}, "order": {}}),
        &[],
    );
    let row = json!({"type": "RECORD", "stream": "orders", "record": {"Id": "A", "id": "b", "a b": 1, "weir_op": 2, "order": [3]}});
    load(&memory, &[odd, row]).await.unwrap();
    let row = &memory.current("orders")[0];
    let values: Vec<(&str, &str)> = row
        .iter()
        .map(|(k, v)| (k.as_str(), v.as_deref().unwrap()))
        .collect();
    assert_eq!(
        values,
        [
            ("Id", "A"),
            ("a_b", "1"),
            ("id_2", "b"),
            ("order", "[3]"),
            ("weir_op_", "2")
        ]
    );
}

#[tokio::test]
async fn a_sync_is_taken_back_with_its_state_and_not_under_a_later_one() {
    let memory = Memory::new();
    let room = room(&memory);
    let mut runs = Vec::new();
    for at in 1..=2 {
        let (turn, mut loading, run) = room.load("shop", 0).await.unwrap();
        for line in [orders(), record(at, 1.0), state(at)] {
            loading.line(&line.to_string()).await.unwrap();
        }
        loading.finish().await.unwrap();
        drop(turn);
        runs.push(run);
    }
    assert!(
        room.undo(&runs[0])
            .await
            .unwrap_err()
            .to_string()
            .contains("came after")
    );
    assert_eq!(room.undo(&runs[1]).await.unwrap(), ["orders"]);
    assert_eq!(room.state("shop").await.unwrap(), json!({"at": 1}));
    assert_eq!(memory.values("orders", "id"), ["1"]);
    room.undo(&runs[0]).await.unwrap();
    assert_eq!(room.state("shop").await.unwrap(), Value::Null);
    assert!(room.undo("shop-nonsense").await.is_err());
    assert!(room.undo("nonsense").await.is_err());
}

#[tokio::test]
async fn one_load_of_a_source_at_a_time() {
    let memory = Memory::new();
    let room = room(&memory);
    let held = room.load("shop", 0).await.unwrap();
    let error = room.load("shop", 0).await.err().unwrap();
    assert_eq!(error.to_string(), "a sync of `shop` is under way");
    drop(held);
    assert!(room.load("shop", 0).await.is_ok());
    assert!(room.load("Shop!", 0).await.is_err());
}

#[tokio::test]
async fn members_of_objects_are_columns_where_one_asks_for_it() {
    let properties = json!({
        "id": {"type": "integer"},
        "address": {"type": ["object", "null"], "properties": {
            "city": {"type": ["string", "null"]},
            "place": {"type": "object", "properties": {"lat": {"type": "number"}}},
        }},
    });
    let record = |address: Value| json!({"type": "RECORD", "stream": "orders", "record": {"id": 1, "address": address}});
    let lines = [
        schema(properties, &["id"]),
        record(json!({"city": "Ulm", "place": {"lat": 48.4}})),
        state(1),
    ];
    let memory = Memory::new();
    load_flat(&memory, &lines, 1).await.unwrap();
    assert_eq!(memory.values("orders", "address__city"), ["Ulm"]);
    assert_eq!(
        memory.values("orders", "address__place"),
        [r#"{"lat":48.4}"#]
    );
    let memory = Memory::new();
    load_flat(&memory, &lines, 5).await.unwrap();
    assert_eq!(memory.values("orders", "address__place__lat"), ["48.4"]);
    // What was an object and is none any more is not lost.
    let text = [lines[0].clone(), record(json!("Ulm")), state(2)];
    load_flat(&memory, &text, 5).await.unwrap();
    let unfit = memory.changes("orders")[1]["weir_unfit"].clone().unwrap();
    assert!(unfit.contains("Ulm"), "{unfit}");
    let error = load_flat(&memory, &lines, 17).await.unwrap_err();
    assert!(error.contains("17 levels"), "{error}");
}

#[test]
fn batches_are_read_record_by_record() {
    let dir = tempfile::tempdir().unwrap();
    let lines = dir.path().join("a.jsonl");
    std::fs::write(&lines, "{\"id\": 1}\n\n{\"id\": 2}\n").unwrap();
    let ids: ArrayRef = Arc::new(Int64Array::from(vec![Some(3), None]));
    let cities: ArrayRef = Arc::new(StringArray::from(vec!["Ulm", "\"Köln\"\n"]));
    let rows = RecordBatch::try_from_iter([("id", ids), ("city", cities)]).unwrap();
    let table = dir.path().join("b.parquet");
    let file = std::fs::File::create(&table).unwrap();
    let mut writer = ArrowWriter::try_new(file, rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    let batch = |format: &str, files: &[&std::path::Path]| {
        let files: Vec<String> = files
            .iter()
            .map(|f| format!("file://{}", f.display()))
            .collect();
        let line = json!({"type": "BATCH", "stream": "o\"x", "encoding": {"format": format, "compression": "none"}, "manifest": files});
        BatchRecords::of(&line.to_string())
    };
    let read = |format: &str, file: &std::path::Path| -> Vec<Value> {
        let records = batch(format, &[file, file]).unwrap().unwrap();
        let records =
            records.map(|record| serde_json::from_str::<Value>(&record.unwrap()).unwrap());
        records.map(|record| record["record"].clone()).collect()
    };
    let ids = [json!({"id": 1}), json!({"id": 2})];
    assert_eq!(read("jsonl", &lines), [&ids[..], &ids[..]].concat());
    let rows = [
        json!({"id": 3, "city": "Ulm"}),
        json!({"id": null, "city": "\"Köln\"\n"}),
    ];
    assert_eq!(read("parquet", &table), [&rows[..], &rows[..]].concat());
    assert!(
        BatchRecords::of("{\"type\":\"STATE\",\"value\":{\"manifest\":1}}")
            .unwrap()
            .is_none()
    );
    assert!(
        batch("avro", &[])
            .err()
            .unwrap()
            .to_string()
            .contains("`avro`")
    );
    // A broken file is told once, and nothing after it is read.
    for (format, file) in [("parquet", &lines), ("jsonl", &dir.path().join("none"))] {
        let mut records = batch(format, &[file, &table]).unwrap().unwrap();
        assert!(records.next().unwrap().is_err());
    }
}
