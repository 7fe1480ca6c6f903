use fallible_iterator::FallibleIterator;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{AuthenticationSaslBody, Message};
use postgres_protocol::message::frontend;
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::super::{Result, WarehouseError, WarehouseErrorKind};
use super::options::PostgresOptions;
use super::wire::{Stream, Wire, error_of, unexpected};

/// What a cancel request names the session by.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SessionKey {
    pub(super) process_id: i32,
    pub(super) secret: i32,
}

/// Connects, without saying anything yet.
pub(super) async fn dial(options: &PostgresOptions) -> Result<Box<dyn Stream>> {
    let connect = async {
        #[cfg(unix)]
        if options.host.starts_with('/') {
            let path = format!("{}/.s.PGSQL.{}", options.host, options.port);
            return Ok(Box::new(UnixStream::connect(path).await?) as Box<dyn Stream>);
        }
        let stream = TcpStream::connect((options.host.as_str(), options.port)).await?;
        stream.set_nodelay(true)?;
        Ok::<_, std::io::Error>(Box::new(stream) as Box<dyn Stream>)
    };
    let place = format!("{}:{}", options.host, options.port);
    match tokio::time::timeout(options.connect_timeout, connect).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(WarehouseError::new(
            WarehouseErrorKind::Connect,
            format!("cannot connect to PostgreSQL at {place}: {error}"),
        )
        .with_hint("check `host` and `port` of the profile and that the server runs")
        .with_source(error)),
        Err(_) => Err(WarehouseError::new(
            WarehouseErrorKind::Connect,
            format!(
                "PostgreSQL at {place} did not answer within {} s",
                options.connect_timeout.as_secs()
            ),
        )
        .with_hint("check `host` and `port` of the profile, or raise `connect_timeout`")),
    }
}

/// Says who we are and waits until the server is ready.
pub(super) async fn log_in(wire: &mut Wire, options: &PostgresOptions) -> Result<SessionKey> {
    let own = [
        ("user", options.user.as_str()),
        ("database", options.database.as_str()),
        ("application_name", options.application_name.as_str()),
        ("client_encoding", "UTF8"),
        ("DateStyle", "ISO"),
    ];
    let more = options.startup.iter();
    let more = more.map(|(name, value)| (name.as_str(), value.as_str()));
    let parameters: Vec<(&str, &str)> = own.into_iter().chain(more).collect();
    wire.put(|buffer| frontend::startup_message(parameters, buffer))?;
    wire.flush().await?;
    let mut key = SessionKey::default();
    loop {
        match wire.next().await? {
            Message::AuthenticationOk => {}
            Message::AuthenticationCleartextPassword => {
                let password = password_of(options)?.as_bytes().to_vec();
                wire.put(|buffer| frontend::password_message(&password, buffer))?;
                wire.flush().await?;
            }
            Message::AuthenticationMd5Password(body) => {
                let password = password_of(options)?.as_bytes();
                let hash = md5_hash(options.user.as_bytes(), password, body.salt());
                wire.put(|buffer| frontend::password_message(hash.as_bytes(), buffer))?;
                wire.flush().await?;
            }
            Message::AuthenticationSasl(body) => scram(wire, options, &body).await?,
            Message::BackendKeyData(body) => {
                key = SessionKey {
                    process_id: body.process_id(),
                    secret: body.secret_key(),
                };
            }
            Message::ReadyForQuery(_) => return Ok(key),
            Message::ErrorResponse(body) => {
                let mut error = error_of(body.fields());
                error.kind = WarehouseErrorKind::Connect;
                return Err(error);
            }
            _ => {
                return Err(refused(
                    "it asks for a way of logging in that is not supported",
                ));
            }
        }
    }
}

/// Proves knowledge of the password without sending it.
async fn scram(
    wire: &mut Wire,
    options: &PostgresOptions,
    body: &AuthenticationSaslBody,
) -> Result<()> {
    let offered: Vec<&str> = body
        .mechanisms()
        .collect()
        .map_err(|_| unexpected("its list of mechanisms is broken"))?;
    if !offered.contains(&SCRAM_SHA_256) {
        return Err(refused("it does not offer SCRAM-SHA-256"));
    }
    let password = password_of(options)?;
    let mut proof = ScramSha256::new(password.as_bytes(), ChannelBinding::unsupported());
    wire.put(|buffer| frontend::sasl_initial_response(SCRAM_SHA_256, proof.message(), buffer))?;
    wire.flush().await?;
    loop {
        match wire.next().await? {
            Message::AuthenticationSaslContinue(body) => {
                proof
                    .update(body.data())
                    .map_err(|error| refused(&error.to_string()))?;
                wire.put(|buffer| frontend::sasl_response(proof.message(), buffer))?;
                wire.flush().await?;
            }
            Message::AuthenticationSaslFinal(body) => {
                return proof
                    .finish(body.data())
                    .map_err(|error| refused(&error.to_string()));
            }
            Message::ErrorResponse(body) => {
                let mut error = error_of(body.fields());
                error.kind = WarehouseErrorKind::Connect;
                return Err(error);
            }
            _ => return Err(unexpected("another message than SCRAM's")),
        }
    }
}

fn password_of(options: &PostgresOptions) -> Result<&str> {
    options.password.as_deref().ok_or_else(|| {
        WarehouseError::new(
            WarehouseErrorKind::Connect,
            format!("PostgreSQL asks for the password of `{}`", options.user),
        )
        .with_hint("add `password` to the profile's output")
    })
}

fn refused(why: &str) -> WarehouseError {
    WarehouseError::new(
        WarehouseErrorKind::Connect,
        format!("cannot log in to PostgreSQL: {why}"),
    )
}
