//! Who a request comes from, and what it may do: the front of everything but the intake.

mod password;
mod sign_ins;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{FromRequestParts, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use chrono::Utc;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use weir_access::{Action, Auth, Identity, LoginLimiter, LoginSource, Object, Refusal};
use weir_catalog::{Actor, Catalog};
use weir_query::Caller;

use self::password::Passwords;
pub(crate) use self::sign_ins::{Attempt, SignIns};
use crate::error::ApiError;
use crate::server::ClientAddress;
use crate::session::{Cookies, from_own_page};

/// What a token starts with, so that one may stand where a password is asked for.
const TOKENS: [&str; 2] = ["weir_", "wo_"];

/// Lets people and programs in by token or password.
#[derive(Clone)]
pub(crate) struct Door {
    catalog: Catalog,
    logins: Arc<LoginLimiter>,
    passwords: Arc<Passwords>,
    sign_ins: SignIns,
    cookies: Cookies,
}

/// Somebody who was let in, as handlers see them.
#[derive(Clone, Debug)]
pub(crate) struct SignedIn {
    identity: Identity,
    address: IpAddr,
}

impl SignedIn {
    /// Returns them as somebody who asks.
    pub(crate) fn caller(&self, door: &'static str) -> Caller {
        Caller::new(self.identity.clone(), door).from(self.address)
    }

    /// Returns them as somebody who changes something.
    pub(crate) fn actor(&self) -> Actor {
        Actor::new(self.identity.clone(), "http").from(self.address)
    }

    /// Returns somebody whose link is opened from `address`.
    pub(crate) fn by_link(identity: Identity, address: IpAddr) -> Self {
        Self { identity, address }
    }

    pub(crate) fn identity(&self) -> &Identity {
        &self.identity
    }

    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }
}

impl<S: Sync> FromRequestParts<S> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        // Put there by `signed_in`; a route that forgot it answers like a wrong token.
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(ApiError::unauthorized)
    }
}

/// What a request shows to be let in.
#[derive(Debug, PartialEq, Eq)]
enum Shown<'a> {
    Nothing,
    Token(&'a str),
    Password { user: String, password: String },
}

impl Door {
    pub(crate) fn new(catalog: Catalog, logins: Arc<LoginLimiter>, cookies: Cookies) -> Self {
        Self {
            sign_ins: SignIns::new(catalog.clone(), "http"),
            catalog,
            logins,
            passwords: Arc::default(),
            cookies,
        }
    }

    /// Returns how sessions' cookies are written.
    pub(crate) fn cookies(&self) -> Cookies {
        self.cookies
    }

    /// Lets somebody in by a password that a page of ours asked for.
    pub(crate) async fn by_password(
        &self,
        address: IpAddr,
        headers: &HeaderMap,
        user: String,
        password: String,
    ) -> Result<SignedIn, ApiError> {
        let shown = Shown::Password { user, password };
        let who = self.admit(address, headers, shown).await?;
        match who.identity.auth() {
            Auth::Password => Ok(who),
            // A token is no password here: it would become a session that its end does not end.
            _ => Err(ApiError::unauthorized()),
        }
    }

    /// Lets somebody in by their session.
    pub(crate) async fn resume(
        &self,
        address: IpAddr,
        method: &Method,
        headers: &HeaderMap,
        secret: &str,
    ) -> Result<SignedIn, ApiError> {
        from_own_page(method, headers, secret)?;
        match self.catalog.session(secret, Utc::now()).await? {
            Some(identity) => Ok(SignedIn { identity, address }),
            None => Err(ApiError::unauthorized()),
        }
    }

    /// Tells an address to wait that has shown too many wrong secrets.
    pub(crate) fn wait(&self, address: IpAddr) -> Result<(), ApiError> {
        let source = LoginSource {
            address,
            user: None,
        };
        match self.logins.wait(&source, Instant::now()) {
            Some(wait) => Err(ApiError::too_many_attempts(wait.as_secs() + 1)),
            None => Ok(()),
        }
    }

    /// Counts a wrong secret of an address.
    pub(crate) fn wrong(&self, address: IpAddr) {
        let source = LoginSource {
            address,
            user: None,
        };
        self.logins.failed(&source, Instant::now());
    }

    /// Finds out who a request from `address` comes from.
    pub(crate) async fn sign_in(
        &self,
        address: IpAddr,
        headers: &HeaderMap,
    ) -> Result<SignedIn, ApiError> {
        self.admit(address, headers, shown(headers)).await
    }

    async fn admit(
        &self,
        address: IpAddr,
        headers: &HeaderMap,
        shown: Shown<'_>,
    ) -> Result<SignedIn, ApiError> {
        let user = match &shown {
            // Sending nothing is no guess.
            Shown::Nothing => return Err(ApiError::unauthorized()),
            Shown::Token(_) => None,
            Shown::Password { user, .. } => Some(user.as_str()),
        };
        let source = LoginSource { address, user };
        let wait = || match self.logins.wait(&source, Instant::now()) {
            Some(wait) => Err(ApiError::too_many_attempts(wait.as_secs() + 1)),
            None => Ok(()),
        };
        // A token cannot be guessed, so whoever has one need not wait for those who guess passwords.
        if !matches!(shown, Shown::Token(_)) {
            wait()?;
        }
        let proved = match &shown {
            Shown::Nothing => Err(Refusal::Unknown),
            Shown::Token(token) => self.token(token, wait().is_err()).await,
            Shown::Password { user, password } => {
                same_site(headers)?;
                self.password(user, password).await?
            }
        };
        // Asked again: many guesses at once must gain nothing.
        if user.is_some() || proved.is_err() {
            wait()?;
        }
        let attempt = Attempt { address, user };
        match proved {
            Ok(identity) => {
                self.logins.succeeded(&source, Instant::now());
                self.sign_ins.succeeded(&attempt, &identity);
                self.catalog.note_use(&identity);
                Ok(SignedIn { identity, address })
            }
            Err(refusal) => {
                self.logins.failed(&source, Instant::now());
                self.sign_ins.failed(&attempt, refusal);
                Err(ApiError::wrong_secret())
            }
        }
    }

    async fn token(&self, token: &str, waits: bool) -> Result<Identity, Refusal> {
        match self.catalog.access().authenticate_token(token, Utc::now()) {
            // Another process may have made it a moment ago.
            Err(Refusal::Unknown) if !waits => {
                self.catalog.refresh_for_stranger().await;
                self.catalog.access().authenticate_token(token, Utc::now())
            }
            known => known,
        }
    }

    async fn password(
        &self,
        user: &str,
        password: &str,
    ) -> Result<Result<Identity, Refusal>, ApiError> {
        if TOKENS.iter().any(|prefix| password.starts_with(prefix))
            && let Ok(identity) = self.token(password, false).await
        {
            // The name must fit, or be the word that stands for none.
            let fits = user == "token" || user == identity.user();
            return Ok(if fits {
                Ok(identity)
            } else {
                Err(Refusal::Unknown)
            });
        }
        if self.catalog.access().user(user).is_none() {
            self.catalog.refresh_for_stranger().await;
        }
        self.passwords
            .check(self.catalog.access(), user, password)
            .await
    }

    /// Lets somebody in by their session, or by what they show.
    async fn enter(
        &self,
        address: IpAddr,
        method: &Method,
        headers: &HeaderMap,
    ) -> Result<SignedIn, ApiError> {
        let session = match headers.contains_key(header::AUTHORIZATION) {
            true => None,
            false => self.cookies.secret(headers),
        };
        match session {
            Some(secret) => self.resume(address, method, headers, secret).await,
            None => self.sign_in(address, headers).await,
        }
    }

    /// Lets somebody in who may do `action`.
    pub(crate) async fn permit(
        &self,
        address: IpAddr,
        method: &Method,
        headers: &HeaderMap,
        action: Action,
    ) -> Result<SignedIn, ApiError> {
        let signed_in = self.enter(address, method, headers).await?;
        permit(&self.catalog, &signed_in, action)?;
        Ok(signed_in)
    }
}

/// Checks that somebody who is in may do `action`.
pub(crate) fn permit(
    catalog: &Catalog,
    signed_in: &SignedIn,
    action: Action,
) -> Result<(), ApiError> {
    let access = catalog.access();
    let decision = access.decide(&signed_in.identity, action, &Object::Server);
    if decision.allowed {
        return Ok(());
    }
    Err(ApiError::denied(format!(
        "`{}` may not {} this server: {}",
        signed_in.identity.user(),
        action.as_str(),
        decision.reason
    )))
}

/// Reads what a request shows.
fn shown(headers: &HeaderMap) -> Shown<'_> {
    let read = || {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, rest) = value.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") {
            return Some(Shown::Token(rest.trim()));
        }
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = BASE64_STANDARD.decode(rest.trim()).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (user, password) = decoded.split_once(':')?;
        Some(Shown::Password {
            user: user.to_owned(),
            password: password.to_owned(),
        })
    };
    read().unwrap_or(Shown::Nothing)
}

/// Refuses a password that a browser sent along for another site's page: it does so by itself, and
/// whoever typed it once did not mean that page.
pub(crate) fn same_site(headers: &HeaderMap) -> Result<(), ApiError> {
    let site = headers
        .get("sec-fetch-site")
        .and_then(|site| site.to_str().ok());
    let of_origin = |origin: &str| origin.split_once("://").map(|(_, host)| host.to_owned());
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let foreign_origin = match (text(header::ORIGIN), text(header::HOST)) {
        (Some(origin), Some(host)) => of_origin(origin).as_deref() != Some(host),
        (Some(_), None) => true,
        (None, _) => false,
    };
    if foreign_origin || matches!(site, Some("cross-site" | "same-site")) {
        return Err(ApiError::denied("a page of another site sent this request"));
    }
    Ok(())
}

/// Middleware of every route that is for people and programs who are known.
pub(crate) async fn signed_in(
    State(door): State<Door>,
    ClientAddress(address): ClientAddress,
    mut request: Request,
    next: Next,
) -> Response {
    let entering = door.enter(address, request.method(), request.headers());
    match entering.await {
        Ok(signed_in) => {
            request.extensions_mut().insert(signed_in);
            next.run(request).await
        }
        Err(refusal) => refusal.into_response(),
    }
}

/// Middleware of routes that ask for a right on the server; behind [`signed_in`].
pub(crate) async fn permitted(
    State((catalog, action)): State<(Catalog, Action)>,
    signed_in: SignedIn,
    request: Request,
    next: Next,
) -> Response {
    match permit(&catalog, &signed_in, action) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn authorization(value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        headers
    }

    #[test]
    fn the_scheme_of_a_token_has_no_case() {
        assert_eq!(shown(&authorization("bearer abc")), Shown::Token("abc"));
        assert_eq!(shown(&authorization("Basic abc")), Shown::Nothing);
        assert_eq!(shown(&authorization("Digest abc")), Shown::Nothing);
        assert_eq!(shown(&HeaderMap::new()), Shown::Nothing);
    }

    #[test]
    fn a_password_may_hold_a_colon() {
        let encoded = BASE64_STANDARD.encode("ada:with:colon");
        assert_eq!(
            shown(&authorization(&format!("basic {encoded}"))),
            Shown::Password {
                user: "ada".to_owned(),
                password: "with:colon".to_owned(),
            }
        );
    }

    #[test]
    fn other_sites_cannot_use_a_password_that_the_browser_knows() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, "weir.example:8080".parse().unwrap());
        assert!(same_site(&headers).is_ok());
        headers.insert(header::ORIGIN, "https://weir.example:8080".parse().unwrap());
        assert!(same_site(&headers).is_ok());
        headers.insert(header::ORIGIN, "https://evil.example".parse().unwrap());
        assert!(same_site(&headers).is_err());
        headers.remove(header::ORIGIN);
        headers.insert("sec-fetch-site", "cross-site".parse().unwrap());
        assert!(same_site(&headers).is_err());
    }
}
