//! `weir.queries`, `weir.query_users`: what is asked, by whom, and what it takes.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use datafusion::arrow::array::{
    ArrayRef, Int64Array, ListBuilder, StringArray, StringBuilder, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::{DataType, Field};
use futures::FutureExt;
use weir_access::Action;

use super::virtual_table::{VirtualTable, instant};
use crate::catalog::Scope;

fn texts<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn counts(values: impl Iterator<Item = u64>) -> ArrayRef {
    let values = values.map(|value| i64::try_from(value).ok());
    Arc::new(values.collect::<Int64Array>())
}

fn millis(values: impl Iterator<Item = Duration>) -> ArrayRef {
    counts(values.map(|value| u64::try_from(value.as_millis()).unwrap_or(u64::MAX)))
}

fn instants(values: impl Iterator<Item = Option<DateTime<Utc>>>) -> ArrayRef {
    let micros = values.map(|at| at.map(|at| at.timestamp_micros()));
    let micros = micros.collect::<TimestampMicrosecondArray>();
    Arc::new(micros.with_timezone("UTC"))
}

/// The type of lists of names.
fn names() -> DataType {
    DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true)))
}

fn lists<'a>(values: impl Iterator<Item = &'a [String]>) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for value in values {
        lists.append_value(value.iter().map(Some));
    }
    Arc::new(lists.finish())
}

fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

/// `weir.queries`: what runs and what ran lately, this one included.
pub(super) fn queries(scope: &Scope) -> VirtualTable {
    let columns = [
        ("id", DataType::Utf8),
        ("state", DataType::Utf8),
        ("caller", DataType::Utf8),
        ("door", DataType::Utf8),
        ("application_name", DataType::Utf8),
        ("kind", DataType::Utf8),
        ("hash", DataType::Utf8),
        ("started_at", instant()),
        ("elapsed_ms", DataType::Int64),
        ("queue_ms", DataType::Int64),
        ("planning_ms", DataType::Int64),
        ("cpu_ms", DataType::Int64),
        ("rows", DataType::Int64),
        ("bytes_read", DataType::Int64),
        ("peak_bytes", DataType::Int64),
        ("tables", names()),
        ("columns", names()),
        ("sqlstate", DataType::Utf8),
        ("error", DataType::Utf8),
        ("sql", DataType::Utf8),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let list = scope.queries();
        let each = || list.iter();
        let columns = vec![
            texts(each().map(|query| Some(query.id.as_str()))),
            texts(each().map(|query| Some(query.state.as_str()))),
            texts(each().map(|query| Some(query.caller.name()))),
            texts(each().map(|query| Some(query.caller.door()))),
            texts(each().map(|query| known(&query.application))),
            texts(each().map(|query| known(&query.kind))),
            texts(each().map(|query| known(&query.hash))),
            instants(each().map(|query| Some(query.started_at))),
            millis(each().map(|query| query.elapsed)),
            millis(each().map(|query| query.queued)),
            millis(each().map(|query| query.planned)),
            millis(each().map(|query| query.cpu)),
            counts(each().map(|query| query.rows)),
            counts(each().map(|query| query.read_bytes)),
            counts(each().map(|query| query.peak_bytes)),
            lists(each().map(|query| query.tables.as_slice())),
            lists(each().map(|query| query.columns.as_slice())),
            texts(each().map(|query| query.sqlstate.as_ref())),
            texts(each().map(|query| query.error.as_ref())),
            texts(each().map(|query| Some(&query.sql))),
        ];
        async move { Ok(columns) }.boxed()
    })
}

/// `weir.query_users`: what each user's queries came to.
pub(super) fn users(scope: &Scope) -> VirtualTable {
    let columns = [
        ("user_name", DataType::Utf8),
        ("queries", DataType::Int64),
        ("failed", DataType::Int64),
        ("cancelled", DataType::Int64),
        ("elapsed_ms", DataType::Int64),
        ("queue_ms", DataType::Int64),
        ("cpu_ms", DataType::Int64),
        ("rows", DataType::Int64),
        ("bytes_read", DataType::Int64),
        ("peak_bytes", DataType::Int64),
        ("last_at", instant()),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let all = scope.may(Action::Admin);
        let me = scope.pinned.asker.caller.name();
        let mut users = scope.pinned.queries.totals();
        users.retain(|(user, _)| all || user == me);
        let each = || users.iter().map(|(_, totals)| totals);
        let columns = vec![
            texts(users.iter().map(|(user, _)| Some(user))),
            counts(each().map(|totals| totals.queries)),
            counts(each().map(|totals| totals.failed)),
            counts(each().map(|totals| totals.cancelled)),
            millis(each().map(|totals| totals.elapsed)),
            millis(each().map(|totals| totals.queued)),
            millis(each().map(|totals| totals.cpu)),
            counts(each().map(|totals| totals.rows)),
            counts(each().map(|totals| totals.read_bytes)),
            counts(each().map(|totals| totals.peak_bytes)),
            instants(each().map(|totals| totals.last_at)),
        ];
        async move { Ok(columns) }.boxed()
    })
}
