//! What is asked over HTTP: this crate speaks none, so whoever has a client lends it.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::stream::BoxStream;
use url::Url;

use crate::spec::Secret;

/// Why a request has no answer.
pub type HttpError = Box<dyn Error + Send + Sync>;

/// A client of HTTP.
#[async_trait]
pub trait Http: Send + Sync {
    /// Asks once, and follows redirections. Any status is an answer.
    async fn ask(&self, request: HttpRequest) -> Result<HttpAnswer, HttpError>;
}

/// A question.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    pub url: Url,
    /// Whether only the headers are wanted.
    pub head: bool,
    pub headers: Vec<(String, Secret)>,
}

/// What came back.
pub struct HttpAnswer {
    pub status: u16,
    /// How long the server wants to be left alone.
    pub retry_after: Option<Duration>,
    pub modified: Option<DateTime<Utc>>,
    pub length: Option<u64>,
    pub body: BoxStream<'static, Result<Bytes, HttpError>>,
}

impl fmt::Debug for HttpAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HttpAnswer({})", self.status)
    }
}
