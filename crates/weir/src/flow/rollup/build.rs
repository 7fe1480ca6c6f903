//! Builds a rollup: its question is asked in a transaction that nobody sees, and published once.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use weir_access::Identity;
use weir_catalog::{
    Actor, Catalog, CatalogError, CatalogErrorKind, DocumentKind, PublicationToken, Rollup,
    RollupReads,
};
use weir_core::quoted;
use weir_flow::{Attempt, ErrorClass, Outcome, PublishError};
use weir_query::{
    BuildNote, Caller, Candidate, CheckOutcome, Checked, Engine, NamedStatement, Parameter,
    PublishRequest, QueryError, QueryErrorKind, QueryRequest, Transaction, with_literals,
};

use super::plan::asset_of;
use crate::flow::whose::identity_of;
use crate::flow::worker::app_of;

/// By which door rollups ask, in the audit and in the list of queries.
const DOOR: &str = "rollup";

/// Does the work of rollups.
#[derive(Clone)]
pub(in crate::flow) struct Rollups {
    pub(in crate::flow) engine: Engine,
    pub(in crate::flow) catalog: Catalog,
    /// What the store of runs is known by.
    pub(in crate::flow) identity: String,
}

impl std::fmt::Debug for Rollups {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rollups")
    }
}

/// Why it was not built.
struct Failed {
    class: ErrorClass,
    why: String,
}

/// Gives a transaction up when nobody goes on with it before it is published.
struct Open<'a> {
    engine: &'a Engine,
    transaction: Transaction,
    /// Whether publishing has begun, which ends it either way.
    ends: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if self.ends {
            return;
        }
        let (engine, transaction) = (self.engine.clone(), self.transaction.clone());
        self.engine
            .executor()
            .spawn(async move { engine.discard(&transaction).await });
    }
}

impl Rollups {
    pub(in crate::flow) async fn run(&self, attempt: &Attempt) -> Outcome {
        let built = tokio::select! {
            built = self.build(attempt) => built,
            () = attempt.cancelled() => return Outcome::Cancelled,
        };
        match built {
            Ok(outcome) => outcome,
            Err(Failed { class, why }) => {
                attempt.log().write(&why);
                let first = why.lines().next().unwrap_or_default();
                Outcome::Failed(class, first.to_owned())
            }
        }
    }

    async fn build(&self, attempt: &Attempt) -> Result<Outcome, Failed> {
        let rollup = self.rollup(attempt).await?;
        let token = self.token(attempt);
        let published = self.engine.published(&token).await;
        if let Some(earlier) = published.map_err(|error| of_query(&rollup, &error))? {
            let said = format!("an earlier attempt has published it, as {}", earlier.id);
            attempt.log().write(&said);
            return Ok(Outcome::Succeeded(Some(earlier.id)));
        }
        let who = self.who(&rollup)?;
        let statement = self.statement(&rollup, &who).await?;
        let (sql, values) = statement
            .bind(&Map::new())
            .map_err(|error| of_query(&rollup, &error))?;
        attempt.log().write(&format!(
            "version {} of the question, with the rights of `{}`",
            rollup.version, rollup.owner
        ));
        let caller = Caller::new(who, DOOR);
        let checked = self.check(&rollup, &caller, &sql, &values).await?;
        self.note_reads(&rollup, &checked).await;
        let transaction = self.engine.begin(caller.clone());
        let mut open = Open {
            engine: &self.engine,
            transaction: transaction.map_err(|error| of_query(&rollup, &error))?,
            ends: false,
        };
        let rows = self
            .write(&rollup, &open.transaction, &caller, (sql, values))
            .await
            .map_err(|error| of_query(&rollup, &error))?;
        attempt.log().write(&format!("{rows} rows"));
        let request = PublishRequest {
            about: self.about(attempt, &rollup),
            builds: vec![note(&rollup, &checked)],
            token: Some(token),
        };
        let published = attempt
            .publish(async |_| {
                open.ends = true;
                self.engine.publish(&open.transaction, request).await
            })
            .await;
        match published {
            Ok(published) => {
                attempt
                    .log()
                    .write(&format!("published as {}", published.id));
                Ok(Outcome::Succeeded(Some(published.id)))
            }
            Err(PublishError::Commit(error)) => Err(of_query(&rollup, &error)),
            Err(error) => Ok(Outcome::transient(error.to_string())),
        }
    }

    async fn rollup(&self, attempt: &Attempt) -> Result<Rollup, Failed> {
        let all = self.catalog.rollups().await.map_err(of_catalog)?;
        let found = all
            .into_iter()
            .find(|rollup| asset_of(rollup) == *attempt.asset());
        found.ok_or_else(|| Failed {
            class: ErrorClass::Permanent,
            why: format!(
                "no question is kept as `{}` any more",
                attempt
                    .asset()
                    .as_str()
                    .trim_start_matches(super::plan::PREFIX)
            ),
        })
    }

    fn token(&self, attempt: &Attempt) -> PublicationToken {
        let token = attempt.token();
        PublicationToken {
            app: app_of(&self.identity, &token.app),
            sequence: token.sequence,
        }
    }

    /// Returns whose rights it has, as they are now.
    fn who(&self, rollup: &Rollup) -> Result<Identity, Failed> {
        match identity_of(&self.catalog, &rollup.owner) {
            Some(identity) => Ok(identity),
            None => Err(Failed {
                class: ErrorClass::Permanent,
                why: format!(
                    "`{}`, whose rights {} has, may not sign in any more; somebody who may make \
                     the table can keep the question as a table again, with their own rights",
                    rollup.owner,
                    name(rollup)
                ),
            }),
        }
    }

    async fn statement(&self, rollup: &Rollup, who: &Identity) -> Result<NamedStatement, Failed> {
        let by = Actor::new(who.clone(), DOOR);
        let kind = DocumentKind::Question;
        let version = Some(rollup.version);
        let saved = self
            .catalog
            .document(&by, kind, &rollup.question, version)
            .await
            .map_err(|error| {
                let Failed { class, why } = of_catalog(error);
                let why = format!(
                    "{} cannot be built with the rights of `{}`: {why}",
                    name(rollup),
                    rollup.owner
                );
                Failed { class, why }
            })?;
        serde_json::from_value(saved.body).map_err(|_| Failed {
            class: ErrorClass::Permanent,
            why: "the question has no statement".to_owned(),
        })
    }

    /// Finds what the statement reads and gives; a mistake is told as the question's own.
    async fn check(
        &self,
        rollup: &Rollup,
        caller: &Caller,
        sql: &str,
        values: &[Value],
    ) -> Result<Checked, Failed> {
        let candidate = Candidate {
            schema: rollup.schema.clone(),
            name: rollup.table.clone(),
            sql: with_literals(sql, values),
        };
        let settings = Arc::default();
        let outcomes = self
            .engine
            .check(caller.clone(), settings, vec![candidate])
            .await
            .map_err(|error| of_query(rollup, &error))?;
        match outcomes.into_iter().next() {
            Some(CheckOutcome::Ok(checked)) => Ok(checked),
            Some(CheckOutcome::Failed(failure)) => Err(Failed {
                class: ErrorClass::Permanent,
                why: told(rollup, &failure.message, failure.hint.as_deref()),
            }),
            None => Err(Failed {
                class: ErrorClass::Permanent,
                why: told(rollup, "there is nothing to ask", None),
            }),
        }
    }

    /// Writes down what it reads now: views may have become others since it was made.
    async fn note_reads(&self, rollup: &Rollup, checked: &Checked) {
        let instant = self.engine.instant().await;
        let reads = RollupReads {
            follows: weir_serve::followed(&self.engine, &instant, &checked.reads),
            reads: checked.reads.clone(),
        };
        let (catalog, question) = (&self.catalog, &rollup.question);
        let noted = catalog.note_rollup_reads(question, rollup.version, &reads);
        if let Err(error) = noted.await {
            tracing::warn!(%error, question, "what a rollup reads is not noted");
        }
    }

    /// Fills the table where nobody sees it; returns how many rows it has.
    async fn write(
        &self,
        rollup: &Rollup,
        transaction: &Transaction,
        caller: &Caller,
        (sql, values): (String, Vec<Value>),
    ) -> Result<u64, QueryError> {
        let (schema, table) = (quoted(&rollup.schema), quoted(&rollup.table));
        let make = format!("CREATE SCHEMA IF NOT EXISTS {schema}");
        let request = QueryRequest::new(make, caller.clone());
        self.engine.query(request).await?;
        // In a line of its own: the question may begin or end with a comment.
        let fill = format!("CREATE OR REPLACE TABLE {schema}.{table} AS\n{sql}");
        let request = QueryRequest {
            params: values.into_iter().map(Parameter::from).collect(),
            transaction: Some(transaction.clone()),
            ..QueryRequest::new(fill, caller.clone())
        };
        let done = self.engine.query(request).await?;
        Ok(done.command.rows.unwrap_or_default())
    }

    fn about(&self, attempt: &Attempt, rollup: &Rollup) -> Map<String, Value> {
        let (cause, detail) = attempt.cause().parts();
        let about: BTreeMap<&str, Value> = BTreeMap::from([
            ("command", json!(DOOR)),
            ("run", json!(attempt.run().0)),
            ("step", json!(attempt.asset().as_str())),
            ("attempt", json!(attempt.id().0)),
            ("cause", json!({ "kind": cause, "detail": detail })),
            ("question", json!(rollup.question)),
            ("version", json!(rollup.version)),
            ("owner", json!(rollup.owner)),
        ]);
        about
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect()
    }
}

/// Returns what is kept about the table: what it was made of, for lineage.
fn note(rollup: &Rollup, checked: &Checked) -> BuildNote {
    let reads = checked.reads.iter();
    let reads = reads.filter_map(|read| read.split_once('.'));
    BuildNote {
        schema: rollup.schema.clone(),
        name: rollup.table.clone(),
        build: json!({
            "question": rollup.question,
            "version": rollup.version,
            "lineage": checked.lineage,
        }),
        reads: Some(
            reads
                .map(|(schema, name)| (schema.to_owned(), name.to_owned()))
                .collect(),
        ),
    }
}

fn name(rollup: &Rollup) -> String {
    format!("`{}.{}`", rollup.schema, rollup.table)
}

fn told(rollup: &Rollup, message: &str, hint: Option<&str>) -> String {
    let hint = hint.map(|hint| format!("\nhint: {hint}"));
    format!(
        "{} cannot be built with the rights of `{}`: {message}{}",
        name(rollup),
        rollup.owner,
        hint.unwrap_or_default()
    )
}

fn of_query(rollup: &Rollup, error: &QueryError) -> Failed {
    use QueryErrorKind as Kind;
    let class = match error.kind() {
        Kind::Conflict | Kind::Busy | Kind::Lake | Kind::Internal | Kind::Cancelled => {
            ErrorClass::Transient
        }
        Kind::OutOfMemory | Kind::OutOfDisk | Kind::Timeout => ErrorClass::Resource,
        _ => ErrorClass::Permanent,
    };
    Failed {
        class,
        why: told(rollup, error.message(), error.advice()),
    }
}

fn of_catalog(error: CatalogError) -> Failed {
    let class = match error.kind() {
        CatalogErrorKind::Busy | CatalogErrorKind::Unavailable => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    };
    let hint = error.hint().map(|hint| format!("\nhint: {hint}"));
    Failed {
        class,
        why: format!("{error}{}", hint.unwrap_or_default()),
    }
}
