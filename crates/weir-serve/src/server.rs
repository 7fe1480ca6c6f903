use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, BodyDataStream};
use axum::extract::FromRequestParts;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::FutureExt;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use http_body_util::{Either, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::body::timed;
use crate::documents::Files;
use crate::error::ApiError;
use crate::intake::Intake;
use crate::peer::client_address;
use crate::session::Cookies;
use crate::tls::Certificate;
use crate::{ServeOptions, Services, alerts, results, routes};

/// How long a client may take to agree on encryption.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The body of any answer: the intake's is in memory, the others may stream.
pub(crate) type ResponseBody = Either<Full<Bytes>, Body>;

/// The address a request came from, behind trusted proxies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

impl<S: Sync> FromRequestParts<S> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        // Every request passes `House::answer`, which adds the address.
        let unknown = ClientAddress(IpAddr::from([0, 0, 0, 0]));
        Ok(parts.extensions.get().copied().unwrap_or(unknown))
    }
}

/// How long a tap's messages may take to come.
const LONGEST_LOAD: Duration = Duration::from_secs(7 * 24 * 3600);

/// Everything a connection needs.
struct House {
    intake: Intake,
    others: Router,
    trusted_proxies: Vec<IpAddr>,
    body_timeout: Duration,
}

impl House {
    async fn answer(&self, request: Request<Incoming>, peer: IpAddr) -> Response<ResponseBody> {
        let address = client_address(peer, request.headers(), &self.trusted_proxies);
        if self.intake.claims(request.uri().path()) {
            return self.intake.answer(request, address).await;
        }
        let timeout = match crate::extract::is_load(request.uri().path()) {
            // A tap sends rows as it gets them, for as long as it takes. Whoever may not load is
            // answered before any of it is read.
            true => LONGEST_LOAD,
            false => self.body_timeout,
        };
        let mut request = request.map(|body| timed(body, timeout));
        request.extensions_mut().insert(ClientAddress(address));
        let response = match self.others.clone().oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
        response.map(Either::Right)
    }
}

/// The HTTP door, which may be asked before it listens and without a connection.
pub struct Server {
    house: Arc<House>,
    services: Services,
    files: Files,
    options: ServeOptions,
    shutdown: CancellationToken,
}

/// The routes of a server for callers within its process: no socket, the same rights and answers.
#[derive(Clone)]
pub struct Routes(Router);

impl Routes {
    /// Answers a request as one from this machine, with a body in pieces. Events are no business of
    /// these routes.
    pub async fn answer<B>(&self, request: Request<B>) -> Response<BodyDataStream>
    where
        B: hyper::body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<axum::BoxError>,
    {
        let mut request = request.map(Body::new);
        let address = ClientAddress(IpAddr::from([127, 0, 0, 1]));
        request.extensions_mut().insert(address);
        // Without a connection there is no task of its own that a panic would end.
        let answer = AssertUnwindSafe(self.0.clone().oneshot(request)).catch_unwind();
        let response = match answer.await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => panicked().into_response(),
        };
        response.map(Body::into_data_stream)
    }
}

/// What is told of a panic; what it said is in the log.
fn panicked() -> ApiError {
    ApiError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal",
        "the server failed at this request; its log says where",
    )
}

impl Server {
    /// Returns the door of `services`, which serves until `shutdown`.
    pub fn new(services: Services, options: ServeOptions, shutdown: CancellationToken) -> Self {
        let public = options.public_url.as_deref();
        let cookies = Cookies {
            secure: options.certificate.is_some()
                || public.is_some_and(|url| url.starts_with("https://")),
        };
        let intake = Intake::new(&services, &options);
        let files = Files::new(options.project.clone(), services.catalog.clone());
        let house = Arc::new(House {
            others: routes::router(
                &services,
                intake.metrics(),
                shutdown.clone(),
                (cookies, files.clone()),
            ),
            intake,
            trusted_proxies: options.trusted_proxies.clone(),
            body_timeout: options.body_timeout,
        });
        Self {
            house,
            services,
            files,
            options,
            shutdown,
        }
    }

    /// Returns the routes for callers within this process.
    pub fn routes(&self) -> Routes {
        Routes(self.house.others.clone())
    }

    /// Serves on `listener` until shutdown, then lets running requests end.
    ///
    /// Returns when the last connection is closed or the grace is over. What the requests had written
    /// is acknowledged and durable by then; flushing it is the caller's.
    pub async fn serve(self, listener: TcpListener) {
        let (services, shutdown) = (&self.services, &self.shutdown);
        tokio::spawn(alerts::watch_until(
            alerts::Rooms::of(services),
            shutdown.clone(),
        ));
        tokio::spawn(self.files.follow_until(shutdown.clone()));
        tokio::spawn(results::expire_until(
            routes::kept(services),
            shutdown.clone(),
        ));
        accept(listener, self.house, self.options, &self.shutdown).await;
    }
}

/// Accepts connections until `shutdown`.
async fn accept(
    listener: TcpListener,
    house: Arc<House>,
    options: ServeOptions,
    shutdown: &CancellationToken,
) {
    let tls = options.certificate.map(Certificate::acceptor);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(options.header_timeout)
        .max_headers(100)
        .max_buf_size(64 << 10);
    let places = Arc::new(Semaphore::new(
        options.max_connections.min(Semaphore::MAX_PERMITS),
    ));
    let graceful = GracefulShutdown::new();

    loop {
        // A place first: what we cannot serve yet waits in the kernel's queue.
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = async {
                let place = places.clone().acquire_owned().await;
                (listener.accept().await, place)
            } => accepted,
        };
        let (Ok((stream, peer)), Ok(place)) = accepted else {
            // Out of file descriptors, mostly: trying again at once would only burn CPU.
            tracing::warn!("cannot accept connections; check the open-file limit");
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // Small answers must not wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        let connection = Connection {
            http: http.clone(),
            peer: peer.ip(),
            house: house.clone(),
            watcher: graceful.watcher(),
        };
        let tls = tls.clone();
        tokio::spawn(async move {
            match tls {
                None => connection.serve(stream).await,
                Some(tls) => connection.serve_encrypted(stream, &tls).await,
            }
            drop(place);
        });
    }
    drop(listener);
    if tokio::time::timeout(options.shutdown_grace, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!("closed connections that were still busy at the end of the grace");
    }
}

/// A connection that was accepted.
struct Connection {
    http: http1::Builder,
    peer: IpAddr,
    house: Arc<House>,
    watcher: Watcher,
}

impl Connection {
    /// Agrees on encryption first. Who cannot is not answered: going on in clear is what somebody in
    /// the middle would want.
    async fn serve_encrypted(self, stream: TcpStream, tls: &TlsAcceptor) {
        if let Ok(Ok(stream)) = tokio::time::timeout(HANDSHAKE, tls.accept(stream)).await {
            self.serve(stream).await;
        }
    }

    async fn serve(self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let (house, peer) = (self.house, self.peer);
        let service = hyper::service::service_fn(move |request| {
            let house = house.clone();
            async move { Ok::<_, Infallible>(house.answer(request, peer).await) }
        });
        let connection = self.http.serve_connection(TokioIo::new(stream), service);
        // Errors here are clients that went away or spoke no HTTP: nobody can act on them.
        let _ = self.watcher.watch(connection).await;
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;

    use super::*;

    async fn broken() -> &'static str {
        panic!("a fault of ours")
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_and_the_next_request_is_served() {
        let routes = Routes(
            Router::new()
                .route("/broken", get(broken))
                .route("/", get(async || "fine")),
        );
        let ask = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            routes.answer(request).await.status()
        };
        assert_eq!(ask("/broken").await, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(ask("/").await, StatusCode::OK);
    }
}
