//! Encryption of both doors: certificates read from files or made here, handshakes that fail closed.

use std::path::Path;
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or is no PEM.
    #[error("cannot read `{path}`: {why}")]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// The files do not belong together, or are of a kind that is not supported.
    #[error("the certificate in `{certificate}` cannot be used with the key in `{key}`: {source}")]
    Unusable {
        /// The certificate's file.
        certificate: String,
        /// The key's file.
        key: String,
        /// What is wrong with them.
        source: rustls::Error,
    },
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Unmakeable(String),
}

/// A certificate and its key, ready to serve with.
#[derive(Clone)]
pub struct Certificate {
    config: Arc<ServerConfig>,
    fingerprint: String,
}

impl Certificate {
    /// Reads a certificate (with its chain) and a key from PEM files.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let unreadable = |path: &Path, why: String| TlsError::Unreadable {
            path: path.display().to_string(),
            why,
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|error| unreadable(certificate, plainly(&error)))?;
        if chain.is_empty() {
            return Err(unreadable(
                certificate,
                "no certificate is in it".to_owned(),
            ));
        }
        let private =
            PrivateKeyDer::from_pem_file(key).map_err(|error| unreadable(key, plainly(&error)))?;
        Self::new(chain, private).map_err(|source| TlsError::Unusable {
            certificate: certificate.display().to_string(),
            key: key.display().to_string(),
            source,
        })
    }

    /// Makes a certificate that no authority signed, for this machine: it keeps others from
    /// listening, and cannot prove who we are.
    ///
    /// Returns it with its PEM texts, certificate first.
    pub fn make(names: Vec<String>) -> Result<(Self, String, String), TlsError> {
        let made = rcgen::generate_simple_self_signed(names)
            .map_err(|error| TlsError::Unmakeable(error.to_string()))?;
        let private = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let certificate = Self::new(vec![made.cert.der().clone()], private.into())
            .map_err(|error| TlsError::Unmakeable(error.to_string()))?;
        Ok((
            certificate,
            made.cert.pem(),
            made.signing_key.serialize_pem(),
        ))
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, rustls::Error> {
        let fingerprint = fingerprint(chain.first().map(AsRef::as_ref).unwrap_or_default());
        // Named, because more than one provider may be linked in.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self {
            config: Arc::new(config),
            fingerprint,
        })
    }

    /// Returns SHA-256 of the certificate, in hexadecimal: by it a command on this machine knows
    /// the server, whatever names the certificate is for.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    pub(crate) fn acceptor(self) -> TlsAcceptor {
        TlsAcceptor::from(self.config)
    }
}

/// Returns SHA-256 of a certificate's bytes, in hexadecimal.
pub fn fingerprint(certificate: &[u8]) -> String {
    let hash = digest(&SHA256, certificate);
    hash.as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Says what is wrong with a PEM file in the words of somebody who has to mend it.
fn plainly(error: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    match error {
        Error::Io(error) => error.to_string(),
        Error::NoItemsFound => "nothing in it is of the kind that belongs there".to_owned(),
        _ => "it is no PEM file".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_names_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        let (made, certificate, key) = Certificate::make(vec!["localhost".to_owned()]).unwrap();
        let (_, _, other_key) = Certificate::make(vec!["localhost".to_owned()]).unwrap();
        for (name, text) in [
            ("certificate.pem", certificate.as_str()),
            ("key.pem", &key),
            ("other.pem", &other_key),
            ("empty.pem", ""),
            (
                "junk.pem",
                "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n",
            ),
        ] {
            std::fs::write(path(name), text).unwrap();
        }
        let read = |certificate: &str, key: &str| {
            Certificate::read(&path(certificate), &path(key))
                .map(|read| read.fingerprint().to_owned())
                .map_err(|error| error.to_string())
        };
        assert_eq!(
            read("certificate.pem", "key.pem").as_deref(),
            Ok(made.fingerprint())
        );
        for (certificate, key, named) in [
            ("missing.pem", "key.pem", "missing.pem"),
            ("empty.pem", "key.pem", "empty.pem"),
            ("junk.pem", "key.pem", "junk.pem"),
            ("key.pem", "key.pem", "key.pem"),
            ("certificate.pem", "certificate.pem", "certificate.pem"),
            ("certificate.pem", "missing.pem", "missing.pem"),
            ("certificate.pem", "other.pem", "other.pem"),
        ] {
            let error = read(certificate, key).unwrap_err();
            assert!(error.contains(named), "{certificate}, {key}: {error}");
        }
    }
}
