use std::fmt::Write;

use weir_extract::SourceHealth;

use crate::Services;

#[derive(Clone, Copy)]
enum Kind {
    Gauge,
    Counter,
}

/// Name (of a counter with `_total`), kind, meaning, value.
type Line = (&'static str, Kind, &'static str, f64);

/// Writes the gauges and counters that the rooms keep themselves: nothing is copied between looks.
pub(crate) fn write(page: &mut String, services: &Services) {
    let lines = intake(services)
        .into_iter()
        .chain(lake(services))
        .chain(query(services));
    for (name, kind, help, value) in lines {
        let (family, kind) = match kind {
            Kind::Gauge => (name, "gauge"),
            Kind::Counter => (name.trim_end_matches("_total"), "counter"),
        };
        let _ = write!(
            page,
            "# HELP {family} {help}.\n# TYPE {family} {kind}\n{name} {value}\n"
        );
    }
}

/// Writes what is known of each source that is fetched from.
pub(crate) fn write_sources(page: &mut String, services: &Services) {
    let sources = services.extracts.health();
    let mut family = |name: &str, help: &str, of: &dyn Fn(&SourceHealth) -> Option<f64>| {
        let _ = write!(page, "# HELP {name} {help}.\n# TYPE {name} gauge\n");
        for (source, health) in &sources {
            if let Some(value) = of(health) {
                // Names of sources are letters, digits and `_`.
                let _ = writeln!(page, "{name}{{source=\"{source}\"}} {value}");
            }
        }
    };
    family(
        "weir_source_synced_timestamp_seconds",
        "When a sync of the source last ended well",
        &|health| Some(health.synced_at?.timestamp_millis() as f64 / 1000.0),
    );
    family(
        "weir_source_failures",
        "Syncs of the source that failed since one ended well",
        &|health| Some(number(health.failures)),
    );
    family(
        "weir_source_behind_bytes",
        "Bytes of a database's log that are not in the lake yet",
        &|health| Some(number(health.lag.as_ref()?.behind_bytes)),
    );
    family(
        "weir_source_retained_bytes",
        "Bytes of its log that a database keeps for Weir",
        &|health| Some(number(health.lag.as_ref()?.retained_bytes)),
    );
    let stale = services.extracts.attention().stale;
    let name = "weir_source_stale";
    let _ = write!(
        page,
        "# HELP {name} Whether something of the source is older than its file allows.\n# TYPE {name} gauge\n"
    );
    for source in sources.keys() {
        let _ = writeln!(
            page,
            "{name}{{source=\"{source}\"}} {}",
            u8::from(stale.contains(source))
        );
    }
}

fn intake(services: &Services) -> Vec<Line> {
    use Kind::Counter;
    let counts = services.collector.counts();
    let applied = &services.applied;
    vec![
        (
            "weir_events_accepted_total",
            Counter,
            "Events taken and durable",
            number(counts.accepted),
        ),
        (
            "weir_events_quarantined_total",
            Counter,
            "Events set aside and durable",
            number(counts.quarantined),
        ),
        (
            "weir_events_applied_total",
            Counter,
            "Events that became rows",
            number(applied.applied()),
        ),
        (
            "weir_events_duplicate_total",
            Counter,
            "Events that had come before",
            number(applied.duplicates()),
        ),
        (
            "weir_events_conflicting_total",
            Counter,
            "Events whose id had come before with another payload",
            number(applied.conflicts()),
        ),
        (
            "weir_events_undecodable_total",
            Counter,
            "Records of the log that could not be read",
            number(applied.undecodable()),
        ),
        (
            "weir_intake_unauthorised_total",
            Counter,
            "Requests without a good write key",
            number(counts.unauthorised),
        ),
        (
            "weir_intake_disabled_total",
            Counter,
            "Requests for disabled sources",
            number(counts.disabled),
        ),
        (
            "weir_intake_throttled_total",
            Counter,
            "Requests answered 429",
            number(counts.throttled),
        ),
        (
            "weir_intake_unavailable_total",
            Counter,
            "Requests answered 503",
            number(counts.unavailable),
        ),
        (
            "weir_intake_refused_total",
            Counter,
            "Requests not understood",
            number(counts.refused),
        ),
        (
            "weir_intake_retried_total",
            Counter,
            "Requests that a client said it had sent before",
            number(counts.retried_requests),
        ),
        (
            "weir_intake_decompressed_bytes_total",
            Counter,
            "Bytes of accepted bodies after decompression",
            number(counts.bytes_decompressed),
        ),
    ]
}

fn lake(services: &Services) -> Vec<Line> {
    use Kind::{Counter, Gauge};
    let lake = services.lake.status();
    let uncommitted = crate::health::oldest_uncommitted(&lake);
    vec![
        (
            "weir_lake_visible_seq",
            Gauge,
            "Rows up to here are readable",
            number(lake.visible),
        ),
        (
            "weir_lake_committed_seq",
            Gauge,
            "Rows up to here are in files",
            number(lake.committed),
        ),
        (
            "weir_lake_tables",
            Gauge,
            "Tables",
            number(lake.tables as u64),
        ),
        (
            "weir_lake_writable",
            Gauge,
            "1 if rows can be taken",
            flag(lake.writable),
        ),
        (
            "weir_lake_recovering",
            Gauge,
            "1 while the log is read again after a start",
            flag(lake.recovering),
        ),
        (
            "weir_lake_oldest_uncommitted_seconds",
            Gauge,
            "Age of the oldest row that is not in files yet, at most",
            uncommitted.as_secs_f64(),
        ),
        (
            "weir_hot_bytes",
            Gauge,
            "Memory of rows not in files yet",
            number(lake.hot_bytes),
        ),
        (
            "weir_hot_queued_bytes",
            Gauge,
            "Durable rows not readable yet",
            number(lake.queued_bytes),
        ),
        (
            "weir_dedup_keys",
            Gauge,
            "Message ids remembered",
            number(lake.dedup_keys),
        ),
        (
            "weir_wal_bytes",
            Gauge,
            "Size of the log on disk",
            number(lake.wal_bytes),
        ),
        (
            "weir_wal_records_total",
            Counter,
            "Records written",
            number(lake.wal_records),
        ),
        (
            "weir_wal_written_bytes_total",
            Counter,
            "Bytes written",
            number(lake.wal_written_bytes),
        ),
        (
            "weir_wal_syncs_total",
            Counter,
            "Syncs of the log",
            number(lake.wal_syncs),
        ),
        (
            "weir_wal_sync_seconds_total",
            Counter,
            "Time spent in syncs of the log",
            number(lake.wal_sync_micros) / 1e6,
        ),
        (
            "weir_wal_failures_total",
            Counter,
            "Failed writes or syncs",
            number(lake.wal_failures),
        ),
        (
            "weir_wal_damaged_ranges",
            Gauge,
            "Damaged ranges found at the start, a torn tail included",
            number(lake.wal_damaged as u64),
        ),
        (
            "weir_lake_unreadable_tables",
            Gauge,
            "Tables whose logs are damaged, so that asking them is an error",
            number(lake.unreadable_tables),
        ),
        ("weir_flush_total", Counter, "Flushes", number(lake.flushes)),
        (
            "weir_flush_failures_total",
            Counter,
            "Failed flushes",
            number(lake.flush_failures),
        ),
        (
            "weir_flush_last_commit_timestamp_seconds",
            Gauge,
            "When rows were last committed; 0 before the first time",
            number(lake.last_commit_ms) / 1e3,
        ),
    ]
}

fn query(services: &Services) -> Vec<Line> {
    use Kind::Gauge;
    let engine = &services.engine;
    vec![
        (
            "weir_query_running",
            Gauge,
            "Queries running now",
            number(engine.running() as u64),
        ),
        (
            "weir_query_memory_bytes",
            Gauge,
            "Memory queries hold",
            number(engine.memory_used() as u64),
        ),
        (
            "weir_query_temp_bytes",
            Gauge,
            "Disk space queries hold",
            number(engine.disk_used()),
        ),
    ]
}

fn number(value: u64) -> f64 {
    value as f64
}

fn flag(value: bool) -> f64 {
    f64::from(u8::from(value))
}
