use std::time::Duration;

use serde_json::json;

use crate::env::{Env, stderr};

#[tokio::test]
async fn an_event_goes_in_and_comes_out_and_survives_a_restart() {
    let env = Env::new();
    let mut server = env.up();
    assert_eq!(server.get("/health/live").await.0, 200);
    assert_eq!(server.get("/health/ready").await.0, 200);

    assert_eq!(server.track(&env.key, "Order Completed").await, 200);
    let sql = "SELECT user_id, event FROM app.tracks";
    server
        .wait_for_rows(sql, &json!([["ada", "order_completed"]]))
        .await;

    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));
    assert!(!env.project.join(".weir/server.json").exists());

    let server = env.up();
    server
        .wait_for_rows(sql, &json!([["ada", "order_completed"]]))
        .await;
}

#[tokio::test]
async fn a_killed_server_loses_nothing_it_acknowledged() {
    let env = Env::new();
    let mut server = env.up();
    for n in 0..20 {
        assert_eq!(server.track(&env.key, &format!("Event {n}")).await, 200);
    }
    server.signal("KILL");
    server.wait();

    let server = env.up();
    server
        .wait_for_rows("SELECT count(*) FROM raw_app.events", &json!([[20]]))
        .await;
}

#[tokio::test]
async fn keys_made_and_revoked_by_a_command_count_at_once() {
    let env = Env::new();
    let server = env.up();
    let made = env.weir(&["keys", "create", "app"]);
    let key = String::from_utf8(made.stdout).unwrap().trim().to_owned();
    assert_eq!(server.track(&key, "Now").await, 200);

    assert!(env.weir(&["keys", "revoke", &key]).status.success());
    tokio::time::timeout(Duration::from_secs(5), async {
        while server.track(&key, "Later").await != 401 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the revoked key is refused");
}

#[tokio::test]
async fn only_the_owner_asks_and_administers() {
    let env = Env::new();
    let server = env.up();
    for path in [
        "/api/v1/keys",
        "/api/v1/sources",
        "/api/v1/lake",
        "/api/v1/tail",
        "/api/v1/query",
    ] {
        let (status, body) = server.get(path).await;
        assert_eq!(status, 401, "{path}");
        assert!(body.contains("\"code\":\"unauthorized\""), "{body}");
    }
    let get = |token: &str| {
        server
            .http()
            .get(format!("{}/api/v1/keys", server.url))
            .bearer_auth(token)
    };
    let statuses = async |token: String| get(&token).send().await.unwrap().status().as_u16();
    assert_eq!(statuses(server.token.clone()).await, 200);
    for _ in 0..10 {
        assert_eq!(statuses("wo_guess".into()).await, 401);
    }
    let refused = get("wo_guess").send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 429);
    assert!(refused.headers().contains_key("retry-after"));
}

#[tokio::test]
async fn administration_over_http_makes_sources_and_keys() {
    let env = Env::new();
    let server = env.up();
    let request = |method, path: &str| {
        server
            .http()
            .request(method, format!("{}{path}", server.url))
            .bearer_auth(&server.token)
    };
    let put = request(reqwest::Method::PUT, "/api/v1/sources/shop").json(&json!({ "ip": "drop" }));
    assert_eq!(put.send().await.unwrap().status().as_u16(), 200);

    let post = request(reqwest::Method::POST, "/api/v1/keys").json(&json!({ "source": "shop" }));
    let created = post.send().await.unwrap();
    assert_eq!(created.status().as_u16(), 201);
    let created: serde_json::Value = created.json().await.unwrap();
    let key = created["key"].as_str().unwrap();
    assert_eq!(server.track(key, "Hello").await, 200);

    let revoke = request(
        reqwest::Method::DELETE,
        &format!("/api/v1/keys/{}", created["id"]),
    );
    assert_eq!(revoke.send().await.unwrap().status().as_u16(), 200);
    assert_eq!(server.track(key, "Hello").await, 401);

    let put = request(reqwest::Method::PUT, "/api/v1/sources/shop").json(&json!({ "ipp": "drop" }));
    let refused = put.send().await.unwrap();
    assert_eq!(refused.status().as_u16(), 400);
    assert!(
        refused
            .text()
            .await
            .unwrap()
            .contains("unknown field `ipp`")
    );
}

#[tokio::test]
async fn metrics_count_what_came_in() {
    let env = Env::new();
    let server = env.up();
    assert_eq!(server.track(&env.key, "Hello").await, 200);
    assert_eq!(server.track("wk_nobody", "Hello").await, 401);
    server
        .wait_for_rows("SELECT count(*) FROM raw_app.events", &json!([[1]]))
        .await;

    let (status, page) = server.get("/metrics").await;
    assert_eq!(status, 200);
    for line in [
        "weir_intake_requests_total{status=\"200\"} 1",
        "weir_intake_requests_total{status=\"401\"} 1",
        "weir_events_accepted_total 1",
        "weir_events_applied_total 1",
        "weir_lake_writable 1",
    ] {
        assert!(
            page.lines().any(|found| found == line),
            "{line} is missing in\n{page}"
        );
    }
    assert!(page.ends_with("# EOF\n"));
    assert!(!page.contains(&env.key));
}

#[tokio::test]
async fn tail_shows_events_as_they_come() {
    let env = Env::new();
    let server = env.up();
    let tail = server
        .http()
        .get(format!("{}/api/v1/tail?event=Wanted", server.url));
    let mut tail = tail.bearer_auth(&server.token).send().await.unwrap();
    assert_eq!(tail.status().as_u16(), 200);

    server.track(&env.key, "Unwanted").await;
    server.track(&env.key, "Wanted").await;
    let chunk = tokio::time::timeout(crate::env::PATIENCE, tail.chunk())
        .await
        .unwrap();
    let text = String::from_utf8(chunk.unwrap().unwrap().to_vec()).unwrap();
    assert!(
        text.contains("\"event\":\"Wanted\"") && text.contains("accepted"),
        "{text}"
    );
    assert!(!text.contains("Unwanted"));
}

#[tokio::test]
async fn an_open_stream_does_not_hold_up_the_stop() {
    let env = Env::new();
    let mut server = env.up();
    let tail = server.http().get(format!("{}/api/v1/tail", server.url));
    let tail = tail.bearer_auth(&server.token).send().await.unwrap();
    let start = std::time::Instant::now();

    server.signal("INT");
    assert_eq!(server.wait(), Some(0));
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    drop(tail);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_before_it_is_read() {
    let env = Env::new();
    let server = env.up_with(&[("WEIR_COLLECT_MAX_BATCH_SIZE", "64KB")]);
    let post = server
        .http()
        .post(format!("{}/v1/batch", server.url))
        .basic_auth(&env.key, Some(""));
    let answer = post.body(vec![b' '; 100 << 10]).send().await.unwrap();

    assert_eq!(answer.status().as_u16(), 413);
    assert!(answer.text().await.unwrap().contains("body_too_large"));
}

#[tokio::test]
async fn what_is_not_there_says_so() {
    let env = Env::new();
    let server = env.up();

    let (status, body) = server.get("/nowhere").await;
    assert_eq!(status, 404);
    assert!(body.contains("\"code\":\"not_found\""), "{body}");
}

#[tokio::test]
async fn a_source_switched_off_stays_off_until_its_file_says_otherwise() {
    let env = Env::new();
    let enabled = async |server: &crate::env::Server| {
        let (_, body) = server.get_as_owner("/api/v1/sources").await;
        let sources: serde_json::Value = serde_json::from_str(&body).unwrap();
        sources["sources"][0]["enabled"].clone()
    };
    let mut server = env.up();
    let put = server
        .http()
        .put(format!("{}/api/v1/sources/app", server.url))
        .bearer_auth(&server.token)
        .json(&json!({ "enabled": false }));
    assert_eq!(put.send().await.unwrap().status(), 200);
    assert_eq!(enabled(&server).await, false);
    server.signal("TERM");
    server.wait();

    let mut server = env.up();
    assert_eq!(enabled(&server).await, false);
    server.signal("TERM");
    server.wait();

    env.write("sources/app.yml", "name: app\nip: drop\n");
    let server = env.up();
    assert_eq!(enabled(&server).await, true);
}

#[tokio::test]
async fn a_second_server_is_told_who_has_the_log() {
    let env = Env::new();
    let _server = env.up();
    let second = env.weir(&["up"]);

    assert_eq!(second.status.code(), Some(1));
    assert!(
        stderr(&second).contains("cannot open the lake"),
        "{}",
        stderr(&second)
    );
}

#[tokio::test]
async fn compact_asks_the_running_server() {
    let env = Env::new();
    let server = env.up();
    server.track(&env.key, "Hello").await;
    let output = env.weir(&["--json", "compact"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));

    drop(server);
    let output = env.weir(&["--json", "compact", "raw_app.events"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

/// With a server and without one: a damaged file is named by the query that needs it, by the check,
/// and once it is set aside the table answers again, as `weir rebuild` makes it whole.
#[tokio::test]
async fn a_damaged_file_is_named_set_aside_and_derived_again() {
    let env = Env::new();
    let mut server = env.up();
    server.track(&env.key, "Hello").await;
    let output = env.weir(&["--json", "fsck"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    server.signal("TERM");
    assert_eq!(server.wait(), Some(0));

    let folder = env.project.join("lake/app/hello");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().path());
    let damaged: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|e| e == "parquet"))
        .collect();
    assert!(!damaged.is_empty());
    for file in &damaged {
        std::fs::write(file, "no Parquet").unwrap();
    }
    let server = env.up();
    let output = env.weir(&["sql", "select sum(length(id)) from app.hello"]);
    assert!(stderr(&output).contains("weir fsck"), "{}", stderr(&output));
    let output = env.weir(&["fsck"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("--set-aside"),
        "{}",
        stderr(&output)
    );
    let output = env.weir(&["fsck", "app.hello", "--set-aside"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    drop(server);

    let output = env.weir(&["fsck"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = env.weir(&["rebuild"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let server = env.up();
    let output = env.weir(&["--json", "sql", "select count(*) as n from app.hello"]);
    let answer = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(answer.contains('1'), "{answer}");
    drop(server);
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let env = Env::new();

    let output = env.weir_with(&[("WEIR_SERVER_LISTEN", &address)], &["up"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains(&format!("cannot listen on {address}")),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("hint: another process listens there"));
}
