use chrono::NaiveDate;
use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::Global;
use super::runs::say_problem;
use crate::client::Client;
use crate::failure::Failure;
use crate::flow::{Follower, ago};
use crate::ui::Ui;

/// See what runs when; let it rest, go on, run now, or run again over the past
///
/// Asks the running server. What runs when stands in `schedules.yml`.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: ScheduleCommand,
}

#[derive(Subcommand)]
enum ScheduleCommand {
    /// List schedules, with what is wrong with their file
    List,
    /// Let a schedule rest: it begins no runs, and nothing more of its runs begins
    Pause {
        /// Its name
        name: String,
    },
    /// Let a schedule go on
    Resume {
        /// Its name
        name: String,
        /// Leave out what waited meanwhile
        #[arg(long)]
        skip: bool,
    },
    /// Run a schedule now
    Trigger {
        /// Its name
        name: String,
        /// The same key makes one run only
        #[arg(long)]
        key: Option<String>,
        /// Show the run until it has ended; fails if it does
        #[arg(short, long)]
        follow: bool,
    },
    /// Bring parts of the past up to date, one by one
    Backfill(Backfill),
    /// List backfills, or let one rest, go on or end
    Backfills {
        #[command(subcommand)]
        command: Option<BackfillsCommand>,
    },
}

#[derive(Subcommand)]
enum BackfillsCommand {
    /// List backfills, newest first
    List,
    /// Let a backfill rest: what runs of it goes on to its end
    Pause {
        /// Its number
        backfill: i64,
    },
    /// Let a backfill go on
    Resume {
        /// Its number
        backfill: i64,
    },
    /// End a backfill with its open runs
    Cancel {
        /// Its number
        backfill: i64,
    },
}

#[derive(clap::Args)]
struct Backfill {
    /// The schedule whose models are meant
    #[arg(conflicts_with = "select", required_unless_present = "select")]
    name: Option<String>,
    /// Models that are meant, as `weir build --select` takes them
    #[arg(short, long, num_args = 1.., value_name = "SELECTOR")]
    select: Vec<String>,
    /// The first day; everything when none is given
    #[arg(long, value_name = "DATE")]
    from: Option<NaiveDate>,
    /// The last day; the first when none is given
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<NaiveDate>,
    /// How many parts at once
    #[arg(long, default_value_t = 1)]
    chunk: u32,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let client = global.client(ui)?;
        match self.command {
            ScheduleCommand::List => list(&client, ui).await,
            ScheduleCommand::Pause { name } => {
                post(&client, &name, "pause", json!({})).await?;
                done(ui, &name, "paused", format!("Schedule {name} rests."))
            }
            ScheduleCommand::Resume { name, skip } => {
                post(&client, &name, "resume", json!({ "skip": skip })).await?;
                done(ui, &name, "resumed", format!("Schedule {name} goes on."))
            }
            ScheduleCommand::Trigger { name, key, follow } => {
                let path = format!("/api/v1/schedules/{}/trigger", in_path(&name));
                let mut request = client.request(Method::POST, &path);
                if let Some(key) = key {
                    request = request.header("idempotency-key", key);
                }
                say_problem(&client, "/api/v1/schedules", ui).await;
                let begun: Value = client.json(request).await?;
                let run = begun["run"].as_i64().unwrap_or_default();
                match (follow, ui.is_json()) {
                    (true, _) => return Follower::new(client, ui).run(run).await,
                    (false, true) => ui.answer_json(&begun),
                    (false, false) => {
                        ui.status(format!(
                            "Began run {run}. `weir runs show {run} -f` follows it."
                        ));
                    }
                }
                Ok(())
            }
            ScheduleCommand::Backfill(backfill) => backfill.run(&client, ui).await,
            ScheduleCommand::Backfills { command } => {
                let command = command.unwrap_or(BackfillsCommand::List);
                command.run(&client, ui).await
            }
        }
    }
}

/// Writes a name as a part of a path.
pub(super) fn in_path(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

async fn post(client: &Client, name: &str, action: &str, body: Value) -> Result<(), Failure> {
    let path = format!("/api/v1/schedules/{}/{action}", in_path(name));
    let request = client.request(Method::POST, &path).json(&body);
    client.send(request).await.map(drop)
}

fn done(ui: &Ui, name: &str, word: &str, text: String) -> Result<(), Failure> {
    match ui.is_json() {
        true => ui.answer_json(&json!({ "schedule": name, word: true })),
        false => ui.status(text),
    }
    Ok(())
}

async fn list(client: &Client, ui: &Ui) -> Result<(), Failure> {
    let request = client.request(Method::GET, "/api/v1/schedules");
    let found: Value = client.json(request).await?;
    let schedules = found["schedules"].as_array().cloned().unwrap_or_default();
    let problem = found["problem"].as_str();
    if ui.is_json() {
        schedules
            .iter()
            .for_each(|schedule| ui.answer_json(schedule));
    } else {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let rows: Vec<Vec<String>> = schedules
            .iter()
            .map(|schedule| {
                let last = &schedule["last_run"];
                let next = match schedule["paused_at"].is_null() {
                    true => text(&schedule["next_at"])
                        .replace('T', " ")
                        .replace('Z', ""),
                    false => "rests".to_owned(),
                };
                let last = match last["id"].as_i64() {
                    None => String::new(),
                    Some(id) => {
                        format!(
                            "{id} {}, {}",
                            text(&last["state"]),
                            ago(&last["created_at"])
                        )
                    }
                };
                let when = match schedule["zone"].as_str() {
                    Some(zone) => format!("{} {zone}", text(&schedule["definition"])),
                    None => text(&schedule["definition"]),
                };
                let steps = schedule["steps"].to_string();
                vec![text(&schedule["name"]), when, steps, next, last]
            })
            .collect();
        let heads = ["schedule", "when", "steps", "next (UTC)", "last run"];
        ui.answer(crate::repl::grid(&heads.map(str::to_owned), &rows));
    }
    match problem {
        None => Ok(()),
        Some(problem) => {
            ui.problem(problem);
            Err(Failure::new(
                "the project's files are wrong; what was in force before stays",
            ))
        }
    }
}

impl BackfillsCommand {
    async fn run(self, client: &Client, ui: &Ui) -> Result<(), Failure> {
        let (backfill, action, text) = match self {
            Self::List => return list_backfills(client, ui).await,
            Self::Pause { backfill } => (backfill, "pause", "rests"),
            Self::Resume { backfill } => (backfill, "resume", "goes on"),
            Self::Cancel { backfill } => (backfill, "cancel", "is being ended"),
        };
        let path = format!("/api/v1/backfills/{backfill}/{action}");
        client.send(client.request(Method::POST, &path)).await?;
        match ui.is_json() {
            true => ui.answer_json(&json!({ "backfill": backfill, "done": action })),
            false => ui.status(format!("Backfill {backfill} {text}.")),
        }
        Ok(())
    }
}

async fn list_backfills(client: &Client, ui: &Ui) -> Result<(), Failure> {
    let request = client.request(Method::GET, "/api/v1/backfills");
    let found: Value = client.json(request).await?;
    let backfills = found["backfills"].as_array().cloned().unwrap_or_default();
    if ui.is_json() {
        backfills
            .iter()
            .for_each(|backfill| ui.answer_json(backfill));
        return Ok(());
    }
    let row = |backfill: &Value| {
        let assets = backfill["assets"].as_array().into_iter().flatten();
        let assets: Vec<&str> = assets.filter_map(Value::as_str).collect();
        let state = match backfill["paused_at"].is_null() {
            true => backfill["state"].as_str().unwrap_or_default(),
            false => "rests",
        };
        let count = |key: &str| backfill[key].to_string();
        vec![
            count("id"),
            state.to_owned(),
            count("total"),
            count("succeeded"),
            count("failed"),
            count("open"),
            count("waiting"),
            assets.join(", "),
        ]
    };
    let rows: Vec<Vec<String>> = backfills.iter().map(row).collect();
    let heads = [
        "backfill", "state", "parts", "done", "failed", "open", "waiting", "of",
    ];
    ui.answer(crate::repl::grid(&heads.map(str::to_owned), &rows));
    Ok(())
}

impl Backfill {
    async fn run(self, client: &Client, ui: &Ui) -> Result<(), Failure> {
        let body = json!({
            "schedule": self.name,
            "select": self.select,
            "from": self.from,
            "to": self.to,
            "chunk": self.chunk,
            "dry_run": self.dry_run,
        });
        let request = client
            .request(Method::POST, "/api/v1/backfills")
            .json(&body);
        let begun: Value = client.json(request).await?;
        if ui.is_json() {
            ui.answer_json(&begun);
            return Ok(());
        }
        let names = |key: &str| -> Vec<String> {
            let values = begun[key].as_array().into_iter().flatten();
            values
                .filter_map(|value| value.as_str().map(str::to_owned))
                .collect()
        };
        let (assets, partitions) = (names("assets"), names("partitions"));
        let span = match (partitions.first(), partitions.last()) {
            (Some(first), Some(last)) if first != last => format!("{first} to {last}"),
            (Some(first), _) => first.clone(),
            _ => "nothing".to_owned(),
        };
        let what = format!(
            "{} parts ({span}) of {}: {} steps",
            partitions.len(),
            assets.join(", "),
            begun["steps"]
        );
        match begun["backfill"].as_i64() {
            None => ui.status(format!("This would bring up to date: {what}.")),
            Some(id) => ui.status(format!(
                "Began backfill {id}: {what}. `weir runs watch` follows it."
            )),
        }
        Ok(())
    }
}
