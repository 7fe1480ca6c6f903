//! The routes of health, and of what senders of events ask.

use super::Answer::{Json, Other};
use super::{Operation, sender, user};

const ACCEPTED: super::Answer = Json(200, "Accepted");

pub(super) const EVENTS: &[Operation] = &[
    // --- health ---
    user(
        "get",
        "/health/live",
        "live",
        None,
        Other("text/plain"),
        "Answers while the process runs",
    )
    .for_everybody(),
    user(
        "get",
        "/health/ready",
        "ready",
        None,
        Json(200, "Ready"),
        "Answers 200 while rows can be taken, and 503 while not",
    )
    .for_everybody(),
    user(
        "get",
        "/metrics",
        "metrics",
        None,
        Other("application/openmetrics-text"),
        "Metrics, to this machine or to whoever may operate the lake",
    ),
    user(
        "get",
        "/api/v1/openapi.json",
        "openapi",
        None,
        Other("application/json"),
        "This document",
    )
    .for_everybody(),
    // --- events ---
    sender(
        "post",
        "/v1/track",
        "track",
        Some("Event"),
        ACCEPTED,
        "Takes an event: what somebody did",
    ),
    sender(
        "post",
        "/v1/identify",
        "identify",
        Some("Event"),
        ACCEPTED,
        "Takes an event: who somebody is",
    ),
    sender(
        "post",
        "/v1/page",
        "page",
        Some("Event"),
        ACCEPTED,
        "Takes an event: a page was seen",
    ),
    sender(
        "post",
        "/v1/screen",
        "screen",
        Some("Event"),
        ACCEPTED,
        "Takes an event: a screen was seen",
    ),
    sender(
        "post",
        "/v1/group",
        "group",
        Some("Event"),
        ACCEPTED,
        "Takes an event: somebody belongs to a group",
    ),
    sender(
        "post",
        "/v1/alias",
        "alias",
        Some("Event"),
        ACCEPTED,
        "Takes an event: two ids are one person's",
    ),
    sender(
        "post",
        "/v1/merge",
        "merge",
        Some("Event"),
        ACCEPTED,
        "Takes an event: ids are one person's",
    ),
    sender(
        "post",
        "/v1/batch",
        "batch",
        Some("Batch"),
        ACCEPTED,
        "Takes many events at once",
    ),
    sender(
        "post",
        "/v1/import",
        "import",
        Some("Batch"),
        ACCEPTED,
        "Takes old events, at their own times",
    ),
    sender(
        "post",
        "/v1/webhook",
        "webhook",
        Some("Anything"),
        ACCEPTED,
        "Takes any JSON as an event",
    ),
    sender(
        "post",
        "/beacon/v1/batch",
        "beacon",
        Some("Batch"),
        ACCEPTED,
        "Takes what a page sends as it is left; the key is in the URL",
    )
    .asking(&[("writeKey", "string", "The write key")]),
    sender(
        "post",
        "/internal/v1/batch",
        "internalBatch",
        Some("Batch"),
        ACCEPTED,
        "Takes what a server of RudderStack passes on",
    ),
    sender(
        "post",
        "/internal/v1/replay",
        "internalReplay",
        Some("Batch"),
        ACCEPTED,
        "Takes what a server of RudderStack sends again",
    ),
    sender(
        "post",
        "/internal/v1/retl",
        "internalRetl",
        Some("Batch"),
        ACCEPTED,
        "Takes what reverse ETL of RudderStack sends",
    ),
    sender(
        "post",
        "/internal/v1/extract",
        "internalExtract",
        Some("Batch"),
        ACCEPTED,
        "Takes what extractors of RudderStack send",
    ),
    sender(
        "get",
        "/v1/pixel/{kind}",
        "pixel",
        None,
        Other("image/gif"),
        "Takes an event from an image's URL, as base64 JSON",
    )
    .asking(&[(
        "data",
        "string",
        "The event, with the write key, as base64 of JSON",
    )]),
    sender(
        "get",
        "/pixel/v1/{kind}",
        "pixelByParameters",
        None,
        Other("image/gif"),
        "Takes an event from an image's URL, in its parameters",
    )
    .asking(&[("writeKey", "string", "The write key")]),
    sender(
        "get",
        "/v1/projects/{key}/settings",
        "segmentSettings",
        None,
        Json(200, "Anything"),
        "Tells an SDK of Segment where to send events",
    ),
    sender(
        "get",
        "/sourceConfig",
        "sourceConfig",
        None,
        Json(200, "Anything"),
        "Tells an SDK of RudderStack where to send events",
    )
    .asking(&[("writeKey", "string", "The write key")]),
    sender(
        "post",
        "/v1/m",
        "segmentMetrics",
        Some("Anything"),
        Json(200, "Accepted"),
        "Takes figures that SDKs send about themselves, and drops them",
    )
    .for_everybody(),
    sender(
        "post",
        "/rsaMetrics",
        "rudderMetrics",
        Some("Anything"),
        Json(200, "Accepted"),
        "Takes figures that SDKs send about themselves, and drops them",
    )
    .for_everybody(),
    sender(
        "get",
        "/weir.js",
        "script",
        None,
        Other("text/javascript"),
        "A script that sends events from a page",
    )
    .asking(&[("key", "string", "The write key")])
    .for_everybody(),
    sender(
        "get",
        "/analytics.js/v1/{key}/analytics.min.js",
        "segmentScript",
        None,
        Other("text/javascript"),
        "The same where pages look for Segment's",
    )
    .for_everybody(),
    sender(
        "get",
        "/health",
        "intakeHealth",
        None,
        Json(200, "Anything"),
        "Answers as a server of RudderStack does",
    )
    .for_everybody(),
    sender(
        "get",
        "/version",
        "version",
        None,
        Json(200, "Anything"),
        "Says which version runs",
    )
    .for_everybody(),
];
