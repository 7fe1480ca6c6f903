//! Planning many queries that name each other, before any of them runs.
//!
//! Each query is planned against the tables and views there are, and against what the queries
//! before it would give: so the columns and types of a whole project are known, and every mistake in
//! it, while nothing has been written.

mod around;
mod division;
mod found;
mod lineage;
mod repeated;
mod varying;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Instant;

use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::datasource::empty::EmptyTable;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use crate::caller::Caller;
use crate::catalog::Scope;
use crate::engine::{Engine, Parts, QueryRequest};
use crate::error::{Position, QueryError, QueryErrorKind};
use crate::functions::plain_name;
use crate::settings::Settings;
use crate::stream::timed_out;
use crate::types::type_name;
use crate::{functions, plan};

pub use around::{Around, BrokenView, Touch};
use found::Asked;
use repeated::Listed;

pub(crate) use found::Found;
use lineage::relations;
pub use lineage::{ColumnLineage, SourceColumn};

/// A check may take as many times as long as one query.
const CHECK_TIMES: u32 = 10;

/// The most queries of one check.
const MAX_QUERIES: usize = 20_000;

/// A query, and the table or view its rows are going to be.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Candidate {
    pub schema: String,
    pub name: String,
    pub sql: String,
}

/// What a query would give.
#[derive(Clone, Debug, Serialize)]
pub struct Checked {
    pub columns: Vec<CheckedColumn>,
    /// The tables and views it names, as `schema.name`.
    pub reads: Vec<String>,
    /// Where each column comes from.
    pub lineage: Vec<ColumnLineage>,
    /// Functions in it that may answer otherwise the next time, like `now` and `random`.
    pub varies: Vec<String>,
    /// Whether it divides whole numbers: the quotient is whole, as in PostgreSQL, and not in DuckDB.
    pub divides_whole: bool,
}

/// A column a query would give.
#[derive(Clone, Debug, Serialize)]
pub struct CheckedColumn {
    pub name: String,
    /// SQL's name of the type.
    pub data_type: String,
    pub nullable: bool,
}

/// Why a query cannot be planned.
#[derive(Clone, Debug, Serialize)]
pub struct CheckFailure {
    pub message: String,
    pub hint: Option<String>,
    /// Where in its text.
    pub position: Option<Position>,
    /// The query before it that failed, on which it rests; its own error is not known then.
    pub because_of: Option<String>,
}

/// What one candidate came to.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CheckOutcome {
    Ok(Checked),
    Failed(CheckFailure),
}

/// Relations that are not there yet, by schema and name.
#[derive(Debug, Default)]
pub(crate) struct Planned {
    relations: Mutex<HashMap<(String, String), Option<SchemaRef>>>,
    /// The first relation that was asked for and has no columns, as its query failed.
    missing: Mutex<Option<String>>,
}

impl Planned {
    /// Returns what `schema.name` is going to be; an error where its query failed.
    pub(crate) fn find(
        &self,
        schema: &str,
        name: &str,
    ) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        let key = (schema.to_owned(), name.to_owned());
        match self.relations.lock().get(&key) {
            None => Ok(None),
            Some(Some(columns)) => Ok(Some(Arc::new(EmptyTable::new(columns.clone())))),
            Some(None) => {
                let full = format!("{schema}.{name}");
                let mut missing = self.missing.lock();
                missing.get_or_insert_with(|| full.clone());
                Err(DataFusionError::External(Box::new(QueryError::new(
                    QueryErrorKind::Invalid,
                    format!("`{full}` cannot be planned"),
                ))))
            }
        }
    }

    /// Tells whether there is going to be such a relation.
    pub(crate) fn has(&self, schema: &str, name: &str) -> bool {
        let key = (schema.to_owned(), name.to_owned());
        self.relations.lock().contains_key(&key)
    }

    /// Returns the columns of what `schema.name` is going to be.
    fn columns(&self, schema: &str, name: &str) -> Option<SchemaRef> {
        let key = (schema.to_owned(), name.to_owned());
        self.relations.lock().get(&key).cloned().flatten()
    }

    fn put(&self, candidate: &Candidate, columns: Option<SchemaRef>) {
        let key = (candidate.schema.clone(), candidate.name.clone());
        self.relations.lock().insert(key, columns);
    }
}

impl Engine {
    /// Plans queries in the given order, each of which may name those before it.
    ///
    /// Nothing is run or written; the outcomes are in the same order.
    ///
    /// # Errors
    /// When there are too many, or planning them takes too long. What is wrong with one is its outcome.
    pub async fn check(
        &self,
        caller: Caller,
        settings: Arc<Settings>,
        candidates: Vec<Candidate>,
    ) -> Result<Vec<CheckOutcome>, QueryError> {
        let checking = self.check_all(caller, settings, candidates, None);
        Ok(checking.await?.0)
    }

    /// Plans queries like [`Engine::check`], and looks for views that would break were they made, and how statements
    /// that are kept somewhere would be touched. Nothing is looked for when a candidate failed.
    ///
    /// # Errors
    /// As those of [`Engine::check`].
    pub async fn check_around(
        &self,
        caller: Caller,
        settings: Arc<Settings>,
        candidates: Vec<Candidate>,
        statements: Vec<String>,
    ) -> Result<(Vec<CheckOutcome>, Option<Around>), QueryError> {
        self.check_all(caller, settings, candidates, Some(statements))
            .await
    }

    async fn check_all(
        &self,
        caller: Caller,
        settings: Arc<Settings>,
        candidates: Vec<Candidate>,
        statements: Option<Vec<String>>,
    ) -> Result<(Vec<CheckOutcome>, Option<Around>), QueryError> {
        if candidates.len() > MAX_QUERIES {
            return Err(QueryError::new(
                QueryErrorKind::TooComplex,
                format!("more than {MAX_QUERIES} queries in one check"),
            ));
        }
        let place = self.admit(&caller).await?;
        let parts = self.shared_parts();
        // One of many queries, each of which might take so long.
        let (began, timeout) = (Instant::now(), parts.options.timeout * CHECK_TIMES);
        self.plan_aside(move || async move {
            let _place = place;
            let planned = Arc::new(Planned::default());
            parts.found.forget();
            let mut outcomes = Vec::with_capacity(candidates.len());
            for candidate in &candidates {
                if began.elapsed() >= timeout {
                    return Err(timed_out(timeout));
                }
                let request = QueryRequest {
                    settings: settings.clone(),
                    read_only: true,
                    ..QueryRequest::new(candidate.sql.clone(), caller.clone())
                };
                *planned.missing.lock() = None;
                let outcome = match one(&parts, &request, &planned).await {
                    Ok(One {
                        columns,
                        checked,
                        asked,
                    }) => {
                        if let Some(asked) = asked {
                            parts.found.keep(asked, columns.clone());
                        }
                        planned.put(candidate, Some(columns));
                        CheckOutcome::Ok(checked)
                    }
                    Err(error) => {
                        planned.put(candidate, None);
                        CheckOutcome::Failed(CheckFailure {
                            message: error.to_string(),
                            hint: error.advice().map(str::to_owned),
                            position: error.position(),
                            because_of: planned.missing.lock().take(),
                        })
                    }
                };
                outcomes.push(outcome);
                tokio::task::yield_now().await;
            }
            let failed = |outcome: &CheckOutcome| matches!(outcome, CheckOutcome::Failed(_));
            let around = match statements {
                Some(statements) if !outcomes.iter().any(failed) => {
                    let request = QueryRequest {
                        settings,
                        read_only: true,
                        ..QueryRequest::new(String::new(), caller)
                    };
                    let look = around::look(&parts, &request, &candidates, &planned, &statements);
                    Some(look.await?)
                }
                _ => None,
            };
            Ok((outcomes, around))
        })
        .await
    }
}

/// What became of one query.
struct One {
    /// As a table has them.
    columns: SchemaRef,
    checked: Checked,
    /// What it asks, if a view of it has the same columns.
    asked: Option<Asked>,
}

async fn one(
    parts: &Parts,
    request: &QueryRequest,
    planned: &Arc<Planned>,
) -> Result<One, QueryError> {
    let read = plan::read(parts, request)?;
    let listed = Listed::of(&read.statement);
    let (statement, scope) = plan::unrun(parts, request, read, planned.clone()).await?;
    let asked = Asked::of(&scope, &statement);
    let plan = plan::question(&scope, statement).await?;
    let inside = plan.schema().inner().clone();
    let presentable = plan::presentable(plan).map_err(|e| crate::error::translate(e, &scope))?;
    let columns = presentable.schema().inner().clone();
    let columns = functions::unmarked(&columns).unwrap_or(columns);
    distinct(&columns, &listed)?;
    let lineage = lineage::of(&presentable);
    let reads: BTreeSet<String> = relations(&presentable);
    let varies = varying::functions(&presentable);
    let named = |field: &Arc<Field>| {
        let name = plain_name(field.name());
        CheckedColumn {
            name: name.to_string(),
            data_type: type_name(field.data_type()).to_string(),
            nullable: field.is_nullable(),
        }
    };
    let checked = Checked {
        columns: columns.fields().iter().map(named).collect(),
        reads: reads.into_iter().collect(),
        lineage,
        varies: varies.into_iter().collect(),
        divides_whole: division::divides_whole(&presentable),
    };
    let fields = columns.fields().iter().map(|field| {
        let name = plain_name(field.name());
        Field::new(name.to_string(), field.data_type().clone(), true)
    });
    let columns = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok(One {
        asked: asked.filter(|_| found::same_types(&inside, &columns)),
        columns,
        checked,
    })
}

/// Refuses two columns of one name: neither a table nor a view could have them.
fn distinct(columns: &Schema, listed: &Listed) -> Result<(), QueryError> {
    let mut seen = std::collections::HashSet::new();
    for field in columns.fields() {
        let name = plain_name(field.name()).to_string();
        if !seen.insert(name.clone()) {
            return Err(QueryError::new(
                QueryErrorKind::Invalid,
                format!("two columns would be called `{name}`"),
            )
            .with_sqlstate("42701")
            .at(listed.second(&name))
            .hint("give one of them another name with AS"));
        }
    }
    Ok(())
}

impl Scope {
    /// Returns a relation that a check has planned.
    pub(crate) fn planned(
        &self,
        schema: &str,
        name: &str,
    ) -> Result<Option<Arc<dyn TableProvider>>, DataFusionError> {
        match &self.pinned.planned {
            Some(planned) => planned.find(schema, name),
            None => Ok(None),
        }
    }
}
