use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use chrono::Utc;
use parking_lot::Mutex;
use weir_access::Access;
use weir_core::SourceName;

use crate::error::CatalogError;
use crate::key::{KeyInfo, KeyLookup};
use crate::source::Source;
use crate::sqlite::Store;
use crate::state::State;
use crate::view::View;

/// How often at most an unknown key makes us look into the store: enough that a key made a moment
/// ago works, too seldom for guesses to cost anything.
const UNKNOWN_KEY_INTERVAL: Duration = Duration::from_millis(50);

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
    /// When the use of each token was last written down.
    pub(crate) token_uses: Mutex<HashMap<i64, Instant>>,
    /// Moves when a rollup or a delivery is made, changed or ended.
    pub(crate) plan_changes: AtomicU64,
    /// Moves when a document is made, saved, removed or brought back.
    pub(crate) document_changes: AtomicU64,
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
                token_uses: Mutex::default(),
                plan_changes: AtomicU64::new(1),
                document_changes: AtomicU64::new(1),
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

    /// Lists all write keys, revoked ones too, oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyInfo>, CatalogError> {
        self.inner.store.keys().await
    }

    /// Creates or replaces a view.
    pub async fn put_view(&self, view: &View) -> Result<(), CatalogError> {
        self.inner.store.put_view(view, Utc::now()).await?;
        self.reload().await
    }

    /// Stores a view's comments; returns whether there is a view of that name with that query.
    pub async fn comment_view(&self, view: &View) -> Result<bool, CatalogError> {
        let done = self.inner.store.comment_view(view, Utc::now()).await?;
        self.reload().await?;
        Ok(done)
    }

    /// Removes a view; returns whether there was one.
    pub async fn drop_view(&self, schema: &str, name: &str) -> Result<bool, CatalogError> {
        let dropped = self.inner.store.drop_view(schema, name).await?;
        self.reload().await?;
        Ok(dropped)
    }
}
