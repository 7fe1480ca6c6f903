use std::sync::Arc;

use serde_json::{Value, json};
use weir_access::{Action, Object, ScramKeys};
use weir_core::SourceName;

use super::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};
use crate::key::{KeyInfo, NewKey, WriteKey, hash_secret};
use crate::source::{Source, SourceSettings};
use crate::sqlite;
use crate::token::OwnerToken;

/// What an upsert did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Upserted {
    /// The source is new.
    Created,
    /// The source existed and is different now.
    Changed,
    /// Nothing was written.
    Unchanged,
}

fn described(enabled: bool, settings: &SourceSettings) -> Value {
    json!({ "enabled": enabled, "settings": settings })
}

impl Catalog {
    /// Creates the source `name`, or brings it to this state.
    pub async fn upsert_source(
        &self,
        by: &Actor,
        name: &SourceName,
        enabled: bool,
        settings: &SourceSettings,
    ) -> Result<(Arc<Source>, Upserted), CatalogError> {
        self.permit(by, Action::ManageSources, &Object::Server)?;
        let before = self.source(name);
        if let Some(source) = &before
            && source.enabled == enabled
            && source.settings == *settings
        {
            return Ok((source.clone(), Upserted::Unchanged));
        }
        if before.is_none() {
            self.check_free_for_source(name)?;
        }
        let (action, done) = match before {
            None => ("source.create", Upserted::Created),
            Some(_) => ("source.change", Upserted::Changed),
        };
        let mut change = self.change(by, action).await?;
        let now = change.now;
        sqlite::put_source(&mut change.tx, name, enabled, settings, now).await?;
        let was = before.map(|source| described(source.enabled, &source.settings));
        change
            .commit(
                format!("source {name}"),
                was,
                Some(described(enabled, settings)),
            )
            .await?;
        let source = self.source(name).ok_or_else(|| no_source(name))?;
        Ok((source, done))
    }

    /// Makes a write key for a source; its secret is in the answer and nowhere else.
    pub async fn create_key(
        &self,
        by: &Actor,
        source: &SourceName,
        label: &str,
    ) -> Result<NewKey, CatalogError> {
        self.permit(by, Action::ManageSources, &Object::Server)?;
        let source = self.source(source).ok_or_else(|| no_source(source))?;
        if label.chars().count() > 200 || label.chars().any(char::is_control) {
            return Err(CatalogError::new(
                CatalogErrorKind::Invalid,
                "a key's label is one line of at most 200 characters",
            ));
        }
        let key = WriteKey::generate();
        let hash = hash_secret(key.reveal());
        let mut change = self.change(by, "key.create").await?;
        let now = change.now;
        let id =
            sqlite::insert_key(&mut change.tx, &source, label, key.prefix(), hash, now).await?;
        let info = KeyInfo {
            id,
            source: source.name.clone(),
            prefix: key.prefix().to_owned(),
            label: label.to_owned(),
            created_at: now,
            revoked_at: None,
        };
        change
            .commit(format!("key {id}"), None, Some(json!(info)))
            .await?;
        Ok(NewKey { key, info })
    }

    /// Stops accepting a key, named by its number, its listed prefix or the key itself.
    pub async fn revoke_key(&self, by: &Actor, name: &str) -> Result<KeyInfo, CatalogError> {
        self.permit(by, Action::ManageSources, &Object::Server)?;
        let keys = self.keys().await?;
        let prefix = name.get(..WriteKey::PREFIX).unwrap_or(name);
        let id = name.parse::<i64>().ok();
        let mut found = keys
            .into_iter()
            .filter(|key| Some(key.id) == id || key.prefix == prefix);
        let key = match (found.next(), found.next()) {
            (Some(key), None) => key,
            (Some(_), Some(_)) => {
                return Err(CatalogError::new(
                    CatalogErrorKind::Invalid,
                    format!("more than one key starts with `{prefix}`"),
                )
                .with_hint("name the key by its number: `weir keys list` shows it"));
            }
            (None, _) => {
                // The argument may be a key in clear, so it is not repeated.
                return Err(
                    CatalogError::new(CatalogErrorKind::NotFound, "no such write key")
                        .with_hint("`weir keys list` shows the keys there are"),
                );
            }
        };
        if key.revoked_at.is_some() {
            return Ok(key);
        }
        let mut change = self.change(by, "key.revoke").await?;
        let now = change.now;
        sqlite::revoke_key(&mut change.tx, key.id, now).await?;
        let revoked = KeyInfo {
            // As it is stored.
            revoked_at: Some(sqlite::decode_time(now.timestamp_micros())),
            ..key.clone()
        };
        change
            .commit(
                format!("key {}", key.id),
                Some(json!(key)),
                Some(json!(revoked)),
            )
            .await?;
        Ok(revoked)
    }

    /// Makes a new owner's token; the one before stops working.
    pub async fn create_owner_token(&self, by: &Actor) -> Result<OwnerToken, CatalogError> {
        self.permit(by, Action::ManageAccess, &Object::Server)?;
        let token = OwnerToken::generate();
        let keys = self.keys_of_owner(token.reveal()).await?;
        let mut change = self.change(by, "owner_token.create").await?;
        let (now, hash) = (change.now, hash_secret(token.reveal()));
        sqlite::put_owner_token(&mut change.tx, hash, keys.as_ref(), now).await?;
        change.commit("token 0", None, None).await?;
        Ok(token)
    }

    /// Makes the owner's token one that can be proved, where it is from before there was such a
    /// thing, or from before the user `owner` was made again; `token` is the token itself.
    pub async fn adopt_owner_token(&self, token: &str) -> Result<(), CatalogError> {
        if !self.is_owner(token) {
            return Ok(());
        }
        let Some(keys) = self.keys_of_owner(token).await? else {
            return Ok(());
        };
        let mut tx = self.inner.store.begin("store the owner's token").await?;
        let failed = |error| CatalogError::database("store the owner's token", error);
        sqlx::query(
            "UPDATE owner_token SET scram_stored_key = ?2, scram_server_key = ?3
             WHERE hash = ?1 AND scram_stored_key IS NOT ?2",
        )
        .bind(hash_secret(token).to_vec())
        .bind(keys.stored_key.to_vec())
        .bind(keys.server_key.to_vec())
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        self.refresh().await.map(drop)
    }

    /// Derives what recognises the owner's token when it is proved; none where there is no user
    /// `owner` any more.
    async fn keys_of_owner(&self, token: &str) -> Result<Option<ScramKeys>, CatalogError> {
        let Some(salt) = self.access().user("owner").map(|owner| owner.scram.clone()) else {
            return Ok(None);
        };
        super::tokens::derive(token, salt).await.map(Some)
    }
}

fn no_source(name: &SourceName) -> CatalogError {
    CatalogError::new(
        CatalogErrorKind::NotFound,
        format!("there is no source `{name}`"),
    )
    .with_hint(format!(
        "describe it in `sources/{name}.yml` and run `weir up`"
    ))
}
