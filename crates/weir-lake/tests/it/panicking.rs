//! A record that our own code cannot turn into rows: set aside whole, and nothing half of it stays.

use tempfile::tempdir;
use weir_core::TableName;
use weir_lake::{Apply, ColumnKind, ColumnSpec, Lake, Record, Rows, TableSpec, Value};

use crate::apply::{ask, options};

/// Each record is one row `id,value`; it panics in the middle of the row when the value is `boom`.
struct Fragile;

impl Apply for Fragile {
    fn apply(&mut self, record: &Record<'_>, rows: &mut Rows<'_>) {
        let spec = || TableSpec {
            columns: vec![ColumnSpec {
                name: "id",
                kind: ColumnKind::String,
                fixed: true,
            }],
            ..TableSpec::default()
        };
        let text = std::str::from_utf8(record.payload).unwrap();
        let (id, value) = text.split_once(',').unwrap();
        let table = rows.open(&TableName::new("test", "lines").unwrap(), &spec);
        let table = rows.table(table);
        if !table.begin(record.first) {
            return;
        }
        let id_column = table.column("id", ColumnKind::String).unwrap();
        table.set(id_column, Value::String(id));
        // One column of each kind, all set before it fails.
        let mut set = |name, value: Value<'_>| {
            let column = table.column(name, value.kind()).unwrap();
            table.set(column, value);
        };
        set("b", Value::Boolean(value == "boom"));
        set("i", Value::Integer(value.len() as i64));
        set("f", Value::Float(0.5));
        set("t", Value::Timestamp(1_000_000, ""));
        set("x", Value::Binary(value.as_bytes()));
        set("s", Value::String(value));
        assert!(value != "boom", "a bug of ours");
        table.end();
    }
}

const ALL: &str = "select id, b, i, f, t, x, s from lines order by id";

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_panics_is_set_aside_and_leaves_no_half_row() {
    let dir = tempdir().unwrap();
    let lake = Lake::open(options(dir.path()), Box::new(Fragile))
        .await
        .unwrap();
    let mut last = weir_core::Seq::ZERO;
    let mut bad = Vec::new();
    for record in ["a,one", "b,boom", "c,three", "d,boom", "e,boom", "f,six"] {
        last = lake.append(1, record.as_bytes().to_vec()).await.unwrap();
        if record.ends_with("boom") {
            bad.push((last, record));
        }
    }
    lake.wait_visible(last).await;
    let in_memory = ask(&lake, ALL).await;
    let cells: Vec<&str> = in_memory
        .lines()
        .filter(|line| line.starts_with("| "))
        .collect();
    assert_eq!(cells.len(), 4, "the head and three rows: {in_memory}");
    for (row, (id, value, length)) in [("a", "one", 3), ("c", "three", 5), ("f", "six", 3)]
        .into_iter()
        .enumerate()
    {
        let cells: Vec<&str> = cells[row + 1].split('|').map(str::trim).collect();
        let length = length.to_string();
        assert_eq!(
            (cells[1], cells[3], cells[7]),
            (id, length.as_str(), value),
            "{in_memory}"
        );
        assert_eq!((cells[2], cells[4]), ("false", "0.5"), "{in_memory}");
    }
    for (seq, record) in bad {
        let kept = dir.path().join(format!("wal/damaged/record-{seq}.bin"));
        assert_eq!(std::fs::read(kept).unwrap(), record.as_bytes());
    }
    lake.close().await.unwrap();
    assert_eq!(ask(&lake, ALL).await, in_memory, "in files");
    drop(lake);
    let again = Lake::open(options(dir.path()), Box::new(Fragile))
        .await
        .unwrap();
    again.recovered().await;
    assert_eq!(ask(&again, ALL).await, in_memory, "after a restart");
    again.close().await.unwrap();
}
