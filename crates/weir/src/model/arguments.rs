//! Options of the commands about models: dbt's, so that habits and scripts carry over.

use std::path::PathBuf;

use clap::ArgAction;
use weir_model::project::vars_of;

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
    #[arg(long, global = true, env = "DBT_PROFILE", value_name = "NAME")]
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
    #[arg(
        short,
        long,
        global = true,
        env = "DBT_QUIET",
        action = ArgAction::SetTrue,
        value_parser = switch,
        overrides_with = "no_quiet"
    )]
    pub(crate) quiet: bool,
    /// Say everything, whatever the environment says
    #[arg(long, global = true, hide = true)]
    pub(crate) no_quiet: bool,
    /// Take warnings for errors
    #[arg(
        long,
        global = true,
        env = "DBT_WARN_ERROR",
        action = ArgAction::SetTrue,
        value_parser = switch
    )]
    pub(crate) warn_error: bool,
    /// dbt's choice of warnings that are errors; only all of them can be chosen
    #[arg(
        long,
        global = true,
        hide = true,
        env = "DBT_WARN_ERROR_OPTIONS",
        value_name = "YAML",
        value_parser = WarnErrors::read
    )]
    pub(crate) warn_error_options: Option<WarnErrors>,
    #[command(flatten)]
    pub(crate) ignored: IgnoredArgs,
}

impl ProjectArgs {
    /// Whether only what failed is said.
    pub(crate) fn is_quiet(&self) -> bool {
        self.quiet && !self.no_quiet
    }

    /// Whether warnings are taken for errors.
    pub(crate) fn is_strict(&self) -> bool {
        let chosen = self.warn_error_options;
        self.warn_error || chosen.is_some_and(|chosen| chosen == WarnErrors::All)
    }
}

/// Which warnings `--warn-error-options` takes for errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WarnErrors {
    All,
    /// Some, by dbt's names of events, which warnings here do not have.
    Part,
}

impl WarnErrors {
    /// Reads `{error: all}`, or `{include: all}` as it was called before.
    fn read(text: &str) -> Result<Self, String> {
        let options = vars_of(text).map_err(|error| error.message().to_owned())?;
        let is_all = |key: &str| {
            let all = options.get(key).and_then(|value| value.as_str());
            all.is_some_and(|word| word == "all" || word == "*")
        };
        let has_any = |key: &str| {
            let listed = options.get(key).and_then(|value| value.as_array());
            listed.is_some_and(|names| !names.is_empty())
        };
        let is_whole = !["warn", "exclude", "silence"].into_iter().any(has_any);
        match is_whole && (is_all("error") || is_all("include")) {
            true => Ok(Self::All),
            false => Ok(Self::Part),
        }
    }
}

/// Reads the environment variable of a switch as dbt does: nothing is as good as no variable.
fn switch(text: &str) -> Result<bool, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Ok(true),
        "" | "0" | "false" | "f" | "no" | "n" | "off" => Ok(false),
        _ => Err("it is true or false".to_owned()),
    }
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
    #[arg(short, long, global = true, hide = true)]
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

/// Options that dbt takes before every command and behind it. Some commands have the first of them
/// as their own, by the same names; the others mean nothing here.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct EarlyArgs {
    #[arg(short = 'x', long, global = true, hide = true)]
    fail_fast: bool,
    #[arg(long, global = true, hide = true)]
    no_fail_fast: bool,
    #[arg(long, global = true, hide = true)]
    defer: bool,
    #[arg(long, global = true, hide = true)]
    no_defer: bool,
    #[arg(long, global = true, hide = true)]
    favor_state: bool,
    #[arg(long, global = true, hide = true)]
    no_favor_state: bool,
    #[arg(long, global = true, hide = true, value_name = "DIR")]
    state: Option<PathBuf>,
    #[arg(long, global = true, hide = true, value_name = "DIR")]
    defer_state: Option<PathBuf>,
    #[arg(long, global = true, hide = true, value_name = "MODE")]
    indirect_selection: Option<String>,
    #[arg(long, global = true, hide = true)]
    no_debug: bool,
    #[arg(long, global = true, hide = true)]
    no_warn_error: bool,
    #[arg(long, global = true, hide = true)]
    version_check: bool,
    #[arg(long, global = true, hide = true)]
    send_anonymous_usage_stats: bool,
    #[arg(long, global = true, hide = true)]
    static_parser: bool,
    #[arg(long, global = true, hide = true)]
    print: bool,
    #[arg(long, global = true, hide = true)]
    no_print: bool,
    #[arg(long, global = true, hide = true)]
    write_json: bool,
    #[arg(long, global = true, hide = true)]
    no_write_json: bool,
    #[arg(long, global = true, hide = true)]
    cache_selected_only: bool,
    #[arg(long, global = true, hide = true)]
    no_cache_selected_only: bool,
    #[arg(long, global = true, hide = true)]
    populate_cache: bool,
    #[arg(long, global = true, hide = true)]
    no_populate_cache: bool,
    #[arg(long, global = true, hide = true)]
    single_threaded: bool,
    #[arg(long, global = true, hide = true)]
    no_single_threaded: bool,
    #[arg(long, global = true, hide = true)]
    introspect: bool,
    #[arg(long, global = true, hide = true)]
    no_introspect: bool,
    #[arg(long, global = true, hide = true)]
    use_colors_file: bool,
    #[arg(long, global = true, hide = true)]
    no_use_colors_file: bool,
    #[arg(long, global = true, hide = true)]
    log_cache_events: bool,
    #[arg(long, global = true, hide = true)]
    no_log_cache_events: bool,
    #[arg(long, global = true, hide = true)]
    macro_debugging: bool,
    #[arg(long, global = true, hide = true)]
    no_macro_debugging: bool,
    #[arg(long, global = true, hide = true)]
    use_experimental_parser: bool,
    #[arg(long, global = true, hide = true)]
    no_use_experimental_parser: bool,
    #[arg(long, global = true, hide = true)]
    partial_parse_file_diff: bool,
    #[arg(long, global = true, hide = true)]
    no_partial_parse_file_diff: bool,
    #[arg(long, global = true, hide = true)]
    show_all_deprecations: bool,
    #[arg(long, global = true, hide = true)]
    no_show_all_deprecations: bool,
    #[arg(long, global = true, hide = true)]
    use_fast_test_edges: bool,
    #[arg(long, global = true, hide = true)]
    no_use_fast_test_edges: bool,
    #[arg(long, global = true, hide = true, value_name = "FORMAT")]
    log_format_file: Option<String>,
    #[arg(long, global = true, hide = true, value_name = "BYTES")]
    log_file_max_bytes: Option<String>,
    #[arg(long, global = true, hide = true, value_name = "WIDTH")]
    printer_width: Option<String>,
    #[arg(long, global = true, hide = true, value_name = "FILE")]
    partial_parse_file_path: Option<String>,
    #[arg(short, long, global = true, hide = true, value_name = "FILE")]
    record_timing_info: Option<PathBuf>,
}

/// Which nodes a command is about.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct SelectArgs {
    /// Nodes to take: names, `+name`, `tag:x`, `path:models/a`, `state:modified`, ...
    #[arg(short, long, aliases = ["models", "model"], short_alias = 'm', num_args = 1.., value_name = "SELECTOR")]
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
    #[arg(
        long,
        env = "DBT_DEFER",
        action = ArgAction::SetTrue,
        value_parser = switch,
        overrides_with = "no_defer"
    )]
    pub(crate) defer: bool,
    /// Read everything from this target
    #[arg(long)]
    pub(crate) no_defer: bool,
    /// The folder of the manifest to defer to, if it is another
    #[arg(long, value_name = "DIR")]
    pub(crate) defer_state: Option<PathBuf>,
    /// Prefer the state's relations even to those that are there
    #[arg(
        long,
        env = "DBT_FAVOR_STATE",
        action = ArgAction::SetTrue,
        value_parser = switch,
        overrides_with = "no_favor_state"
    )]
    pub(crate) favor_state: bool,
    #[arg(long, hide = true)]
    pub(crate) no_favor_state: bool,
}

impl SelectArgs {
    /// Whether the state's relations are preferred to those that are there.
    pub(crate) fn favors_state(&self) -> bool {
        self.favor_state && !self.no_favor_state
    }
}

/// How nodes are run.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct RunArgs {
    /// Build incremental models and seeds anew
    #[arg(
        short,
        long,
        env = "DBT_FULL_REFRESH",
        action = ArgAction::SetTrue,
        value_parser = switch
    )]
    pub(crate) full_refresh: bool,
    /// End with the first failure
    #[arg(
        short = 'x',
        long,
        env = "DBT_FAIL_FAST",
        action = ArgAction::SetTrue,
        value_parser = switch,
        overrides_with = "no_fail_fast"
    )]
    pub(crate) fail_fast: bool,
    #[arg(long, hide = true)]
    pub(crate) no_fail_fast: bool,
    /// Keep the rows that failed tests
    #[arg(
        long,
        env = "DBT_STORE_FAILURES",
        action = ArgAction::SetTrue,
        value_parser = switch
    )]
    pub(crate) store_failures: bool,
    /// Read no rows: check that everything runs
    #[arg(long, overrides_with = "no_empty")]
    pub(crate) empty: bool,
    #[arg(long, hide = true)]
    pub(crate) no_empty: bool,
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

impl RunArgs {
    /// Whether the first failure ends the run.
    pub(crate) fn fails_fast(&self) -> bool {
        self.fail_fast && !self.no_fail_fast
    }
}
