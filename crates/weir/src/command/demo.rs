use std::path::PathBuf;

use super::Global;
use crate::demo;
use crate::failure::Failure;
use crate::ui::Ui;

/// Start a server with a made-up company whose events keep flowing
///
/// Everything goes through the public doors: events are sent over HTTP with a fresh key, the
/// example queries are asked over HTTP. Runs until stopped.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The folder to make the project in; by default a new one among the temporary files
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Number from which the company's life follows
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Events of the two weeks before now
    #[arg(long, default_value_t = 20_000, value_name = "EVENTS")]
    history: usize,
    /// Visits that begin every second
    #[arg(long, default_value_t = 0.3, value_name = "VISITS")]
    rate: f64,
    /// Stop after the example queries
    #[arg(long)]
    once: bool,
}

impl Args {
    pub(crate) async fn run(self, _: &Global, ui: &Ui) -> Result<(), Failure> {
        let options = demo::Options {
            dir: self.dir,
            port: self.port,
            seed: self.seed,
            history: self.history,
            rate: self.rate.clamp(0.0, 1000.0),
            once: self.once,
        };
        Box::pin(demo::run(options, ui)).await
    }
}
