//! What Postgres has and the engine lacks or does otherwise: functions, operators, casts, names.
//!
//! Three places, by what has to be known: [`rewrite`] works on the text's own structure,
//! [`operators`] when the types of both sides are known, [`semantics`] once the engine has settled
//! the types of everything.

mod aggregates;
mod arithmetic;
mod bounded;
mod clocks;
mod coalesce;
mod copies;
mod dates;
mod exact;
mod folded;
mod interval_input;
mod intervals;
mod json;
mod jsonb;
mod labels;
mod made;
mod measure;
mod members;
mod misc;
mod native;
mod operators;
mod parts;
mod patterns;
mod pauses;
pub(crate) mod rewrite;
mod semantics;
mod template;
mod text;
mod time;
mod types;
mod types_first;
pub(crate) mod windowed;
mod written;

use std::sync::Arc;

use datafusion::common::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{ScalarUDF, ScalarUDFImpl};

pub(crate) use copies::CountCopies;
pub(crate) use labels::{plain_name, unmarked};
pub(crate) use operators::Operators;
pub(crate) use semantics::PostgresSemantics;
pub(crate) use time::read_text;
pub(crate) use types::Types;
pub(crate) use types_first::TypesFirst;
pub(crate) use written::{NO_NULL_LIST, ONCE};

use native::Native;

/// The function that refuses text of more characters than its second argument says; blanks at the end do not count.
pub(crate) const FITTING: &str = misc::FITTING;

/// Returns the function that takes text of a type which is stored as text, writes it as the type does, and refuses
/// what is none: of `uuid`, `json` or `jsonb`, or [`FITTING`].
pub(crate) fn checker(kind: &str) -> Option<Arc<ScalarUDF>> {
    let (name, family) = match kind {
        "uuid" => (misc::UUID, misc::functions()),
        "json" => (json::VALID, json::functions()),
        "jsonb" => (jsonb::BINARY, jsonb::functions()),
        FITTING => (FITTING, misc::functions()),
        _ => return None,
    };
    let mut functions = family.into_iter();
    let function = functions.find(|function| function.name() == name)?;
    Some(Arc::new(ScalarUDF::new_from_impl(function)))
}

/// Registers all functions; none of them makes a value larger than `value_bytes`, and all values they
/// hold at one time weigh `made_bytes` at most.
pub(crate) fn register(state: &mut SessionState, value_bytes: u64, made_bytes: u64) -> Result<()> {
    let strftime = state.udf("to_char")?;
    state.register_udf(Arc::new(
        strftime.as_ref().clone().with_aliases(["strftime"]),
    ))?;
    let families: [Vec<Native>; 12] = [
        arithmetic::functions(),
        clocks::functions(),
        dates::functions(),
        intervals::functions(),
        json::functions(),
        jsonb::functions(),
        misc::functions(),
        parts::functions(),
        patterns::functions(),
        template::functions(),
        text::functions(),
        written::functions(),
    ];
    for function in families.into_iter().flatten() {
        state.register_udf(Arc::new(ScalarUDF::new_from_impl(function)))?;
    }
    state.register_udf(Arc::new(pauses::function()))?;
    state.register_udf(Arc::new(ScalarUDF::new_from_impl(
        coalesce::Coalesce::default(),
    )))?;
    bounded::register(state, value_bytes, made_bytes)?;
    aggregates::register(state)
}
