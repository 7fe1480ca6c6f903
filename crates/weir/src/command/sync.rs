use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar};
use reqwest::Method;
use serde::Serialize;
use serde_json::{Value, json};

use super::Global;
use super::source::{show, with_server};
use crate::client::{Client, Lines};
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

/// Fetch what is new from sources
///
/// Each commit carries its rows together with where to go on, so that a sync that is cut off is taken up
/// where it was, without loss and without rows twice. `weir undo sync RUN` takes one back.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A source, or one stream of it as `SOURCE.STREAM`; all sources by default
    source: Option<String>,
    /// Read everything again; what was there is replaced once all of it has come
    #[arg(long)]
    full_refresh: bool,
    /// Read again what came since a day (2024-03-01) or an instant, where the source can
    #[arg(long, value_name = "DATE", conflicts_with = "full_refresh")]
    from: Option<String>,
    /// Say what would be read, and read nothing
    #[arg(long)]
    dry_run: bool,
}

/// How a sync ended.
#[derive(Serialize)]
struct Synced<'a> {
    source: &'a str,
    run: &'a Value,
    rows: u64,
    streams: &'a Value,
    notes: &'a Value,
    lag: &'a Value,
    ms: u128,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        with_server(global, ui, async |client| {
            let (sources, streams) = match self.source.as_deref() {
                None => (named(client).await?, Vec::new()),
                Some(text) => match text.split_once('.') {
                    None => (vec![text.to_owned()], Vec::new()),
                    Some((source, stream)) => (vec![source.to_owned()], vec![stream.to_owned()]),
                },
            };
            if sources.is_empty() {
                return Err(Failure::new("there is nothing to fetch from")
                    .with_hint("`weir source add` makes a source"));
            }
            let mut failed = None;
            let several = sources.len() > 1;
            for source in &sources {
                let done = match self.dry_run {
                    true => self.plan(client, source, &streams, ui).await,
                    false => self.sync(client, source, &streams, ui).await,
                };
                match done {
                    // One source that fails does not hold the others up.
                    Err(failure) if several => {
                        ui.failure(&failure);
                        failed = Some(Failure::new(format!("`{source}` was not synced")));
                    }
                    done => done?,
                }
            }
            failed.map_or(Ok(()), Err)
        })
        .await
    }

    async fn plan(
        &self,
        client: &Client,
        source: &str,
        streams: &[String],
        ui: &Ui,
    ) -> Result<(), Failure> {
        let path = format!("/api/v1/extract/{source}/discover");
        let answer: Value = client.json(client.request(Method::POST, &path)).await?;
        let mut found = answer["streams"].as_array().cloned().unwrap_or_default();
        found.retain(|stream| {
            let name = stream["stream"].as_str().unwrap_or_default();
            stream["taken"] == true && (streams.is_empty() || streams.iter().any(|s| s == name))
        });
        match ui.is_json() {
            true => ui.answer_json(&json!({ "source": source, "streams": found })),
            false => show(&found, ui),
        }
        ui.status(format!(
            "{} streams of `{source}` would be read.",
            found.len()
        ));
        Ok(())
    }

    async fn sync(
        &self,
        client: &Client,
        source: &str,
        streams: &[String],
        ui: &Ui,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let body = json!({
            "streams": streams,
            "full_refresh": self.full_refresh,
            "from": self.from,
        });
        let path = format!("/api/v1/extract/{source}/sync");
        let done = followed(client, source, &path, &body, ui).await?;
        report(source, &done, began.elapsed(), ui);
        Ok(())
    }
}

/// Starts work on a source and shows how it gets on; returns what it came to.
pub(super) async fn followed(
    client: &Client,
    source: &str,
    path: &str,
    body: &Value,
    ui: &Ui,
) -> Result<Value, Failure> {
    let request = client.request(Method::POST, path).json(body);
    let mut lines = Lines::of(client.send(request).await?);
    let bar = bar(ui);
    while let Some(mut line) = lines.next().await? {
        if let Some(done) = line.get_mut("done") {
            bar.finish_and_clear();
            return Ok(done.take());
        }
        if let Some(failed) = line.get("failed") {
            bar.finish_and_clear();
            return Err(failure(source, failed));
        }
        let progress = &line["progress"];
        bar.set_message(format!(
            "{source}: {}, {} rows, {} in the lake",
            progress["doing"].as_str().unwrap_or("starting"),
            rows(progress),
            progress["committed"],
        ));
    }
    bar.finish_and_clear();
    Err(Failure::new(format!("the sync of `{source}` was cut off"))
        .with_hint("run it again: it goes on where its last commit ended"))
}

async fn named(client: &Client) -> Result<Vec<String>, Failure> {
    let answer: Value = client
        .json(client.request(Method::GET, "/api/v1/extract"))
        .await?;
    let sources = answer["sources"].as_array().into_iter().flatten();
    Ok(sources
        .filter_map(|source| source["source"].as_str().map(str::to_owned))
        .collect())
}

fn bar(ui: &Ui) -> ProgressBar {
    if ui.is_json() || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new_spinner();
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

fn rows(progress: &Value) -> u64 {
    let rows = progress["rows"].as_object().into_iter().flatten();
    rows.filter_map(|(_, rows)| rows.as_u64()).sum()
}

/// Writes what people should know of a sync.
pub(super) fn notes(progress: &Value, ui: &Ui) {
    for note in progress["notes"].as_array().into_iter().flatten() {
        ui.status(format!("note: {}", note.as_str().unwrap_or_default()));
    }
}

/// Writes how far behind a database is, and what of its log it keeps for that.
pub(super) fn lag(lag: &Value, ui: &Ui) {
    let Some(behind) = lag["behind_bytes"].as_u64() else {
        return;
    };
    let budget = match lag["budget_bytes"].as_u64() {
        Some(budget) => format!(" of at most {}", HumanBytes(budget)),
        None => String::new(),
    };
    ui.status(format!(
        "Behind by {} of its log; the server keeps {}{budget} ({}).",
        HumanBytes(behind),
        HumanBytes(lag["retained_bytes"].as_u64().unwrap_or(0)),
        lag["wal_status"].as_str().unwrap_or_default(),
    ));
}

fn report(source: &str, done: &Value, took: Duration, ui: &Ui) {
    let progress = &done["progress"];
    notes(progress, ui);
    if ui.is_json() {
        return ui.answer_json(&Synced {
            source,
            run: &done["run"],
            rows: rows(progress),
            streams: &progress["rows"],
            notes: &progress["notes"],
            lag: &progress["lag"],
            ms: took.as_millis(),
        });
    }
    for (stream, rows) in progress["rows"].as_object().into_iter().flatten() {
        ui.answer(format!("{source}.{stream}: {rows} rows"));
    }
    let streams = progress["rows"].as_object().map_or(0, |rows| rows.len());
    ui.status(format!(
        "Synced {streams} streams of `{source}`, {} rows, in {:.1}s. Run {}",
        rows(progress),
        took.as_secs_f64(),
        done["run"].as_str().unwrap_or_default(),
    ));
    lag(&progress["lag"], ui);
}

/// Returns why a sync failed, in the words of the server.
pub(super) fn failure(source: &str, failed: &Value) -> Failure {
    let message = failed["message"].as_str().unwrap_or_default();
    let causes = failed["causes"].as_array().into_iter().flatten();
    let mut failure = Failure::new(format!("`{source}` was not synced")).caused(message);
    for cause in causes.filter_map(Value::as_str) {
        failure = failure.caused(cause);
    }
    failure.with_hint_if(failed["hint"].as_str())
}

/// Take back what was done
#[derive(clap::Args)]
pub(crate) struct UndoArgs {
    #[command(subcommand)]
    what: Undo,
}

#[derive(clap::Subcommand)]
enum Undo {
    /// Give the tables of a source the rows and the state they had before a sync
    Sync {
        /// The sync's name, which `weir sync` says
        run: String,
    },
}

impl UndoArgs {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let Undo::Sync { run } = self.what;
        let answer: Value = with_server(global, ui, async |client| {
            let request = client.request(Method::POST, "/api/v1/extract/undo");
            client.json(request.json(&json!({ "run": run }))).await
        })
        .await?;
        if ui.is_json() {
            ui.answer_json(&answer);
            return Ok(());
        }
        let tables = answer["tables"].as_array().map_or(0, Vec::len);
        ui.status(format!(
            "{tables} tables are as they were before that sync."
        ));
        Ok(())
    }
}

/// Show and set where a source is read on from
#[derive(clap::Args)]
pub(crate) struct StateArgs {
    #[command(subcommand)]
    action: StateAction,
}

#[derive(clap::Subcommand)]
enum StateAction {
    /// Write the state as JSON
    Show {
        /// The source
        source: String,
    },
    /// Set the state
    Set {
        /// The source
        source: String,
        /// The state, as JSON
        state: String,
    },
    /// Forget the state: the next sync begins anew, and deletes nothing
    Reset {
        /// The source
        source: String,
    },
}

impl StateArgs {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let (source, new) = match self.action {
            StateAction::Show { source } => (source, None),
            StateAction::Reset { source } => (source, Some(Value::Null)),
            StateAction::Set { source, state } => {
                let state =
                    serde_json::from_str(&state).explain(|| "the state is not JSON".into())?;
                (source, Some(state))
            }
        };
        let path = format!("/api/v1/extract/{source}/state");
        let found = with_server(global, ui, async |client| match &new {
            None => client
                .json::<Value>(client.request(Method::GET, &path))
                .await
                .map(Some),
            Some(state) => {
                let request = client.request(Method::PUT, &path);
                client
                    .send(request.json(&json!({ "state": state })))
                    .await
                    .map(|_| None)
            }
        })
        .await?;
        match found {
            Some(found) => ui.answer_json(&found["state"]),
            None => ui.status(format!("The next sync of `{source}` goes on from there.")),
        }
        Ok(())
    }
}
