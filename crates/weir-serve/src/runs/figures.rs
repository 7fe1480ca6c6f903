//! Runs as metrics.

use std::fmt::Write;
use std::time::Duration;

use weir_flow::Figures;

/// Writes what is counted of runs in Prometheus' text format.
pub(crate) fn write(page: &mut String, figures: &Figures) {
    let runs = figures.runs.iter();
    let runs = runs.map(|(state, count)| (state.as_str(), *count as f64));
    family(
        page,
        "weir_runs",
        "gauge",
        "Runs that are kept, by where they are",
        runs,
    );
    let attempts = figures.attempts.iter();
    let tries = attempts.clone();
    let tries = tries.map(|(state, count, _)| (state.as_str(), *count as f64));
    family(
        page,
        "weir_step_tries",
        "gauge",
        "Tries at steps that have ended, by how",
        tries,
    );
    let took = attempts.map(|(state, _, took)| (state.as_str(), took.as_secs_f64()));
    let help = "How long tries at steps took together, by how they ended";
    family(page, "weir_step_tries_seconds", "gauge", help, took);
    let seconds = |span: Duration| span.as_secs_f64();
    for (name, help, value) in [
        (
            "weir_steps_running",
            "Tries at steps that are under way",
            figures.running as f64,
        ),
        (
            "weir_steps_queued",
            "Steps that wait for a slot",
            figures.queued as f64,
        ),
        (
            "weir_steps_waited_seconds",
            "How long the first of the steps that wait for a slot has waited",
            seconds(figures.waited),
        ),
        (
            "weir_schedules_late_seconds",
            "By how much the schedule that is furthest behind is late",
            seconds(figures.late),
        ),
        (
            "weir_schedules_paused",
            "Schedules that rest",
            figures.paused as f64,
        ),
        (
            "weir_incidents",
            "What is wrong now and was told",
            figures.incidents as f64,
        ),
    ] {
        let _ = write!(
            page,
            "# HELP {name} {help}.\n# TYPE {name} gauge\n{name} {value}\n"
        );
    }
}

fn family<'a>(
    page: &mut String,
    name: &str,
    kind: &str,
    help: &str,
    values: impl Iterator<Item = (&'a str, f64)>,
) {
    // Writing to a string does not fail.
    let _ = write!(page, "# HELP {name} {help}.\n# TYPE {name} {kind}\n");
    for (state, value) in values {
        let _ = writeln!(page, "{name}{{state=\"{state}\"}} {value}");
    }
}
