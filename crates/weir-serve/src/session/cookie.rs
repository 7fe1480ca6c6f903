use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use ring::digest;
use weir_catalog::SessionSecret;

use crate::auth::same_site;
use crate::error::ApiError;

/// The header in which pages show that they are ours.
const CSRF: HeaderName = HeaderName::from_static("weir-csrf");

/// Browsers forget the cookie after this; the session is over before, when nobody uses it.
const MAX_AGE_SECONDS: u64 = 60 * 24 * 60 * 60;

/// How cookies are written and read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cookies {
    /// Whether browsers reach us encrypted, and must not send the cookie otherwise.
    pub(crate) secure: bool,
}

impl Cookies {
    /// Returns the cookie's name. Browsers share cookies between ports: two Weirs on one machine
    /// must not sign each other out.
    fn name(self, headers: &HeaderMap) -> String {
        let host = headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok());
        let port = host
            .and_then(|host| host.rsplit_once(':'))
            .map(|(_, port)| port)
            .filter(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
        let prefix = if self.secure { "__Host-" } else { "" };
        match port {
            Some(port) => format!("{prefix}weir_session_{port}"),
            None => format!("{prefix}weir_session"),
        }
    }

    /// Returns the secret that a request shows, if it shows one.
    pub(crate) fn secret(self, headers: &HeaderMap) -> Option<&str> {
        let name = self.name(headers);
        let all = headers.get_all(header::COOKIE).into_iter();
        all.filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(found, _)| *found == name)
            .map(|(_, secret)| secret)
            .filter(|secret| !secret.is_empty())
    }

    /// Returns the header that keeps a secret in the browser.
    pub(crate) fn keep(self, headers: &HeaderMap, secret: &SessionSecret) -> HeaderValue {
        self.written(headers, secret.reveal(), MAX_AGE_SECONDS)
    }

    /// Returns the header that makes the browser forget.
    pub(crate) fn forget(self, headers: &HeaderMap) -> HeaderValue {
        self.written(headers, "", 0)
    }

    fn written(self, headers: &HeaderMap, value: &str, age: u64) -> HeaderValue {
        let name = self.name(headers);
        let secure = if self.secure { "; Secure" } else { "" };
        // Lax: a link from elsewhere finds people signed in; what changes something asks for more.
        let cookie =
            format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}");
        let mut value = HeaderValue::from_str(&cookie)
            .unwrap_or_else(|_| HeaderValue::from_static("weir_session=; Max-Age=0"));
        value.set_sensitive(true);
        value
    }
}

/// Returns what pages show back with each change: it follows from the session's secret, and tells
/// nothing about it.
pub(crate) fn csrf_token(secret: &str) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(b"weir csrf\0");
    context.update(secret.as_bytes());
    let hash = context.finish();
    hash.as_ref()
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Checks that a request with a session's cookie was made by one of our own pages.
pub(crate) fn from_own_page(
    method: &Method,
    headers: &HeaderMap,
    secret: &str,
) -> Result<(), ApiError> {
    same_site(headers)?;
    if matches!(*method, Method::GET | Method::HEAD) {
        return Ok(());
    }
    let shown = headers.get(CSRF).and_then(|value| value.to_str().ok());
    let wanted = csrf_token(secret);
    // What is compared follows from a secret that the other side has: timing tells it nothing new.
    if shown == Some(wanted.as_str()) {
        return Ok(());
    }
    Err(
        ApiError::denied("the request does not show that it comes from a page of this server")
            .with_hint("reload the page; programs use a token instead of a browser's session"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(host: &str, cookie: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, host.parse().unwrap());
        headers.insert(header::COOKIE, cookie.parse().unwrap());
        headers
    }

    #[test]
    fn a_cookie_is_of_one_port() {
        let cookies = Cookies { secure: false };
        let sent = headers(
            "localhost:8080",
            "a=b; weir_session_8080=one; weir_session_81=two",
        );
        assert_eq!(cookies.secret(&sent), Some("one"));
        assert_eq!(
            cookies.secret(&headers("localhost:9", "weir_session_8=x")),
            None
        );
        assert_eq!(
            cookies.secret(&headers("weir.example", "weir_session=x")),
            Some("x")
        );
    }

    #[test]
    fn encrypted_servers_take_no_cookie_of_another_host() {
        let cookies = Cookies { secure: true };
        assert_eq!(
            cookies.secret(&headers("w.example", "weir_session=x")),
            None
        );
        let sent = headers("w.example", "__Host-weir_session=x");
        assert_eq!(cookies.secret(&sent), Some("x"));
        let forget = cookies.forget(&sent);
        let forget = forget.to_str().unwrap();
        for part in [
            "__Host-weir_session=;",
            "Secure",
            "HttpOnly",
            "SameSite=Lax",
            "Path=/",
        ] {
            assert!(forget.contains(part), "{forget}");
        }
    }

    #[test]
    fn changes_need_the_token_of_this_session() {
        let mut sent = headers("localhost:8080", "weir_session_8080=one");
        let post = |sent: &HeaderMap| from_own_page(&Method::POST, sent, "one");
        assert!(from_own_page(&Method::GET, &sent, "one").is_ok());
        assert!(post(&sent).is_err());
        sent.insert(CSRF, csrf_token("two").parse().unwrap());
        assert!(post(&sent).is_err());
        sent.insert(CSRF, csrf_token("one").parse().unwrap());
        assert!(post(&sent).is_ok());
        sent.insert(header::ORIGIN, "http://evil.example".parse().unwrap());
        assert!(post(&sent).is_err());
    }
}
