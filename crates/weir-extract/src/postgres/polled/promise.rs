//! What reading without the log promises, and what not, in words for whoever looks at a sync.

use super::Plan;
use super::method::Method;
use crate::postgres::Database;
use crate::spec::Deletes;

/// As many tables are named; more are counted.
const NAMED: usize = 5;

impl Database<'_> {
    /// Notes what is seen of the tables' changes.
    pub(super) fn promise(&self, plans: &[Plan]) {
        self.progress.note(
            "read without the log: of several changes of a row between two syncs only the last is seen",
        );
        let note = |of: Vec<&Plan>, words: &str| {
            if !of.is_empty() {
                self.progress.note(format!("{}: {words}", names(&of)));
            }
        };
        let is = |wanted: &dyn Fn(&Plan) -> bool| -> Vec<&Plan> {
            plans.iter().filter(|plan| wanted(plan)).collect()
        };
        note(
            is(&|plan| plan.method == Method::Xmin),
            "new and changed rows are found by the transactions that wrote them (xmin); each sync reads through the \
             tables",
        );
        let mut columns: Vec<&str> = plans.iter().filter_map(Plan::cursor).collect();
        columns.sort_unstable();
        columns.dedup();
        for column in columns {
            note(
                is(&|plan| plan.cursor() == Some(column)),
                &format!(
                    "new and changed rows are found by `{column}`: a change that does not raise it is not seen, nor one \
                     that is committed after a sync which has read higher values"
                ),
            );
        }
        note(
            is(&|plan| plan.method == Method::Whole),
            "without a key, or as their rule says: copied as a whole whenever a row has changed",
        );
        let deletes = |wanted: Option<Deletes>| {
            let of = |plan: &Plan| plan.method != Method::Whole && plan.deletes == wanted;
            is(&of)
        };
        note(
            deletes(Some(Deletes::Always)),
            "deletes are found by comparing all keys with each sync",
        );
        note(
            deletes(Some(Deletes::Daily)),
            "deletes are found by comparing all keys once a day",
        );
        note(
            deletes(None),
            "deletes are found by comparing all keys: with each sync up to a million rows, else once a day",
        );
        note(deletes(Some(Deletes::Never)), "deletes are not looked for");
    }
}

impl Plan {
    fn cursor(&self) -> Option<&str> {
        match &self.method {
            Method::Cursor(cursor) => Some(&cursor.column),
            _ => None,
        }
    }
}

fn names(plans: &[&Plan]) -> String {
    let names: Vec<String> = plans.iter().map(|plan| plan.table.stream()).collect();
    match names.len() {
        0..=NAMED => names.join(", "),
        more => format!("{}, and {} more", names[..NAMED].join(", "), more - NAMED),
    }
}
