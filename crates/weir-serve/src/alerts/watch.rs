use std::time::Duration;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float64Type, SchemaRef};
use chrono::Utc;
use futures::StreamExt;
use serde_json::Map;
use tokio_util::sync::CancellationToken;
use weir_access::Identity;
use weir_catalog::{Actor, Comparison, Condition, DocumentKind, Watch};
use weir_query::{Caller, NamedStatement, QueryRequest};

use super::{Rooms, key};
use crate::error::chain;

/// How often it is looked which questions are due.
const EVERY: Duration = Duration::from_secs(15);

/// Asks questions when they are due, until the server stops.
pub(crate) async fn watch_until(rooms: Rooms, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shutdown.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let due = match rooms.catalog.due_watches(Utc::now()).await {
            Ok(due) => due,
            Err(error) => {
                tracing::warn!(error = chain(&error), "alerts cannot be read");
                continue;
            }
        };
        // One after another: nobody waits for them, and others ask as well.
        for (watch, who) in due {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = look(&rooms, &watch, who) => {}
            }
        }
    }
}

/// Asks one question, tells people if that is news, and writes down how it went.
pub(super) async fn look(
    rooms: &Rooms,
    watch: &Watch,
    who: Option<Identity>,
) -> (Option<bool>, String) {
    let answered = match who {
        Some(who) => answer(rooms, watch, who).await,
        None => Err(format!("`{}` may not sign in any more", watch.made_by)),
    };
    let now = Utc::now();
    let (bad, said) = match answered {
        Ok((bad, said)) => (Some(bad), said),
        // No answer is no news about the data, but nothing that may stay unseen.
        Err(error) => (None, format!("there is no answer: {error}")),
    };
    let problem = (bad != Some(false)).then(|| format!("{}: {said}", watch.name));
    let store = rooms.flow.store();
    if let Err(error) = store.incident(&key(watch), problem.as_deref(), now).await {
        tracing::error!(alert = watch.id, %error, "an alert cannot be raised");
    }
    if let Err(error) = rooms.catalog.note_watch(&watch.id, now, bad, &said).await {
        tracing::error!(
            alert = watch.id,
            error = chain(&error),
            "how an alert went is not noted"
        );
    }
    (bad, said)
}

/// Returns whether the answer is bad news, and what it says.
async fn answer(rooms: &Rooms, watch: &Watch, who: Identity) -> Result<(bool, String), String> {
    let by = Actor::new(who.clone(), "alert");
    let kind = DocumentKind::Question;
    let saved = rooms
        .catalog
        .agreed_document(&by, kind, &watch.question, watch.created_at)
        .await
        .map_err(|error| error.to_string())?;
    let statement: NamedStatement = serde_json::from_value(saved.body)
        .map_err(|_| "the question has no statement".to_owned())?;
    let told = |error: weir_query::QueryError| error.to_string();
    let (sql, params) = statement.bind(&Map::new()).map_err(told)?;
    let request = QueryRequest {
        params: params.into_iter().map(Into::into).collect(),
        read_only: true,
        ..QueryRequest::new(sql, Caller::new(who, "alert"))
    };
    let mut result = rooms.engine.query(request).await.map_err(told)?;
    loop {
        match result.rows.next().await {
            Some(Ok(batch)) if batch.num_rows() == 0 => {}
            // The first row is enough; dropping the query ends it.
            Some(Ok(batch)) => return judge(&watch.condition, &result.schema, batch.columns()),
            Some(Err(error)) => return Err(told(error)),
            None => return judge(&watch.condition, &result.schema, &[]),
        }
    }
}

/// Compares the first row with a condition; no columns are no row.
fn judge(
    condition: &Condition,
    schema: &SchemaRef,
    columns: &[ArrayRef],
) -> Result<(bool, String), String> {
    let has_rows = !columns.is_empty();
    let than = match (condition.is, condition.than) {
        (Comparison::Rows, _) => return Ok((has_rows, rows(has_rows))),
        (Comparison::NoRows, _) => return Ok((!has_rows, rows(has_rows))),
        (_, Some(than)) => than,
        (_, None) => return Err("the alert compares with nothing".to_owned()),
    };
    let fields = schema.fields();
    let found = match &condition.column {
        Some(name) => fields.iter().position(|field| field.name() == name),
        None => fields
            .iter()
            .position(|field| field.data_type().is_numeric()),
    };
    let at = found.ok_or_else(|| match &condition.column {
        Some(name) => format!("the answer has no column `{name}`"),
        None => "the answer has no number".to_owned(),
    })?;
    let name = fields[at].name();
    let Some(column) = columns.get(at) else {
        return Err("the answer has no rows".to_owned());
    };
    let number = arrow::compute::cast(&column.slice(0, 1), &DataType::Float64)
        .map_err(|_| format!("`{name}` is no number"))?;
    if number.is_null(0) {
        return Err(format!("`{name}` has no value"));
    }
    let value = number.as_primitive::<Float64Type>().value(0);
    let (bad, words) = match condition.is {
        Comparison::More => (value > than, "more than"),
        Comparison::Least => (value >= than, "at least"),
        Comparison::Less => (value < than, "less than"),
        _ => (value <= than, "at most"),
    };
    let not = if bad { "" } else { "not " };
    Ok((bad, format!("{name} is {value}, {not}{words} {than}")))
}

fn rows(has_rows: bool) -> String {
    match has_rows {
        true => "there are rows".to_owned(),
        false => "there are no rows".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Int64Array, StringArray};
    use arrow::datatypes::{Field, Schema};

    use super::*;

    fn told(
        is: Comparison,
        column: Option<&str>,
        than: Option<f64>,
        row: bool,
    ) -> Result<(bool, String), String> {
        let schema = Arc::new(Schema::new(vec![
            Field::new("day", DataType::Utf8, true),
            Field::new("n", DataType::Int64, true),
        ]));
        let columns: [ArrayRef; 2] = [
            Arc::new(StringArray::from(vec!["x"])),
            Arc::new(Int64Array::from(vec![3])),
        ];
        let condition = Condition {
            is,
            column: column.map(str::to_owned),
            than,
        };
        judge(&condition, &schema, if row { &columns } else { &[] })
    }

    #[test]
    fn the_first_number_is_compared() {
        assert_eq!(
            told(Comparison::Less, None, Some(10.0), true),
            Ok((true, "n is 3, less than 10".to_owned()))
        );
        assert_eq!(
            told(Comparison::More, Some("n"), Some(3.0), true),
            Ok((false, "n is 3, not more than 3".to_owned()))
        );
        assert!(
            told(Comparison::Least, Some("n"), Some(3.0), true)
                .unwrap()
                .0
        );
    }

    #[test]
    fn what_cannot_be_compared_is_said() {
        for (column, row, wanted) in [
            (Some("other"), true, "no column `other`"),
            (Some("day"), true, "`day` "),
            (None, false, "no rows"),
        ] {
            let error = told(Comparison::Less, column, Some(1.0), row).unwrap_err();
            assert!(error.contains(wanted), "{error}");
        }
        assert!(told(Comparison::NoRows, None, None, false).unwrap().0);
        assert!(!told(Comparison::Rows, None, None, false).unwrap().0);
    }
}
