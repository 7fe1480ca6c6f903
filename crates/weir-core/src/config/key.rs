use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::retention::RetentionRule;
use super::sections::{Config, LogFormat};
use super::size::ByteSize;

/// One key of `weir.toml`.
pub struct Key {
    /// The table it stands in.
    pub section: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// Its type, its limits, and where its value goes.
    pub kind: Kind,
    /// Its default as it would be written, without quotes; empty: not set.
    pub default: &'static str,
    /// What it does, in a sentence or two.
    pub doc: &'static str,
}

/// The type of a key, with its limits and where a value of it goes.
pub enum Kind {
    /// Any text, or nothing.
    Text(fn(&mut Config, String)),
    /// A secret: in the file only as `${env:NAME}`.
    Secret(fn(&mut Config, String)),
    /// An `http://` or `https://` address, or nothing.
    WebAddress(fn(&mut Config, Option<String>)),
    /// A path that begins with `/`, or nothing.
    UrlPath(fn(&mut Config, Option<String>)),
    /// An IP address and port.
    Socket(fn(&mut Config, SocketAddr)),
    /// IP addresses.
    Addresses(fn(&mut Config, Vec<IpAddr>)),
    /// Rules for how long tables keep rows.
    Retention(fn(&mut Config, Vec<RetentionRule>)),
    /// `true` or `false`.
    Switch(fn(&mut Config, bool)),
    /// A whole number between two others.
    Number(u64, u64, fn(&mut Config, u64)),
    /// A size between two others.
    Size(ByteSize, ByteSize, fn(&mut Config, ByteSize)),
    /// A size between two others, or `auto`.
    SizeOrAuto(ByteSize, ByteSize, fn(&mut Config, Option<ByteSize>)),
    /// A duration between two others.
    Time(Duration, Duration, fn(&mut Config, Duration)),
    /// A duration between two others, or `forever`.
    TimeOrForever(Duration, Duration, fn(&mut Config, Option<Duration>)),
    /// One of a few words.
    Choice(&'static [&'static str], fn(&mut Config, &'static str)),
}

const KB: u64 = 1 << 10;
const MB: u64 = 1 << 20;
const GB: u64 = 1 << 30;

const fn size(bytes: u64) -> ByteSize {
    ByteSize(bytes)
}

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const DAY: u64 = 86_400;

fn store(config: &mut Config, option: &'static str, value: String) {
    if !value.is_empty() {
        config.lake.store.push((option, value));
    }
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Environment variables that are not keys of the file.
pub const OTHER_VARIABLES: [(&str, &str); 3] = [
    (
        "WEIR_PROJECT",
        "The project folder of commands that are not given one with `--project`.",
    ),
    (
        "WEIR_URL",
        "The address of the server that commands talk to, instead of `server.listen`.",
    ),
    (
        "WEIR_TOKEN",
        "The owner's token, instead of the one in `.weir/owner.token`.",
    ),
];

/// Every key there is, in the order of the reference page.
pub static KEYS: &[Key] = &[
    Key {
        section: "server",
        name: "listen",
        kind: Kind::Socket(|c, v| c.server.listen = v),
        default: "127.0.0.1:8080",
        doc: "Address and port of the HTTP server. Port 0 takes a free one. Beyond the loopback it \
              takes `tls`, or `allow_http`.",
    },
    Key {
        section: "server",
        name: "tls",
        kind: Kind::Switch(|c, v| c.server.tls = v),
        default: "false",
        doc: "Whether connections are encrypted (HTTPS). Then nothing is answered in clear.",
    },
    Key {
        section: "server",
        name: "certificate",
        kind: Kind::Text(|c, v| c.server.certificate = v),
        default: "",
        doc: "PEM file with the certificate and its chain, relative to the project; with `tls`. By \
              default a certificate that no authority signed is made in `.weir/tls/`: it encrypts, \
              and proves nothing.",
    },
    Key {
        section: "server",
        name: "key",
        kind: Kind::Text(|c, v| c.server.key = v),
        default: "",
        doc: "PEM file with the certificate's private key.",
    },
    Key {
        section: "server",
        name: "allow_http",
        kind: Kind::Switch(|c, v| c.server.allow_http = v),
        default: "false",
        doc: "Whether other machines may connect without encryption. For where a proxy that \
              encrypts stands in front: tokens and passwords are sent with every request.",
    },
    Key {
        section: "server",
        name: "public_url",
        kind: Kind::WebAddress(|c, v| c.server.public_url = v),
        default: "",
        doc: "The address by which SDKs and browsers reach this server, for example \
              `https://events.example.com`. Told to browser SDKs; by default what the request itself \
              says (`Host`, and `X-Forwarded-Proto` of a proxy).",
    },
    Key {
        section: "server",
        name: "max_connections",
        kind: Kind::Number(1, 1_000_000, |c, v| c.server.max_connections = count(v)),
        default: "10000",
        doc: "Connections open at one time. Further ones wait in the kernel's queue.",
    },
    Key {
        section: "server",
        name: "header_timeout",
        kind: Kind::Time(secs(1), secs(3600), |c, v| c.server.header_timeout = v),
        default: "75s",
        doc: "How long the head of a request may take to arrive, and how long a kept-alive \
              connection may stay idle.",
    },
    Key {
        section: "server",
        name: "body_timeout",
        kind: Kind::Time(secs(1), secs(3600), |c, v| c.server.body_timeout = v),
        default: "30s",
        doc: "How long the body of a request may take to arrive.",
    },
    Key {
        section: "server",
        name: "shutdown_grace",
        kind: Kind::Time(secs(0), secs(600), |c, v| c.server.shutdown_grace = v),
        default: "10s",
        doc: "How long running requests may go on after SIGTERM, before the lake is flushed.",
    },
    Key {
        section: "server",
        name: "trusted_proxies",
        kind: Kind::Addresses(|c, v| c.server.trusted_proxies = v),
        default: "",
        doc: "Addresses of proxies in front of this server. From these, and from nobody else, \
              `X-Forwarded-For` says where a request came from.",
    },
    Key {
        section: "postgres",
        name: "enabled",
        kind: Kind::Switch(|c, v| c.postgres.enabled = v),
        default: "true",
        doc: "Whether clients of PostgreSQL can connect.",
    },
    Key {
        section: "postgres",
        name: "listen",
        kind: Kind::Socket(|c, v| c.postgres.listen = v),
        default: "127.0.0.1:5433",
        doc: "Address and port for clients of PostgreSQL. Port 0 takes a free one. Connections from \
              other machines must be encrypted.",
    },
    Key {
        section: "postgres",
        name: "max_connections",
        kind: Kind::Number(1, 100_000, |c, v| c.postgres.max_connections = count(v)),
        default: "200",
        doc: "Connections open at one time. Further ones are refused.",
    },
    Key {
        section: "postgres",
        name: "certificate",
        kind: Kind::Text(|c, v| c.postgres.certificate = v),
        default: "",
        doc: "PEM file with the certificate and its chain, relative to the project. By default a \
              certificate that no authority signed is made in `.weir/tls/`: it encrypts, and proves \
              nothing.",
    },
    Key {
        section: "postgres",
        name: "key",
        kind: Kind::Text(|c, v| c.postgres.key = v),
        default: "",
        doc: "PEM file with the certificate's private key.",
    },
    Key {
        section: "lake",
        name: "url",
        kind: Kind::Text(|c, v| c.lake.url = v),
        default: "lake",
        doc: "Where the tables lie: a folder (relative to the project), or an `s3://`, `gs://` or \
              `az://` URL.",
    },
    Key {
        section: "lake",
        name: "retention",
        kind: Kind::Retention(|c, v| c.lake.retention = v),
        default: "",
        doc: "How long tables keep rows, as rules `schema.table=duration`, for example \
              `[\"raw_web.duplicates=30d\", \"raw_*.*=400d\"]`. `*` stands for any part of a \
              name, `forever` for no end; the first rule that fits decides, and without one rows \
              stay for ever. Rows grow old by `received_at`. Whole files are let go of once all \
              their rows are old enough, so rows may stay somewhat longer, all the more where small \
              files were joined; the commit that does it has a receipt, and the files are deleted \
              after `maintenance.vacuum_retention`. A rebuild derives nothing from raw rows that \
              are gone.",
    },
    Key {
        section: "lake",
        name: "region",
        kind: Kind::Text(|c, v| store(c, "region", v)),
        default: "",
        doc: "Region of the S3 bucket.",
    },
    Key {
        section: "lake",
        name: "endpoint",
        kind: Kind::WebAddress(|c, v| {
            if let Some(v) = v {
                store(c, "endpoint", v);
            }
        }),
        default: "",
        doc: "Address of an S3-compatible server, or of another Azure endpoint.",
    },
    Key {
        section: "lake",
        name: "allow_http",
        kind: Kind::Switch(|c, v| {
            if v {
                store(c, "allow_http", "true".to_owned());
            }
        }),
        default: "false",
        doc: "Whether the object store may be spoken to without encryption.",
    },
    Key {
        section: "lake",
        name: "access_key_id",
        kind: Kind::Text(|c, v| store(c, "access_key_id", v)),
        default: "",
        doc: "S3 access key. Without it the machine's own role is asked for.",
    },
    Key {
        section: "lake",
        name: "secret_access_key",
        kind: Kind::Secret(|c, v| store(c, "secret_access_key", v)),
        default: "",
        doc: "S3 secret key.",
    },
    Key {
        section: "lake",
        name: "session_token",
        kind: Kind::Secret(|c, v| store(c, "session_token", v)),
        default: "",
        doc: "S3 session token, for temporary credentials.",
    },
    Key {
        section: "lake",
        name: "service_account_path",
        kind: Kind::Text(|c, v| store(c, "google_service_account_path", v)),
        default: "",
        doc: "Path of a Google service account's JSON file.",
    },
    Key {
        section: "lake",
        name: "account_name",
        kind: Kind::Text(|c, v| store(c, "azure_storage_account_name", v)),
        default: "",
        doc: "Azure storage account.",
    },
    Key {
        section: "lake",
        name: "account_key",
        kind: Kind::Secret(|c, v| store(c, "azure_storage_account_key", v)),
        default: "",
        doc: "Key of the Azure storage account.",
    },
    Key {
        section: "wal",
        name: "dir",
        kind: Kind::Text(|c, v| c.wal.dir = v),
        default: ".weir/wal",
        doc: "Folder of the write-ahead log, relative to the project. It must be on a local disk \
              that keeps what it was told to sync; `weir doctor` checks.",
    },
    Key {
        section: "wal",
        name: "segment_size",
        kind: Kind::Size(size(MB), size(4 * GB), |c, v| c.wal.segment_size = v),
        default: "64MB",
        doc: "Size at which a new file of the log begins.",
    },
    Key {
        section: "wal",
        name: "max_size",
        kind: Kind::Size(size(4 * MB), size(16 << 40), |c, v| c.wal.max_size = v),
        default: "8GB",
        doc: "Size of the whole log. It grows while the lake cannot be reached; at this size \
              events are refused with `429` until the lake is back.",
    },
    Key {
        section: "wal",
        name: "min_free",
        kind: Kind::Size(size(0), size(1 << 40), |c, v| c.wal.min_free = v),
        default: "256MB",
        doc: "Free space on the log's disk below which events are refused with `503`, so that \
              what was accepted can still be written. On a small disk a twentieth of it counts.",
    },
    Key {
        section: "flush",
        name: "interval",
        kind: Kind::Time(Duration::from_millis(100), secs(3600), |c, v| {
            c.flush.interval = v
        }),
        default: "20s",
        doc: "Longest time between two commits to the lake while rows come in. Queries do not \
              wait for it: they see rows in memory.",
    },
    Key {
        section: "flush",
        name: "bytes",
        kind: Kind::Size(size(64 * KB), size(16 * GB), |c, v| c.flush.bytes = v),
        default: "32MB",
        doc: "Rows in memory, all tables together, that make a flush begin at once.",
    },
    Key {
        section: "hot",
        name: "limit",
        kind: Kind::Size(size(MB), size(1 << 40), |c, v| c.hot.limit = v),
        default: "96MB",
        doc: "Memory for rows that are not in files yet. When it is full, events are refused with \
              `429` until a flush has made room. At least `flush.bytes`.",
    },
    Key {
        section: "dedup",
        name: "window",
        kind: Kind::TimeOrForever(secs(60), secs(3650 * DAY), |c, v| c.dedup.window = v),
        default: "30d",
        doc: "How long a message id is remembered, per source, so that a repeated event is \
              stored once; `forever` never forgets.",
    },
    Key {
        section: "maintenance",
        name: "compaction",
        kind: Kind::Switch(|c, v| c.maintenance.compaction = v),
        default: "true",
        doc: "Whether small files are merged in the background.",
    },
    Key {
        section: "maintenance",
        name: "vacuum_retention",
        kind: Kind::Time(secs(3600), secs(3650 * DAY), |c, v| {
            c.maintenance.vacuum_retention = v
        }),
        default: "7d",
        doc: "Age at which files that only old versions of a table need are deleted. Time travel \
              reaches back this far for certain.",
    },
    Key {
        section: "collect",
        name: "max_event_size",
        kind: Kind::Size(size(KB), size(16 * MB), |c, v| c.collect.max_event_size = v),
        default: "32KB",
        doc: "Size of one event's JSON. A larger one goes to quarantine; the rest of its batch is \
              accepted.",
    },
    Key {
        section: "collect",
        name: "max_batch_size",
        kind: Kind::Size(size(KB), size(256 * MB), |c, v| {
            c.collect.max_batch_size = v
        }),
        default: "4MB",
        doc: "Size of one request's body, before and after decompression.",
    },
    Key {
        section: "collect",
        name: "max_batch_events",
        kind: Kind::Number(1, 100_000, |c, v| {
            c.collect.max_batch_events = u32::try_from(v).unwrap_or(u32::MAX);
        }),
        default: "10000",
        doc: "Events in one request; those beyond go to quarantine.",
    },
    Key {
        section: "collect",
        name: "key_rate",
        kind: Kind::Number(0, 10_000_000, |c, v| c.collect.key_rate = v),
        default: "500000",
        doc: "Events per second and write key; more are refused with `429`. 0 sets no limit.",
    },
    Key {
        section: "collect",
        name: "ip_rate",
        kind: Kind::Number(0, 10_000_000, |c, v| c.collect.ip_rate = v),
        default: "50000",
        doc: "Requests per second and IP address; more are refused with `429`. 0 sets no limit. \
              Set `server.trusted_proxies` first when a proxy stands in front.",
    },
    Key {
        section: "collect",
        name: "path_prefix",
        kind: Kind::UrlPath(|c, v| c.collect.path_prefix = v),
        default: "",
        doc: "A second path to every intake route, for example `/x7f3`, so that a page can send \
              events to its own host where blockers know the usual paths.",
    },
    Key {
        section: "query",
        name: "memory",
        kind: Kind::SizeOrAuto(size(16 * MB), size(1 << 40), |c, v| c.query.memory = v),
        default: "auto",
        doc: "Memory for all running queries together; `auto` takes a quarter of the machine's, or of its \
              container's.",
    },
    Key {
        section: "query",
        name: "temp_size",
        kind: Kind::Size(size(0), size(16 << 40), |c, v| c.query.temp_size = v),
        default: "10GB",
        doc: "Disk space for what queries cannot keep in memory.",
    },
    Key {
        section: "query",
        name: "value_size",
        kind: Kind::Size(size(64 * KB), size(512 * MB), |c, v| c.query.value_size = v),
        default: "32MB",
        doc: "The largest text or list a function of a query may make.",
    },
    Key {
        section: "query",
        name: "timeout",
        kind: Kind::Time(Duration::from_millis(10), secs(DAY), |c, v| {
            c.query.timeout = v
        }),
        default: "60s",
        doc: "Longest run time of a query.",
    },
    Key {
        section: "query",
        name: "transaction_timeout",
        kind: Kind::Time(Duration::from_millis(10), secs(7 * DAY), |c, v| {
            c.query.transaction_timeout = v
        }),
        default: "6h",
        doc: "Longest run time of a statement within a transaction: of building a model.",
    },
    Key {
        section: "query",
        name: "threads",
        kind: Kind::Number(0, 1024, |c, v| c.query.threads = count(v)),
        default: "0",
        doc: "Threads that run queries; 0 takes one per core.",
    },
    Key {
        section: "query",
        name: "concurrency",
        kind: Kind::Number(1, 1024, |c, v| c.query.concurrency = count(v)),
        default: "8",
        doc: "Queries that run at one time; others wait their turn.",
    },
    Key {
        section: "query",
        name: "queue",
        kind: Kind::Number(0, 100_000, |c, v| c.query.queue = count(v)),
        default: "200",
        doc: "Queries that may wait for their turn; more are turned away, those of whoever has most \
              waiting first.",
    },
    Key {
        section: "log",
        name: "level",
        kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"], |c, v| {
            c.log.level = v
        }),
        default: "info",
        doc: "Least level that is written.",
    },
    Key {
        section: "log",
        name: "format",
        kind: Kind::Choice(&["auto", "text", "json"], |c, v| {
            c.log.format = match v {
                "text" => LogFormat::Text,
                "json" => LogFormat::Json,
                _ => LogFormat::Auto,
            };
        }),
        default: "auto",
        doc: "How a line looks; `auto` writes text to a terminal and JSON elsewhere.",
    },
];

impl Key {
    /// Returns `section.name`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }

    /// Returns the environment variable that overrides the key.
    pub fn variable(&self) -> String {
        format!("WEIR_{}_{}", self.section, self.name).to_ascii_uppercase()
    }
}
