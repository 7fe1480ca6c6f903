//! `weir.storage`: what every table one may read weighs.

use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::arrow::datatypes::DataType;
use futures::FutureExt;
use weir_lake::TableView;

use super::virtual_table::VirtualTable;
use crate::catalog::Scope;

/// `weir.storage`: files of the newest version, and rows in memory, of each table.
pub(super) fn storage(scope: &Scope) -> VirtualTable {
    let columns = [
        ("schema_name", DataType::Utf8),
        ("table_name", DataType::Utf8),
        ("rows", DataType::Int64),
        ("files", DataType::Int64),
        ("file_bytes", DataType::Int64),
        ("rows_in_memory", DataType::Int64),
        ("memory_bytes", DataType::Int64),
        ("version", DataType::Int64),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let tables = scope.pinned.view.tables.values();
        let tables: Vec<&TableView> = tables
            .map(Arc::as_ref)
            .filter(|table| scope.may_read(table.name.schema(), table.name.table()))
            .collect();
        let texts = |of: &dyn Fn(&TableView) -> String| -> ArrayRef {
            Arc::new(
                tables
                    .iter()
                    .map(|table| Some(of(table)))
                    .collect::<StringArray>(),
            )
        };
        let counts = |of: &dyn Fn(&TableView) -> Option<u64>| -> ArrayRef {
            let values = tables
                .iter()
                .map(|table| of(table).and_then(|n| i64::try_from(n).ok()));
            Arc::new(values.collect::<Int64Array>())
        };
        let columns = vec![
            texts(&|table| table.name.schema().to_owned()),
            texts(&|table| table.name.table().to_owned()),
            counts(&|table| Some(table.rows())),
            counts(&|table| Some(table.files.len() as u64)),
            counts(&|table| Some(table.bytes())),
            counts(&|table| Some(table.hot.iter().map(|batch| batch.num_rows() as u64).sum())),
            counts(&|table| {
                Some(
                    table
                        .hot
                        .iter()
                        .map(|batch| batch.get_array_memory_size() as u64)
                        .sum(),
                )
            }),
            counts(&|table| table.version),
        ];
        async move { Ok(columns) }.boxed()
    })
}
