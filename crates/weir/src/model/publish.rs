//! Building unseen: what a run makes becomes visible when all of it is built and tested.

use std::sync::Arc;

use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use weir_flow::{Attempt, PublishError};
use weir_model::node::Manifest;
use weir_model::run::{Publication, Report};
use weir_model::warehouse::{RelationName, WarehouseError};
use weir_model::{ModelError, ModelErrorKind};

use super::earlier::Notes;
use super::warehouse::WeirWarehouse;

/// One transaction for a whole run.
#[derive(Debug)]
pub(crate) struct AtOnce {
    warehouse: WeirWarehouse,
    runtime: Handle,
    manifest: Arc<Manifest>,
    about: Map<String, Value>,
    notes: Arc<Notes>,
    /// On whose behalf, where somebody must be asked first.
    attempt: Option<(Arc<Attempt>, String)>,
    outcome: Mutex<Outcome>,
}

/// What became of the transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Outcome {
    #[default]
    Nothing,
    Open(String),
    Published {
        id: String,
        relations: usize,
        /// Grants that failed, and why.
        refused: Vec<String>,
        /// Whether an earlier attempt had published it.
        adopted: bool,
    },
    Discarded,
}

impl AtOnce {
    pub(crate) fn new(
        warehouse: WeirWarehouse,
        runtime: Handle,
        manifest: Arc<Manifest>,
        about: Map<String, Value>,
        notes: Arc<Notes>,
    ) -> Self {
        Self {
            warehouse,
            runtime,
            manifest,
            about,
            notes,
            attempt: None,
            outcome: Mutex::default(),
        }
    }

    /// Publishes as an attempt at a step: once, however often it is tried, and only while the
    /// attempt has its lease. `app` is what is published, under the name of whoever numbers it.
    pub(crate) fn of_attempt(mut self, attempt: Arc<Attempt>, app: String) -> Self {
        self.attempt = Some((attempt, app));
        self
    }

    /// Asks the server to publish.
    fn publish(&self, path: &str, mut body: Value) -> Result<Value, ModelError> {
        let Some((attempt, app)) = &self.attempt else {
            return self.call(Method::POST, path, body);
        };
        let publish = attempt.publish(async |token| {
            body["token"] = json!({ "app": app, "sequence": token.sequence });
            self.warehouse.call(Method::POST, path, body).await
        });
        self.runtime.block_on(publish).map_err(|error| match error {
            PublishError::Commit(error) => failed(error),
            PublishError::Refused(error) => ModelError::new(
                ModelErrorKind::Cancelled,
                "the attempt may not publish any more",
            )
            .caused_by(error),
        })
    }

    /// Returns what became of it.
    pub(crate) fn outcome(&self) -> Outcome {
        self.outcome.lock().clone()
    }

    fn call(&self, method: Method, path: &str, body: Value) -> Result<Value, ModelError> {
        let call = self.warehouse.call(method, path, body);
        self.runtime.block_on(call).map_err(failed)
    }
}

impl Publication for AtOnce {
    fn begin(&self, _relations: &[RelationName]) -> Result<(), ModelError> {
        let begun = self.call(Method::POST, "/api/v1/transactions", json!({}))?;
        let id = begun["id"].as_str().unwrap_or_default().to_owned();
        self.warehouse.work_in(Some(id.clone()));
        *self.outcome.lock() = Outcome::Open(id);
        Ok(())
    }

    fn finish(&self, report: &Report) -> Result<Vec<RelationName>, ModelError> {
        self.warehouse.work_in(None);
        let Outcome::Open(id) = self.outcome() else {
            return Ok(Vec::new());
        };
        if !report.succeeded() {
            *self.outcome.lock() = Outcome::Discarded;
            let discarded = self.call(
                Method::DELETE,
                &format!("/api/v1/transactions/{id}"),
                json!({}),
            );
            // Nobody sees what lies there; it goes by itself after an hour.
            if let Err(error) = discarded {
                tracing::warn!(%error, "a transaction could not be given up");
            }
            return Ok(Vec::new());
        }
        let body =
            json!({ "about": self.about, "builds": self.notes.of_run(&self.manifest, report) });
        let path = format!("/api/v1/transactions/{id}/publish");
        let published = match self.publish(&path, body) {
            Ok(published) => published,
            Err(error) => {
                *self.outcome.lock() = Outcome::Discarded;
                return Err(error);
            }
        };
        let named = |kind: &str| published[kind].as_array().cloned().unwrap_or_default();
        let relations: Vec<RelationName> = named("tables")
            .iter()
            .chain(&named("views"))
            .filter(|relation| !relation["after"].is_null())
            .filter_map(|relation| {
                Some(RelationName {
                    database: None,
                    schema: relation["schema"].as_str()?.to_owned(),
                    name: relation["name"].as_str()?.to_owned(),
                })
            })
            .collect();
        let refused = named("refused");
        let refused = refused.iter().filter_map(Value::as_str);
        *self.outcome.lock() = Outcome::Published {
            id,
            relations: relations.len(),
            refused: refused.map(str::to_owned).collect(),
            adopted: published["adopted"] == true,
        };
        Ok(relations)
    }
}

pub(super) fn failed(error: WarehouseError) -> ModelError {
    let hint = error.hint.clone();
    let made = ModelError::new(ModelErrorKind::Warehouse, error.message.clone()).caused_by(error);
    match hint {
        Some(hint) => made.hint(hint),
        None => made,
    }
}
