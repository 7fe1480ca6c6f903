//! What browser SDKs fetch before they send: enough to start them against Weir alone.

use http::HeaderMap;
use http::header::HOST;
use serde_json::json;

/// Weir's own snippet, which also serves in place of Segment's script.
const SNIPPET: &str = include_str!("weir.js");

/// The address a client reached us by, as far as it says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Base {
    pub(crate) scheme: &'static str,
    /// Host, port and path prefix.
    pub(crate) host: String,
}

impl Base {
    pub(crate) fn read(headers: &HeaderMap, prefix: &str) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let secure = text("x-forwarded-proto").is_some_and(|proto| {
            proto
                .split(',')
                .next()
                .is_some_and(|first| first.trim().eq_ignore_ascii_case("https"))
        });
        // The host comes back inside scripts, so only what can be a host is taken.
        let sound = |host: &&str| {
            let ok = |b: u8| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b);
            !host.is_empty() && host.len() < 256 && host.bytes().all(ok)
        };
        let host = text(HOST.as_str()).filter(sound).unwrap_or("localhost");
        Self {
            scheme: if secure { "https" } else { "http" },
            host: format!("{host}{prefix}"),
        }
    }

    fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.host)
    }
}

/// Returns Segment's settings: one integration, which is us.
pub(crate) fn segment_settings(key: &str, base: &Base) -> String {
    let everything = json!({ "__default": { "enabled": true, "integrations": {} } });
    json!({
        "integrations": {
            "Segment.io": {
                "apiKey": key,
                "apiHost": format!("{}/v1", base.host),
                "protocol": base.scheme,
                "unbundledIntegrations": [],
                "addBundledMetadata": false,
                "maybeBundledConfigIds": {},
                "versionSettings": { "version": "4.4.7", "componentTypes": ["browser"] },
                "httpConfig": retries(),
            }
        },
        "plan": { "track": everything, "identify": everything, "group": everything },
        "edgeFunction": {},
        "analyticsNextEnabled": true,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": { "sampleRate": 0 },
        "legacyVideoPluginsEnabled": false,
        "remotePlugins": [],
    })
    .to_string()
}

/// How browsers retry: what is refused for a while comes again for half a day, so that a restart or a
/// full disk loses nothing. Intervals are in seconds.
fn retries() -> serde_json::Value {
    json!({
        "rateLimitConfig": {
            "enabled": true,
            "maxRetryCount": 100,
            "maxRetryInterval": 300,
            "maxRateLimitDuration": 43_200,
        },
        "backoffConfig": {
            "enabled": true,
            "maxRetryCount": 100,
            "baseBackoffInterval": 0.5,
            "maxBackoffInterval": 60,
            "maxTotalBackoffDuration": 43_200,
            "jitterPercent": 10,
            "default4xxBehavior": "drop",
            "default5xxBehavior": "retry",
            "statusCodeOverrides": { "408": "retry", "425": "retry", "429": "retry" },
        },
    })
}

/// Returns RudderStack's source configuration: no destinations, no reports to its makers.
pub(crate) fn source_config(name: &str, key: &str, enabled: bool, base: &Base) -> String {
    json!({
        "source": {
            "id": name,
            "name": name,
            "writeKey": key,
            "enabled": enabled,
            "workspaceId": "weir",
            "config": {
                "statsCollection": {
                    "errors": { "enabled": false },
                    "metrics": { "enabled": false },
                },
            },
            "connections": [],
            "destinations": [],
            "dataplanes": { "US": [{ "url": base.url(), "default": true }] },
        },
        "isHosted": true,
        "updatedAt": null,
    })
    .to_string()
}

/// Returns the snippet, told where to send to.
pub(crate) fn script(key: Option<&str>, base: &Base) -> String {
    let config = json!({ "host": base.url(), "writeKey": key });
    // `<` could end the element of a page that has the script inline.
    SNIPPET.replacen(
        "__WEIR_CONFIG__",
        &config.to_string().replace('<', "\\u003c"),
        1,
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_base_cannot_be_forged_into_script() {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, HeaderValue::from_static("a.example:80"));
        headers.insert("x-forwarded-proto", HeaderValue::from_static("https, http"));
        assert_eq!(Base::read(&headers, "/x").url(), "https://a.example:80/x");
        headers.insert(HOST, HeaderValue::from_static("\"</script>"));
        assert_eq!(Base::read(&headers, "").host, "localhost");
        let script = script(Some("</script>"), &Base::read(&headers, ""));
        assert!(!script.contains("</script>"));
        assert!(!script.contains("__WEIR_CONFIG__"));
    }
}
