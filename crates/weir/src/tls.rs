//! What the doors encrypt with, as the configuration says, and how commands know their own server.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use weir_core::config::Config;
use weir_serve::{Certificate, TlsError, fingerprint};

use crate::failure::{Explain, Failure};
use crate::project::{Project, write_private};

/// Reads the certificate of the door that the configuration calls `section`, or makes one.
pub(crate) fn certificate(
    project: &Project,
    section: &str,
    certificate: &str,
    key: &str,
) -> Result<Certificate, Failure> {
    let hint = || format!("check `{section}.certificate` and `{section}.key` in weir.toml");
    let explained = |error: TlsError| {
        Failure::new(format!(
            "there is no certificate for [{section}] to encrypt with"
        ))
        .because(&error)
        .with_hint(hint())
    };
    match (certificate, key) {
        ("", "") => own(project),
        ("", _) | (_, "") => Err(Failure::new(format!(
            "`{section}.certificate` and `{section}.key` go together, and one is missing"
        ))
        .with_hint("set both, or neither: then a certificate is made")),
        (certificate, key) => {
            let path = |file: &str| project.dir().join(file);
            Certificate::read(&path(certificate), &path(key)).map_err(explained)
        }
    }
}

/// Returns what the HTTP door encrypts with; none where it does not. That others can listen has to
/// be said in so many words.
pub(crate) fn of_http(project: &Project, config: &Config) -> Result<Option<Certificate>, Failure> {
    let wanted = &config.server;
    if wanted.tls {
        return certificate(project, "server", &wanted.certificate, &wanted.key).map(Some);
    }
    if !wanted.certificate.is_empty() || !wanted.key.is_empty() {
        return Err(
            Failure::new("a certificate is set for [server], and `server.tls` is off").with_hint(
                "set `server.tls = true`, or take `server.certificate` and `server.key` out",
            ),
        );
    }
    if !wanted.listen.ip().is_loopback() && !wanted.allow_http {
        return Err(Failure::new(format!(
            "other machines can connect to {}, and `server.tls` is off",
            wanted.listen
        ))
        .with_hint(
            "set `server.tls = true`; where a proxy that encrypts stands in front, \
             set `server.allow_http = true`",
        ));
    }
    Ok(None)
}

/// Reads the certificate that was made for this project, or makes it.
fn own(project: &Project) -> Result<Certificate, Failure> {
    let folder = project.state_dir().join("tls");
    let (certificate, key) = (folder.join("certificate.pem"), folder.join("key.pem"));
    if certificate.exists() && key.exists() {
        let read = Certificate::read(&certificate, &key);
        return read.map_err(|error| {
            Failure::new("the certificate that was made for this project cannot be used")
                .because(&error)
                .with_hint(format!(
                    "remove `{}` to have a new one made",
                    folder.display()
                ))
        });
    }
    let names = ["localhost", "weir", "127.0.0.1", "::1"].map(str::to_owned);
    let (made, certificate_pem, key_pem) =
        Certificate::make(names.to_vec()).explain(|| "cannot make a certificate".into())?;
    let write = |path: &Path, text: &str| {
        write_private(path, text).explain(|| format!("cannot write `{}`", path.display()))
    };
    project.create_state_dir()?;
    std::fs::create_dir_all(&folder).explain(|| format!("cannot make `{}`", folder.display()))?;
    // The key first: a certificate without its key would be taken for a complete pair.
    write(&key, &key_pem)?;
    write(&certificate, &certificate_pem)?;
    Ok(made)
}

/// Returns how to speak to a server of which one thing is known: its certificate's fingerprint.
///
/// A command on the server's own machine reads it from the project's private files. That proves
/// more than an authority could, and holds for names and addresses the certificate is not for.
pub(crate) fn pinned(fingerprint: &str) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    let verifier = Arc::new(Pinned {
        fingerprint: fingerprint.to_owned(),
        provider: provider.clone(),
    });
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .explain(|| "cannot prepare encryption".into())?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth())
}

#[derive(Debug)]
struct Pinned {
    fingerprint: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match fingerprint(end_entity) == self.fingerprint {
            true => Ok(ServerCertVerified::assertion()),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}
