//! Tells people: Slack and the like, webhooks of any kind, mail.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use serde_json::json;
use weir_catalog::Catalog;
use weir_flow::{Alert, AlertKind, Alerts, BoxError, ScheduleName};

use super::code::Codes;
use super::fetched::schedule_of;
use super::file::Receiver;
use super::mail;
use crate::failure::{Explain, Failure};

/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whoever `schedules.yml` says is told.
pub(super) struct Receivers {
    codes: Arc<Codes>,
    catalog: Catalog,
    http: reqwest::Client,
    /// Who has taken which alert that others have not: they are not told it again.
    took: Mutex<HashSet<(i64, String)>>,
}

impl std::fmt::Debug for Receivers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Receivers")
    }
}

impl Receivers {
    pub(super) fn new(codes: Arc<Codes>, catalog: Catalog) -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .explain(|| "cannot start an HTTP client".into())?;
        Ok(Self {
            codes,
            catalog,
            http,
            took: Mutex::default(),
        })
    }

    /// Returns whom an alert on a question names; nobody where it names none, or is about something else.
    async fn named(&self, alert: &Alert) -> Result<Vec<String>, BoxError> {
        let Some(("question", name)) = alert.key.split_once(':') else {
            return Ok(Vec::new());
        };
        let id = name
            .rsplit_once(" (")
            .and_then(|(_, id)| id.strip_suffix(')'));
        match id {
            Some(id) => Ok(self.catalog.watch_receivers(id).await?),
            None => Ok(Vec::new()),
        }
    }

    async fn tell(&self, receiver: &Receiver, alert: &Alert, name: &str) -> Result<(), BoxError> {
        let heading = heading(alert);
        let request = match receiver {
            Receiver::Slack(url) => {
                let sign = match alert.kind {
                    AlertKind::Raised => ":red_circle:",
                    AlertKind::Recovered => ":large_green_circle:",
                };
                let text = format!("{sign} *{}*\n{}", plain(&heading), plain(&alert.text));
                self.http.post(url).json(&json!({ "text": text }))
            }
            Receiver::Webhook { url, token } => {
                let body = json!({
                    "id": alert.id,
                    "key": alert.key,
                    "kind": alert.kind.as_str(),
                    "text": alert.text,
                    "run": alert.run,
                    "at": alert.at,
                });
                let request = self.http.post(url).json(&body);
                // Whoever gets it twice knows it by this.
                let request = request.header("idempotency-key", format!("weir-alert-{}", alert.id));
                match token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                }
            }
            Receiver::Email(email) => {
                let id = format!("weir-alert-{}", alert.id);
                let body = mail::Body::Text(alert.text.clone());
                let sent = mail::send(email, &heading, body, alert.at, &id);
                return match tokio::time::timeout(PATIENCE, sent).await {
                    Ok(sent) => sent,
                    Err(_) => Err("the mail server does not answer".into()),
                };
            }
        };
        // The address is a secret: errors name the receiver instead.
        let answer = request.send().await.map_err(reqwest::Error::without_url)?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(format!("alert receiver `{name}` answered {status}").into()),
        }
    }
}

#[async_trait]
impl Alerts for Receivers {
    async fn deliver(&self, alert: &Alert) -> Result<(), BoxError> {
        tracing::warn!(key = %alert.key, kind = alert.kind.as_str(), text = %alert.text, "alert");
        let Some(code) = self.codes.now() else {
            return Ok(());
        };
        let schedule = alert.key.split_once(':').map(|(kind, name)| match kind {
            "source" | "stale" => schedule_of(name.split('.').next().unwrap_or(name)),
            _ => ScheduleName::new(name),
        });
        let own = self.named(alert).await?;
        let told = match own.is_empty() {
            true => schedule.and_then(|name| code.plan.told.get(&name)),
            false => Some(&own),
        };
        let gone = |name: &&String| !code.plan.receivers.contains_key(*name);
        if !own.is_empty() && own.iter().all(|name| gone(&name)) {
            // Others were not chosen to read it: it is tried again, until somebody is there.
            let names = own.join("`, `");
            return Err(format!("`alerts` in schedules.yml names no `{names}`").into());
        }
        let mut failed = None;
        for (name, receiver) in &code.plan.receivers {
            if told.is_some_and(|told| !told.contains(name)) {
                continue;
            }
            let taking = (alert.id, name.clone());
            if self.took.lock().contains(&taking) {
                continue;
            }
            if let Err(error) = self.tell(receiver, alert, name).await {
                tracing::warn!(receiver = name, error, "an alert was not taken");
                failed = Some(error);
            } else {
                self.took.lock().insert(taking);
            }
        }
        match failed {
            Some(error) => Err(error),
            None => {
                self.took.lock().retain(|(id, _)| *id != alert.id);
                Ok(())
            }
        }
    }
}

/// Says what an alert is about, in a line.
fn heading(alert: &Alert) -> String {
    let (kind, name) = alert.key.split_once(':').unwrap_or(("", &alert.key));
    match (kind, alert.kind) {
        ("stale", AlertKind::Raised) => format!("Weir: source {name} is stale"),
        ("stale", AlertKind::Recovered) => format!("Weir: source {name} is fresh again"),
        ("freshness", AlertKind::Raised) => format!("Weir: {name} is too old"),
        ("freshness", AlertKind::Recovered) => format!("Weir: {name} is fresh again"),
        ("question", kind) => {
            // Behind its name stands what tells alerts of one name apart.
            let name = name.rsplit_once(" (").map_or(name, |(name, _)| name);
            match kind {
                AlertKind::Raised => format!("Weir: {name}"),
                AlertKind::Recovered => format!("Weir: {name} is well again"),
            }
        }
        (_, AlertKind::Raised) => format!("Weir: {name} failed"),
        (_, AlertKind::Recovered) => format!("Weir: {name} works again"),
    }
}

/// Keeps names and errors from being read as markup of Slack.
fn plain(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
