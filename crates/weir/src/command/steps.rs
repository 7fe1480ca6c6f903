use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::Global;
use super::runs::{begin, say_problem};
use crate::client::Client;
use crate::failure::Failure;
use crate::flow::ago;
use crate::ui::Ui;

/// See steps of other languages, what they would do, and run them
///
/// Asks the running server. Steps are declared in `steps/*.yml`; docs/steps.md says how.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: StepsCommand,
}

#[derive(Subcommand)]
enum StepsCommand {
    /// List steps, with what is wrong with their files
    List,
    /// Show a step and how its datums went
    Show {
        /// Its name
        name: String,
    },
    /// Say which datums a run of a step would do, and which it would skip
    Plan {
        /// Its name
        name: String,
    },
    /// Run a step now
    Run {
        /// Its name
        name: String,
        /// Show the run until it has ended; fails if it does
        #[arg(short, long)]
        follow: bool,
    },
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let client = global.client(ui)?;
        match self.command {
            StepsCommand::List => list(&client, ui).await,
            StepsCommand::Show { name } => show(&client, &name, ui).await,
            StepsCommand::Plan { name } => plan(&client, &name, ui).await,
            StepsCommand::Run { name, follow } => {
                let step = find(&client, &name).await?;
                say_problem(&client, "/api/v1/steps", ui).await;
                let body = json!({ "select": [step["asset"]] });
                begin(&client, "/api/v1/runs", &body, follow, ui).await
            }
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn joined(list: &Value, between: &str) -> String {
    let items = list.as_array().into_iter().flatten().map(text);
    items.collect::<Vec<_>>().join(between)
}

async fn list(client: &Client, ui: &Ui) -> Result<(), Failure> {
    let found: Value = client
        .json(client.request(Method::GET, "/api/v1/steps"))
        .await?;
    let steps = found["steps"].as_array().cloned().unwrap_or_default();
    if ui.is_json() {
        steps.iter().for_each(|step| ui.answer_json(step));
    } else {
        let row = |step: &Value| {
            vec![
                text(&step["name"]),
                joined(&step["inputs"], ", "),
                joined(&step["outputs"], ", "),
                joined(&step["command"], " ")
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
                text(&step["file"]),
            ]
        };
        let rows: Vec<Vec<String>> = steps.iter().map(row).collect();
        let heads = ["step", "reads", "makes", "command", "file"];
        ui.answer(crate::repl::grid(&heads.map(str::to_owned), &rows));
    }
    match found["problem"].as_str() {
        None => Ok(()),
        Some(problem) => {
            ui.problem(problem);
            Err(Failure::new(
                "the project's files are wrong; what was in force before stays",
            ))
        }
    }
}

/// Returns a step as the server knows it.
async fn find(client: &Client, name: &str) -> Result<Value, Failure> {
    let found: Value = client
        .json(client.request(Method::GET, "/api/v1/steps"))
        .await?;
    let steps = found["steps"].as_array().into_iter().flatten();
    let steps: Vec<&Value> = steps.collect();
    if let Some(step) = steps.iter().find(|step| step["name"] == name) {
        return Ok((*step).clone());
    }
    let names: Vec<&str> = steps
        .iter()
        .filter_map(|step| step["name"].as_str())
        .collect();
    let failure = Failure::new(format!("there is no step `{name}`"));
    Err(match weir_core::did_you_mean(name, &names) {
        Some(meant) => failure.with_hint(format!("did you mean `{meant}`?")),
        None => failure.with_hint("`weir steps list` shows the steps there are"),
    })
}

async fn show(client: &Client, name: &str, ui: &Ui) -> Result<(), Failure> {
    let step = find(client, name).await?;
    let sql = "SELECT label, state, run_id, tries, files, bytes, ms, reason, ended_at \
               FROM weir.datums WHERE step = $1 ORDER BY state, label";
    let body = json!({ "sql": sql, "params": [name], "format": "json" });
    let request = client.request(Method::POST, "/api/v1/query").json(&body);
    let datums: Value = client.json(request).await?;
    if ui.is_json() {
        ui.answer_json(&json!({ "step": step, "datums": datums["rows"] }));
        return Ok(());
    }
    ui.status(format!(
        "{name} ({}): {}",
        text(&step["file"]),
        joined(&step["command"], " ")
    ));
    ui.status(format!("  reads {}", joined(&step["inputs"], ", ")));
    ui.status(format!("  makes {}", joined(&step["outputs"], ", ")));
    if let Some(owner) = step["owner"].as_str() {
        ui.status(format!("  with the rights of {owner}"));
    }
    let cell = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows = datums["rows"].as_array().into_iter().flatten();
    let rows: Vec<Vec<String>> = rows
        .map(|row| {
            let mut cells: Vec<String> = (0..8).map(|at| cell(&row[at])).collect();
            cells.push(ago(&row[8]));
            cells
        })
        .collect();
    let heads = [
        "datum", "state", "run", "tries", "files", "bytes", "ms", "reason", "ended",
    ];
    ui.answer(crate::repl::grid(&heads.map(str::to_owned), &rows));
    Ok(())
}

async fn plan(client: &Client, name: &str, ui: &Ui) -> Result<(), Failure> {
    let path = format!("/api/v1/steps/{}/plan", super::schedule::in_path(name));
    let planned: Value = client.json(client.request(Method::GET, &path)).await?;
    let datums = planned["datums"].as_array().cloned().unwrap_or_default();
    if ui.is_json() {
        datums.iter().for_each(|datum| ui.answer_json(datum));
        return Ok(());
    }
    let word = |datum: &Value| match datum["done"].as_bool() {
        Some(true) => "skip".to_owned(),
        _ => "run".to_owned(),
    };
    let rows: Vec<Vec<String>> = datums
        .iter()
        .map(|datum| vec![text(&datum["label"]), word(datum)])
        .collect();
    ui.answer(crate::repl::grid(
        &["datum", "would"].map(str::to_owned),
        &rows,
    ));
    let todo = datums.iter().filter(|datum| datum["done"] != true).count();
    ui.status(format!("A run would do {todo} of {} datums.", datums.len()));
    Ok(())
}
