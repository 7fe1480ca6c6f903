//! The routes of queries, transactions and publications.

use super::Answer::{Json, Nothing, Rows};
use super::{Operation, user};

pub(super) const QUERIES: &[Operation] = &[
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
];
