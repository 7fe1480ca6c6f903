//! Who may do what, through real sockets: every role with every kind of statement at every door of
//! one running server. The engine's own matrix has more statements; this one shows that no door
//! says somebody else's name.

use std::collections::BTreeMap;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::process::Command;
use weir_testkit::{Clients, Context, Result, Weir, ensure};

use crate::postgres::{Server, weir};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");
const ROLES: [&str; 6] = ["owner", "admin", "engineer", "analyst", "viewer", "service"];
const DOORS: [&str; 3] = ["postgres", "http", "cli"];

/// Statements, and what they come to for each of [`ROLES`]: allowed, denied by name, answered as if
/// nothing were there (hidden), refused to everybody because nobody writes there (read-only). `{n}`
/// is another number each time, `{own}` the schema of whoever asks, `{user}` their name.
const MATRIX: &[(&str, &str)] = &[
    // Reading: unaltered events, what a source fills, modelled tables, somebody's own.
    ("SELECT count(*) FROM raw_app.events", "aaadhh"),
    ("SELECT * FROM raw_app.events FOR VERSION AS OF 0", "aaadhh"),
    (
        "SELECT (SELECT max(message_id) FROM raw_app.events)",
        "aaadhh",
    ),
    ("EXPLAIN ANALYZE SELECT * FROM raw_app.events", "aaadhh"),
    ("SELECT count(*) FROM app.tracks", "aaaahh"),
    ("SELECT * FROM main.modelled", "aaaaah"),
    ("SELECT * FROM mart_sales.daily", "aaaaah"),
    ("SELECT * FROM team.t", "aaaahh"),
    ("SELECT * FROM eve.secret", "aahhhh"),
    ("SELECT * FROM weir.tables", "aaaaaa"),
    ("SELECT * FROM pg_catalog.pg_class", "aaaaaa"),
    // Writing.
    ("DELETE FROM raw_app.events", "rrrrrr"),
    ("UPDATE app.tracks SET event = 'x'", "rrrrrr"),
    ("INSERT INTO main.modelled VALUES (3)", "aaaddh"),
    ("UPDATE main.modelled SET a = 3 WHERE a = 3", "aaaddh"),
    ("DELETE FROM main.modelled WHERE a = 3", "aaaddh"),
    ("INSERT INTO eve.secret VALUES (1)", "aahhhh"),
    (
        "INSERT INTO {own}.own_{n} SELECT 1 FROM raw_app.events",
        "aaadhh",
    ),
    ("DELETE FROM weir.audit", "rrrrrr"),
    // Making and removing.
    ("CREATE TABLE main.new_{n} AS SELECT 1 AS a", "aaaddh"),
    ("CREATE VIEW main.view_{n} AS SELECT 1 AS a", "aaaddh"),
    ("CREATE TABLE {own}.new_{n} AS SELECT 1 AS a", "aaaaaa"),
    ("CREATE SCHEMA new_{n}", "aaaddd"),
    ("ALTER TABLE main.drop_{n} ADD COLUMN b INT", "aaaddh"),
    ("DROP TABLE main.drop_{n}", "aaaddh"),
    ("DROP TABLE {own}.own_{n}", "aaaaaa"),
    ("DROP SCHEMA {own} CASCADE", "dddddd"),
    // Rights.
    ("GRANT SELECT ON main.modelled TO eve", "aadddh"),
    ("GRANT SELECT ON {own}.own_{n} TO eve", "aaaaaa"),
    ("GRANT SELECT ON SCHEMA raw_app TO {user}", "aaddhh"),
    ("CREATE USER new_{n}_x", "aadddd"),
    ("CREATE ROLE role_{n}", "aadddd"),
    ("GRANT owner TO {user}", "addddd"),
    ("ALTER USER eve PASSWORD 'another long one'", "aadddd"),
    ("ALTER USER owner PASSWORD 'another long one'", "addddd"),
];

struct House {
    weir: Weir,
    server: Server,
    tokens: BTreeMap<String, String>,
    http: reqwest::Client,
}

impl House {
    async fn new() -> Result<Self> {
        let (weir, server) = weir().await?;
        let event = json!({"type": "track", "event": "Seen", "userId": "ada"});
        ensure!(weir.send(&[event]).await?, "not acknowledged");
        weir.until_count("SELECT count(*) FROM app.tracks", 1)
            .await?;
        weir.flush().await?;
        let mut house = Self {
            weir,
            server,
            tokens: BTreeMap::new(),
            http: reqwest::Client::builder().no_proxy().build()?,
        };
        for role in ROLES {
            house.user(&format!("{role}_1"), role)?;
        }
        house.user("eve", "analyst")?;
        for sql in [
            "CREATE TABLE main.modelled (a INT)",
            "CREATE SCHEMA team",
            "CREATE TABLE team.t (a INT)",
            "CREATE SCHEMA mart_sales",
            "CREATE TABLE mart_sales.daily (a INT)",
            "CREATE TABLE eve.secret AS SELECT 42 AS answer",
        ] {
            house.owner(sql).await?;
        }
        Ok(house)
    }

    fn user(&mut self, name: &str, role: &str) -> Result<()> {
        for arguments in [
            vec!["users", "add", name, "--role", role],
            vec![
                "tokens",
                "create",
                name,
                "--scopes",
                "read,write,manage",
                "--json",
            ],
        ] {
            let (code, said, error) = self.weir.run(&arguments)?;
            ensure!(code == 0, "{arguments:?}: {error}");
            if let Ok(made) = serde_json::from_str::<Value>(&said) {
                let token = made["token"].as_str().context("a token")?.to_owned();
                self.tokens.insert(name.to_owned(), token);
            }
        }
        Ok(())
    }

    async fn owner(&self, sql: &str) -> Result<()> {
        self.weir.query(sql).await.map(drop)
    }

    /// Asks as `user` at a door; returns the SQLSTATE, or the message where a door shows only that.
    async fn ask(&self, user: &str, door: &str, sql: &str) -> Result<Result<(), String>> {
        let token = &self.tokens[user];
        match door {
            "http" => {
                let post = self.http.post(format!("{}/api/v1/query", self.weir.url()));
                let answer = post
                    .bearer_auth(token)
                    .json(&json!({ "sql": sql }))
                    .send()
                    .await?;
                let answer: Value = answer.json().await?;
                let failure = answer.get("sqlstate").or(answer["error"].get("sqlstate"));
                Ok(match failure.and_then(Value::as_str) {
                    Some(state) => Err(state.to_owned()),
                    None => Ok(()),
                })
            }
            "postgres" => {
                let address = format!(
                    "host=127.0.0.1 port={} user={user} dbname=weir",
                    self.server.port
                );
                let asking = Server {
                    port: self.server.port.clone(),
                    user: "owner",
                    password: token.clone(),
                };
                let arguments = ["-d", &address, "-v", "VERBOSITY=sqlstate", "-c", sql];
                let (done, _, error) = asking.psql(&arguments).await?;
                let state = error.split("ERROR:").nth(1).unwrap_or(&error).trim();
                Ok(if done { Ok(()) } else { Err(state.to_owned()) })
            }
            _ => {
                let output = Command::new(BINARY)
                    .args(["--project"])
                    .arg(self.weir.dir())
                    .args(["sql", sql])
                    .env("WEIR_TOKEN", token)
                    .stdin(Stdio::null())
                    .output()
                    .await?;
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                Ok(if output.status.success() {
                    Ok(())
                } else {
                    Err(said)
                })
            }
        }
    }
}

/// Says in a letter what a statement came to.
fn outcome(answer: &Result<(), String>) -> char {
    let Err(failure) = answer else { return 'a' };
    let is = |words: &[&str]| words.iter().any(|word| failure.contains(word));
    // The command shows the message only.
    if is(&[
        "42501",
        "permission denied",
        "may not",
        "only an owner may",
        "must be owner",
    ]) {
        'd'
    } else if is(&[
        "42P01",
        "3F000",
        "does not exist",
        "there is no schema",
        "has a history",
    ]) {
        'h'
    } else if is(&[
        "25006",
        "read-only",
        "cannot be written",
        "cannot be changed",
    ]) {
        'r'
    } else {
        '?'
    }
}

#[tokio::test]
async fn every_role_with_every_kind_of_statement_at_every_door() -> Result<()> {
    let mut house = House::new().await?;
    let (mut wrong, mut n) = (Vec::new(), 0);
    for (template, expected) in MATRIX {
        for (role, wanted) in ROLES.iter().zip(expected.chars()) {
            for door in DOORS {
                n += 1;
                let user = format!("{role}_1");
                let filled = template
                    .replace("{n}", &n.to_string())
                    .replace("{own}", &user)
                    .replace("{user}", &user);
                if template.contains("main.drop_{n}") {
                    house
                        .owner(&format!("CREATE TABLE main.drop_{n} (a INT)"))
                        .await?;
                }
                if template.contains("{own}.own_{n}") {
                    house
                        .owner(&format!("CREATE TABLE {user}.own_{n} (a INT)"))
                        .await?;
                }
                let answer = house.ask(&user, door, &filled).await?;
                if outcome(&answer) != wanted {
                    wrong.push(format!(
                        "{role} at {door}: {filled}: {answer:?}, not {wanted}"
                    ));
                }
                // What a statement gave, the next must not rest on.
                if template.contains("raw_app TO") && answer.is_ok() {
                    house
                        .owner(&format!("REVOKE ALL ON SCHEMA raw_app FROM {user}"))
                        .await?;
                }
            }
        }
    }
    ensure!(
        wrong.is_empty(),
        "{} of {n}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    // Each door says who came, and from where.
    for door in DOORS {
        let made = format!(
            "SELECT DISTINCT actor FROM weir.audit \
             WHERE door = '{door}' AND action = 'role.create' ORDER BY 1"
        );
        let actors = house.weir.query(&made).await?;
        ensure!(
            actors == [[json!("admin_1")], [json!("owner_1")]],
            "{door}: {actors:?}"
        );
        let nowhere = format!(
            "SELECT count(*) FROM weir.audit \
             WHERE door = '{door}' AND action = 'role.create' AND ip IS NULL"
        );
        let nowhere = house.weir.count(&nowhere).await?;
        ensure!(nowhere == 0, "{door}: {nowhere} records without an address");
    }
    house.weir.stop().await
}

#[tokio::test]
async fn text_is_never_more_than_text() -> Result<()> {
    let (mut weir, server) = weir().await?;
    for sql in [
        "CREATE SCHEMA injected",
        "CREATE TABLE injected.t (a text)",
        "INSERT INTO injected.t VALUES ('untouched')",
    ] {
        weir.query(sql).await?;
    }
    let variables = [
        ("URL", weir.url()),
        ("TOKEN", server.password.as_str()),
        ("PORT", server.port.as_str()),
    ];
    let answer = Clients::find()?
        .run("python/injection.py", &variables)
        .await?;
    let wrong = answer["wrong"].as_array().context("what is wrong")?;
    ensure!(wrong.is_empty(), "{wrong:#?}");
    ensure!(answer["checked"].as_u64() > Some(300), "{answer}");
    weir.stop().await
}
