//! Alerts: once when something is wrong, once when it is well again, by webhook and by mail.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use weir_testkit::{Context, Result, ensure, until};

use super::shop::Shop;

pub(super) type Heard = Arc<Mutex<Vec<String>>>;

/// Takes what is posted to it, refusing the first; returns where it listens and what it heard.
pub(super) async fn receiver() -> Result<(String, Heard)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((format!("http://{address}/hook"), hears(listener)))
}

/// Takes what is posted to an address, refusing the first.
pub(super) async fn receiver_at(address: SocketAddr) -> Result<Heard> {
    Ok(hears(TcpListener::bind(address).await?))
}

fn hears(listener: TcpListener) -> Heard {
    let heard = Heard::default();
    let into = heard.clone();
    tokio::spawn(async move {
        let mut refused = false;
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(body) = posted(stream, !refused).await else {
                continue;
            };
            if refused {
                into.lock().unwrap().push(body);
            }
            refused = true;
        }
    });
    heard
}

/// Returns what was posted.
pub(super) fn all(heard: &Heard) -> Result<Vec<Value>> {
    let bodies = heard.lock().unwrap().clone();
    let read = bodies.iter().map(|body| Ok(serde_json::from_str(body)?));
    read.collect()
}

/// Reads one request and answers it.
async fn posted(stream: TcpStream, refuse: bool) -> Result<String> {
    let mut stream = BufReader::new(stream);
    let (mut head, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse()?;
        }
        if line.trim().is_empty() {
            break;
        }
        head.push_str(&line);
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    let status = if refuse { "503 Busy" } else { "200 OK" };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await?;
    stream.flush().await?;
    Ok(String::from_utf8(body)?)
}

/// Takes mail as an SMTP server does.
pub(super) async fn mailbox() -> Result<(String, Heard)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let heard = Heard::default();
    let into = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(mail) = mailed(stream).await {
                into.lock().unwrap().push(mail);
            }
        }
    });
    Ok((address.to_string(), heard))
}

async fn mailed(stream: TcpStream) -> Result<String> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 here\r\n").await?;
    let mut mail = String::new();
    let mut is_body = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(mail);
        }
        let answer: &[u8] = match (is_body, line.trim_end()) {
            (true, ".") => {
                is_body = false;
                b"250 taken\r\n"
            }
            (true, _) => {
                mail.push_str(&line);
                continue;
            }
            (false, "DATA") => {
                is_body = true;
                b"354 go on\r\n"
            }
            (false, "QUIT") => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(mail);
            }
            _ => b"250 fine\r\n",
        };
        stream.write_all(answer).await?;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_once_and_so_is_the_recovery() -> Result<()> {
    let (hook, heard) = receiver().await?;
    let (server, mails) = mailbox().await?;
    let schedules = format!(
        "alerts:\n  team: {{webhook: \"{hook}\", token: \"${{env:HOOK}}\"}}\n  \
           ada:\n    email: {{to: ada@example.com, from: weir@example.com, server: \"{server}\", encryption: none}}\n\
         schedules:\n  - name: all\n    trigger: manual\n  - name: quiet\n    trigger: manual\n    alerts: false\n"
    );
    let mut shop = Shop::new(&schedules)?;
    shop.weir.set("HOOK", "a-secret-of-the-receiver");
    let good = "id,customer,amount\n1,ada,10\n";
    let bad = "id,customer,amount\n1,ada,1\n1,ada,2\n";
    shop.write("seeds/raw_orders.csv", bad)?;
    shop.weir.start().await?;
    // Twice wrong, and once more where nobody wants to be told.
    for name in ["all", "all", "quiet"] {
        let run = shop.trigger(name, None).await?;
        ensure!(shop.ended(run).await?["state"] == "failed", "{name}");
    }
    shop.write("seeds/raw_orders.csv", good)?;
    until(|| async {
        let run = shop.trigger("all", None).await?;
        Ok((shop.ended(run).await?["state"] == "succeeded").then_some(()))
    })
    .await?;
    until(|| async { Ok((heard.lock().unwrap().len() >= 2).then_some(())) }).await?;
    until(|| async { Ok((mails.lock().unwrap().len() >= 2).then_some(())) }).await?;

    // The first was refused, and told again: no more than that.
    let heard = all(&heard)?;
    ensure!(heard.len() == 2, "{heard:?}");
    ensure!(
        heard[0]["kind"] == "raised" && heard[0]["key"] == "schedule:all",
        "{heard:?}"
    );
    ensure!(
        heard[1]["kind"] == "recovered" && heard[1]["key"] == "schedule:all",
        "{heard:?}"
    );
    let text = heard[0]["text"].as_str().context("a text")?;
    ensure!(text.contains("unique_orders_id"), "{text}");
    let mails = mails.lock().unwrap().clone();
    ensure!(
        mails
            .iter()
            .any(|mail| mail.contains("Subject: Weir: all failed")),
        "{mails:?}"
    );
    ensure!(
        mails
            .iter()
            .any(|mail| mail.contains("Subject: Weir: all works again")),
        "{mails:?}"
    );
    let log = shop.weir.log();
    ensure!(
        !log.contains(&hook) && !log.contains("a-secret-of-the-receiver"),
        "{log}"
    );
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_that_fail_or_are_stale_are_told_of_and_so_is_their_recovery() -> Result<()> {
    let (hook, heard) = receiver().await?;
    let (other, unheard) = receiver().await?;
    let schedules = format!(
        "alerts:\n  team: {{webhook: \"{hook}\", token: \"${{env:HOOK}}\"}}\n  others: {{webhook: \"{other}\", token: \"${{env:HOOK}}\"}}\n"
    );
    let mut shop = Shop::new(&schedules)?;
    shop.weir.set("HOOK", "a-secret-of-the-receiver");
    shop.write(
        "sources/inbox.yml",
        "kind: files\npath: inbox\nevery: 1s\nfreshness: 3s\nalerts: [team]\n",
    )?;
    shop.weir.start().await?;
    let ready = async || shop.ask("GET", "/health/ready", json!(null)).await;
    // There is no such folder.
    let of = |heard: &Heard, kind: &str| -> Result<Vec<String>> {
        let told = all(heard)?.into_iter().filter(|told| told["kind"] == kind);
        let mut keys: Vec<String> = told
            .filter_map(|told| Some(told["key"].as_str()?.to_owned()))
            .collect();
        keys.sort();
        Ok(keys)
    };
    let wanted = ["source:inbox", "stale:inbox"];
    until(|| async { Ok((of(&heard, "raised")? == wanted).then_some(())) }).await?;
    let (status, told) = ready().await?;
    ensure!(
        status == 200 && told["ready"] == true && told["degraded"] == true,
        "{told}"
    );
    ensure!(told["failing_sources"] == json!(["inbox"]), "{told}");
    ensure!(told["stale_sources"] == json!(["inbox"]), "{told}");
    let (_, listed) = shop.ask("GET", "/api/v1/extract", json!(null)).await?;
    let source = &listed["sources"][0];
    ensure!(source["stale"][0]["never"] == true, "{listed}");
    let problem = source["health"]["problem"].as_str().context("a problem")?;
    ensure!(problem.contains("cannot be listed"), "{problem}");

    shop.write("inbox/orders.csv", "id,total\n1,2.5\n")?;
    until(|| async { Ok((of(&heard, "recovered")? == wanted).then_some(())) }).await?;
    until(|| async { Ok((ready().await?.1["degraded"] == false).then_some(())) }).await?;
    ensure!(shop.weir.count("select count(*) from inbox.orders").await? == 1);
    let (code, _, said) = shop.weir.run(&["source", "check", "inbox"])?;
    ensure!(code == 0 && said.contains("Last synced"), "{said}");
    // Each once, and only to whom it concerns.
    ensure!(all(&heard)?.len() == 4, "{:?}", all(&heard)?);
    ensure!(all(&unheard)?.is_empty());
    shop.weir.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_bad_news_is_told_once_and_so_is_the_next_good_one() -> Result<()> {
    let (hook, heard) = receiver().await?;
    let (other, unheard) = receiver().await?;
    let schedules = format!(
        "alerts:\n  team: {{webhook: \"{hook}\"}}\n  other: {{webhook: \"{other}\"}}\nschedules:\n  - name: all\n    trigger: manual\n"
    );
    let mut shop = Shop::started(&schedules).await?;
    let mut tokens = Vec::new();
    for name in ["ana", "ben"] {
        let user = json!({"name": name, "roles": ["analyst"], "password": "a long sentence"});
        let (status, made) = shop.ask("POST", "/api/v1/users", user).await?;
        ensure!(status < 300, "{made}");
        let token = json!({"user": name, "scopes": ["read", "write", "manage"]});
        let (_, made) = shop.ask("POST", "/api/v1/tokens", token).await?;
        tokens.push(made["token"].as_str().context("a token")?.to_owned());
    }
    let [ana, ben] = &tokens[..] else {
        unreachable!("there are two");
    };
    let asked = async |token: &str, method: &str, path: &str, body: Value| {
        shop.ask_as(token, method, path, body, None).await
    };
    let question = json!({"name": "Orders", "sharing": "read", "body": {"sql": "select 3 as n"}});
    let (_, question) = asked(ana, "POST", "/api/v1/questions", question).await?;
    let id = question["id"].as_str().context("an id")?;
    let wanted = |name: &str, than: Value| json!({"name": name, "question": id, "condition": {"is": "less", "than": than}, "every_minutes": 1440, "receivers": ["team"]});

    let (status, refused) =
        asked(ana, "POST", "/api/v1/alerts", wanted("Few", Value::Null)).await?;
    ensure!(status == 400, "{refused}");
    let mut to_nobody = wanted("Few", json!(10));
    to_nobody["receivers"] = json!(["teem"]);
    let (status, refused) = asked(ana, "POST", "/api/v1/alerts", to_nobody).await?;
    ensure!(
        status == 400 && refused["hint"] == "did you mean `team`?",
        "{refused}"
    );
    let (status, alert) = asked(ana, "POST", "/api/v1/alerts", wanted("Few", json!(10))).await?;
    ensure!(status == 201, "{alert}");
    let alert = alert["id"].as_str().context("an id")?;
    let check = format!("/api/v1/alerts/{alert}/check");
    // Nobody else asks with her rights, or ends it.
    let own = format!("/api/v1/alerts/{alert}");
    for (method, path) in [("POST", &check), ("DELETE", &own)] {
        let (status, answer) = asked(ben, method, path, Value::Null).await?;
        ensure!(status == 403, "{method} {path}: {answer}");
    }
    for _ in 0..2 {
        let (_, told) = asked(ana, "POST", &check, Value::Null).await?;
        ensure!(
            told == json!({"bad": true, "said": "n is 3, less than 10"}),
            "{told}"
        );
    }
    let path = format!("/api/v1/questions/{id}");
    let saved = |sql: &str, version: i64| json!({"name": "Orders", "sharing": "edit", "body": {"sql": sql}, "version": version});
    asked(ana, "PUT", &path, saved("select 30 as n", 1)).await?;
    let (_, told) = asked(ana, "POST", &check, Value::Null).await?;
    ensure!(told["bad"] == false, "{told}");
    // What somebody else writes is not asked with her rights.
    let (status, changed) = asked(ben, "PUT", &path, saved("select 0 as n", 2)).await?;
    ensure!(status == 200, "{changed}");
    let (_, told) = asked(ana, "POST", &check, Value::Null).await?;
    ensure!(told["bad"] == false, "{told}");

    until(|| async { Ok((heard.lock().unwrap().len() >= 2).then_some(())) }).await?;
    let heard = all(&heard)?;
    ensure!(
        heard[0]["kind"] == "raised" && heard[0]["text"] == "Few: n is 3, less than 10",
        "{heard:?}"
    );
    ensure!(
        heard[1]["kind"] == "recovered" && heard[1]["key"] == heard[0]["key"],
        "{heard:?}"
    );
    ensure!(heard.len() == 2, "{heard:?}");
    // Only those who were chosen.
    ensure!(all(&unheard)?.is_empty(), "{unheard:?}");
    let (status, _) = asked(ana, "DELETE", &own, Value::Null).await?;
    ensure!(status == 204, "{status}");
    shop.weir.stop().await
}
