//! Dashboards on pages of others: a link with a secret, which sites may frame it, and what it may ask.
//!
//! Whoever opens the link sees answers as whoever made it would, of this dashboard's questions alone, with
//! the filters that were locked. The secret stands behind the `#`, so no server and no log has it; pages
//! show it in a header, so no cookie is involved.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{TimeDelta, Utc};
use http::{HeaderMap, HeaderName, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use weir_access::{LoginLimiter, LoginSource};
use weir_catalog::{Catalog, DocumentKind, Embed, NewEmbed};

use super::filters::filter_values;
use super::range::range;
use super::route::{Body, Done, body};
use crate::app;
use crate::auth::SignedIn;
use crate::error::ApiError;
use crate::results::{self, Embedded};
use crate::server::ClientAddress;

/// Where pages show a link's secret.
const SECRET: HeaderName = HeaderName::from_static("weir-embed");
/// Rows of a tile: more than a screen has places.
const ROWS: usize = 2_000;
/// The longest life of a link, in days.
const LONGEST_DAYS: i64 = 3_650;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    #[serde(default)]
    label: String,
    /// Values of filters that whoever looks cannot change.
    #[serde(default)]
    locked: Map<String, Value>,
    sites: Vec<String>,
    expires_in_days: Option<i64>,
}

pub(super) async fn list(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
) -> Done<Json<Value>> {
    let embeds = catalog.embeds(&who.actor(), &id).await?;
    let embeds: Vec<Embed> = embeds.into_iter().map(without_types).collect();
    Ok(Json(json!({ "embeds": embeds })))
}

pub(super) async fn create(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Body<Wanted>,
) -> Done<(StatusCode, Json<Value>)> {
    let wanted = body(sent)?;
    let days = wanted.expires_in_days;
    if days.is_some_and(|days| !(1..=LONGEST_DAYS).contains(&days)) {
        return Err(ApiError::invalid(format!(
            "a link lives from 1 to {LONGEST_DAYS} days"
        )));
    }
    let kind = DocumentKind::Dashboard;
    let saved = catalog.document(&who.actor(), kind, &id, None).await?;
    let locked = with_types(&saved.body, wanted.locked)?;
    set_by_filters(&saved.body, &locked)?;
    let new = NewEmbed {
        label: wanted.label,
        locked,
        sites: wanted.sites,
        lifetime: days.and_then(TimeDelta::try_days),
    };
    let (embed, secret) = catalog.create_embed(&who.actor(), &id, new).await?;
    let path = format!("/embed/{}#{}", embed.id, secret.reveal());
    let made = json!({ "embed": without_types(embed), "path": path });
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn revoke(
    State(catalog): State<Catalog>,
    who: SignedIn,
    Path((id, embed)): Path<(String, String)>,
) -> Done<StatusCode> {
    catalog.revoke_embed(&who.actor(), &id, &embed).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Routes for whoever has a link.
#[derive(Clone)]
struct Shown {
    rooms: results::Rooms,
    /// Of links alone: a page with an old link must not keep people of its address from signing in.
    guesses: Arc<LoginLimiter>,
}

/// Returns the routes of pages that are shown by a link.
pub(crate) fn links(rooms: results::Rooms) -> Router {
    let guesses = Arc::default();
    Router::new()
        .route("/api/v1/embed", get(dashboard))
        .route("/api/v1/embed/tiles/{tile}", post(tile))
        .with_state(Shown { rooms, guesses })
}

/// Sends the page of a link, which only its sites may frame.
pub(crate) async fn page(
    State(catalog): State<Catalog>,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    let sites = catalog.embed_sites(&id).await?;
    Ok(app::framed(sites.as_deref()).into_response())
}

impl Shown {
    async fn open(
        &self,
        address: std::net::IpAddr,
        headers: &HeaderMap,
    ) -> Result<(Embed, SignedIn, Value), ApiError> {
        let source = LoginSource {
            address,
            user: None,
        };
        if let Some(wait) = self.guesses.wait(&source, Instant::now()) {
            return Err(ApiError::too_many_attempts(wait.as_secs() + 1));
        }
        let secret = headers.get(SECRET).and_then(|value| value.to_str().ok());
        let found = match secret {
            Some(secret) => self.rooms.catalog.embed(secret, Utc::now()).await?,
            None => None,
        };
        let Some((embed, identity)) = found else {
            self.guesses.failed(&source, Instant::now());
            return Err(ApiError::not_found("this link has ended")
                .with_hint("ask whoever put it on this page for a new one"));
        };
        let who = SignedIn::by_link(identity, address);
        let kind = DocumentKind::Dashboard;
        let saved = self
            .rooms
            .catalog
            .agreed_document(&who.actor(), kind, &embed.document, embed.created_at)
            .await?;
        let mut shown = saved.body;
        shown["name"] = json!(saved.document.name);
        Ok((embed, who, shown))
    }
}

/// Returns what of the dashboard is drawn: of questions only that there is one.
async fn dashboard(
    State(shown): State<Shown>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let (embed, who, body) = shown.open(address, &headers).await?;
    let locked = embed.locked.as_object();
    let is_free = |filter: &Value| {
        let name = filter["name"].as_str().unwrap_or_default();
        locked.is_none_or(|locked| !locked.contains_key(name))
    };
    let filters = body["filters"].as_array();
    let filters = filters
        .into_iter()
        .flatten()
        .filter(|filter| is_free(filter));
    let filters: Vec<Value> = filters.cloned().collect();
    let by = who.actor();
    let mut tiles = Vec::new();
    for tile in body["tiles"].as_array().into_iter().flatten() {
        let mut tile = tile.clone();
        if let Some(question) = tile["question"].as_str() {
            let kind = DocumentKind::Question;
            let catalog = &shown.rooms.catalog;
            let saved = catalog.agreed_document(&by, kind, question, embed.created_at);
            if let Ok(saved) = saved.await {
                if tile["title"].as_str().is_none_or(str::is_empty) {
                    tile["title"] = json!(saved.document.name);
                }
                if tile["chart"].is_null() {
                    tile["chart"] = saved.body["chart"].clone();
                }
                let parameters = saved.body["parameters"].as_array();
                let names = parameters.into_iter().flatten();
                let names: Vec<Value> = names.map(|one| one["name"].clone()).collect();
                tile["parameters"] = Value::Array(names);
            }
            tile["question"] = json!(true);
        }
        tiles.push(tile);
    }
    Ok(Json(json!({
        "name": body["name"],
        "tiles": tiles,
        "tabs": body["tabs"],
        "filters": filters,
        "refresh": body["refresh"],
    })))
}

/// Values of parameters.
struct Set {
    /// Of filters that whoever looks may change.
    defaults: Map<String, Value>,
    locked: Map<String, Value>,
}

/// Where the types lie that filters had when they were locked, among their values.
const FILTER_TYPES: &str = "$types";

fn type_of(filter: &Value) -> &str {
    filter["type"].as_str().unwrap_or("text")
}

/// Adds the types of the filters that are locked: one that becomes another type sets other parameters, and would hold
/// nothing any more.
fn with_types(dashboard: &Value, mut locked: Map<String, Value>) -> Result<Value, ApiError> {
    if locked.contains_key(FILTER_TYPES) {
        return Err(ApiError::invalid("a filter's name does not begin with `$`"));
    }
    let filters = dashboard["filters"].as_array().into_iter().flatten();
    let types: Map<String, Value> = filters
        .filter_map(|filter| {
            let name = filter["name"].as_str()?;
            locked
                .contains_key(name)
                .then(|| (name.to_owned(), json!(type_of(filter))))
        })
        .collect();
    locked.insert(FILTER_TYPES.to_owned(), Value::Object(types));
    Ok(Value::Object(locked))
}

fn without_types(mut embed: Embed) -> Embed {
    if let Some(locked) = embed.locked.as_object_mut() {
        locked.remove(FILTER_TYPES);
    }
    embed
}

/// Returns what a dashboard's filters set. A page that knows the zone of whoever looks says itself what
/// "today" is; here it is the day of UTC.
fn set_by_filters(dashboard: &Value, locked: &Value) -> Result<Set, ApiError> {
    let empty = Map::new();
    let mut locked = locked.as_object().cloned().unwrap_or_default();
    let types = locked.remove(FILTER_TYPES);
    let locked = &locked;
    let today = Utc::now().date_naive();
    let all = |dashboard: &Value, chosen: &Map<String, Value>| {
        let values = filter_values(dashboard, chosen, today);
        let values = values.map_err(ApiError::invalid)?;
        let sets = values.into_iter().flat_map(|value| value.sets);
        Ok::<_, ApiError>(sets.collect::<Map<_, _>>())
    };
    let (mut held, mut free) = (Vec::new(), Vec::new());
    for filter in dashboard["filters"].as_array().into_iter().flatten() {
        let name = filter["name"].as_str().unwrap_or_default();
        match locked.contains_key(name) {
            true => held.push(filter.clone()),
            false => free.push(filter.clone()),
        }
    }
    // What is locked holds also where its filter is gone.
    let gone = locked
        .iter()
        .filter(|(name, _)| !held.iter().any(|filter| filter["name"] == json!(name)));
    let gone: Map<_, _> = gone
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    // Which parameters a range set is known to its filter alone: without it nothing would be held.
    let is_range = |value: &Value| {
        value
            .as_str()
            .is_some_and(|text| range(text, today).is_ok())
    };
    if let Some((name, _)) = gone.iter().find(|(_, value)| is_range(value)) {
        return Err(ApiError::invalid(format!(
            "this link holds the filter `{name}`, which the dashboard does not have any more"
        ))
        .with_hint("make another link"));
    }
    let is_another = |filter: &&Value| {
        let name = filter["name"].as_str().unwrap_or_default();
        let now = type_of(filter);
        match types.as_ref().and_then(|types| types[name].as_str()) {
            Some(then) => then != now,
            // A link from before types were kept.
            None => now == "text" && locked.get(name).is_some_and(is_range),
        }
    };
    if let Some(filter) = held.iter().find(is_another) {
        let name = filter["name"].as_str().unwrap_or_default();
        return Err(ApiError::invalid(format!(
            "this link holds the filter `{name}`, which is of another type by now"
        ))
        .with_hint("make another link"));
    }
    let mut set = all(&json!({ "filters": held }), locked)?;
    set.extend(gone);
    Ok(Set {
        defaults: all(&json!({ "filters": free }), &empty)?,
        locked: set,
    })
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    #[serde(default)]
    params: Map<String, Value>,
}

/// Answers one tile.
async fn tile(
    State(shown): State<Shown>,
    ClientAddress(address): ClientAddress,
    Path(tile): Path<String>,
    headers: HeaderMap,
    asked: Result<Json<Asked>, JsonRejection>,
) -> Result<Response, ApiError> {
    let Json(mut asked) = asked.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let (embed, who, body) = shown.open(address, &headers).await?;
    let mut tiles = body["tiles"].as_array().into_iter().flatten();
    let question = tiles
        .find(|one| one["id"] == json!(tile))
        .and_then(|tile| tile["question"].as_str());
    let Some(question) = question else {
        return Err(ApiError::not_found("the dashboard has no such tile"));
    };
    let set = set_by_filters(&body, &embed.locked)?;
    for (name, value) in set.defaults {
        asked.params.entry(name).or_insert(value);
    }
    // Last, so that nobody's values take their place.
    asked.params.extend(set.locked);
    let kind = DocumentKind::Question;
    let catalog = &shown.rooms.catalog;
    let saved = catalog
        .agreed_document(&who.actor(), kind, question, embed.created_at)
        .await?;
    let parameters = saved.body["parameters"].as_array();
    let takes = |name: &str| {
        parameters.is_some_and(|all| all.iter().any(|one| one["name"].as_str() == Some(name)))
    };
    // A filter that a question has no parameter for is for others.
    let params = asked.params.into_iter().filter(|(name, _)| takes(name));
    let embedded = Embedded {
        question: question.to_owned(),
        version: saved.shown_version,
        params: params.collect(),
        rows: ROWS,
    };
    results::embedded(shown.rooms, who, embedded).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_locked_holds_or_the_link_ends() {
        let dashboard = json!({"filters": [
            {"name": "period", "type": "date_range"},
            {"name": "country", "default": "DE"},
        ]});
        let set = set_by_filters(&dashboard, &json!({"period": "2026-01-01..2026-01-31"})).unwrap();
        assert_eq!(
            Value::Object(set.locked),
            json!({"period_from": "2026-01-01", "period_to": "2026-02-01"})
        );
        assert_eq!(Value::Object(set.defaults), json!({"country": "DE"}));
        // Without its filter, a value goes on holding; which parameters a range held, nobody knows.
        let without = json!({ "filters": [] });
        let set = set_by_filters(&without, &json!({"country": "PT"})).unwrap();
        assert_eq!(Value::Object(set.locked), json!({"country": "PT"}));
        assert!(set_by_filters(&without, &json!({"period": "this_month"})).is_err());
        // Of another type it sets other parameters: what was held would be open.
        let period = json!({"period": "last_7_days", "country": "PT"});
        let locked = with_types(&dashboard, period.as_object().unwrap().clone()).unwrap();
        assert!(set_by_filters(&dashboard, &locked).is_ok());
        let other = json!({"filters": [{"name": "period", "type": "text"}, {"name": "country"}]});
        assert!(set_by_filters(&other, &locked).is_err());
        assert!(set_by_filters(&other, &period).is_err());
        let country = with_types(
            &other,
            json!({"country": "PT"}).as_object().unwrap().clone(),
        );
        assert!(set_by_filters(&dashboard, &country.unwrap()).is_ok());
        assert!(with_types(&other, locked.as_object().unwrap().clone()).is_err());
    }
}
