use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::Utc;
use parking_lot::Mutex;
use weir_access::{AuditEntry, Identity, Refusal};
use weir_catalog::Catalog;

/// How long what repeats is counted before it is written again.
const WINDOW: Duration = Duration::from_secs(600);

/// Different attempts that are told apart within that time. Whoever makes more of them is written
/// down as many.
const TOLD_APART: usize = 500;

/// Writes sign-ins to the audit: the first of its kind at once, what repeats as a number later. A
/// client that sends a thousand requests makes one record, and so does one that guesses.
#[derive(Clone)]
pub(crate) struct SignIns {
    catalog: Catalog,
    door: &'static str,
    seen: Arc<Mutex<HashMap<Kind, Tally>>>,
}

/// Somebody who tries to come in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) address: IpAddr,
    /// The user that is named, if one is.
    pub(crate) user: Option<&'a str>,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Kind {
    outcome: &'static str,
    user: String,
    auth: &'static str,
    address: Option<IpAddr>,
}

struct Tally {
    since: Instant,
    unwritten: u64,
}

impl SignIns {
    pub(crate) fn new(catalog: Catalog, door: &'static str) -> Self {
        Self {
            catalog,
            door,
            seen: Arc::default(),
        }
    }

    /// Notes that somebody was let in.
    pub(crate) fn succeeded(&self, attempt: &Attempt<'_>, identity: &Identity) {
        self.note(Kind {
            outcome: "sign_in.ok",
            user: identity.user().to_owned(),
            auth: identity.auth().as_str(),
            address: Some(attempt.address),
        });
    }

    /// Notes that somebody was not let in.
    pub(crate) fn failed(&self, attempt: &Attempt<'_>, refusal: Refusal) {
        let outcome = match refusal {
            Refusal::Unknown => "sign_in.unknown",
            Refusal::Revoked => "sign_in.revoked",
            Refusal::Expired => "sign_in.expired",
            Refusal::Disabled => "sign_in.disabled",
            Refusal::WrongPassword => "sign_in.wrong_password",
        };
        tracing::warn!(address = %attempt.address, door = self.door, outcome, "sign-in failed");
        self.note(Kind {
            outcome,
            // What strangers send is kept only where it is the name of somebody: it may be a
            // password in the wrong field.
            user: attempt
                .user
                .filter(|user| self.catalog.access().user(user).is_some())
                .unwrap_or_default()
                .to_owned(),
            auth: if attempt.user.is_some() {
                "password"
            } else {
                "token"
            },
            address: Some(attempt.address),
        });
    }

    fn note(&self, kind: Kind) {
        let now = Instant::now();
        let mut due = Vec::new();
        {
            let mut seen = self.seen.lock();
            seen.retain(|kind, tally| {
                let over = now.duration_since(tally.since) >= WINDOW;
                if over && tally.unwritten > 0 {
                    due.push((kind.clone(), tally.unwritten));
                }
                !over
            });
            let kind = if seen.len() >= TOLD_APART && !seen.contains_key(&kind) {
                Kind {
                    user: String::new(),
                    address: None,
                    ..kind
                }
            } else {
                kind
            };
            match seen.get_mut(&kind) {
                Some(tally) => tally.unwritten += 1,
                None => {
                    due.push((kind.clone(), 1));
                    seen.insert(
                        kind,
                        Tally {
                            since: now,
                            unwritten: 0,
                        },
                    );
                }
            }
        }
        if !due.is_empty() {
            let this = self.clone();
            tokio::spawn(async move { this.write(due).await });
        }
    }

    async fn write(&self, due: Vec<(Kind, u64)>) {
        for (kind, times) in due {
            let access = self.catalog.access();
            let roles = access.user(&kind.user);
            let entry = AuditEntry {
                at: Utc::now(),
                roles: roles
                    .map(|user| user.roles.iter().map(ToString::to_string).collect())
                    .unwrap_or_default(),
                actor: kind.user,
                auth: kind.auth,
                door: Some(self.door),
                ip: kind.address.map(|address| address.to_string()),
                action: kind.outcome.to_owned(),
                object: "server".to_owned(),
                before: None,
                after: (times > 1).then(|| serde_json::json!({ "times": times })),
            };
            if let Err(error) = self.catalog.audit(&entry).await {
                tracing::error!(%error, "a sign-in is missing in the audit");
            }
        }
    }
}
