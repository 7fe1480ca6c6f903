use std::panic::AssertUnwindSafe;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::oneshot;

use super::context::Context;
use super::execute;
use crate::engine::{asked_to_end, given_up, panicked, report};
use crate::error::QueryError;
use crate::queue::Place;
use crate::registry::Ticket;
use crate::stream::{Command, PinnedVersion, timed_out};
use crate::transaction::InUse;

/// What became of a writing statement.
pub(crate) type Outcome = Result<Written, QueryError>;

/// What a writing statement did, and what it read for that.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) command: Command,
    pub(crate) versions: std::collections::BTreeMap<String, PinnedVersion>,
}

/// A writing statement, ready to run on the thread that planned it.
pub(crate) struct Job {
    pub(crate) context: Context,
    pub(crate) statement: datafusion::sql::parser::Statement,
    pub(crate) ticket: Ticket,
    pub(crate) place: Place,
    pub(crate) answer: oneshot::Sender<Outcome>,
    pub(crate) deadline: Instant,
    pub(crate) timeout: Duration,
    /// Keeps its transaction open.
    pub(crate) in_use: Option<InUse>,
}

impl Job {
    /// Runs the statement to its end: done, failed, or given up before its commit began.
    pub(crate) async fn drive(self) {
        let Self {
            context,
            statement,
            ticket,
            place,
            mut answer,
            deadline,
            timeout,
            in_use,
        } = self;
        let mut cancelled = ticket.cancelled();
        let mut work = Box::pin(AssertUnwindSafe(execute(&context, statement)).catch_unwind());
        let early = tokio::select! {
            biased;
            end = &mut work => Ok(end),
            () = asked_to_end(&mut cancelled) => Err(given_up()),
            () = answer.closed() => Err(given_up()),
            () = tokio::time::sleep_until(deadline.into()) => Err(timed_out(timeout)),
        };
        let end = match early {
            Ok(end) => end,
            Err(error) if context.gate.give_up() => Ok(Err(error)),
            // The commit has begun: what it says is what happened.
            Err(_) => work.as_mut().await,
        };
        drop(work);
        let end = end.unwrap_or_else(|panic| Err(panicked(&panic)));
        let outcome = end.map(|command| Written {
            command,
            versions: context.used(),
        });
        ticket.reads(std::mem::take(&mut *context.reads.lock()));
        for plan in context.ran.lock().iter() {
            ticket.ran(plan);
        }
        match &outcome {
            Ok(written) => {
                ticket.count_rows(written.command.rows.unwrap_or(0) as usize);
                ticket.done();
            }
            Err(error) => {
                report(&ticket, error);
                ticket.failed(error);
            }
        }
        drop(place);
        drop(in_use);
        let _ = answer.send(outcome);
    }
}
