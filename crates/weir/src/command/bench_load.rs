use std::path::PathBuf;
use std::time::Duration;

use crate::failure::Failure;
use crate::load;
use crate::ui::Ui;

/// Send events as fast as the server takes them, or at a fixed rate, and report latencies
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the server listens
    #[arg(long, default_value = "127.0.0.1:8080", value_name = "HOST:PORT")]
    address: String,
    /// The write key
    #[arg(long)]
    key: String,
    /// Connections, each with one request under way
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Events in one request
    #[arg(long, default_value_t = 100)]
    batch: usize,
    /// Compress the requests
    #[arg(long)]
    gzip: bool,
    /// Events per second over all connections; without it, each connection waits for its answer
    /// and sends again
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds to go on
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,
    /// Send again what was not acknowledged
    #[arg(long)]
    retry: bool,
    /// File to append the acknowledged ids to: prefix, first number in decimal, count
    #[arg(long, value_name = "FILE")]
    ids: Option<PathBuf>,
    /// Number from which the events follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

impl Args {
    pub(crate) async fn run(self, ui: &Ui) -> Result<(), Failure> {
        let options = load::Options {
            address: self.address,
            key: self.key,
            connections: self.connections.max(1),
            batch: self.batch.max(1),
            gzip: self.gzip,
            rate: self.rate.filter(|rate| *rate > 0.0),
            duration: Duration::from_secs_f64(self.seconds.clamp(0.1, 1e6)),
            retry: self.retry,
            ids: self.ids,
            seed: self.seed,
        };
        load::run(options, ui).await
    }
}
