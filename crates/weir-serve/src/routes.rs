use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use tokio_util::sync::CancellationToken;
use weir_access::Action;

use crate::auth::{Door, permitted, signed_in};
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::server::ClientAddress;
use crate::{Services, admin, health, openapi, query, runs, tail};

/// Every route but the intake's.
pub(crate) fn router(
    services: &Services,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
) -> Router {
    let door = Door::new(services.catalog.clone(), services.logins.clone());
    let may =
        |action| middleware::from_fn_with_state((services.catalog.clone(), action), permitted);
    // Live events are events as they came.
    let sources = admin::sources().merge(tail::router(shutdown));
    let known = Router::new()
        .merge(sources.layer(may(Action::ManageSources)))
        .merge(admin::lake().layer(may(Action::Operate)))
        .merge(admin::access())
        .with_state(services.clone())
        .merge(query::router(services.engine.clone()))
        .merge(query::transactions(
            services.engine.clone(),
            services.catalog.clone(),
        ))
        .merge(runs::router(services.runs.clone()).layer(may(Action::Operate)))
        .layer(middleware::from_fn_with_state(door.clone(), signed_in));
    let calls = runs::calls(services.runs.clone(), door.clone());
    let metrics_page = Router::new()
        .route("/metrics", get(metrics_page))
        .with_state((services.clone(), metrics.clone(), door));
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .with_state(services.clone())
        .merge(known)
        .merge(metrics_page)
        .merge(calls)
        .merge(openapi::router())
        .fallback(no_such_route)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(metrics, observe))
}

/// Metrics are for this machine, and for whoever may operate the lake.
async fn metrics_page(
    State((services, metrics, door)): State<(Services, Arc<Metrics>, Door)>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
) -> Result<impl IntoResponse, ApiError> {
    // A proxy on this machine passes strangers on, and says so.
    let proxied = headers.contains_key("x-forwarded-for") || headers.contains_key("forwarded");
    if !address.is_loopback() || proxied {
        door.permit(address, &headers, Action::Operate).await?;
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok(([(header::CONTENT_TYPE, kind)], metrics.text(&services)))
}

async fn no_such_route(uri: Uri) -> ApiError {
    ApiError::not_found(format!("there is nothing at `{}`", uri.path()))
}

async fn no_such_method(method: Method, uri: Uri) -> ApiError {
    let message = format!("`{}` does not take {method}", uri.path());
    ApiError::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "method_not_allowed",
        message,
    )
}

/// Counts and logs a request by its route: paths may hold names, and never reach the log.
async fn observe(
    State(metrics): State<Arc<Metrics>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let start = std::time::Instant::now();
    let method = request.method().clone();
    let response = next.run(request).await;
    let route = route.as_ref().map_or("none", MatchedPath::as_str);
    metrics.request(route, response.status());
    let (status, ms) = (response.status().as_u16(), start.elapsed().as_millis());
    tracing::debug!(target: "weir::access", %method, route, status, ms, "answered");
    response
}
