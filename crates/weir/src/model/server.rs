//! The server a project's commands work with: one that runs already, or one for as long as the command.

use std::path::Path;

use crate::client::Client;
use crate::command::{Global, create_for_models};
use crate::failure::Failure;
use crate::house::{House, Serving, bind};
use crate::project::Project;
use crate::ui::Ui;

/// A server within reach.
pub(crate) struct Server {
    /// The one that this process runs, where no other did.
    own: Option<Serving>,
}

impl Server {
    /// Finds the server of the Weir project around `folder`, or starts one for this command only.
    ///
    /// A folder that is in no Weir project becomes one: a team's models need no edit to be built.
    pub(crate) async fn reach(
        global: &Global,
        folder: &Path,
        ui: &Ui,
    ) -> Result<(Self, Client), Failure> {
        if let Some((url, token)) = named_elsewhere() {
            let client = Client::to(url, token)?;
            return Ok((Self { own: None }, client));
        }
        let project = match global.project_around(folder)? {
            Some(project) => project,
            None => {
                let project = Project::at(folder);
                create_for_models(&project, ui).await?;
                ui.status(format!(
                    "Made {} a Weir project: tables lie in its folder `.weir`.",
                    folder.display()
                ));
                project
            }
        };
        let config = project.config(ui)?;
        if project.server_path().exists() {
            let client = Client::new(&project, &config)?;
            if client.is_running().await {
                return Ok((Self { own: None }, client));
            }
        }
        let listener = bind(std::net::SocketAddr::from(([127, 0, 0, 1], 0)))?;
        let house = House::open_for_command(project.clone(), config.clone(), ui).await?;
        let own = house.serve(listener, None, None)?;
        let client = own.client()?;
        Ok((Self { own: Some(own) }, client))
    }

    /// Stops the server if it is this command's own.
    pub(crate) async fn leave(self) -> Result<(), Failure> {
        match self.own {
            Some(serving) => serving.stop().await,
            None => Ok(()),
        }
    }
}

/// Returns the address and token of a server that the environment names.
fn named_elsewhere() -> Option<(String, String)> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    variable("WEIR_URL").zip(variable("WEIR_TOKEN"))
}
