//! Who we are: a password or a key, shown to a server whose own key is known.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use russh::MethodKind;
use russh::client::{self, AuthResult, KeyboardInteractiveAuthResponse};
use russh::keys::{PrivateKeyWithHashAlg, decode_secret_key};

use super::host::Check;
use super::{Sftp, invalid, said};
use crate::error::{ExtractError, ExtractErrorKind};
use crate::files::interrupted;
use crate::spec::{FilesSpec, Secret};

/// How we show who we are.
pub(super) enum Login {
    Password(Secret),
    /// The text of a key.
    Key(Secret, Option<Secret>),
    KeyFile(PathBuf, Option<Secret>),
}

pub(super) fn login(
    options: &BTreeMap<String, Secret>,
    files: &FilesSpec,
) -> Result<Login, ExtractError> {
    let passphrase = options.get("passphrase").cloned();
    let ways = ["password", "private_key", "key_file"].map(|name| options.get(name));
    match ways {
        [Some(password), None, None] => Ok(Login::Password(password.clone())),
        [None, Some(key), None] => Ok(Login::Key(key.clone(), passphrase)),
        [None, None, Some(path)] => {
            let path = files.folder.join(path.reveal());
            Ok(Login::KeyFile(path, passphrase))
        }
        _ => Err(invalid(
            "a place of SFTP needs one way to log in",
            "write `password: ${env:NAME}`, `private_key: ${env:NAME}` or `key_file: PATH` under `options`",
        )),
    }
}

impl Sftp {
    pub(super) async fn log_in(&self, ssh: &mut client::Handle<Check>) -> Result<(), ExtractError> {
        let lost = |error: russh::Error| self.unreachable(error);
        let result = match &self.login {
            Login::Password(password) => {
                let secret = password.reveal();
                let result = ssh.authenticate_password(&self.user, secret).await;
                let result = result.map_err(lost)?;
                if let AuthResult::Failure {
                    remaining_methods, ..
                } = &result
                    && remaining_methods.contains(&MethodKind::KeyboardInteractive)
                    && self.answer(ssh, secret).await?
                {
                    return Ok(());
                }
                result
            }
            Login::Key(text, passphrase) => {
                let key = self.key(text.clone(), passphrase.clone()).await?;
                self.show(ssh, key).await.map_err(lost)?
            }
            Login::KeyFile(path, passphrase) => {
                let text = tokio::fs::read_to_string(path).await.map_err(|error| {
                    let message = format!("`{}`, the `key_file`, cannot be read", path.display());
                    invalid(message, "check where it is, and who may read it").because(error)
                })?;
                let key = self.key(Secret::new(text), passphrase.clone()).await?;
                self.show(ssh, key).await.map_err(lost)?
            }
        };
        match result {
            AuthResult::Success => Ok(()),
            AuthResult::Failure {
                partial_success: true,
                ..
            } => {
                let message = format!("`{}` wants `{}` to log in twice", self.host, self.user);
                Err(ExtractError::new(ExtractErrorKind::Unsupported, message)
                    .hint("ask for a user that logs in with a key or a password only"))
            }
            AuthResult::Failure {
                remaining_methods, ..
            } => {
                let (user, host) = (&self.user, &self.host);
                let what = match &self.login {
                    Login::Password(_) => "this password",
                    _ => "this key",
                };
                let ways: Vec<&str> = remaining_methods.iter().map(<&str>::from).collect();
                let takes = match ways.is_empty() {
                    true => String::new(),
                    false => format!("; it takes: {}", said(ways.join(", "))),
                };
                let message = format!("`{host}` does not let `{user}` in with {what}{takes}");
                Err(ExtractError::new(ExtractErrorKind::Denied, message).hint(
                    "check the user in `path`, and `password` or `private_key` under `options`",
                ))
            }
        }
    }

    /// Answers questions of the server with the password, as many servers ask for it.
    async fn answer(
        &self,
        ssh: &mut client::Handle<Check>,
        password: &str,
    ) -> Result<bool, ExtractError> {
        let lost = |error: russh::Error| self.unreachable(error);
        let begun = ssh.authenticate_keyboard_interactive_start(&self.user, None);
        let mut asked = begun.await.map_err(lost)?;
        // One for the password, and some that tell something.
        for _ in 0..5 {
            let KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } = asked else {
                break;
            };
            let answers = prompts.iter().map(|prompt| match prompt.echo {
                true => String::new(),
                false => password.to_owned(),
            });
            let answers = ssh.authenticate_keyboard_interactive_respond(answers.collect());
            asked = answers.await.map_err(lost)?;
        }
        Ok(matches!(asked, KeyboardInteractiveAuthResponse::Success))
    }

    /// Reads a private key, which takes its time where it is encrypted.
    async fn key(
        &self,
        text: Secret,
        passphrase: Option<Secret>,
    ) -> Result<russh::keys::PrivateKey, ExtractError> {
        let has_passphrase = passphrase.is_some();
        let read = tokio::task::spawn_blocking(move || {
            // Variables have no line ends in some places.
            let lines = match text.reveal().trim().contains('\n') {
                true => text.reveal().to_owned(),
                false => text.reveal().replace("\\n", "\n"),
            };
            decode_secret_key(&lines, passphrase.as_ref().map(Secret::reveal))
        });
        let read = read.await.map_err(interrupted)?;
        read.map_err(|error| {
            let hint = match has_passphrase {
                true => "check `passphrase`, and that all lines of the key are there",
                false => "an encrypted key needs `passphrase: ${env:NAME}`; all lines of the key must be there",
            };
            invalid("the private key cannot be read", hint).because(error.to_string())
        })
    }

    async fn show(
        &self,
        ssh: &mut client::Handle<Check>,
        key: russh::keys::PrivateKey,
    ) -> Result<AuthResult, russh::Error> {
        let hash = match key.algorithm().is_rsa() {
            true => ssh.best_supported_rsa_hash().await?.flatten(),
            false => None,
        };
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        ssh.authenticate_publickey(&self.user, key).await
    }
}
