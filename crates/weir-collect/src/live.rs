use std::sync::Arc;

use serde::Serialize;
use tokio::sync::broadcast;

/// Events kept for a listener that is slow; one that is slower misses some and is told so.
const BACKLOG: usize = 4096;

/// Accepted and rejected events as they come, for whoever watches.
#[derive(Clone)]
pub struct LiveEvents {
    sender: broadcast::Sender<Arc<LiveEvent>>,
}

/// An event as it came through the door.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LiveEvent {
    /// Position in the log.
    pub seq: u64,
    /// When the door took it, in microseconds since the epoch.
    pub received_at: i64,
    pub source: String,
    pub protocol: &'static str,
    /// `accepted` or `rejected`.
    pub verdict: &'static str,
    /// Why it was rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub anonymous_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// The event's JSON as it came; of bytes that are no text, what can be shown of them.
    pub raw: String,
}

/// Which events to see; an empty filter lets all through.
#[derive(Clone, Debug, Default)]
pub struct LiveFilter {
    pub source: Option<String>,
    /// The event's type (`track`), or its name (`Order Completed`).
    pub event: Option<String>,
    /// A user id or an anonymous id.
    pub user: Option<String>,
    /// `Some(true)`: only accepted ones; `Some(false)`: only rejected ones.
    pub accepted: Option<bool>,
}

/// What a listener gets next.
#[derive(Clone, Debug, PartialEq)]
pub enum LiveItem {
    Event(Arc<LiveEvent>),
    /// So many events went by unseen because the listener was slow.
    Missed(u64),
}

/// A listener. Dropping it ends the listening.
pub struct LiveStream {
    receiver: broadcast::Receiver<Arc<LiveEvent>>,
    filter: LiveFilter,
}

impl Default for LiveEvents {
    fn default() -> Self {
        Self::new()
    }
}

impl LiveEvents {
    /// Returns a channel nobody listens to yet.
    pub fn new() -> Self {
        Self {
            sender: broadcast::Sender::new(BACKLOG),
        }
    }

    /// Starts listening.
    pub fn listen(&self, filter: LiveFilter) -> LiveStream {
        LiveStream {
            receiver: self.sender.subscribe(),
            filter,
        }
    }

    /// Whether anybody listens; nothing is prepared for nobody.
    pub(crate) fn watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    pub(crate) fn tell(&self, event: LiveEvent) {
        // An error only says that the last listener has just left.
        let _ = self.sender.send(Arc::new(event));
    }
}

impl LiveFilter {
    /// Whether the filter lets `event` through.
    pub fn matches(&self, event: &LiveEvent) -> bool {
        let same = |wanted: &Option<String>, found: &[Option<&str>]| {
            wanted
                .as_deref()
                .is_none_or(|wanted| found.contains(&Some(wanted)))
        };
        same(&self.source, &[Some(&event.source)])
            && same(&self.event, &[event.kind, event.event.as_deref()])
            && same(
                &self.user,
                &[event.user_id.as_deref(), event.anonymous_id.as_deref()],
            )
            && self
                .accepted
                .is_none_or(|accepted| accepted == (event.verdict == "accepted"))
    }
}

impl LiveStream {
    /// Waits for the next event that passes the filter; `None` when intake has ended.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<LiveItem> {
        loop {
            match self.receiver.recv().await {
                Ok(event) if self.filter.matches(&event) => return Some(LiveItem::Event(event)),
                Ok(_) => {}
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    return Some(LiveItem::Missed(missed));
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
