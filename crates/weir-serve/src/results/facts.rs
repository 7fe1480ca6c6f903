use std::sync::Arc;

use serde_json::Value;
use weir_access::{Action, Object};
use weir_catalog::StoredResult;
use weir_query::{Caller, Candidate, CheckOutcome, QueryError, with_literals};

use super::Rooms;
use crate::auth::SignedIn;
use crate::error::ApiError;
use crate::query::Refusal;

/// Schemas whose tables show each reader rows of their own.
const OWN_ROWS: [&str; 3] = ["weir", "information_schema", "pg_catalog"];

/// What planning a statement tells about its answer.
pub(super) struct Facts {
    /// The tables and views it names, as `schema.name`.
    pub(super) reads: Vec<String>,
    /// Whether the answer depends on more than data and parameters.
    pub(super) varies: bool,
    /// Whether nobody else may be shown the answer.
    pub(super) private: bool,
}

impl Facts {
    /// Finds what a statement reads, as `caller`; one that cannot be told is private and varies.
    pub(super) async fn of(
        rooms: &Rooms,
        caller: &Caller,
        sql: &str,
        params: &[Value],
    ) -> Result<Self, QueryError> {
        let unknown = Facts {
            reads: Vec::new(),
            varies: true,
            private: true,
        };
        let candidate = Candidate {
            schema: "answer".to_owned(),
            name: "answer".to_owned(),
            sql: with_literals(sql, params),
        };
        let outcomes = rooms
            .engine
            .check(caller.clone(), Arc::default(), vec![candidate])
            .await?;
        let Some(CheckOutcome::Ok(checked)) = outcomes.into_iter().next() else {
            return Ok(unknown);
        };
        let own = |name: &String| {
            let schema = name.split_once('.').map_or("", |(schema, _)| schema);
            OWN_ROWS.contains(&schema)
        };
        let private = checked.reads.iter().any(own);
        Ok(Facts {
            varies: private || !checked.varies.is_empty(),
            private,
            reads: checked.reads,
        })
    }
}

/// Checks that somebody may see an answer now: whoever asked, as long as they may still read what it
/// was made of, and everybody else who may.
pub(super) async fn may_see(
    rooms: &Rooms,
    who: &SignedIn,
    result: &StoredResult,
) -> Result<(), Refusal> {
    let access = rooms.catalog.access();
    let me = access.user(who.identity().user()).map(|user| user.id);
    let own = me == Some(result.user_id);
    let denied = |text: &str| Refusal::Api(ApiError::denied(text));
    if result.private {
        return match own {
            true => Ok(()),
            false => Err(denied(
                "this answer was made of tables that show each person rows of their own",
            )),
        };
    }
    let readable = |name: &String| {
        let (schema, table) = name.split_once('.').unwrap_or(("", name));
        access
            .decide(
                who.identity(),
                Action::Select,
                &Object::Table { schema, table },
            )
            .allowed
    };
    if result.reads.iter().all(readable) {
        return Ok(());
    }
    // Through a view that reads with its owner's rights, somebody may see what they may not read:
    // then the same statement means the same to them.
    let params = result.params.as_array().cloned().unwrap_or_default();
    let facts = Facts::of(rooms, &who.caller("http"), &result.sql, &params).await?;
    if !facts.private && !facts.reads.is_empty() && facts.reads == result.reads {
        return Ok(());
    }
    Err(denied(
        "you may not read everything that this answer was made of",
    ))
}
