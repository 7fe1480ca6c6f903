use std::collections::BTreeMap;
use std::fmt::Write;

use clap::Subcommand;
use reqwest::Method;
use serde_json::Value;
use weir_core::SourceName;

use super::Global;
use super::sync::{lag, notes};
use crate::client::Client;
use crate::failure::{Explain, Failure};
use crate::flow::ago;
use crate::model::Server;
use crate::project::Project;
use crate::ui::Ui;

/// What can be done with sources that rows are fetched from: files in `sources/`.
///
/// A running server is asked, otherwise the lake is opened here.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum SourceAction {
    /// Write the file of a new source, and ask it what it offers
    Add(Add),
    /// List the sources that are fetched from
    List,
    /// Reach a source, and say what a sync would take
    Check {
        /// The source
        source: String,
    },
    /// List the streams that a source offers
    Discover {
        /// The source
        source: String,
    },
}

/// A source that is to be.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Add {
    /// A Singer tap, such as `tap-jsonl`; or any name, with `--postgres`, `--mysql` or `--files`
    name: String,
    /// The packages that bring the tap, as pip takes them
    #[arg(long, num_args = 1.., value_name = "SPEC", conflicts_with = "postgres")]
    pip: Vec<String>,
    /// Replicate the PostgreSQL database whose URL this environment variable holds
    #[arg(long, value_name = "VARIABLE")]
    postgres: Option<String>,
    /// Replicate the MySQL or MariaDB database whose URL this environment variable holds
    #[arg(long, value_name = "VARIABLE", conflicts_with_all = ["pip", "postgres"])]
    mysql: Option<String>,
    /// Read files: of a folder, or of an object store such as `s3://bucket/folder`
    #[arg(long, value_name = "PATH", conflicts_with_all = ["pip", "postgres", "mysql"])]
    files: Option<String>,
    /// What the source is called; the tap's name without `tap-` by default
    #[arg(long = "as", value_name = "SOURCE")]
    called: Option<String>,
    /// A setting of the tap: KEY=VALUE, the value as JSON or as text; `${env:NAME}` for secrets
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
}

impl SourceAction {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        match self {
            Self::Add(add) => add.run(global, ui).await,
            Self::List => list(global, ui).await,
            Self::Check { source } => discover(&source, true, global, ui).await,
            Self::Discover { source } => discover(&source, false, global, ui).await,
        }
    }
}

impl Add {
    async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let project = global.project()?;
        let called = match &self.called {
            Some(called) => called.clone(),
            None => {
                let program = self.name.rsplit('/').next().unwrap_or_default();
                program.trim_start_matches("tap-").replace('-', "_")
            }
        };
        let source = SourceName::new(&called).explain(|| "this cannot name a source".into())?;
        let path = project.sources_dir().join(format!("{source}.yml"));
        if path.exists() {
            return Err(
                Failure::new(format!("`{}` is there already", path.display()))
                    .with_hint("edit it, or give the new source another name with `--as`"),
            );
        }
        let text = match (&self.postgres, &self.mysql, &self.files) {
            (Some(variable), ..) => postgres_file(variable),
            (_, Some(variable), _) => format!("kind: mysql\nurl: ${{env:{variable}}}\n"),
            (_, _, Some(place)) => format!("kind: files\npath: {}\n", Value::from(place.as_str())),
            _ => self.tap_file()?,
        };
        let action = || format!("cannot write `{}`", path.display());
        std::fs::create_dir_all(project.sources_dir()).explain(action)?;
        std::fs::write(&path, &text).explain(action)?;
        ui.status(format!("Wrote {}.", path.display()));
        if self.postgres.is_some() {
            ui.status("Set `manage: true` in it to let Weir make its replication slot and publication, then:");
            ui.command(&format!("weir sync {source}"));
            return Ok(());
        }
        match asked(source.as_str(), global, ui).await {
            Ok(answer) if self.files.is_some() => {
                // Files that come later may be of other streams.
                show(&offered(&answer), ui);
                ui.status("New files are read by themselves while `weir up` runs; or:");
                ui.command(&format!("weir sync {source}"));
            }
            Ok(answer) if self.mysql.is_some() => {
                // All tables are taken that can be, and so are those that come later.
                show(&offered(&answer), ui);
                ui.command(&format!("weir sync {source}"));
            }
            Ok(answer) => {
                let streams = offered(&answer);
                std::fs::write(&path, text + &stream_lines(&streams)).explain(action)?;
                show(&streams, ui);
                ui.status("Choose streams and columns in the file; then:");
                ui.command(&format!("weir sync {source}"));
            }
            Err(failure) => {
                ui.warn(format!(
                    "the source does not answer yet: {}",
                    failure.text()
                ));
                ui.status("Complete the file, then:");
                ui.command(&format!("weir source check {source}"));
            }
        }
        Ok(())
    }

    fn tap_file(&self) -> Result<String, Failure> {
        let quoted = |text: &str| Value::from(text).to_string();
        let mut text = format!("kind: singer\ntap: {}\n", quoted(&self.name));
        if !self.pip.is_empty() {
            let packages: Vec<String> = self.pip.iter().map(|spec| quoted(spec)).collect();
            let _ = writeln!(text, "pip: [{}]", packages.join(", "));
        }
        text.push_str("# What the tap is to know. Secrets are references: ${env:NAME}\n");
        if self.settings.is_empty() {
            text.push_str("config: {}\n");
            return Ok(text);
        }
        let mut settings = BTreeMap::new();
        for setting in &self.settings {
            let (key, value) = setting.split_once('=').ok_or_else(|| {
                Failure::new(format!("`{setting}` is no setting"))
                    .with_hint("write `--set KEY=VALUE`")
            })?;
            let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
            settings.insert(key, value);
        }
        text.push_str("config:\n");
        for (key, value) in settings {
            // JSON is YAML.
            let _ = writeln!(text, "  {}: {value}", quoted(key));
        }
        Ok(text)
    }
}

fn postgres_file(variable: &str) -> String {
    format!(
        "kind: postgres\nurl: ${{env:{variable}}}\n\
         # Whether Weir may make its replication slot and publication there, and drop them.\n\
         manage: false\n\
         # For a user who may not replicate:\n\
         # replication: xmin\n"
    )
}

fn stream_lines(streams: &[Value]) -> String {
    let mut text =
        "# What is taken: `{}` for all columns; also columns, drop, hash, rename, replication,\n\
                    # replication_key, schema_changes, skip.\nstreams:\n"
            .to_owned();
    for stream in streams {
        let name = Value::from(stream["stream"].as_str().unwrap_or_default());
        let _ = writeln!(text, "  {name}: {{}}");
    }
    text
}

async fn list(global: &Global, ui: &Ui) -> Result<(), Failure> {
    let answer = with_server(global, ui, async |client| {
        client
            .json::<Value>(client.request(Method::GET, "/api/v1/extract"))
            .await
    })
    .await?;
    if ui.is_json() {
        ui.answer_json(&answer);
        return Ok(());
    }
    let sources = answer["sources"].as_array().cloned().unwrap_or_default();
    if sources.is_empty() {
        ui.status("Nothing is fetched. `weir source add` makes a source.");
        return Ok(());
    }
    ui.answer(format!(
        "{:<28}{:<12}{:>8}  {}",
        "source", "kind", "tables", "state"
    ));
    for source in sources {
        let state = match (source["problem"].as_str(), source["syncing"].as_bool()) {
            (Some(problem), _) => problem.to_owned(),
            (None, Some(true)) => "syncing".to_owned(),
            _ => match source["health"]["problem"].as_str() {
                Some(problem) => format!("failing: {problem}"),
                None if source["stale"]
                    .as_array()
                    .is_some_and(|stale| !stale.is_empty()) =>
                {
                    "stale".to_owned()
                }
                None => "ready".to_owned(),
            },
        };
        ui.answer(format!(
            "{:<28}{:<12}{:>8}  {state}",
            source["source"].as_str().unwrap_or_default(),
            source["kind"].as_str().unwrap_or("-"),
            source["tables"],
        ));
    }
    Ok(())
}

async fn discover(source: &str, check: bool, global: &Global, ui: &Ui) -> Result<(), Failure> {
    let answer = asked(source, global, ui).await?;
    let streams = offered(&answer);
    if ui.is_json() {
        match check {
            true => ui.answer_json(&answer),
            false => ui.answer_json(&streams),
        }
        return Ok(());
    }
    if !check {
        show(&streams, ui);
        return Ok(());
    }
    let taken = streams
        .iter()
        .filter(|stream| stream["taken"] == true)
        .count();
    ui.status(format!(
        "`{source}` answers. It offers {} streams; {taken} are taken.",
        streams.len()
    ));
    notes(&answer, ui);
    lag(&answer["lag"], ui);
    let health = &answer["health"];
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if health["synced_at"].is_string() {
        ui.status(format!("Last synced {}.", ago(&health["synced_at"])));
    }
    if let Some(problem) = text(&health["problem"]) {
        ui.warn(format!("{} syncs failed: {problem}", health["failures"]));
    }
    for stale in answer["stale"].as_array().into_iter().flatten() {
        let since = ago(&stale["since"]);
        ui.warn(match stale["stream"].as_str() {
            Some(stream) => format!("`{source}.{stream}` is stale: its last rows came {since}"),
            None => format!("`{source}` is stale: it was last read to its end {since}"),
        });
    }
    Ok(())
}

async fn asked(source: &str, global: &Global, ui: &Ui) -> Result<Value, Failure> {
    let path = format!("/api/v1/extract/{source}/discover");
    with_server(global, ui, async |client| {
        client
            .json::<Value>(client.request(Method::POST, &path))
            .await
    })
    .await
}

fn offered(answer: &Value) -> Vec<Value> {
    answer["streams"].as_array().cloned().unwrap_or_default()
}

/// Lists streams with how they are read.
pub(super) fn show(streams: &[Value], ui: &Ui) {
    ui.answer(format!(
        "{:<32}{:<14}{:<20}{:<20}{:>8}",
        "stream", "read", "key", "by", "columns"
    ));
    for stream in streams {
        let read = match stream["taken"].as_bool() {
            Some(true) => stream["replication"]
                .as_str()
                .unwrap_or_default()
                .to_lowercase(),
            _ => "not taken".to_owned(),
        };
        let list = |key: &str| {
            let items = stream[key].as_array().into_iter().flatten();
            items
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .join(", ")
        };
        ui.answer(format!(
            "{:<32}{read:<14}{:<20}{:<20}{:>8}",
            stream["stream"].as_str().unwrap_or_default(),
            list("key"),
            stream["replication_key"].as_str().unwrap_or_default(),
            stream["columns"].as_array().map_or(0, Vec::len),
        ));
    }
}

/// Does something with the project's server, or with one for as long as it takes.
pub(super) async fn with_server<T>(
    global: &Global,
    ui: &Ui,
    work: impl AsyncFnOnce(&Client) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let project: Project = global.project()?;
    crate::log::start_quiet();
    let (server, client) = Server::reach(global, project.dir(), ui).await?;
    let done = work(&client).await;
    let left = server.leave().await;
    let done = done?;
    left?;
    Ok(done)
}
