//! The web application in a real browser: everything a person does on their first day, with names and
//! events that want to be scripts, and requests that other pages would send.

use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};
use weir_testkit::{Clients, Context, Result, Weir, ensure};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

/// What somebody hostile would send as an event's name.
const EVIL: &str = r#"<img src=x onerror="window.__xss=1">"'><script>window.__xss=1</script>"#;

#[tokio::test]
async fn people_do_their_work_in_a_browser() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let mut events: Vec<Value> = (0..30)
        .map(|n| json!({"type": "track", "event": "Order Completed", "userId": format!("u{n}"), "properties": {"price": n}}))
        .collect();
    for name in [EVIL, "Signed Up", "=cmd|' /C calc'!A0", "Größe 日本語"] {
        events.push(
            json!({"type": "track", "event": name, "userId": EVIL, "properties": {"plan": EVIL}}),
        );
    }
    ensure!(weir.send(&events).await?, "not acknowledged");
    weir.until_count("select count(*) from app.tracks", 34)
        .await?;
    weir.flush().await?;
    drive(&weir, "app.mjs").await?;
    weir.stop().await
}

/// Runs a script of the browser's, and fails with what it found.
async fn drive(weir: &Weir, script: &str) -> Result<()> {
    let setup = weir.setup_link().context("no link for the first owner")?;
    let artefacts = std::env::var("WEIR_ARTEFACTS")
        .unwrap_or_else(|_| format!("{}/../../ui/artefacts", env!("CARGO_MANIFEST_DIR")));
    let project = weir.dir().display().to_string();
    let variables = [
        ("URL", weir.url()),
        ("SETUP_LINK", &setup),
        ("WRITE_KEY", &weir.key),
        ("PROJECT", &project),
        ("ARTEFACTS", &artefacts),
    ];
    let report = Clients::find()?
        .run(&format!("../../ui/tests/{script}"), &variables)
        .await?;
    let failures = report["failures"].as_array().context("what failed")?;
    ensure!(failures.is_empty(), "{failures:#?}\n{}", report["timings"]);
    Ok(())
}

/// A tap without packages: two streams of ten numbers each.
const TAP: &str = r#"#!/usr/bin/env python3
import json, sys
properties = {"n": {"type": "integer"}}
def stream(name):
    return {"tap_stream_id": name, "stream": name, "key_properties": [], "schema": {"properties": properties},
            "metadata": [{"breadcrumb": [], "metadata": {"inclusion": "available", "selected-by-default": True, "forced-replication-method": "INCREMENTAL"}}]}
if "--discover" in sys.argv:
    print(json.dumps({"streams": [stream("even"), stream("odd")]}))
    sys.exit(0)
def out(**message): print(json.dumps(message))
state = json.load(open(sys.argv[sys.argv.index("--state") + 1])) if "--state" in sys.argv else {"at": 0}
for name in ("even", "odd"):
    out(type="SCHEMA", stream=name, schema={"properties": properties}, key_properties=[])
for n in range(state["at"], 20):
    out(type="RECORD", stream="odd" if n % 2 else "even", record={"n": n})
out(type="STATE", value={"at": 20})
"#;

#[tokio::test]
async fn people_look_after_runs_models_and_sources_in_a_browser() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    // No profile of whoever runs the tests.
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
    write(
        "seeds/raw_orders.csv",
        "id,customer,amount\n1,ada,10.5\n2,bob,20\n3,ada,30.25\n",
    )?;
    write(
        "models/orders.sql",
        "select id, customer, amount from {{ ref('raw_orders') }}\n",
    )?;
    write(
        "models/customers.sql",
        "{{ config(materialized='table', tags=['daily']) }}\n\
         select customer, sum(amount) as total, count(*) as orders from {{ ref('orders') }} group by 1\n",
    )?;
    write(
        "models/broken.sql",
        "select nothing_like_it from {{ ref('orders') }}\n",
    )?;
    let described = json!({"models": [
        {"name": "orders", "columns": [
            {"name": "id", "data_tests": ["unique", "not_null"]},
            {"name": "customer", "data_tests": [{"relationships": {"arguments": {"to": "ref('customers')", "field": "customer"}}}]},
        ]},
        {"name": "customers", "description": format!("Everybody who bought {EVIL}"), "config": {"meta": {"owner": "anna@example.com"}},
         "columns": [{"name": "customer", "description": EVIL, "data_tests": ["unique"]}]},
    ]});
    // JSON is YAML.
    write("models/schema.yml", &described.to_string())?;
    write(
        "schedules.yml",
        "schedules:\n  - name: nightly\n    cron: '30 3 * * *'\n    zone: Europe/Berlin\n  \
         - name: by_hand\n    trigger: manual\n    select: customers\n",
    )?;
    let tap = weir.dir().join("tap-numbers");
    write("tap-numbers", TAP)?;
    std::fs::set_permissions(&tap, std::fs::Permissions::from_mode(0o755))?;
    write(
        "sources/numbers.yml",
        &format!("kind: singer\ntap: {}\n", tap.display()),
    )?;
    write("sources/wrong.yml", "kind: singer\ntapp: x\n")?;
    weir.start().await?;
    let first = json!({"type": "track", "event": "Seen", "userId": "u1"});
    ensure!(weir.send(&[first]).await?, "not acknowledged");
    weir.until_count("select count(*) from app.tracks", 1)
        .await?;
    drive(&weir, "work.mjs").await?;
    weir.stop().await
}

#[tokio::test]
async fn what_goes_on_by_itself_is_looked_after_in_a_browser() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let events: Vec<Value> = ["Seen", "Seen", EVIL]
        .iter()
        .map(|name| json!({"type": "track", "event": name, "userId": "u1"}))
        .collect();
    ensure!(weir.send(&events).await?, "not acknowledged");
    weir.until_count("select count(*) from app.tracks", 3)
        .await?;
    drive(&weir, "kept.mjs").await?;
    weir.stop().await
}

#[tokio::test]
async fn a_session_ends_with_its_password_and_survives_a_restart() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let url = weir.url().to_owned();
    let setup = weir.setup_link().context("no link for the first owner")?;
    let (_, secret) = setup.split_once('#').context("no secret in the link")?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let begun = http
        .post(format!("{url}/api/v1/setup"))
        .json(&json!({"secret": secret, "user": "olga", "password": "a long sentence of olga"}))
        .send()
        .await?;
    ensure!(begun.status().is_success(), "{}", begun.text().await?);
    let cookie = begun.headers()["set-cookie"].to_str()?.to_owned();
    let cookie = cookie.split(';').next().context("no cookie")?.to_owned();
    let csrf = begun.json::<Value>().await?["user"]["csrf"]
        .as_str()
        .context("no token")?
        .to_owned();

    // The name of the cookie has the port, which another start would change.
    let port = url.rsplit_once(':').context("no port")?.1.to_owned();
    weir.stop().await?;
    weir.set("WEIR_SERVER_LISTEN", &format!("127.0.0.1:{port}"));
    weir.start().await?;
    ensure!(weir.setup_link().is_none(), "there is an owner by now");
    let me = |cookie: String| {
        let get = http
            .get(format!("{url}/api/v1/me"))
            .header("cookie", cookie);
        async move { anyhow_status(get).await }
    };
    ensure!(me(cookie.clone()).await? == 200, "the session is gone");
    ensure!(
        me(format!("{cookie}0")).await? == 401,
        "another secret is good"
    );

    let changed = http
        .put(format!("{url}/api/v1/session/password"))
        .header("cookie", &cookie)
        .header("weir-csrf", &csrf)
        .json(&json!({"current": "a long sentence of olga", "new": "another long sentence"}))
        .send()
        .await?;
    ensure!(changed.status().is_success(), "{}", changed.text().await?);
    let next = changed.headers()["set-cookie"].to_str()?.to_owned();
    let next = next.split(';').next().context("no cookie")?.to_owned();
    ensure!(me(cookie).await? == 401, "the old session goes on");
    ensure!(me(next).await? == 200, "the new session is not there");
    weir.stop().await
}

async fn anyhow_status(request: reqwest::RequestBuilder) -> Result<u16> {
    Ok(request.send().await?.status().as_u16())
}
