use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use serde_json::json;
use tokio::task::JoinHandle;

/// How a [`Load`] sends.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Clients that send at the same time.
    pub clients: usize,
    /// Events in a request.
    pub batch: usize,
    /// Begins every message id, so that loads do not meet.
    pub prefix: String,
}

/// Clients that send events as SDKs do: a request that was not acknowledged is sent again, with
/// the same message ids, until it is.
pub struct Load {
    acknowledged: Arc<Mutex<HashSet<String>>>,
    count: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    address: Arc<Mutex<String>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts sending to `url` with `key`.
    pub fn start(url: &str, key: &str, options: &LoadOptions) -> Result<Self> {
        let acknowledged: Arc<Mutex<HashSet<String>>> = Arc::default();
        let count = Arc::new(AtomicU64::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let address = Arc::new(Mutex::new(url.to_owned()));
        let http = reqwest::Client::builder()
            .timeout(Duration::from_secs(10))
            .build()?;
        let tasks = (0..options.clients).map(|client| {
            let (acknowledged, count) = (acknowledged.clone(), count.clone());
            let (stop, address, http) = (stop.clone(), address.clone(), http.clone());
            let (key, options) = (key.to_owned(), options.clone());
            tokio::spawn(async move {
                for request in 0.. {
                    let ids: Vec<String> = (0..options.batch)
                        .map(|n| format!("{}-{client}-{request}-{n}", options.prefix))
                        .collect();
                    let events: Vec<_> = ids.iter().map(|id| event(id)).collect();
                    let body = json!({"batch": events});
                    loop {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let url = format!("{}/v1/batch", address.lock().expect("lock"));
                        let sent = http
                            .post(url)
                            .basic_auth(&key, Some(""))
                            .json(&body)
                            .send()
                            .await;
                        if sent.is_ok_and(|answer| answer.status().as_u16() == 200) {
                            break;
                        }
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                    count.fetch_add(ids.len() as u64, Ordering::Relaxed);
                    acknowledged.lock().expect("lock").extend(ids);
                }
            })
        });
        let tasks = tasks.collect();
        Ok(Self {
            acknowledged,
            count,
            stop,
            address,
            tasks,
        })
    }

    /// Returns the number of acknowledged events.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Sends to another address from now on: the server was started again.
    pub fn follow(&self, url: &str) {
        *self.address.lock().expect("lock") = url.to_owned();
    }

    /// Stops sending and returns the ids that were acknowledged.
    pub async fn stop(self) -> Result<HashSet<String>> {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            task.await?;
        }
        Ok(std::mem::take(
            &mut *self.acknowledged.lock().expect("lock"),
        ))
    }
}

fn event(id: &str) -> serde_json::Value {
    json!({
        "type": "track", "event": "Order Completed", "messageId": id, "anonymousId": "someone",
        "properties": {"revenue": 12.5, "currency": "EUR", "items": [1, 2, 3]},
        "context": {"library": {"name": "weir-testkit", "version": "1"}},
    })
}
