use std::time::Instant;

use reqwest::{Method, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::table::{self, Answer};
use crate::client::Client;
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

/// How answers are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns
    Table,
    /// One block of names and values per row
    Vertical,
    /// One JSON document with columns, rows and what was read
    Json,
    /// One JSON object per line
    Ndjson,
    /// Comma-separated, names first
    Csv,
    /// The Arrow IPC stream
    Arrow,
}

impl Format {
    fn asked(self) -> &'static str {
        match self {
            Format::Table | Format::Vertical | Format::Json => "json",
            Format::Ndjson => "ndjson",
            Format::Csv => "csv",
            Format::Arrow => "arrow",
        }
    }
}

/// What the server says when a statement fails.
#[derive(Deserialize)]
struct Refusal {
    message: String,
    hint: Option<String>,
    position: Option<Place>,
}

#[derive(Deserialize)]
struct Place {
    line: usize,
    column: usize,
}

/// One statement to send.
pub(super) struct Ask<'a> {
    pub(super) sql: &'a str,
    pub(super) params: &'a [Value],
    pub(super) format: Format,
    pub(super) timeout_ms: Option<u64>,
    /// Whether to say how many rows there were.
    pub(super) summary: bool,
    pub(super) timing: bool,
}

/// Sends a statement and prints the answer as it arrives.
pub(super) async fn ask(client: &Client, ui: &Ui, ask: &Ask<'_>) -> Result<(), Failure> {
    let started = Instant::now();
    let response = send(client, ask).await?;
    match ask.format {
        Format::Table | Format::Vertical => {
            let answer = whole(response, ask.sql).await?;
            if answer.is_deed() {
                ui.status(table::summary(&answer));
            } else if ask.format == Format::Table {
                ui.answer_bytes(table::table(&answer).as_bytes());
            } else {
                ui.answer_bytes(table::blocks(&answer).as_bytes());
            }
            if ask.summary && !answer.is_deed() {
                ui.status(table::summary(&answer));
            }
            if ask.timing {
                let total = started.elapsed().as_millis();
                ui.status(format!(
                    "Time: {total} ms ({} ms in the server)",
                    answer.elapsed_ms
                ));
            }
            failed_late(answer.error, ask.sql)
        }
        _ => {
            stream(response, ui, ask).await?;
            if ask.timing {
                ui.status(format!("Time: {} ms", started.elapsed().as_millis()));
            }
            Ok(())
        }
    }
}

/// Sends a statement whose answer is wanted whole.
pub(super) async fn fetch(client: &Client, sql: &str, params: &[Value]) -> Result<Answer, Failure> {
    let question = Ask {
        sql,
        params,
        format: Format::Table,
        timeout_ms: None,
        summary: false,
        timing: false,
    };
    let response = send(client, &question).await?;
    let mut answer = whole(response, sql).await?;
    failed_late(answer.error.take(), sql)?;
    Ok(answer)
}

async fn send(client: &Client, ask: &Ask<'_>) -> Result<Response, Failure> {
    let mut body = json!({ "sql": ask.sql, "params": ask.params, "format": ask.format.asked() });
    if let Some(timeout) = ask.timeout_ms {
        body["timeout_ms"] = timeout.into();
    }
    let request = client
        .request(Method::POST, "/api/v1/query")
        .header("weir-cli", "1")
        .json(&body);
    let response = client.ask(request).await.map_err(|error| {
        Failure::new(format!("no server answers at {}", client.url()))
            .because(&error)
            .with_hint("start one with `weir up`, or name another with WEIR_URL")
    })?;
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    let text = response.text().await.unwrap_or_default();
    Err(match serde_json::from_str::<Refusal>(&text) {
        Ok(refusal) => refused(refusal, ask.sql),
        Err(_) => Failure::new(format!("the server at {} answered {status}", client.url())),
    })
}

async fn whole(response: Response, sql: &str) -> Result<Answer, Failure> {
    let text = response
        .bytes()
        .await
        .explain(|| "the answer broke off".into())?;
    let read = serde_json::from_slice(&text);
    read.explain(|| {
        format!(
            "the answer to `{}` cannot be read",
            sql.chars().take(60).collect::<String>()
        )
    })
}

/// Fails when the server ran into an error after the first rows.
fn failed_late(error: Option<Value>, sql: &str) -> Result<(), Failure> {
    let Some(error) = error else { return Ok(()) };
    match serde_json::from_value::<Refusal>(error) {
        Ok(refusal) => Err(refused(refusal, sql)),
        Err(_) => Err(Failure::new(
            "the query failed before all rows were written",
        )),
    }
}

/// How much of the end of an answer is kept to see whether it says that rows are missing.
const TAIL: usize = 16 << 10;

async fn stream(mut response: Response, ui: &Ui, ask: &Ask<'_>) -> Result<(), Failure> {
    let mut tail: Vec<u8> = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .explain(|| "the answer broke off: rows are missing".into())?
    {
        ui.answer_bytes(&chunk);
        tail.extend_from_slice(&chunk);
        if tail.len() > 2 * TAIL {
            tail.drain(..tail.len() - TAIL);
        }
    }
    let tail = String::from_utf8_lossy(&tail);
    let end = match ask.format {
        Format::Json => tail
            .rfind("],\"row_count\":")
            .map(|at| format!("{{{}", &tail[at + 2..])),
        Format::Ndjson => tail
            .trim_end()
            .lines()
            .last()
            .filter(|l| l.starts_with("{\"error\":{\"code\":"))
            .map(str::to_owned),
        _ => None,
    };
    let end = end.and_then(|end| serde_json::from_str::<Value>(&end).ok());
    failed_late(
        end.and_then(|mut end| end.get_mut("error").map(Value::take)),
        ask.sql,
    )
}

fn refused(refusal: Refusal, sql: &str) -> Failure {
    let mut message = refusal.message;
    if let Some(place) = refusal.position {
        message.push_str(&format!(" (line {}, column {})", place.line, place.column));
        if let Some(line) = sql.lines().nth(place.line.saturating_sub(1)) {
            message.push_str(&pointed(line, place.column));
        }
    }
    Failure::new(message).with_hint_if(refusal.hint)
}

/// Shows the part of a line around a column, with a mark under it.
fn pointed(line: &str, column: usize) -> String {
    const AROUND: usize = 60;
    let at = column.saturating_sub(1);
    let from = at.saturating_sub(AROUND);
    let part: String = line
        .chars()
        .skip(from)
        .take(2 * AROUND)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!("\n  {part}\n  {}^", " ".repeat(at - from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_points_at_its_place() {
        let refusal = Refusal {
            message: "column `nam` does not exist".into(),
            hint: Some("did you mean `name`?".into()),
            position: Some(Place { line: 2, column: 8 }),
        };
        let failure = refused(refusal, "\nSELECT nam FROM t");
        assert_eq!(
            failure.message(),
            "column `nam` does not exist (line 2, column 8)\n  SELECT nam FROM t\n         ^"
        );
        assert_eq!(failure.hint(), Some("did you mean `name`?"));
    }
}
