//! Tables written by statements: all of a statement or nothing, and the same after a restart.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int64Type, Schema};
use datafusion::prelude::SessionContext;
use fail::FailScenario;
use tempfile::tempdir;
use weir_core::TableName;
use weir_lake::{Lake, LakeErrorKind, LakeTable, Matched, Receipt, Rewrite, RowSink, StoredRows};

use crate::apply::{add, open};

fn name(table: &str) -> TableName {
    TableName::new("mine", table).unwrap()
}

fn schema() -> Schema {
    Schema::new(vec![Field::new("n", DataType::Int64, true)])
}

fn receipt(run: &str) -> Receipt {
    Receipt {
        writer: "sql".into(),
        run_id: run.into(),
        ..Receipt::default()
    }
}

async fn rows(mut sink: RowSink, values: &[i64]) -> StoredRows {
    let column = Arc::new(Int64Array::from(values.to_vec()));
    let batch = RecordBatch::try_new(Arc::new(schema()), vec![column]).unwrap();
    sink.write(&batch).await.unwrap();
    sink.finish().await.unwrap()
}

async fn replace(
    lake: &Lake,
    table: &str,
    values: &[i64],
    run: &str,
) -> Result<u64, LakeErrorKind> {
    let writer = lake
        .table_writer(&name(table))
        .await
        .map_err(|e| e.kind())?;
    let stored = rows(writer.sink(&schema()).unwrap(), values).await;
    writer
        .replace(stored, receipt(run))
        .await
        .map_err(|e| e.kind())
}

async fn values(lake: &Lake, table: &str) -> Option<Vec<i64>> {
    let view = lake.view().table(&name(table)).cloned()?;
    let context = SessionContext::new();
    context
        .runtime_env()
        .register_object_store(&view.store_url, view.store.clone());
    let frame = context.read_table(Arc::new(LakeTable::new(view))).unwrap();
    let mut values: Vec<i64> = frame
        .collect()
        .await
        .unwrap()
        .iter()
        .flat_map(|batch| {
            batch
                .column(0)
                .as_primitive::<Int64Type>()
                .values()
                .to_vec()
        })
        .collect();
    values.sort_unstable();
    Some(values)
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_may_have_names_of_any_letters() {
    let dir = tempdir().unwrap();
    let names = ["заказ", "価格_変更", "a?b#c*d", "q\"uote", "two words", "ä"];
    let lake = open(dir.path()).await;
    for name in names {
        replace(&lake, name, &[1], "1").await.unwrap();
        replace(&lake, name, &[1, 2], "2").await.unwrap();
    }
    lake.close().await.unwrap();
    let lake = open(dir.path()).await;
    for name in names {
        assert_eq!(values(&lake, name).await, Some(vec![1, 2]), "{name}");
    }
    lake.close().await.unwrap();
    assert!(weir_core::TableName::new("main", "_delta_log").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_statements_wrote_is_there_after_a_restart() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    assert_eq!(replace(&lake, "a", &[1, 2, 3], "1").await, Ok(0));
    assert_eq!(replace(&lake, "a", &[4, 5, 6], "2").await, Ok(1));
    replace(&lake, "gone", &[1], "3").await.unwrap();
    let writer = lake.table_writer(&name("gone")).await.unwrap();
    writer.drop_table(receipt("4")).await.unwrap();
    replace(&lake, "old", &[7], "5").await.unwrap();
    let from = lake.table_writer(&name("old")).await.unwrap();
    let to = lake.table_writer(&name("new")).await.unwrap();
    from.rename(to, receipt("6")).await.unwrap();

    let writer = lake.table_writer(&name("a")).await.unwrap();
    let mut matched = Matched::default();
    matched.insert(0, 1);
    let mut sink = writer.sink(&schema()).unwrap();
    let files = writer.keep_others(&matched, &mut sink).await.unwrap();
    let kept = sink.finish().await.unwrap();
    writer
        .rewrite(Rewrite::Delete, files, kept, receipt("7"))
        .await
        .unwrap();

    for round in 0..2 {
        assert_eq!(values(&lake, "a").await, Some(vec![4, 6]), "round {round}");
        assert_eq!(values(&lake, "gone").await, None);
        assert_eq!(values(&lake, "old").await, None);
        assert_eq!(values(&lake, "new").await, Some(vec![7]));
        if round == 0 {
            lake.close().await.unwrap();
        }
    }
    drop(lake);
    let lake = open(dir.path()).await;
    assert_eq!(values(&lake, "a").await, Some(vec![4, 6]));
    assert_eq!(values(&lake, "gone").await, None);
    assert_eq!(values(&lake, "old").await, None);
    assert_eq!(values(&lake, "new").await, Some(vec![7]));
    // The name is free, and its history goes on.
    assert_eq!(replace(&lake, "gone", &[9], "8").await, Ok(2));
    assert_eq!(values(&lake, "gone").await, Some(vec![9]));
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_leaves_the_old_rows_or_the_new_ones() {
    let scenario = FailScenario::setup();
    for (point, seen, after) in [
        // Files, but no commit: the statement failed, and never was.
        ("statement-commit", Err(LakeErrorKind::Storage), vec![1]),
        // The commit, but no answer: it is found by its run.
        ("statement-committed", Ok(1), vec![2, 3]),
    ] {
        let dir = tempdir().unwrap();
        let lake = open(dir.path()).await;
        replace(&lake, "t", &[1], "first").await.unwrap();
        fail::cfg(point, "1*return").unwrap();
        assert_eq!(
            replace(&lake, "t", &[2, 3], "second").await,
            seen,
            "{point}"
        );
        assert_eq!(values(&lake, "t").await, Some(after.clone()), "{point}");
        // What lies on disk now is what a crash would leave.
        let copy = tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let restarted = open(copy.path()).await;
        assert_eq!(values(&restarted, "t").await, Some(after), "{point}");
        restarted.close().await.unwrap();
        replace(&lake, "t", &[4], "third").await.unwrap();
        assert_eq!(values(&lake, "t").await, Some(vec![4]), "{point}");
        lake.close().await.unwrap();
    }
    scenario.teardown();
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_the_log_are_not_written_by_statements() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["a,x,1"]).await;
    for table in ["lines", "other"] {
        let name = TableName::new("test", table).unwrap();
        let refused = lake.table_writer(&name).await.err().map(|e| e.kind());
        assert_eq!(refused, Some(LakeErrorKind::ReadOnly), "{table}");
    }
    let raw = TableName::new("raw_new", "events").unwrap();
    let refused = lake.table_writer(&raw).await.err().map(|e| e.kind());
    assert_eq!(refused, Some(LakeErrorKind::ReadOnly));
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn small_files_of_statements_are_joined() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    replace(&lake, "t", &[0], "create").await.unwrap();
    for n in 1..10 {
        let stored = rows(lake.row_sink(&name("t"), &schema()).unwrap(), &[n]).await;
        let writer = lake.table_writer(&name("t")).await.unwrap();
        writer
            .append(stored, receipt(&n.to_string()))
            .await
            .unwrap();
    }
    let writer = lake.table_writer(&name("t")).await.unwrap();
    // Somebody writes: their files are left alone.
    assert!(lake.compact(Some(&name("t"))).await.unwrap().is_empty());
    drop(writer);
    assert_eq!(
        lake.compact(Some(&name("t"))).await.unwrap()[0].files_after,
        1
    );
    assert_eq!(values(&lake, "t").await, Some((0..10).collect()));
    lake.close().await.unwrap();
}
