//! `\commands`: what people type more often than they would type the SQL for it.

use serde_json::json;

use super::answer::{Ask, Format, ask};
use super::session::{Flow, Session};
use crate::failure::Failure;
use crate::ui::Ui;

const HELP: &str = "\
End a statement with `;`. Ctrl-C cancels it, Ctrl-D leaves, Tab completes names.

  \\d               tables and views
  \\d NAME          columns of a table
  \\dt [SCHEMA]     tables with their rows and files
  \\dn              schemas
  \\dc NAME         commits of a table
  \\x               rows as blocks, on or off
  \\timing          say how long it took, on or off
  \\q               leave
  \\?               this help";

const TABLES: &str = "SELECT schema_name AS schema, table_name AS name, kind, rows FROM weir.tables \
    WHERE kind <> 'system' ORDER BY 1, 2";
const SIZES: &str = "SELECT schema_name AS schema, table_name AS name, rows, rows_in_memory, files, file_bytes, version \
    FROM weir.tables WHERE kind = 'table' AND ($1 IS NULL OR schema_name = $1) ORDER BY 1, 2";
const SCHEMAS: &str = "SELECT schema_name AS schema FROM information_schema.schemata ORDER BY 1";
const COLUMNS: &str = "SELECT column_name AS column, full_type AS type FROM information_schema.columns \
    WHERE table_schema = $1 AND table_name = $2 ORDER BY ordinal_position";
const COMMITS: &str = "SELECT version, committed_at, operation, writer, rows_added, rows_removed FROM weir.commits \
    WHERE schema_name = $1 AND table_name = $2 ORDER BY version DESC LIMIT 50";

/// Runs the command after the `\`.
pub(super) async fn run(session: &mut Session, command: &str, ui: &Ui) -> Result<Flow, Failure> {
    let command = command.trim().trim_end_matches(';');
    let (name, argument) = command
        .split_once(char::is_whitespace)
        .unwrap_or((command, ""));
    let argument = argument.trim();
    let (sql, params) = match (name, argument) {
        ("q" | "quit", _) => return Ok(Flow::Quit),
        ("?" | "h" | "help", _) => {
            ui.answer(HELP);
            return Ok(Flow::Go);
        }
        ("x", _) => {
            let blocks = switched(session.format == Format::Vertical, argument);
            session.format = if blocks {
                Format::Vertical
            } else {
                Format::Table
            };
            ui.status(format!(
                "Rows are written as {}.",
                if blocks { "blocks" } else { "a table" }
            ));
            return Ok(Flow::Go);
        }
        ("timing", _) => {
            session.timing = switched(session.timing, argument);
            ui.status(format!(
                "Timing is {}.",
                if session.timing { "on" } else { "off" }
            ));
            return Ok(Flow::Go);
        }
        ("d", "") => (TABLES, Vec::new()),
        ("dt", "") => (SIZES, vec![json!(null)]),
        ("dt", schema) => (SIZES, vec![json!(schema)]),
        ("dn", _) => (SCHEMAS, Vec::new()),
        ("d", name) => (COLUMNS, parts(name)),
        ("dc", name) if !name.is_empty() => (COMMITS, parts(name)),
        _ => {
            return Err(Failure::new(format!("there is no command `\\{name}`"))
                .with_hint("\\? lists the commands"));
        }
    };
    let format = if session.format == Format::Vertical {
        Format::Table
    } else {
        session.format
    };
    let question = Ask {
        sql,
        params: &params,
        format,
        timeout_ms: None,
        summary: session.summary,
        timing: false,
    };
    ask(&session.client, ui, &question).await?;
    Ok(Flow::Go)
}

fn switched(now: bool, argument: &str) -> bool {
    match argument {
        "on" => true,
        "off" => false,
        _ => !now,
    }
}

/// Returns schema and name of `schema.name`.
fn parts(name: &str) -> Vec<serde_json::Value> {
    let (schema, table) = name.split_once('.').unwrap_or(("main", name));
    let plain = |part: &str| match part
        .strip_prefix('"')
        .and_then(|part| part.strip_suffix('"'))
    {
        Some(quoted) => quoted.replace("\"\"", "\""),
        None => part.to_lowercase(),
    };
    vec![json!(plain(schema)), json!(plain(table))]
}
