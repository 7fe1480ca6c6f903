use std::path::{Path, PathBuf};

use clap::Subcommand;
use reqwest::Method;
use serde_json::{Value, json};

use super::Global;
use crate::client::Client;
use crate::failure::{Explain, Failure};
use crate::flow::open_files;
use crate::ui::Ui;

/// See filesets, put files into them and take files out
///
/// Filesets are files with versions, which steps read and make.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: FilesetsCommand,
}

#[derive(Subcommand)]
enum FilesetsCommand {
    /// List filesets
    List,
    /// List the files of a fileset
    Files {
        /// Its name
        name: String,
        /// Its branch
        #[arg(long, default_value = "master")]
        branch: String,
    },
    /// Put files, and folders with all that is in them, into a fileset: one new version
    Put {
        /// Its name; it is made as needed
        name: String,
        /// What to put into it
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Its branch
        #[arg(long, default_value = "master")]
        branch: String,
        /// Put them below this folder of the fileset
        #[arg(long, value_name = "FOLDER", default_value = "")]
        below: String,
    },
    /// Write a file of a fileset to a path
    Get {
        /// Its name
        name: String,
        /// The file, as `files` lists it
        file: String,
        /// Where to
        to: PathBuf,
        /// Its branch
        #[arg(long, default_value = "master")]
        branch: String,
    },
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let project = global.project()?;
        let client = || {
            let config = project.config(ui)?;
            Client::new(&project, &config)
        };
        match self.command {
            FilesetsCommand::List => list(&client()?, ui).await,
            FilesetsCommand::Files { name, branch } => files(&client()?, &name, &branch, ui).await,
            FilesetsCommand::Put {
                name,
                paths,
                branch,
                below,
            } => {
                // The files lie in the project: no server is needed, and one that runs sees them.
                let store = open_files(&project)?;
                let explain = |error: weir_step::StepError| {
                    Failure::new(format!("cannot put files into `{name}`"))
                        .because(&error)
                        .with_hint_if(error.hint())
                };
                let mut edit = store.edit(&name, &branch).map_err(explain)?;
                let mut count = 0;
                for path in &paths {
                    for (inside, file) in found(path)? {
                        let inside = match below.trim_matches('/') {
                            "" => inside,
                            below => format!("{below}/{inside}"),
                        };
                        edit.put_file(&inside, &file).map_err(explain)?;
                        count += 1;
                    }
                }
                let committed = edit.commit().map_err(explain)?;
                let version = committed.version;
                match ui.is_json() {
                    true => ui.answer_json(
                        &json!({ "fileset": name, "files": count, "version": version }),
                    ),
                    false => ui.status(format!(
                        "Put {count} files into {name}@{branch}, version {version}."
                    )),
                }
                Ok(())
            }
            FilesetsCommand::Get {
                name,
                file,
                to,
                branch,
            } => {
                let store = open_files(&project)?;
                let explain = |error: weir_step::StepError| {
                    Failure::new(format!("cannot read `{name}`"))
                        .because(&error)
                        .with_hint_if(error.hint())
                };
                let manifest = store.read(&name, &branch, None).map_err(explain)?;
                let wanted = file.trim_start_matches('/');
                let entry = manifest.files().iter().find(|entry| entry.path == wanted);
                let entry = entry.ok_or_else(|| {
                    Failure::new(format!("there is no file `{file}` in `{name}`"))
                        .with_hint(format!("`weir filesets files {name}` lists its files"))
                })?;
                std::fs::copy(store.blob_path(entry.hash), &to)
                    .explain(|| format!("cannot write `{}`", to.display()))?;
                ui.status(format!("Wrote {} bytes to {}", entry.size, to.display()));
                Ok(())
            }
        }
    }
}

/// Returns the files that a path means, with the paths they get.
fn found(path: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let action = || format!("cannot read `{}`", path.display());
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let data = std::fs::metadata(path).explain(action)?;
    if data.is_file() {
        return Ok(vec![(name(path), path.to_owned())]);
    }
    let mut files = Vec::new();
    let mut waiting = vec![(String::new(), path.to_owned())];
    while let Some((prefix, folder)) = waiting.pop() {
        for entry in std::fs::read_dir(&folder).explain(action)? {
            let entry = entry.explain(action)?;
            let inside = format!("{prefix}{}", name(&entry.path()));
            let kind = entry.file_type().explain(action)?;
            if kind.is_dir() {
                waiting.push((format!("{inside}/"), entry.path()));
            } else if kind.is_file() {
                files.push((inside, entry.path()));
            }
        }
    }
    files.sort();
    Ok(files)
}

async fn list(client: &Client, ui: &Ui) -> Result<(), Failure> {
    let sql = "SELECT name, branch, version, files, bytes FROM weir.filesets ORDER BY 1, 2";
    let body = json!({ "sql": sql, "format": "json" });
    let found: Value = client
        .json(client.request(Method::POST, "/api/v1/query").json(&body))
        .await?;
    let heads = ["name", "branch", "version", "files", "bytes"];
    let rows: Vec<&Value> = found["rows"].as_array().into_iter().flatten().collect();
    if ui.is_json() {
        for row in rows {
            let pairs = heads.iter().enumerate();
            let fields: serde_json::Map<String, Value> = pairs
                .map(|(at, name)| ((*name).to_owned(), row[at].clone()))
                .collect();
            ui.answer_json(&Value::Object(fields));
        }
        return Ok(());
    }
    let cell = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> = rows
        .into_iter()
        .map(|row| (0..heads.len()).map(|at| cell(&row[at])).collect())
        .collect();
    ui.answer(crate::repl::grid(&heads.map(str::to_owned), &rows));
    Ok(())
}

async fn files(client: &Client, name: &str, branch: &str, ui: &Ui) -> Result<(), Failure> {
    let path = format!("/api/v1/filesets/{}/files", super::schedule::in_path(name));
    let request = client
        .request(Method::GET, &path)
        .query(&[("branch", branch)]);
    let found: Value = client.json(request).await?;
    let files = found["files"].as_array().cloned().unwrap_or_default();
    if ui.is_json() {
        files.iter().for_each(|file| ui.answer_json(file));
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let rows: Vec<Vec<String>> = files
        .iter()
        .map(|file| vec![text(&file["path"]), file["bytes"].to_string()])
        .collect();
    ui.answer(crate::repl::grid(
        &["file", "bytes"].map(str::to_owned),
        &rows,
    ));
    Ok(())
}
