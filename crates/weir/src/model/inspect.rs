//! Looking without changing: compiled SQL, rows, lists of nodes.

use std::sync::Arc;

use serde_json::{Value, json};
use weir_model::run::{Command, Shown};
use weir_model::select::{Listing, list as lines};
use weir_model::warehouse::{Cell, Table};

use super::command::{Compile, List, Show};
use super::opened::{open, wrong};
use super::operate::with_runner;
use super::run::{flags, run};
use super::selection::{select, state_of};
use super::stopped::Stopped;
use crate::command::Global;
use crate::failure::Failure;
use crate::ui::Ui;

/// `weir compile`.
pub(crate) async fn compile(args: Compile, global: &Global, ui: &Ui) -> Result<(), Stopped> {
    let Some(sql) = args.inline else {
        return run(Command::Compile, args.nodes, global, ui).await;
    };
    let compiled: Arc<str> =
        with_runner("compile", args.nodes, global, ui, move |_, runner, ui| {
            runner
                .compile_inline(&sql)
                .map_err(|error| wrong(&[error], ui).into())
        })
        .await?;
    match ui.is_json() {
        true => ui.answer_json(&json!({ "compiled": &*compiled })),
        false => ui.answer(&*compiled),
    }
    Ok(())
}

/// `weir show`.
pub(crate) async fn show(args: Show, global: &Global, ui: &Ui) -> Result<(), Stopped> {
    let limit = u64::try_from(args.limit).ok();
    let is_json = ui.is_json() || args.output.as_deref() == Some("json");
    let chosen = args.nodes.select.clone();
    let inline = args.inline;
    if inline.is_none() && chosen.select.is_empty() && chosen.selector.is_none() {
        let failure = Failure::new("nothing was chosen")
            .with_hint("name a model with --select, or give SQL with --inline");
        return Err(failure.into());
    }
    let shown: Vec<(String, Shown)> =
        with_runner("show", args.nodes, global, ui, move |opened, runner, ui| {
            let fail = |error| wrong(&[error], ui);
            if let Some(sql) = inline {
                let shown = runner.show_inline(&sql, limit).map_err(fail)?;
                return Ok(vec![("inline_query".to_owned(), shown)]);
            }
            let previous = state_of(&chosen, opened)?;
            let selected = select(opened, &chosen, previous.as_ref(), ui)?;
            let manifest = opened.manifest();
            let has_rows = |id: &&weir_model::node::UniqueId| {
                use weir_model::node::ResourceKind as Kind;
                let node = manifest.nodes.get(*id);
                node.is_some_and(|node| {
                    matches!(
                        node.kind,
                        Kind::Model | Kind::Seed | Kind::Snapshot | Kind::Test | Kind::Analysis
                    )
                })
            };
            selected
                .iter()
                .filter(has_rows)
                .map(|id| {
                    let shown = runner.show(id, limit).map_err(fail)?;
                    Ok((id.as_str().to_owned(), shown))
                })
                .collect()
        })
        .await?;
    if shown.is_empty() {
        // As with dbt, a selection that finds nothing is no failure.
        ui.warn("nothing was selected, so there is nothing to show");
    }
    let one = shown.len() == 1;
    for (name, Shown { table, .. }) in shown {
        if is_json {
            ui.answer_json(&as_json(&name, &table));
            continue;
        }
        if !one {
            ui.heading(&name);
        }
        ui.answer(as_text(&table));
    }
    Ok(())
}

fn as_json(name: &str, table: &Table) -> Value {
    let columns: Vec<&str> = table
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    let rows: Vec<Vec<Value>> = table
        .rows
        .iter()
        .map(|row| row.iter().map(cell_json).collect())
        .collect();
    json!({ "node": name, "columns": columns, "rows": rows })
}

fn cell_json(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Bool(value) => Value::from(*value),
        Cell::Int(value) => Value::from(*value),
        Cell::Float(value) if value.is_finite() => Value::from(*value),
        Cell::Json(value) => value.clone(),
        cell => cell.text().map_or(Value::Null, Value::from),
    }
}

fn as_text(table: &Table) -> String {
    let names: Vec<String> = table
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let texts = |row: &Vec<Cell>| -> Vec<String> {
        row.iter()
            .map(|cell| cell.text().unwrap_or_default())
            .collect()
    };
    let rows: Vec<Vec<String>> = table.rows.iter().map(texts).collect();
    crate::repl::grid(&names, &rows)
}

/// `weir ls`.
pub(crate) fn list(args: &List, ui: &Ui) -> Result<(), Failure> {
    let opened = open(&args.nodes.project, flags("list", &args.nodes), ui)?;
    let word = if ui.is_json() {
        "json"
    } else {
        args.output.as_str()
    };
    let form =
        Listing::parse(word, args.output_keys.clone()).map_err(|error| wrong(&[error], ui))?;
    let previous = state_of(&args.nodes.select, &opened)?;
    let selected = select(&opened, &args.nodes.select, previous.as_ref(), ui)?;
    for line in lines(&opened.manifest(), &selected, &form) {
        ui.answer(line);
    }
    Ok(())
}
