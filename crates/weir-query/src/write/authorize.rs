use weir_access::{Action, Object};
use weir_catalog::Actor;

use super::context::Context;
use crate::caller::Caller;
use crate::engine::Parts;
use crate::error::QueryError;
use crate::secured::permit;
use crate::transaction::Transaction;

/// Asks whether the caller may do this; the only place where statements that write ask.
pub(super) fn authorize(
    context: &Context,
    action: Action,
    object: &Object<'_>,
) -> Result<(), QueryError> {
    let transaction = context.request.transaction.as_ref();
    authorize_in(
        &context.parts,
        transaction,
        &context.request.caller,
        action,
        object,
    )
}

/// Asks whether somebody may do this in a transaction, or outside of any.
pub(super) fn authorize_in(
    parts: &Parts,
    transaction: Option<&Transaction>,
    caller: &Caller,
    action: Action,
    object: &Object<'_>,
) -> Result<(), QueryError> {
    if let (Some(transaction), Object::Table { schema, table }) = (transaction, object)
        && transaction.made(schema, table)
    {
        // Nobody's yet but its maker's.
        return Ok(());
    }
    permit(&parts.catalog.access(), caller, action, object)
}

/// Returns who makes a change, for the catalog's audit.
pub(super) fn actor(context: &Context) -> Actor {
    context.request.caller.actor()
}
