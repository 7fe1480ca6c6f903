//! Files that come, change and break: what of them is in the tables.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Handle;
use weir_core::SourceName;
use weir_extract::{
    Destination, ExtractError, Extracts, FileStream, FilesSpec, Http, HttpAnswer, HttpError,
    HttpRequest, SchemaChanges, Secret, SourceFiles, SourceKind, SourceSpec, StreamRules,
    SyncRequest,
};

use crate::memory::{Fault, Memory};

struct Files(SourceSpec);

impl SourceFiles for Files {
    fn sources(&self) -> Result<Vec<(String, Result<SourceSpec, ExtractError>)>, ExtractError> {
        Ok(vec![(self.0.name.to_string(), Ok(self.0.clone()))])
    }
}

fn room(dir: &TempDir, memory: &Arc<Memory>, streams: &[(&str, &str, &[&str])]) -> Extracts {
    room_of(dir, memory, spec(dir, streams))
}

pub(crate) fn spec(dir: &TempDir, streams: &[(&str, &str, &[&str])]) -> SourceSpec {
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
    SourceSpec {
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
    }
}

pub(crate) fn room_of(dir: &TempDir, memory: &Arc<Memory>, spec: SourceSpec) -> Extracts {
    let destination: Arc<dyn Destination> = memory.clone();
    Extracts::new(
        Box::new(Files(spec)),
        destination,
        dir.path().join("own"),
        Handle::current(),
    )
}

pub(crate) async fn sync(room: &Extracts) -> Result<Vec<String>, String> {
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

/// A web server that answers as it is told, and the questions it had: whether each wanted the head only.
#[derive(Default)]
struct Server {
    answers: Mutex<VecDeque<(u16, Option<u64>, &'static str)>>,
    asked: Mutex<Vec<(bool, String)>>,
}

#[async_trait::async_trait]
impl Http for Server {
    async fn ask(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        let told = request
            .headers
            .iter()
            .map(|(_, value)| value.reveal().to_owned());
        self.asked
            .lock()
            .unwrap()
            .push((request.head, told.collect()));
        let (status, wait, body) = self
            .answers
            .lock()
            .unwrap()
            .pop_front()
            .ok_or("nobody answers")?;
        let modified = "2024-05-01T00:00:00Z".parse().ok();
        Ok(HttpAnswer {
            status,
            retry_after: wait.map(Duration::from_millis),
            modified: modified.filter(|_| status == 200),
            length: Some(body.len() as u64),
            body: Box::pin(futures::stream::iter([Ok(body.into())])),
        })
    }
}

fn web(dir: &TempDir, memory: &Arc<Memory>, server: &Arc<Server>) -> Extracts {
    let mut spec = spec(dir, &[]);
    if let SourceKind::Files(files) = &mut spec.kind {
        files.place = "https://shop.example/export/orders.csv?key=s3cret".into();
        files.headers = BTreeMap::from([("authorization".to_owned(), Secret::new("Bearer t"))]);
    }
    room_of(dir, memory, spec).with_http(server.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_a_web_server_is_fetched_when_it_changes_and_when_the_server_has_time() {
    let (dir, memory, server) = (
        tempfile::tempdir().unwrap(),
        Memory::new(),
        Arc::new(Server::default()),
    );
    let room = web(&dir, &memory, &server);
    let orders = "id,total\n1,2\n2,3\n";
    let answers = |list: &[(u16, Option<u64>, &'static str)]| {
        server.asked.lock().unwrap().clear();
        server.answers.lock().unwrap().extend(list.iter().copied());
    };
    let heads = || -> Vec<bool> {
        server
            .asked
            .lock()
            .unwrap()
            .iter()
            .map(|(head, _)| *head)
            .collect()
    };
    // Twice too busy.
    answers(&[
        (429, Some(5), ""),
        (200, None, orders),
        (503, Some(5), ""),
        (200, None, orders),
    ]);
    sync(&room).await.unwrap();
    assert_eq!(memory.values("orders", "id"), ["1", "2"]);
    assert_eq!(heads(), [true, true, false, false]);
    assert_eq!(server.asked.lock().unwrap()[0].1, "Bearer t");
    // As it was: it is not fetched.
    answers(&[(200, None, orders)]);
    sync(&room).await.unwrap();
    assert_eq!(heads(), [true]);
    // Again, since somebody says so; rows are there once.
    answers(&[(200, None, orders), (200, None, orders)]);
    let since = |day: &str| SyncRequest {
        from: Some(SyncRequest::moment(day).unwrap()),
        ..SyncRequest::default()
    };
    sync_as(&room, since("2024-04-30")).await.unwrap();
    assert_eq!(heads(), [true, false]);
    assert_eq!(memory.values("orders", "id"), ["1", "2"]);
    answers(&[(200, None, orders)]);
    sync_as(&room, since("2024-05-02")).await.unwrap();
    assert_eq!(heads(), [true]);
    // Refused: no secret is in what is said.
    answers(&[(403, None, "")]);
    let told = sync(&room).await.unwrap_err();
    assert_eq!(told, "the server answers 403 for `orders.csv`");
}
