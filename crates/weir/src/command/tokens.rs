use chrono::{DateTime, TimeDelta, Utc};
use clap::Subcommand;
use serde::Serialize;
use weir_access::{Scope, TokenInfo};
use weir_catalog::{Actor, Catalog, NewToken};

use super::Global;
use crate::failure::{Explain, ExplainHinted, Failure};
use crate::ui::Ui;

/// Make, list and revoke API tokens
///
/// A token stands for a user, within its scopes: over HTTP as a Bearer token, for Postgres clients
/// as the password.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Make a token for a user; it is shown this once
    Create {
        /// Whose it is
        user: String,
        /// read, write, manage, or read:SCHEMA, write:SCHEMA; several with commas
        #[arg(long, default_value = "read")]
        scopes: String,
        /// Days until it stops working; 0 for never
        #[arg(long, default_value_t = 90, value_name = "DAYS")]
        expires: u32,
        /// What the token is for
        #[arg(long, default_value = "")]
        label: String,
    },
    /// List all tokens, revoked ones too
    List,
    /// Stop accepting a token: sessions and queries that use it end
    Revoke {
        /// The token's number, or the token itself
        token: String,
    },
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<&'a str>,
    id: i64,
    user: &'a str,
    label: &'a str,
    starts_with: &'a str,
    scopes: Vec<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    last_used_at: Option<DateTime<Utc>>,
}

impl<'a> Shown<'a> {
    fn new(info: &'a TokenInfo, token: Option<&'a str>) -> Self {
        Self {
            token,
            id: info.id,
            user: &info.user,
            label: &info.label,
            starts_with: &info.shown,
            scopes: info.scopes.iter().map(Scope::to_string).collect(),
            created_at: info.created_at,
            expires_at: info.expires_at,
            revoked_at: info.revoked_at,
            last_used_at: None,
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
            Action::Create {
                user,
                scopes,
                expires,
                label,
            } => {
                let scopes =
                    Scope::parse_list(&scopes).explain(|| "these scopes cannot be given".into())?;
                let expires_at =
                    (expires > 0).then(|| Utc::now() + TimeDelta::days(i64::from(expires)));
                let new = NewToken {
                    user,
                    label,
                    scopes,
                    expires_at,
                };
                let (token, info) = catalog
                    .create_token(&by, new)
                    .await
                    .explain_hinted(|| "cannot make a token".into())?;
                if ui.is_json() {
                    ui.answer_json(&Shown::new(&info, Some(token.reveal())));
                } else {
                    ui.status(format!("Token of `{}`, shown this once:", info.user));
                    ui.answer(token.reveal());
                }
            }
            Action::List => list(catalog, ui).await?,
            Action::Revoke { token } => {
                let info = catalog
                    .revoke_token(&by, &token)
                    .await
                    .explain_hinted(|| "cannot revoke the token".into())?;
                if ui.is_json() {
                    ui.answer_json(&Shown::new(&info, None));
                } else {
                    ui.status(format!("Revoked token {} of `{}`.", info.id, info.user));
                }
            }
        }
        Ok(())
    }
}

async fn list(catalog: &Catalog, ui: &Ui) -> Result<(), Failure> {
    let uses = catalog.token_uses().await;
    let uses = uses.explain_hinted(|| "cannot list the tokens".into())?;
    let access = catalog.access();
    let mut tokens: Vec<Shown<'_>> = access
        .tokens()
        .map(|info| Shown {
            last_used_at: uses.get(&info.id).copied(),
            ..Shown::new(info, None)
        })
        .collect();
    tokens.sort_by_key(|token| token.id);
    if ui.is_json() {
        ui.answer_json(&tokens);
        return Ok(());
    }
    ui.answer(format!(
        "{:>4}  {:<14}{:<24}{:<22}{:<18}{:<18}{:<18}{}",
        "id", "starts with", "user", "scopes", "expires", "revoked", "last used", "label"
    ));
    for token in tokens {
        let time = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M").to_string();
        let line = format!(
            "{:>4}  {:<14}{:<24}{:<22}{:<18}{:<18}{:<18}{}",
            token.id,
            token.starts_with,
            token.user,
            token.scopes.join(","),
            token.expires_at.map(time).unwrap_or_default(),
            token.revoked_at.map(time).unwrap_or_default(),
            token.last_used_at.map(time).unwrap_or_default(),
            token.label,
        );
        ui.answer(line.trim_end());
    }
    Ok(())
}
