//! Does the work of steps: builds a model, tests it where nobody sees it, and publishes it, by the same
//! code as `weir build`.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use reqwest::Method;
use serde_json::{Map, Value, json};
use tokio::runtime::Handle;
use weir_flow::{
    AssetId, Attempt, ErrorClass, Outcome, PartitionKey, RunId, Store, TimePartition, Worker,
};
use weir_model::context::Cancellation;
use weir_model::node::UniqueId;
use weir_model::run::{Command, Report, RunOptions, Runner, RunnerParts};
use weir_model::warehouse::{WarehouseError, WarehouseErrorKind};
use weir_model::{ModelError, ModelErrorKind};

use super::code::{Code, Codes};
use super::said::{Saying, first_failure};
use crate::client::Client;
use crate::model::{AtOnce, Notes, Opened, Published, WeirWarehouse, plan_nodes};

/// Builds, tests and publishes models.
pub(super) struct Models {
    codes: Arc<Codes>,
    store: Arc<dyn Store>,
    /// What the store is known by.
    identity: String,
    client: Client,
    /// Where templates are rendered and answers read, leaving cores to whoever takes events.
    threads: Handle,
    /// The steps of runs that are open, as far as they were asked for.
    runs: Mutex<HashMap<RunId, Arc<Steps>>>,
}

/// What an attempt must know of its run.
#[derive(Debug)]
struct Steps {
    assets: HashSet<AssetId>,
    left_out: HashSet<UniqueId>,
    created_at: chrono::DateTime<chrono::Utc>,
}

impl std::fmt::Debug for Models {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Models({})", self.client.url())
    }
}

/// Ends what runs when nobody waits for it any more.
struct EndWithMe {
    cancellation: Arc<Cancellation>,
    threads: Handle,
    done: bool,
}

impl Drop for EndWithMe {
    fn drop(&mut self) {
        if !self.done {
            let cancellation = self.cancellation.clone();
            self.threads
                .spawn(async move { cancellation.cancel().await });
        }
    }
}

#[async_trait]
impl Worker for Models {
    async fn run(&self, attempt: Attempt) -> Outcome {
        let attempt = Arc::new(attempt);
        match self.attempt(&attempt).await {
            Ok(outcome) => outcome,
            Err((class, why)) => {
                attempt.log().write(&why);
                Outcome::Failed(class, first_line(&why).to_owned())
            }
        }
    }
}

/// Why there was nothing to run: its class, and all there is to say.
type Refused = (ErrorClass, String);

impl Models {
    pub(super) fn new(
        codes: Arc<Codes>,
        (store, identity): (Arc<dyn Store>, String),
        client: Client,
        threads: Handle,
    ) -> Self {
        Self {
            codes,
            store,
            identity,
            client,
            threads,
            runs: Mutex::default(),
        }
    }

    async fn attempt(&self, attempt: &Arc<Attempt>) -> Result<Outcome, Refused> {
        let Some(code) = self.codes.now() else {
            let why = "the project cannot be read; `weir schedule list` says what is wrong with it";
            return Err((ErrorClass::Permanent, why.to_owned()));
        };
        let run = self.steps_of(attempt.run(), &code).await?;
        let opened = Arc::new(code.opened.again(run.created_at));
        let weir = WeirWarehouse::new(self.client.clone(), &opened.project.target.kind);
        if let Some(id) = self.earlier(attempt, &weir).await? {
            attempt
                .log()
                .write(&format!("an earlier attempt has published it, as {id}"));
            return Ok(Outcome::Succeeded(Some(id)));
        }
        let nodes: Vec<UniqueId> = code
            .plan
            .assets
            .nodes_of(attempt.asset(), &run.assets)
            .into_iter()
            .filter(|id| !run.left_out.contains(id))
            .collect();
        let manifest = opened.manifest();
        if !manifest
            .nodes
            .contains_key(&UniqueId::from(attempt.asset().as_str()))
        {
            let why = format!("`{}` is no longer in the project", attempt.asset());
            return Err((ErrorClass::Permanent, why));
        }
        let span = self.span(attempt, &code)?;
        let cancellation = Arc::new(Cancellation::default());
        let mut end = EndWithMe {
            cancellation: cancellation.clone(),
            threads: self.threads.clone(),
            done: false,
        };
        let work = Work {
            attempt: attempt.clone(),
            code,
            opened,
            weir,
            nodes,
            span,
            cancellation: cancellation.clone(),
            app: app_of(&self.identity, &attempt.token().app),
        };
        // On threads of their own: what is rendered and read here must not delay others.
        let mut work = self.threads.spawn(work.run(self.threads.clone()));
        let ended = tokio::select! {
            ended = &mut work => ended,
            () = attempt.cancelled() => {
                cancellation.cancel().await;
                work.await
            }
        };
        end.done = true;
        match ended {
            Ok(outcome) => outcome,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Ok(Outcome::transient("the server is stopping")),
        }
    }

    /// Returns what an earlier attempt at the step has published, whose end nobody could write down.
    async fn earlier(
        &self,
        attempt: &Attempt,
        weir: &WeirWarehouse,
    ) -> Result<Option<String>, Refused> {
        let token = attempt.token();
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("app", &app_of(&self.identity, &token.app))
            .append_pair("sequence", &token.sequence.to_string())
            .finish();
        let path = format!("/api/v1/publications/by-token?{query}");
        let found = weir.call(Method::GET, &path, json!({})).await;
        let found = found.map_err(|error| (class_of(&error), error.to_string()))?;
        Ok(found["id"].as_str().map(str::to_owned))
    }

    async fn steps_of(&self, id: RunId, code: &Code) -> Result<Arc<Steps>, Refused> {
        if let Some(known) = self.runs.lock().get(&id) {
            return Ok(known.clone());
        }
        let failed = |error: weir_flow::FlowError| (ErrorClass::Transient, error.to_string());
        let run = self.store.run(id).await.map_err(failed)?;
        let steps = self.store.steps(id).await.map_err(failed)?;
        let left_out = run
            .schedule
            .as_ref()
            .and_then(|name| code.plan.left_out.get(name));
        let known = Arc::new(Steps {
            assets: steps.into_iter().map(|step| step.asset).collect(),
            left_out: left_out.cloned().unwrap_or_default(),
            created_at: run.created_at,
        });
        let mut runs = self.runs.lock();
        if runs.len() >= 256 {
            // They are asked for again.
            runs.clear();
        }
        runs.insert(id, known.clone());
        Ok(known)
    }

    /// Returns the time that a part of a model stands for.
    fn span(&self, attempt: &Attempt, code: &Code) -> Result<Option<TimePartition>, Refused> {
        let Some(partition): Option<&PartitionKey> = attempt.partition() else {
            return Ok(None);
        };
        let asset = code.plan.project.graph().get(attempt.asset());
        let parts = asset
            .and_then(|asset| asset.partitioning.as_ref())
            .ok_or_else(|| {
                let why = format!(
                    "`{}` is not divided into partitions any more",
                    attempt.asset()
                );
                (ErrorClass::Permanent, why)
            })?;
        parts
            .span_of(partition)
            .map_err(|error| (ErrorClass::Permanent, error.to_string()))
    }
}

/// One attempt, with everything it needs.
struct Work {
    attempt: Arc<Attempt>,
    code: Arc<Code>,
    opened: Arc<Opened>,
    weir: WeirWarehouse,
    nodes: Vec<UniqueId>,
    span: Option<TimePartition>,
    cancellation: Arc<Cancellation>,
    /// What is published, under the name of the store that numbers it.
    app: String,
}

impl Work {
    async fn run(self, threads: Handle) -> Result<Outcome, Refused> {
        let manifest = self.opened.manifest();
        let no_deferral = HashMap::new();
        let is_whole = self.span.is_none();
        let notes = Notes::read(&self.opened, &self.weir, &no_deferral, is_whole).await;
        let mut notes = notes.map_err(|failure| (ErrorClass::Transient, failure.text()))?;
        let earlier = is_whole.then(|| Arc::new(notes.earlier()));
        let checked =
            plan_nodes(&self.opened, &self.weir, &self.nodes, &no_deferral, earlier).await;
        let checked = checked.map_err(|failure| (ErrorClass::Transient, failure.text()))?;
        if !checked.errors.is_empty() {
            let reports: Vec<String> = checked.errors.iter().map(ModelError::report).collect();
            return Err((ErrorClass::Permanent, reports.join("\n")));
        }
        notes.learn(&checked);
        let options = RunOptions {
            // Steps run beside each other; what one step holds runs one after the other.
            threads: 1,
            event_time_start: self.span.as_ref().map(|span| span.start),
            event_time_end: self.span.as_ref().map(|span| span.end),
            earlier: is_whole.then(|| Arc::new(notes.earlier())),
            ..RunOptions::default()
        };
        let publication = Arc::new(
            AtOnce::new(
                self.weir.clone(),
                threads.clone(),
                manifest.clone(),
                self.about(),
                Arc::new(notes),
            )
            .of_attempt(self.attempt.clone(), self.app.clone()),
        );
        let saying = Arc::new(Saying::new(
            self.attempt.clone(),
            manifest,
            self.opened.said.clone(),
        ));
        let runner = Runner::new(RunnerParts {
            shared: self.opened.parsed.shared.clone(),
            warehouse: Arc::new(self.weir.clone()),
            runtime: threads.clone(),
            observer: saying.clone(),
            publication: publication.clone(),
            cancellation: self.cancellation.clone(),
            options,
        });
        let nodes = self.nodes.clone();
        let done = threads
            .spawn_blocking(move || runner.run(Command::Build, &nodes))
            .await;
        saying.templates();
        let report = match done {
            Ok(report) => report,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => return Ok(Outcome::transient("the server is stopping")),
        };
        if self.attempt.is_cancelled()
            && !matches!(publication.outcome(), Published::Published { .. })
        {
            return Ok(Outcome::Cancelled);
        }
        let report = report.map_err(|error| (class_of_model(&error), error.report()))?;
        Ok(self.outcome(&report, &publication.outcome()))
    }

    fn outcome(&self, report: &Report, published: &Published) -> Outcome {
        if let Some((result, why)) = first_failure(&report.results) {
            let class = result
                .error
                .as_ref()
                .map_or(ErrorClass::Permanent, class_of_model);
            return Outcome::Failed(class, first_line(&why).to_owned());
        }
        match published {
            Published::Published { refused, .. } if !refused.is_empty() => {
                Outcome::permanent(format!(
                    "everything was published, but grants were refused: {}",
                    refused.join("; ")
                ))
            }
            Published::Published {
                id,
                relations,
                adopted,
                ..
            } if *relations > 0 || *adopted => {
                let word = if *adopted {
                    "published before"
                } else {
                    "published"
                };
                self.attempt.log().write(&format!("{word} as {id}"));
                Outcome::Succeeded(Some(id.clone()))
            }
            _ if report.results.iter().all(|result| result.reused) => {
                Outcome::Skipped("nothing it rests on has changed".to_owned())
            }
            _ => Outcome::succeeded(),
        }
    }

    /// Returns what the publication says of itself.
    fn about(&self) -> Map<String, Value> {
        let mut about = Map::new();
        let mut put = |key: &str, value: Value| about.insert(key.to_owned(), value);
        put("project", Value::from(self.opened.project.name.to_string()));
        put(
            "target",
            Value::from(self.opened.project.target.name.clone()),
        );
        put("command", Value::from("run"));
        put("run", Value::from(self.attempt.run().0));
        put("step", Value::from(self.attempt.asset().as_str()));
        put("attempt", Value::from(self.attempt.id().0));
        let (cause, detail) = self.attempt.cause().parts();
        put("cause", json!({ "kind": cause, "detail": detail }));
        if !self.attempt.inputs().is_empty() {
            put("inputs", json!(self.attempt.inputs()));
        }
        if let Some(partition) = self.attempt.partition() {
            put("partition", Value::from(partition.as_str()));
        }
        if let Some(commit) = &self.code.git {
            put("git", Value::from(commit.as_str()));
        }
        about
    }
}

/// Returns what the publications of an asset are numbered under.
pub(super) fn app_of(identity: &str, asset: &str) -> String {
    format!("{identity}/{asset}")
}

/// Decides whether something may work the next time.
fn class_of_model(error: &ModelError) -> ErrorClass {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<WarehouseError>() {
            return class_of(error);
        }
        source = error.source();
    }
    match error.kind() {
        // Nobody asked for it, or the attempt has lost its lease.
        ModelErrorKind::Cancelled => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    }
}

fn class_of(error: &WarehouseError) -> ErrorClass {
    let sqlstate = error.sqlstate.as_deref().unwrap_or_default();
    match error.kind {
        WarehouseErrorKind::Connect | WarehouseErrorKind::Lost => ErrorClass::Transient,
        // Others changed what it rests on, or the server ended it: the next time it may go well.
        _ if ["08", "25", "40", "58"]
            .iter()
            .any(|class| sqlstate.starts_with(class)) =>
        {
            ErrorClass::Transient
        }
        // Too little memory, disk or time, or too many queries.
        _ if sqlstate.starts_with("53") || sqlstate == "57014" => ErrorClass::Resource,
        WarehouseErrorKind::Cancelled => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
