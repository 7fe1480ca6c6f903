//! Signatures of webhooks: that a body comes from who it says, unaltered, and not long ago.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use ring::hmac;
use serde_json::Value;

/// How old a signed moment may be, and how far ahead a clock.
const TOLERANCE: Duration = Duration::from_secs(300);

/// Who signs, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `Stripe-Signature: t=...,v1=...`
    Stripe,
    /// `X-Hub-Signature-256: sha256=...`
    GitHub,
    /// `X-Slack-Signature: v0=...` with `X-Slack-Request-Timestamp`
    Slack,
    /// HMAC-SHA256 of the body.
    Hmac {
        /// The header with the signature, in hexadecimal or base64.
        header: String,
        /// What stands before it there.
        prefix: String,
        /// The header that tells one delivery from another, where there is one.
        id_header: Option<String>,
    },
}

/// What the webhooks of a source are held against.
#[derive(Clone)]
pub struct Verifier {
    scheme: Scheme,
    /// While a secret is being changed, there are two.
    keys: Vec<hmac::Key>,
}

/// Leaves the secrets out.
impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Verifier({:?})", self.scheme)
    }
}

/// A webhook whose signature is good.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verified {
    /// What tells this delivery from others, so that one that comes twice counts once.
    pub(crate) id: Option<String>,
    /// What the sender wants to hear back before it sends anything.
    pub(crate) challenge: Option<String>,
}

impl Verifier {
    /// Makes one of the secrets that the sender may sign with.
    pub fn new<'a>(scheme: Scheme, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let keys = secrets.into_iter();
        let keys = keys.map(|secret| hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()));
        Self {
            scheme,
            keys: keys.collect(),
        }
    }

    /// Looks at a webhook; `now` is in seconds since the epoch.
    ///
    /// # Errors
    /// Why it is not taken, in words that give nothing away.
    pub(crate) fn verify(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        now: i64,
    ) -> Result<Verified, String> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let need = |name: &str| header(name).ok_or_else(|| format!("there is no header `{name}`"));
        match &self.scheme {
            Scheme::Stripe => {
                let said = need("stripe-signature")?;
                let parts = said
                    .split(',')
                    .filter_map(|part| part.trim().split_once('='));
                let parts: Vec<(&str, &str)> = parts.collect();
                let time = parts.iter().find(|(name, _)| *name == "t");
                let time = time.map_or("", |(_, value)| *value);
                fresh(time, now)?;
                let signed = [time.as_bytes(), b".", body].concat();
                let mut given = parts.iter().filter(|(name, _)| *name == "v1");
                self.any(given.by_ref().map(|(_, value)| *value), &signed)?;
                let body = json(body);
                Ok(Verified {
                    id: text(&body, "id"),
                    challenge: None,
                })
            }
            Scheme::GitHub => {
                let said = need("x-hub-signature-256")?;
                let given = said.strip_prefix("sha256=").unwrap_or_default();
                self.any([given], body)?;
                Ok(Verified {
                    id: header("x-github-delivery").map(str::to_owned),
                    challenge: None,
                })
            }
            Scheme::Slack => {
                let time = need("x-slack-request-timestamp")?;
                fresh(time, now)?;
                let said = need("x-slack-signature")?;
                let given = said.strip_prefix("v0=").unwrap_or_default();
                let signed = [b"v0:", time.as_bytes(), b":", body].concat();
                self.any([given], &signed)?;
                let body = json(body);
                let challenge = text(&body, "challenge");
                Ok(Verified {
                    id: text(&body, "event_id"),
                    challenge: challenge.filter(|_| body["type"] == "url_verification"),
                })
            }
            Scheme::Hmac {
                header: name,
                prefix,
                id_header,
            } => {
                let said = need(name)?;
                let given = said.strip_prefix(prefix.as_str()).unwrap_or_default();
                self.any([given], body)?;
                let id = id_header.as_deref().and_then(header);
                Ok(Verified {
                    id: id.map(str::to_owned),
                    challenge: None,
                })
            }
        }
    }

    /// Fails unless one of the signatures is one of ours. All are compared in constant time.
    fn any<'a>(
        &self,
        given: impl IntoIterator<Item = &'a str>,
        signed: &[u8],
    ) -> Result<(), String> {
        // As many as anybody sends while secrets change: each costs a pass over the body.
        for given in given.into_iter().take(4) {
            let Some(bytes) = decoded(given) else {
                continue;
            };
            let is_ours = |key: &hmac::Key| hmac::verify(key, signed, &bytes).is_ok();
            if self.keys.iter().any(is_ours) {
                return Ok(());
            }
        }
        Err("the signature is not one of this source's secret".to_owned())
    }
}

/// Reads a signature in hexadecimal or base64.
fn decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim();
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let pairs = text.as_bytes().chunks_exact(2);
        return pairs
            .map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8))
            .collect();
    }
    BASE64_STANDARD.decode(text).ok()
}

fn fresh(time: &str, now: i64) -> Result<(), String> {
    let at: i64 = time
        .parse()
        .map_err(|_| "the signature has no moment".to_owned())?;
    match now.abs_diff(at) <= TOLERANCE.as_secs() {
        true => Ok(()),
        false => Err("it was signed too long ago, or by a clock that is wrong".to_owned()),
    }
}

fn json(body: &[u8]) -> Value {
    serde_json::from_slice(body).unwrap_or_default()
}

fn text(body: &Value, name: &str) -> Option<String> {
    let text = body[name].as_str().filter(|text| !text.is_empty())?;
    Some(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "It's a Secret to Everybody";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        let pairs = pairs.iter();
        pairs
            .map(|(name, value)| ((*name).parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    fn signed(text: &str) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag = hmac::sign(&key, text.as_bytes());
        tag.as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }

    #[test]
    fn githubs_own_example_is_good() {
        // From GitHub's page on validating webhook deliveries.
        let verifier = Verifier::new(Scheme::GitHub, [SECRET]);
        let given = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        let good = headers(&[("x-hub-signature-256", given), ("x-github-delivery", "d-1")]);
        let verified = verifier.verify(&good, b"Hello, World!", 0).unwrap();
        assert_eq!(verified.id.as_deref(), Some("d-1"));
        let why = verifier.verify(&good, b"Hello, World?", 0).unwrap_err();
        assert!(why.contains("not one of this source's secret"), "{why}");
        let why = verifier
            .verify(&headers(&[]), b"Hello, World!", 0)
            .unwrap_err();
        assert_eq!(why, "there is no header `x-hub-signature-256`");
        assert!(!format!("{verifier:?}").contains("Secret to"));
    }

    #[test]
    fn a_signed_moment_must_be_of_now() {
        let verifier = Verifier::new(Scheme::Stripe, ["an older one", SECRET]);
        let body = r#"{"id":"evt_1","type":"charge.succeeded"}"#;
        let given = format!(
            "t=1000,v1={},v1={},v0=x",
            "0".repeat(64),
            signed(&format!("1000.{body}"))
        );
        let good = headers(&[("stripe-signature", &given)]);
        let verified = verifier.verify(&good, body.as_bytes(), 1_200).unwrap();
        assert_eq!(verified.id.as_deref(), Some("evt_1"));
        assert!(
            verifier
                .verify(&good, body.as_bytes(), 1_301)
                .unwrap_err()
                .contains("too long ago")
        );
        // The moment is part of what is signed.
        let moved = headers(&[("stripe-signature", &given.replace("t=1000", "t=1300"))]);
        assert!(verifier.verify(&moved, body.as_bytes(), 1_301).is_err());
    }

    #[test]
    fn slack_is_answered_and_others_sign_as_they_like() {
        let verifier = Verifier::new(Scheme::Slack, [SECRET]);
        let body = r#"{"type":"url_verification","challenge":"c1"}"#;
        let given = format!("v0={}", signed(&format!("v0:50:{body}")));
        let good = headers(&[
            ("x-slack-signature", &given),
            ("x-slack-request-timestamp", "50"),
        ]);
        let verified = verifier.verify(&good, body.as_bytes(), 60).unwrap();
        assert_eq!(verified.challenge.as_deref(), Some("c1"));
        let scheme = Scheme::Hmac {
            header: "x-signature".to_owned(),
            prefix: String::new(),
            id_header: Some("x-id".to_owned()),
        };
        let verifier = Verifier::new(scheme, [SECRET]);
        let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
        let tag = BASE64_STANDARD.encode(hmac::sign(&key, b"{}"));
        let good = headers(&[("x-signature", &tag), ("x-id", "7")]);
        assert_eq!(
            verifier.verify(&good, b"{}", 0).unwrap().id.as_deref(),
            Some("7")
        );
    }
}
