//! Who the server is: the key it shows, and the one that is known.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;
use russh::Preferred;
use russh::client;
use russh::keys::known_hosts::known_host_keys_path;
use russh::keys::ssh_key::Fingerprint;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, HashAlg, PublicKey, PublicKeyBase64, PublicKeyOrCertificate};

use super::invalid;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::spec::{FilesSpec, Secret};

/// How the server shows who it is.
#[derive(Clone)]
pub(super) enum Known {
    Key(KeyData),
    Fingerprint(Fingerprint),
    /// A file with the keys of hosts, as OpenSSH writes it.
    File(PathBuf),
}

pub(super) fn known(
    options: &BTreeMap<String, Secret>,
    files: &FilesSpec,
) -> Result<Known, ExtractError> {
    const FORM: &str = "write `host_key: ssh-ed25519 AAAA...` or `host_key: SHA256:...`, or leave it out for the file `known_hosts`";
    if let Some(written) = options.get("host_key") {
        let written = written.reveal().trim();
        let key = match written.starts_with("SHA") {
            true => written.parse().map(Known::Fingerprint),
            false => PublicKey::from_openssh(written).map(|key| Known::Key(key.key_data().clone())),
        };
        return key.map_err(|error| invalid("`host_key` is no key", FORM).because(error));
    }
    if let Some(path) = options.get("known_hosts") {
        return Ok(Known::File(files.folder.join(path.reveal())));
    }
    match std::env::home_dir() {
        Some(home) => Ok(Known::File(home.join(".ssh/known_hosts"))),
        None => Err(invalid("nothing says which key the host has", FORM)),
    }
}

/// Looks at the key that a server shows.
pub(super) struct Check {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) known: Known,
    pub(super) trouble: Arc<Mutex<Option<ExtractError>>>,
}

impl Check {
    fn keys(&self) -> Result<Vec<KeyData>, ExtractError> {
        match &self.known {
            Known::Key(key) => Ok(vec![key.clone()]),
            Known::Fingerprint(_) => Ok(Vec::new()),
            Known::File(path) => {
                let keys = known_host_keys_path(&self.host, self.port, path);
                let keys = keys.map_err(|error| {
                    let message = format!("`{}` has a key that is none", path.display());
                    invalid(message, "mend it, or write `host_key` under `options`")
                        .because(error.to_string())
                })?;
                Ok(keys
                    .into_iter()
                    .map(|(_, key)| key.key_data().clone())
                    .collect())
            }
        }
    }

    /// Returns the algorithms of keys, those of known ones first: servers have keys of several.
    pub(super) fn preferred(&self) -> Vec<Algorithm> {
        let known: Vec<Algorithm> = self
            .keys()
            .unwrap_or_default()
            .iter()
            .map(KeyData::algorithm)
            .collect();
        let mut algorithms = Preferred::DEFAULT.key.to_vec();
        algorithms.sort_by_key(|algorithm| {
            let same = |key: &Algorithm| key == algorithm || (is_rsa(key) && is_rsa(algorithm));
            !known.iter().any(same)
        });
        algorithms
    }

    fn trusts(&self, key: &KeyData) -> Result<(), ExtractError> {
        let fingerprint = key.fingerprint(HashAlg::Sha256);
        let (host, kind) = (&self.host, key.algorithm());
        let keys = self.keys()?;
        let is_known = match &self.known {
            Known::Fingerprint(known) => key.fingerprint(known.algorithm()) == *known,
            _ => keys.contains(key),
        };
        if is_known && !self.is_revoked(key) {
            return Ok(());
        }
        let is_other = is_known || !keys.is_empty() || matches!(self.known, Known::Fingerprint(_));
        let message = match is_other {
            true => format!(
                "`{host}` shows another key than the one that is known: {kind} {fingerprint}"
            ),
            false => format!("`{host}` is not known: it shows the key {kind} {fingerprint}"),
        };
        let hint = match is_other {
            true => {
                "it may be somebody else: ask whoever runs the server, and only where this is its key now write"
            }
            false => "ask whoever runs the server whether this is its key, and then write",
        };
        let hint = format!("{hint} `host_key: {fingerprint}` under `options`");
        Err(ExtractError::new(ExtractErrorKind::Denied, message).hint(hint))
    }

    /// Whether the file of known hosts says that the key was stolen.
    fn is_revoked(&self, key: &KeyData) -> bool {
        let Known::File(path) = &self.known else {
            return false;
        };
        let written = PublicKey::from(key.clone()).public_key_base64();
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let mut lines = text.lines();
        lines.any(|line| line.starts_with("@revoked") && line.contains(&written))
    }
}

impl client::Handler for Check {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        shown: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let checked = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.trusts(key.key_data()),
            PublicKeyOrCertificate::Certificate(shown) => self.trusts(shown.public_key()),
        };
        Ok(checked
            .map_err(|error| *self.trouble.lock() = Some(error))
            .is_ok())
    }
}

fn is_rsa(algorithm: &Algorithm) -> bool {
    matches!(algorithm, Algorithm::Rsa { .. })
}
