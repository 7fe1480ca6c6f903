//! Links for other sites: guessing them keeps nobody from signing in.

use serde_json::{Value, json};
use weir_testkit::{Context, Result, Weir, ensure};

use crate::rollups::Person;

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

#[tokio::test]
async fn wrong_secrets_of_links_are_no_wrong_passwords() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let anna = Person::new(&weir, "anna", "analyst").await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let mut told = Vec::new();
    for _ in 0..40 {
        let asked = http
            .get(format!("{}/api/v1/embed", weir.url()))
            .header("weir-embed", "f".repeat(64));
        told.push(asked.send().await?.status().as_u16());
    }
    ensure!(told[0] == 404 && told.contains(&429), "{told:?}");
    let (status, said) = anna.ask("GET", "/api/v1/me", None).await?;
    ensure!(status == 200, "{status} {said}");
    weir.stop().await
}

#[tokio::test]
async fn a_link_shows_nothing_that_others_have_saved_since() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let anna = Person::new(&weir, "anna", "analyst").await?;
    let ben = Person::new(&weir, "ben", "analyst").await?;
    let make = json!({"sql": "create table anna.secret as select 4321 as salary"});
    let (status, said) = anna.ask("POST", "/api/v1/query", Some(make)).await?;
    ensure!(status == 200, "{status} {said}");
    let theirs = "select salary as n from anna.secret";
    let (status, said) = ben
        .ask("POST", "/api/v1/query", Some(json!({"sql": theirs})))
        .await?;
    ensure!(status != 200, "{said}");

    let question = anna.question("Total", "select 1 as n", "edit").await?;
    let tile = json!({"id": "a", "question": question, "x": 0, "y": 0, "w": 6, "h": 4});
    let board = |version: Value, tiles: Value| json!({"name": "Board", "sharing": "edit", "version": version, "body": {"tiles": tiles}});
    let made = anna.ask(
        "POST",
        "/api/v1/dashboards",
        Some(board(Value::Null, json!([tile]))),
    );
    let made = made.await?.1;
    let path = format!(
        "/api/v1/dashboards/{}",
        made["id"].as_str().context(made.to_string())?
    );
    let link = json!({"sites": ["https://a.example"]});
    let (_, link) = anna
        .ask("POST", &format!("{path}/embeds"), Some(link))
        .await?;
    let secret = link["path"].as_str().and_then(|path| path.split_once('#'));
    let (_, secret) = secret.context(link.to_string())?;

    let http = reqwest::Client::builder().no_proxy().build()?;
    let shown = async |tile: &str| -> Result<(u16, String)> {
        let asked = http
            .post(format!("{}/api/v1/embed/tiles/{tile}", weir.url()))
            .header("weir-embed", secret)
            .json(&json!({}));
        let answer = asked.send().await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    };
    let before = shown("a").await?;
    ensure!(before.0 == 200, "{before:?}");
    let board_of_link = http
        .get(format!("{}/api/v1/embed", weir.url()))
        .header("weir-embed", secret)
        .send();
    let drawn: Value = board_of_link.await?.json().await?;
    ensure!(drawn["tiles"][0]["title"] == "Total", "{drawn}");
    let changed =
        json!({"name": "Total", "sharing": "edit", "version": 1, "body": {"sql": theirs}});
    let (status, said) = ben
        .ask(
            "PUT",
            &format!("/api/v1/questions/{question}"),
            Some(changed),
        )
        .await?;
    ensure!(status == 200, "{status} {said}");
    let own = ben.question("Own", theirs, "edit").await?;
    let added = json!([tile, {"id": "b", "question": own, "x": 6, "y": 0, "w": 6, "h": 4}]);
    let (status, said) = ben.ask("PUT", &path, Some(board(json!(1), added))).await?;
    ensure!(status == 200, "{status} {said}");
    for tile in ["a", "b"] {
        let (status, text) = shown(tile).await?;
        ensure!(!text.contains("4321"), "{tile}: {text}");
        ensure!((status == 200) == (tile == "a"), "{tile}: {status} {text}");
    }
    weir.stop().await
}
