//! Files that come, change and break: what of them is in the tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;
use tokio::runtime::Handle;
use weir_core::SourceName;
use weir_extract::{
    Destination, ExtractError, Extracts, FileStream, FilesSpec, SchemaChanges, SourceFiles,
    SourceKind, SourceSpec, StreamRules, SyncRequest,
};

use crate::memory::{Fault, Memory};

struct Files(SourceSpec);

impl SourceFiles for Files {
    fn sources(&self) -> Result<Vec<(String, Result<SourceSpec, ExtractError>)>, ExtractError> {
        Ok(vec![(self.0.name.to_string(), Ok(self.0.clone()))])
    }
}

fn room(dir: &TempDir, memory: &Arc<Memory>, streams: &[(&str, &str, &[&str])]) -> Extracts {
    let rules = streams.iter().map(|(name, _, key)| {
        let key = key.iter().map(|column| (*column).to_owned()).collect();
        let rules = StreamRules {
            key,
            ..StreamRules::default()
        };
        ((*name).to_owned(), rules)
    });
    let files = streams.iter().map(|(name, files, _)| FileStream {
        name: (*name).to_owned(),
        files: (*files).to_owned(),
        ..FileStream::default()
    });
    let spec = SourceSpec {
        name: SourceName::new("drop").unwrap(),
        kind: SourceKind::Files(FilesSpec {
            place: "in".into(),
            options: BTreeMap::new(),
            headers: BTreeMap::new(),
            streams: files.collect(),
            folder: dir.path().to_owned(),
        }),
        streams: rules.collect(),
        schema_changes: SchemaChanges::Evolve,
        every: None,
        schedule: None,
        freshness: None,
        alerts: None,
        budget: None,
        hash_key: None,
    };
    let destination: Arc<dyn Destination> = memory.clone();
    Extracts::new(
        Box::new(Files(spec)),
        destination,
        dir.path().join("own"),
        Handle::current(),
    )
}

async fn sync(room: &Extracts) -> Result<Vec<String>, String> {
    sync_as(room, SyncRequest::default()).await
}

async fn sync_as(room: &Extracts, request: SyncRequest) -> Result<Vec<String>, String> {
    let mut running = room.sync("drop", request).map_err(|e| e.to_string())?;
    running.ended().await.map_err(|e| e.to_string())?;
    Ok(running.progress.shown().notes)
}

/// Writes a file as it was some time ago, each time at another moment.
fn put(dir: &TempDir, name: &str, bytes: &[u8]) {
    static MOMENT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1_700_000_000);
    let path = dir.path().join("in").join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    let moment = MOMENT.fetch_add(60, std::sync::atomic::Ordering::Relaxed);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(moment);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(time)
        .unwrap();
}

fn gzip(text: &str) -> Vec<u8> {
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(text.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

fn parquet(path: &Path) {
    use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
    let ids: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    let names: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let batch = RecordBatch::try_from_iter([("id", ids), ("name", names)]).unwrap();
    let file = fs::File::create(path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_all_formats_are_read_once_each() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    put(
        &dir,
        "orders-1.csv",
        b"id,total,paid\n1,2.5,true\n2,,false\n",
    );
    put(
        &dir,
        "orders-2.csv.gz",
        &gzip("id;total;paid\n3;4.25;true\n"),
    );
    put(
        &dir,
        "events/a.ndjson",
        b"{\"n\":1,\"at\":\"2024-01-01T00:00:00Z\"}\n{\"n\":2}\n",
    );
    put(
        &dir,
        "events/b.json",
        b"[{\"n\": 3, \"deep\": {\"a\": [1]}}]",
    );
    put(&dir, "latin.csv", b"id,name\n1,Jos\xe9\n");
    put(&dir, "skipped.pdf", b"%PDF");
    parquet(&dir.path().join("in/people.parquet"));
    put(
        &dir,
        "people.parquet",
        &fs::read(dir.path().join("in/people.parquet")).unwrap(),
    );
    let room = room(&dir, &memory, &[]);
    let streams = room.discover("drop").await.unwrap().streams;
    let names: Vec<&str> = streams.iter().map(|s| s.offered.stream.as_str()).collect();
    assert_eq!(names, ["events", "latin", "orders", "people"]);
    sync(&room).await.unwrap();
    assert_eq!(memory.values("orders", "id"), ["1", "2", "3"]);
    assert_eq!(memory.values("orders", "total"), ["2.5", "NULL", "4.25"]);
    assert_eq!(memory.values("orders", "paid"), ["true", "false", "true"]);
    assert_eq!(memory.values("events", "n"), ["1", "2", "3"]);
    assert_eq!(memory.values("events", "at")[0], "2024-01-01T00:00:00Z");
    assert_eq!(memory.values("events", "deep")[2], "{\"a\": [1]}");
    assert_eq!(memory.values("latin", "name"), ["Jos\u{e9}"]);
    assert_eq!(memory.values("people", "id"), ["1", "NULL"]);
    assert_eq!(memory.values("orders", "_line"), ["2", "3", "2"]);
    let changes = memory.changes("orders").len();
    sync(&room).await.unwrap();
    // Another moment, the same content.
    put(
        &dir,
        "orders-1.csv",
        b"id,total,paid\n1,2.5,true\n2,,false\n",
    );
    sync(&room).await.unwrap();
    assert_eq!(memory.changes("orders").len(), changes);
    // A file that comes later has text where there were numbers.
    put(&dir, "orders-3.csv", b"id,total,paid\nx-4,1,true\n");
    sync(&room).await.unwrap();
    assert_eq!(memory.values("orders", "id"), ["1", "2", "3", "x-4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changes_replaces_its_rows_and_what_is_none_is_in_quarantine() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let room = room(
        &dir,
        &memory,
        &[
            ("orders", "*.csv", &[]),
            ("users", "users/**/*.jsonl", &["id"]),
        ],
    );
    put(&dir, "a.csv", b"id,v\n1,a\n2,b\n3,c\n");
    put(
        &dir,
        "users/2024/u.jsonl",
        b"{\"id\":1,\"v\":\"a\"}\n{\"id\":2}\n",
    );
    sync(&room).await.unwrap();
    put(&dir, "a.csv", b"id,v\n1,A\n2,b,too many\n");
    put(
        &dir,
        "users/2024/v.jsonl",
        b"{\"id\":1,\"v\":\"b\"}\n{\"id\": \n",
    );
    let notes = sync(&room).await.unwrap();
    assert!(
        notes
            .iter()
            .any(|note| note.contains("1 of 2 rows cannot be read")),
        "{notes:?}"
    );
    assert_eq!(memory.values("orders", "v"), ["A"]);
    assert_eq!(memory.values("users", "v"), ["b", "NULL"]);
    assert_eq!(
        memory.values("quarantine", "_file"),
        ["a.csv", "users/2024/v.jsonl"]
    );
    assert_eq!(memory.values("quarantine", "_line"), ["3", "2"]);
    assert_eq!(memory.values("quarantine", "text")[0], "2,b,too many");
    // Mended.
    put(&dir, "a.csv", b"id,v\n1,A\n2,b\n");
    sync(&room).await.unwrap();
    assert_eq!(memory.values("orders", "v"), ["A", "b"]);
    assert_eq!(memory.values("quarantine", "_file"), ["users/2024/v.jsonl"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn commits_that_fail_leave_no_file_half_read_or_read_twice() {
    for fault in [Fault::Before(1), Fault::After(1)] {
        let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
        let lines: String = (0..5000).map(|n| format!("{n},x\n")).collect();
        put(&dir, "a.csv", format!("id,v\n{lines}").as_bytes());
        put(&dir, "b.csv", b"id,v\n1,b\n");
        let room = room(&dir, &memory, &[("rows", "*.csv", &[])]);
        memory.fail(fault);
        assert!(sync(&room).await.is_err());
        sync(&room).await.unwrap();
        assert_eq!(memory.changes("rows").len(), 5001, "{fault:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_told() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let told = sync(&room(&dir, &memory, &[])).await.unwrap_err();
    assert!(told.contains("cannot be listed"), "{told}");
    put(&dir, "a.csv", b"id,v\n1,a\n");
    let told = sync(&room(&dir, &memory, &[("rows", "*.csv", &["nr"])]))
        .await
        .unwrap_err();
    assert!(told.contains("no column `nr`"), "{told}");
    let told = sync(&room(&dir, &memory, &[("rows", "{*.csv", &[])]))
        .await
        .unwrap_err();
    assert!(told.contains("is no pattern"), "{told}");
}
