//! Tokens where clients of PostgreSQL ask for a password: under their user's own name.

use serde_json::Value;
use weir_testkit::{Clients, Context, Result, Weir, ensure, until};

use crate::postgres::{Server, weir};

fn command(weir: &Weir, arguments: &[&str]) -> Result<Value> {
    let (code, said, error) = weir.run(&[arguments, &["--json"]].concat())?;
    ensure!(code == 0, "{arguments:?}: {error}");
    Ok(serde_json::from_str(&said).unwrap_or_default())
}

fn token(weir: &Weir, user: &str, scopes: &str) -> Result<(String, String)> {
    let made = command(weir, &["tokens", "create", user, "--scopes", scopes])?;
    let token = made["token"].as_str().context("a token")?.to_owned();
    Ok((token, made["id"].to_string()))
}

/// Signs in with every driver; returns how each went.
async fn drivers(server: &Server, user: &str, password: &str) -> Result<Vec<String>> {
    let arguments = ["127.0.0.1", server.port.as_str(), user, "weir"];
    let variables = [("PGPASSWORD", password)];
    let clients = Clients::find()?;
    let mut lines = clients.lines("login.py", &arguments, &variables).await?;
    lines.extend(clients.lines("Login.java", &arguments, &variables).await?);
    let (done, said, error) = psql(server, user, password, "SELECT current_user").await?;
    let refused = error.contains("password authentication failed");
    lines.push(match (done, refused) {
        (true, _) => format!("psql: {}", said.trim()),
        (false, true) => "psql: refused".to_owned(),
        (false, false) => error,
    });
    Ok(lines)
}

async fn psql(
    server: &Server,
    user: &str,
    password: &str,
    sql: &str,
) -> Result<(bool, String, String)> {
    let address = format!(
        "host=127.0.0.1 port={} user={user} dbname=weir",
        server.port
    );
    let asking = Server {
        port: server.port.clone(),
        user: "owner",
        password: password.to_owned(),
    };
    // The last address counts.
    asking.psql(&["-d", &address, "-c", sql]).await
}

#[tokio::test]
async fn a_token_stands_where_a_password_is_asked_for() -> Result<()> {
    let (mut weir, _) = weir().await?;
    let made = command(&weir, &["users", "add", "vera", "--role", "engineer"])?;
    let password = made["password"].as_str().context("a password")?.to_owned();
    // Without a password.
    std::fs::write(
        weir.dir().join("access.yml"),
        "users:\n  metabase: { roles: [service] }\n",
    )?;
    weir.stop().await?;
    weir.start().await?;
    let server = Server::of(&weir)?;

    let (reads, id) = token(&weir, "vera", "read")?;
    let (service, _) = token(&weir, "metabase", "read")?;
    for (user, secret) in [
        ("vera", &password),
        ("vera", &reads),
        ("metabase", &service),
    ] {
        for line in drivers(&server, user, secret).await? {
            ensure!(line.ends_with(&format!(": {user}")), "{user}: {line}");
        }
    }
    // By the word that stands for nobody, too.
    let (done, said, error) = psql(&server, "token", &reads, "SELECT current_user").await?;
    ensure!(done && said.trim() == "vera", "{said}{error}");

    // Whoever came by a token has its scopes, and not all that the user may.
    let create = "CREATE TABLE made AS SELECT 1 AS a";
    let (done, _, error) = psql(&server, "vera", &reads, create).await?;
    ensure!(!done && error.contains("permission denied"), "{error}");
    let (done, _, error) = psql(&server, "vera", &password, create).await?;
    ensure!(done, "{error}");

    // Another user's token is none, and nobody has any.
    for (user, secret) in [("vera", &service), ("metabase", &reads), ("nobody", &reads)] {
        let (done, _, error) = psql(&server, user, secret, "SELECT 1").await?;
        ensure!(
            !done && error.contains("password authentication failed"),
            "{user}: {error}"
        );
    }

    // Revoked, for new connections and for one that is open: psql runs one statement after another.
    let revoked = command(&weir, &["tokens", "revoke", &id])?;
    ensure!(!revoked["revoked_at"].is_null(), "{revoked}");
    until(|| async {
        let (done, _, error) = psql(&server, "vera", &reads, "SELECT 1").await?;
        Ok((!done && error.contains("password authentication failed")).then_some(()))
    })
    .await?;
    let lines = drivers(&server, "vera", &reads).await?;
    // Guesses are slowed down after a while, and this looks like guessing: not all hear the same.
    ensure!(
        !lines.iter().any(|line| line.ends_with(": vera")),
        "{lines:?}"
    );

    // What was used is noted.
    let listed = until(|| async {
        let listed = command(&weir, &["tokens", "list"])?;
        let used = |id: u64| {
            let mut tokens = listed.as_array().into_iter().flatten();
            tokens.any(|token| token["id"].as_u64() == Some(id) && !token["last_used_at"].is_null())
        };
        Ok((used(1) && used(2)).then_some(listed.clone()))
    })
    .await?;
    ensure!(!listed.to_string().contains(&reads), "a token is listed");
    weir.stop().await
}
