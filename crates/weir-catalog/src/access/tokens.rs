use std::collections::HashMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use weir_access::{Identity, MAX_TOKENS, Scope, ScramKeys, ScramSalt, Token, TokenInfo};

use super::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

/// A token to be made.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// Whose it is to be.
    pub user: String,
    /// What it is for, in the words of whoever makes it.
    pub label: String,
    /// What it may be used for, within what its user may do.
    pub scopes: Vec<Scope>,
    /// When it stops working.
    pub expires_at: Option<DateTime<Utc>>,
}

/// How often at most the use of one token is written down.
const NOTED_EVERY: Duration = Duration::from_secs(60);

fn described(info: &TokenInfo) -> Value {
    let scopes: Vec<String> = info.scopes.iter().map(Scope::to_string).collect();
    json!({
        "id": info.id,
        "user": info.user,
        "label": info.label,
        "shown": info.shown,
        "scopes": scopes,
        "expires_at": info.expires_at,
        "revoked_at": info.revoked_at,
    })
}

fn invalid(text: impl Into<String>) -> CatalogError {
    CatalogError::new(CatalogErrorKind::Invalid, text)
}

impl Catalog {
    /// Makes a token; its secret is in the answer and nowhere else.
    pub async fn create_token(
        &self,
        by: &Actor,
        new: NewToken,
    ) -> Result<(Token, TokenInfo), CatalogError> {
        let user = self.known_user(&new.user)?;
        if !self.is_own(by, &user) {
            self.permit_on(by, &user)?;
        }
        if new.label.chars().count() > 200 || new.label.chars().any(char::is_control) {
            return Err(invalid(
                "a token's label is one line of at most 200 characters",
            ));
        }
        if new.scopes.is_empty() {
            return Err(invalid("a token needs a scope").with_hint("such as `read`"));
        }
        if new.expires_at.is_some_and(|at| at <= Utc::now()) {
            return Err(invalid("the token would have expired already"));
        }
        let access = self.access();
        let live = |token: &&TokenInfo| {
            token.user == new.user && token.id != 0 && token.refusal(Utc::now()).is_none()
        };
        if access.tokens().filter(live).count() >= MAX_TOKENS {
            return Err(invalid(format!(
                "`{}` has {MAX_TOKENS} tokens that work already",
                new.user
            ))
            .with_hint("revoke some: `weir tokens list` shows when each was last used"));
        }
        let token = Token::generate();
        let keys = derive(token.reveal(), user.scram.clone()).await?;
        let mut change = self.change(by, "token.create").await?;
        let scopes: Vec<String> = new.scopes.iter().map(Scope::to_string).collect();
        let micros = change.micros();
        let id = sqlx::query(
            "INSERT INTO tokens (user_id, label, shown, hash, scopes, created_at, expires_at,
                 scram_stored_key, scram_server_key)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .bind(user.id)
        .bind(&new.label)
        .bind(token.shown())
        .bind(token.hash().0.to_vec())
        .bind(scopes.join(","))
        .bind(micros)
        .bind(new.expires_at.map(|at| at.timestamp_micros()))
        .bind(keys.stored_key.to_vec())
        .bind(keys.server_key.to_vec())
        .execute(&mut *change.tx)
        .await
        .map_err(change.failed())?
        .last_insert_rowid();
        let info = TokenInfo {
            id,
            user: user.name.to_string(),
            label: new.label,
            shown: token.shown().to_owned(),
            scopes: new.scopes,
            created_at: change.now,
            expires_at: new.expires_at,
            revoked_at: None,
        };
        let after = Some(described(&info));
        change.commit(format!("token {id}"), None, after).await?;
        Ok((token, info))
    }

    /// Takes a token back, named by its number, its first characters or the token itself.
    pub async fn revoke_token(&self, by: &Actor, name: &str) -> Result<TokenInfo, CatalogError> {
        let access = self.access();
        let id = name.parse::<i64>().ok();
        let mut found = access.tokens().filter(|token| {
            Some(token.id) == id
                || (token.id != 0 && name.starts_with("weir_") && name.starts_with(&token.shown))
        });
        let info = match (found.next(), found.next()) {
            (Some(info), None) => info.clone(),
            (Some(_), Some(_)) => {
                return Err(invalid("more than one token starts like this")
                    .with_hint("name the token by its number: `weir tokens list` shows it"));
            }
            // The argument may be a token in clear, so it is not repeated.
            (None, _) => return Err(no_token()),
        };
        let user = self.known_user(&info.user)?;
        if !self.is_own(by, &user)
            && let Err(denied) = self.permit_on(by, &user)
        {
            // Whether other people have a token of that number is nobody's business.
            let manages = self.permit(
                by,
                weir_access::Action::ManageAccess,
                &weir_access::Object::Server,
            );
            return Err(if manages.is_ok() { denied } else { no_token() });
        }
        if info.id == 0 {
            return Err(invalid("this is the project's owner token")
                .with_hint("make a new one; the old one stops working with it"));
        }
        if info.revoked_at.is_some() {
            return Ok(info);
        }
        let mut change = self.change(by, "token.revoke").await?;
        let micros = change.micros();
        sqlx::query("UPDATE tokens SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL")
            .bind(info.id)
            .bind(micros)
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        let revoked = TokenInfo {
            revoked_at: Some(change.now),
            ..info.clone()
        };
        change
            .commit(
                format!("token {}", info.id),
                Some(described(&info)),
                Some(described(&revoked)),
            )
            .await?;
        Ok(revoked)
    }
}

impl Catalog {
    /// Notes that somebody came by a token: at most once a minute for each, and not now.
    pub fn note_use(&self, who: &Identity) {
        let access = self.access();
        let Some(id) = access.token_of(who).map(|token| token.id) else {
            return;
        };
        let now = Instant::now();
        {
            let mut uses = self.inner.token_uses.lock();
            let last = uses.get(&id);
            if last.is_some_and(|last| now.duration_since(*last) < NOTED_EVERY) {
                return;
            }
            uses.insert(id, now);
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (store, at) = (self.inner.store.clone(), Utc::now());
        runtime.spawn(async move {
            if let Err(error) = store.put_token_use(id, at).await {
                tracing::warn!(%error, "the use of a token is not noted");
            }
        });
    }

    /// Returns when each token was last used, to about a minute, by its number.
    pub async fn token_uses(&self) -> Result<HashMap<i64, DateTime<Utc>>, CatalogError> {
        self.inner.store.token_uses().await
    }
}

/// Derives what recognises a token that is proved.
pub(super) async fn derive(token: &str, salt: ScramSalt) -> Result<ScramKeys, CatalogError> {
    let token = token.to_owned();
    tokio::task::spawn_blocking(move || ScramKeys::derive(&token, &salt))
        .await
        .map_err(|error| {
            CatalogError::because(
                CatalogErrorKind::Unavailable,
                "derive a token's keys",
                error,
            )
        })
}

fn no_token() -> CatalogError {
    CatalogError::new(CatalogErrorKind::NotFound, "no such token")
        .with_hint("`weir tokens list` shows the tokens there are")
}
