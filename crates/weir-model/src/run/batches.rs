use std::sync::Arc;

use chrono::{DateTime, Datelike, Duration, Months, TimeZone, Timelike, Utc};
use serde_json::{Value as Json, json};
use weir_jinja::{Function, Value};

use super::node::{Executor, shown};
use super::result::{NodeResult, Status, Timing};
use crate::compile::{Batch, Purpose, StageParts};
use crate::context::{Relation, Session};
use crate::error::{ModelError, ModelErrorKind};
use crate::node::Node;
use crate::warehouse::RelationKind;

/// How much time one batch covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    Hour,
    Day,
    Month,
    Year,
}

/// More batches than this are a mistake in `begin` rather than a plan.
const MOST_BATCHES: usize = 100_000;

impl BatchSize {
    /// Reads the word of a configuration.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "hour" => Self::Hour,
            "day" => Self::Day,
            "month" => Self::Month,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// Returns the start of the batch that a moment lies in.
    fn truncate(self, moment: DateTime<Utc>) -> DateTime<Utc> {
        let (month, day, hour) = match self {
            Self::Hour => (moment.month(), moment.day(), moment.hour()),
            Self::Day => (moment.month(), moment.day(), 0),
            Self::Month => (moment.month(), 1, 0),
            Self::Year => (1, 1, 0),
        };
        Utc.with_ymd_and_hms(moment.year(), month, day, hour, 0, 0)
            .single()
            .unwrap_or(moment)
    }

    /// Returns the start of the batch so many behind (or before) the one that a moment lies in.
    fn offset(self, moment: DateTime<Utc>, batches: i32) -> DateTime<Utc> {
        let start = self.truncate(moment);
        let months = |count: u32| {
            let moved = if batches < 0 {
                start.checked_sub_months(Months::new(count))
            } else {
                start.checked_add_months(Months::new(count))
            };
            moved.unwrap_or(start)
        };
        match self {
            Self::Hour => start
                .checked_add_signed(Duration::hours(i64::from(batches)))
                .unwrap_or(start),
            Self::Day => start
                .checked_add_signed(Duration::days(i64::from(batches)))
                .unwrap_or(start),
            Self::Month => months(batches.unsigned_abs()),
            Self::Year => months(batches.unsigned_abs().saturating_mul(12)),
        }
    }

    /// Returns the moment itself if a batch begins then, else the start of the next.
    fn ceiling(self, moment: DateTime<Utc>) -> DateTime<Utc> {
        if self.truncate(moment) == moment {
            moment
        } else {
            self.offset(moment, 1)
        }
    }

    fn id(self, start: DateTime<Utc>) -> String {
        let format = if self == Self::Hour {
            "%Y%m%dT%H"
        } else {
            "%Y%m%d"
        };
        start.format(format).to_string()
    }

    /// Cuts a span of time into batches.
    fn cut(self, start: DateTime<Utc>, end: DateTime<Utc>) -> Vec<Batch> {
        let mut batches = Vec::new();
        let mut from = start;
        while from < end && batches.len() < MOST_BATCHES {
            let to = self.offset(from, 1).min(end);
            batches.push(Batch {
                id: self.id(from),
                start: from,
                end: to,
            });
            if to <= from {
                break;
            }
            from = to;
        }
        batches
    }
}

impl Executor<'_> {
    /// Builds a model one batch of time after another. Batches that fail do not keep later ones back.
    pub(super) fn microbatch(
        &self,
        node: &Arc<Node>,
        session: &Arc<Session>,
        mut result: NodeResult,
    ) -> NodeResult {
        let size = match batch_size(node) {
            Ok(size) => size,
            Err(error) => return result.failed(error, &shown(node)),
        };
        let relation = self.runner.compiler.relation(node);
        let full_refresh = node
            .config
            .full_refresh()
            .unwrap_or(self.runner.shared().flags.full_refresh);
        let mut exists = is_table(session, &relation);
        let incremental = exists && !full_refresh;
        let batches = match self.batches(node, size, incremental) {
            Ok(batches) => batches,
            Err(error) => return result.failed(error, &shown(node)),
        };
        let mut done: Vec<&Batch> = Vec::new();
        let mut failed: Vec<&Batch> = Vec::new();
        let mut first_error = None;
        let mut rebuilt = incremental;
        let started_at = self.runner.now();
        for batch in &batches {
            if session.cancellation().is_cancelled() {
                break;
            }
            let outcome = self.batch(node, batch, rebuilt && exists, session, &mut result);
            match outcome {
                Ok(()) => {
                    exists = true;
                    rebuilt = true;
                    done.push(batch);
                }
                Err(error) => {
                    failed.push(batch);
                    let first = first_error.is_none();
                    first_error.get_or_insert(error);
                    // Without a table from the first batch there is nothing later ones could be added to.
                    if first && !rebuilt {
                        failed.extend(batches.iter().skip(done.len() + failed.len()));
                        break;
                    }
                }
            }
        }
        result.timing.push(Timing {
            name: "execute",
            started_at,
            completed_at: self.runner.now(),
        });
        result.batches = Some(json!({ "successful": spans(&done), "failed": spans(&failed) }));
        match first_error {
            None if batches.is_empty() => {
                result.message = Some("No batches to run".to_owned());
                result
            }
            None => {
                result.message = Some("SUCCESS".to_owned());
                result.failures = Some(0);
                result
            }
            Some(error) => {
                let partial = !done.is_empty();
                let mut result = result.failed(error, &shown(node));
                if partial && result.status == Status::Error {
                    result.status = Status::PartialSuccess;
                    result.message = Some(format!(
                        "PARTIAL SUCCESS ({}/{})",
                        done.len(),
                        batches.len()
                    ));
                }
                result
            }
        }
    }

    fn batch(
        &self,
        node: &Arc<Node>,
        batch: &Batch,
        incremental: bool,
        session: &Arc<Session>,
        result: &mut NodeResult,
    ) -> Result<(), ModelError> {
        let parts = |purpose| {
            let mut parts =
                StageParts::new(Arc::clone(&self.runner.compiler), Arc::clone(node), purpose);
            parts.batch = Some(batch.clone());
            if incremental {
                // The first batch of a full refresh has made the table; later ones add to it.
                parts.extra.push((
                    "is_incremental",
                    Function::value("is_incremental", |_| Ok(Value::Bool(true))),
                ));
                parts.extra.push((
                    "should_full_refresh",
                    Function::value("should_full_refresh", |_| Ok(Value::Bool(false))),
                ));
            }
            parts
        };
        let timings = result.timing.len();
        let compiled = self.compile(parts(Purpose::Compile), session, result)?;
        result.timing.truncate(timings.max(1));
        let mut build = parts(Purpose::Build);
        build.sql = Some(compiled.sql);
        self.materialize(build, node.config.materialized(), session)
            .map(|_| ())
    }

    /// Says which batches are to be built: those asked for, or from the beginning or a little before now.
    fn batches(
        &self,
        node: &Node,
        size: BatchSize,
        incremental: bool,
    ) -> Result<Vec<Batch>, ModelError> {
        let options = &self.runner.parts.options;
        if let Some(again) = options.batches.get(&node.id) {
            return Ok(again
                .iter()
                .map(|(start, end)| Batch {
                    id: size.id(*start),
                    start: *start,
                    end: *end,
                })
                .collect());
        }
        let end = size.ceiling(
            options
                .event_time_end
                .unwrap_or_else(|| self.runner.shared().invocation.started_at),
        );
        let start = match options.event_time_start {
            Some(start) => size.truncate(start),
            None if !incremental => {
                let begin = node.config.text("begin").and_then(parse_moment).ok_or_else(|| {
                    ModelError::new(
                        ModelErrorKind::Properties,
                        format!("Microbatch model '{}' requires a 'begin' configuration.", node.name),
                    )
                    .of(node.id.as_str())
                    .hint("add begin='2024-01-01' to its config(), or give --event-time-start and --event-time-end")
                })?;
                size.truncate(begin)
            }
            None => {
                let lookback = i32::try_from(node.config.int("lookback").unwrap_or(1))
                    .unwrap_or(1)
                    .max(0);
                // An end on the border belongs to the batch before it.
                let border = i32::from(size.truncate(end) == end);
                size.offset(end, -(lookback.saturating_add(border)))
            }
        };
        let batches = size.cut(start, end);
        if batches.len() >= MOST_BATCHES {
            return Err(ModelError::new(
                ModelErrorKind::Properties,
                format!("the model has more than {MOST_BATCHES} batches"),
            )
            .of(node.id.as_str())
            .hint("take a later `begin` or a larger `batch_size`"));
        }
        Ok(batches)
    }
}

fn batch_size(node: &Node) -> Result<BatchSize, ModelError> {
    node.config.text("batch_size").and_then(BatchSize::parse).ok_or_else(|| {
        ModelError::new(
            ModelErrorKind::Properties,
            format!("Microbatch model '{}' must provide a 'batch_size' config that is one of hour, day, month, year", node.name),
        )
        .of(node.id.as_str())
        .hint("add batch_size='day' to its config()")
    })
}

fn is_table(session: &Session, relation: &Relation) -> bool {
    let name = relation.path.name();
    let found = session.cache().find(
        name.database.as_deref().unwrap_or_default(),
        &name.schema,
        &name.name,
    );
    found.is_some_and(|info| info.kind == RelationKind::Table)
}

fn spans(batches: &[&Batch]) -> Vec<Json> {
    batches
        .iter()
        .map(|batch| json!([batch.start.to_rfc3339(), batch.end.to_rfc3339()]))
        .collect()
}

/// Reads a date or a moment as configurations write them; without a zone it is UTC.
pub(super) fn parse_moment(text: &str) -> Option<DateTime<Utc>> {
    let text = text.trim();
    if let Ok(moment) = DateTime::parse_from_rfc3339(text) {
        return Some(moment.with_timezone(&Utc));
    }
    let naive = [
        "%Y-%m-%dT%H:%M:%S%.f",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M",
    ]
    .iter()
    .find_map(|format| chrono::NaiveDateTime::parse_from_str(text, format).ok());
    let naive = naive.or_else(|| {
        chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()?
            .and_hms_opt(0, 0, 0)
    });
    naive.map(|naive| naive.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        parse_moment(text).expect("a moment")
    }

    #[test]
    fn batches_begin_on_borders() {
        assert_eq!(
            BatchSize::Day.truncate(at("2024-03-05 13:30")),
            at("2024-03-05")
        );
        assert_eq!(
            BatchSize::Month.offset(at("2024-03-05"), -1),
            at("2024-02-01")
        );
        assert_eq!(
            BatchSize::Year.offset(at("2024-03-05"), 1),
            at("2025-01-01")
        );
        assert_eq!(
            BatchSize::Hour.ceiling(at("2024-03-05 13:00")),
            at("2024-03-05 13:00")
        );
        assert_eq!(
            BatchSize::Day.ceiling(at("2024-03-05 00:00:01")),
            at("2024-03-06")
        );
    }

    #[test]
    fn a_span_is_cut_without_gaps() {
        let batches = BatchSize::Day.cut(at("2024-02-28"), at("2024-03-02"));
        let ids: Vec<&str> = batches.iter().map(|batch| batch.id.as_str()).collect();
        assert_eq!(ids, ["20240228", "20240229", "20240301"]);
        assert_eq!(
            BatchSize::Month
                .cut(at("2024-01-01"), at("2024-01-15"))
                .last()
                .map(|batch| batch.end),
            Some(at("2024-01-15"))
        );
        assert!(
            BatchSize::Day
                .cut(at("2024-03-02"), at("2024-03-01"))
                .is_empty()
        );
    }
}
