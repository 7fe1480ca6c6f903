//! Rows older than their table keeps them go, in commits that say so; readers read on.

use std::time::Duration;

use tempfile::tempdir;
use weir_core::TableName;
use weir_core::config::RetentionRule;
use weir_lake::{Apply, ColumnKind, ColumnSpec, Lake, LakeOptions, Record, Rows, TableSpec, Value};

use crate::apply::{ask_table, options};

const COUNT: &str = "select count(*), min(id), max(id) from lines";

/// Each record is one row `table,id,age in seconds`.
struct Aged;

impl Apply for Aged {
    fn apply(&mut self, record: &Record<'_>, rows: &mut Rows<'_>) {
        let column = |name, kind| ColumnSpec {
            name,
            kind,
            fixed: true,
        };
        let spec = || TableSpec {
            columns: vec![
                column("id", ColumnKind::String),
                column("received_at", ColumnKind::Timestamp),
            ],
            sort_by: Some("received_at"),
            bloom: Vec::new(),
        };
        let text = std::str::from_utf8(record.payload).unwrap();
        let parts: Vec<&str> = text.split(',').collect();
        let table = rows.open(&TableName::new("test", parts[0]).unwrap(), &spec);
        let table = rows.table(table);
        if table.begin(record.first) {
            let received_at = table.column("received_at", ColumnKind::Timestamp).unwrap();
            let id = table.column("id", ColumnKind::String).unwrap();
            let age = parts[2].parse::<i64>().unwrap() * 1_000_000;
            let now = chrono::Utc::now().timestamp_micros();
            table.set(id, Value::String(parts[1]));
            table.set(received_at, Value::Timestamp(now - age, ""));
            table.end();
        }
    }
}

async fn add(lake: &Lake, rows: &[&str]) {
    for row in rows {
        let seq = lake.append(1, row.as_bytes().to_vec()).await.unwrap();
        lake.wait_visible(seq).await;
    }
    lake.flush().await.unwrap();
}

async fn count(lake: &Lake, table: &str) -> String {
    let name = TableName::new("test", table).unwrap();
    ask_table(lake.view().table(&name).unwrap().clone(), COUNT).await
}

#[tokio::test(flavor = "multi_thread")]
async fn old_rows_go_with_a_receipt_and_readers_read_on() {
    let dir = tempdir().unwrap();
    let options = LakeOptions {
        retention: vec![
            RetentionRule::parse("test.kept=forever").unwrap(),
            RetentionRule::parse("test.*=1h").unwrap(),
        ],
        ..options(dir.path())
    };
    let lake = Lake::open(options.clone(), Box::new(Aged)).await.unwrap();
    // Three files of each table: old, half old, new.
    for table in ["kept", "let_go"] {
        add(
            &lake,
            &[&format!("{table},a,7200"), &format!("{table},b,4000")],
        )
        .await;
        add(
            &lake,
            &[&format!("{table},c,7200"), &format!("{table},d,60")],
        )
        .await;
        add(&lake, &[&format!("{table},e,60")]).await;
    }
    let name = TableName::new("test", "let_go").unwrap();
    let pinned = lake.view();
    let expired = lake.expire().await.unwrap();
    assert_eq!(expired.len(), 1, "{expired:?}");
    assert_eq!((expired[0].files, expired[0].rows), (1, 2));
    let all = count(&lake, "kept").await;
    assert!(all.contains("| 5 "), "{all}");
    let left = count(&lake, "let_go").await;
    assert!(left.contains("| 3 ") && left.contains("| c "), "{left}");

    let before = ask_table(pinned.table(&name).unwrap().clone(), COUNT).await;
    assert!(before.contains("| 5 "), "who pinned it reads on: {before}");
    let commits = lake.commits(&name, 1).await.unwrap();
    let receipt = commits[0].receipt.as_ref().unwrap();
    assert_eq!(
        (receipt.writer.as_str(), receipt.rows_removed),
        ("retention", 2)
    );
    assert_eq!(commits[0].operation, "DELETE");
    let version = weir_lake::At::Version(commits[0].version - 1);
    let before = ask_table(lake.table_at(&name, version).await.unwrap(), COUNT).await;
    assert!(before.contains("| 5 "), "time travel: {before}");

    assert!(
        lake.expire().await.unwrap().is_empty(),
        "nothing more is old"
    );
    lake.close().await.unwrap();
    drop(lake);
    let again = Lake::open(options, Box::new(Aged)).await.unwrap();
    assert_eq!(count(&again, "let_go").await, left, "after a restart");
    assert!(again.expire().await.unwrap().is_empty());
    again.close().await.unwrap();
}

/// Housekeeping does it by itself.
#[tokio::test(flavor = "multi_thread")]
async fn housekeeping_lets_go_of_old_rows() {
    let dir = tempdir().unwrap();
    let options = LakeOptions {
        retention: vec![RetentionRule::parse("*.*=1h").unwrap()],
        housekeeping_interval: Duration::from_millis(50),
        ..options(dir.path())
    };
    let lake = Lake::open(options, Box::new(Aged)).await.unwrap();
    add(&lake, &["lines,a,7200"]).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while count(&lake, "lines").await.contains("| a ") {
        assert!(std::time::Instant::now() < deadline, "the old row stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    lake.close().await.unwrap();
}
