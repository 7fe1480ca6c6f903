//! The commands: one file each, an `Args` whose documentation is the help, then `run`.

mod audit;
mod compact;
mod demo;
mod docs;
mod doctor;
mod filesets;
mod fsck;
mod grants;
mod init;
mod keys;
mod lake;
mod load;
mod rebuild;
mod replay;
mod roles;
mod runs;
mod schedule;
mod source;
mod sql;
mod steps;
mod sync;
mod tail;
mod tokens;
mod up;
mod users;
mod verify;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

use crate::client::Client;
use crate::failure::{Explain, Failure};
use crate::model::{DbtArgs, ModelCommand};
use crate::project::Project;
use crate::ui::Ui;

pub(crate) use init::{create_for_models, create_project};
pub(crate) use source::SourceAction;

/// Weir: a startup's data infrastructure in one binary.
#[derive(Parser)]
#[command(name = "weir", version, after_help = AFTER_HELP, disable_help_subcommand = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 something you can fix, 2 wrong usage, 255 a bug in Weir.
The answer goes to stdout, everything else to stderr.";

/// Options of every command.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Global {
    /// The project's folder; by default the next one upwards with a `weir.toml`
    #[arg(long, global = true, env = "WEIR_PROJECT", value_name = "DIR")]
    project: Option<PathBuf>,
    /// Write answers and errors as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Global {
    /// Returns the options of a command about the project in `folder`.
    pub(crate) fn of(folder: &Path) -> Self {
        Self {
            project: Some(folder.to_owned()),
            json: false,
        }
    }

    /// Finds the project that the command is about.
    pub(crate) fn project(&self) -> Result<Project, Failure> {
        Project::find(self.project.as_deref())
    }

    /// Returns a client for the server of the project that the command is about.
    pub(crate) fn client(&self, ui: &Ui) -> Result<Client, Failure> {
        let project = self.project()?;
        Client::new(&project, &project.config(ui)?)
    }

    /// Finds the project that was named, or the next one upwards of `folder`; none when there is
    /// none.
    pub(crate) fn project_around(&self, folder: &Path) -> Result<Option<Project>, Failure> {
        match &self.project {
            Some(named) => Project::find(Some(named)).map(Some),
            None => Ok(Project::around(folder)),
        }
    }
}

#[derive(Subcommand)]
enum Command {
    Init(init::Args),
    Up(up::Args),
    Demo(demo::Args),
    Sql(sql::Args),
    Tail(tail::Args),
    Keys(keys::Args),
    Users(users::Args),
    Roles(roles::Args),
    Grants(grants::Args),
    Tokens(tokens::Args),
    Audit(audit::Args),
    Compact(compact::Args),
    Fsck(fsck::Args),
    Rebuild(rebuild::Args),
    Replay(replay::Args),
    Runs(runs::Args),
    Sync(sync::Args),
    State(sync::StateArgs),
    Undo(sync::UndoArgs),
    Verify(verify::Args),
    Load(load::Args),
    Schedule(schedule::Args),
    Steps(steps::Args),
    Filesets(filesets::Args),
    Doctor(doctor::Args),
    #[command(flatten)]
    Model(ModelCommand),
    /// Run a command line of dbt as it is
    Dbt(DbtArgs),
    #[command(hide = true)]
    Reference(docs::Args),
}

/// Runs the command that the arguments name.
pub(crate) fn run(arguments: Arguments, ui: &Ui) -> Result<(), Failure> {
    let global = arguments.global;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("weir-house")
        .enable_all()
        .build()
        .explain(|| "cannot start threads".into())?;
    let done = runtime.block_on(async {
        match arguments.command {
            Command::Init(args) => args.run(&global, ui).await,
            Command::Up(args) => args.run(&global, ui).await,
            Command::Demo(args) => args.run(&global, ui).await,
            Command::Sql(args) => args.run(&global, ui).await,
            Command::Tail(args) => args.run(&global, ui).await,
            Command::Keys(args) => args.run(&global, ui).await,
            Command::Users(args) => args.run(&global, ui).await,
            Command::Roles(args) => args.run(&global, ui).await,
            Command::Grants(args) => args.run(&global, ui).await,
            Command::Tokens(args) => args.run(&global, ui).await,
            Command::Audit(args) => args.run(&global, ui).await,
            Command::Compact(args) => args.run(&global, ui).await,
            Command::Fsck(args) => args.run(&global, ui).await,
            Command::Rebuild(args) => args.run(&global, ui).await,
            Command::Replay(args) => args.run(&global, ui).await,
            Command::Runs(args) => args.run(&global, ui).await,
            Command::Sync(args) => args.run(&global, ui).await,
            Command::State(args) => args.run(&global, ui).await,
            Command::Undo(args) => args.run(&global, ui).await,
            Command::Verify(args) => args.run(&global, ui).await,
            Command::Load(args) => args.run(&global, ui).await,
            Command::Schedule(args) => args.run(&global, ui).await,
            Command::Steps(args) => args.run(&global, ui).await,
            Command::Filesets(args) => args.run(&global, ui).await,
            Command::Doctor(args) => args.run(&global, ui).await,
            Command::Model(command) => Box::pin(command.run(&global, ui)).await,
            Command::Dbt(args) => Box::pin(args.run(&global, ui)).await,
            Command::Reference(args) => args.run(ui),
        }
    });
    // A blocked read of the terminal must not hold up the end of the process.
    runtime.shutdown_background();
    done
}
