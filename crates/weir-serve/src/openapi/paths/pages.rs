//! The routes of models, drafts, links for other sites, alerts and released events.

use super::Answer::{Json, Nothing, Other, Rows};
use super::{Operation, user};

pub(super) const PAGES: &[Operation] = &[
    // --- models ---
    user(
        "get",
        "/api/v1/models",
        "listModels",
        None,
        Json(200, "Models"),
        "Lists what the project's files build and read, as far as one may read the tables",
    ),
    user(
        "get",
        "/api/v1/models/{asset}",
        "model",
        None,
        Json(200, "Model"),
        "Describes a model, seed, snapshot, source or step, with its code",
    ),
    // --- drafts ---
    user(
        "get",
        "/api/v1/dashboards/{id}/draft",
        "dashboardDraft",
        None,
        Json(200, "KeptDraft"),
        "Returns what a dashboard is to become; null where there is none, or one may not see it",
    ),
    user(
        "put",
        "/api/v1/dashboards/{id}/draft",
        "keepDashboardDraft",
        Some("Draft"),
        Nothing(204),
        "Keeps what a dashboard is to become; `version` is the one it was begun from",
    ),
    user(
        "delete",
        "/api/v1/dashboards/{id}/draft",
        "discardDashboardDraft",
        None,
        Nothing(204),
        "Throws the draft away",
    ),
    user(
        "post",
        "/api/v1/dashboards/{id}/publish",
        "publishDashboard",
        None,
        Json(200, "SavedDocument"),
        "Makes the draft the newest version; 409 when somebody saved another one meanwhile",
    ),
    // --- other sites ---
    user(
        "get",
        "/api/v1/dashboards/{id}/embeds",
        "listEmbeds",
        None,
        Json(200, "Embeds"),
        "Lists the links by which other sites show a dashboard",
    ),
    user(
        "post",
        "/api/v1/dashboards/{id}/embeds",
        "createEmbed",
        Some("NewEmbed"),
        Json(201, "CreatedEmbed"),
        "Makes a link for other sites: its secret is in this answer and nowhere else",
    ),
    user(
        "delete",
        "/api/v1/dashboards/{id}/embeds/{embed}",
        "revokeEmbed",
        None,
        Nothing(204),
        "Ends a link",
    ),
    user(
        "get",
        "/embed/{id}",
        "embedPage",
        None,
        Other("text/html"),
        "The page that another site shows; the link's secret stays behind its `#`",
    )
    .for_everybody(),
    user(
        "get",
        "/api/v1/embed",
        "embeddedDashboard",
        None,
        Json(200, "Anything"),
        "Returns what of a dashboard is drawn, for whoever shows a link's secret as `weir-embed`",
    )
    .for_everybody(),
    user(
        "post",
        "/api/v1/embed/tiles/{tile}",
        "embeddedTile",
        Some("EmbeddedTile"),
        Rows,
        "Answers a tile, for whoever shows a link's secret as `weir-embed`",
    )
    .for_everybody(),
    // --- alerts ---
    user(
        "get",
        "/api/v1/alerts",
        "listAlerts",
        None,
        Json(200, "Alerts"),
        "Lists the alerts on questions that one may open",
    ),
    user(
        "post",
        "/api/v1/alerts",
        "createAlert",
        Some("NewAlert"),
        Json(201, "Alert"),
        "Makes an alert: the question is asked by itself, with one's rights",
    ),
    user(
        "delete",
        "/api/v1/alerts/{id}",
        "deleteAlert",
        None,
        Nothing(204),
        "Ends an alert",
    ),
    user(
        "post",
        "/api/v1/alerts/{id}/check",
        "checkAlert",
        None,
        Json(200, "CheckedAlert"),
        "Asks the question now, and tells whoever is to be told",
    ),
    // --- events ---
    user(
        "get",
        "/api/v1/events/released",
        "listReleased",
        None,
        Json(200, "ReleasedEvents"),
        "Lists refused events that were put right and taken",
    ),
    user(
        "post",
        "/api/v1/events/released",
        "releaseEvent",
        Some("ReleaseEvent"),
        Json(200, "EventVerdict"),
        "Takes a refused event that was put right, as if its source had sent it",
    ),
];
