use std::net::SocketAddr;

use serde::Serialize;

use super::Global;
use crate::failure::Failure;
use crate::house::{House, StopSignals, bind};
use crate::log;
use crate::postgres;
use crate::tls;
use crate::ui::Ui;

/// Start the server: take events, keep the lake, answer queries
///
/// Runs until SIGTERM or SIGINT, then stops accepting, answers what is under way, commits, and
/// exits with 0. A second signal ends it at once; nothing acknowledged is lost either way.
#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Started<'a> {
    url: &'a str,
    pid: u32,
    postgres: Option<SocketAddr>,
    /// Where the first owner sets a password; none when one can sign in.
    #[serde(skip_serializing_if = "Option::is_none")]
    setup: Option<String>,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let project = global.project()?;
        let config = project.config(ui)?;
        log::start(&config.log);
        let certificate = tls::of_http(&project, &config)?;
        let listener = bind(config.server.listen)?;
        let postgres = postgres::open(&project, &config)?;
        let lake = project.lake_url(&config);
        let house = House::open(project.clone(), config, ui).await?;
        // Before anybody is answered: whoever was may ask it to stop at once.
        let stop = StopSignals::listen()?;
        let mut serving = house.serve(listener, certificate, postgres)?;
        // Whoever reads that it listens finds its schedules in force.
        serving.run_schedules(ui).await;
        let setup = serving.setup_link();
        if ui.is_json() {
            ui.answer_json(&Started {
                url: serving.url(),
                pid: std::process::id(),
                postgres: serving.postgres(),
                setup,
            });
        } else {
            ui.headed("Listening on", serving.url());
            if let Some(address) = serving.postgres() {
                ui.headed("Postgres at", postgres::psql_line(address, "owner"));
            }
            if let Some(link) = setup {
                ui.headed("Sign in for the first time at", link);
            }
            ui.status(format!("Owner's token: {}", project.token_path().display()));
            ui.status(format!("Lake: {lake}"));
        }
        stop.wait().await;
        ui.status("Stopping: answering what is under way, then committing.");
        serving.stop().await?;
        ui.status("Stopped; everything is committed.");
        Ok(())
    }
}
