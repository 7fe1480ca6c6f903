//! What rests on models without being one: views, questions, dashboards.

use serde_json::{Value, json};
use weir_testkit::{Context, Result, Weir, ensure};

use crate::rollups::Person;

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

#[tokio::test(flavor = "multi_thread")]
async fn what_a_change_would_break_is_told_before_it_is_made() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    let home = weir.dir().display().to_string();
    weir.set("HOME", &home);
    let write = |name: &str, text: &str| -> Result<()> {
        let path = weir.dir().join(name);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(std::fs::write(path, text)?)
    };
    write(
        "dbt_project.yml",
        "name: shop\nversion: '1.0'\nprofile: shop\n",
    )?;
    let base = |column: &str| {
        format!("{{{{ config(materialized='table') }}}}\nselect 1 as id, 2 as {column}\n")
    };
    write("models/base.sql", &base("amount"))?;
    write("models/other.sql", "select 1 as basement\n")?;
    // A view of the project that is not built along.
    write("models/sums.sql", "select amount from {{ ref('base') }}\n")?;
    let changed = weir.dir().join("models/base.sql");
    weir.start().await?;
    let (code, _, told) = weir.run(&["build", "--project-dir", &home])?;
    ensure!(code == 0, "{told}");

    let owner = Person::owner(&weir)?;
    for sql in [
        "create schema mine",
        "create view mine.near as select amount as total from main.base",
        "create view mine.far as select total + 1 as more from mine.near",
        "create view mine.fits as select id from main.base",
    ] {
        let (status, said) = owner
            .ask("POST", "/api/v1/query", Some(json!({ "sql": sql })))
            .await?;
        ensure!(status == 200, "{sql}: {said}");
    }
    let breaks = owner
        .question(
            "Total",
            "select sum(amount) as total from main.base",
            "read",
        )
        .await?;
    owner
        .question("By way", "select id from mine.fits", "read")
        .await?;
    owner
        .question("Elsewhere", "select basement from main.other", "read")
        .await?;
    let board = json!({
        "name": "Board", "sharing": "read",
        "body": {"tiles": [{"id": "a", "question": breaks, "x": 0, "y": 0, "w": 6, "h": 4}]},
    });
    let (status, said) = owner.ask("POST", "/api/v1/dashboards", Some(board)).await?;
    ensure!(status == 201, "{status}: {said}");

    std::fs::write(&changed, base("price"))?;
    let (code, planned, told) =
        weir.run(&["plan", "--project-dir", &home, "--select", "base", "--json"])?;
    ensure!(code == 0, "{told}");
    let planned: Value = serde_json::from_str(&planned)?;
    let around = &planned["around"];
    let names = |list: &str, key: &str| -> Vec<String> {
        let found = around[list].as_array().into_iter().flatten();
        let mut names: Vec<String> = found
            .filter_map(|one| one[key].as_str().map(str::to_owned))
            .collect();
        names.sort();
        names
    };
    ensure!(
        names("broken_views", "view") == ["main.sums", "mine.far", "mine.near"],
        "{around}"
    );
    ensure!(
        names("questions", "name") == ["By way", "Total"],
        "{around}"
    );
    ensure!(names("dashboards", "name") == ["Board"], "{around}");
    let broken = names("questions", "broken");
    ensure!(
        broken.len() == 1 && broken[0].contains("`amount` does not exist"),
        "{around}"
    );

    let (code, _, told) = weir.run(&["build", "--project-dir", &home, "--select", "base"])?;
    ensure!(code == 0, "{told}");
    for wanted in [
        "the view mine.near will not work any more: ",
        "the question Total (shown on the dashboard Board) will not work any more: ",
    ] {
        ensure!(told.contains(wanted), "{told}");
    }
    // Broken it is now, and that is no news.
    std::fs::write(&changed, base("cost"))?;
    let (code, _, told) = weir.run(&["build", "--project-dir", &home, "--select", "base"])?;
    ensure!(code == 0 && !told.contains("any more"), "{code}: {told}");
    Ok(())
}
