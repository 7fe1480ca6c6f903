//! The commands about models, named as dbt names them.

use std::path::Path;

use clap::Subcommand;

use super::arguments::{ProjectArgs, RunArgs, SelectArgs};
use super::{artifacts, check, inspect, operate, plan, publications, run};
use crate::command::{Global, SourceAction};
use crate::failure::Failure;
use crate::ui::Ui;

/// The commands of models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Build seeds, snapshots and models with their tests, and publish them together
    Build(Nodes),
    /// Build models
    Run(Nodes),
    /// Run tests
    Test(Nodes),
    /// Load the project's CSV files
    Seed(Nodes),
    /// Bring snapshots up to date
    Snapshot(Nodes),
    /// Write the SQL of models without running it
    Compile(Compile),
    /// Plan every model against the real tables, without running any
    Check(Nodes),
    /// Say what a build would rebuild and why, which columns change, and what reads them
    Plan(Planning),
    /// Build where nobody sees it, and say which rows would differ
    Diff(Nodes),
    /// Run again what failed the last time, and what was skipped because of it
    Retry(Again),
    /// Show the rows of a model or of a query
    Show(Show),
    /// List nodes
    #[command(visible_alias = "list")]
    Ls(List),
    /// Read the project and write its manifest
    Parse(Project),
    /// Ask how old the rows of sources are
    Freshness(Nodes),
    /// Add, list and try what rows are fetched from; ask how old rows of sources are
    Source {
        #[command(subcommand)]
        command: SourceCommand,
    },
    /// Write documentation, or say where it is shown
    Docs {
        #[command(subcommand)]
        command: DocsCommand,
    },
    /// Make relations of another environment appear in this one
    Clone(Nodes),
    /// Run a macro
    RunOperation(Operation),
    /// Bring the project's packages in
    Deps(Project),
    /// Remove what commands have written
    Clean(Project),
    /// Say what the project and its target are, and whether the target answers
    Debug(Project),
    /// Go back to what tables and views were before a publication
    Rollback(Rollback),
    /// List what was published
    Publications(Listed),
}

/// A command about some nodes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Nodes {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    #[command(flatten)]
    pub(crate) select: SelectArgs,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

/// A command about the whole project.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Project {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Planning {
    #[command(flatten)]
    pub(crate) nodes: Nodes,
    /// Build where nobody sees it, and say which rows would differ
    #[arg(long)]
    pub(crate) diff: bool,
}

/// A command about an earlier run.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Again {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// The folder of the earlier run's run_results.json; the target folder when none is named
    #[arg(long, env = "DBT_STATE", value_name = "DIR")]
    pub(crate) state: Option<std::path::PathBuf>,
    #[command(flatten)]
    pub(crate) run: RunArgs,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Compile {
    #[command(flatten)]
    pub(crate) nodes: Nodes,
    /// SQL that stands in no file
    #[arg(long, value_name = "SQL")]
    pub(crate) inline: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) nodes: Nodes,
    /// SQL that stands in no file
    #[arg(long, value_name = "SQL")]
    pub(crate) inline: Option<String>,
    /// How many rows; -1 for all
    #[arg(long, default_value_t = 5, allow_negative_numbers = true)]
    pub(crate) limit: i64,
    /// `table` or `json`
    #[arg(long, value_name = "FORM")]
    pub(crate) output: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) nodes: Nodes,
    /// `selector`, `name`, `path` or `json`
    #[arg(long, value_name = "FORM", default_value = "selector")]
    pub(crate) output: String,
    /// The keys of `--output json`
    #[arg(long, num_args = 1.., value_name = "KEY")]
    pub(crate) output_keys: Vec<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum SourceCommand {
    /// Ask how old the rows of sources are
    Freshness(Box<Nodes>),
    #[command(flatten)]
    Fetched(SourceAction),
}

#[derive(Debug, Subcommand)]
pub(crate) enum DocsCommand {
    /// Write catalog.json and the manifest
    Generate(Nodes),
    /// Say where the running server shows models, their columns, tests and lineage
    Serve(Serve),
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// Taken for dbt's sake: the server's own port counts
    #[arg(long, hide = true)]
    port: Option<u16>,
    #[arg(long, hide = true)]
    host: Option<String>,
    #[arg(long, hide = true, overrides_with = "no_browser")]
    browser: bool,
    #[arg(long, hide = true)]
    no_browser: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Operation {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// The macro
    pub(crate) name: String,
    /// Its arguments, as YAML: '{key: value}'
    #[arg(long, value_name = "YAML")]
    pub(crate) args: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Rollback {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// The publication; the newest when none is named
    pub(crate) publication: Option<String>,
    /// Lose what was changed later
    #[arg(long)]
    pub(crate) force: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Listed {
    #[command(flatten)]
    pub(crate) project: ProjectArgs,
    /// How many
    #[arg(long, default_value_t = 20)]
    pub(crate) limit: u32,
}

/// Builds the project in `folder`, as `weir build` does.
pub(crate) async fn build(global: &Global, folder: &Path, ui: &Ui) -> Result<(), Failure> {
    let nodes = Nodes {
        project: ProjectArgs {
            project_dir: Some(folder.to_owned()),
            ..ProjectArgs::default()
        },
        select: SelectArgs {
            indirect_selection: "eager".into(),
            ..SelectArgs::default()
        },
        run: RunArgs::default(),
    };
    Box::pin(ModelCommand::Build(nodes).run(global, ui)).await
}

/// Everything dbt's command line takes, as it is.
#[derive(Debug, clap::Args)]
pub(crate) struct DbtArgs {
    #[command(subcommand)]
    command: ModelCommand,
}

impl DbtArgs {
    /// Runs the command as dbt would: each model is seen when it is built, and queries are not
    /// checked beforehand.
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let mut command = self.command;
        if let Some(run) = command.run_args() {
            run.publish_each = true;
            run.no_check = true;
        }
        Box::pin(command.run(global, ui)).await
    }
}

impl ModelCommand {
    fn run_args(&mut self) -> Option<&mut RunArgs> {
        match self {
            Self::Build(nodes)
            | Self::Run(nodes)
            | Self::Test(nodes)
            | Self::Seed(nodes)
            | Self::Snapshot(nodes)
            | Self::Clone(nodes) => Some(&mut nodes.run),
            Self::Retry(again) => Some(&mut again.run),
            _ => None,
        }
    }

    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        use weir_model::run::Command;
        match self {
            Self::Build(nodes) => run::run(Command::Build, nodes, global, ui).await,
            Self::Run(nodes) => run::run(Command::Run, nodes, global, ui).await,
            Self::Test(nodes) => run::run(Command::Test, nodes, global, ui).await,
            Self::Seed(nodes) => run::run(Command::Seed, nodes, global, ui).await,
            Self::Snapshot(nodes) => run::run(Command::Snapshot, nodes, global, ui).await,
            Self::Clone(nodes) => run::run(Command::Clone, nodes, global, ui).await,
            Self::Compile(compile) => inspect::compile(compile, global, ui).await,
            Self::Check(nodes) => check::run(nodes, global, ui).await,
            Self::Plan(planning) => plan::run(planning, global, ui).await,
            Self::Diff(nodes) => {
                let diff = true;
                plan::run(Planning { nodes, diff }, global, ui).await
            }
            Self::Retry(again) => run::again(again, global, ui).await,
            Self::Show(show) => inspect::show(show, global, ui).await,
            Self::Ls(list) => inspect::list(&list, ui),
            Self::Parse(project) => artifacts::parse(&project, ui),
            Self::Freshness(nodes) => operate::freshness(nodes, global, ui).await,
            Self::Source {
                command: SourceCommand::Freshness(nodes),
            } => operate::freshness(*nodes, global, ui).await,
            Self::Source {
                command: SourceCommand::Fetched(action),
            } => action.run(global, ui).await,
            Self::Docs {
                command: DocsCommand::Generate(nodes),
            } => artifacts::docs(nodes, global, ui).await,
            Self::Docs {
                command: DocsCommand::Serve(serve),
            } => artifacts::shown(&serve, global, ui).await,
            Self::RunOperation(operation) => operate::operation(operation, global, ui).await,
            Self::Deps(project) => operate::deps(&project, ui),
            Self::Clean(project) => operate::clean(&project, ui),
            Self::Debug(project) => operate::debug(&project, global, ui).await,
            Self::Rollback(rollback) => publications::roll_back(rollback, global, ui).await,
            Self::Publications(listed) => publications::list(listed, global, ui).await,
        }
    }
}
