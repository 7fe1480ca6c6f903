//! The loops that keep a project going.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use tokio_util::sync::CancellationToken;

use crate::alert::Alerts;
use crate::complaint::Complaints;
use crate::executor::Executor;
use crate::flow::Flow;
use crate::project::age;
use crate::scheduler::Scheduler;

impl Flow {
    /// Ticks every `interval` until `shutdown`. Alerts are delivered beside the ticks, so that a slow
    /// receiver delays no run.
    pub async fn run_scheduler(
        &self,
        mut scheduler: Scheduler,
        alerts: Arc<dyn Alerts>,
        interval: Duration,
        shutdown: CancellationToken,
    ) {
        let clock = self.clock.clone();
        let mut delivery: Option<tokio::task::JoinHandle<()>> = None;
        let mut complaints = Complaints::default();
        while !shutdown.is_cancelled() {
            let ticked = scheduler.tick().await;
            let more = match ticked {
                Err(error) => {
                    if let Some(error) = complaints.hear(&error, clock.now()) {
                        tracing::error!(error, "the scheduler cannot do its work; it tries again");
                    }
                    false
                }
                Ok(tick) => {
                    let idle = delivery
                        .as_ref()
                        .is_none_or(|delivery| delivery.is_finished());
                    if idle && !tick.alerts.is_empty() {
                        let (flow, alerts) = (self.clone(), alerts.clone());
                        delivery = Some(tokio::spawn(async move {
                            if let Err(error) = flow.deliver(&*alerts, &tick.alerts).await {
                                let error = error.chain();
                                tracing::warn!(error, "cannot note the delivery of alerts");
                            }
                        }));
                    }
                    tick.more
                }
            };
            if !more {
                let next = clock.now() + age(interval);
                tokio::select! {
                    () = shutdown.cancelled() => {}
                    () = clock.sleep_until(next) => {}
                }
            }
        }
    }

    /// Runs attempts until `shutdown`, then tells them to stop and waits for them. Looks for work
    /// every `interval`, and whenever an attempt ends.
    pub async fn run_executor(
        &self,
        mut executor: Executor,
        interval: Duration,
        shutdown: CancellationToken,
    ) {
        let clock = self.clock.clone();
        if let Err(error) = executor.take_over().await {
            let error = error.chain();
            tracing::warn!(
                error,
                "cannot take over; leases of before run out by themselves"
            );
        }
        let beat = age(executor.options().beat).max(TimeDelta::milliseconds(1));
        let mut next_beat = clock.now() + beat;
        let mut draining = false;
        let mut complaints = Complaints::default();
        loop {
            if shutdown.is_cancelled() && !draining {
                draining = true;
                executor.drain();
            }
            if let Err(error) = executor.turn().await
                && let Some(error) = complaints.hear(&error, clock.now())
            {
                tracing::error!(error, "attempts cannot be begun or ended; trying again");
            }
            if clock.now() >= next_beat {
                next_beat = clock.now() + beat;
                if let Err(error) = executor.beat().await
                    && let Some(error) = complaints.hear(&error, clock.now())
                {
                    tracing::error!(error, "leases cannot be prolonged");
                }
            }
            if draining && executor.running() == 0 {
                // What ended last is written down with this; if not, its lease runs out.
                let _ = executor.turn().await;
                return;
            }
            let wake = next_beat.min(clock.now() + age(interval));
            let runs = executor.running() > 0;
            tokio::select! {
                () = shutdown.cancelled(), if !draining => {}
                () = executor.settle(), if runs => {}
                () = clock.sleep_until(wake) => {}
            }
        }
    }
}
