use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE,
    ACCESS_CONTROL_REQUEST_HEADERS, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ORIGIN, RETRY_AFTER, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use std::time::Duration;

/// A transparent image of one pixel.
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\x01\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x01D\0;";

const LSN: HeaderName = HeaderName::from_static("x-weir-lsn");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const ERROR: HeaderName = HeaderName::from_static("x-weir-error");

/// An answer in the making.
pub(crate) struct Reply(Response<Bytes>);

impl Reply {
    fn with(status: StatusCode, kind: &'static str, body: Bytes) -> Self {
        let mut response = Response::new(body);
        *response.status_mut() = status;
        response
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Self(response)
    }

    /// Exactly `200 {"success":true}`: one SDK takes nothing but 200 for success.
    pub(crate) fn success() -> Self {
        Self::json(StatusCode::OK, Bytes::from_static(b"{\"success\":true}"))
    }

    pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Self {
        Self::with(status, "application/json", body.into())
    }

    /// An error as every SDK can read it: one retries a JSON body without these two members.
    pub(crate) fn error(status: StatusCode, code: &'static str, message: &str) -> Self {
        let body = serde_json::json!({ "success": false, "code": code, "message": message });
        Self::json(status, body.to_string()).header(ERROR, code)
    }

    pub(crate) fn script(body: impl Into<Bytes>, max_age: u32) -> Self {
        Self::with(
            StatusCode::OK,
            "text/javascript; charset=utf-8",
            body.into(),
        )
        .cached(max_age)
    }

    pub(crate) fn cached(self, max_age: u32) -> Self {
        self.header(CACHE_CONTROL, &format!("public, max-age={max_age}"))
    }

    /// The answer as an image: browsers show nothing else, so what went wrong is in the status
    /// and a header.
    pub(crate) fn into_pixel(self) -> Self {
        let status = match self.0.status() {
            // Nothing was taken and it may be tried again: saying 200 would be a lie.
            status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) => status,
            _ => StatusCode::OK,
        };
        let mut reply = Self::with(status, "image/gif", Bytes::from_static(GIF));
        for name in [LSN, REQUEST_ID, RETRY_AFTER, ERROR] {
            if let Some(value) = self.0.headers().get(&name) {
                reply.0.headers_mut().insert(name, value.clone());
            }
        }
        reply
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.0.headers_mut().insert(name, value);
        }
        self
    }

    pub(crate) fn lsn(self, seq: u64) -> Self {
        self.header(LSN, &seq.to_string())
    }

    pub(crate) fn request_id(self, id: &str) -> Self {
        self.header(REQUEST_ID, id)
    }

    /// Says when to come again, in whole seconds, at least one.
    pub(crate) fn retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
        self.header(RETRY_AFTER, &seconds.to_string())
    }

    pub(crate) fn not_allowed(allowed: &'static str) -> Self {
        let message = format!("this path takes {allowed}");
        Self::error(
            StatusCode::METHOD_NOT_ALLOWED,
            "method_not_allowed",
            &message,
        )
        .header(ALLOW, allowed)
    }

    /// The answer to a browser's question before a request to another host.
    pub(crate) fn preflight(request: &HeaderMap) -> Self {
        let mut reply = Self::with(StatusCode::NO_CONTENT, "text/plain", Bytes::new());
        let headers = reply.0.headers_mut();
        headers.remove(CONTENT_TYPE);
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, OPTIONS"),
        );
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
        let asked = request.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned();
        let asked = asked.unwrap_or(HeaderValue::from_static("authorization, content-type"));
        headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked);
        reply
    }

    /// Lets any page read the answer. Intake knows no cookies, so mirroring the origin gives a
    /// page nothing that its write key does not.
    pub(crate) fn into_response(mut self, request: &HeaderMap) -> Response<Bytes> {
        let headers = self.0.headers_mut();
        if let Some(origin) = request.get(ORIGIN) {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(
                ACCESS_CONTROL_ALLOW_CREDENTIALS,
                HeaderValue::from_static("true"),
            );
            headers.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("x-weir-lsn, x-request-id, retry-after"),
            );
            headers.insert(VARY, HeaderValue::from_static("origin"));
        }
        self.0
    }
}
