//! One table from what went wrong to what an HTTP client is told.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use weir_catalog::{CatalogError, CatalogErrorKind};
use weir_lake::{LakeError, LakeErrorKind};

/// An answer that is no success: a word for programs, a sentence for people, and the way out.
///
/// The sentence is safe to show: causes that name paths or addresses go to the log.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: &'static str,
    message: String,
    hint: Option<String>,
    retry_after: Option<u64>,
}

#[derive(Serialize)]
struct Body<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            hint: None,
            retry_after: None,
        }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns what it says, in one line.
    pub(crate) fn told(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; {hint}", self.message),
            None => self.message.clone(),
        }
    }

    pub(crate) fn with_retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "unauthorized",
            "this needs a token, or a user's name and password",
        )
        .with_hint(
            "send `Authorization: Bearer TOKEN`: `weir tokens create` makes one, \
             the owner's is in `.weir/owner.token`",
        )
    }

    /// Which of them it was, and whether there is such a user, is not told.
    pub(crate) fn wrong_secret() -> Self {
        Self {
            message: "this token, or this name or password, is wrong or no longer valid".to_owned(),
            ..Self::unauthorized()
        }
    }

    /// Whether it says that nobody was let in.
    pub(crate) fn is_unauthorized(&self) -> bool {
        self.status == StatusCode::UNAUTHORIZED
    }

    pub(crate) fn too_many_attempts(seconds: u64) -> Self {
        let message = format!("too many wrong tokens or passwords: wait {seconds} s");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_attempts", message)
            .with_retry_after(seconds)
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "permission_denied", message)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request", message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    pub(crate) fn body_too_slow() -> Self {
        Self::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            "the body did not arrive in time",
        )
    }

    pub(crate) fn busy(message: &'static str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, "busy", message).with_retry_after(1)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let body = Body {
            code: self.code,
            message: &self.message,
            hint: self.hint.as_deref(),
        };
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        let (status, code) = match error.kind() {
            CatalogErrorKind::NotFound => (StatusCode::NOT_FOUND, "not_found"),
            CatalogErrorKind::Denied => (StatusCode::FORBIDDEN, "permission_denied"),
            CatalogErrorKind::Exists => (StatusCode::CONFLICT, "exists"),
            CatalogErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid_request"),
            CatalogErrorKind::Busy => (StatusCode::SERVICE_UNAVAILABLE, "catalog_busy"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "catalog_unavailable"),
        };
        if status.is_server_error() {
            tracing::error!(error = chain(&error), "catalog failed");
        }
        let answer = Self::new(status, code, error.to_string());
        match error.hint() {
            Some(hint) => answer.with_hint(hint),
            None => answer,
        }
    }
}

impl From<LakeError> for ApiError {
    fn from(error: LakeError) -> Self {
        let (status, code) = match error.kind() {
            LakeErrorKind::NotFound | LakeErrorKind::Expired => {
                (StatusCode::NOT_FOUND, "not_found")
            }
            LakeErrorKind::Invalid => (StatusCode::BAD_REQUEST, "invalid_request"),
            LakeErrorKind::Config => (StatusCode::INTERNAL_SERVER_ERROR, "lake_misconfigured"),
            LakeErrorKind::Corrupt => (StatusCode::INTERNAL_SERVER_ERROR, "lake_corrupt"),
            _ => (StatusCode::SERVICE_UNAVAILABLE, "lake_unavailable"),
        };
        if status.is_server_error() {
            tracing::error!(error = chain(&error), "lake failed");
        }
        let answer = Self::new(status, code, error.to_string());
        match error.hint() {
            Some(hint) => answer.with_hint(hint),
            None => answer,
        }
    }
}

/// Writes an error and its causes in one line, for the log.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(": ");
        line.push_str(&error.to_string());
        cause = error.source();
    }
    line
}
