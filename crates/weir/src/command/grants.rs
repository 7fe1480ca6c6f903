use clap::Subcommand;
use serde::Serialize;
use weir_access::{Grant, GrantObject, Privileges};
use weir_catalog::{Actor, Catalog};

use super::Global;
use crate::failure::{Explain, ExplainHinted, Failure};
use crate::ui::Ui;

/// Give rights on schemas and tables, and take them away
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Give rights: `weir grants add select,insert raw_shop support`
    Add(Parts),
    /// List what was granted
    List,
    /// Take rights away
    Remove(Parts),
}

#[derive(clap::Args)]
struct Parts {
    /// select, insert, update, delete, create, usage or all; several with commas
    privileges: String,
    /// A schema with all its tables, those of the future too; or `schema.table`
    on: String,
    /// A user, a role, or `public` for everybody
    to: String,
}

#[derive(Serialize)]
struct Shown<'a> {
    grantee: &'a str,
    schema: &'a str,
    table: Option<&'a str>,
    privileges: Vec<&'a str>,
}

impl<'a> From<&'a Grant> for Shown<'a> {
    fn from(grant: &'a Grant) -> Self {
        let privileges = grant.privileges.iter();
        Self {
            grantee: &grant.grantee,
            schema: grant.object.schema(),
            table: grant.object.table(),
            privileges: privileges.map(|privilege| privilege.as_str()).collect(),
        }
    }
}

impl Parts {
    fn read(&self) -> Result<(GrantObject, Privileges), Failure> {
        let mut privileges = Privileges::NONE;
        for word in self.privileges.split(',') {
            let read = word.trim().parse::<Privileges>();
            privileges = privileges.with(read.explain(|| format!("`{word}` is no right"))?);
        }
        let object = match self.on.split_once('.') {
            Some((schema, table)) => GrantObject::Table {
                schema: schema.to_owned(),
                table: table.to_owned(),
            },
            None => GrantObject::Schema(self.on.clone()),
        };
        Ok((object, privileges))
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
        let (parts, changed, did) = match &self {
            Action::List => {
                list(catalog, ui);
                return Ok(());
            }
            Action::Add(parts) => {
                let (object, privileges) = parts.read()?;
                let done = catalog.grant(&by, &parts.to, &object, privileges).await;
                let changed = done.explain_hinted(|| "cannot give these rights".into())?;
                (parts, changed, "Granted")
            }
            Action::Remove(parts) => {
                let (object, privileges) = parts.read()?;
                let done = catalog.revoke(&by, &parts.to, &object, privileges).await;
                let changed = done.explain_hinted(|| "cannot take these rights".into())?;
                (parts, changed, "Revoked")
            }
        };
        if ui.is_json() {
            ui.answer_json(&serde_json::json!({ "changed": changed }));
        } else if changed {
            ui.status(format!(
                "{did} {} on `{}`: `{}`.",
                parts.privileges, parts.on, parts.to
            ));
        } else {
            ui.status("That is so already.");
        }
        Ok(())
    }
}

fn list(catalog: &Catalog, ui: &Ui) {
    let access = catalog.access();
    let grants: Vec<Shown<'_>> = access.grants().iter().map(Shown::from).collect();
    if ui.is_json() {
        ui.answer_json(&grants);
        return;
    }
    if grants.is_empty() {
        ui.status("Nothing was granted; what the built-in roles may do is in docs/access.md");
        return;
    }
    ui.answer(format!("{:<30}{:<40}{}", "grantee", "on", "rights"));
    for grant in grants {
        let on = match grant.table {
            Some(table) => format!("{}.{table}", grant.schema),
            None => format!("{} (schema)", grant.schema),
        };
        ui.answer(format!(
            "{:<30}{on:<40}{}",
            grant.grantee,
            grant.privileges.join(", ")
        ));
    }
}
