//! Dashboards and questions under git, both ways by themselves.

use std::path::PathBuf;

use serde_json::{Value, json};
use weir_testkit::{Context, Result, Weir, ensure, until};

use crate::rollups::Person;

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

struct Project {
    weir: Weir,
}

impl Project {
    fn path(&self, file: &str) -> PathBuf {
        self.weir.dir().join(file)
    }

    fn write(&self, file: &str, text: &str) -> Result<()> {
        Ok(std::fs::write(self.path(file), text)?)
    }

    /// Waits until a file says something; returns all of it.
    async fn says(&self, file: &str, wanted: &str) -> Result<String> {
        until(|| async {
            let text = std::fs::read_to_string(self.path(file)).unwrap_or_default();
            Ok(text.contains(wanted).then_some(text))
        })
        .await
    }

    /// Waits until a document is as `wanted` says.
    async fn shows(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let owner = Person::owner(&self.weir)?;
        let (owner, wanted) = (&owner, &wanted);
        until(|| async {
            let (status, found) = owner.ask("GET", path, None).await?;
            Ok((status == 200 && wanted(&found)).then_some(found))
        })
        .await
    }
}

fn board(name: &str, title: &str) -> Value {
    json!({"name": name, "sharing": "edit", "body": {"tiles": [{"h": 2, "w": 6, "y": 0, "x": 0, "text": "hello", "title": title, "id": "a"}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn dashboards_and_their_files_follow_each_other() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    for folder in ["dashboards", "questions"] {
        std::fs::create_dir_all(weir.dir().join(folder))?;
    }
    weir.start().await?;
    let project = Project { weir };
    let anna = Person::new(&project.weir, "anna", "analyst").await?;
    let vera = Person::new(&project.weir, "vera", "viewer").await?;

    // What is published is written, and written again only when it says something else.
    let (_, made) = anna
        .ask(
            "POST",
            "/api/v1/dashboards",
            Some(board("Sales & Returns", "One")),
        )
        .await?;
    let id = made["id"].as_str().context("an id")?.to_owned();
    let file = "dashboards/sales-returns.yml";
    let text = project.says(file, "title: One").await?;
    ensure!(
        text.starts_with(&format!("version: 1\nid: {id}\nname: Sales & Returns\n")),
        "{text}"
    );
    let path = format!("/api/v1/dashboards/{id}");
    let mut next = board("Sales & Returns", "Two");
    next["version"] = json!(1);
    ensure!(anna.ask("PUT", &path, Some(next)).await?.0 == 200, "saved");
    let text = project.says(file, "title: Two").await?;

    // A file that is changed is applied, comments and all.
    let by_hand = format!("# ours\n{}", text.replace("title: Two", "title: Three"));
    project.write(file, &by_hand)?;
    project
        .shows(&path, |found| found["body"]["tiles"][0]["title"] == "Three")
        .await?;
    ensure!(
        std::fs::read_to_string(project.path(file))? == by_hand,
        "churn"
    );

    // A wrong one is told by its name, and changes nothing.
    project.write(file, &by_hand.replace("w: 6", "w: 60"))?;
    let found = project
        .shows("/api/v1/files", |found| found["problems"][0].is_object())
        .await?;
    ensure!(
        found["problems"][0]["path"] == file
            && found["problems"][0]["problem"]
                .as_str()
                .is_some_and(|why| why.contains("`w`")),
        "{found}"
    );
    let (_, told) = vera.ask("GET", "/api/v1/files", None).await?;
    ensure!(told["problems"] == json!([]), "{told}");
    project
        .shows(&path, |found| found["body"]["tiles"][0]["title"] == "Three")
        .await?;

    // Both changed: neither is lost, and somebody who may says which counts.
    let (_, now) = anna.ask("GET", &path, None).await?;
    let mut next = board("Sales & Returns", "Mine");
    next["version"] = now["version"].clone();
    ensure!(anna.ask("PUT", &path, Some(next)).await?.0 == 200, "saved");
    let theirs = by_hand.replace("title: Three", "title: Theirs");
    project.write(file, &theirs)?;
    project
        .shows("/api/v1/files", |found| {
            found["conflicts"][0]["document"] == json!(id)
        })
        .await?;
    project
        .shows(&path, |found| found["body"]["tiles"][0]["title"] == "Mine")
        .await?;
    ensure!(
        std::fs::read_to_string(project.path(file))? == theirs,
        "written over"
    );
    let settle = format!("/api/v1/files/{id}");
    let keep = |side: &str| Some(json!({"keep": side}));
    ensure!(
        vera.ask("POST", &settle, keep("file")).await?.0 == 403,
        "settled"
    );
    ensure!(
        anna.ask("POST", &settle, keep("neither")).await?.0 == 400,
        "settled"
    );
    ensure!(
        anna.ask("POST", &settle, keep("file")).await?.0 == 204,
        "not settled"
    );
    project
        .shows(&path, |found| {
            found["body"]["tiles"][0]["title"] == "Theirs"
        })
        .await?;
    ensure!(
        anna.ask("POST", &settle, keep("file")).await?.0 == 404,
        "settled twice"
    );

    // A file that goes takes its dashboard along, and brings it back.
    std::fs::remove_file(project.path(file))?;
    let owner = Person::owner(&project.weir)?;
    let (owner, path) = (&owner, &path);
    until(|| async { Ok((owner.ask("GET", path, None).await?.0 == 404).then_some(())) }).await?;
    project.write(file, &theirs)?;
    project
        .shows(path, |found| found["body"]["tiles"][0]["title"] == "Theirs")
        .await?;
    let mut weir = project.weir;
    weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_of_the_files_makes_what_they_say() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    for folder in ["dashboards", "questions"] {
        std::fs::create_dir_all(weir.dir().join(folder))?;
    }
    weir.start().await?;
    let first = Project { weir };
    let anna = Person::new(&first.weir, "anna", "analyst").await?;
    let sql = "select 1 as n -- a line\nunion all\nselect 2";
    let question = anna.question("One & two", sql, "read").await?;
    anna.question("Secret", "select 3", "private").await?;
    let tile = json!({"id": "a", "question": question, "x": 0, "y": 0, "w": 6, "h": 4});
    let draft = json!({"name": "Board", "sharing": "read", "body": {"tiles": [tile]}});
    ensure!(
        anna.ask("POST", "/api/v1/dashboards", Some(draft)).await?.0 == 201,
        "made"
    );
    let asked = first.says("questions/one-two.yml", "union all").await?;
    let shown = first.says("dashboards/board.yml", &question).await?;
    ensure!(
        !first.path("questions/secret.yml").exists(),
        "what is private was written"
    );
    let mut weir = first.weir;
    weir.stop().await?;

    let mut weir = Weir::init(BINARY)?;
    for folder in ["dashboards", "questions"] {
        std::fs::create_dir_all(weir.dir().join(folder))?;
    }
    std::fs::write(weir.dir().join("questions/one-two.yml"), &asked)?;
    std::fs::write(weir.dir().join("dashboards/board.yml"), &shown)?;
    weir.start().await?;
    let second = Project { weir };
    let path = format!("/api/v1/questions/{question}");
    second
        .shows(&path, |found| found["body"]["sql"] == json!(sql))
        .await?;
    let all = second
        .shows("/api/v1/dashboards", |found| {
            found["dashboards"][0].is_object()
        })
        .await?;
    ensure!(all["dashboards"][0]["name"] == "Board", "{all}");
    ensure!(
        std::fs::read_to_string(second.path("dashboards/board.yml"))? == shown,
        "churn"
    );
    let mut weir = second.weir;
    weir.stop().await
}
