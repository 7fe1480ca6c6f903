use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value as Json, json};
use weir_jinja::{Args, Interpreter, Value};

use super::result::{Timing, moment_text};
use super::runner::{Runner, seconds_between};
use crate::compile::{Compiler, Purpose, StageParts, failure};
use crate::context::{AgateTable, Session};
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{ConfigKind, Node, NodeConfig, Source, UniqueId};
use crate::warehouse::Cell;

/// How fresh a source table is, in dbt's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FreshnessStatus {
    Pass,
    Warn,
    Error,
    /// The question could not be asked.
    RuntimeError,
}

impl FreshnessStatus {
    /// Returns the word that artifacts have.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::RuntimeError => "runtime error",
        }
    }
}

/// How fresh one source table is.
#[derive(Clone, Debug)]
pub struct FreshnessResult {
    pub id: UniqueId,
    pub status: FreshnessStatus,
    pub max_loaded_at: Option<DateTime<Utc>>,
    pub snapshotted_at: Option<DateTime<Utc>>,
    /// Seconds between the two.
    pub age: f64,
    pub criteria: Json,
    pub error: Option<ModelError>,
    pub timing: Vec<Timing>,
    pub thread: String,
    pub seconds: f64,
}

impl FreshnessResult {
    /// Returns the result as `sources.json` holds it.
    pub fn to_json(&self) -> Json {
        if let Some(error) = &self.error {
            return json!({ "unique_id": self.id.as_str(), "error": error.message(), "status": self.status.as_str() });
        }
        let moment = |moment: Option<DateTime<Utc>>| moment.map(moment_text);
        json!({
            "unique_id": self.id.as_str(),
            "max_loaded_at": moment(self.max_loaded_at),
            "snapshotted_at": moment(self.snapshotted_at),
            "max_loaded_at_time_ago_in_s": self.age,
            "status": self.status.as_str(),
            "criteria": self.criteria,
            "adapter_response": {},
            "timing": self.timing.iter().map(|timing| json!({
                "name": timing.name,
                "started_at": moment_text(timing.started_at),
                "completed_at": moment_text(timing.completed_at),
            })).collect::<Vec<_>>(),
            "thread_id": self.thread,
            "execution_time": self.seconds,
        })
    }
}

impl Runner {
    /// Asks how fresh the selected sources are; those that no freshness is configured for are left out.
    pub fn freshness(&self, selected: &[UniqueId]) -> Vec<FreshnessResult> {
        let manifest = self.manifest();
        let sources = selected
            .iter()
            .filter_map(|id| manifest.sources.get(id))
            .filter(|source| source.has_freshness());
        let sources: Vec<Arc<Source>> = sources.cloned().collect();
        self.parts.observer.planned(sources.len());
        let session = Arc::clone(&self.main);
        let mut results = Vec::with_capacity(sources.len());
        for (at, source) in sources.iter().enumerate() {
            if self.parts.cancellation.is_cancelled() {
                break;
            }
            self.parts.observer.started(&source.id, at + 1);
            let started_at = self.now();
            let mut result = self.source_freshness(source, &session);
            session.rollback();
            result.seconds = seconds_between(started_at, self.now());
            result.timing.push(Timing {
                name: "execute",
                started_at,
                completed_at: self.now(),
            });
            results.push(result);
        }
        results
    }

    fn source_freshness(&self, source: &Arc<Source>, session: &Arc<Session>) -> FreshnessResult {
        let mut result = FreshnessResult {
            id: source.id.clone(),
            status: FreshnessStatus::RuntimeError,
            max_loaded_at: None,
            snapshotted_at: None,
            age: 0.0,
            criteria: source.freshness.clone().unwrap_or(Json::Null),
            error: None,
            timing: Vec::new(),
            thread: session.thread.clone(),
            seconds: 0.0,
        };
        match self.newest(source, session) {
            Ok((newest, now)) => {
                let age = now - newest;
                result.max_loaded_at = Some(newest);
                result.snapshotted_at = Some(now);
                result.age = age.num_milliseconds() as f64 / 1000.0;
                let late =
                    |key: &str| threshold(&result.criteria, key).is_some_and(|limit| age > limit);
                result.status = if late("error_after") {
                    FreshnessStatus::Error
                } else if late("warn_after") {
                    FreshnessStatus::Warn
                } else {
                    FreshnessStatus::Pass
                };
            }
            Err(error) => result.error = Some(error.of(source.id.as_str())),
        }
        result
    }

    /// Asks for the newest moment in a source, and the warehouse's clock.
    fn newest(
        &self,
        source: &Arc<Source>,
        session: &Arc<Session>,
    ) -> Result<(DateTime<Utc>, DateTime<Utc>), ModelError> {
        let node = Arc::new(stand_in(source));
        let parts = StageParts::new(
            Arc::clone(&self.compiler),
            Arc::clone(&node),
            Purpose::Operation,
        );
        let (_stage, context) = Compiler::context(parts, Some(Arc::clone(session)));
        let relation = self.compiler.source_relation(source).value();
        let filter = source
            .freshness
            .as_ref()
            .and_then(|freshness| freshness.get("filter"))
            .and_then(Json::as_str);
        let text = |text: Option<&str>| text.map_or(Value::None, Value::str);
        let (name, args) = match (&source.loaded_at_query, &source.loaded_at_field) {
            (Some(query), _) => {
                let template = weir_jinja::Template::parse(source.original_path.as_str(), query);
                let mut interpreter = Interpreter::new(Arc::clone(&self.shared().environment));
                let query = template.and_then(|template| interpreter.render(&template, &*context));
                let query = query.map_err(|error| failure(error, &node))?;
                (
                    "collect_freshness_custom_sql",
                    vec![relation, Value::str(query)],
                )
            }
            (None, Some(field)) => (
                "collect_freshness",
                vec![relation, text(Some(field)), text(filter)],
            ),
            (None, None) => {
                return Err(ModelError::new(
                    ModelErrorKind::Properties,
                    format!("Could not compute freshness for source {}: no 'loaded_at_field' provided and the warehouse keeps no times of changes", source.name),
                )
                .hint("add loaded_at_field: your_column to the source"));
            }
        };
        let macros = &self.shared().macros;
        let found = macros.find(&source.package, name).cloned();
        let found = found.ok_or_else(|| {
            ModelError::new(
                ModelErrorKind::Internal,
                format!("there is no macro `{name}`"),
            )
        })?;
        let mut interpreter = Interpreter::new(Arc::clone(&self.shared().environment));
        let answer = interpreter
            .call_macro(&found, Args::from(args), &*context)
            .map_err(|error| failure(error, &node))?;
        // Macros of projects may give the table itself.
        let table = answer
            .as_dict()
            .and_then(|result| result.get_str("table"))
            .unwrap_or(answer);
        let table = table
            .as_object::<AgateTable>()
            .map(|table| Arc::clone(&table.0));
        let row = table.as_ref().and_then(|table| table.rows.first());
        let now = self.now();
        let Some([newest, clock, ..]) = row.map(Vec::as_slice) else {
            return Err(ModelError::new(
                ModelErrorKind::Template,
                format!("Got an invalid result from \"{name}\" macro"),
            ));
        };
        // A source without rows was never loaded.
        let newest = match newest {
            Cell::Null => DateTime::<Utc>::MIN_UTC.max(now - Duration::days(365 * 2000)),
            cell => moment_of(cell).ok_or_else(|| {
                ModelError::new(ModelErrorKind::Warehouse, "Expected a timestamp value when querying the newest row of the source")
                    .hint("loaded_at_field must be a timestamp; cast it if it is text: loaded_at_field: \"loaded_at::timestamp\"")
            })?,
        };
        Ok((newest, moment_of(clock).unwrap_or(now)))
    }
}

fn moment_of(cell: &Cell) -> Option<DateTime<Utc>> {
    match cell {
        Cell::Timestamp(moment) => Some(moment.and_utc()),
        Cell::TimestampTz(moment) => Some(moment.with_timezone(&Utc)),
        Cell::Date(date) => Some(date.and_hms_opt(0, 0, 0)?.and_utc()),
        _ => None,
    }
}

fn threshold(criteria: &Json, key: &str) -> Option<Duration> {
    let after = criteria.get(key)?;
    let count = after
        .get("count")
        .and_then(|count| count.as_i64().or_else(|| count.as_str()?.parse().ok()))?;
    match after.get("period").and_then(Json::as_str)? {
        "minute" => Duration::try_minutes(count),
        "hour" => Duration::try_hours(count),
        "day" => Duration::try_days(count),
        _ => None,
    }
}

/// A node in the place of a source, for templates that ask for `this` and `model`.
fn stand_in(source: &Source) -> Node {
    let mut node = Node::bare(&source.package, &source.name, "");
    node.id = source.id.clone();
    node.database.clone_from(&source.database);
    node.schema.clone_from(&source.schema);
    node.alias.clone_from(&source.identifier);
    node.original_path.clone_from(&source.original_path);
    node.config = NodeConfig::from_set(ConfigKind::Source, source.config.explicit().clone());
    node
}
