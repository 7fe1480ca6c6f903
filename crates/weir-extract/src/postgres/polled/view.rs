//! What a server has at one instant, for a user who may do no more than read.

use std::time::{Duration, Instant};

use crate::error::{ExtractError, protocol};
use crate::postgres::wire::Session;

/// A view is given back after this: as long as it is held, the server cannot clean up after updates.
const HELD_FOR: Duration = Duration::from_secs(600);

/// A transaction that sees one snapshot.
pub(super) struct View {
    pub(super) session: Session,
    /// Tells views of one sync apart.
    pub(super) number: u32,
    /// The oldest transaction that was under way, with 64 bits; the next one where there was none.
    pub(super) xmin: u64,
    /// The number of the next transaction.
    pub(super) xmax: u64,
    taken: Instant,
}

impl View {
    pub(super) async fn begin(session: Session) -> Result<Self, ExtractError> {
        let mut view = Self {
            session,
            number: 0,
            xmin: 0,
            xmax: 0,
            taken: Instant::now(),
        };
        view.take("").await?;
        Ok(view)
    }

    /// Sees from here on what there is now.
    pub(super) async fn renew(&mut self) -> Result<(), ExtractError> {
        self.take("COMMIT; ").await
    }

    async fn take(&mut self, before: &str) -> Result<(), ExtractError> {
        // Servers before 13 have these functions only, and later ones have them too.
        let sql = format!(
            "{before}BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
             SELECT txid_snapshot_xmin(s), txid_snapshot_xmax(s) FROM txid_current_snapshot() AS s"
        );
        let rows = self.session.rows(&sql).await?;
        let number = |at: usize| -> Option<u64> { rows.first()?.get(at)?.as_deref()?.parse().ok() };
        let (Some(xmin), Some(xmax)) = (number(0), number(1)) else {
            return Err(protocol("the server has no snapshot"));
        };
        (self.xmin, self.xmax) = (xmin, xmax);
        self.number += 1;
        self.taken = Instant::now();
        Ok(())
    }

    pub(super) fn is_old(&self) -> bool {
        self.taken.elapsed() >= HELD_FOR
    }

    pub(super) async fn close(mut self) {
        let _ = self.session.rows("COMMIT").await;
        self.session.close().await;
    }
}
