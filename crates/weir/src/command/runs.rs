use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::Global;
use crate::client::Client;
use crate::failure::Failure;
use crate::flow::{Follower, ago, run_line, seconds, step_rows};
use crate::ui::Ui;

/// See what runs and ran, read its logs, run it again, stop it
///
/// Asks the running server. What runs when stands in `schedules.yml`; `weir schedule` tells.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: RunsCommand,
}

#[derive(Subcommand)]
enum RunsCommand {
    /// List runs, newest first
    List {
        /// Only those of this schedule
        #[arg(long, value_name = "NAME")]
        schedule: Option<String>,
        /// Only those in this state: queued, running, succeeded, failed, cancelled
        #[arg(long, value_name = "STATE")]
        state: Option<String>,
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// Show a run with its steps
    Show {
        /// Its number; the newest when none is given
        run: Option<i64>,
        /// Go on showing until it has ended; fails if it does
        #[arg(short, long)]
        follow: bool,
    },
    /// Watch runs as they come and go
    Watch {
        /// Only those of this schedule
        #[arg(long, value_name = "NAME")]
        schedule: Option<String>,
    },
    /// Show what the steps of a run said
    Logs {
        /// Its number; the newest when none is given
        run: Option<i64>,
        /// Only of this step: a model's or step's name will do
        #[arg(long, value_name = "MODEL")]
        step: Option<String>,
        /// Go on until it has ended
        #[arg(short, long)]
        follow: bool,
    },
    /// Bring models and steps up to date now
    Start {
        /// Which, as `weir build --select` takes them; everything when none are named
        #[arg(short, long, num_args = 1.., value_name = "SELECTOR")]
        select: Vec<String>,
        /// Show it until it has ended; fails if it does
        #[arg(short, long)]
        follow: bool,
    },
    /// Run a run that has ended again; what is left out counts as done
    Retry {
        /// Its number; the newest when none is given
        run: Option<i64>,
        /// Only what did not succeed, and what needs it
        #[arg(long, conflicts_with = "select")]
        from_failed: bool,
        /// Only these and what in the run needs them
        #[arg(short, long, num_args = 1.., value_name = "SELECTOR")]
        select: Vec<String>,
        /// Show it until it has ended; fails if it does
        #[arg(short, long)]
        follow: bool,
    },
    /// Stop a run: what runs is ended, nothing of it is published
    Cancel {
        /// Its number
        run: i64,
    },
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let client = global.client(ui)?;
        match self.command {
            RunsCommand::List {
                schedule,
                state,
                limit,
            } => list(&client, schedule, state, limit, ui).await,
            RunsCommand::Show { run, follow } => {
                let run = given_or_newest(&client, run).await?;
                show(&client, run, follow, ui).await
            }
            RunsCommand::Watch { schedule } => Follower::new(client, ui).watch(schedule).await,
            RunsCommand::Logs { run, step, follow } => {
                let run = given_or_newest(&client, run).await?;
                Follower::new(client, ui).logs(run, step, follow).await
            }
            RunsCommand::Start { select, follow } => {
                say_problem(&client, "/api/v1/steps", ui).await;
                let body = json!({ "select": select });
                begin(&client, "/api/v1/runs", &body, follow, ui).await
            }
            RunsCommand::Retry {
                run,
                from_failed,
                select,
                follow,
            } => {
                let run = given_or_newest(&client, run).await?;
                let body = json!({ "from_failed": from_failed, "select": select });
                let path = format!("/api/v1/runs/{run}/retry");
                begin(&client, &path, &body, follow, ui).await
            }
            RunsCommand::Cancel { run } => {
                let path = format!("/api/v1/runs/{run}/cancel");
                client.send(client.request(Method::POST, &path)).await?;
                match ui.is_json() {
                    true => ui.answer_json(&json!({ "run": run, "cancelled": true })),
                    false => ui.status(format!("Run {run} is being stopped.")),
                }
                Ok(())
            }
        }
    }
}

/// Returns the run that was named, or the newest.
async fn given_or_newest(client: &Client, run: Option<i64>) -> Result<i64, Failure> {
    if let Some(run) = run {
        return Ok(run);
    }
    let request = client.request(Method::GET, "/api/v1/runs?limit=1");
    let found: Value = client.json(request).await?;
    found["runs"][0]["id"].as_i64().ok_or_else(|| {
        Failure::new("nothing has run yet").with_hint(
            "`weir runs start` runs everything now; `weir schedule list` shows what runs when",
        )
    })
}

async fn list(
    client: &Client,
    schedule: Option<String>,
    state: Option<String>,
    limit: u32,
    ui: &Ui,
) -> Result<(), Failure> {
    let mut query = vec![("limit", limit.to_string())];
    query.extend(schedule.map(|name| ("schedule", name)));
    query.extend(state.map(|state| ("state", state)));
    let request = client.request(Method::GET, "/api/v1/runs").query(&query);
    let found: Value = client.json(request).await?;
    let runs = found["runs"].as_array().cloned().unwrap_or_default();
    if ui.is_json() {
        runs.iter().for_each(|run| ui.answer_json(run));
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            vec![
                run["id"].to_string(),
                text(&run["schedule"]),
                text(&run["state"]),
                ago(&run["created_at"]),
                seconds(&run["started_at"], &run["ended_at"]),
                steps(&run["steps"]),
                cause(run),
                text(&run["reason"]),
            ]
        })
        .collect();
    let heads = [
        "run", "schedule", "state", "began", "took", "steps", "cause", "reason",
    ];
    ui.answer(crate::repl::grid(&heads.map(str::to_owned), &rows));
    Ok(())
}

/// Says how many steps are where, leaving out what there is none of.
fn steps(counts: &Value) -> String {
    let words = [
        ("succeeded", "done"),
        ("skipped", "skipped"),
        ("running", "running"),
        ("queued", "waiting"),
        ("failed", "failed"),
        ("cancelled", "cancelled"),
    ];
    let parts = words.iter().filter_map(|(key, word)| {
        let count = counts[key].as_u64().filter(|count| *count > 0)?;
        Some(format!("{count} {word}"))
    });
    parts.collect::<Vec<_>>().join(", ")
}

fn cause(run: &Value) -> String {
    let kind = run["cause"].as_str().unwrap_or_default();
    match (run["rerun_of"].as_i64(), run["caused_by"].as_str()) {
        (Some(of), _) => format!("{kind} of {of}"),
        (None, Some(by)) => format!("{kind} ({by})"),
        (None, None) => kind.to_owned(),
    }
}

async fn show(client: &Client, run: i64, follow: bool, ui: &Ui) -> Result<(), Failure> {
    if follow {
        return Follower::new(client.clone(), ui).run(run).await;
    }
    let request = client.request(Method::GET, &format!("/api/v1/runs/{run}"));
    let found: Value = client.json(request).await?;
    if ui.is_json() {
        ui.answer_json(&found);
        return Ok(());
    }
    ui.status(run_line(&found));
    let heads = ["step", "state", "tries", "took", "reason"];
    ui.answer(crate::repl::grid(
        &heads.map(str::to_owned),
        &step_rows(&found),
    ));
    Ok(())
}

/// Says what is wrong with the project's files, as `list` tells it: what begins now is as before that.
pub(super) async fn say_problem(client: &Client, list: &str, ui: &Ui) {
    // Whoever may not see it may begin things all the same.
    let found: Result<Value, Failure> = client.json(client.request(Method::GET, list)).await;
    if let Ok(found) = found
        && let Some(problem) = found["problem"].as_str()
    {
        ui.problem(problem);
        ui.warn("the project's files are wrong; what was in force before is run");
    }
}

/// Begins a run, and shows it if that is asked for.
pub(super) async fn begin(
    client: &Client,
    path: &str,
    body: &Value,
    follow: bool,
    ui: &Ui,
) -> Result<(), Failure> {
    let request = client.request(Method::POST, path).json(body);
    let begun: Value = client.json(request).await?;
    let run = begun["run"].as_i64().unwrap_or_default();
    match (follow, ui.is_json()) {
        (true, _) => return Follower::new(client.clone(), ui).run(run).await,
        (false, true) => ui.answer_json(&begun),
        (false, false) => ui.status(format!(
            "Began run {run}. `weir runs show {run} -f` follows it."
        )),
    }
    Ok(())
}
