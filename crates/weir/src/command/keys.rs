use clap::Subcommand;
use weir_catalog::{Actor, KeyInfo};
use weir_core::SourceName;

use super::Global;
use crate::failure::{Explain, ExplainHinted, Failure};
use crate::house::apply_sources;
use crate::ui::Ui;

/// Make, list and revoke write keys
///
/// Works on the project's catalog directly; a running server follows within half a second.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a key for a source; it is shown this once
    Create {
        /// The source that the key writes to
        source: String,
        /// What the key is for
        #[arg(long, default_value = "")]
        label: String,
    },
    /// List all keys, revoked ones too
    List,
    /// Stop accepting a key
    Revoke {
        /// The key's number, its listed prefix, or the key itself
        key: String,
    },
}

#[derive(serde::Serialize)]
struct Created<'a> {
    key: &'a str,
    #[serde(flatten)]
    info: &'a KeyInfo,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let project = global.project()?;
        let catalog = project.open_catalog().await?;
        match self.action {
            Action::Create { source, label } => {
                let source =
                    SourceName::new(&source).explain(|| "there is no such source".into())?;
                if catalog.source(&source).is_none() {
                    // Described in a file since the server last started.
                    apply_sources(&project, &catalog).await?;
                }
                let new = catalog
                    .create_key(&Actor::local(), &source, &label)
                    .await
                    .explain_hinted(|| "cannot make a key".into())?;
                if ui.is_json() {
                    ui.answer_json(&Created {
                        key: new.key.reveal(),
                        info: &new.info,
                    });
                } else {
                    ui.status(format!("Write key of source `{source}`, shown this once:"));
                    ui.answer(new.key.reveal());
                }
            }
            Action::List => {
                let keys = catalog
                    .keys()
                    .await
                    .explain_hinted(|| "cannot list the keys".into())?;
                list(&keys, ui);
            }
            Action::Revoke { key } => {
                let info = catalog
                    .revoke_key(&Actor::local(), &key)
                    .await
                    .explain_hinted(|| "cannot revoke the key".into())?;
                if ui.is_json() {
                    ui.answer_json(&info);
                } else {
                    ui.status(format!(
                        "Revoked key {} of source `{}`.",
                        info.prefix, info.source
                    ));
                }
            }
        }
        catalog.close().await;
        Ok(())
    }
}

fn list(keys: &[KeyInfo], ui: &Ui) {
    if ui.is_json() {
        ui.answer_json(&keys);
        return;
    }
    if keys.is_empty() {
        ui.status("There are no keys; `weir keys create SOURCE` makes one");
        return;
    }
    ui.answer(format!(
        "{:>4}  {:<11}{:<20}{:<18}{:<18}{}",
        "id", "prefix", "source", "created", "revoked", "label"
    ));
    for key in keys {
        let time = |at: chrono::DateTime<chrono::Utc>| at.format("%Y-%m-%d %H:%M").to_string();
        let line = format!(
            "{:>4}  {:<11}{:<20}{:<18}{:<18}{}",
            key.id,
            key.prefix,
            key.source.as_str(),
            time(key.created_at),
            key.revoked_at.map(time).unwrap_or_default(),
            key.label,
        );
        ui.answer(line.trim_end());
    }
}
