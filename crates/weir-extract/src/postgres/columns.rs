//! Columns that come while a table is followed: what the rows from before have in them.
//!
//! The log says nothing when a table is altered. The server's catalog tells what it filled old rows with
//! where it did so without touching them; where it rewrote the table, only its rows know.

use super::slot::Copied;
use super::table::{Table, literal};
use super::wire::Session;
use crate::error::ExtractError;
use crate::load::{self, Changed};

/// What a change of columns means for the rows that are in the lake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Earlier {
    /// They are what they were, with the values their new columns were given.
    Known,
    /// They are others: the table is to be copied again.
    Rewritten,
}

/// Settles what earlier rows of a stream have in columns that are new. `from` is where rows begin that tell
/// their own; none where that is not known yet.
pub(super) async fn settle(
    table: &Table,
    changed: &Changed,
    from: Option<i64>,
    copied: &mut Copied,
    into: &mut load::Session,
    control: &mut Session,
) -> Result<Earlier, ExtractError> {
    if changed.retyped || changed.rekeyed {
        return Ok(Earlier::Rewritten);
    }
    if changed.added.is_empty() {
        return Ok(Earlier::Known);
    }
    let youngest = copied.attributes;
    let names: Vec<String> = changed.added.iter().map(|name| literal(name)).collect();
    let sql = format!(
        "SELECT attname, attnum, atthasmissing, (attmissingval::text::text[])[1], \
         atthasdef OR attidentity <> '' FROM pg_catalog.pg_attribute \
         WHERE attrelid = {} AND NOT attisdropped AND attname IN ({})",
        table.id,
        names.join(", ")
    );
    for row in control.rows(&sql).await? {
        let text = |at: usize| row.get(at).and_then(Option::as_deref);
        let number: u32 = text(1).and_then(|text| text.parse().ok()).unwrap_or(0);
        if number <= youngest {
            // A column of before, under another name.
            return Ok(Earlier::Rewritten);
        }
        match (text(2), text(3), text(4)) {
            (Some("t"), Some(value), _) => {
                if let (Some(name), Some(target)) = (text(0), into.stream(&table.stream())) {
                    target.set_default(name, value, from.unwrap_or(i64::MAX))?;
                }
            }
            (_, _, Some("t")) => return Ok(Earlier::Rewritten),
            _ => {}
        }
        copied.attributes = copied.attributes.max(number);
    }
    Ok(Earlier::Known)
}
