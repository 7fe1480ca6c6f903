//! `weir demo`: a server, and a made-up company that sends it events and asks it questions.

mod boards;
mod company;
mod database;
mod folder;
mod models;
mod questions;
mod schedules;
mod send;
mod stream;
mod tap;
mod visit;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::Utc;
use serde_json::{Value, json};
use weir_catalog::Actor;
use weir_core::SourceName;
use weir_core::config::{Log, LogFormat};

use crate::client::Client;
use crate::command::create_project;
use crate::failure::{Explain, Failure};
use crate::flow::Follower;
use crate::house::{House, Serving, StopSignals, bind};
use crate::postgres;
use crate::project::{CONFIG_FILE, Project};
use crate::ui::Ui;
use crate::{failure, log};

use self::database::Database;
use self::send::{Sender, Sent};

pub(crate) use self::stream::Stream;

const SOURCE: &str = "shop";
/// How often new events are sent.
const TICK: Duration = Duration::from_millis(250);
/// How often the flow is reported.
const REPORT: Duration = Duration::from_secs(60);

pub(crate) struct Options {
    pub(crate) dir: Option<PathBuf>,
    pub(crate) port: u16,
    pub(crate) seed: u64,
    pub(crate) history: usize,
    pub(crate) rate: f64,
    pub(crate) once: bool,
}

/// Runs the demo until it is stopped.
pub(crate) async fn run(options: Options, ui: &Ui) -> Result<(), Failure> {
    log::start(&Log {
        level: "warn",
        format: LogFormat::Text,
    });
    let (project, key, mut serving, database) = open(&options, ui).await?;
    let stop = StopSignals::listen()?;
    serving.run_schedules(ui).await;
    ui.headed("Weir is running at", serving.url());
    ui.status(format!(
        "Moss & Ladder, a made-up plant shop, opens its books in {}.",
        project.dir().display()
    ));

    let work = async {
        let mut company = Company::new(&options, serving.url(), &key)?;
        company.tell_history(options.history, ui).await?;
        let token = project.owner_token()?;
        let client = Client::to(serving.url().to_owned(), token)?;
        serving.house().wait_visible().await;
        questions::ask_all(&client, ui).await?;
        folder::drop_a_file(&project, &client, ui).await?;
        if let Some(database) = &database {
            database.change_a_price(&client, ui).await?;
        }
        let (models, reviews) = tokio::join!(
            Box::pin(models::build_all(&project, ui)),
            tap::sync(&client)
        );
        let models = models?;
        tap::show(reviews, &client, ui).await?;
        show_the_way(&project, serving.url(), serving.postgres(), &key, ui);
        show_models(&models, ui);
        schedules::put(&project, ui)?;
        show_runs(&project, ui);
        boards::put(&project)?;
        boards::show(serving.url(), &project, ui);
        let mut follower = Follower::new(client.clone(), ui);
        let late = Sender::new(serving.url(), &key)?;
        let payouts = schedules::pay_out_late(&client, &late);
        if let Some(link) = serving.setup_link() {
            ui.headed("Look at it in a browser:", link);
        }
        if options.once {
            // Whatever fails and recovers meanwhile is shown.
            return tokio::select! {
                done = payouts => {
                    follower.catch_up().await?;
                    done
                }
                done = follower.watch(None) => done,
            };
        }
        ui.status("\nEvents keep flowing until you press Ctrl-C.\n");
        let payouts = async {
            if let Err(failure) = payouts.await {
                ui.warn(failure.text());
            }
            Ok(())
        };
        tokio::try_join!(company.live(ui), follower.watch(None), payouts).map(drop)
    };
    let done = tokio::select! {
        done = work => done,
        () = stop.wait() => Ok(()),
    };
    ui.status("Stopping: committing what is in memory.");
    serving.stop().await?;
    drop(database);
    done
}

/// Makes the project and serves it.
async fn open(
    options: &Options,
    ui: &Ui,
) -> Result<(Project, String, Serving, Option<Database>), Failure> {
    let address = SocketAddr::from(([127, 0, 0, 1], options.port));
    let listener = bind(address).map_err(|failure| {
        failure.with_hint("name another port with `--port`, or a free one with `--port 0`")
    })?;
    let dir = match &options.dir {
        Some(dir) => {
            std::path::absolute(dir).explain(|| format!("cannot find `{}`", dir.display()))?
        }
        None => std::env::temp_dir().join(format!("weir-demo-{}", std::process::id())),
    };
    let mut project = Project::at(&dir);
    let source = SourceName::new(SOURCE).explain(|| "the demo's source cannot be made".into())?;
    let key = if dir.join(CONFIG_FILE).exists() {
        // The demo again, in the same folder: the old key is hashed and gone, a fresh one is made.
        let catalog = project.open_catalog().await?;
        let new = catalog
            .create_key(&Actor::local(), &source, "made by weir demo")
            .await;
        catalog.close().await;
        let new = failure::ExplainHinted::explain_hinted(new, || {
            format!("`{}` holds another project", dir.display())
        })?;
        new.key.reveal().to_owned()
    } else {
        create_project(&project, &source, ui).await?
    };
    folder::describe(&project)?;
    tap::describe(&project)?;
    let database = Database::start(&project, ui).await?;
    if let Some(database) = &database {
        project = project.with_variable(database::VARIABLE, database.url());
    }
    let mut config = project.config(ui)?;
    let postgres = match postgres::open(&project, &config) {
        Ok(door) => door,
        Err(_) => {
            // Somebody's own PostgreSQL, most likely.
            config.postgres.listen.set_port(0);
            postgres::open(&project, &config)?
        }
    };
    let serving = House::open(project.clone(), config, ui)
        .await?
        .serve(listener, None, postgres)?;
    Ok((project, key, serving, database))
}

struct Company {
    stream: Stream,
    sender: Sender,
    sent: Sent,
    rate: f64,
}

impl Company {
    fn new(options: &Options, url: &str, key: &str) -> Result<Self, Failure> {
        Ok(Self {
            stream: Stream::new(options.seed),
            sender: Sender::new(url, key)?,
            sent: Sent::default(),
            rate: options.rate,
        })
    }

    /// Sends the events of the last two weeks, as an import, and a few accidents of today.
    async fn tell_history(&mut self, events: usize, ui: &Ui) -> Result<(), Failure> {
        let start = std::time::Instant::now();
        let now = Utc::now();
        // From a midnight on: half a day would look like a bad one.
        let first = (now - chrono::Duration::days(14)).date_naive();
        let first = first.and_time(chrono::NaiveTime::MIN).and_utc();
        let made = self.stream.history(events, first, now);
        let count = made.len();
        self.sender.send_history(made, &mut self.sent).await?;
        for _ in 0..8 {
            let now = Utc::now();
            let made = self
                .stream
                .history(4, now - chrono::Duration::minutes(10), now);
            self.sender
                .send_live(made, self.stream.rng(), &mut self.sent)
                .await?;
        }
        let now = Utc::now();
        let twice = self
            .stream
            .history(3, now - chrono::Duration::minutes(5), now);
        self.sender.send_accidents(twice, &mut self.sent).await?;
        ui.status(format!(
            "Sent {count} events of two weeks over HTTP in {:.1} s; every answer meant: on disk.",
            start.elapsed().as_secs_f64()
        ));
        Ok(())
    }

    /// Sends events as they happen, for ever.
    async fn live(&mut self, ui: &Ui) -> Result<(), Failure> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut since = Utc::now();
        let mut reported = tokio::time::Instant::now();
        loop {
            ticks.tick().await;
            let now = Utc::now();
            let made = self.stream.until(since, now, self.rate);
            since = now;
            self.sender
                .send_live(made, self.stream.rng(), &mut self.sent)
                .await?;
            if reported.elapsed() >= REPORT {
                reported = tokio::time::Instant::now();
                let Sent {
                    requests,
                    events,
                    refused,
                    duplicates,
                    late,
                    malformed,
                } = self.sent;
                ui.status(format!(
                    "Sent so far: {events} events in {requests} requests; {duplicates} of them twice, \
                     {late} late, {malformed} malformed requests, {refused} refused."
                ));
            }
        }
    }
}

fn show_the_way(project: &Project, url: &str, postgres: Option<SocketAddr>, key: &str, ui: &Ui) {
    let token = project.token_path();
    let weir = own_command();
    let dir = project.dir().display();
    ui.heading("Send an event of your own");
    ui.command(&format!(
        "curl -u {key}: -d '{{\"event\":\"Hello Weir\",\"userId\":\"me\",\"properties\":{{\"answer\":42}}}}' {url}/v1/track"
    ));
    ui.heading("Ask for it");
    ui.command(&format!(
        "{weir} --project {dir} sql \"SELECT user_id, answer, received_at FROM shop.hello_weir\""
    ));
    ui.command(&format!(
        "curl -H \"Authorization: Bearer $(cat {})\" --data-binary \"SELECT event, count(*) FROM shop.tracks GROUP BY event\" \
         -H 'content-type: text/plain' '{url}/api/v1/query?format=csv'",
        token.display()
    ));
    if let Some(address) = postgres {
        ui.command(&format!(
            "PGPASSWORD=$(cat {}) {} -c 'SELECT event, count(*) FROM shop.tracks GROUP BY event'",
            token.display(),
            postgres::psql_line(address, "owner")
        ));
    }
    ui.heading("Where things lie");
    ui.status(format!(
        "  {dir}/lake            the tables: Parquet files with a Delta log, open to other engines"
    ));
    ui.status(format!(
        "  {dir}/.weir/wal       what was acknowledged and is not in the lake yet"
    ));
    ui.status(format!("  {}    the owner's token", token.display()));
}

fn show_models(folder: &Path, ui: &Ui) {
    let weir = own_command();
    let at = folder.display();
    ui.heading("Change a model, and see what that does");
    ui.command(&format!(
        "{weir} build --project-dir {at}       # nothing is seen until all of it is tested"
    ));
    ui.command(&format!(
        "{weir} show --project-dir {at} --select daily_revenue"
    ));
    ui.command(&format!(
        "{weir} check --project-dir {at}       # columns, types, lineage: target/lineage.json"
    ));
    ui.command(&format!(
        "{weir} rollback --project-dir {at}    # what was published last, taken back"
    ));
}

fn show_runs(project: &Project, ui: &Ui) {
    let weir = own_command();
    let dir = project.dir().display();
    ui.heading("See what runs, from another terminal");
    ui.command(&format!("{weir} --project {dir} runs list"));
    ui.command(&format!("{weir} --project {dir} runs watch"));
    ui.command(&format!("{weir} --project {dir} schedule list"));
    ui.command(&format!(
        "{weir} --project {dir} sql \"SELECT asset, state, attempts, reason FROM weir.steps ORDER BY step_id DESC LIMIT 8\""
    ));
}

/// Writes a cell for people.
fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Returns how to call this program: by its name where that finds it, else by its path.
fn own_command() -> String {
    let Ok(own) = std::env::current_exe() else {
        return "weir".to_owned();
    };
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths)
        .map(|dir| dir.join("weir"))
        .find(|path| path.is_file());
    if found.and_then(|path| path.canonicalize().ok()) == own.canonicalize().ok() {
        return "weir".to_owned();
    }
    let here = std::env::current_dir().unwrap_or_default();
    own.strip_prefix(&here)
        .unwrap_or(&own)
        .display()
        .to_string()
}

/// Whether a table or view is there, asked in a way that fails nobody's statistics.
async fn has_table(client: &Client, schema: &str, table: &str) -> bool {
    let body = json!({
        "sql": "SELECT count(*) FROM information_schema.tables WHERE table_schema = $1 AND table_name = $2",
        "params": [schema, table],
        "format": "json",
    });
    let asked = client
        .request(reqwest::Method::POST, "/api/v1/query")
        .json(&body);
    let answer = client.json::<Value>(asked).await;
    answer.is_ok_and(|answer| answer["rows"][0][0].as_i64().is_some_and(|n| n > 0))
}
