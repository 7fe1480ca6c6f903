//! The Postgres door, opened as the configuration says.

use std::net::SocketAddr;

use tokio::net::TcpListener;
use weir_core::config::Config;
use weir_serve::PostgresOptions;

use crate::failure::Failure;
use crate::house::bind_as;
use crate::project::Project;
use crate::tls;

/// A door that listens already.
pub(crate) struct Door {
    pub(crate) listener: TcpListener,
    pub(crate) options: PostgresOptions,
}

/// Opens the door; none when the configuration wants none.
pub(crate) fn open(project: &Project, config: &Config) -> Result<Option<Door>, Failure> {
    let wanted = &config.postgres;
    if !wanted.enabled {
        return Ok(None);
    }
    Ok(Some(Door {
        listener: bind_as(wanted.listen, "postgres.listen")?,
        options: PostgresOptions {
            max_connections: wanted.max_connections,
            certificate: Some(tls::certificate(
                project,
                "postgres",
                &wanted.certificate,
                &wanted.key,
            )?),
            shutdown_grace: config.server.shutdown_grace,
        },
    }))
}

/// Returns the line that connects from this machine.
pub(crate) fn psql_line(address: SocketAddr, user: &str) -> String {
    format!(
        "psql \"host={} port={} user={user} dbname=weir\"",
        address.ip(),
        address.port()
    )
}
