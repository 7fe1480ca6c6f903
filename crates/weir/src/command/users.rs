use std::io::BufRead;

use clap::Subcommand;
use serde::Serialize;
use weir_access::{User, generate_password};
use weir_catalog::{Actor, Catalog, NewUser};

use super::Global;
use crate::failure::{Explain, ExplainHinted, Failure};
use crate::ui::Ui;

/// Make and manage the users who may sign in
///
/// Works on the project's catalog directly, as its owner: whoever has the project's files may do
/// everything. A running server follows within half a second.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a user, with a schema of their own; the password is made up and shown this once
    Add {
        /// The name to sign in with, such as `ada` or `ada@example.com`
        name: String,
        /// A role: owner, admin, engineer, analyst, viewer, service, or one of yours; again for more
        #[arg(long = "role", value_name = "ROLE", required = true)]
        roles: Vec<String>,
        #[command(flatten)]
        password: Password,
        /// No password: only tokens let the user in
        #[arg(long, conflicts_with = "password_stdin")]
        no_password: bool,
    },
    /// List all users
    List,
    /// Set a user's password: made up and shown this once, unless it is given
    Passwd {
        /// The user
        name: String,
        #[command(flatten)]
        password: Password,
    },
    /// Suspend a user: sessions and running queries end
    Disable {
        /// The user
        name: String,
    },
    /// Let a suspended user in again
    Enable {
        /// The user
        name: String,
    },
    /// Remove a user with their tokens and grants; their tables stay for owners and admins
    Drop {
        /// The user
        name: String,
    },
}

#[derive(clap::Args)]
struct Password {
    /// Read the password from the first line of stdin
    #[arg(long)]
    password_stdin: bool,
}

impl Password {
    /// Returns the password, and whether it was made up here.
    fn read(&self) -> Result<(String, bool), Failure> {
        if !self.password_stdin {
            return Ok((generate_password(), true));
        }
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .explain(|| "cannot read the password from stdin".into())?;
        let password = line.trim_end_matches(['\r', '\n']).to_owned();
        if password.is_empty() {
            return Err(Failure::new("there is no password on stdin"));
        }
        Ok((password, false))
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    name: &'a str,
    roles: Vec<&'a str>,
    schema: &'a str,
    disabled: bool,
    has_password: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

impl<'a> Shown<'a> {
    fn new(user: &'a User, password: Option<&'a str>) -> Self {
        Self {
            name: user.name.as_str(),
            roles: user.roles.iter().map(|role| role.as_str()).collect(),
            schema: &user.schema,
            disabled: user.disabled,
            has_password: user.password.is_some(),
            password,
        }
    }
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
        match self {
            Action::Add {
                name,
                roles,
                password,
                no_password,
            } => {
                let password = match no_password {
                    true => None,
                    false => Some(password.read()?),
                };
                let new = NewUser {
                    name,
                    roles,
                    password: password.as_ref().map(|(text, _)| text.clone()),
                };
                let user = catalog
                    .create_user(&by, new)
                    .await
                    .explain_hinted(|| "cannot make the user".into())?;
                let made_up = password.filter(|(_, made_up)| *made_up);
                let made_up = made_up.as_ref().map(|(text, _)| text.as_str());
                if ui.is_json() {
                    ui.answer_json(&Shown::new(&user, made_up));
                    return Ok(());
                }
                ui.status(format!(
                    "Made user `{}` with the schema `{}`.",
                    user.name, user.schema
                ));
                if let Some(password) = made_up {
                    ui.status("The password, shown this once:");
                    ui.answer(password);
                }
            }
            Action::List => list(catalog, ui),
            Action::Passwd { name, password } => {
                let (password, made_up) = password.read()?;
                catalog
                    .set_password(&by, &name, Some(&password))
                    .await
                    .explain_hinted(|| "cannot set the password".into())?;
                match (ui.is_json(), made_up) {
                    (true, _) => ui.answer_json(&serde_json::json!({
                        "name": name,
                        "password": made_up.then_some(password),
                    })),
                    (false, true) => {
                        ui.status(format!("The new password of `{name}`, shown this once:"));
                        ui.answer(password);
                    }
                    (false, false) => ui.status(format!("Set the password of `{name}`.")),
                }
            }
            Action::Disable { name } => set_disabled(catalog, &name, true, ui).await?,
            Action::Enable { name } => set_disabled(catalog, &name, false, ui).await?,
            Action::Drop { name } => {
                catalog
                    .drop_user(&by, &name)
                    .await
                    .explain_hinted(|| "cannot remove the user".into())?;
                if ui.is_json() {
                    ui.answer_json(&serde_json::json!({ "name": name, "dropped": true }));
                } else {
                    ui.status(format!("Removed user `{name}`."));
                }
            }
        }
        Ok(())
    }
}

async fn set_disabled(
    catalog: &Catalog,
    name: &str,
    disabled: bool,
    ui: &Ui,
) -> Result<(), Failure> {
    let verb = if disabled { "disable" } else { "enable" };
    catalog
        .set_user_disabled(&Actor::local(), name, disabled)
        .await
        .explain_hinted(|| format!("cannot {verb} the user"))?;
    if ui.is_json() {
        ui.answer_json(&serde_json::json!({ "name": name, "disabled": disabled }));
    } else {
        let did = if disabled { "Disabled" } else { "Enabled" };
        ui.status(format!("{did} user `{name}`."));
    }
    Ok(())
}

fn list(catalog: &Catalog, ui: &Ui) {
    let access = catalog.access();
    if ui.is_json() {
        let users: Vec<Shown<'_>> = access.users().map(|user| Shown::new(user, None)).collect();
        ui.answer_json(&users);
        return;
    }
    ui.answer(format!(
        "{:<30}{:<24}{:<24}{:<10}{}",
        "name", "roles", "schema", "password", "state"
    ));
    for user in access.users() {
        let shown = Shown::new(user, None);
        let line = format!(
            "{:<30}{:<24}{:<24}{:<10}{}",
            shown.name,
            shown.roles.join(","),
            shown.schema,
            if shown.has_password { "yes" } else { "no" },
            if shown.disabled { "disabled" } else { "" },
        );
        ui.answer(line.trim_end());
    }
}
