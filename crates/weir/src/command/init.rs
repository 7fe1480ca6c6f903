use std::path::{Path, PathBuf};

use serde::Serialize;
use weir_catalog::Actor;
use weir_core::SourceName;

use super::Global;
use crate::failure::{Explain, ExplainHinted, Failure};
use crate::house::{apply_sources, ensure_owner};
use crate::project::{CONFIG_FILE, Project};
use crate::ui::Ui;

/// Make a project: a folder with `weir.toml`, a source, and a write key for it
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder; it may exist
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Name of the first source, and of its schema in SQL
    #[arg(long, default_value = "app", value_name = "NAME")]
    source: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    project: String,
    source: &'a str,
    write_key: &'a str,
    owner_token_file: String,
}

impl Args {
    pub(crate) async fn run(self, _: &Global, ui: &Ui) -> Result<(), Failure> {
        let source =
            SourceName::new(&self.source).explain(|| "this source cannot be made".into())?;
        let dir = std::path::absolute(&self.dir)
            .explain(|| format!("cannot find `{}`", self.dir.display()))?;
        if dir.join(CONFIG_FILE).exists() {
            let message = format!("`{}` is a project already", dir.display());
            return Err(Failure::new(message).with_hint("`weir up` starts it"));
        }
        let key = create_project(&Project::at(&dir), &source, ui).await?;
        let project = Project::at(&dir);
        if ui.is_json() {
            ui.answer_json(&Answer {
                project: dir.display().to_string(),
                source: source.as_str(),
                write_key: &key,
                owner_token_file: project.token_path().display().to_string(),
            });
            return Ok(());
        }
        ui.status(format!("Made a project in {}", dir.display()));
        ui.status(format!("Write key of source `{source}`, shown this once:"));
        ui.answer(&key);
        ui.status(format!(
            "Owner's token, for queries and administration: {}",
            project.token_path().display()
        ));
        ui.heading("Next");
        ui.command(&format!("weir --project {} up", self.dir.display()));
        ui.command(&format!(
            "curl -u {key}: -d '{{\"event\":\"Hello\",\"anonymousId\":\"me\"}}' http://127.0.0.1:8080/v1/track"
        ));
        ui.command(&format!(
            "weir --project {} sql 'SELECT * FROM {source}.tracks'",
            self.dir.display()
        ));
        Ok(())
    }
}

/// Writes the files of a new project and returns the write key of its source.
pub(crate) async fn create_project(
    project: &Project,
    source: &SourceName,
    ui: &Ui,
) -> Result<String, Failure> {
    let sources = project.dir().join("sources");
    std::fs::create_dir_all(&sources)
        .explain(|| format!("cannot create `{}`", sources.display()))?;
    let described = SOURCE.replace("{source}", source.as_str());
    write_new(&sources.join(format!("{source}.yml")), &described)?;
    write_new(&project.dir().join(".gitignore"), "/.weir/\n/lake/\n")?;
    let catalog = project.open_catalog().await?;
    ensure_owner(project, &catalog, ui).await?;
    apply_sources(project, &catalog).await?;
    let new = catalog
        .create_key(&Actor::local(), source, "made by weir init")
        .await
        .explain_hinted(|| format!("cannot make a key for `{source}`"))?;
    catalog.close().await;
    // Last: with this file the folder is a project, and then it is a whole one.
    write_new(&project.dir().join(CONFIG_FILE), CONFIG)?;
    Ok(new.key.reveal().to_owned())
}

/// Makes a project of a folder that holds models: all that Weir keeps lies in its `.weir`.
pub(crate) async fn create_for_models(project: &Project, ui: &Ui) -> Result<(), Failure> {
    project.create_state_dir()?;
    // A folder under git stays as clean as it was.
    write_new(&project.state_dir().join(".gitignore"), "*\n")?;
    let catalog = project.open_catalog().await?;
    ensure_owner(project, &catalog, ui).await?;
    catalog.close().await;
    write_new(&project.dir().join(CONFIG_FILE), CONFIG_FOR_MODELS)
}

/// Writes a file unless there is one: a project may begin in a folder that holds other things.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    if path.exists() {
        return Ok(());
    }
    std::fs::write(path, text).explain(|| format!("cannot write `{}`", path.display()))
}

const CONFIG: &str = "\
# Every key, its default and its environment variable: docs/configuration.md
version = 1

[server]
listen = \"127.0.0.1:8080\"

[lake]
# A folder, or an s3://, gs:// or az:// URL.
url = \"lake\"
";

const CONFIG_FOR_MODELS: &str = "\
# Every key, its default and its environment variable: docs/configuration.md
version = 1

[server]
listen = \"127.0.0.1:8080\"

[lake]
# A folder, or an s3://, gs:// or az:// URL.
url = \".weir/lake\"
";

const SOURCE: &str = "\
# What sends events with a key of this source. Tables appear in the schema `{source}`,
# the unaltered events in `raw_{source}`.
name: {source}
enabled: true
# What is kept of the sender's IP address: keep, truncate or drop.
ip: truncate
# Whether event times are corrected for the sender's clock: correct or trust.
clock: correct
";
