//! `PREPARE` and `EXECUTE` as statements.

use futures::StreamExt;

use super::*;
use crate::postgres::command::arguments;

impl Session {
    /// Keeps a statement under a name, beside those of the protocol's own messages.
    pub(super) fn prepare(
        &mut self,
        name: &str,
        types: &[String],
        query: &str,
    ) -> Result<Outcome, Failure> {
        if self.statements.contains_key(name) {
            return Err(Failure::new(
                "42P05",
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        self.room(self.statements.len())?;
        let command = understand(query)?;
        if !matches!(command, Command::Read | Command::Write) {
            return Err(Failure::new(
                "42601",
                "PREPARE takes a SELECT, VALUES or a statement that writes",
            ));
        }
        let statement = Statement {
            sql: query.to_owned(),
            used: script::parameters(query),
            command,
            oids: Vec::new(),
            types: types.to_vec(),
            description: parking_lot::Mutex::new(None),
        };
        self.statements.insert(name.to_owned(), Arc::new(statement));
        Ok(Outcome::Tag("PREPARE".to_owned()))
    }

    /// Computes what `EXECUTE` hands to a statement.
    pub(super) async fn arguments(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        statement: &Statement,
        written: &str,
    ) -> Result<Vec<Parameter>, Stop> {
        let values = arguments(written);
        let taken = statement.used.max(statement.types.len());
        if taken != values.len() {
            return Err(Failure::new(
                "42601",
                format!(
                    "wrong number of parameters for the prepared statement: {} for {taken}",
                    values.len(),
                ),
            )
            .into());
        }
        if values.is_empty() {
            return Ok(Vec::new());
        }
        let typed = values.iter().enumerate().map(|(at, value)| {
            let kind = statement.types.get(at).filter(|kind| *kind != "unknown");
            match kind {
                Some(kind) => format!("CAST(({value}) AS {kind})"),
                None => format!("({value})"),
            }
        });
        let sql = format!("SELECT {}", typed.collect::<Vec<_>>().join(", "));
        let row = self.one_row(wire, asked, &sql, Vec::new()).await?;
        let used = row.into_iter().take(statement.used);
        Ok(used.map(Parameter::Scalar).collect())
    }

    /// Asks for one row; empty where there is none.
    pub(super) async fn one_row(
        &mut self,
        wire: &mut Wire,
        asked: &mut Asked<'_, '_>,
        sql: &str,
        parameters: Vec<Parameter>,
    ) -> Result<Vec<ScalarValue>, Stop> {
        let request = self.request(sql, parameters);
        let result = interruptible(wire, asked, self.door.engine.query(request)).await?;
        let mut result = result.map_err(|error| Failure::of_query(&error, sql))?;
        let batch = interruptible(wire, asked, result.rows.next()).await?;
        let Some(batch) = batch else {
            return Ok(Vec::new());
        };
        let batch = batch.map_err(|error| Failure::of_query(&error, sql))?;
        if batch.num_rows() == 0 {
            return Ok(Vec::new());
        }
        let values = batch.columns().iter();
        let values = values.map(|column| {
            ScalarValue::try_from_array(column, 0)
                .map_err(|error| Failure::new("42000", error.to_string()))
        });
        Ok(values.collect::<Result<_, _>>()?)
    }
}
