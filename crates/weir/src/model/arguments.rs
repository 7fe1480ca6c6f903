//! Options of the commands about models: dbt's, so that habits and scripts carry over.

use std::path::PathBuf;

/// Which project, and how it is read.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ProjectArgs {
    /// The folder of `dbt_project.yml`; by default the next one upwards
    #[arg(long, global = true, env = "DBT_PROJECT_DIR", value_name = "DIR")]
    pub(crate) project_dir: Option<PathBuf>,
    /// The folder of `profiles.yml`, which need not exist
    #[arg(long, global = true, env = "DBT_PROFILES_DIR", value_name = "DIR")]
    pub(crate) profiles_dir: Option<PathBuf>,
    /// The profile to use instead of the project's
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// The target: an output of the profile, or the name of an environment of your own
    #[arg(short, long, global = true, env = "DBT_TARGET", value_name = "NAME")]
    pub(crate) target: Option<String>,
    /// Variables, as YAML: '{key: value}'
    #[arg(long, global = true, value_name = "YAML")]
    pub(crate) vars: Option<String>,
    /// How many models are built at a time
    #[arg(long, global = true, value_name = "N")]
    pub(crate) threads: Option<usize>,
    /// Where compiled SQL and artifacts go
    #[arg(long, global = true, env = "DBT_TARGET_PATH", value_name = "DIR")]
    pub(crate) target_path: Option<PathBuf>,
    /// Build in this Weir, whatever kind of warehouse the profile names
    #[arg(long, global = true)]
    pub(crate) here: bool,
    /// Say only what failed
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Take warnings for errors
    #[arg(long, global = true)]
    pub(crate) warn_error: bool,
    #[command(flatten)]
    pub(crate) ignored: IgnoredArgs,
}

/// Options of dbt that mean nothing here; scripts may keep them.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct IgnoredArgs {
    #[arg(long, global = true, hide = true)]
    no_partial_parse: bool,
    #[arg(long, global = true, hide = true)]
    partial_parse: bool,
    #[arg(long, global = true, hide = true)]
    use_colors: bool,
    #[arg(long, global = true, hide = true)]
    no_use_colors: bool,
    #[arg(long, global = true, hide = true)]
    no_version_check: bool,
    #[arg(long, global = true, hide = true)]
    no_send_anonymous_usage_stats: bool,
    #[arg(long, global = true, hide = true)]
    no_static_parser: bool,
    #[arg(long, global = true, hide = true)]
    debug: bool,
    #[arg(long, global = true, hide = true, value_name = "FORMAT")]
    log_format: Option<String>,
    #[arg(long, global = true, hide = true, value_name = "LEVEL")]
    log_level: Option<String>,
    #[arg(long, global = true, hide = true, value_name = "DIR")]
    log_path: Option<PathBuf>,
    #[arg(long, global = true, hide = true, value_name = "LEVEL")]
    log_level_file: Option<String>,
}

/// Which nodes a command is about.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SelectArgs {
    /// Nodes to take: names, `+name`, `tag:x`, `path:models/a`, `state:modified`, ...
    #[arg(short, long, alias = "models", short_alias = 'm', num_args = 1.., value_name = "SELECTOR")]
    pub(crate) select: Vec<String>,
    /// Nodes to leave out
    #[arg(long, num_args = 1.., value_name = "SELECTOR")]
    pub(crate) exclude: Vec<String>,
    /// A selector of `selectors.yml`
    #[arg(long, value_name = "NAME")]
    pub(crate) selector: Option<String>,
    /// Tests of which nodes are taken along: eager, cautious, buildable or empty
    #[arg(long, value_name = "MODE", default_value = "eager")]
    pub(crate) indirect_selection: String,
    /// Kinds of nodes to take
    #[arg(long, alias = "resource-types", num_args = 1.., value_name = "KIND")]
    pub(crate) resource_type: Vec<String>,
    /// Kinds of nodes to leave out
    #[arg(long, alias = "exclude-resource-types", num_args = 1.., value_name = "KIND")]
    pub(crate) exclude_resource_type: Vec<String>,
    /// The folder of an earlier manifest, for `state:` and `--defer`
    #[arg(long, env = "DBT_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// Read nodes that are not selected from where the state has them
    #[arg(long, env = "DBT_DEFER", overrides_with = "no_defer")]
    pub(crate) defer: bool,
    /// Read everything from this target
    #[arg(long)]
    pub(crate) no_defer: bool,
    /// The folder of the manifest to defer to, if it is another
    #[arg(long, value_name = "DIR")]
    pub(crate) defer_state: Option<PathBuf>,
    /// Prefer the state's relations even to those that are there
    #[arg(long)]
    pub(crate) favor_state: bool,
}

/// How nodes are run.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct RunArgs {
    /// Build incremental models and seeds anew
    #[arg(short, long)]
    pub(crate) full_refresh: bool,
    /// End with the first failure
    #[arg(short = 'x', long)]
    pub(crate) fail_fast: bool,
    /// Keep the rows that failed tests
    #[arg(long)]
    pub(crate) store_failures: bool,
    /// Read no rows: check that everything runs
    #[arg(long)]
    pub(crate) empty: bool,
    /// Read only rows of this time: `3 days`, or `{start: ..., end: ...}`
    #[arg(long, value_name = "SPAN")]
    pub(crate) sample: Option<String>,
    /// The first moment of microbatches
    #[arg(long, value_name = "TIME")]
    pub(crate) event_time_start: Option<String>,
    /// The moment before which microbatches end
    #[arg(long, value_name = "TIME")]
    pub(crate) event_time_end: Option<String>,
    /// Make each model visible when it is built, without waiting for tests
    #[arg(long)]
    pub(crate) publish_each: bool,
    /// Build and test everything that is selected, whether or not anything has changed
    #[arg(long)]
    pub(crate) force: bool,
    /// Do not check all queries before the first one runs
    #[arg(long)]
    pub(crate) no_check: bool,
}
