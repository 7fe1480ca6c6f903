//! The Postgres door, opened as the configuration says.

use std::net::SocketAddr;
use std::path::Path;

use tokio::net::TcpListener;
use weir_core::config::Config;
use weir_serve::{Certificate, PostgresOptions, TlsError};

use crate::failure::{Explain, Failure};
use crate::house::bind_as;
use crate::project::{Project, write_private};

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
            certificate: Some(certificate(project, config)?),
            shutdown_grace: config.server.shutdown_grace,
        },
    }))
}

fn certificate(project: &Project, config: &Config) -> Result<Certificate, Failure> {
    let wanted = &config.postgres;
    let explained = |error: TlsError| {
        Failure::new("the Postgres door has no certificate to encrypt with")
            .because(&error)
            .with_hint("check `postgres.certificate` and `postgres.key` in weir.toml")
    };
    match (wanted.certificate.as_str(), wanted.key.as_str()) {
        ("", "") => own(project),
        ("", _) | (_, "") => Err(Failure::new(
            "`postgres.certificate` and `postgres.key` go together, and one is missing",
        )),
        (certificate, key) => {
            let path = |file: &str| project.dir().join(file);
            Certificate::read(&path(certificate), &path(key)).map_err(explained)
        }
    }
}

/// Reads the certificate that was made for this project, or makes it.
fn own(project: &Project) -> Result<Certificate, Failure> {
    let folder = project.state_dir().join("tls");
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    if certificate.exists() && key.exists() {
        return Certificate::read(&certificate, &key)
            .explain(|| format!("cannot use the certificate in `{}`", folder.display()));
    }
    let names = vec!["localhost".to_owned(), "weir".to_owned()];
    let (made, certificate_pem, key_pem) =
        Certificate::make(names).explain(|| "cannot make a certificate".into())?;
    let write = |path: &Path, text: &str| {
        write_private(path, text).explain(|| format!("cannot write `{}`", path.display()))
    };
    std::fs::create_dir_all(&folder).explain(|| format!("cannot make `{}`", folder.display()))?;
    // The key first: a certificate without its key would be taken for a complete pair.
    write(&key, &key_pem)?;
    write(&certificate, &certificate_pem)?;
    Ok(made)
}

/// Returns the line that connects from this machine.
pub(crate) fn psql_line(address: SocketAddr, user: &str) -> String {
    format!("psql \"host={} port={} user={user} dbname=weir\"", address.ip(), address.port())
}
