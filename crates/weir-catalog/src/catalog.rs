use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use chrono::Utc;
use parking_lot::Mutex;
use weir_access::Access;
use weir_core::SourceName;

use crate::error::{CatalogError, CatalogErrorKind};
use crate::key::{KeyInfo, KeyLookup, NewKey, WriteKey, hash_secret};
use crate::source::{Source, SourceSettings};
use crate::sqlite::Store;
use crate::state::State;
use crate::token::OwnerToken;
use crate::view::View;

/// How often at most an unknown key makes us look into the store: enough that a key made a moment
/// ago works, too seldom for guesses to cost anything.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_millis(50);

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

/// The catalog; cheap to clone, all clones share one memory.
#[derive(Clone)]
pub struct Catalog {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    state: ArcSwap<State>,
    /// Serialises loads, so that an older state never replaces a newer one.
    loading: tokio::sync::Mutex<()>,
    last_unknown_key: Mutex<Option<Instant>>,
}

impl Catalog {
    /// Opens the catalog in `path`, creating or migrating it as needed.
    pub async fn open(path: &Path) -> Result<Catalog, CatalogError> {
        let store = Store::open(path).await?;
        let state = store.load(None).await?;
        Ok(Catalog {
            inner: Arc::new(Inner {
                store,
                state: ArcSwap::from_pointee(state),
                loading: tokio::sync::Mutex::new(()),
                last_unknown_key: Mutex::new(None),
            }),
        })
    }

    /// Closes the store; look-ups keep answering from memory.
    pub async fn close(&self) {
        self.inner.store.close().await;
    }

    // --- look-ups: memory only ---

    /// Says which source a write key belongs to. Does no I/O.
    pub fn source_for_key(&self, write_key: &str) -> KeyLookup {
        self.inner.state.load().source_for_key(write_key)
    }

    /// Returns all sources, by name.
    pub fn sources(&self) -> Vec<Arc<Source>> {
        self.inner.state.load().sources.values().cloned().collect()
    }

    /// Returns the source called `name`.
    pub fn source(&self, name: &SourceName) -> Option<Arc<Source>> {
        self.inner.state.load().sources.get(name).cloned()
    }

    /// Returns all views, by schema and name.
    pub fn views(&self) -> Arc<[View]> {
        self.inner.state.load().views.clone()
    }

    /// Returns everybody and what they may do, as of now. Does no I/O.
    pub fn access(&self) -> Arc<Access> {
        self.inner.state.load().access.clone()
    }

    /// Whether `token` is the owner's, compared in constant time.
    pub fn is_owner(&self, token: &str) -> bool {
        self.inner.state.load().is_owner(token)
    }

    /// Whether an owner's token was ever made.
    pub fn has_owner(&self) -> bool {
        self.inner.state.load().owner_token.is_some()
    }

    /// Returns a number that moves with every change this process has seen.
    pub fn generation(&self) -> i64 {
        self.inner.state.load().generation
    }

    // --- following other processes ---

    /// Takes over what other processes changed; returns whether there was anything.
    ///
    /// Costs one look at one number when nothing has changed.
    pub async fn refresh(&self) -> Result<bool, CatalogError> {
        if self.inner.store.generation().await? == self.generation() {
            return Ok(false);
        }
        self.reload().await?;
        Ok(true)
    }

    /// Looks up a key that [`Self::source_for_key`] did not know once more, after a refresh.
    ///
    /// Refreshes are rate-limited, so that guessing keys costs the store nothing; a failed refresh
    /// is an unknown key.
    pub async fn source_for_new_key(&self, write_key: &str) -> KeyLookup {
        match self.refresh_for_stranger().await {
            true => self.source_for_key(write_key),
            false => KeyLookup::Unknown,
        }
    }

    /// Looks once more whether another process has just made what somebody shows: a key, a token, a
    /// user. Returns false when it was looked a moment ago; guessing costs the store nothing.
    pub async fn refresh_for_stranger(&self) -> bool {
        {
            let mut last = self.inner.last_unknown_key.lock();
            if last.is_some_and(|last| last.elapsed() < UNKNOWN_KEY_INTERVAL) {
                return false;
            }
            *last = Some(Instant::now());
        }
        if let Err(error) = self.refresh().await {
            tracing::warn!(error = %error, "cannot look for new keys in the catalog");
        }
        true
    }

    pub(crate) async fn reload(&self) -> Result<(), CatalogError> {
        let _guard = self.inner.loading.lock().await;
        let before = self.inner.state.load_full();
        let state = self.inner.store.load(Some(&before)).await?;
        self.inner.state.store(Arc::new(state));
        Ok(())
    }

    // --- changes ---

    /// Creates the source `name`, or brings it to this state.
    pub async fn upsert_source(
        &self,
        name: &SourceName,
        enabled: bool,
        settings: &SourceSettings,
    ) -> Result<(Arc<Source>, Upserted), CatalogError> {
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
        self.inner
            .store
            .put_source(name, enabled, settings, Utc::now())
            .await?;
        self.reload().await?;
        let source = self.source(name).ok_or_else(|| no_source(name))?;
        let done = if before.is_some() {
            Upserted::Changed
        } else {
            Upserted::Created
        };
        Ok((source, done))
    }

    /// Starts or stops accepting the events of a source.
    pub async fn set_source_enabled(
        &self,
        name: &SourceName,
        enabled: bool,
    ) -> Result<Arc<Source>, CatalogError> {
        let source = self.source(name).ok_or_else(|| no_source(name))?;
        Ok(self.upsert_source(name, enabled, &source.settings).await?.0)
    }

    /// Makes a write key for a source; its secret is in the answer and nowhere else.
    pub async fn create_key(
        &self,
        source: &SourceName,
        label: &str,
    ) -> Result<NewKey, CatalogError> {
        let source = self.source(source).ok_or_else(|| no_source(source))?;
        if label.chars().count() > 200 || label.chars().any(char::is_control) {
            return Err(CatalogError::new(
                CatalogErrorKind::Invalid,
                "a key's label is one line of at most 200 characters",
            ));
        }
        let key = WriteKey::generate();
        let now = Utc::now();
        let hash = hash_secret(key.reveal());
        let id = self
            .inner
            .store
            .insert_key(&source, label, key.prefix(), hash, now)
            .await?;
        self.reload().await?;
        let info = KeyInfo {
            id,
            source: source.name.clone(),
            prefix: key.prefix().to_owned(),
            label: label.to_owned(),
            created_at: now,
            revoked_at: None,
        };
        Ok(NewKey { key, info })
    }

    /// Lists all write keys, revoked ones too, oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, CatalogError> {
        self.inner.store.keys().await
    }

    /// Stops accepting a key, named by its number, its listed prefix or the key itself.
    pub async fn revoke_key(&self, name: &str) -> Result<KeyInfo, CatalogError> {
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
        self.inner.store.revoke_key(key.id, Utc::now()).await?;
        self.reload().await?;
        let keys = self.keys().await?;
        Ok(keys
            .into_iter()
            .find(|other| other.id == key.id)
            .unwrap_or(key))
    }

    /// Makes a new owner's token; the one before stops working.
    pub async fn create_owner_token(&self) -> Result<OwnerToken, CatalogError> {
        let token = OwnerToken::generate();
        self.inner
            .store
            .put_owner_token(hash_secret(token.reveal()), Utc::now())
            .await?;
        self.reload().await?;
        Ok(token)
    }

    /// Creates or replaces a view.
    pub async fn put_view(&self, view: &View) -> Result<(), CatalogError> {
        self.inner.store.put_view(view, Utc::now()).await?;
        self.reload().await
    }

    /// Removes a view; returns whether there was one.
    pub async fn drop_view(&self, schema: &str, name: &str) -> Result<bool, CatalogError> {
        let dropped = self.inner.store.drop_view(schema, name).await?;
        self.reload().await?;
        Ok(dropped)
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
