//! From a new connection to somebody who has signed in.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::{Buf, BytesMut};
use chrono::Utc;
use pgwire::messages::startup::{Authentication, NegotiateProtocolVersion};
use pgwire::messages::{PgWireBackendMessage as Reply, PgWireFrontendMessage as Message};
use tokio_rustls::TlsAcceptor;
use weir_access::{Identity, LoginSource, Refusal};

use super::failure::Failure;
use super::scram::{self, Exchange, MECHANISM, Proof};
use super::wire::{Broken, Wire};
use super::{Cancels, Door, frame};
use crate::auth::Attempt;

/// From the first byte to signed in.
const TIME: Duration = Duration::from_secs(10);

/// For telling somebody that there is no room.
const TURNING: Duration = Duration::from_secs(2);

const CANCEL: u32 = 80_877_102;
const SSL: u32 = 80_877_103;
const GSS: u32 = 80_877_104;

/// The user name under which a token is a password, whoever's it is.
const TOKEN_USER: &str = "token";

/// Somebody who has signed in, and what they asked for.
pub(super) struct Visitor {
    pub(super) wire: Wire,
    pub(super) identity: Identity,
    pub(super) address: IpAddr,
    pub(super) parameters: BTreeMap<String, String>,
}

/// Why there is no session.
pub(super) enum Refused {
    /// It asked for something to be cancelled, which was all it came for.
    Cancelled,
    Broken(Broken),
    Told,
}

impl From<Broken> for Refused {
    fn from(broken: Broken) -> Self {
        Refused::Broken(broken)
    }
}

/// Lets a connection in, or not.
pub(super) async fn greet(wire: Wire, door: &Door, address: IpAddr) -> Result<Visitor, Refused> {
    match tokio::time::timeout(TIME, begin(wire, door, address)).await {
        Ok(end) => end,
        Err(_) => Err(Refused::Broken(Broken::Protocol(
            "signing in took too long".to_owned(),
        ))),
    }
}

/// Says that the house is full.
pub(super) async fn no_room(wire: Wire) {
    let full = Failure::new("53300", "sorry, too many clients already")
        .hint("raise [postgres] max_connections, or close idle connections");
    let _ = tokio::time::timeout(TURNING, tell(wire, full)).await;
}

/// Says that the house is full, to whoever asks for encryption first, too: their libraries read nothing before.
pub(super) async fn turn_away(mut wire: Wire, door: &Door) {
    let told = async {
        let mut encrypted = false;
        loop {
            match wire.startup().await?.get_u32() {
                SSL if !encrypted => match &door.tls {
                    Some(tls) => {
                        wire = encrypt(wire, tls).await?;
                        encrypted = true;
                    }
                    None => wire.raw(b"N").await?,
                },
                GSS if !encrypted => wire.raw(b"N").await?,
                _ => break,
            }
        }
        no_room(wire).await;
        Ok::<(), Broken>(())
    };
    let _ = tokio::time::timeout(TURNING, told).await;
}

async fn begin(mut wire: Wire, door: &Door, address: IpAddr) -> Result<Visitor, Refused> {
    let mut encrypted = false;
    let parameters = loop {
        let mut packet = wire.startup().await?;
        match packet.get_u32() {
            SSL if !encrypted => match &door.tls {
                Some(tls) => {
                    wire = encrypt(wire, tls).await?;
                    encrypted = true;
                }
                None => wire.raw(b"N").await?,
            },
            GSS if !encrypted => wire.raw(b"N").await?,
            CANCEL => {
                cancel(packet, &door.cancels);
                wire.close().await;
                return Err(Refused::Cancelled);
            }
            version if version >> 16 == 3 => {
                let parameters = frame::parameters(&packet);
                negotiate(&mut wire, version & 0xffff, &parameters);
                break parameters;
            }
            other => {
                let told = Failure::new("0A000", format!("unsupported frontend protocol {other}"));
                return Err(tell(wire, told).await);
            }
        }
    };
    // What is typed into a network in clear is everybody's.
    if !encrypted && !address.is_loopback() {
        let told = Failure::new("28000", "this server takes only encrypted connections")
            .hint("connect with sslmode=require");
        return Err(tell(wire, told).await);
    }
    let user = parameters.get("user").cloned().unwrap_or_default();
    if user.is_empty() {
        let told = Failure::new(
            "28000",
            "no PostgreSQL user name specified in startup packet",
        );
        return Err(tell(wire, told).await);
    }
    let database = parameters
        .get("database")
        .map_or(user.as_str(), String::as_str);
    if ![weir_query::CATALOG, "postgres", &user].contains(&database) {
        let told = Failure::new("3D000", format!("database \"{database}\" does not exist"))
            .hint("the database is called weir");
        return Err(tell(wire, told).await);
    }
    match sign_in(&mut wire, door, address, &user).await {
        Ok(identity) => Ok(Visitor {
            wire,
            identity,
            address,
            parameters,
        }),
        Err(Stop::Broken(broken)) => Err(broken.into()),
        Err(Stop::Told(failure)) => Err(tell(wire, failure).await),
    }
}

async fn encrypt(mut wire: Wire, tls: &TlsAcceptor) -> Result<Wire, Broken> {
    wire.raw(b"S").await?;
    let plain = wire.into_transport()?;
    // A handshake that fails ends the connection: going on in clear is what an attacker would want.
    let encrypted = tls.accept(plain).await?;
    Ok(Wire::new(Box::new(encrypted)))
}

async fn tell(mut wire: Wire, failure: Failure) -> Refused {
    wire.error(failure.response("FATAL"));
    match wire.flush().await {
        Ok(()) => {
            wire.close().await;
            Refused::Told
        }
        Err(broken) => broken.into(),
    }
}

fn cancel(mut packet: BytesMut, cancels: &Cancels) {
    if packet.len() == 8 {
        let (process, secret) = (packet.get_i32(), packet.get_i32());
        cancels.cancel(process, secret);
    }
}

fn negotiate(wire: &mut Wire, minor: u32, parameters: &BTreeMap<String, String>) {
    let unknown: Vec<String> = parameters
        .keys()
        .filter(|name| name.starts_with("_pq_."))
        .cloned()
        .collect();
    if minor > 0 || !unknown.is_empty() {
        wire.put(Reply::NegotiateProtocolVersion(
            NegotiateProtocolVersion::new(0, unknown),
        ));
    }
}

enum Stop {
    Broken(Broken),
    Told(Failure),
}

impl From<Broken> for Stop {
    fn from(broken: Broken) -> Self {
        Stop::Broken(broken)
    }
}

fn wrong(user: &str) -> Stop {
    Stop::Told(
        Failure::new(
            "28P01",
            format!("password authentication failed for user \"{user}\""),
        )
        .hint("`weir users passwd` sets a password, `weir tokens create` makes a token"),
    )
}

async fn sign_in(
    wire: &mut Wire,
    door: &Door,
    address: IpAddr,
    user: &str,
) -> Result<Identity, Stop> {
    let source = LoginSource {
        address,
        user: (user != TOKEN_USER).then_some(user),
    };
    let wait = || door.logins.wait(&source, Instant::now());
    let slow_down = |wait: Duration| {
        Stop::Told(Failure::new(
            "28000",
            format!("too many failed attempts; wait {} s", wait.as_secs() + 1),
        ))
    };
    // A token cannot be guessed, so whoever has one need not wait for those who guess passwords.
    let by_token = user == TOKEN_USER;
    if let Some(wait) = wait().filter(|_| !by_token) {
        return Err(slow_down(wait));
    }
    let attempt = Attempt {
        address,
        user: source.user,
    };
    if user != TOKEN_USER && door.catalog.access().user(user).is_none() {
        // Another process may have made the user a moment ago.
        door.catalog.refresh_for_stranger().await;
    }
    let proved = match user == TOKEN_USER {
        true => token(wire, door).await?,
        false => scram(wire, door, user).await?,
    };
    // Asked again: many guesses at once must gain nothing.
    if let Some(wait) = wait().filter(|_| !by_token || proved.is_none()) {
        return Err(slow_down(wait));
    }
    match proved {
        Some(identity) => {
            door.logins.succeeded(&source, Instant::now());
            door.sign_ins.succeeded(&attempt, &identity);
            wire.put(Reply::Authentication(Authentication::Ok));
            Ok(identity)
        }
        None => {
            door.logins.failed(&source, Instant::now());
            door.sign_ins.failed(&attempt, Refusal::WrongPassword);
            Err(wrong(user))
        }
    }
}

async fn answer(wire: &mut Wire) -> Result<BytesMut, Stop> {
    wire.flush().await?;
    match wire.message().await? {
        Message::PasswordMessageFamily(message) => Ok(frame::secret(message)),
        _ => Err(Stop::Broken(Broken::Protocol(
            "expected a password".to_owned(),
        ))),
    }
}

fn malformed() -> Stop {
    Stop::Broken(Broken::Protocol("malformed SCRAM message".to_owned()))
}

async fn scram(wire: &mut Wire, door: &Door, user: &str) -> Result<Option<Identity>, Stop> {
    wire.put(Reply::Authentication(Authentication::SASL(vec![
        MECHANISM.to_owned(),
    ])));
    let first = answer(wire).await?;
    let (mechanism, first) = frame::sasl_first(&first).ok_or_else(malformed)?;
    if mechanism != MECHANISM {
        return Err(malformed());
    }
    let salt = door.catalog.access().scram(user);
    let (exchange, reply) = Exchange::begin(&salt, first).map_err(|_| malformed())?;
    wire.put(Reply::Authentication(Authentication::SASLContinue(
        reply.into(),
    )));
    let last = answer(wire).await?;
    let Proof { signed, proof } = exchange.end(&last).map_err(|_| malformed())?;
    let known = || {
        let access = door.catalog.access();
        access.authenticate_proof(user, signed.as_bytes(), &proof, Utc::now())
    };
    let proved = match known() {
        // Another process may have made the token a moment ago.
        Err(Refusal::WrongPassword) => {
            door.catalog.refresh_for_stranger().await;
            known()
        }
        known => known,
    };
    Ok(proved.ok().map(|(identity, signature)| {
        wire.put(Reply::Authentication(Authentication::SASLFinal(
            scram::signature(&signature).into(),
        )));
        identity
    }))
}

/// Asks for a token in clear, which only encrypted connections and this machine's own are asked for:
/// without a user's name there is no salt to prove it with.
async fn token(wire: &mut Wire, door: &Door) -> Result<Option<Identity>, Stop> {
    wire.put(Reply::Authentication(Authentication::CleartextPassword));
    let sent = answer(wire).await?;
    let (sent, _) = frame::text(&sent).ok_or_else(malformed)?;
    let known = || {
        let access = door.catalog.access();
        access.authenticate_token(sent, Utc::now())
    };
    let identity = match known() {
        // Another process may have made it a moment ago.
        Err(Refusal::Unknown) => {
            door.catalog.refresh_for_stranger().await;
            known()
        }
        known => known,
    };
    Ok(identity.ok())
}
