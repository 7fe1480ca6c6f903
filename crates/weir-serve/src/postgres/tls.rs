use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// Why there is no certificate to serve with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is missing or is no PEM.
    #[error("cannot read `{path}`: {why}")]
    Unreadable { path: String, why: String },
    /// Certificate and key do not belong together, or are of a kind that is not supported.
    #[error("the certificate cannot be used: {0}")]
    Unusable(#[from] rustls::Error),
    /// No certificate could be made.
    #[error("cannot make a certificate: {0}")]
    Unmakeable(String),
}

/// A certificate and its key, ready to serve with.
#[derive(Clone)]
pub struct Certificate {
    config: Arc<ServerConfig>,
}

impl Certificate {
    /// Reads a certificate (with its chain) and a key from PEM files.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let unreadable = |path: &Path, why: rustls::pki_types::pem::Error| TlsError::Unreadable {
            path: path.display().to_string(),
            why: why.to_string(),
        };
        let chain = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect::<Result<Vec<_>, _>>)
            .map_err(|why| unreadable(certificate, why))?;
        let private = PrivateKeyDer::from_pem_file(key).map_err(|why| unreadable(key, why))?;
        Self::new(chain, private)
    }

    /// Makes a certificate that no authority signed, for this machine: it keeps others from
    /// listening, and cannot prove who we are.
    ///
    /// Returns it with its PEM texts, certificate first.
    pub fn make(names: Vec<String>) -> Result<(Self, String, String), TlsError> {
        let made = rcgen::generate_simple_self_signed(names)
            .map_err(|error| TlsError::Unmakeable(error.to_string()))?;
        let private = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let certificate = Self::new(vec![made.cert.der().clone()], private.into())?;
        Ok((
            certificate,
            made.cert.pem(),
            made.signing_key.serialize_pem(),
        ))
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        // Named, because more than one provider may be linked in.
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self {
            config: Arc::new(config),
        })
    }

    pub(crate) fn acceptor(self) -> TlsAcceptor {
        TlsAcceptor::from(self.config)
    }
}
