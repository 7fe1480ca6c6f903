//! Tables that connectors load: rows, columns and what is remembered change together, or not at all.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use datafusion::prelude::SessionContext;
use tempfile::tempdir;
use weir_core::TableName;
use weir_lake::{Lake, LakeErrorKind, LakeTable, LoadedTable, Receipt};

use crate::apply::{add, open};

fn name(table: &str) -> TableName {
    TableName::new("raw_shop", table).unwrap()
}

fn columns(fields: &[(&str, DataType)]) -> SchemaRef {
    let fields = fields
        .iter()
        .map(|(name, kind)| Field::new(*name, kind.clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn numbers(values: &[i64]) -> (SchemaRef, Vec<RecordBatch>) {
    let schema = columns(&[("n", DataType::Int64)]);
    let column: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
    let rows = RecordBatch::try_new(schema.clone(), vec![column]).unwrap();
    (schema, vec![rows])
}

fn loaded(table: &str, (schema, rows): (SchemaRef, Vec<RecordBatch>), state: &str) -> LoadedTable {
    LoadedTable {
        name: name(table),
        schema,
        rows,
        replacement: None,
        state: state.into(),
        transaction: None,
        receipt: Receipt {
            writer: "load".into(),
            run_id: state.into(),
            ..Receipt::default()
        },
    }
}

async fn load(lake: &Lake, tables: Vec<LoadedTable>) {
    let mut publishing = lake.load(tables).await.unwrap();
    publishing.commit().await.unwrap();
    publishing.show();
}

async fn read(lake: &Lake, table: &str) -> Vec<RecordBatch> {
    let view = lake.view().table(&name(table)).cloned().unwrap();
    let context = SessionContext::new();
    context
        .runtime_env()
        .register_object_store(&view.store_url, view.store.clone());
    let frame = context.read_table(Arc::new(LakeTable::new(view))).unwrap();
    frame.collect().await.unwrap()
}

async fn values(lake: &Lake, table: &str) -> Vec<i64> {
    let batches = read(lake, table).await;
    let columns = batches
        .iter()
        .map(|batch| batch.column(0).as_primitive::<Int64Type>());
    let mut values: Vec<i64> = columns
        .flat_map(|column| column.values().to_vec())
        .collect();
    values.sort_unstable();
    values
}

async fn states(lake: &Lake) -> HashMap<String, String> {
    let states = lake.load_states("raw_shop").await.unwrap();
    let states = states.into_iter();
    states
        .map(|state| (state.table.table().to_owned(), state.state))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_and_states_of_several_tables_are_seen_together_and_stay() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    let tables = vec![
        loaded("b", numbers(&[1, 2]), "one"),
        loaded("a", numbers(&[3]), "one"),
    ];
    let mut publishing = lake.load(tables).await.unwrap();
    let changed = publishing.tables();
    assert_eq!(changed.len(), 2);
    assert!(changed.iter().all(|table| table.before.is_none()));
    publishing.commit().await.unwrap();
    assert!(lake.view().table(&name("a")).is_none());
    publishing.show();
    assert_eq!(values(&lake, "b").await, [1, 2]);
    // A load that is dropped leaves nothing.
    drop(
        lake.load(vec![loaded("b", numbers(&[9]), "two")])
            .await
            .unwrap(),
    );
    assert_eq!(states(&lake).await["b"], "one");
    // A state without rows, and rows with a wider column.
    load(&lake, vec![loaded("a", numbers(&[]), "two")]).await;
    let schema = columns(&[("n", DataType::Utf8), ("m", DataType::Int64)]);
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x"]));
    let more: ArrayRef = Arc::new(Int64Array::from(vec![7]));
    let rows = RecordBatch::try_new(schema.clone(), vec![text, more]).unwrap();
    load(&lake, vec![loaded("b", (schema, vec![rows]), "two")]).await;
    lake.close().await.unwrap();

    let lake = open(dir.path()).await;
    assert_eq!(
        states(&lake).await,
        HashMap::from(["a", "b"].map(|t| (t.into(), "two".into())))
    );
    assert_eq!(values(&lake, "a").await, [3]);
    let rows: usize = read(&lake, "b")
        .await
        .iter()
        .map(RecordBatch::num_rows)
        .sum();
    assert_eq!(rows, 3);
    // And back.
    let receipt = Receipt::default();
    let mut publishing = lake
        .restore(&[(name("b"), Some(0))], &receipt)
        .await
        .unwrap();
    publishing.commit().await.unwrap();
    publishing.show();
    assert_eq!(values(&lake, "b").await, [1, 2]);
    assert_eq!(states(&lake).await["b"], "one");
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_in_files_take_the_place_of_all_there_are() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    for round in 0..3_i64 {
        let (schema, rows) = numbers(&[round, round + 1]);
        let mut sink = lake.row_sink(&name("a"), &schema).unwrap();
        sink.write(&rows[0]).await.unwrap();
        let stored = sink.finish().await.unwrap();
        let marked = HashMap::from([("round".to_owned(), round.to_string())]);
        let field = Field::new("n", DataType::Int64, true).with_metadata(marked);
        let table = LoadedTable {
            replacement: Some(stored),
            ..loaded("a", (Arc::new(Schema::new(vec![field])), Vec::new()), "s")
        };
        load(&lake, vec![table]).await;
        assert_eq!(values(&lake, "a").await, [round, round + 1]);
        // What is said of a column changes in the same commit.
        let view = lake.view().table(&name("a")).cloned().unwrap();
        assert_eq!(view.schema.field(0).metadata()["round"], round.to_string());
    }
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_of_others_are_refused() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["a,x,1"]).await;
    lake.flush().await.unwrap();
    let taken = lake.view().tables.keys().next().unwrap().clone();
    let table = LoadedTable {
        name: taken,
        ..loaded("a", numbers(&[1]), "s")
    };
    let refused = lake.load(vec![table]).await.err().unwrap();
    assert_eq!(refused.kind(), LakeErrorKind::Invalid);
    let twice = vec![
        loaded("a", numbers(&[1]), "s"),
        loaded("a", numbers(&[2]), "s"),
    ];
    let refused = lake.load(twice).await.err().unwrap();
    assert_eq!(refused.kind(), LakeErrorKind::Invalid);
    lake.close().await.unwrap();
}
