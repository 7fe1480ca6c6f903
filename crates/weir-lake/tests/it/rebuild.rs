use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::{AsArray, RecordBatch};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Int64Type};
use tempfile::tempdir;
use weir_core::{Seq, TableName};
use weir_lake::{
    Apply, ColumnKind, ColumnSpec, Derive, Lake, LakeErrorKind, RebuildOptions, Rebuilt, Record,
    Rows, TableSpec, Value,
};

use crate::apply::{add, ask_table, options};

/// Keeps each line of a record as it is, and derives a row with one column of the line's type.
struct Both;

fn events() -> TableName {
    TableName::new("raw_test", "events").unwrap()
}

fn lines() -> TableName {
    TableName::new("test", "lines").unwrap()
}

fn spec(columns: &[(&'static str, ColumnKind)]) -> TableSpec {
    let columns = columns.iter().map(|&(name, kind)| ColumnSpec {
        name,
        kind,
        fixed: true,
    });
    TableSpec {
        columns: columns.collect(),
        sort_by: None,
        bloom: Vec::new(),
    }
}

impl Apply for Both {
    fn apply(&mut self, record: &Record<'_>, rows: &mut Rows<'_>) {
        let text = std::str::from_utf8(record.payload).unwrap();
        for (line, seq) in text.lines().zip(record.first.0..) {
            let columns = [
                ("weir_seq", ColumnKind::Integer),
                ("received_at", ColumnKind::Timestamp),
                ("line", ColumnKind::String),
            ];
            let id = rows.open(&events(), &|| spec(&columns));
            let table = rows.table(id);
            if table.begin(Seq(seq)) {
                let values = [
                    Value::Integer(seq as i64),
                    Value::Timestamp(seq as i64, ""),
                    Value::String(line),
                ];
                for ((name, kind), value) in columns.into_iter().zip(values) {
                    let column = table.column(name, kind).unwrap();
                    table.set(column, value);
                }
                table.end();
            }
            place(seq, line, rows);
        }
    }
}

fn place(seq: u64, line: &str, rows: &mut Rows<'_>) {
    let columns = [("weir_seq", ColumnKind::Integer)];
    let id = rows.open(&lines(), &|| spec(&columns));
    let table = rows.table(id);
    if !table.begin(Seq(seq)) {
        return;
    }
    let column = table.column("weir_seq", ColumnKind::Integer).unwrap();
    table.set(column, Value::Integer(seq as i64));
    let value = match (line.parse::<i64>(), line.parse::<f64>()) {
        (Ok(integer), _) => Value::Integer(integer),
        (_, Ok(float)) => Value::Float(float),
        _ => Value::String(line),
    };
    let column = table.column("x", value.kind()).unwrap();
    table.set(column, value);
    table.end();
}

/// Derives as [`Both`] did, or with `!` added to what is text by its own.
struct Again {
    louder: bool,
}

impl Derive for Again {
    fn derive(&mut self, batch: &RecordBatch, rows: &mut Rows<'_>) {
        let seqs = batch.column_by_name("weir_seq").unwrap();
        let seqs = seqs.as_primitive::<Int64Type>();
        let texts = cast(batch.column_by_name("line").unwrap(), &DataType::Utf8).unwrap();
        for (seq, line) in seqs.iter().zip(texts.as_string::<i32>()) {
            let (seq, line) = (seq.unwrap() as u64, line.unwrap());
            match self.louder && line.parse::<f64>().is_err() {
                true => place(seq, &format!("{line}!"), rows),
                false => place(seq, line, rows),
            }
        }
    }
}

async fn open(dir: &Path) -> Lake {
    let lake = Lake::open(options(dir), Box::new(Both)).await.unwrap();
    lake.recovered().await;
    lake
}

fn all() -> RebuildOptions {
    RebuildOptions {
        from: events(),
        schema: "test".into(),
        received_from: None,
        received_to: None,
        condition: None,
        dry_run: false,
    }
}

async fn rebuild(lake: &Lake, options: RebuildOptions, louder: bool) -> Rebuilt {
    let done = lake.rebuild(options, Box::new(Again { louder })).await;
    let [rebuilt]: [Rebuilt; 1] = done.unwrap().try_into().unwrap();
    rebuilt
}

async fn rows(lake: &Lake) -> String {
    let view = lake.view();
    let table = Arc::clone(view.table(&lines()).expect("the table exists"));
    ask_table(table, "select x from lines order by weir_seq").await
}

fn files(dir: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path.clone());
            }
            found.push(path);
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_gives_the_same_rows_while_more_come() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    for lines in [["1", "2.5"], ["text", "3"], ["4.25", "more"]] {
        add(&lake, &lines).await;
        lake.flush().await.unwrap();
    }
    let before = rows(&lake).await;
    let done = rebuild(&lake, all(), false).await;
    assert_eq!((done.rows_added, done.rows_removed), (0, 0), "{done:?}");
    assert_eq!(rows(&lake).await, before);

    let sender = tokio::spawn({
        let lake = lake.clone();
        async move {
            for n in 0..200 {
                add(&lake, &[&format!("{n}")]).await;
            }
        }
    });
    while !sender.is_finished() {
        let done = rebuild(&lake, all(), false).await;
        assert_eq!((done.rows_added, done.rows_removed), (0, 0), "{done:?}");
    }
    sender.await.unwrap();
    let last = rebuild(&lake, all(), false).await;
    assert_eq!((last.rows_before, last.rows_after), (206, 206));
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_table_comes_back_and_rows_meanwhile_fit_into_it() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["1", "2.5", "text"]).await;
    lake.close().await.unwrap();
    drop(lake);
    std::fs::remove_dir_all(dir.path().join("lake/test")).unwrap();

    let lake = open(dir.path()).await;
    // The table is unknown, so its column begins as one of integers again.
    add(&lake, &["4"]).await;
    let adder = lake.clone();
    let adding = tokio::spawn(async move {
        for n in 5..50 {
            add(&adder, &[&n.to_string()]).await;
        }
    });
    let done = rebuild(&lake, all(), false).await;
    assert!(done.rows_added >= 3, "{done:?}");
    adding.await.unwrap();
    lake.flush().await.unwrap();
    let again = rebuild(&lake, all(), false).await;
    assert_eq!((again.rows_added, again.rows_removed), (0, 0), "{again:?}");
    assert_eq!(again.rows_after, 49);
    let before = rows(&lake).await;
    assert!(before.contains("| text "), "{before}");
    lake.close().await.unwrap();
    drop(lake);
    let lake = open(dir.path()).await;
    assert_eq!(rows(&lake).await, before);
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_run_changes_the_selected_rows_and_a_dry_run_none() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["a", "b"]).await;
    lake.flush().await.unwrap();
    add(&lake, &["c", "1"]).await;
    lake.flush().await.unwrap();
    let (before, on_disk) = (rows(&lake).await, files(&dir.path().join("lake")));
    let some = |dry_run| RebuildOptions {
        received_from: Some(2),
        received_to: Some(4),
        condition: Some("line <> 'b'".into()),
        dry_run,
        ..all()
    };

    let dry = rebuild(&lake, some(true), true).await;
    assert_eq!((dry.rows_added, dry.rows_removed), (1, 1), "{dry:?}");
    assert_eq!(rows(&lake).await, before);
    assert_eq!(files(&dir.path().join("lake")), on_disk);

    rebuild(&lake, some(false), true).await;
    let after = rows(&lake).await;
    let cells: Vec<&str> = after
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches(['|', ' ']))
        .collect();
    assert_eq!(cells, ["x", "a", "b", "c!", "1"]);
    let commits = lake.commits(&lines(), 1).await.unwrap();
    assert_eq!(commits[0].receipt.as_ref().unwrap().writer, "replay");

    let wrong = RebuildOptions {
        condition: Some("nothing = 1".into()),
        ..all()
    };
    let error = lake.rebuild(wrong, Box::new(Again { louder: false })).await;
    assert_eq!(error.unwrap_err().kind(), LakeErrorKind::Invalid);
    lake.close().await.unwrap();
}
