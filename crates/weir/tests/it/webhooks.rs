//! Webhooks whose senders sign them: taken once, set aside with the reason, durable before the answer.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::env::{Env, Server, stderr, stdout};

const SECRET: &str = "whsec_It's a secret";

/// HMAC-SHA256, in hexadecimal: by the book, and not by what is tested.
fn signed(secret: &str, text: &str) -> String {
    let pad = |byte: u8| -> Vec<u8> {
        let mut block = vec![byte; 64];
        for (at, of) in secret.bytes().enumerate() {
            block[at] ^= of;
        }
        block
    };
    let inner = Sha256::digest([pad(0x36), text.as_bytes().to_vec()].concat());
    let outer = Sha256::digest([pad(0x5c), inner.to_vec()].concat());
    outer.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn now() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_secs()
}

fn key(env: &Env, source: &str) -> String {
    let made = env.weir(&["keys", "create", source, "--json"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let made: Value = serde_json::from_str(&stdout(&made)).unwrap();
    made["key"].as_str().unwrap().to_owned()
}

async fn post(server: &Server, key: &str, headers: &[(&str, &str)], body: &str) -> (u16, Value) {
    let url = format!("{}/v1/webhook?writeKey={key}", server.url);
    let mut request = server.http().post(url).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_signed_is_taken_once_and_what_is_not_is_set_aside() {
    let env = Env::new();
    env.write(
        "sources/pay.yml",
        "kind: webhook\nprovider: stripe\nsecret: ${env:PAY_SECRET}\n",
    );
    env.write(
        "sources/code.yml",
        "kind: webhook\nprovider: github\nsecret: ${env:PAY_SECRET}\n",
    );
    env.write(
        "sources/chat.yml",
        "kind: webhook\nprovider: slack\nsecret: ${env:PAY_SECRET}\n",
    );
    let mut server = env.up_with(&[("PAY_SECRET", SECRET)]);
    let (pay, code, chat) = (key(&env, "pay"), key(&env, "code"), key(&env, "chat"));

    let body = r#"{"id":"evt_1","type":"charge.succeeded","data":{"amount":1250}}"#;
    let stripe =
        |at: u64, secret: &str| format!("t={at},v1={}", signed(secret, &format!("{at}.{body}")));
    let good = stripe(now(), SECRET);
    // The sender did not hear our answer and sends it again, with another moment.
    for signature in [&good, &stripe(now() - 1, SECRET)] {
        let (status, answer) = post(&server, &pay, &[("stripe-signature", signature)], body).await;
        assert_eq!(status, 200, "{answer}");
    }
    let (status, answer) = post(
        &server,
        &pay,
        &[("stripe-signature", &stripe(now(), "another"))],
        body,
    )
    .await;
    assert_eq!(
        (status, &answer["code"]),
        (401, &json!("bad_signature")),
        "{answer}"
    );
    let (status, _) = post(
        &server,
        &pay,
        &[("stripe-signature", &stripe(now() - 3_600, SECRET))],
        body,
    )
    .await;
    assert_eq!(status, 401);
    let (status, _) = post(&server, &pay, &[], body).await;
    assert_eq!(status, 401);

    let push = r#"{"ref":"refs/heads/main"}"#;
    let hub = format!("sha256={}", signed(SECRET, push));
    let headers = [
        ("x-hub-signature-256", hub.as_str()),
        ("x-github-delivery", "d-1"),
    ];
    assert_eq!(post(&server, &code, &headers, push).await.0, 200);
    // Slack wants its challenge back before it sends anything.
    let hello = r#"{"type":"url_verification","challenge":"c-1"}"#;
    let at = now().to_string();
    let slack = format!("v0={}", signed(SECRET, &format!("v0:{at}:{hello}")));
    let headers = [
        ("x-slack-signature", slack.as_str()),
        ("x-slack-request-timestamp", at.as_str()),
    ];
    let (status, answer) = post(&server, &chat, &headers, hello).await;
    assert_eq!((status, answer), (200, json!({"challenge": "c-1"})));

    // What was answered with 200 is there after a kill, once.
    server.signal("KILL");
    server.wait();
    let server = env.up_with(&[("PAY_SECRET", SECRET)]);
    server
        .wait_for_rows(
            "SELECT count(*) FROM pay.webhook_source_event",
            &json!([[1]]),
        )
        .await;
    server
        .wait_for_rows(
            "SELECT count(*) FROM code.webhook_source_event",
            &json!([[1]]),
        )
        .await;
    let aside = "SELECT reason, count(*) FROM raw_pay.quarantine GROUP BY reason";
    server
        .wait_for_rows(aside, &json!([["bad_signature", 3]]))
        .await;
    // Without its secret the server does not start: nothing is let in unchecked.
    drop(server);
    let refused = env.weir(&["up"]);
    assert_ne!(refused.status.code(), Some(0));
    assert!(
        stderr(&refused).contains("PAY_SECRET"),
        "{}",
        stderr(&refused)
    );
}
