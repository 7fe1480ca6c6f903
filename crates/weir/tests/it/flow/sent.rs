//! Dashboards that are sent: by chat, webhook and mail, with drawings, to each receiver once.

use base64::Engine as _;
use serde_json::{Value, json};
use weir_testkit::{Context, Result, Weir, ensure, until};

use super::told::{all, mailbox, receiver};
use crate::rollups::Person;

const BINARY: &str = env!("CARGO_BIN_EXE_weir");
const EVIL: &str = "<img src=x onerror=alert(1)>";

/// Returns the parts of a mail as they were before they were made fit for travel.
fn unpacked(mail: &str) -> String {
    let mut text = mail.replace("=\n", "").replace("=\r\n", "");
    for part in mail.split("\r\n\r\n") {
        let part: String = part
            .lines()
            .take_while(|line| !line.starts_with("--"))
            .collect();
        if let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(part.trim()) {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dashboard_is_drawn_and_sent_to_everybody_once() -> Result<()> {
    // The first that is posted is refused, and sent again.
    let (hook, posted) = receiver().await?;
    let hooked = posted.clone();
    let (chat, said) = receiver().await?;
    let (server, mails) = mailbox().await?;
    let mut weir = Weir::init(BINARY)?;
    let schedules = format!(
        "defaults: {{retries: {{first_wait: 1s, longest_wait: 1s}}}}\n\
         alerts:\n  hook: {{webhook: \"{hook}\"}}\n  team: {{slack: \"${{env:CHAT}}\"}}\n  \
         anna:\n    email: {{to: anna@example.com, from: weir@example.com, server: \"{server}\", encryption: none}}\n"
    );
    std::fs::write(weir.dir().join("schedules.yml"), schedules)?;
    weir.set("CHAT", &chat).start().await?;
    let anna = Person::new(&weir, "anna", "analyst").await?;
    let vera = Person::new(&weir, "vera", "viewer").await?;
    let rows = format!(
        "select * from (values ('a', 3), ('{EVIL}', 5)) as t (who, n) where who <> {{{{without}}}}"
    );
    let body = json!({"sql": rows, "chart": {"kind": "bar", "x": "who", "y": ["n"]},
                      "parameters": [{"name": "without", "type": "text", "default": "z"}]});
    let draft = json!({"name": EVIL, "sharing": "read", "body": body});
    let (_, made) = anna.ask("POST", "/api/v1/questions", Some(draft)).await?;
    let bars = made["id"].as_str().context("an id")?.to_owned();
    let broken = anna
        .question("Broken", "select nothing_like_it", "read")
        .await?;
    let total = anna.question("Total", "select 1234 as n", "read").await?;
    let tile = |id: &str, y: u32, more: Value| {
        let mut tile = json!({"id": id, "x": 0, "y": y, "w": 6, "h": 4});
        for (name, value) in more.as_object().into_iter().flatten() {
            tile[name] = value.clone();
        }
        tile
    };
    let body = json!({
        "tiles": [
            tile("b", 4, json!({"question": bars, "title": "Who buys"})),
            tile("c", 8, json!({"question": total, "chart": {"kind": "number", "y": ["n"]}})),
            tile("d", 12, json!({"question": broken})),
            tile("a", 0, json!({"text": EVIL})),
        ],
        "filters": [{"name": "without", "type": "text"}],
    });
    let draft = json!({"name": "Shop & more", "sharing": "edit", "body": body});
    let (_, made) = anna.ask("POST", "/api/v1/dashboards", Some(draft)).await?;
    let board = made["id"].as_str().context("an id")?;
    let path = format!("/api/v1/dashboards/{board}/deliveries");

    // Who may, and to whom.
    let wanted = |receivers: &[&str], cron: &str| json!({"receivers": receivers, "cron": cron, "filters": {"without": "nobody"}});
    let refused = [
        (&vera, wanted(&["hook"], "0 8 * * *"), 403),
        (&anna, wanted(&["hok"], "0 8 * * *"), 400),
        (&anna, wanted(&[], "0 8 * * *"), 400),
        (&anna, wanted(&["hook"], "61 8 * * *"), 400),
    ];
    for (who, wanted, status) in refused {
        let (found, said) = who.ask("POST", &path, Some(wanted)).await?;
        ensure!(found == status, "{found} {said}");
    }
    let everybody = wanted(&["hook", "team", "anna"], "0 8 1 1 *");
    let (status, made) = anna.ask("POST", &path, Some(everybody)).await?;
    ensure!(status == 201, "{status} {made}");
    let own = format!("{path}/{}", made["id"].as_str().context("an id")?);
    ensure!(vera.ask("DELETE", &own, None).await?.0 == 403, "removed");
    let send = format!("{own}/send");
    ensure!(vera.ask("POST", &send, None).await?.0 == 403, "sent");

    let (status, begun) = anna.ask("POST", &send, None).await?;
    ensure!(status == 202, "{status} {begun}");
    let anna = &anna;
    let ended = until(|| async {
        let (_, all) = anna.ask("GET", &path, None).await?;
        let last = all["deliveries"][0]["goes"]["last_run"].clone();
        let open = matches!(last["state"].as_str(), None | Some("queued" | "running"));
        Ok((!open).then_some(last))
    })
    .await?;
    ensure!(ended["state"] == "succeeded", "{ended} {}", weir.log());

    let posted = all(&posted)?;
    ensure!(
        posted.len() == 1 && posted[0]["name"] == "Shop & more",
        "{posted:?}"
    );
    let tiles = &posted[0]["tiles"];
    ensure!(
        tiles[0]["text"] == EVIL && tiles[1]["title"] == "Who buys",
        "{tiles}"
    );
    ensure!(
        tiles[1]["rows"] == json!([["a", 3.0], [EVIL, 5.0]]),
        "{tiles}"
    );
    let svg = tiles[1]["svg"].as_str().context("a drawing")?;
    ensure!(
        svg.starts_with("<svg ") && svg.contains("<rect ") && !svg.contains("<img"),
        "{svg}"
    );
    ensure!(
        tiles[2]["kind"] == "number" && tiles[3]["error"].is_string(),
        "{tiles}"
    );
    ensure!(
        posted[0]["link"]
            .as_str()
            .is_some_and(|link| link.ends_with(&format!("/d/{board}"))),
        "{posted:?}"
    );

    let said = all(&said)?;
    ensure!(said.len() == 1, "{said:?}");
    let text = said[0]["text"].as_str().context("a text")?;
    ensure!(
        text.contains("*Total*\n1234") && text.contains("Who buys") && !text.contains("<img"),
        "{text}"
    );

    let mails = mails.lock().unwrap().clone();
    ensure!(mails.len() == 1, "{mails:?}");
    let mail = unpacked(&mails[0]);
    ensure!(
        mail.contains("Subject: Shop & more") && mail.contains("multipart/mixed"),
        "{mail}"
    );
    ensure!(
        mail.contains("02-who-buys.svg")
            && mail.contains("<svg ")
            && mail.contains("There is no answer"),
        "{mail}"
    );

    // What somebody else makes of the dashboard, or of its questions, is not sent with her rights.
    let ben = Person::new(&weir, "ben", "analyst").await?;
    let theirs = json!({
        "name": "Shop & more", "sharing": "edit", "version": 1,
        "body": {"tiles": [tile("z", 0, json!({"question": total}))], "filters": []},
    });
    let (status, said) = ben
        .ask("PUT", &format!("/api/v1/dashboards/{board}"), Some(theirs))
        .await?;
    ensure!(status == 200, "{status} {said}");
    ensure!(anna.ask("POST", &send, None).await?.0 == 202, "not begun");
    until(|| async { Ok((all(&hooked)?.len() == 2).then_some(())) }).await?;
    let again = &all(&hooked)?[1]["tiles"];
    ensure!(again == tiles, "{again}");

    // Whoever may not sign in any more sends nothing.
    let owner = Person::owner(&weir)?;
    let off = Some(json!({"disabled": true}));
    let (status, said) = owner.ask("PUT", "/api/v1/users/anna/disabled", off).await?;
    ensure!(status < 300, "{said}");
    ensure!(owner.ask("POST", &send, None).await?.0 == 202, "not begun");
    let why = until(|| async {
        let (_, all) = owner.ask("GET", &path, None).await?;
        let last = all["deliveries"][0]["goes"]["last_run"].clone();
        Ok((last["state"] == "failed").then_some(last))
    })
    .await?;
    ensure!(
        why["reason"]
            .as_str()
            .is_some_and(|why| why.contains("`anna`")),
        "{why}"
    );
    weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn kill_9_between_two_receivers_sends_nothing_twice() -> Result<()> {
    let (first, heard) = receiver().await?;
    // The second takes what it is sent, and does not say so.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let second = listener.local_addr()?;
    let mut weir = Weir::init(BINARY)?;
    let schedules = format!(
        "defaults: {{retries: {{first_wait: 1s, longest_wait: 1s}}}}\n\
         alerts:\n  first: {{webhook: \"{first}\"}}\n  second: {{webhook: \"http://{second}/hook\"}}\n"
    );
    std::fs::write(weir.dir().join("schedules.yml"), schedules)?;
    weir.start().await?;
    let anna = Person::new(&weir, "anna", "analyst").await?;
    let total = anna.question("Total", "select 1234 as n", "read").await?;
    let tile = json!({"id": "a", "x": 0, "y": 0, "w": 6, "h": 4, "question": total});
    let draft =
        json!({"name": "Shop", "sharing": "edit", "body": {"tiles": [tile], "filters": []}});
    let (_, made) = anna.ask("POST", "/api/v1/dashboards", Some(draft)).await?;
    let board = made["id"].as_str().context("an id")?.to_owned();
    let path = format!("/api/v1/dashboards/{board}/deliveries");
    let wanted = json!({"receivers": ["first", "second"], "cron": "0 8 1 1 *", "filters": {}});
    let (status, made) = anna.ask("POST", &path, Some(wanted)).await?;
    ensure!(status == 201, "{status} {made}");
    let send = format!("{path}/{}/send", made["id"].as_str().context("an id")?);
    ensure!(anna.ask("POST", &send, None).await?.0 == 202, "not begun");

    // The first refuses once, so that this is the second attempt.
    let waiting = until(|| async {
        let (stream, _) = listener.accept().await?;
        Ok((all(&heard)?.len() == 1).then_some(stream))
    })
    .await?;
    weir.kill()?;
    drop((waiting, listener));
    let again = super::told::receiver_at(second).await?;
    weir.start().await?;
    let owner = Person::owner(&weir)?;
    let ended = until(|| async {
        let (_, all) = owner.ask("GET", &path, None).await?;
        let last = all["deliveries"][0]["goes"]["last_run"].clone();
        let open = matches!(last["state"].as_str(), None | Some("queued" | "running"));
        Ok((!open).then_some(last))
    })
    .await?;
    ensure!(ended["state"] == "succeeded", "{ended} {}", weir.log());
    let (heard, again) = (all(&heard)?, all(&again)?);
    ensure!(heard.len() == 1 && again.len() == 1, "{heard:?} {again:?}");
    ensure!(heard[0]["id"] == again[0]["id"], "{heard:?} {again:?}");
    weir.stop().await
}
