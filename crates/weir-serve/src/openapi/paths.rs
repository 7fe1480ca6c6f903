//! One table of every route.

/// A route and a method.
pub(super) struct Operation {
    pub(super) method: &'static str,
    pub(super) path: &'static str,
    pub(super) id: &'static str,
    pub(super) summary: &'static str,
    /// Name, type and meaning of what stands in the URL after `?`.
    pub(super) query: &'static [(&'static str, &'static str, &'static str)],
    /// The schema of the body, where there is one.
    pub(super) body: Option<&'static str>,
    pub(super) answer: Answer,
    pub(super) who: Who,
}

/// What a success looks like.
pub(super) enum Answer {
    /// JSON of a schema, with a status.
    Json(u16, &'static str),
    /// Nothing, with a status.
    Nothing(u16),
    /// Something else, by its type.
    Other(&'static str),
    /// Rows, in one of the formats.
    Rows,
}

/// Who may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    Everybody,
    /// Whoever has signed in, with the rights they have.
    User,
    /// Whoever has a write key.
    Sender,
}

pub(super) const fn user(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    body: Option<&'static str>,
    answer: Answer,
    summary: &'static str,
) -> Operation {
    Operation {
        method,
        path,
        id,
        summary,
        query: &[],
        body,
        answer,
        who: Who::User,
    }
}

const fn sender(
    method: &'static str,
    path: &'static str,
    id: &'static str,
    body: Option<&'static str>,
    answer: Answer,
    summary: &'static str,
) -> Operation {
    Operation {
        who: Who::Sender,
        ..user(method, path, id, body, answer, summary)
    }
}

impl Operation {
    pub(super) const fn asking(
        mut self,
        query: &'static [(&'static str, &'static str, &'static str)],
    ) -> Self {
        self.query = query;
        self
    }

    pub(super) const fn for_everybody(mut self) -> Self {
        self.who = Who::Everybody;
        self
    }
}

use Answer::{Json, Nothing, Other, Rows};

const EVENTS: Answer = Json(200, "Accepted");

const OPERATIONS: &[Operation] = &[
    // --- queries ---
    user(
        "post",
        "/api/v1/query",
        "query",
        Some("Question"),
        Rows,
        "Answers one SQL statement",
    )
    .asking(&[
        (
            "params",
            "string",
            "With a body of bare SQL: the parameters, as a JSON list",
        ),
        (
            "format",
            "format",
            "With a body of bare SQL: how rows are written",
        ),
        (
            "timeout_ms",
            "integer",
            "With a body of bare SQL: a shorter timeout than the server's",
        ),
    ]),
    user(
        "get",
        "/api/v1/query",
        "queryByUrl",
        None,
        Rows,
        "Answers one SQL statement that only reads",
    )
    .asking(&[
        ("sql", "text", "The statement"),
        ("params", "string", "The parameters, as a JSON list"),
        ("format", "format", "How rows are written"),
        (
            "timeout_ms",
            "integer",
            "A shorter timeout than the server's",
        ),
    ]),
    user(
        "delete",
        "/api/v1/queries/{id}",
        "cancelQuery",
        None,
        Json(200, "Cancelling"),
        "Ends a query that runs",
    ),
    // --- transactions ---
    user(
        "post",
        "/api/v1/transactions",
        "beginTransaction",
        None,
        Json(201, "Transaction"),
        "Begins a transaction: its statements are seen together or never",
    ),
    user(
        "delete",
        "/api/v1/transactions/{id}",
        "discardTransaction",
        None,
        Nothing(204),
        "Gives a transaction up",
    ),
    user(
        "post",
        "/api/v1/transactions/{id}/publish",
        "publishTransaction",
        Some("Publish"),
        Json(200, "Published"),
        "Makes all that a transaction did visible at one instant",
    ),
    user(
        "get",
        "/api/v1/publications",
        "listPublications",
        None,
        Json(200, "Publications"),
        "Lists what was published together, newest first",
    )
    .asking(&[("limit", "integer", "How many at most")]),
    user(
        "get",
        "/api/v1/publications/by-token",
        "publishedByToken",
        None,
        Json(200, "PublishedByToken"),
        "Returns what was published by a token; null when nothing was",
    )
    .asking(&[
        ("app", "string", "What is published"),
        ("sequence", "integer", "The number of the publication"),
    ]),
    user(
        "post",
        "/api/v1/publications/{id}/rollback",
        "rollBackPublication",
        Some("RollBack"),
        Json(200, "Published"),
        "Gives tables and views back what they were before a publication",
    ),
    user(
        "get",
        "/api/v1/builds",
        "listBuilds",
        None,
        Json(200, "Builds"),
        "Lists what tables and views were built from",
    ),
    user(
        "post",
        "/api/v1/check",
        "check",
        Some("Check"),
        Json(200, "Checked"),
        "Plans queries that name each other, without running them",
    ),
    // --- schedules and runs ---
    user(
        "get",
        "/api/v1/runs",
        "listRuns",
        None,
        Json(200, "Runs"),
        "Lists runs, newest first",
    )
    .asking(&[
        ("schedule", "string", "Only those of this schedule"),
        ("state", "string", "Only those in this state"),
        ("before", "integer", "Only those before this number"),
        ("limit", "integer", "How many at most"),
    ]),
    user(
        "post",
        "/api/v1/runs",
        "startRun",
        Some("StartRun"),
        Json(202, "StartedRun"),
        "Brings models up to date now",
    ),
    user(
        "get",
        "/api/v1/runs/{run}",
        "showRun",
        None,
        Json(200, "RunDetail"),
        "Returns a run with its steps and their attempts",
    ),
    user(
        "get",
        "/api/v1/runs/{run}/logs",
        "runLogs",
        None,
        Json(200, "RunLogs"),
        "Returns what the steps of a run have said so far",
    )
    .asking(&[
        ("step", "string", "Only of this step"),
        ("attempt", "integer", "Only of this attempt"),
        (
            "from",
            "integer",
            "Lines of each attempt from this number on",
        ),
    ]),
    user(
        "post",
        "/api/v1/runs/{run}/retry",
        "retryRun",
        Some("RetryRun"),
        Json(202, "StartedRun"),
        "Runs a run that has ended again, or a part of it",
    ),
    user(
        "post",
        "/api/v1/runs/{run}/cancel",
        "cancelRun",
        None,
        Nothing(204),
        "Cancels a run",
    ),
    user(
        "get",
        "/api/v1/schedules",
        "listSchedules",
        None,
        Json(200, "Schedules"),
        "Lists schedules, and what is wrong with their file",
    ),
    user(
        "post",
        "/api/v1/schedules/{name}/trigger",
        "triggerSchedule",
        None,
        Json(202, "StartedRun"),
        "Runs a schedule now; also for callers who show its own token",
    ),
    user(
        "post",
        "/api/v1/schedules/{name}/pause",
        "pauseSchedule",
        None,
        Nothing(204),
        "Lets a schedule rest",
    ),
    user(
        "post",
        "/api/v1/schedules/{name}/resume",
        "resumeSchedule",
        Some("ResumeSchedule"),
        Nothing(204),
        "Lets a schedule go on",
    ),
    user(
        "get",
        "/api/v1/steps",
        "listSteps",
        None,
        Json(200, "Steps"),
        "Lists steps of other languages, and what is wrong with their files",
    ),
    user(
        "get",
        "/api/v1/steps/{name}/plan",
        "planStep",
        None,
        Json(200, "PlannedStep"),
        "Returns the datums that a run of a step would have now",
    ),
    user(
        "get",
        "/api/v1/filesets/{name}/files",
        "listFiles",
        None,
        Json(200, "Files"),
        "Returns the files of a fileset as they are now",
    )
    .asking(&[("branch", "string", "Its branch; `master` without it")]),
    user(
        "get",
        "/api/v1/backfills",
        "listBackfills",
        None,
        Json(200, "Backfills"),
        "Lists backfills, newest first",
    ),
    user(
        "post",
        "/api/v1/backfills",
        "beginBackfill",
        Some("NewBackfill"),
        Json(200, "BegunBackfill"),
        "Brings partitions up to date one by one, or says what that would do",
    ),
    user(
        "get",
        "/api/v1/backfills/{backfill}",
        "showBackfill",
        None,
        Json(200, "Backfill"),
        "Returns how far a backfill is",
    ),
    user(
        "post",
        "/api/v1/backfills/{backfill}/pause",
        "pauseBackfill",
        None,
        Nothing(204),
        "Lets a backfill rest",
    ),
    user(
        "post",
        "/api/v1/backfills/{backfill}/resume",
        "resumeBackfill",
        None,
        Nothing(204),
        "Lets a backfill go on",
    ),
    user(
        "post",
        "/api/v1/backfills/{backfill}/cancel",
        "cancelBackfill",
        None,
        Nothing(204),
        "Cancels a backfill",
    ),
    // --- sources and keys ---
    user(
        "get",
        "/api/v1/sources",
        "listSources",
        None,
        Json(200, "Sources"),
        "Lists sources and their settings",
    ),
    user(
        "put",
        "/api/v1/sources/{name}",
        "putSource",
        Some("PutSource"),
        Json(200, "Source"),
        "Makes or changes a source; what is left out stays",
    ),
    user(
        "get",
        "/api/v1/keys",
        "listKeys",
        None,
        Json(200, "Keys"),
        "Lists write keys by their first characters",
    ),
    user(
        "post",
        "/api/v1/keys",
        "createKey",
        Some("CreateKey"),
        Json(201, "CreatedKey"),
        "Makes a write key, which is in this answer and nowhere else",
    ),
    user(
        "delete",
        "/api/v1/keys/{key}",
        "revokeKey",
        None,
        Json(200, "Key"),
        "Revokes a write key",
    ),
    user(
        "post",
        "/api/v1/rebuild",
        "rebuild",
        Some("Rebuild"),
        Json(200, "Rebuilt"),
        "Derives typed tables again from raw events",
    ),
    user(
        "get",
        "/api/v1/extract",
        "listFetched",
        None,
        Json(200, "Fetched"),
        "Lists the sources that rows are fetched from",
    ),
    user(
        "post",
        "/api/v1/extract/{source}/discover",
        "discover",
        None,
        Json(200, "Offered"),
        "Asks a source what it offers, and says what a sync would take",
    ),
    user(
        "post",
        "/api/v1/extract/{source}/sync",
        "sync",
        Some("Sync"),
        Other("application/x-ndjson"),
        "Fetches what is new; lines tell how far it is, the last one how it ended",
    ),
    user(
        "post",
        "/api/v1/extract/{source}/verify",
        "verifySource",
        Some("Verify"),
        Other("application/x-ndjson"),
        "Compares a database with the lake; lines tell how far it is, the last one each table's score",
    ),
    user(
        "post",
        "/api/v1/extract/{source}/load",
        "load",
        Some("Anything"),
        Other("application/x-ndjson"),
        "Takes the messages of a Singer tap; lines tell each state that is durable",
    ),
    user(
        "get",
        "/api/v1/extract/{source}/state",
        "sourceState",
        None,
        Json(200, "SourceState"),
        "Returns where a source is read on from",
    ),
    user(
        "put",
        "/api/v1/extract/{source}/state",
        "setSourceState",
        Some("SourceState"),
        Nothing(204),
        "Sets where a source is read on from",
    ),
    user(
        "post",
        "/api/v1/extract/undo",
        "undoSync",
        Some("UndoSync"),
        Json(200, "UndoneSync"),
        "Gives the tables of a source back what they were before a sync",
    ),
    user(
        "get",
        "/api/v1/tail",
        "tail",
        None,
        Other("text/event-stream"),
        "Streams events as they are accepted or rejected",
    )
    .asking(&[
        ("source", "string", "Only events of this source"),
        ("event", "string", "Only events of this type or name"),
        ("user", "string", "Only events of this user"),
        ("verdict", "verdict", "Only events with this verdict"),
    ]),
    // --- the lake ---
    user(
        "get",
        "/api/v1/lake",
        "lakeStatus",
        None,
        Json(200, "LakeStatus"),
        "Positions, memory, log and flush counters",
    ),
    user(
        "post",
        "/api/v1/lake/flush",
        "flush",
        None,
        Json(200, "Flushed"),
        "Commits what is in memory",
    ),
    user(
        "post",
        "/api/v1/lake/compact",
        "compact",
        Some("Compact"),
        Json(200, "Compacted"),
        "Joins small files",
    ),
    user(
        "post",
        "/api/v1/lake/fsck",
        "fsck",
        Some("Fsck"),
        Json(200, "CheckedFiles"),
        "Reads every file of the lake, and sets damaged ones aside",
    ),
    // --- users and rights ---
    user(
        "get",
        "/api/v1/me",
        "me",
        None,
        Json(200, "Me"),
        "Says who one is, and how one was let in",
    ),
    user(
        "get",
        "/api/v1/users",
        "listUsers",
        None,
        Json(200, "Users"),
        "Lists users",
    ),
    user(
        "post",
        "/api/v1/users",
        "createUser",
        Some("CreateUser"),
        Json(201, "User"),
        "Makes a user",
    ),
    user(
        "delete",
        "/api/v1/users/{user}",
        "dropUser",
        None,
        Nothing(204),
        "Removes a user",
    ),
    user(
        "put",
        "/api/v1/users/{user}/password",
        "setPassword",
        Some("SetPassword"),
        Nothing(204),
        "Sets a password, or takes it away",
    ),
    user(
        "put",
        "/api/v1/users/{user}/disabled",
        "setDisabled",
        Some("SetDisabled"),
        Nothing(204),
        "Suspends a user, or lets them in again",
    ),
    user(
        "put",
        "/api/v1/users/{user}/roles/{role}",
        "giveRole",
        None,
        Nothing(204),
        "Gives a user a role",
    ),
    user(
        "delete",
        "/api/v1/users/{user}/roles/{role}",
        "takeRole",
        None,
        Nothing(204),
        "Takes a role from a user",
    ),
    user(
        "get",
        "/api/v1/roles",
        "listRoles",
        None,
        Json(200, "Roles"),
        "Lists roles",
    ),
    user(
        "post",
        "/api/v1/roles",
        "createRole",
        Some("CreateRole"),
        Nothing(201),
        "Makes a role",
    ),
    user(
        "delete",
        "/api/v1/roles/{role}",
        "dropRole",
        None,
        Nothing(204),
        "Removes a role",
    ),
    user(
        "get",
        "/api/v1/grants",
        "listGrants",
        None,
        Json(200, "Grants"),
        "Lists rights that were given",
    ),
    user(
        "post",
        "/api/v1/grants",
        "grant",
        Some("Grant"),
        Json(200, "Changed"),
        "Gives rights",
    ),
    user(
        "post",
        "/api/v1/grants/revoke",
        "revoke",
        Some("Grant"),
        Json(200, "Changed"),
        "Takes rights",
    ),
    user(
        "get",
        "/api/v1/tokens",
        "listTokens",
        None,
        Json(200, "Tokens"),
        "Lists tokens by their first characters",
    ),
    user(
        "post",
        "/api/v1/tokens",
        "createToken",
        Some("CreateToken"),
        Json(201, "CreatedToken"),
        "Makes a token, which is in this answer and nowhere else",
    ),
    user(
        "delete",
        "/api/v1/tokens/{token}",
        "revokeToken",
        None,
        Json(200, "Token"),
        "Revokes a token",
    ),
    user(
        "get",
        "/api/v1/audit",
        "audit",
        None,
        Json(200, "Audit"),
        "Returns the newest records of the audit",
    )
    .asking(&[(
        "limit",
        "integer",
        "How many; 100 without it, 10000 at most",
    )]),
    user(
        "get",
        "/api/v1/audit/verify",
        "verifyAudit",
        None,
        Json(200, "VerifiedAudit"),
        "Checks that no record of the audit was changed or removed",
    ),
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
        EVENTS,
        "Takes an event: what somebody did",
    ),
    sender(
        "post",
        "/v1/identify",
        "identify",
        Some("Event"),
        EVENTS,
        "Takes an event: who somebody is",
    ),
    sender(
        "post",
        "/v1/page",
        "page",
        Some("Event"),
        EVENTS,
        "Takes an event: a page was seen",
    ),
    sender(
        "post",
        "/v1/screen",
        "screen",
        Some("Event"),
        EVENTS,
        "Takes an event: a screen was seen",
    ),
    sender(
        "post",
        "/v1/group",
        "group",
        Some("Event"),
        EVENTS,
        "Takes an event: somebody belongs to a group",
    ),
    sender(
        "post",
        "/v1/alias",
        "alias",
        Some("Event"),
        EVENTS,
        "Takes an event: two ids are one person's",
    ),
    sender(
        "post",
        "/v1/merge",
        "merge",
        Some("Event"),
        EVENTS,
        "Takes an event: ids are one person's",
    ),
    sender(
        "post",
        "/v1/batch",
        "batch",
        Some("Batch"),
        EVENTS,
        "Takes many events at once",
    ),
    sender(
        "post",
        "/v1/import",
        "import",
        Some("Batch"),
        EVENTS,
        "Takes old events, at their own times",
    ),
    sender(
        "post",
        "/v1/webhook",
        "webhook",
        Some("Anything"),
        EVENTS,
        "Takes any JSON as an event",
    ),
    sender(
        "post",
        "/beacon/v1/batch",
        "beacon",
        Some("Batch"),
        EVENTS,
        "Takes what a page sends as it is left; the key is in the URL",
    )
    .asking(&[("writeKey", "string", "The write key")]),
    sender(
        "post",
        "/internal/v1/batch",
        "internalBatch",
        Some("Batch"),
        EVENTS,
        "Takes what a server of RudderStack passes on",
    ),
    sender(
        "post",
        "/internal/v1/replay",
        "internalReplay",
        Some("Batch"),
        EVENTS,
        "Takes what a server of RudderStack sends again",
    ),
    sender(
        "post",
        "/internal/v1/retl",
        "internalRetl",
        Some("Batch"),
        EVENTS,
        "Takes what reverse ETL of RudderStack sends",
    ),
    sender(
        "post",
        "/internal/v1/extract",
        "internalExtract",
        Some("Batch"),
        EVENTS,
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

/// Returns every operation.
pub(super) fn operations() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS
        .iter()
        .chain(super::paths_web::WEB)
        .chain(super::paths_pages::PAGES)
        .chain(super::paths_kept::KEPT)
}

/// The first part of a path is what its operations are about.
pub(super) fn tag(operation: &Operation) -> &'static str {
    if operation.is_intake() {
        return "events";
    }
    match operation
        .path
        .trim_start_matches("/api/v1/")
        .split('/')
        .next()
    {
        Some("query" | "queries" | "results") => "queries",
        Some("questions" | "dashboards" | "embed" | "alerts" | "rollups" | "files" | "tables") => {
            "documents"
        }
        Some("session" | "setup") => "users",
        Some("sources" | "keys" | "rebuild" | "tail" | "extract" | "events") => "sources",
        Some("lake") => "lake",
        Some("runs" | "schedules" | "backfills" | "steps" | "filesets" | "models") => "runs",
        Some("me" | "people" | "users" | "roles" | "grants" | "tokens" | "audit") => "users",
        _ => "server",
    }
}

impl Operation {
    /// Whether the collector answers it, to pages of other sites too.
    pub(super) fn is_intake(&self) -> bool {
        let ours = ["/api/", "/embed/", "/health/", "/metrics"];
        !ours.iter().any(|start| self.path.starts_with(start))
    }
}
