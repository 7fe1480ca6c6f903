//! Takes a letter to one receiver.

use std::time::Duration;

use chrono::{DateTime, Utc};
use weir_catalog::Delivery;
use weir_flow::BoxError;

use super::letter::Letter;
use crate::failure::{Explain, Failure};
use crate::flow::file::Receiver;
use crate::flow::mail::{self, Body};

/// How long a receiver may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Debug)]
pub(super) struct Post {
    http: reqwest::Client,
}

/// One letter of a delivery.
pub(super) struct Sending<'a> {
    pub(super) letter: &'a Letter,
    pub(super) delivery: &'a Delivery,
    /// The same for all tries: whoever gets it twice knows it by this.
    pub(super) id: String,
    pub(super) at: DateTime<Utc>,
}

impl Post {
    pub(super) fn new() -> Result<Self, Failure> {
        let http = reqwest::Client::builder()
            .timeout(PATIENCE)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .explain(|| "cannot start an HTTP client".into())?;
        Ok(Self { http })
    }

    pub(super) async fn send(
        &self,
        receiver: &Receiver,
        sending: &Sending<'_>,
    ) -> Result<(), BoxError> {
        let letter = sending.letter;
        let request = match receiver {
            Receiver::Slack(url) => self.http.post(url).json(&letter.chat()),
            Receiver::Webhook { url, token } => {
                let mut body = letter.json(sending.delivery);
                body["id"] = sending.id.clone().into();
                body["at"] = sending.at.to_rfc3339().into();
                let request = self.http.post(url).json(&body);
                let request = request.header("idempotency-key", &sending.id);
                match token {
                    Some(token) => request.bearer_auth(token),
                    None => request,
                }
            }
            Receiver::Email(email) => {
                let (text, html, attached) = letter.mail();
                let body = Body::Letter {
                    text,
                    html,
                    attached,
                };
                let sent = mail::send(email, &letter.name, body, sending.at, &sending.id);
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
            status => Err(format!("it answered {status}").into()),
        }
    }
}
