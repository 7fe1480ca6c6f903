//! Does the work of deliveries: asks every tile, then sends.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use serde_json::{Map, Value};
use weir_access::Identity;
use weir_catalog::{Actor, Catalog, CatalogError, Delivery, DocumentKind, SavedDocument};
use weir_flow::{Attempt, ErrorClass, Outcome, PublishError, parse_zone};
use weir_query::{Caller, Engine, NamedStatement, QueryRequest};
use weir_serve::{FilterValue, filter_values};

use super::answer::Answer;
use super::letter::{Letter, Shown, Tile};
use super::plan::asset_of;
use super::post::{Post, Sending};
use super::series::{Spec, suggest};
use crate::failure::Failure;
use crate::flow::code::Codes;
use crate::flow::whose::identity_of;

/// By which door deliveries ask, in the audit and in the list of queries.
const DOOR: &str = "delivery";
/// Rows of a tile that are read: more than a drawing has places.
const ROWS: usize = 2_000;

/// Sends dashboards.
pub(in crate::flow) struct Deliveries {
    engine: Engine,
    catalog: Catalog,
    codes: Arc<Codes>,
    /// By what address people open the application.
    url: String,
    post: Post,
}

impl std::fmt::Debug for Deliveries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Deliveries")
    }
}

impl Deliveries {
    pub(in crate::flow) fn new(
        engine: Engine,
        catalog: Catalog,
        codes: Arc<Codes>,
        url: String,
    ) -> Result<Self, Failure> {
        Ok(Self {
            engine,
            catalog,
            codes,
            url: url.trim_end_matches('/').to_owned(),
            post: Post::new()?,
        })
    }

    pub(in crate::flow) async fn run(&self, attempt: &Attempt) -> Outcome {
        let worked = tokio::select! {
            worked = self.work(attempt) => worked,
            () = attempt.cancelled() => return Outcome::Cancelled,
        };
        worked.unwrap_or_else(|(class, why)| {
            attempt.log().write(&why);
            Outcome::Failed(class, why)
        })
    }

    async fn work(&self, attempt: &Attempt) -> Result<Outcome, (ErrorClass, String)> {
        let lasting = |why: String| (ErrorClass::Permanent, why);
        let passing = |why: String| (ErrorClass::Transient, why);
        let all = self.catalog.deliveries().await;
        let all = all.map_err(|error| passing(error.to_string()))?;
        let found = all
            .into_iter()
            .find(|one| asset_of(one) == *attempt.asset());
        let delivery = found.ok_or_else(|| lasting("nobody has this sent any more".to_owned()))?;
        let who = identity_of(&self.catalog, &delivery.owner).ok_or_else(|| {
            lasting(format!(
                "`{}`, who has this sent, may not sign in any more",
                delivery.owner
            ))
        })?;
        let by = Actor::new(who.clone(), DOOR);
        let kind = DocumentKind::Dashboard;
        let board =
            self.catalog
                .agreed_document(&by, kind, &delivery.dashboard, delivery.created_at);
        let board = board.await.map_err(|error| {
            lasting(format!(
                "it cannot be sent with the rights of `{}`: {error}",
                delivery.owner
            ))
        })?;
        attempt.log().write(&format!(
            "“{}”, with the rights of `{}`",
            board.document.name, delivery.owner
        ));
        let today = parse_zone(&delivery.zone)
            .map(|zone| Utc::now().with_timezone(&zone).date_naive())
            .map_err(|error| lasting(error.to_string()))?;
        let chosen = delivery.filters.as_object().cloned().unwrap_or_default();
        let said = filter_values(&board.body, &chosen, today).map_err(lasting)?;
        let letter = self.letter(&board, said, &delivery, &who).await;
        let asked = letter
            .tiles
            .iter()
            .filter(|tile| !matches!(tile.shown, Shown::Text(_)));
        let (asked, failed): (Vec<_>, Vec<_>) = (
            asked.clone().collect(),
            asked
                .filter_map(|tile| match &tile.shown {
                    Shown::Failed(why) => Some(format!("{}: {why}", tile.title)),
                    _ => None,
                })
                .collect(),
        );
        for why in &failed {
            attempt.log().write(why);
        }
        if let Some(why) = failed.first().filter(|_| failed.len() == asked.len()) {
            return Err(lasting(format!(
                "no tile has an answer with the rights of `{}`: {why}",
                delivery.owner
            )));
        }
        let sent = attempt
            .publish(async |_| self.send(attempt, &letter, &delivery).await)
            .await;
        match sent {
            Ok(()) => Ok(Outcome::succeeded()),
            Err(PublishError::Commit((class, why))) => Err((class, why)),
            Err(error) => Ok(Outcome::transient(error.to_string())),
        }
    }

    /// Sends to everybody who has not taken it yet.
    async fn send(
        &self,
        attempt: &Attempt,
        letter: &Letter,
        delivery: &Delivery,
    ) -> Result<(), (ErrorClass, String)> {
        let run = attempt.run();
        let sending = Sending {
            letter,
            delivery,
            id: format!("weir-delivery-{}-{run}", delivery.id),
            at: chrono::Utc::now(),
        };
        let passing = |error: CatalogError| (ErrorClass::Transient, error.to_string());
        // An earlier attempt may have been cut off between two of them.
        let took = self.catalog.receipts(&delivery.id, run.0).await;
        let took = took.map_err(passing)?;
        let code = self.codes.now();
        let mut failed = None;
        for name in delivery
            .receivers
            .iter()
            .filter(|name| !took.contains(name))
        {
            let known = code.as_ref().and_then(|code| code.plan.receivers.get(name));
            let Some(receiver) = known else {
                let why = format!("`alerts` in schedules.yml names no `{name}`");
                attempt.log().write(&why);
                failed.get_or_insert((ErrorClass::Permanent, why));
                continue;
            };
            match self.post.send(receiver, &sending).await {
                Ok(()) => {
                    let noted = self.catalog.note_receipt(&delivery.id, run.0, name).await;
                    attempt.log().write(&format!("`{name}` has it"));
                    noted.map_err(passing)?;
                }
                Err(error) => {
                    let why = format!("`{name}` has not taken it: {error}");
                    attempt.log().write(&why);
                    failed = Some((ErrorClass::Transient, why));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    async fn letter(
        &self,
        board: &SavedDocument,
        said: Vec<FilterValue>,
        delivery: &Delivery,
        who: &Identity,
    ) -> Letter {
        let (mut values, mut filters) = (Map::new(), Vec::new());
        for one in said {
            values.extend(one.sets);
            filters.push((one.label, one.text));
        }
        let mut tiles: Vec<&Value> = board.body["tiles"]
            .as_array()
            .into_iter()
            .flatten()
            .collect();
        let tabs: Vec<&str> = board.body["tabs"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|tab| tab["id"].as_str())
            .collect();
        tiles.sort_by_key(|tile| {
            let tab = tile["tab"].as_str();
            let tab = tabs.iter().position(|id| Some(*id) == tab).unwrap_or(0);
            (tab, tile["y"].as_i64(), tile["x"].as_i64())
        });
        let mut shown = Vec::with_capacity(tiles.len());
        for tile in tiles {
            let since = delivery.created_at;
            shown.push(self.tile(tile, &values, who, since).await);
        }
        Letter {
            name: board.document.name.clone(),
            link: format!("{}/d/{}", self.url, board.document.id),
            filters,
            tiles: shown,
        }
    }

    async fn tile(
        &self,
        tile: &Value,
        values: &Map<String, Value>,
        who: &Identity,
        since: DateTime<Utc>,
    ) -> Tile {
        let title = |other: &str| {
            let own = tile["title"].as_str().filter(|title| !title.is_empty());
            own.unwrap_or(other).to_owned()
        };
        let Some(question) = tile["question"].as_str() else {
            let text = tile["text"].as_str().unwrap_or_default().to_owned();
            return Tile {
                title: title(""),
                shown: Shown::Text(text),
            };
        };
        let by = Actor::new(who.clone(), DOOR);
        let kind = DocumentKind::Question;
        let saved = self.catalog.agreed_document(&by, kind, question, since);
        let saved = match saved.await {
            Ok(saved) => saved,
            Err(error) => {
                return Tile {
                    title: title("A question"),
                    shown: Shown::Failed(error.to_string()),
                };
            }
        };
        let shown = match self.ask(&saved, values, who).await {
            Ok(answer) => {
                let spec = spec_of(tile, &saved.body, &answer);
                Shown::Answer(answer, spec)
            }
            Err(why) => Shown::Failed(why),
        };
        Tile {
            title: title(&saved.document.name),
            shown,
        }
    }

    async fn ask(
        &self,
        saved: &SavedDocument,
        values: &Map<String, Value>,
        who: &Identity,
    ) -> Result<Answer, String> {
        let statement: NamedStatement = serde_json::from_value(saved.body.clone())
            .map_err(|_| "the question has no statement".to_owned())?;
        let takes = |name: &String| statement.parameters.iter().any(|one| one.name == *name);
        let own = values.iter().filter(|(name, _)| takes(name));
        let own = own
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let told = |error: weir_query::QueryError| error.message().to_owned();
        let (sql, params) = statement.bind(&own).map_err(told)?;
        let request = QueryRequest {
            params: params.into_iter().map(Into::into).collect(),
            read_only: true,
            ..QueryRequest::new(sql, Caller::new(who.clone(), DOOR))
        };
        let mut result = self.engine.query(request).await.map_err(told)?;
        let mut answer = Answer::new(&result.schema);
        while let Some(batch) = result.rows.next().await {
            let batch = batch.map_err(told)?;
            answer
                .take(&batch, ROWS)
                .map_err(|error| error.to_string())?;
            if answer.cut_off {
                // Dropping the query ends it.
                break;
            }
        }
        Ok(answer)
    }
}

/// Returns how a tile is shown: as it says itself, else as its question does, else as fits the rows.
fn spec_of(tile: &Value, question: &Value, answer: &Answer) -> Spec {
    let own = [&tile["chart"], &question["chart"]];
    let own = own.into_iter().find(|chart| chart.is_object());
    match own.and_then(|chart| serde_json::from_value(chart.clone()).ok()) {
        Some(spec) => spec,
        None if question["view"] == "table" => Spec {
            kind: "table".to_owned(),
            ..Spec::default()
        },
        None => suggest(answer),
    }
}
