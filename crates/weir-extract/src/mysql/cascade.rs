//! Foreign keys that change rows of other tables: the log does not tell what they changed.

use std::collections::BTreeSet;

use super::server::Server;
use super::table::{literal, values};
use super::wire::Session;
use crate::error::ExtractError;

/// A foreign key by which changes of one table change another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cascade {
    /// The table it refers to, with its database.
    pub(super) parent: (String, String),
    pub(super) child: String,
    on_update: bool,
    on_delete: bool,
}

/// Lists such foreign keys of the database's tables.
pub(super) async fn cascades(
    session: &mut Session,
    server: &Server,
) -> Result<Vec<Cascade>, ExtractError> {
    let name = literal(&server.database);
    let rows = session
        .rows(&format!(
            "SELECT r.unique_constraint_schema, r.referenced_table_name, r.table_name, \
             r.update_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT'), \
             r.delete_rule IN ('CASCADE', 'SET NULL', 'SET DEFAULT') \
             FROM information_schema.referential_constraints r \
             WHERE r.constraint_schema = {name} AND BINARY r.constraint_schema = {name}"
        ))
        .await?;
    let mut cascades = Vec::new();
    for row in rows {
        let [database, parent, child, on_update, on_delete] =
            values(row)?.map(Option::unwrap_or_default);
        let cascade = Cascade {
            parent: (database, parent),
            child,
            on_update: on_update == "1",
            on_delete: on_delete == "1",
        };
        if cascade.on_update || cascade.on_delete {
            cascades.push(cascade);
        }
    }
    Ok(cascades)
}

/// Returns the tables of `database` whose rows may have changed without a word, since rows of `table` were
/// deleted or changed.
pub(super) fn reached(
    cascades: &[Cascade],
    database: &str,
    table: (&str, &str),
    is_delete: bool,
) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut from = vec![(table.0.to_owned(), table.1.to_owned(), is_delete)];
    while let Some((schema, name, is_delete)) = from.pop() {
        for cascade in cascades {
            let is_parent = cascade.parent == (schema.clone(), name.clone());
            let acts = if is_delete {
                cascade.on_delete
            } else {
                cascade.on_update
            };
            if is_parent && acts && reached.insert(cascade.child.clone()) {
                // What it does to the child may be either.
                from.push((database.to_owned(), cascade.child.clone(), true));
                from.push((database.to_owned(), cascade.child.clone(), false));
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn children_of_children_are_reached() {
        let cascade = |parent: &str, child: &str, on_update, on_delete| Cascade {
            parent: ("s".into(), parent.into()),
            child: child.into(),
            on_update,
            on_delete,
        };
        let all = [
            cascade("a", "b", false, true),
            cascade("b", "c", true, false),
            cascade("c", "a", false, true),
        ];
        let names = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>();
        assert_eq!(names(reached(&all, "s", ("s", "a"), true)), ["a", "b", "c"]);
        assert!(reached(&all, "s", ("s", "a"), false).is_empty());
        assert!(reached(&all, "s", ("t", "a"), true).is_empty());
    }
}
