use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use http::StatusCode;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::body::BodyBudget;
use crate::{Services, process};

type FloatGauge = Gauge<f64, AtomicU64>;

/// Upper bounds of the histograms, in seconds: group commits take 1 to 20 ms on an honest disk.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0,
];

/// Statuses of intake answers that are counted apart; others count as `other`.
const STATUSES: [u16; 9] = [200, 204, 400, 401, 403, 408, 413, 429, 503];

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusLabel {
    status: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    route: String,
    status: String,
}

/// What `/metrics` shows. Counting touches atomics; gauges are read when somebody looks.
pub(crate) struct Metrics {
    registry: Registry,
    started: Instant,
    budget: BodyBudget,
    intake_requests: [Counter; STATUSES.len() + 1],
    intake_bytes: Counter,
    intake_seconds: Histogram,
    requests: Family<RouteLabels, Counter>,
    gauges: Gauges,
}

/// Gauges that are set when they are asked for.
#[derive(Default)]
struct Gauges {
    uptime: FloatGauge,
    resident: Gauge,
    cpu: Counter<f64, AtomicU64>,
    open_files: Gauge,
    body_memory: Gauge,
}

impl Metrics {
    pub(crate) fn new(budget: BodyBudget) -> Self {
        let mut registry = Registry::default();
        let by_status = Family::<StatusLabel, Counter>::default();
        let intake_requests = std::array::from_fn(|index| {
            let status = STATUSES
                .get(index)
                .map_or("other".to_owned(), u16::to_string);
            by_status.get_or_create_owned(&StatusLabel { status })
        });
        registry.register(
            "weir_intake_requests",
            "Requests to intake routes by status",
            by_status,
        );
        let intake_bytes = Counter::default();
        registry.register_with_unit(
            "weir_intake_body",
            "Bytes of request bodies to intake routes, as sent",
            Unit::Bytes,
            intake_bytes.clone(),
        );
        let intake_seconds = Histogram::new(SECONDS);
        registry.register_with_unit(
            "weir_intake_duration",
            "Time from the head of an intake request to its answer, durable rows included",
            Unit::Seconds,
            intake_seconds.clone(),
        );
        let requests = Family::<RouteLabels, Counter>::default();
        registry.register(
            "weir_http_requests",
            "Requests to other routes",
            requests.clone(),
        );
        let gauges = Gauges::default();
        gauges.register(&mut registry);
        Self {
            registry,
            started: Instant::now(),
            budget,
            intake_requests,
            intake_bytes,
            intake_seconds,
            requests,
            gauges,
        }
    }

    /// Counts one answered intake request.
    pub(crate) fn intake(&self, status: StatusCode, bytes: usize, took: Duration) {
        let status = status.as_u16();
        let index = STATUSES
            .iter()
            .position(|known| *known == status)
            .unwrap_or(STATUSES.len());
        self.intake_requests[index].inc();
        self.intake_bytes.inc_by(bytes as u64);
        self.intake_seconds.observe(took.as_secs_f64());
    }

    /// Counts one answered request to any other route.
    pub(crate) fn request(&self, route: &str, status: StatusCode) {
        let labels = RouteLabels {
            route: route.to_owned(),
            status: status.as_u16().to_string(),
        };
        self.requests.get_or_create(&labels).inc();
    }

    /// Writes everything in Prometheus' text format.
    pub(crate) async fn text(&self, services: &Services) -> String {
        self.gauges.uptime.set(self.started.elapsed().as_secs_f64());
        self.gauges.read(&self.budget);
        let mut page = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut page, &self.registry);
        page.truncate(page.len() - "# EOF\n".len());
        crate::metrics_rooms::write(&mut page, services);
        crate::metrics_rooms::write_sources(&mut page, services);
        let store = services.runs.flow.store();
        match store.figures(chrono::Utc::now()).await {
            Ok(figures) => crate::runs::write_figures(&mut page, &figures),
            Err(error) => tracing::warn!(%error, "runs are missing among the metrics"),
        }
        page.push_str("# EOF\n");
        page
    }
}

impl Gauges {
    fn register(&self, registry: &mut Registry) {
        registry.register_with_unit(
            "weir_uptime",
            "Time since the server started",
            Unit::Seconds,
            self.uptime.clone(),
        );
        registry.register_with_unit(
            "process_resident_memory",
            "Resident memory",
            Unit::Bytes,
            self.resident.clone(),
        );
        registry.register_with_unit(
            "process_cpu",
            "CPU time used",
            Unit::Seconds,
            self.cpu.clone(),
        );
        registry.register(
            "process_open_fds",
            "Open files and sockets",
            self.open_files.clone(),
        );
        registry.register_with_unit(
            "weir_intake_body_memory",
            "Memory of request bodies being received or stored",
            Unit::Bytes,
            self.body_memory.clone(),
        );
    }

    fn read(&self, budget: &BodyBudget) {
        let number = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.resident
            .set(number(process::resident_bytes().unwrap_or(0)));
        self.open_files
            .set(number(process::open_files().unwrap_or(0)));
        self.body_memory.set(number(budget.used()));
        if let Some(seconds) = process::cpu_seconds() {
            let bits = seconds.to_bits();
            self.cpu
                .inner()
                .store(bits, std::sync::atomic::Ordering::Relaxed);
        }
    }
}
