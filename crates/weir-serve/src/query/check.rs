//! Checks of queries that are yet to be run, and what lies around them: views, questions, dashboards.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use serde::{Deserialize, Serialize};
use serde_json::Map;
use weir_catalog::{
    Catalog, CatalogError, CatalogErrorKind, Document, DocumentKind, SavedDocument,
};
use weir_query::{
    Around, BrokenView, Candidate, CheckOutcome, NamedStatement, Settings, Touch, with_literals,
};

use super::transactions::{Answer, Rooms, read};
use crate::auth::SignedIn;
use crate::error::ApiError;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Check {
    queries: Vec<Candidate>,
    /// Whether to look at what rests on them.
    #[serde(default)]
    around: bool,
}

#[derive(Serialize)]
pub(super) struct Checked {
    /// In the order of the queries.
    outcomes: Vec<CheckOutcome>,
    /// What rests on them; only where it was asked for and no query failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    around: Option<Resting>,
}

/// What rests on queries that are yet to be run, as far as the caller may read it.
#[derive(Serialize)]
struct Resting {
    broken_views: Vec<BrokenView>,
    /// Questions that read what would be made.
    questions: Vec<TouchedQuestion>,
    /// Dashboards that show one of these.
    dashboards: Vec<TouchedDashboard>,
}

#[derive(Serialize)]
struct TouchedQuestion {
    id: String,
    name: String,
    /// Why it would not work any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    broken: Option<String>,
}

#[derive(Serialize)]
struct TouchedDashboard {
    id: String,
    name: String,
    /// The questions, by id.
    questions: Vec<String>,
}

pub(super) async fn check(
    State(rooms): State<Rooms>,
    who: SignedIn,
    body: Result<Json<Check>, JsonRejection>,
) -> Answer<Checked> {
    let Check { queries, around } = read(body)?;
    let settings = std::sync::Arc::new(Settings::default());
    let caller = who.caller("http");
    if !around {
        let outcomes = rooms.engine.check(caller, settings, queries).await?;
        return Ok(Json(Checked {
            outcomes,
            around: None,
        }));
    }
    let questions = readable(&rooms.catalog, &who, DocumentKind::Question)
        .await
        .map_err(ApiError::from)?;
    let (questions, statements): (Vec<Document>, Vec<String>) = questions
        .into_iter()
        .filter_map(|saved| Some((saved.document.clone(), statement(&saved)?)))
        .unzip();
    let checking = rooms
        .engine
        .check_around(caller, settings, queries, statements);
    let (outcomes, around) = checking.await?;
    let around = match around {
        Some(around) => {
            let resting = resting(&rooms.catalog, &who, questions, around).await;
            Some(resting.map_err(ApiError::from)?)
        }
        None => None,
    };
    Ok(Json(Checked { outcomes, around }))
}

/// Returns a question's statement with its defaults; nothing for one that cannot be asked without values.
fn statement(saved: &SavedDocument) -> Option<String> {
    let statement: NamedStatement = serde_json::from_value(saved.body.clone()).ok()?;
    let (sql, values) = statement.bind(&Map::new()).ok()?;
    Some(with_literals(&sql, &values))
}

/// Returns the documents of a kind that somebody may read, with what is in them.
async fn readable(
    catalog: &Catalog,
    who: &SignedIn,
    kind: DocumentKind,
) -> Result<Vec<SavedDocument>, CatalogError> {
    let by = who.actor();
    let documents = catalog.documents(&by, kind).await?;
    let mut saved = Vec::with_capacity(documents.len());
    for document in documents {
        match catalog.document(&by, kind, &document.id, None).await {
            Ok(found) => saved.push(found),
            // Removed meanwhile.
            Err(error) if error.kind() == CatalogErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(saved)
}

async fn resting(
    catalog: &Catalog,
    who: &SignedIn,
    questions: Vec<Document>,
    around: Around,
) -> Result<Resting, CatalogError> {
    let questions: Vec<TouchedQuestion> = questions
        .into_iter()
        .zip(around.touches)
        .filter_map(|(question, touch)| {
            let broken = match touch {
                Touch::None => return None,
                Touch::Reads => None,
                Touch::Breaks(why) => Some(why),
            };
            Some(TouchedQuestion {
                id: question.id,
                name: question.name,
                broken,
            })
        })
        .collect();
    let dashboards = match questions.is_empty() {
        true => Vec::new(),
        false => readable(catalog, who, DocumentKind::Dashboard).await?,
    };
    let touched: HashSet<&str> = questions.iter().map(|q| q.id.as_str()).collect();
    let dashboards = dashboards.into_iter().filter_map(|saved| {
        let tiles = saved.body["tiles"].as_array().into_iter().flatten();
        let mut shown: Vec<String> = tiles
            .filter_map(|tile| tile["question"].as_str())
            .filter(|id| touched.contains(id))
            .map(str::to_owned)
            .collect();
        shown.sort();
        shown.dedup();
        (!shown.is_empty()).then_some(TouchedDashboard {
            id: saved.document.id,
            name: saved.document.name,
            questions: shown,
        })
    });
    let dashboards = dashboards.collect();
    Ok(Resting {
        broken_views: around.broken_views,
        questions,
        dashboards,
    })
}
