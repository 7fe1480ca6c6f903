//! Sheets of Google, answered by a small server of ours as its documentation says.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use weir_extract::{
    Extracts, FileStream, Http, HttpAnswer, HttpError, HttpRequest, Secret, SourceKind,
};

use crate::files::{room_of, spec, sync};
use crate::memory::Memory;

const SHEETS: &str = r#"{"sheets": [
    {"properties": {"sheetId": 0, "title": "Plan", "index": 0, "sheetType": "GRID", "gridProperties": {"rowCount": 1000, "columnCount": 26}}},
    {"properties": {"sheetId": 7, "title": "It's 1/2 & more", "index": 1, "sheetType": "GRID"}},
    {"properties": {"sheetId": 8, "title": "Chart", "index": 2, "sheetType": "OBJECT"}}
]}"#;

/// What a server answers, one after another, and what it was asked.
#[derive(Default)]
struct Google {
    answers: Mutex<Vec<(u16, &'static str, String)>>,
    asked: Mutex<Vec<String>>,
}

impl Google {
    async fn start() -> (Arc<Self>, String) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let google = Arc::new(Self::default());
        let shared = google.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let mut head = String::new();
                let mut lines = BufReader::new(&mut client);
                while !head.ends_with("\r\n\r\n") {
                    assert!(lines.read_line(&mut head).await.unwrap() > 0);
                }
                let asked = head.split(' ').nth(1).unwrap().to_owned();
                shared.asked.lock().unwrap().push(asked);
                let (status, header, body) = shared.answers.lock().unwrap().remove(0);
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status} X\r\n{header}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                );
                client.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        (google, endpoint)
    }

    fn answers(&self, list: &[(u16, &'static str, &str)]) {
        self.asked.lock().unwrap().clear();
        let list = list
            .iter()
            .map(|(status, header, body)| (*status, *header, (*body).to_owned()));
        *self.answers.lock().unwrap() = list.collect();
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// As little of HTTP as it takes.
struct Client;

#[async_trait::async_trait]
impl Http for Client {
    async fn ask(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        let url = request.url;
        let trouble = |error: std::io::Error| HttpError::from(format!("{error} for {url}"));
        let port = url.port().ok_or("no port")?;
        let mut server = TcpStream::connect(("127.0.0.1", port))
            .await
            .map_err(trouble)?;
        let asked = format!("{}?{}", url.path(), url.query().unwrap_or_default());
        let head = format!("GET {asked} HTTP/1.1\r\nHost: x\r\n\r\n");
        server.write_all(head.as_bytes()).await.map_err(trouble)?;
        let mut text = String::new();
        server.read_to_string(&mut text).await.map_err(trouble)?;
        let (head, body) = text.split_once("\r\n\r\n").ok_or("no answer")?;
        let wait = head
            .split_once("Retry-After: ")
            .map(|(_, rest)| rest.lines().next().unwrap_or(""));
        Ok(HttpAnswer {
            status: head.split(' ').nth(1).ok_or("no status")?.parse()?,
            retry_after: wait
                .and_then(|wait| wait.parse().ok())
                .map(Duration::from_millis),
            modified: None,
            length: None,
            body: Box::pin(futures::stream::iter([Ok(body.to_owned().into())])),
        })
    }
}

fn room(
    dir: &TempDir,
    memory: &Arc<Memory>,
    endpoint: &str,
    streams: &[(&str, Option<&str>)],
) -> Extracts {
    let mut spec = spec(dir, &[]);
    if let SourceKind::Files(files) = &mut spec.kind {
        files.place = "https://docs.google.com/spreadsheets/d/1a-B_c/edit#gid=0".into();
        files.options = BTreeMap::from([
            ("api_key".to_owned(), Secret::new("s3cret/key")),
            ("endpoint".to_owned(), Secret::new(endpoint)),
        ]);
        let streams = streams.iter().map(|(name, sheet)| FileStream {
            name: (*name).to_owned(),
            sheet: sheet.map(str::to_owned),
            ..FileStream::default()
        });
        files.streams = streams.collect();
    }
    room_of(dir, memory, spec).with_http(Arc::new(Client))
}

#[tokio::test(flavor = "multi_thread")]
async fn sheets_are_read_when_their_content_changes() {
    let (google, endpoint) = Google::start().await;
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let one = room(&dir, &memory, &endpoint, &[]);
    let values = r#"{"range": "Plan!A1:Z1000", "majorDimension": "ROWS", "values": [
        [], ["id", "name", "paid", "on"], [1, "Ada", true, "2024-01-31"], [], [2.5, "", false], [3, "x", true, "", "beyond"]]}"#;
    google.answers(&[(200, "", SHEETS), (200, "", values)]);
    let notes = sync(&one).await.unwrap();
    assert!(
        notes.iter().any(|note| note.contains("Plan: 1 of 3 rows")),
        "{notes:?}"
    );
    assert_eq!(
        google.asked(),
        [
            "/v4/spreadsheets/1a-B_c?fields=sheets.properties&key=s3cret%2Fkey",
            "/v4/spreadsheets/1a-B_c/values/'Plan'?valueRenderOption=UNFORMATTED_VALUE\
             &dateTimeRenderOption=FORMATTED_STRING&majorDimension=ROWS&key=s3cret%2Fkey",
        ]
    );
    assert_eq!(memory.values("Plan", "id"), ["1.0", "2.5"]);
    assert_eq!(memory.values("Plan", "name"), ["Ada", "NULL"]);
    assert_eq!(memory.values("Plan", "paid"), ["true", "false"]);
    assert_eq!(memory.values("Plan", "_line"), ["3", "5"]);
    assert_eq!(memory.values("Plan", "_file"), ["Plan", "Plan"]);
    assert_eq!(memory.values("quarantine", "_line"), ["6"]);
    // As it was, and then with a row less.
    let changes = memory.changes("Plan").len();
    google.answers(&[(200, "", SHEETS), (200, "", values)]);
    sync(&one).await.unwrap();
    assert_eq!(memory.changes("Plan").len(), changes);
    let less = r#"{"range": "Plan!A1:Z1000", "majorDimension": "ROWS", "values": [["id"], [1]]}"#;
    google.answers(&[(200, "", SHEETS), (200, "", less)]);
    sync(&one).await.unwrap();
    assert_eq!(memory.values("Plan", "id"), ["1.0"]);
    // Sheets by name, whatever is in it; one is empty.
    let memory = Memory::new();
    let two = room(
        &dir,
        &memory,
        &endpoint,
        &[("plan", None), ("more", Some("It's 1/2 & more"))],
    );
    let empty = r#"{"range": "x", "majorDimension": "ROWS"}"#;
    google.answers(&[(200, "", SHEETS), (200, "", less), (200, "", empty)]);
    sync(&two).await.unwrap();
    assert_eq!(memory.values("plan", "id"), ["1"]);
    let asked = &google.asked()[2];
    assert!(
        asked.contains("/values/'It''s%201%2F2%20&%20more'?"),
        "{asked}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_google_refuses_is_told_without_the_key() {
    let (google, endpoint) = Google::start().await;
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let one = room(&dir, &memory, &endpoint, &[]);
    let told = |status: u16, message: &str, word: &str| {
        format!(r#"{{"error": {{"code": {status}, "message": "{message}", "status": "{word}"}}}}"#)
    };
    for (status, message, word, wanted) in [
        (
            400,
            "API key not valid. Please pass a valid API key.",
            "INVALID_ARGUMENT",
            "API key not valid",
        ),
        (
            401,
            "Request is missing required authentication credential.",
            "UNAUTHENTICATED",
            "credential",
        ),
        (
            403,
            "The caller does not have permission",
            "PERMISSION_DENIED",
            "does not have permission",
        ),
        (
            403,
            "Requests from s3cret/key are blocked.",
            "PERMISSION_DENIED",
            "from *** are",
        ),
        (
            404,
            "Requested entity was not found.",
            "NOT_FOUND",
            "was not found",
        ),
        (
            500,
            "Internal error encountered.",
            "INTERNAL",
            "answers 500",
        ),
    ] {
        google.answers(&[(status, "", &told(status, message, word))]);
        let error = sync(&one).await.unwrap_err();
        assert!(
            error.contains(wanted) && error.contains(&status.to_string()),
            "{error}"
        );
        assert!(!error.contains("s3cret"), "{error}");
    }
    for body in ["<html>", "", "{\"sheets\": 1}", "{}"] {
        google.answers(&[(200, "", body)]);
        let error = sync(&one).await.unwrap_err();
        assert!(error.contains("sheet"), "{error}");
    }
    // Busy, and then not any more; and for good.
    let busy = told(
        429,
        "Quota exceeded for quota metric 'Read requests'",
        "RESOURCE_EXHAUSTED",
    );
    let busy = (429, "Retry-After: 3\r\n", busy.as_str());
    google.answers(&[
        busy,
        (200, "", SHEETS),
        busy,
        (200, "", r#"{"values": [["id"], [1]]}"#),
    ]);
    sync(&one).await.unwrap();
    assert_eq!(google.asked().len(), 4);
    assert_eq!(memory.values("Plan", "id"), ["1"]);
    google.answers(&[busy; 5]);
    let error = sync(&one).await.unwrap_err();
    assert!(error.contains("too busy, 5 times"), "{error}");
    // A sheet that is not there, and one whose values are none or break off.
    let other = room(&dir, &memory, &endpoint, &[("a", Some("None"))]);
    google.answers(&[(200, "", SHEETS)]);
    let error = sync(&other).await.unwrap_err();
    assert_eq!(error, "stream `a`: there is no sheet `None`");
    let twice = room(
        &dir,
        &memory,
        &endpoint,
        &[("a", None), ("b", Some("Plan"))],
    );
    google.answers(&[(200, "", SHEETS)]);
    let error = sync(&twice).await.unwrap_err();
    assert_eq!(error, "streams `a` and `b` read the same sheet `Plan`");
    for body in [r#"{"values": [["id"], [2"#, r#"{"values": {}}"#, "[]"] {
        google.answers(&[(200, "", SHEETS), (200, "", body)]);
        let notes = sync(&one).await.unwrap();
        assert!(
            notes.iter().any(|note| note.contains("cannot be read")),
            "{body}: {notes:?}"
        );
    }
    // Nobody answers: the client says the URL, we do not say the key.
    let nobody = room(&dir, &memory, "http://127.0.0.1:1", &[]);
    let mut running = nobody
        .sync("drop", weir_extract::SyncRequest::default())
        .unwrap();
    let error = running.ended().await.unwrap_err().told();
    assert!(
        error.contains("cannot be asked") && !error.contains("s3cret"),
        "{error}"
    );
}
