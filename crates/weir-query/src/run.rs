//! A planned query running: its batches on their way to whoever reads them.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use datafusion::arrow::datatypes::SchemaRef;
use datafusion::execution::TaskContext;
use datafusion::physical_plan::{ExecutionPlan, execute_stream};
use futures::{FutureExt, StreamExt};
use tokio::sync::{mpsc, watch};

use crate::caller::Caller;
use crate::catalog::Scope;
use crate::engine::{Parts, asked_to_end, given_up, panicked, report};
use crate::error::{QueryError, QueryErrorKind, translate};
use crate::explain::Places;
use crate::frugal::Frugal;
use crate::idle::Idle;
use crate::memory::Share;
use crate::queue::{Place, Queue};
use crate::registry::Ticket;
use crate::stream::{Message, timed_out};

/// How often a query that is still computing is asked whether it may.
const RIGHTS_INTERVAL: Duration = Duration::from_millis(250);

/// How long a query keeps its place for a reader that does not read.
const READER_PATIENCE: Duration = Duration::from_millis(100);

/// A query's place among those that run, which it leaves to others while its reader is away: a
/// cursor that nobody fetches from must not keep anybody else waiting.
pub(crate) struct Seat {
    queue: Queue,
    idle: Arc<Idle>,
    user: Arc<str>,
    share: Arc<Share>,
    place: Option<Place>,
}

impl Seat {
    pub(crate) fn new(parts: &Parts, caller: &Caller, share: Arc<Share>, place: Place) -> Self {
        Self {
            queue: parts.queue.clone(),
            idle: parts.idle.clone(),
            user: caller.name().into(),
            share,
            place: Some(place),
        }
    }

    /// Waits for the reader, without the place if it takes long.
    async fn wait_for<T>(&mut self, reader: impl Future<Output = T>) -> Result<T, QueryError> {
        let mut reader = pin!(reader);
        if let Ok(there) = tokio::time::timeout(READER_PATIENCE, &mut reader).await {
            return Ok(there);
        }
        let idle = self.idle.enter(&self.user, &self.share)?;
        self.place = None;
        tokio::select! {
            biased;
            there = reader => Ok(there),
            error = idle.overstayed() => Err(error),
        }
    }

    /// Takes a place again, if it was left.
    async fn sit_down(&mut self) -> Result<(), QueryError> {
        if self.place.is_none() {
            self.place = Some(self.queue.enter_again(&self.user).await?);
        }
        Ok(())
    }
}

/// A query on its way through the executor.
pub(crate) struct Run {
    pub(crate) plan: Arc<dyn ExecutionPlan>,
    /// How to run it once more when it finds no room.
    pub(crate) frugal: Option<Frugal>,
    /// The columns as they are shown, where they have other names inside.
    pub(crate) renamed: Option<SchemaRef>,
    /// What rows of an `EXPLAIN` do not show of where files are.
    pub(crate) places: Option<Places>,
    pub(crate) task: Arc<TaskContext>,
    pub(crate) scope: Scope,
    pub(crate) ticket: Ticket,
    /// Held until the work has really stopped, not only until nobody waits for it.
    pub(crate) seat: Seat,
    pub(crate) sender: mpsc::Sender<Message>,
    pub(crate) deadline: Instant,
    pub(crate) timeout: Duration,
}

impl Run {
    /// Runs the plan to its end, or until nobody wants the rest.
    pub(crate) async fn drive(self) {
        let Self {
            plan,
            frugal,
            renamed,
            places,
            task,
            scope,
            ticket,
            mut seat,
            sender,
            deadline,
            timeout,
        } = self;
        let cancelled = ticket.cancelled();
        let work = async {
            let ways = (&mut seat, &sender);
            let shape = Shape { renamed, places };
            let end = batches(
                (plan.clone(), &shape),
                task,
                &scope,
                &ticket,
                ways,
                cancelled.clone(),
            )
            .await;
            match (end, frugal) {
                (Err(error), Some(frugal))
                    if error.kind() == QueryErrorKind::OutOfMemory && ticket.rows() == 0 =>
                {
                    let (plan, task) = frugal.plan(&ticket.id(), error.row_bytes()).await?;
                    let ways = (&mut seat, &sender);
                    let end = batches(
                        (plan.clone(), &shape),
                        task,
                        &scope,
                        &ticket,
                        ways,
                        cancelled,
                    )
                    .await;
                    ticket.ran(&plan);
                    end
                }
                (end, _) => end,
            }
        };
        let end = tokio::select! {
            biased;
            end = AssertUnwindSafe(work).catch_unwind() => end.unwrap_or_else(|panic| Err(panicked(&panic))),
            () = tokio::time::sleep_until(deadline.into()) => Err(timed_out(timeout)),
        };
        ticket.ran(&plan);
        match end {
            Ok(()) => {
                ticket.done();
                let _ = sender
                    .try_send(Message::Done)
                    .or_else(|full| later(&sender, full));
            }
            Err(error) => {
                report(&ticket, &error);
                ticket.failed(&error);
                let _ = sender
                    .try_send(Message::Failed(error))
                    .or_else(|full| later(&sender, full));
            }
        }
        drop(seat);
    }
}

/// Delivers a last word to a reader that is behind, without holding the query's place for it.
fn later(
    sender: &mpsc::Sender<Message>,
    full: mpsc::error::TrySendError<Message>,
) -> Result<(), ()> {
    match full {
        mpsc::error::TrySendError::Full(message) => {
            let sender = sender.clone();
            tokio::spawn(async move { sender.send(message).await });
            Ok(())
        }
        mpsc::error::TrySendError::Closed(_) => Err(()),
    }
}

/// What becomes of the plan's batches before anybody sees them.
struct Shape {
    renamed: Option<SchemaRef>,
    places: Option<Places>,
}

impl Shape {
    fn shown(&self, batch: RecordBatch) -> Result<RecordBatch, QueryError> {
        let batch = match &self.renamed {
            Some(schema) => {
                let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                let columns = batch.columns().to_vec();
                RecordBatch::try_new_with_options(schema.clone(), columns, &options)
                    .map_err(QueryError::internal)?
            }
            None => batch,
        };
        Ok(match &self.places {
            Some(places) => places.hidden(batch),
            None => batch,
        })
    }
}

/// Runs the plan and hands its batches out until it ends, fails, or nobody reads.
async fn batches(
    (plan, shape): (Arc<dyn ExecutionPlan>, &Shape),
    task: Arc<TaskContext>,
    scope: &Scope,
    ticket: &Ticket,
    (seat, sender): (&mut Seat, &mpsc::Sender<Message>),
    mut cancelled: watch::Receiver<bool>,
) -> Result<(), QueryError> {
    let mut stream = execute_stream(plan, task).map_err(|error| translate(error, scope))?;
    let guard = &scope.pinned.guard;
    let mut rights = tokio::time::interval(RIGHTS_INTERVAL);
    loop {
        let batch = tokio::select! {
            biased;
            () = sender.closed() => return Err(given_up()),
            () = asked_to_end(&mut cancelled) => return Err(given_up()),
            _ = rights.tick() => {
                guard.recheck()?;
                continue;
            }
            batch = stream.next() => batch,
        };
        let batch = match batch {
            None => return Ok(()),
            Some(Ok(batch)) if batch.num_rows() == 0 => continue,
            Some(Ok(batch)) => batch,
            Some(Err(error)) => return Err(translate(error, scope)),
        };
        let batch = shape.shown(batch)?;
        ticket.count_rows(batch.num_rows());
        let work = async {
            let Ok(room) = seat.wait_for(sender.reserve()).await? else {
                return Err(given_up());
            };
            room.send(Message::Batch(batch));
            tokio::select! {
                biased;
                seated = seat.sit_down() => seated,
                () = sender.closed() => Err(given_up()),
            }
        };
        tokio::select! {
            biased;
            () = asked_to_end(&mut cancelled) => return Err(given_up()),
            sent = work => sent?,
        }
    }
}
