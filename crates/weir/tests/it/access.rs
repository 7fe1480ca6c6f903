//! Users as they are seen from outside: commands, HTTP, and what a running server makes of changes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::env::{Env, PATIENCE, Server, stderr};

/// Asks as a user, by password, token or however `authorize` does it.
async fn ask(
    server: &Server,
    sql: &str,
    authorize: impl Fn(reqwest::RequestBuilder) -> reqwest::RequestBuilder,
) -> (u16, Value) {
    let post = server.http().post(format!("{}/api/v1/query", server.url));
    let answer = authorize(post.json(&json!({ "sql": sql }))).send().await;
    let answer = answer.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn made(env: &Env, arguments: &[&str]) -> Value {
    let output = env.weir(&[&["--json"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn a_user_made_by_a_command_asks_with_their_rights() {
    let env = Env::new();
    let server = env.up();
    assert_eq!(server.track(&env.key, "Seen").await, 200);
    server
        .wait_for_rows("SELECT count(*) FROM app.tracks", &json!([[1]]))
        .await;
    let ada = made(&env, &["users", "add", "ada", "--role", "analyst"]);
    let password = ada["password"].as_str().unwrap().to_owned();
    let token = made(&env, &["tokens", "create", "ada", "--scopes", "read"]);
    let token = token["token"].as_str().unwrap().to_owned();
    let by_password = |request: reqwest::RequestBuilder| request.basic_auth("ada", Some(&password));
    let by_token = |request: reqwest::RequestBuilder| request.bearer_auth(&token);

    for sql in ["SELECT count(*) FROM app.tracks", "SELECT 1"] {
        assert_eq!(ask(&server, sql, by_password).await.0, 200, "{sql}");
        assert_eq!(ask(&server, sql, by_token).await.0, 200, "{sql}");
    }
    let (status, error) = ask(&server, "SELECT * FROM raw_app.events", by_password).await;
    assert_eq!(
        (status, error["sqlstate"].as_str()),
        (403, Some("42501")),
        "{error}"
    );
    let (status, _) = ask(&server, "CREATE TABLE mine AS SELECT 1 AS a", by_password).await;
    assert_eq!(status, 200);
    // The token is for reading only.
    let (status, error) = ask(&server, "CREATE TABLE more AS SELECT 1 AS a", by_token).await;
    assert_eq!(status, 403, "{error}");
    for path in [
        "/api/v1/keys",
        "/api/v1/sources",
        "/api/v1/lake",
        "/api/v1/tail",
        "/api/v1/audit",
    ] {
        let get = by_password(server.http().get(format!("{}{path}", server.url)));
        assert_eq!(get.send().await.unwrap().status().as_u16(), 403, "{path}");
    }
    let me = by_password(server.http().get(format!("{}/api/v1/me", server.url)));
    let me: Value = me.send().await.unwrap().json().await.unwrap();
    assert_eq!(
        (me["name"].as_str(), me["schema"].as_str()),
        (Some("ada"), Some("ada"))
    );

    // Disabled by another process: out within moments, by every way.
    made(&env, &["users", "disable", "ada"]);
    let start = Instant::now();
    while ask(&server, "SELECT 1", by_token).await.0 != 401 {
        assert!(start.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(ask(&server, "SELECT 1", by_password).await.0, 401);
}

#[tokio::test]
async fn users_are_managed_over_http() {
    let env = Env::new();
    let server = env.up();
    let send = async |method: reqwest::Method, path: &str, body: Value| {
        let request = server
            .http()
            .request(method, format!("{}{path}", server.url))
            .bearer_auth(&server.token);
        let answer = request.json(&body).send().await.unwrap();
        let status = answer.status().as_u16();
        (status, answer.text().await.unwrap())
    };
    use reqwest::Method;
    let new = json!({ "name": "bo@example.com", "roles": ["service"], "password": "correct horse battery" });
    let (status, body) = send(Method::POST, "/api/v1/users", new.clone()).await;
    assert_eq!(status, 201, "{body}");
    assert!(!body.contains("horse"), "{body}");
    assert_eq!(send(Method::POST, "/api/v1/users", new).await.0, 409);
    let bo = |request: reqwest::RequestBuilder| {
        request.basic_auth("bo@example.com", Some("correct horse battery"))
    };
    let sql = "SELECT count(*) FROM raw_app.events";
    assert_eq!(server.track(&env.key, "Seen").await, 200);
    server.wait_for_rows(sql, &json!([[1]])).await;
    let (status, hidden) = ask(&server, sql, bo).await;
    assert_eq!(
        (status, hidden["sqlstate"].as_str()),
        (400, Some("42P01")),
        "{hidden}"
    );

    assert_eq!(
        send(Method::POST, "/api/v1/roles", json!({ "name": "support" }))
            .await
            .0,
        201
    );
    let grant = json!({ "grantee": "support", "schema": "raw_app", "privileges": ["select"] });
    assert_eq!(
        send(Method::POST, "/api/v1/grants", grant.clone()).await.0,
        200
    );
    assert_eq!(
        send(
            Method::PUT,
            "/api/v1/users/bo@example.com/roles/support",
            json!({})
        )
        .await
        .0,
        204
    );
    assert_eq!(ask(&server, sql, bo).await.0, 200);
    assert_eq!(
        send(Method::POST, "/api/v1/grants/revoke", grant).await.0,
        200
    );
    assert_eq!(ask(&server, sql, bo).await.0, 400);
    // Who may not manage learns nothing and changes nothing.
    let users = bo(server.http().get(format!("{}/api/v1/users", server.url)));
    let users: Value = users.send().await.unwrap().json().await.unwrap();
    assert_eq!(users["users"].as_array().unwrap().len(), 1);
    let promoted = bo(server.http().put(format!(
        "{}/api/v1/users/bo@example.com/roles/owner",
        server.url
    )));
    assert_eq!(promoted.send().await.unwrap().status().as_u16(), 403);
    // A broken body is refused without being repeated: it may hold a password.
    let broken = server.http().post(format!("{}/api/v1/users", server.url));
    let broken = broken
        .bearer_auth(&server.token)
        .header("content-type", "application/json")
        .body("{\"name\": \"x\", \"pasword\": \"hunter2hunter2\"}");
    let broken = broken.send().await.unwrap().text().await.unwrap();
    assert!(!broken.contains("hunter2"), "{broken}");

    let (status, body) = send(Method::GET, "/api/v1/audit/verify", json!({})).await;
    assert_eq!(status, 200, "{body}");
    let verified = made(&env, &["audit", "--verify"]);
    assert!(verified["records"].as_i64().unwrap() >= 5, "{verified}");
    let audit = server
        .rows("SELECT action FROM weir.audit WHERE action LIKE 'sign_in%'")
        .await;
    let signed_in = audit.as_array().unwrap().len();
    assert!(
        (1..=4).contains(&signed_in),
        "many requests, few records: {audit}"
    );
}

#[tokio::test]
async fn guessing_passwords_is_slowed_down() {
    let env = Env::new();
    made(&env, &["users", "add", "ada", "--role", "analyst"]);
    let server = env.up();
    let guess = async |user: &str| {
        let as_user =
            |request: reqwest::RequestBuilder| request.basic_auth(user, Some("a wrong password"));
        ask(&server, "SELECT 1", as_user).await
    };
    let (status, of_known) = guess("ada").await;
    assert_eq!(status, 401);
    let (status, of_unknown) = guess("nobody").await;
    assert_eq!(status, 401);
    assert_eq!(of_known, of_unknown, "who is a user cannot be told");
    let start = Instant::now();
    while guess("ada").await.0 != 429 {
        assert!(start.elapsed() < PATIENCE, "guessing goes on");
    }
}

#[test]
fn access_yml_is_applied_and_its_mistakes_are_shown() {
    let env = Env::new();
    env.write("access.yml", "users:\n  ada: { roles: [analist] }\n");
    let output = env.weir(&["up"]);
    assert_eq!(output.status.code(), Some(1));
    let shown = stderr(&output);
    assert!(
        shown.contains("access.yml:2:18: unknown role `analist`; did you mean `analyst`?"),
        "{shown}"
    );

    env.write("access.yml", "users:\n  ada: { roles: [analyst] }\n");
    drop(env.up());
    let users = made(&env, &["users", "list"]);
    let ada = users
        .as_array()
        .unwrap()
        .iter()
        .find(|user| user["name"] == "ada")
        .unwrap();
    assert_eq!(ada["roles"], json!(["analyst"]));
    assert_eq!(ada["has_password"], false);
}

#[test]
fn commands_say_what_is_wrong() {
    let env = Env::new();
    for (arguments, wanted) in [
        (
            vec!["users", "add", "ada", "--role", "analist"],
            "did you mean `analyst`?",
        ),
        (
            vec!["users", "add", "Ada", "--role", "analyst"],
            "must start with a lower-case letter",
        ),
        (
            vec!["users", "passwd", "nobody"],
            "there is no user `nobody`",
        ),
        (vec!["users", "drop", "owner"], "the last owner"),
        (
            vec!["tokens", "create", "owner", "--scopes", "all"],
            "a scope is",
        ),
        (vec!["tokens", "revoke", "weir_nothing"], "no such token"),
        (
            vec!["grants", "add", "selekt", "main", "public"],
            "`selekt` is no right",
        ),
        (vec!["roles", "drop", "viewer"], "is built in"),
    ] {
        let output = env.weir(&arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let shown = stderr(&output);
        assert!(shown.contains(wanted), "{arguments:?}: {shown}");
    }
}
