use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
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

/// As many statements are remembered.
const REMEMBERED: usize = 1_000;

/// What was found about statements, so that one whose answer is kept is planned once, not twice.
///
/// It holds as long as the catalog, and so every view and right, stays as it is, and as long as the
/// statement reads the same tables: a new one may take the place of another in the search path.
#[derive(Default)]
pub(crate) struct KnownFacts(Mutex<Remembered>);

#[derive(Default)]
struct Remembered {
    generation: i64,
    facts: HashMap<Statement, Known>,
}

/// Who asks what, with which values.
pub(super) type Statement = (String, String, String);

#[derive(Clone)]
pub(super) struct Known {
    pub(super) facts: Facts,
    /// The tables whose rows it read, in order.
    pub(super) tables: Vec<String>,
}

impl KnownFacts {
    pub(super) fn get(&self, generation: i64, statement: &Statement) -> Option<Known> {
        let known = self.0.lock();
        let found = known.facts.get(statement);
        found.filter(|_| known.generation == generation).cloned()
    }

    pub(super) fn put(&self, generation: i64, statement: Statement, known: Known) {
        if !known.facts.planned {
            return;
        }
        let mut remembered = self.0.lock();
        if remembered.generation != generation || remembered.facts.len() >= REMEMBERED {
            remembered.facts.clear();
            remembered.generation = generation;
        }
        remembered.facts.insert(statement, known);
    }
}

/// What planning a statement tells about its answer.
#[derive(Clone)]
pub(super) struct Facts {
    /// Whether it could be planned by itself.
    planned: bool,
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
            planned: false,
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
            planned: true,
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
    if !own {
        // A table that was dropped since may have a namesake that everybody reads.
        let versions = result.versions.as_object().into_iter().flatten();
        let versions = versions.filter_map(|(name, read)| Some((name, read["version"].as_u64()?)));
        for (name, version) in versions {
            let name = name
                .rsplit_once('@')
                .map_or(name.as_str(), |(name, _)| name);
            rooms
                .engine
                .may_read_version(&who.caller("http"), name, version)
                .await?;
        }
    }
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
