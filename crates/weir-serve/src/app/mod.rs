//! The web application's files, as the build put them into the binary.
//!
//! Every address that is no file and no route is the application's own: it gets the one page, and
//! the script on it finds out what to show. Which scripts and styles may run is said with the page.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use ring::rand::{SecureRandom, SystemRandom};

use crate::error::ApiError;

/// A file of the application.
struct File {
    name: &'static str,
    plain: &'static [u8],
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/ui_files.rs"));

/// What stands in the page where the nonce of its styles is to be.
const NONCE: &str = "weir-csp-nonce";

/// Who frames a page when nothing else is said.
const NOBODY: &str = "'none'";

/// The paths below which everything is for programs.
const NOT_PAGES: [&str; 4] = ["/api/", "/health/", "/metrics", "/assets/"];

/// Answers what no route answered: a file, the page, or that there is nothing.
pub(crate) fn answer(method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
    let path = uri.path();
    let nothing = || ApiError::not_found(format!("there is nothing at `{path}`")).into_response();
    if !matches!(*method, Method::GET | Method::HEAD) {
        return nothing();
    }
    if let Some(file) = find(path.trim_start_matches('/')) {
        return send(file, headers);
    }
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    let wants_page = accept.is_some_and(|accept| accept.contains("text/html"));
    if NOT_PAGES.iter().any(|start| path.starts_with(start)) || !wants_page {
        return nothing();
    }
    match find("index.html") {
        Some(file) => page(file, NOBODY),
        None => nothing(),
    }
}

fn find(name: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.name == name)
}

/// Sends the page to be shown in frames of `sites`, as origins separated by blanks; of none when
/// there is no such link.
pub(crate) fn framed(sites: Option<&str>) -> Response {
    let Some(file) = find("index.html") else {
        return ApiError::not_found("the application is not built").into_response();
    };
    let mut response = page(file, sites.unwrap_or(NOBODY));
    if sites.is_some() {
        response.extensions_mut().insert(Framed);
    }
    response
}

/// On an answer that others may frame: its policy says who.
#[derive(Clone)]
struct Framed;

/// Sends the page, with what may run on it, and who may frame it.
fn page(file: &File, framed_by: &str) -> Response {
    let mut bytes = [0; 16];
    if SystemRandom::new().fill(&mut bytes).is_err() {
        return ApiError::busy("no random bytes").into_response();
    }
    let nonce = BASE64_URL_SAFE_NO_PAD.encode(bytes);
    let text = String::from_utf8_lossy(file.plain).replace(NONCE, &nonce);
    // Scripts come from here and nowhere else, none is written into a page; styles that scripts
    // make carry the nonce. Nobody puts the page into a frame.
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; \
         img-src 'self' data: blob:; font-src 'self'; connect-src 'self'; worker-src 'self'; \
         manifest-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors {framed_by}"
    );
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn send(file: &'static File, headers: &HeaderMap) -> Response {
    if file.name == "index.html" {
        return page(file, NOBODY);
    }
    let accepted = headers.get(header::ACCEPT_ENCODING);
    let accepted = accepted
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let takes = |coding: &str| {
        accepted.split(',').any(|one| {
            let mut parts = one.trim().split(';');
            let named = parts
                .next()
                .is_some_and(|name| name.trim().eq_ignore_ascii_case(coding));
            named
                && !parts.any(|part| matches!(part.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"))
        })
    };
    let (bytes, coding) = match (file.brotli, file.gzip) {
        (Some(brotli), _) if takes("br") => (brotli, Some("br")),
        (_, Some(gzip)) if takes("gzip") => (gzip, Some("gzip")),
        _ => (file.plain, None),
    };
    let mut response = Response::new(Body::from(Bytes::from_static(bytes)));
    let answer = response.headers_mut();
    answer.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(kind(file.name)),
    );
    answer.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    // What a build names by its content never changes under that name.
    let hashed = file.name.starts_with("assets/");
    let keep = if hashed {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    answer.insert(header::CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Some(coding) = coding {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    response
}

fn kind(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, end)| end) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("html") => "text/html; charset=utf-8",
        Some("json" | "webmanifest") => "application/json",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Adds to every answer what keeps browsers from guessing, framing and telling others.
pub(crate) fn guarded(mut response: Response) -> Response {
    const GUARDS: [(HeaderName, &str); 5] = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "same-origin"),
        (
            HeaderName::from_static("cross-origin-opener-policy"),
            "same-origin",
        ),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ];
    let is_framed = response.extensions().get::<Framed>().is_some();
    let headers = response.headers_mut();
    for (name, value) in GUARDS {
        if is_framed && name == header::X_FRAME_OPTIONS {
            continue;
        }
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    }
    if response.status() == StatusCode::UNAUTHORIZED {
        response
            .headers_mut()
            .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: Method, path: &str, accept: &str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, accept.parse().unwrap());
        answer(&method, &path.parse().unwrap(), &headers)
    }

    #[test]
    fn every_page_is_the_one_page_and_nothing_else_is() {
        for path in ["/", "/ask", "/data/app/tracks", "/index.html"] {
            let page = ask(Method::GET, path, "text/html,*/*");
            assert_eq!(page.status(), StatusCode::OK, "{path}");
            let policy = page.headers()[header::CONTENT_SECURITY_POLICY]
                .to_str()
                .unwrap();
            assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
            assert!(!policy.contains("unsafe"), "{policy}");
        }
        for (method, path, accept) in [
            (Method::POST, "/ask", "text/html"),
            (Method::GET, "/api/v1/nothing", "text/html"),
            (Method::GET, "/assets/old.js", "text/html"),
            (Method::GET, "/ask", "application/json"),
            (Method::GET, "/../Cargo.toml", "*/*"),
        ] {
            let nothing = ask(method, path, accept);
            assert_eq!(nothing.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn each_page_has_its_own_nonce() {
        let nonce = || {
            let page = ask(Method::GET, "/", "text/html");
            page.headers()[header::CONTENT_SECURITY_POLICY].clone()
        };
        assert_ne!(nonce(), nonce());
    }
}
