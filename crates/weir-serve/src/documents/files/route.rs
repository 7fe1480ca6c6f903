use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use weir_access::{DocumentAction, DocumentOwner};
use weir_catalog::{DocumentFile, DocumentKind};

use super::Files;
use super::folder;
use crate::auth::SignedIn;
use crate::error::ApiError;

/// Returns the routes; they are for whoever is signed in, with the rights they have.
pub(crate) fn router(files: Files) -> Router {
    Router::new()
        .route("/api/v1/files", get(list))
        .route("/api/v1/files/{document}", post(settle))
        .with_state(files)
}

/// Tells what is wrong with files, and what was changed on both sides.
async fn list(State(files): State<Files>, who: SignedIn) -> Result<Json<Value>, ApiError> {
    let access = files.catalog.access();
    let nobodys = DocumentOwner {
        owner: None,
        readable: true,
        editable: true,
    };
    let makes = access.decide_document(who.identity(), DocumentAction::Create, &nobodys);
    let project = files.project.clone();
    let kinds = tokio::task::spawn_blocking(move || folder::kinds(&project)).await;
    let folders: Vec<&str> = kinds
        .unwrap_or_default()
        .into_iter()
        .map(folder::folder_of)
        .collect();
    if !makes.allowed {
        // What is wrong with a file may quote it.
        return Ok(Json(
            json!({ "folders": folders, "problems": [], "conflicts": [] }),
        ));
    }
    let by = who.actor();
    let mut readable = Vec::new();
    for kind in [DocumentKind::Question, DocumentKind::Dashboard] {
        let all = files.catalog.documents(&by, kind).await?;
        readable.extend(all.into_iter().map(|one| one.id));
    }
    let found = files.found.lock().clone();
    let problems: Vec<Value> = found
        .problems
        .iter()
        .map(|(path, problem)| json!({ "path": path, "problem": problem }))
        .collect();
    let conflicts: Vec<_> = found
        .conflicts
        .values()
        .filter(|one| readable.contains(&one.document))
        .collect();
    Ok(Json(
        json!({ "folders": folders, "problems": problems, "conflicts": conflicts }),
    ))
}

/// Which of two counts.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    File,
    Application,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settled {
    keep: Side,
}

/// Ends a conflict: whoever may change the document says which side counts.
async fn settle(
    State(files): State<Files>,
    who: SignedIn,
    Path(id): Path<String>,
    sent: Result<Json<Settled>, JsonRejection>,
) -> Result<StatusCode, ApiError> {
    let Json(Settled { keep }) =
        sent.map_err(|rejection| ApiError::invalid(rejection.body_text()))?;
    let conflict = files.found.lock().conflicts.get(&id).cloned();
    let none = || ApiError::not_found("its file and it do not contradict each other");
    let conflict = conflict.ok_or_else(none)?;
    let saved = files
        .catalog
        .document(&who.actor(), conflict.kind, &id, None)
        .await?;
    let access = files.catalog.access();
    let owner = saved.document.access();
    let decision = access.decide_document(who.identity(), DocumentAction::Write, &owner);
    if !decision.allowed {
        return Err(ApiError::denied(format!(
            "`{}` may not change this {}: {}",
            who.identity().user(),
            conflict.kind,
            decision.reason
        )));
    }
    let project = files.project.clone();
    let read = tokio::task::spawn_blocking(move || folder::read(&project)).await;
    let disk = read.unwrap_or_default();
    let file = disk.get(&conflict.path).ok_or_else(none)?;
    // As if only the other had stayed as it was: the next look does the rest.
    let (version, hash) = match keep {
        Side::File => (saved.document.version, Vec::new()),
        Side::Application => (saved.document.version - 1, file.hash.clone()),
    };
    let agreed = DocumentFile {
        document: id.clone(),
        path: conflict.path,
        version,
        hash,
    };
    files.catalog.put_document_file(&agreed).await?;
    files.sync().await?;
    Ok(StatusCode::NO_CONTENT)
}
