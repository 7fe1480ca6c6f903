//! The client by which files of web servers are fetched.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use futures::TryStreamExt;
use reqwest::header::{HeaderMap, LAST_MODIFIED, RETRY_AFTER};
use reqwest::redirect::Policy;
use weir_extract::{Http, HttpAnswer, HttpError, HttpRequest};

/// How long a server may take to answer, and between two pieces of what it sends.
const PATIENCE: Duration = Duration::from_secs(60);
const REDIRECTS: usize = 5;

/// A client of web servers.
pub(super) struct Web(reqwest::Client);

impl Web {
    pub(super) fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            .redirect(Policy::limited(REDIRECTS))
            .user_agent(concat!("weir/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self(client))
    }
}

#[async_trait]
impl Http for Web {
    async fn ask(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError> {
        let mut asked = match request.head {
            true => self.0.head(request.url),
            false => self.0.get(request.url),
        };
        for (name, value) in &request.headers {
            asked = asked.header(name, value.reveal());
        }
        // The URL may have a secret in its query.
        let answer = asked.send().await.map_err(reqwest::Error::without_url)?;
        let headers = answer.headers();
        Ok(HttpAnswer {
            status: answer.status().as_u16(),
            retry_after: retry_after(headers, Utc::now()),
            modified: text(headers, LAST_MODIFIED.as_str()).and_then(date),
            length: text(headers, "content-length").and_then(|length| length.parse().ok()),
            body: Box::pin(
                answer
                    .bytes_stream()
                    .map_err(|error| HttpError::from(error.without_url())),
            ),
        })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc2822(text).ok()?;
    Some(at.to_utc())
}

/// Returns how long to wait: servers say seconds, or the moment.
fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let said = text(headers, RETRY_AFTER.as_str())?.trim();
    if let Ok(seconds) = said.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = date(said)?;
    Some((until - now).to_std().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_say_how_long_in_two_ways() {
        let now = date("Fri, 31 Dec 1999 23:59:00 GMT").unwrap();
        let wait = |said: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, said.parse().unwrap());
            retry_after(&headers, now).map(|wait| wait.as_secs())
        };
        assert_eq!(wait("120"), Some(120));
        assert_eq!(wait("Fri, 31 Dec 1999 23:59:59 GMT"), Some(59));
        assert_eq!(wait("Fri, 31 Dec 1999 23:00:00 GMT"), Some(0));
        assert_eq!(wait("soon"), None);
    }
}
