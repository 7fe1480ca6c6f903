//! Transactions: what several statements do becomes visible at one instant, or never.
//!
//! Tables and views that a transaction makes, changes or drops are seen by its own statements only.
//! New schemas are not part of it: they appear at once. Rights are asked for as everywhere, and
//! `GRANT`s wait for the end.

mod made;
mod publish;
mod standing;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::RwLock;
use weir_catalog::View;
use weir_core::TableName;
use weir_lake::{LakeView, Stage};

use crate::caller::Caller;
use crate::engine::{Engine, QueryRequest};
use crate::error::{QueryError, QueryErrorKind};

pub(crate) use publish::another_view;
pub(crate) use publish::take_back_cut_off;
pub use publish::{BuildNote, PublishRequest, Published};
pub use standing::{Resting, StandingBuild};
use standing::{States, states};

/// As many transactions may be open at a time, and of one user.
const MAX_OPEN: usize = 64;
const MAX_OF_ONE_USER: usize = 8;

/// A transaction older than this is given up, used or not: its files belong to nothing until it is
/// published, and such files are deleted after a day.
const LIFETIME: Duration = Duration::from_secs(20 * 3_600);

/// A transaction nobody uses for so long is given up.
const IDLE: Duration = Duration::from_secs(3_600);

/// A transaction somebody began. Clones are the same one.
#[derive(Clone)]
pub struct Transaction {
    inner: Arc<Inner>,
}

struct Inner {
    id: String,
    caller: Caller,
    stage: Arc<Stage>,
    /// All tables as they were at the beginning, before anything was read here.
    before: States,
    /// Views as they are here; none for those dropped.
    views: Mutex<BTreeMap<(String, String), Option<View>>>,
    /// What views asked that have new comments here and are otherwise as they were: their queries.
    commented: Mutex<BTreeMap<(String, String), String>>,
    /// The columns of these, as far as they are known.
    made: Mutex<made::MadeViews>,
    /// `GRANT`s and the like, for when what they name is there.
    deferred: Mutex<Vec<QueryRequest>>,
    /// Held for reading by statements, for writing by the end.
    running: Arc<RwLock<bool>>,
    begun: Instant,
    used: Mutex<Instant>,
}

impl Inner {
    /// Whether nobody is going to publish it.
    fn is_abandoned(&self) -> bool {
        let in_use = self.running.try_write().is_err();
        self.begun.elapsed() >= LIFETIME || (!in_use && self.used.lock().elapsed() >= IDLE)
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Transaction({})", self.inner.id)
    }
}

/// The transactions that are open.
#[derive(Default)]
pub(crate) struct Transactions {
    open: Mutex<HashMap<String, Transaction>>,
}

impl Engine {
    /// Begins a transaction for `caller`, who alone may use it.
    pub fn begin(&self, caller: Caller) -> Result<Transaction, QueryError> {
        let parts = self.parts();
        let mut open = parts.transactions.open.lock();
        open.retain(|_, transaction| !transaction.inner.is_abandoned());
        let of = |other: &&Transaction| {
            let other = other.inner.caller.identity();
            other.is_user_of(caller.identity())
        };
        let own = open.values().filter(of).count();
        if own >= MAX_OF_ONE_USER || open.len() >= MAX_OPEN {
            let open = if own >= MAX_OF_ONE_USER {
                own
            } else {
                open.len()
            };
            return Err(QueryError::new(
                QueryErrorKind::Busy,
                format!("{open} transactions are open already"),
            )
            .hint("publish or discard one of them; those nobody uses end after an hour"));
        }
        let transaction = Transaction {
            inner: Arc::new(Inner {
                id: uuid::Uuid::now_v7().to_string(),
                caller,
                stage: Arc::new(parts.lake.stage()),
                before: states(&parts.lake.view()),
                views: Mutex::default(),
                commented: Mutex::default(),
                made: Mutex::default(),
                deferred: Mutex::default(),
                running: Arc::new(RwLock::new(false)),
                begun: Instant::now(),
                used: Mutex::new(Instant::now()),
            }),
        };
        open.insert(transaction.inner.id.clone(), transaction.clone());
        Ok(transaction)
    }

    /// Returns the open transaction `id` of `caller`.
    pub fn transaction(&self, caller: &Caller, id: &str) -> Result<Transaction, QueryError> {
        let open = self.parts().transactions.open.lock();
        let found = open.get(id).filter(|transaction| {
            let of = transaction.inner.caller.identity();
            of.is_user_of(caller.identity()) && !transaction.inner.is_abandoned()
        });
        let transaction = found.cloned().ok_or_else(gone)?;
        *transaction.inner.used.lock() = Instant::now();
        Ok(transaction)
    }

    /// Gives a transaction up: nothing it did was ever seen.
    pub async fn discard(&self, transaction: &Transaction) {
        let mut ended = transaction.inner.running.write().await;
        *ended = true;
        self.forget(transaction);
        transaction.inner.stage.discard().await;
    }

    fn forget(&self, transaction: &Transaction) {
        let mut open = self.parts().transactions.open.lock();
        open.remove(&transaction.inner.id);
    }
}

/// The error for a transaction that is not there, or not the asker's.
fn gone() -> QueryError {
    QueryError::new(QueryErrorKind::Invalid, "there is no such open transaction")
        .with_sqlstate("25P01")
        .hint("it was published or discarded, lay idle for an hour, took a day, or the server was restarted")
}

/// Keeps a transaction from ending while a statement of it runs.
#[derive(Debug)]
pub(crate) struct InUse {
    transaction: Transaction,
    _guard: tokio::sync::OwnedRwLockReadGuard<bool>,
}

impl Drop for InUse {
    fn drop(&mut self) {
        // However long the statement took, the hour begins now.
        *self.transaction.inner.used.lock() = Instant::now();
    }
}

impl Transaction {
    /// Returns what it is known by.
    pub fn id(&self) -> &str {
        &self.inner.id
    }

    /// Begins a statement; fails once the transaction has ended.
    pub(crate) async fn enter(&self) -> Result<InUse, QueryError> {
        let guard = self.inner.running.clone().read_owned().await;
        *self.inner.used.lock() = Instant::now();
        match *guard {
            true => Err(gone()),
            false => Ok(InUse {
                transaction: self.clone(),
                _guard: guard,
            }),
        }
    }

    /// Returns the lake's tables as they are here.
    pub(crate) fn over(&self, view: &Arc<LakeView>) -> Arc<LakeView> {
        self.inner.stage.over(view)
    }

    /// Returns who began it.
    pub(crate) fn caller(&self) -> &Caller {
        &self.inner.caller
    }

    pub(crate) fn stage(&self) -> &Arc<Stage> {
        &self.inner.stage
    }

    /// Tells whether a table or view was made here, so that its maker may use it before it is
    /// anybody's.
    pub(crate) fn made(&self, schema: &str, name: &str) -> bool {
        let views = self.inner.views.lock();
        if let Some(view) = views.get(&(schema.to_owned(), name.to_owned())) {
            return view.is_some();
        }
        TableName::new(schema, name).is_ok_and(|name| self.inner.stage.made(&name))
    }

    /// Puts the views made or dropped here in the place of those there are.
    pub(crate) fn views_over(&self, views: &[View]) -> Arc<[View]> {
        let here = self.inner.views.lock();
        let key = |view: &View| (view.schema.clone(), view.name.clone());
        let kept = views.iter().filter(|view| !here.contains_key(&key(view)));
        kept.chain(here.values().flatten()).cloned().collect()
    }

    /// Whether one of these fits.
    pub(crate) fn any_view(&self, views: &[View], fits: impl Fn(&View) -> bool) -> bool {
        let here = self.inner.views.lock();
        let is_here = |view: &View| {
            !here.is_empty() && here.contains_key(&(view.schema.clone(), view.name.clone()))
        };
        here.values().flatten().any(&fits) || views.iter().any(|view| fits(view) && !is_here(view))
    }

    /// Whether there is a view of that name, where this transaction has made or dropped it.
    pub(crate) fn has_view(&self, schema: &str, name: &str) -> Option<bool> {
        let key = (schema.to_owned(), name.to_owned());
        self.inner.views.lock().get(&key).map(Option::is_some)
    }

    /// Returns the view of that name, where this transaction has made or dropped it.
    pub(crate) fn view(&self, schema: &str, name: &str) -> Option<Option<View>> {
        let key = (schema.to_owned(), name.to_owned());
        self.inner.views.lock().get(&key).cloned()
    }

    /// Makes a view, or replaces the one there is.
    pub(crate) fn put_view(&self, view: View) {
        let key = (view.schema.clone(), view.name.clone());
        self.inner.commented.lock().remove(&key);
        let mut views = self.inner.views.lock();
        let mut made = self.inner.made.lock();
        if made.knows(&key) {
            made.forget();
        }
        views.insert(key, Some(view));
    }

    /// Gives a view new comments, and nothing else.
    pub(crate) fn comment_view(&self, view: View) {
        let key = (view.schema.clone(), view.name.clone());
        let mut views = self.inner.views.lock();
        if !views.contains_key(&key) {
            let mut commented = self.inner.commented.lock();
            commented.insert(key.clone(), view.sql.clone());
        }
        views.insert(key, Some(view));
    }

    pub(crate) fn drop_view(&self, schema: &str, name: &str) {
        let key = (schema.to_owned(), name.to_owned());
        self.inner.commented.lock().remove(&key);
        let mut views = self.inner.views.lock();
        let mut made = self.inner.made.lock();
        if made.knows(&key) {
            made.forget();
        }
        views.insert(key, None);
    }

    /// Keeps a statement about rights until the transaction's end.
    pub(crate) fn defer(&self, request: QueryRequest) {
        self.inner.deferred.lock().push(request);
    }
}
