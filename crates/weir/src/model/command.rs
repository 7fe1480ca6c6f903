//! The commands about models, named as dbt names them.

use std::path::Path;

use clap::Subcommand;

use super::arguments::{EarlyArgs, ProjectArgs, RunArgs, SelectArgs};
use super::stopped::Stopped;
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
    Generate(Box<Nodes>),
    /// Say where the running server shows models, their columns, tests and lineage
    Serve(Box<Serve>),
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
#[command(version = VERSION, display_name = "weir")]
pub(crate) struct DbtArgs {
    // dbt takes these before its commands, too. They are global and have the names that they have
    // there, and so what is given here is what the command below finds in its own.
    #[command(flatten)]
    project: Box<ProjectArgs>,
    #[command(flatten)]
    early: Box<EarlyArgs>,
    #[command(subcommand)]
    command: ModelCommand,
}

/// What `weir dbt --version` says: our version, and that of dbt whose behaviour is followed.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\nfollows dbt-core 1.11.16");

impl DbtArgs {
    /// Runs the command as dbt would: each model is seen when it is built, queries are not checked
    /// beforehand, and exit codes are dbt's.
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let mut command = self.command;
        if let Some(run) = command.run_args() {
            run.publish_each = true;
            run.no_check = true;
        }
        let done = Box::pin(command.carry_out(global, ui)).await;
        done.map_err(|stopped| match stopped {
            Stopped::Nodes(failure) => failure,
            Stopped::Error(failure) => failure.unable(),
        })
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
        let done = Box::pin(self.carry_out(global, ui)).await;
        done.map_err(Stopped::into_failure)
    }

    async fn carry_out(self, global: &Global, ui: &Ui) -> Result<(), Stopped> {
        use weir_model::run::Command;
        match self {
            Self::Build(nodes) => run::run(Command::Build, nodes, global, ui).await?,
            Self::Run(nodes) => run::run(Command::Run, nodes, global, ui).await?,
            Self::Test(nodes) => run::run(Command::Test, nodes, global, ui).await?,
            Self::Seed(nodes) => run::run(Command::Seed, nodes, global, ui).await?,
            Self::Snapshot(nodes) => run::run(Command::Snapshot, nodes, global, ui).await?,
            Self::Clone(nodes) => run::run(Command::Clone, nodes, global, ui).await?,
            Self::Compile(compile) => inspect::compile(compile, global, ui).await?,
            Self::Check(nodes) => check::run(nodes, global, ui).await?,
            Self::Plan(planning) => plan::run(planning, global, ui).await?,
            Self::Diff(nodes) => {
                let diff = true;
                plan::run(Planning { nodes, diff }, global, ui).await?;
            }
            Self::Retry(again) => run::again(again, global, ui).await?,
            Self::Show(show) => inspect::show(show, global, ui).await?,
            Self::Ls(list) => inspect::list(&list, ui)?,
            Self::Parse(project) => artifacts::parse(&project, ui)?,
            Self::Freshness(nodes) => operate::freshness(nodes, global, ui).await?,
            Self::Source {
                command: SourceCommand::Freshness(nodes),
            } => operate::freshness(*nodes, global, ui).await?,
            Self::Source {
                command: SourceCommand::Fetched(action),
            } => action.run(global, ui).await?,
            Self::Docs {
                command: DocsCommand::Generate(nodes),
            } => artifacts::docs(*nodes, global, ui).await?,
            Self::Docs {
                command: DocsCommand::Serve(serve),
            } => artifacts::shown(&serve, global, ui).await?,
            Self::RunOperation(operation) => operate::operation(operation, global, ui).await?,
            Self::Deps(project) => operate::deps(&project, ui)?,
            Self::Clean(project) => operate::clean(&project, ui)?,
            Self::Debug(project) => {
                // Whether all is well is what was asked.
                let well = operate::debug(&project, global, ui).await;
                well.map_err(Stopped::Nodes)?;
            }
            Self::Rollback(rollback) => publications::roll_back(rollback, global, ui).await?,
            Self::Publications(listed) => publications::list(listed, global, ui).await?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use clap::error::ErrorKind;

    use super::{DbtArgs, ModelCommand};
    use crate::command::Arguments;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        dbt: DbtArgs,
    }

    fn words(line: &str) -> impl Iterator<Item = &str> {
        line.split_whitespace()
    }

    /// Command lines of dbt's documentation and of people's scripts.
    #[test]
    fn command_lines_of_dbt_are_taken_as_they_are() {
        for line in [
            "--no-use-colors build",
            "--quiet ls",
            "-q ls --quiet",
            "--warn-error build",
            "--no-warn-error build",
            "--target prod ls",
            "--target=prod ls",
            "-t prod run -s orders",
            "--log-format json ls",
            "--log-format json --log-format-file json --log-level-file debug --log-level info run",
            "--log-path logs run",
            "--debug run",
            "-d run",
            "run -d",
            "--profiles-dir . ls",
            "--project-dir . --profiles-dir . --profile shop --vars {} --threads 4 build",
            "--fail-fast build",
            "-x build --full-refresh",
            "--no-fail-fast build",
            "build --no-fail-fast --no-favor-state --no-empty --no-quiet --no-debug",
            "--defer --state before run",
            "--favor-state --defer-state before ls",
            "--indirect-selection cautious test",
            "--warn-error-options {error:all} build",
            "--record-timing-info timing build",
            "-r timing build",
            "--no-print --no-write-json run",
            "--print --write-json run",
            "--version-check run",
            "--no-version-check run",
            "--static-parser parse",
            "--no-static-parser --no-partial-parse parse",
            "--cache-selected-only --populate-cache run",
            "--no-cache-selected-only --no-populate-cache run",
            "--single-threaded run",
            "--no-single-threaded run",
            "--printer-width 120 run",
            "--send-anonymous-usage-stats run",
            "--no-send-anonymous-usage-stats deps",
            "--no-introspect compile",
            "compile --introspect",
            "run --model orders",
            "run --models orders customers",
            "run -m orders+",
            "--use-colors --no-use-colors-file debug",
            "--fail-fast deps",
            "--quiet source freshness --select source:raw",
            "--no-print docs generate --no-use-colors",
            "--quiet run-operation grant --args {}",
            "list --output json --output-keys name",
        ] {
            if let Err(error) =
                Arguments::try_parse_from(["weir", "dbt"].into_iter().chain(words(line)))
            {
                panic!("weir dbt {line}: {error}");
            }
        }
    }

    fn nodes(line: &str) -> super::Nodes {
        let read = Line::try_parse_from(["dbt"].into_iter().chain(words(line)));
        match read.map(|line| line.dbt.command) {
            Ok(ModelCommand::Build(nodes)) => nodes,
            Ok(other) => panic!("{line}: {other:?}"),
            Err(error) => panic!("{line}: {error}"),
        }
    }

    #[test]
    fn what_stands_before_the_command_counts_as_what_stands_behind_it() {
        let early =
            nodes("--target prod --quiet -x --state before --indirect-selection empty build");
        assert_eq!(early.project.target.as_deref(), Some("prod"));
        assert!(early.project.is_quiet());
        assert!(early.run.fails_fast());
        assert_eq!(
            early.select.state.as_deref(),
            Some(std::path::Path::new("before"))
        );
        assert_eq!(early.select.indirect_selection, "empty");

        let late = nodes("--target prod --fail-fast build --target dev --no-fail-fast");
        assert_eq!(late.project.target.as_deref(), Some("dev"));
        assert!(!late.run.fails_fast());
        assert_eq!(late.select.indirect_selection, "eager");
    }

    #[test]
    fn all_warnings_are_errors_where_all_are_chosen() {
        assert!(nodes("--warn-error build").project.is_strict());
        for (options, strict) in [
            ("{\"error\":\"all\"}", true),
            ("{\"include\":\"*\"}", true),
            ("{\"include\":\"all\",\"exclude\":[\"X\"]}", false),
            ("{\"error\":[\"X\"]}", false),
        ] {
            let read = Line::try_parse_from(["dbt", "--warn-error-options", options, "build"]);
            let Ok(ModelCommand::Build(nodes)) = read.map(|line| line.dbt.command) else {
                panic!("{options} is not read");
            };
            assert_eq!(nodes.project.is_strict(), strict, "{options}");
        }
    }

    #[test]
    fn the_version_names_the_dbt_that_is_followed() {
        let said = Arguments::try_parse_from(["weir", "dbt", "--version"]).err();
        let said = said.expect("is no command");
        assert_eq!(said.kind(), ErrorKind::DisplayVersion);
        let said = said.to_string();
        assert!(said.starts_with("weir "), "{said}");
        assert!(said.contains(weir_model::DBT_VERSION), "{said}");
    }
}
