use clap::Subcommand;
use serde::Serialize;
use weir_access::Role;
use weir_catalog::{Actor, Catalog};

use super::Global;
use crate::failure::{ExplainHinted, Failure};
use crate::ui::Ui;

/// Make roles, and give them to users
///
/// A role is a bundle of grants. Six are built in: owner, admin, engineer, analyst, viewer, service.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a role
    Create {
        /// Its name
        role: String,
    },
    /// List the roles with the users who have them
    List,
    /// Give a role to a user
    Give {
        /// The role
        role: String,
        /// The user
        user: String,
    },
    /// Take a role from a user
    Take {
        /// The role
        role: String,
        /// The user
        user: String,
    },
    /// Remove a role, with what was granted to it
    Drop {
        /// The role
        role: String,
    },
}

#[derive(Serialize)]
struct Shown {
    name: String,
    built_in: bool,
    users: Vec<String>,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let catalog = global.project()?.open_catalog().await?;
        let done = self.action.run(&catalog, ui).await;
        catalog.close().await;
        done
    }
}

impl Action {
    async fn run(self, catalog: &Catalog, ui: &Ui) -> Result<(), Failure> {
        let by = Actor::local();
        let said = match self {
            Action::List => {
                list(catalog, ui);
                return Ok(());
            }
            Action::Create { role } => {
                let done = catalog.create_role(&by, &role).await;
                done.explain_hinted(|| "cannot make the role".into())?;
                format!("Made role `{role}`.")
            }
            Action::Give { role, user } => {
                let given = catalog.add_user_role(&by, &user, &role).await;
                match given.explain_hinted(|| "cannot give the role".into())? {
                    true => format!("Gave `{user}` the role `{role}`."),
                    false => format!("`{user}` has the role `{role}` already."),
                }
            }
            Action::Take { role, user } => {
                let taken = catalog.remove_user_role(&by, &user, &role).await;
                match taken.explain_hinted(|| "cannot take the role".into())? {
                    true => format!("Took the role `{role}` from `{user}`."),
                    false => format!("`{user}` does not have the role `{role}`."),
                }
            }
            Action::Drop { role } => {
                let done = catalog.drop_role(&by, &role).await;
                done.explain_hinted(|| "cannot remove the role".into())?;
                format!("Removed role `{role}`.")
            }
        };
        if ui.is_json() {
            ui.answer_json(&serde_json::json!({ "done": said }));
        } else {
            ui.status(said);
        }
        Ok(())
    }
}

fn list(catalog: &Catalog, ui: &Ui) {
    let access = catalog.access();
    let built_in = Role::ALL.map(|role| (role.as_str().to_owned(), true));
    let custom = access.custom_roles().map(|role| (role.to_string(), false));
    let roles: Vec<Shown> = built_in
        .into_iter()
        .chain(custom)
        .map(|(name, built_in)| {
            let having = access
                .users()
                .filter(|user| user.roles.contains(name.as_str()));
            Shown {
                users: having.map(|user| user.name.to_string()).collect(),
                name,
                built_in,
            }
        })
        .collect();
    if ui.is_json() {
        ui.answer_json(&roles);
        return;
    }
    ui.answer(format!("{:<30}{:<10}{}", "role", "built in", "users"));
    for role in roles {
        let line = format!(
            "{:<30}{:<10}{}",
            role.name,
            if role.built_in { "yes" } else { "" },
            role.users.join(", ")
        );
        ui.answer(line.trim_end());
    }
}
