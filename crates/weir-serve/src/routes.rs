use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use tokio_util::sync::CancellationToken;
use weir_access::Action;
use weir_query::ResultStore;

use crate::auth::{Door, permitted, signed_in};
use crate::documents::Files;
use crate::error::ApiError;
use crate::metrics::Metrics;
use crate::server::ClientAddress;
use crate::session::Cookies;
use crate::{
    Services, admin, alerts, app, documents, extract, health, models, openapi, query, results,
    rollups, runs, session, tail,
};

/// Every route but the intake's.
pub(crate) fn router(
    services: &Services,
    metrics: Arc<Metrics>,
    shutdown: CancellationToken,
    (cookies, files): (Cookies, Files),
) -> Router {
    let door = Door::new(services.catalog.clone(), services.logins.clone(), cookies);
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
        .merge(models::router(services.runs.clone()))
        .merge(extract::router(services.extracts.clone()).layer(may(Action::ManageSources)))
        .merge(documents::router(
            services.catalog.clone(),
            rollups::Rooms::of(services),
        ))
        .merge(rollups::router(rollups::Rooms::of(services)))
        .merge(documents::files_router(files))
        .merge(documents::deliveries_router(services.runs.clone()))
        .merge(documents::owners_router(
            services.catalog.clone(),
            services.engine.clone(),
        ))
        .merge(alerts::router(alerts::Rooms::of(services)))
        .merge(results::router(kept(services)))
        .layer(middleware::from_fn_with_state(door.clone(), signed_in));
    let calls = runs::calls(services.runs.clone(), door.clone());
    let embedded = documents::links(kept(services));
    let embed_page = Router::new()
        .route("/embed/{id}", get(documents::embed_page))
        .with_state(services.catalog.clone());
    let metrics_page = Router::new()
        .route("/metrics", get(metrics_page))
        .with_state((services.clone(), metrics.clone(), door.clone()));
    Router::new()
        .route("/health/live", get(health::live))
        .route("/health/ready", get(health::ready))
        .with_state(services.clone())
        .merge(known)
        .merge(metrics_page)
        .merge(calls)
        .merge(embedded)
        .merge(embed_page)
        .merge(session::router(
            services.catalog.clone(),
            door,
            services.setup.clone(),
        ))
        .merge(openapi::router())
        .fallback(app_page)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(metrics, observe))
}

/// Returns what the routes of kept answers work with.
pub(crate) fn kept(services: &Services) -> results::Rooms {
    results::Rooms {
        engine: services.engine.clone(),
        catalog: services.catalog.clone(),
        store: Arc::new(ResultStore::of(&services.lake)),
        facts: Arc::default(),
    }
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
        door.permit(address, &Method::GET, &headers, Action::Operate)
            .await?;
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Ok((
        [(header::CONTENT_TYPE, kind)],
        metrics.text(&services).await,
    ))
}

/// What no route answers is the web application's.
async fn app_page(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    app::answer(&method, &uri, &headers)
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
    app::guarded(response)
}
