use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::retention::RetentionRule;
use super::size::ByteSize;

/// Everything that `weir.toml` and the environment can say, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[postgres]`
    pub postgres: Postgres,
    /// `[lake]`
    pub lake: Lake,
    /// `[wal]`
    pub wal: Wal,
    /// `[flush]`
    pub flush: Flush,
    /// `[hot]`
    pub hot: Hot,
    /// `[dedup]`
    pub dedup: Dedup,
    /// `[maintenance]`
    pub maintenance: Maintenance,
    /// `[collect]`
    pub collect: Collect,
    /// `[query]`
    pub query: Query,
    /// `[log]`
    pub log: Log,
}

/// The listener.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Address and port that are listened on.
    pub listen: SocketAddr,
    /// Whether connections are encrypted.
    pub tls: bool,
    /// File with the certificate and its chain, relative to the project; empty: one is made.
    pub certificate: String,
    /// File with the certificate's key.
    pub key: String,
    /// Whether other machines may connect without encryption.
    pub allow_http: bool,
    /// The address that SDKs and browsers reach this server by.
    pub public_url: Option<String>,
    /// Connections open at one time.
    pub max_connections: usize,
    /// How long a request's head may take, and a connection may idle.
    pub header_timeout: Duration,
    /// How long a request's body may take.
    pub body_timeout: Duration,
    /// How long running requests get at shutdown.
    pub shutdown_grace: Duration,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

/// The Postgres door.
#[derive(Clone, Debug, PartialEq)]
pub struct Postgres {
    /// Whether there is one.
    pub enabled: bool,
    /// Address and port that are listened on.
    pub listen: SocketAddr,
    /// Connections open at one time.
    pub max_connections: usize,
    /// File with the certificate and its chain, relative to the project; empty: one is made.
    pub certificate: String,
    /// File with the certificate's key.
    pub key: String,
}

/// Where the tables lie.
#[derive(Clone, Debug, PartialEq)]
pub struct Lake {
    /// A folder, or an `s3://`, `gs://`, `az://` URL.
    pub url: String,
    /// Options of the object store, by the names that `object_store` knows, secrets resolved.
    pub store: Vec<(&'static str, String)>,
    /// How long tables keep rows; the first rule that fits a table decides.
    pub retention: Vec<RetentionRule>,
}

/// The write-ahead log.
#[derive(Clone, Debug, PartialEq)]
pub struct Wal {
    /// Folder, relative to the project.
    pub dir: String,
    /// Size of one segment file.
    pub segment_size: ByteSize,
    /// Size of all segments together.
    pub max_size: ByteSize,
    /// Free space on its disk below which rows are refused.
    pub min_free: ByteSize,
}

/// When rows in memory become files.
#[derive(Clone, Debug, PartialEq)]
pub struct Flush {
    /// Longest time between two commits while rows come in.
    pub interval: Duration,
    /// Rows in memory that make a flush begin at once.
    pub bytes: ByteSize,
}

/// Rows in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Hot {
    /// Memory for rows that are not in files yet.
    pub limit: ByteSize,
}

/// Exactly once.
#[derive(Clone, Debug, PartialEq)]
pub struct Dedup {
    /// How long a message id is remembered; `None`: for ever.
    pub window: Option<Duration>,
}

/// Housekeeping in the background.
#[derive(Clone, Debug, PartialEq)]
pub struct Maintenance {
    /// Whether small files are merged.
    pub compaction: bool,
    /// Age at which files that no version of interest needs are deleted.
    pub vacuum_retention: Duration,
}

/// The intake's limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Collect {
    /// Size of one event.
    pub max_event_size: ByteSize,
    /// Size of one request's body, decompressed.
    pub max_batch_size: ByteSize,
    /// Events in one request.
    pub max_batch_events: u32,
    /// Events per second and write key; 0: no limit.
    pub key_rate: u64,
    /// Requests per second and IP address; 0: no limit.
    pub ip_rate: u64,
    /// A second path to every intake route, for pages whose readers block the usual ones.
    pub path_prefix: Option<String>,
}

/// The SQL engine's limits.
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Memory for all queries together; none where it follows from the machine.
    pub memory: Option<ByteSize>,
    /// Disk space for what does not fit into memory.
    pub temp_size: ByteSize,
    /// The largest value a function may make.
    pub value_size: ByteSize,
    /// Longest run time of a query.
    pub timeout: Duration,
    pub transaction_timeout: Duration,
    /// Threads; 0: one per core.
    pub threads: usize,
    /// Queries that run at one time; others wait.
    pub concurrency: usize,
    /// Queries that may wait for their turn.
    pub queue: usize,
}

/// Logs.
#[derive(Clone, Debug, PartialEq)]
pub struct Log {
    /// Least level written: `error`, `warn`, `info`, `debug`, `trace`.
    pub level: &'static str,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// `Text` on a terminal, `Json` otherwise.
    Auto,
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

impl Config {
    /// A configuration with nothing in it, before the defaults of the table are applied.
    pub(super) fn blank() -> Config {
        Config {
            server: Server {
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                tls: false,
                certificate: String::new(),
                key: String::new(),
                allow_http: false,
                public_url: None,
                max_connections: 0,
                header_timeout: Duration::ZERO,
                body_timeout: Duration::ZERO,
                shutdown_grace: Duration::ZERO,
                trusted_proxies: Vec::new(),
            },
            postgres: Postgres {
                enabled: false,
                listen: SocketAddr::from(([127, 0, 0, 1], 0)),
                max_connections: 0,
                certificate: String::new(),
                key: String::new(),
            },
            lake: Lake {
                url: String::new(),
                store: Vec::new(),
                retention: Vec::new(),
            },
            wal: Wal {
                dir: String::new(),
                segment_size: ByteSize(0),
                max_size: ByteSize(0),
                min_free: ByteSize(0),
            },
            flush: Flush {
                interval: Duration::ZERO,
                bytes: ByteSize(0),
            },
            hot: Hot { limit: ByteSize(0) },
            dedup: Dedup { window: None },
            maintenance: Maintenance {
                compaction: false,
                vacuum_retention: Duration::ZERO,
            },
            collect: Collect {
                max_event_size: ByteSize(0),
                max_batch_size: ByteSize(0),
                max_batch_events: 0,
                key_rate: 0,
                ip_rate: 0,
                path_prefix: None,
            },
            query: Query {
                memory: None,
                temp_size: ByteSize(0),
                value_size: ByteSize(0),
                timeout: Duration::ZERO,
                transaction_timeout: Duration::ZERO,
                threads: 0,
                concurrency: 0,
                queue: 0,
            },
            log: Log {
                level: "info",
                format: LogFormat::Auto,
            },
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        super::read::defaults()
    }
}
