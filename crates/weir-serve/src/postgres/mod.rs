//! The Postgres door: everything that speaks to PostgreSQL can ask here.
//!
//! Messages are encoded and decoded by `pgwire`; what is said, and in which order, is ours, so that
//! encryption fails closed, a query can be cancelled while its rows stream, and nothing is promised
//! that is not kept.

mod arrivals;
mod cancel;
mod command;
mod copy_in;
mod cursor;
mod decode;
mod encode;
mod failure;
mod frame;
pub(crate) mod fuzz;
mod scram;
mod script;
mod session;
mod settings;
mod startup;
mod wire;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use weir_access::LoginLimiter;
use weir_catalog::Catalog;
use weir_query::Engine;

use self::arrivals::{Arrival, Arrivals};
use self::cancel::Cancels;
use self::session::Session;
use self::startup::{Refused, greet};
use self::wire::{Broken, Wire};

use crate::auth::SignIns;
use crate::tls::Certificate;

/// So many are told at one time that there is no room for them.
const TURNED_AWAY: usize = 32;

/// How long it may take to tell busy sessions that the server stops.
const FAREWELL: Duration = Duration::from_secs(1);

/// How the Postgres door behaves.
#[derive(Clone)]
pub struct PostgresOptions {
    /// Connections open at one time; further ones are told so.
    pub max_connections: usize,
    /// What connections are encrypted with; without it only this machine's own are let in.
    pub certificate: Option<Certificate>,
    /// How long running queries may go on after shutdown has begun.
    pub shutdown_grace: Duration,
}

/// What every connection needs.
struct Door {
    engine: Engine,
    catalog: Catalog,
    logins: Arc<LoginLimiter>,
    sign_ins: SignIns,
    cancels: Cancels,
    tls: Option<TlsAcceptor>,
}

/// Serves the Postgres protocol on `listener` until `shutdown`.
pub async fn serve_postgres(
    listener: TcpListener,
    engine: Engine,
    catalog: Catalog,
    logins: Arc<LoginLimiter>,
    options: PostgresOptions,
    shutdown: CancellationToken,
) {
    let door = Arc::new(Door {
        engine,
        sign_ins: SignIns::new(catalog.clone(), "postgres"),
        catalog,
        logins,
        cancels: Cancels::default(),
        tls: options
            .certificate
            .map(|certificate| certificate.acceptor()),
    });
    let places = Arc::new(Semaphore::new(options.max_connections));
    let arrivals = Arrivals::new(options.max_connections);
    let turns = Arc::new(Semaphore::new(TURNED_AWAY));
    let sessions = tokio_util::task::TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tracing::warn!("cannot accept connections; check the open-file limit");
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        // Rows leave in large pieces, and the last small one must not wait.
        let _ = stream.set_nodelay(true);
        let wire = Wire::new(Box::new(stream));
        let door = door.clone();
        let shutdown = shutdown.clone();
        match arrivals.enter(peer.ip()) {
            Some(arrival) if places.available_permits() > 0 => {
                let places = places.clone();
                sessions.spawn(serve_one(wire, door, peer.ip(), arrival, places, shutdown));
            }
            _ => {
                // Words for some; the others see that it ends.
                if let Ok(turn) = turns.clone().try_acquire_owned() {
                    let door = door.clone();
                    sessions.spawn(async move {
                        startup::turn_away(wire, &door).await;
                        drop(turn);
                    });
                }
            }
        }
    }
    drop(listener);
    sessions.close();
    let grace = options.shutdown_grace;
    if tokio::time::timeout(grace, sessions.wait()).await.is_ok() {
        return;
    }
    tracing::warn!("ended Postgres sessions that were still busy at the end of the grace");
    door.cancels.end_all();
    let _ = tokio::time::timeout(FAREWELL, sessions.wait()).await;
}

async fn serve_one(
    wire: Wire,
    door: Arc<Door>,
    address: IpAddr,
    arrival: Arrival,
    places: Arc<Semaphore>,
    shutdown: CancellationToken,
) {
    let visitor = match greet(wire, &door, address).await {
        Ok(visitor) => visitor,
        Err(Refused::Broken(Broken::Protocol(why))) => {
            tracing::debug!(%address, why, "no session at the Postgres door");
            return;
        }
        Err(Refused::Cancelled | Refused::Broken(_) | Refused::Told) => return,
    };
    drop(arrival);
    let Ok(_place) = places.try_acquire_owned() else {
        // Others signed in meanwhile.
        return startup::no_room(visitor.wire).await;
    };
    let (session, mut wire) = Session::new(visitor, &door);
    session.run(&mut wire, shutdown).await;
    wire.close().await;
}
