use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};
use weir_catalog::RollupReads;
use weir_query::{Caller, Candidate, CheckOutcome, Engine, Instant, NamedStatement, with_literals};

use crate::error::ApiError;
use crate::query::Refusal;

/// Returns the tables whose rows some tables and views show, as `schema.name`.
pub fn followed(engine: &Engine, instant: &Instant, reads: &[String]) -> Vec<String> {
    let mut tables = BTreeSet::new();
    for read in reads {
        let resting = read
            .split_once('.')
            .and_then(|(schema, name)| engine.rests_on(instant, schema, name));
        let below = resting.into_iter().flat_map(|resting| resting.tables);
        tables.extend(below.map(|table| table.to_string()));
    }
    tables.into_iter().collect()
}

/// Finds what a question reads, asked with its own defaults by `caller`; refuses what cannot be asked.
pub(super) async fn reads(
    engine: &Engine,
    caller: &Caller,
    (schema, table): (&str, &str),
    body: &Value,
) -> Result<RollupReads, Refusal> {
    let statement: NamedStatement = serde_json::from_value(body.clone())
        .map_err(|_| ApiError::invalid("this question has no statement"))?;
    let (sql, values) = statement.bind(&Map::new())?;
    let candidate = Candidate {
        schema: schema.to_owned(),
        name: table.to_owned(),
        sql: with_literals(&sql, &values),
    };
    let settings = Arc::default();
    let outcomes = engine.check(caller.clone(), settings, vec![candidate]);
    let checked = match outcomes.await?.into_iter().next() {
        Some(CheckOutcome::Ok(checked)) => checked,
        Some(CheckOutcome::Failed(failure)) => {
            let error = ApiError::invalid(format!("this cannot be asked: {}", failure.message));
            return Err(match failure.hint {
                Some(hint) => error.with_hint(hint).into(),
                None => error.into(),
            });
        }
        None => return Err(ApiError::invalid("there is nothing to ask").into()),
    };
    let own = format!("{schema}.{table}");
    let instant = engine.instant().await;
    let follows = followed(engine, &instant, &checked.reads);
    if checked.reads.contains(&own) || follows.contains(&own) {
        return Err(ApiError::invalid(format!(
            "the question reads `{own}`, the table that it would become"
        ))
        .with_hint("name another table")
        .into());
    }
    Ok(RollupReads {
        reads: checked.reads,
        follows,
    })
}
