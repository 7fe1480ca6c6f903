//! What was published together, and going back.

use reqwest::Method;
use serde_json::{Value, json};

use super::arguments::ProjectArgs;
use super::command::{Listed, Rollback};
use super::server::Server;
use super::warehouse::WeirWarehouse;
use crate::command::Global;
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

async fn reach(
    args: &ProjectArgs,
    global: &Global,
    ui: &Ui,
) -> Result<(Server, WeirWarehouse), Failure> {
    let here = std::env::current_dir().explain(|| "cannot tell the current folder".into())?;
    let folder = match &args.project_dir {
        Some(named) => here.join(named),
        None => here,
    };
    let (server, client) = Server::reach(global, &folder, ui).await?;
    Ok((server, WeirWarehouse::new(client, "weir")))
}

async fn publications(weir: &WeirWarehouse, limit: u32) -> Result<Vec<Value>, Failure> {
    let path = format!("/api/v1/publications?limit={limit}");
    let found = weir.call(Method::GET, &path, Value::Null).await;
    let found = found.explain(|| "cannot list the publications".into())?;
    Ok(found["publications"]
        .as_array()
        .cloned()
        .unwrap_or_default())
}

/// `weir publications`.
pub(crate) async fn list(args: Listed, global: &Global, ui: &Ui) -> Result<(), Failure> {
    let (server, weir) = reach(&args.project, global, ui).await?;
    let found = publications(&weir, args.limit).await;
    server.leave().await?;
    let found = found?;
    if ui.is_json() {
        for publication in &found {
            ui.answer_json(publication);
        }
        return Ok(());
    }
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let count = |value: &Value| value.as_array().map_or(0, Vec::len).to_string();
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|publication| {
            let about = &publication["about"];
            let what = match about["rolls_back"].as_str() {
                Some(id) => format!("rolls back {id}"),
                None => format!("{} {}", text(&about["command"]), text(&about["project"])),
            };
            vec![
                text(&publication["id"]),
                text(&publication["published_at"]),
                text(&publication["published_by"]),
                text(&publication["state"]),
                count(&publication["tables"]),
                count(&publication["views"]),
                what,
            ]
        })
        .collect();
    let names = [
        "id",
        "published_at",
        "by",
        "state",
        "tables",
        "views",
        "what",
    ]
    .map(str::to_owned);
    ui.answer(crate::repl::grid(&names, &rows));
    Ok(())
}

/// `weir rollback`.
pub(crate) async fn roll_back(args: Rollback, global: &Global, ui: &Ui) -> Result<(), Failure> {
    let (server, weir) = reach(&args.project, global, ui).await?;
    let done = go_back(&args, &weir).await;
    server.leave().await?;
    let (id, done) = done?;
    if ui.is_json() {
        ui.answer_json(&done);
        return Ok(());
    }
    let count = |kind: &str| done[kind].as_array().map_or(0, Vec::len);
    ui.status(format!(
        "{} tables and {} views are what they were before {id}; this is publication {}.",
        count("tables"),
        count("views"),
        done["id"].as_str().unwrap_or_default()
    ));
    Ok(())
}

async fn go_back(args: &Rollback, weir: &WeirWarehouse) -> Result<(String, Value), Failure> {
    let id = match &args.publication {
        Some(id) => id.clone(),
        None => {
            let newest = publications(weir, 1).await?;
            let newest = newest
                .first()
                .and_then(|publication| publication["id"].as_str());
            newest
                .ok_or_else(|| Failure::new("nothing was published yet"))?
                .to_owned()
        }
    };
    let path = format!("/api/v1/publications/{id}/rollback");
    let body = json!({ "force": args.force });
    let done = weir.call(Method::POST, &path, body).await;
    Ok((id, done.explain(|| "cannot roll back".into())?))
}
