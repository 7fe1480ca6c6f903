//! One table of every route.

mod access;
mod events;
mod flow;
mod kept;
mod pages;
mod queries;
mod sources;
mod web;

/// A route and a method.
pub(in crate::openapi) struct Operation {
    pub(in crate::openapi) method: &'static str,
    pub(in crate::openapi) path: &'static str,
    pub(in crate::openapi) id: &'static str,
    pub(in crate::openapi) summary: &'static str,
    /// Name, type and meaning of what stands in the URL after `?`.
    pub(in crate::openapi) query: &'static [(&'static str, &'static str, &'static str)],
    /// The schema of the body, where there is one.
    pub(in crate::openapi) body: Option<&'static str>,
    pub(in crate::openapi) answer: Answer,
    pub(in crate::openapi) who: Who,
}

/// What a success looks like.
pub(in crate::openapi) enum Answer {
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
pub(in crate::openapi) enum Who {
    Everybody,
    /// Whoever has signed in, with the rights they have.
    User,
    /// Whoever has a write key.
    Sender,
}

pub(in crate::openapi) const fn user(
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
    pub(in crate::openapi) const fn asking(
        mut self,
        query: &'static [(&'static str, &'static str, &'static str)],
    ) -> Self {
        self.query = query;
        self
    }

    pub(in crate::openapi) const fn for_everybody(mut self) -> Self {
        self.who = Who::Everybody;
        self
    }
}

/// Returns every operation.
pub(in crate::openapi) fn operations() -> impl Iterator<Item = &'static Operation> {
    let all = [
        queries::QUERIES,
        flow::FLOW,
        sources::SOURCES,
        access::ACCESS,
        events::EVENTS,
        web::WEB,
        pages::PAGES,
        kept::KEPT,
    ];
    all.into_iter().flatten()
}

/// The first part of a path is what its operations are about.
pub(in crate::openapi) fn tag(operation: &Operation) -> &'static str {
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
    pub(in crate::openapi) fn is_intake(&self) -> bool {
        let ours = ["/api/", "/embed/", "/health/", "/metrics"];
        !ours.iter().any(|start| self.path.starts_with(start))
    }
}
