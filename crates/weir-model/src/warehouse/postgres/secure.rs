use std::sync::Arc;

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::super::{Result, WarehouseError, WarehouseErrorKind};
use super::options::PostgresOptions;
use super::wire::{Stream, lost};

/// How much TLS is asked for, in libpq's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// None at all.
    Disable,
    /// What the server offers, without looking at its certificate.
    Prefer,
    /// TLS, without looking at the certificate.
    Require,
    /// A certificate of an authority we trust.
    VerifyCa,
    /// And of this host.
    VerifyFull,
}

impl Mode {
    fn of(options: &PostgresOptions) -> Result<Self> {
        Ok(match options.sslmode.as_deref() {
            Some("disable" | "allow") => Self::Disable,
            None | Some("prefer") => Self::Prefer,
            Some("require") => Self::Require,
            Some("verify-ca") => Self::VerifyCa,
            Some("verify-full") => Self::VerifyFull,
            Some(other) => {
                return Err(refused(format!("there is no sslmode `{other}`"))
                    .with_hint("take disable, prefer, require, verify-ca or verify-full"));
            }
        })
    }
}

/// Asks the server for TLS, if the options say so, and returns what to speak over.
pub(super) async fn secure(
    mut stream: Box<dyn Stream>,
    options: &PostgresOptions,
) -> Result<Box<dyn Stream>> {
    let mode = Mode::of(options)?;
    // Unix sockets have no TLS.
    if mode == Mode::Disable || options.host.starts_with('/') {
        return Ok(stream);
    }
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    stream.write_all(&request).await.map_err(lost)?;
    let answer = stream.read_u8().await.map_err(lost)?;
    match (answer, mode) {
        (b'S', _) => {}
        (_, Mode::Prefer) => return Ok(stream),
        _ => {
            return Err(
                refused("the server does not offer TLS".to_owned()).with_hint(
                    "switch it on there, or set `sslmode: disable` if the network is trusted",
                ),
            );
        }
    }
    encrypted(stream, mode, options).await
}

/// Begins TLS with a server that has agreed to it in the words of another protocol, as the options say; none
/// is begun where they do not want any.
pub(super) async fn encrypt(
    stream: Box<dyn Stream>,
    options: &PostgresOptions,
) -> Result<Box<dyn Stream>> {
    match Mode::of(options)? {
        Mode::Disable => Ok(stream),
        mode => encrypted(stream, mode, options).await,
    }
}

async fn encrypted(
    stream: Box<dyn Stream>,
    mode: Mode,
    options: &PostgresOptions,
) -> Result<Box<dyn Stream>> {
    let config = Arc::new(config(mode, options)?);
    let name = ServerName::try_from(options.host.clone()).map_err(|error| {
        refused(format!("`{}` is no name of a host", options.host)).with_source(error)
    })?;
    let secured = TlsConnector::from(config).connect(name, stream).await;
    let secured = secured.map_err(|error| {
        refused(format!(
            "TLS with {} could not be set up: {error}",
            options.host
        ))
        .with_source(error)
    })?;
    Ok(Box::new(secured))
}

fn config(mode: Mode, options: &PostgresOptions) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| refused(error.to_string()))?;
    let verifier: Arc<dyn ServerCertVerifier> = match mode {
        Mode::VerifyCa | Mode::VerifyFull => {
            let roots = Arc::new(roots(options)?);
            let inner =
                WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            let inner = inner.map_err(|error| refused(error.to_string()))?;
            Arc::new(Checked {
                inner,
                any_name: mode == Mode::VerifyCa,
            })
        }
        _ => Arc::new(Unchecked(provider)),
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    match (&options.sslcert, &options.sslkey) {
        (Some(certificate), Some(key)) => {
            let chain = certificates(certificate)?;
            let key = PrivateKeyDer::from_pem_file(key)
                .map_err(|error| refused(format!("cannot read the key `{key}`: {error}")))?;
            builder
                .with_client_auth_cert(chain, key)
                .map_err(|error| refused(error.to_string()))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}

fn certificates(path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let unread = |error| refused(format!("cannot read the certificates in `{path}`: {error}"));
    let all = CertificateDer::pem_file_iter(path).map_err(unread)?;
    all.collect::<std::result::Result<_, _>>().map_err(unread)
}

fn roots(options: &PostgresOptions) -> Result<RootCertStore> {
    let Some(path) = &options.sslrootcert else {
        return Err(
            refused("the profile does not say which authorities to trust".to_owned()).with_hint(
                "set `sslrootcert` to a file of certificates; providers of databases offer theirs",
            ),
        );
    };
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots
            .add(certificate)
            .map_err(|error| refused(error.to_string()))?;
    }
    Ok(roots)
}

fn refused(what: String) -> WarehouseError {
    WarehouseError::new(WarehouseErrorKind::Connect, what)
}

/// Takes any certificate, as `require` does: others can listen only by taking part.
#[derive(Debug)]
struct Unchecked(Arc<CryptoProvider>);

impl ServerCertVerifier for Unchecked {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Takes certificates of trusted authorities; of another host too, if any name will do.
#[derive(Debug)]
struct Checked {
    inner: Arc<WebPkiServerVerifier>,
    any_name: bool,
}

impl ServerCertVerifier for Checked {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        chain: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        use CertificateError::{NotValidForName, NotValidForNameContext};
        match self
            .inner
            .verify_server_cert(certificate, chain, name, response, now)
        {
            Err(rustls::Error::InvalidCertificate(
                NotValidForName | NotValidForNameContext { .. },
            )) if self.any_name => Ok(ServerCertVerified::assertion()),
            judged => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
