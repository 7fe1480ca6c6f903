use weir_access::{Action, Object};
use weir_catalog::Actor;

use super::context::Context;
use crate::error::QueryError;
use crate::secured::permit;

/// Asks whether the caller may do this; the only place where statements that write ask.
pub(super) fn authorize(
    context: &Context,
    action: Action,
    object: &Object<'_>,
) -> Result<(), QueryError> {
    if let (Some(transaction), Object::Table { schema, table }) =
        (&context.request.transaction, object)
        && transaction.made(schema, table)
    {
        // Nobody's yet but its maker's.
        return Ok(());
    }
    let access = context.parts.catalog.access();
    permit(&access, &context.request.caller, action, object)
}

/// Returns who makes a change, for the catalog's audit.
pub(super) fn actor(context: &Context) -> Actor {
    context.request.caller.actor()
}
