//! Whose questions, dashboards and tables are, and who may say so.

use serde_json::json;
use weir_testkit::{Context, Result, Weir, ensure};

use crate::rollups::Person;

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_owns_is_given_by_them_and_by_admins() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let anna = Person::new(&weir, "anna", "analyst").await?;
    let ben = Person::new(&weir, "ben", "analyst").await?;
    let vera = Person::new(&weir, "vera", "viewer").await?;
    let owner = Person::owner(&weir)?;
    let question = anna.question("Mine", "select 1 as n", "edit").await?;
    let path = format!("/api/v1/questions/{question}/owner");
    let to = |name: &str| Some(json!({ "owner": name }));
    for (who, wanted, status) in [
        (&vera, "vera", 403),
        (&ben, "ben", 403),
        (&anna, "nobody_like_it", 404),
        (&anna, "ben", 204),
        (&anna, "anna", 403),
        (&owner, "vera", 204),
    ] {
        let (found, said) = who.ask("PUT", &path, to(wanted)).await?;
        ensure!(found == status, "{wanted}: {found} {said}");
    }
    let (_, shown) = anna
        .ask("GET", &format!("/api/v1/questions/{question}"), None)
        .await?;
    ensure!(shown["owner"] == "vera", "{shown}");

    // A table, with the rights that go with it.
    let made = json!({"sql": "create table anna.t as select 1 as n"});
    ensure!(
        anna.ask("POST", "/api/v1/query", Some(made)).await?.0 == 200,
        "made"
    );
    let path = "/api/v1/tables/anna/t/owner";
    ensure!(
        ben.ask("PUT", path, to("ben")).await?.0 == 404,
        "not hidden"
    );
    ensure!(
        anna.ask("PUT", path, to("ben")).await?.0 == 204,
        "not given"
    );
    let read = Some(json!({"sql": "select n from anna.t"}));
    ensure!(
        ben.ask("POST", "/api/v1/query", read).await?.0 == 200,
        "not read"
    );
    let (_, all) = ben.ask("GET", "/api/v1/tables/owners", None).await?;
    let own = all["tables"].as_array().context("tables")?;
    let wanted = json!({"schema_name": "anna", "table_name": "t", "owner": "ben"});
    ensure!(own.contains(&wanted), "{all}");
    let (_, all) = vera.ask("GET", "/api/v1/tables/owners", None).await?;
    ensure!(!all.to_string().contains("anna"), "{all}");
    ensure!(
        owner
            .ask("PUT", "/api/v1/tables/weir/tables/owner", to("ben"))
            .await?
            .0
            >= 400,
        "given"
    );
    let (_, people) = vera.ask("GET", "/api/v1/people", None).await?;
    ensure!(people["people"].to_string().contains("ben"), "{people}");
    weir.stop().await
}
