use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::response::IntoResponse;
use http::{HeaderMap, HeaderValue, Request, Response, header};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use weir_collect::Collector;

use crate::body::{BodyBudget, BodyError, read_body};
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::server::ResponseBody;
use crate::{ServeOptions, Services};

/// Memory for bodies of requests that are being read or stored.
const BODY_MEMORY: u64 = 128 << 20;

/// The way of an event from the socket to the collector. Everything here runs for every request.
pub(crate) struct Intake {
    collector: Collector,
    metrics: Arc<Metrics>,
    budget: BodyBudget,
    max_body: u64,
    body_timeout: Duration,
    /// What to take for `Host` and for the scheme, when the operator said how we are reached.
    public: Option<(HeaderValue, HeaderValue)>,
    encrypted: bool,
}

impl Intake {
    pub(crate) fn new(services: &Services, options: &ServeOptions) -> Self {
        let budget = BodyBudget::new(BODY_MEMORY.max(options.max_body * 4));
        Self {
            collector: services.collector.clone(),
            metrics: Arc::new(Metrics::new(budget.clone())),
            budget,
            max_body: options.max_body,
            body_timeout: options.body_timeout,
            public: options.public_url.as_deref().and_then(public_host),
            encrypted: options.certificate.is_some(),
        }
    }

    /// Whether the path is one of the collector's.
    pub(crate) fn claims(&self, path: &str) -> bool {
        self.collector.claims(path)
    }

    pub(crate) fn metrics(&self) -> Arc<Metrics> {
        self.metrics.clone()
    }

    pub(crate) async fn answer(
        &self,
        request: Request<Incoming>,
        address: IpAddr,
    ) -> Response<ResponseBody> {
        let start = Instant::now();
        let (mut head, body) = request.into_parts();
        if let Some((host, scheme)) = &self.public {
            head.headers.insert(header::HOST, host.clone());
            head.headers.insert("x-forwarded-proto", scheme.clone());
        } else if self.encrypted {
            let scheme = HeaderValue::from_static("https");
            head.headers.insert("x-forwarded-proto", scheme);
        }
        let read = read_body(body, self.max_body, self.body_timeout, &self.budget).await;
        let (bytes, response) = match read {
            Ok((body, _memory)) => {
                let bytes = body.len();
                let request = Request::from_parts(head, body);
                let mut response = self.collector.handle(request, address).await;
                if bytes as u64 > self.max_body {
                    close_after(response.headers_mut());
                }
                (bytes, response.map(|body| Either::Left(Full::new(body))))
            }
            Err(error) => (0, self.refuse(error, head.headers.get(header::ORIGIN))),
        };
        self.metrics
            .intake(response.status(), bytes, start.elapsed());
        response
    }

    /// Refuses a body that was not read; a browser may read why.
    fn refuse(&self, error: BodyError, origin: Option<&HeaderValue>) -> Response<ResponseBody> {
        let refusal = match error {
            BodyError::TooSlow => ApiError::body_too_slow(),
            BodyError::NoMemory => ApiError::busy("too much is being received at this moment"),
            BodyError::Broken => ApiError::invalid("the body ended too early"),
        };
        let mut response = refusal.into_response();
        let headers = response.headers_mut();
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(
                header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
        }
        close_after(headers);
        response.map(Either::Right)
    }
}

/// What is left of a body would be taken for the next request.
fn close_after(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
}

/// Takes a public address apart into its host and its scheme.
fn public_host(url: &str) -> Option<(HeaderValue, HeaderValue)> {
    let uri = url.parse::<http::Uri>().ok()?;
    let host = HeaderValue::from_str(uri.authority()?.as_str()).ok()?;
    let scheme = HeaderValue::from_str(uri.scheme_str()?).ok()?;
    Some((host, scheme))
}
