//! Configuration that cannot be.

use std::sync::Arc;

use chrono::{NaiveDate, NaiveDateTime};

use super::patch::Patch;
use super::work::Work;
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::library::LIBRARY_PACKAGE;
use crate::node::{Node, ResourceKind};

/// Finds configuration that cannot be.
pub(super) fn check(
    work: &Work,
    node: &mut Node,
    shown: &Arc<str>,
    patch: Option<&Patch>,
    errors: &mut Vec<ModelError>,
) {
    let place = || match patch {
        Some(patch) => patch.file.place(patch.line, patch.column),
        None => Place::file(Arc::clone(shown)),
    };
    let config = &node.config;
    let mut wrong = |message: String, hint: &str| {
        let error = ModelError::new(ModelErrorKind::Properties, message);
        errors.push(error.at(place()).of(node.id.as_str()).hint(hint));
    };
    if config
        .get("enabled")
        .is_some_and(|enabled| config.flag("enabled").is_none() && !enabled.is_null())
    {
        wrong(
            format!("`enabled` of `{}` is neither true nor false", node.name),
            "write `enabled: true` or `false`",
        );
    }
    if config
        .get("materialized")
        .is_some_and(|value| !value.is_string())
    {
        wrong(
            format!("`materialized` of `{}` is no text", node.name),
            "write `materialized: view`, or `table`",
        );
    }
    for key in ["meta", "docs", "contract", "column_types", "quoting"] {
        if config
            .get(key)
            .is_some_and(|value| !value.is_object() && !value.is_null())
        {
            wrong(
                format!("`{key}` of `{}` is no mapping", node.name),
                "write its keys below it, indented",
            );
        }
    }
    if node.kind == ResourceKind::Model {
        let on_change = config.on_schema_change();
        if config.contract_enforced()
            && config.materialized() == "incremental"
            && !matches!(on_change, "append_new_columns" | "fail")
        {
            wrong(
                format!(
                    "`{}` is incremental and promises its columns, but `on_schema_change` is `{on_change}`",
                    node.name
                ),
                "set `on_schema_change` to `append_new_columns` or `fail`",
            );
        }
        if config.contract_enforced() && node.columns.is_empty() {
            wrong(
                format!(
                    "`{}` promises its columns, but none is described",
                    node.name
                ),
                "list its columns with `name` and `data_type` in a properties file",
            );
        }
        primary_keys(node, &mut wrong);
        if config.text("access") == Some("public") && config.materialized() == "ephemeral" {
            wrong(
                format!(
                    "`{}` is public, but ephemeral: nobody could read it",
                    node.name
                ),
                "materialize it, or make it `protected`",
            );
        }
        if is_microbatch(work, node) {
            microbatch(node, &mut wrong);
        }
    }
    if node.kind == ResourceKind::Snapshot && config.enabled() {
        snapshot(node, &mut wrong);
    }
    if is_microbatch(work, node)
        && let Some(begin) = node.config.text("begin").and_then(moment)
    {
        node.config.set("begin", begin.into());
    }
}

/// Says whether the model is built batch by batch, and not by a strategy of the project's own.
fn is_microbatch(work: &Work, node: &Node) -> bool {
    if node.config.materialized() != "incremental"
        || node.config.incremental_strategy() != Some("microbatch")
    {
        return false;
    }
    let strategy = work
        .macros()
        .find(&node.package, "get_incremental_microbatch_sql");
    strategy.is_none_or(|found| {
        found
            .owner()
            .is_some_and(|owner| &**owner == LIBRARY_PACKAGE)
    })
}

/// Writes a date or moment in ISO form with its time; nothing if it is none.
fn moment(text: &str) -> Option<String> {
    let text = text.trim();
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(format!("{date}T00:00:00"));
    }
    let parts = text.replacen(' ', "T", 1);
    let zoned = chrono::DateTime::parse_from_rfc3339(&parts).is_ok();
    let naive = || NaiveDateTime::parse_from_str(&parts, "%Y-%m-%dT%H:%M:%S%.f").is_ok();
    (zoned || naive()).then_some(parts)
}

fn microbatch(node: &Node, wrong: &mut impl FnMut(String, &str)) {
    let (config, name) = (&node.config, &node.name);
    if config.event_time().is_none() {
        wrong(
            format!("`{name}` is built in batches, but of no column's time"),
            "set `event_time` to the column that says when a row happened",
        );
    }
    match config.text("begin").map(moment) {
        None => wrong(
            format!("`{name}` is built in batches that begin nowhere"),
            "set `begin` to the first moment, like '2024-01-01'",
        ),
        Some(None) => wrong(
            format!("`begin` of `{name}` is no date"),
            "write it like '2024-01-01' or '2024-01-01T12:00:00'",
        ),
        Some(Some(_)) => {}
    }
    if !matches!(
        config.text("batch_size"),
        Some("hour" | "day" | "month" | "year")
    ) {
        wrong(
            format!("`{name}` does not say how big its batches are"),
            "set `batch_size` to `hour`, `day`, `month` or `year`",
        );
    }
    if config
        .get("lookback")
        .is_some_and(|lookback| !lookback.is_i64() && !lookback.is_null())
    {
        wrong(
            format!("`lookback` of `{name}` is no whole number"),
            "write how many batches are redone",
        );
    }
}

fn primary_keys(node: &Node, wrong: &mut impl FnMut(String, &str)) {
    let keyed = node
        .columns
        .values()
        .filter(|column| {
            column
                .constraints
                .iter()
                .any(|constraint| constraint.kind == "primary_key")
        })
        .count();
    let own = node.model().is_some_and(|model| {
        model
            .constraints
            .iter()
            .any(|constraint| constraint.kind == "primary_key")
    });
    if keyed > 1 || (keyed == 1 && own) {
        wrong(
            format!("`{}` has more than one primary key", node.name),
            "write one under the model's own `constraints`, with `columns:`",
        );
    }
}

fn snapshot(node: &Node, wrong: &mut impl FnMut(String, &str)) {
    let config = &node.config;
    let given = |key: &str| config.get(key).is_some_and(|value| !value.is_null());
    if !given("strategy") || !given("unique_key") {
        wrong(
            format!(
                "snapshot `{}` needs a `strategy` and a `unique_key`",
                node.name
            ),
            "set both in its config; strategies are `timestamp` and `check`",
        );
        return;
    }
    match config.text("strategy") {
        Some("check") if !given("check_cols") => wrong(
            format!("snapshot `{}` checks columns, but none is given", node.name),
            "set `check_cols` to `all` or a list of columns",
        ),
        Some("timestamp") if !given("updated_at") => wrong(
            format!(
                "snapshot `{}` compares moments, but of no column",
                node.name
            ),
            "set `updated_at` to the column that says when a row changed",
        ),
        _ => {}
    }
}
