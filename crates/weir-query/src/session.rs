//! The session every query's session is derived from, built once.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;

use datafusion::common::Result;
use datafusion::common::config::{ConfigNonZeroUsize, Dialect};
use datafusion::execution::FunctionRegistry;
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::optimizer::{Analyzer, AnalyzerRule};
use datafusion::prelude::SessionConfig;
use datafusion_functions_json::udfs;

use crate::dependent::DependentSubqueries;
use crate::functions::{self, CountCopies, Operators, PostgresSemantics, Types, TypesFirst};
use crate::options::EngineOptions;
use crate::yielding::YieldAfterJoins;

/// The one catalog, as the first part of `weir.shop.tracks`.
pub const CATALOG: &str = "weir";

/// The schema of tables written without one.
pub(crate) const DEFAULT_SCHEMA: &str = "main";

/// Stands for the schemas of a session's search path, as the schema of names written without one.
pub(crate) const PATH: &str = "$path";

/// Builds what all queries share of memory, disk and caches.
pub(crate) fn runtime(options: &EngineOptions) -> Result<Arc<RuntimeEnv>> {
    empty(&options.temp_dir)?;
    let consumers = NonZeroUsize::new(3).expect("three is not zero");
    let pool = TrackConsumersPool::new(FairSpillPool::new(options.memory_bytes), consumers);
    let disk = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![options.temp_dir.clone()]))
        .with_max_temp_directory_size(options.temp_bytes);
    RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(disk)
        // Footers of Parquet files; a lake of thousands of files is planned from them.
        .with_metadata_cache_limit(64 << 20)
        .build_arc()
}

/// Makes the directory and removes what queries of a killed process left in it.
fn empty(dir: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(dir)?;
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        // Only names the engine gives: the directory may be configured, and hold other things.
        if entry
            .file_name()
            .to_string_lossy()
            .starts_with("datafusion-")
        {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Builds the session without tables.
pub(crate) fn base(options: &EngineOptions, runtime: Arc<RuntimeEnv>) -> Result<SessionState> {
    let mut config = SessionConfig::new()
        .with_default_catalog_and_schema(CATALOG, PATH)
        .with_create_default_catalog_and_schema(false)
        // Ours has SQL's names of types instead of Arrow's; see `system::information`.
        .with_information_schema(false)
        .with_target_partitions(options.threads.max(1));
    let settings = config.options_mut();
    settings.sql_parser.dialect = Dialect::PostgreSQL;
    settings.sql_parser.collect_spans = true;
    settings.sql_parser.recursion_limit = ConfigNonZeroUsize::try_new(400)?;
    // `0.1` is exactly a tenth, as in Postgres.
    settings.sql_parser.parse_float_as_decimal = true;
    settings.execution.time_zone = Some("UTC".to_owned());
    // Whether a scan reads its filters' columns first is for each table to say.
    settings.execution.parquet.pushdown_filters = false;
    settings.execution.parquet.reorder_filters = true;
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> =
        vec![Arc::new(CountCopies), Arc::new(TypesFirst)];
    rules.extend(Analyzer::new().rules);
    let mut state = SessionStateBuilder::new()
        .with_type_planner(Arc::new(Types))
        .with_config(config)
        .with_runtime_env(runtime)
        .with_default_features()
        .with_analyzer_rules(rules)
        .with_physical_optimizer_rule(Arc::new(YieldAfterJoins))
        .build();
    datafusion_functions_json::register_all(&mut state)?;
    for function in [
        udfs::json_length_udf()
            .as_ref()
            .clone()
            .with_aliases(["json_array_length", "jsonb_array_length"]),
        udfs::json_as_text_udf()
            .as_ref()
            .clone()
            .with_aliases(["json_extract_path_text", "jsonb_extract_path_text"]),
        udfs::json_get_json_udf()
            .as_ref()
            .clone()
            .with_aliases(["json_extract_path", "jsonb_extract_path"]),
    ] {
        state.register_udf(Arc::new(function))?;
    }
    let made = (options.memory_bytes as u64).max(options.value_bytes.saturating_mul(8));
    functions::register(&mut state, options.value_bytes, made)?;
    state.register_expr_planner(Arc::new(Operators::new(&state)?))?;
    state.add_analyzer_rule(Arc::new(PostgresSemantics::new(
        &state,
        options.value_bytes,
    )?));
    state.add_analyzer_rule(Arc::new(DependentSubqueries));
    Ok(state)
}
