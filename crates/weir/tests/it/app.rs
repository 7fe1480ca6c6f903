//! The web application in a real browser: everything a person does on their first day, with names and
//! events that want to be scripts, and requests that other pages would send.

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
    let setup = weir.setup_link().context("no link for the first owner")?;
    let artefacts = std::env::var("WEIR_ARTEFACTS")
        .unwrap_or_else(|_| format!("{}/../../ui/artefacts", env!("CARGO_MANIFEST_DIR")));
    let variables = [
        ("URL", weir.url()),
        ("SETUP_LINK", &setup),
        ("WRITE_KEY", &weir.key),
        ("ARTEFACTS", &artefacts),
    ];
    let report = Clients::find()?
        .run("../../ui/tests/app.mjs", &variables)
        .await?;
    let failures = report["failures"].as_array().context("what failed")?;
    ensure!(failures.is_empty(), "{failures:#?}\n{}", report["timings"]);
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
