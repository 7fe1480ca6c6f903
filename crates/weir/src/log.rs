use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use weir_core::config::{Log, LogFormat};

/// Crates whose log is ours; others speak up from `warn`.
const OURS: [&str; 11] = [
    "weir",
    "weir_catalog",
    "weir_collect",
    "weir_core",
    "weir_extract",
    "weir_flow",
    "weir_lake",
    "weir_model",
    "weir_query",
    "weir_serve",
    "weir_step",
];

/// Starts logging to stderr, once per process.
pub(crate) fn start(log: &Log) {
    let mut filter = "warn".to_owned();
    for name in OURS {
        filter.push_str(&format!(",{name}={}", log.level));
    }
    if log.level != "debug" && log.level != "trace" {
        // delta-rs and its kernel call it an error that a new table has no log yet.
        filter.push_str(",deltalake_core=error,buoyant_kernel=off");
    }
    let terminal = std::io::stderr().is_terminal();
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let builder = tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        // A log that cannot be written, on a full disk, is no reason to panic where nothing can be said of it.
        .log_internal_errors(false)
        .with_ansi(terminal && !plain);
    let text = match log.format {
        LogFormat::Text => true,
        LogFormat::Json => false,
        LogFormat::Auto => terminal,
    };
    // One line, as everything else: what was being done is refused by whoever catches it.
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let place = place.unwrap_or_default();
        tracing::error!(
            place,
            "this should not happen: what was being done was given up"
        );
    }));
    // A second start (tests in one process) keeps the first.
    let _ = if text {
        builder.try_init()
    } else {
        builder.json().flatten_event(true).try_init()
    };
}

/// Starts logging for a command that is not a server: warnings only, as text.
pub(crate) fn start_quiet() {
    start(&Log {
        level: "warn",
        format: LogFormat::Text,
    });
}
