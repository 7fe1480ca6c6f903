//! PostgreSQL as a warehouse.
//!
//! The client speaks the simple protocol over messages of `postgres-protocol`, since models need what
//! the common clients hide: the command's tag, types of a simple query's columns, and several
//! statements in one request.

mod catalog;
mod connection;
mod login;
mod options;
mod secure;
mod types;
mod wire;

use async_trait::async_trait;

pub use options::{PostgresOptions, decode};
pub use wire::Stream;

use super::{Connection, Dialect, Result, Warehouse};
use connection::PostgresConnection;

/// Connects and logs in, for whoever speaks another part of the protocol from there on.
///
/// # Errors
/// When nobody answers, TLS is not as asked for, or the server does not let us in.
pub async fn log_in(options: &PostgresOptions) -> Result<Box<dyn Stream>> {
    let stream = secure::secure(login::dial(options).await?, options).await?;
    let mut wire = wire::Wire::new(stream);
    login::log_in(&mut wire, options).await?;
    Ok(wire.into_stream())
}

/// Begins TLS with a server of another protocol that has agreed to it, as the host and the `ssl*` of the options say.
///
/// # Errors
/// When TLS is not as asked for.
pub async fn encrypt(
    stream: Box<dyn Stream>,
    options: &PostgresOptions,
) -> Result<Box<dyn Stream>> {
    secure::encrypt(stream, options).await
}

/// A PostgreSQL server and database that a profile names.
#[derive(Debug)]
pub struct Postgres {
    options: PostgresOptions,
    dialect: Dialect,
}

impl Postgres {
    /// Makes a warehouse; nothing is connected yet.
    pub fn new(options: PostgresOptions) -> Self {
        Self {
            options,
            dialect: Dialect::postgres(),
        }
    }

    /// Returns where and as whom it connects.
    pub fn options(&self) -> &PostgresOptions {
        &self.options
    }
}

#[async_trait]
impl Warehouse for Postgres {
    fn dialect(&self) -> &Dialect {
        &self.dialect
    }

    async fn connect(&self, name: &str) -> Result<Box<dyn Connection>> {
        let connection = PostgresConnection::open(&self.options, name).await?;
        Ok(Box::new(connection))
    }
}
