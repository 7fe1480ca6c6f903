use std::fmt::Debug;

use async_trait::async_trait;
use chrono::TimeDelta;

use crate::clock::Clock;
use crate::error::{BoxError, FlowError};
use crate::record::Alert;
use crate::store::Store;

/// After so many tries nobody is told any more; the alert stays in the list.
const MOST_TRIES: u32 = 30;

/// Tells people what they should know.
///
/// # Contract
/// An alert is delivered at least once: whoever can tell repetitions apart does so by
/// [`Alert::id`]. While something is wrong it is told once, and once more when it is well again.
#[async_trait]
pub trait Alerts: Send + Sync + Debug {
    /// Delivers an alert; an error has it tried again later.
    async fn deliver(&self, alert: &Alert) -> Result<(), BoxError>;
}

/// Alerts go to the log only.
#[async_trait]
impl Alerts for () {
    async fn deliver(&self, alert: &Alert) -> Result<(), BoxError> {
        tracing::warn!(key = %alert.key, kind = alert.kind.as_str(), text = %alert.text, "alert");
        Ok(())
    }
}

/// Delivers alerts one by one and notes what became of them.
pub(crate) async fn deliver(
    store: &dyn Store,
    clock: &dyn Clock,
    alerts: &dyn Alerts,
    waiting: &[Alert],
) -> Result<(), FlowError> {
    for alert in waiting {
        let again_at = match alerts.deliver(alert).await {
            Ok(()) => None,
            Err(error) if alert.tries + 1 >= MOST_TRIES => {
                tracing::error!(alert = alert.id, error, "an alert could not be delivered");
                None
            }
            Err(error) => {
                let wait = TimeDelta::seconds(10 << alert.tries.min(6));
                tracing::warn!(
                    alert = alert.id,
                    error,
                    "cannot deliver an alert; trying again"
                );
                Some(clock.now() + wait)
            }
        };
        store.alert_tried(alert.id, again_at, clock.now()).await?;
    }
    Ok(())
}
