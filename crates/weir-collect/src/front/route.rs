use crate::record::{Kind, Protocol};

/// What a path asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Events in a body.
    Events {
        form: Form,
        protocol: Protocol,
    },
    /// One event in a query, answered by an image. Segment's has it in `data`, RudderStack's in
    /// parameters of their own.
    Pixel {
        kind: Kind,
        data: bool,
    },
    /// Any JSON, made an event.
    Webhook,
    /// SDKs' figures about themselves: taken and forgotten.
    Metrics,
    /// What Segment's SDKs ask for before they send.
    Settings {
        key: String,
    },
    /// What RudderStack's SDKs ask for before they send.
    SourceConfig,
    /// Our own snippet, also under the name of Segment's script.
    Script {
        key: Option<String>,
    },
    /// Parts of Segment's script that we have no need of.
    EmptyScript,
    Health,
    Version,
}

/// What a body of events looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// One event, whose type the path says.
    Single(Kind),
    /// A list of events under `batch`.
    Batch,
}

/// Returns what `path` asks for. Doubled and trailing slashes are forgiven: base URLs are often
/// written with one.
pub(crate) fn route(path: &str) -> Option<Route> {
    let parts: Vec<&str> = path
        .split('/')
        .filter(|part| !part.is_empty())
        .take(7)
        .collect();
    let events = |form, protocol| Some(Route::Events { form, protocol });
    match parts.as_slice() {
        ["v1", "batch" | "b"] => events(Form::Batch, Protocol::Batch),
        ["v1", "import"] => events(Form::Batch, Protocol::Import),
        ["beacon", "v1", "batch" | "b"] => events(Form::Batch, Protocol::Beacon),
        ["internal", "v1", "batch" | "replay" | "retl" | "extract"] => {
            events(Form::Batch, Protocol::Internal)
        }
        ["v1", "m"] | ["rsaMetrics"] => Some(Route::Metrics),
        ["v1", "webhook"] => Some(Route::Webhook),
        ["v1", "pixel", kind] => Some(Route::Pixel {
            kind: kind_of(kind)?,
            data: true,
        }),
        ["pixel", "v1", kind] => Some(Route::Pixel {
            kind: kind_of(kind)?,
            data: false,
        }),
        ["v1", "projects", key, "settings"] => Some(Route::Settings {
            key: (*key).to_owned(),
        }),
        // React Native behind a proxy. Weir's own keys start like this, so nothing of the UI can.
        [key, "settings"] if key.starts_with("wk_") => Some(Route::Settings {
            key: (*key).to_owned(),
        }),
        ["v1", kind] => events(Form::Single(kind_of(kind)?), Protocol::Http),
        ["sourceConfig"] => Some(Route::SourceConfig),
        [
            "analytics.js",
            "v1",
            key,
            "analytics.min.js" | "analytics.js",
        ] => Some(Route::Script {
            key: Some((*key).to_owned()),
        }),
        ["weir.js"] => Some(Route::Script { key: None }),
        ["next-integrations", ..] | ["analytics-next", ..] => Some(Route::EmptyScript),
        ["health"] => Some(Route::Health),
        ["version"] => Some(Route::Version),
        _ => None,
    }
}

/// Types by their names and by the letters browsers use.
fn kind_of(word: &str) -> Option<Kind> {
    Some(match word {
        "t" | "track" => Kind::Track,
        "i" | "identify" => Kind::Identify,
        "p" | "page" => Kind::Page,
        "s" | "screen" => Kind::Screen,
        "g" | "group" => Kind::Group,
        "a" | "alias" => Kind::Alias,
        "merge" => Kind::Merge,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let single = |kind| {
            Some(Route::Events {
                form: Form::Single(kind),
                protocol: Protocol::Http,
            })
        };
        assert_eq!(route("/v1/t"), single(Kind::Track));
        assert_eq!(route("//v1/identify/"), single(Kind::Identify));
        assert_eq!(route("/v1/merge"), single(Kind::Merge));
        let batch = |protocol| {
            Some(Route::Events {
                form: Form::Batch,
                protocol,
            })
        };
        assert_eq!(route("/v1/b"), batch(Protocol::Batch));
        assert_eq!(route("/v1/import"), batch(Protocol::Import));
        assert_eq!(route("/beacon/v1/batch"), batch(Protocol::Beacon));
        assert_eq!(
            route("/v1/pixel/track"),
            Some(Route::Pixel {
                kind: Kind::Track,
                data: true
            })
        );
        assert_eq!(
            route("/pixel/v1/page"),
            Some(Route::Pixel {
                kind: Kind::Page,
                data: false
            })
        );
        assert_eq!(route("/sourceConfig/"), Some(Route::SourceConfig));
        assert!(matches!(
            route("/wk_abc/settings"),
            Some(Route::Settings { .. })
        ));
        assert!(matches!(
            route("/analytics.js/v1/K/analytics.min.js"),
            Some(Route::Script { .. })
        ));
        for path in [
            "/",
            "/v1",
            "/v1/nope",
            "/api/v1/query",
            "/admin/settings",
            "/health/live",
        ] {
            assert_eq!(route(path), None, "{path}");
        }
    }
}
