//! The Postgres door: drivers as their makers publish them, asked the same as a real PostgreSQL.

use std::process::Stdio;

use tokio::process::Command;
use weir_testkit::{Clients, Context, Postgres, Result, Weir, ensure};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

/// What the drivers ask about.
const TABLE: [&str; 3] = [
    "CREATE SCHEMA drivers",
    "CREATE TABLE drivers.items (id bigint, name text, price numeric(10,2), at timestamptz, ok boolean)",
    "INSERT INTO drivers.items VALUES (1, 'a', 1.50, '2024-01-01 00:00:00+00', true), \
     (2, 'b', 20.25, '2024-06-15 12:00:00.5+00', false), (3, NULL, NULL, NULL, true), \
     (4, 'ü \"q\"', -3.00, '1999-12-31 23:59:59+00', NULL)",
];

/// A server with the table, and how it is reached.
pub(crate) struct Server {
    pub(crate) port: String,
    pub(crate) user: &'static str,
    pub(crate) password: String,
}

impl Server {
    /// Finds the door of a running server.
    pub(crate) fn of(weir: &Weir) -> Result<Self> {
        let state = weir.dir().join(".weir");
        let running: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(state.join("server.json"))?)?;
        let address = running["postgres"].as_str().context("the door's address")?;
        let port = address.rsplit(':').next().unwrap_or_default().to_owned();
        let password = std::fs::read_to_string(state.join("owner.token"))?;
        Ok(Self {
            port,
            user: "owner",
            password: password.trim().to_owned(),
        })
    }

    pub(crate) async fn psql(&self, arguments: &[&str]) -> Result<(bool, String, String)> {
        let address = format!(
            "host=127.0.0.1 port={} user={} dbname=weir",
            self.port, self.user
        );
        let output = Command::new("psql")
            .args(["-X", "-A", "-t", "-d", &address])
            .args(arguments)
            .env("PGPASSWORD", &self.password)
            .stdin(Stdio::null())
            .output()
            .await
            .context("run psql")?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok((
            output.status.success(),
            text(&output.stdout),
            text(&output.stderr),
        ))
    }

    async fn fill(&self) -> Result<()> {
        for sql in TABLE {
            let (done, _, error) = self.psql(&["-c", sql]).await?;
            ensure!(done, "{sql}: {error}");
        }
        Ok(())
    }

    async fn lines(&self, script: &str, driver: Option<&str>) -> Result<Vec<String>> {
        let mut arguments: Vec<&str> = driver.into_iter().collect();
        arguments.extend(["127.0.0.1", &self.port, self.user, "weir"]);
        let password = [("PGPASSWORD", self.password.as_str())];
        Clients::find()?.lines(script, &arguments, &password).await
    }
}

pub(crate) async fn weir() -> Result<(Weir, Server)> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let server = Server::of(&weir)?;
    Ok((weir, server))
}

/// Compares what a driver hears from Weir with what it hears from PostgreSQL; lines with one of
/// `known` in them differ, and each of them still has to.
async fn compare(script: &str, driver: Option<&str>, known: &[&str]) -> Result<()> {
    let oracle = Postgres::start().await?;
    oracle.create_database("weir").await?;
    let theirs = Server {
        port: oracle.port().to_string(),
        user: "postgres",
        password: "none".to_owned(),
    };
    let (mut weir, ours) = weir().await?;
    theirs.fill().await?;
    ours.fill().await?;
    let expected = theirs.lines(script, driver).await?;
    let found = ours.lines(script, driver).await?;
    ensure!(
        expected.len() == found.len() && expected.len() > 10,
        "{} lines instead of {}: {found:#?}",
        found.len(),
        expected.len()
    );
    let mut wrong = Vec::new();
    for (expected, found) in expected.iter().zip(&found) {
        let differs = known.iter().any(|name| expected.contains(name));
        // Who asks is called differently.
        let expected = expected.replace("postgres\"", "owner\"");
        if (expected != *found) != differs {
            wrong.push(format!("PostgreSQL {expected}\n      Weir {found}"));
        }
    }
    weir.stop().await?;
    ensure!(
        wrong.is_empty(),
        "{script} {driver:?}\n{}",
        wrong.join("\n")
    );
    Ok(())
}

#[tokio::test]
async fn psycopg_3_hears_what_postgres_says() -> Result<()> {
    compare("postgres.py", Some("psycopg3"), &[]).await
}

#[tokio::test]
async fn psycopg_2_hears_what_postgres_says() -> Result<()> {
    compare("postgres.py", Some("psycopg2"), &[]).await
}

#[tokio::test]
async fn asyncpg_hears_what_postgres_says() -> Result<()> {
    compare("postgres.py", Some("asyncpg"), &[]).await
}

#[tokio::test]
async fn sqlalchemy_and_pandas_hear_what_postgres_says() -> Result<()> {
    compare("postgres.py", Some("sqlalchemy"), &[]).await
}

#[tokio::test]
async fn node_postgres_hears_what_postgres_says() -> Result<()> {
    // Whole numbers in a statement are of type bigint, which JavaScript gets as text.
    let known = ["\"several\"", "\"after error\""];
    compare("postgres.mjs", None, &known).await
}

#[tokio::test]
async fn jdbc_hears_what_postgres_says() -> Result<()> {
    compare("Postgres.java", None, &[]).await
}

#[tokio::test]
async fn psql_describes_what_there_is() -> Result<()> {
    let (mut weir, ours) = weir().await?;
    ours.fill().await?;
    let file = weir.dir().join("rows.csv");
    std::fs::write(&file, "6,from a file\n7,\"from a file, too\"\n")?;
    let copied = format!(
        "\\copy drivers.items (id, name) FROM '{}' CSV",
        file.display()
    );
    let view = "CREATE VIEW drivers.cheap AS SELECT id FROM drivers.items WHERE price < 2";
    let (done, _, error) = ours.psql(&["-c", view]).await?;
    ensure!(done, "{error}");
    for (command, wanted) in [
        ("\\d drivers.items", "price|numeric(10,2)"),
        ("\\d+ drivers.items", "at|timestamp with time zone"),
        ("\\d drivers.cheap", "id|bigint"),
        ("\\dt drivers.*", "drivers|items|table"),
        ("\\dt+ drivers.*", "items"),
        ("\\dv drivers.*", "drivers|cheap|view"),
        ("\\dn", "drivers|"),
        ("\\dn+", "drivers|"),
        ("\\l", "weir|"),
        ("\\du", "owner"),
        ("\\di", ""),
        ("\\df", ""),
        ("\\dT", ""),
        ("\\dx", ""),
        ("\\dC", ""),
        ("\\dc", ""),
        ("\\deu", ""),
        ("\\dFp", ""),
        ("\\dl", ""),
        ("\\dF", ""),
        ("\\dO", ""),
        ("\\drds", ""),
        ("\\ddp", ""),
        ("\\dp drivers.*", "drivers|items|table"),
        ("\\sv drivers.cheap", "SELECT id FROM drivers.items"),
        ("\\conninfo", "SSL connection"),
        (
            "\\copy (SELECT id FROM drivers.items ORDER BY id) TO STDOUT (FORMAT csv)",
            "1\n2\n3\n4",
        ),
        (copied.as_str(), "COPY 2"),
        (
            "SELECT sum(id) FROM drivers.items WHERE name LIKE 'from a file%'",
            "13",
        ),
    ] {
        let (done, said, error) = ours.psql(&["-c", command]).await?;
        ensure!(
            done && !error.contains("ERROR") && said.contains(wanted),
            "{command}: {said}{error}"
        );
    }
    weir.stop().await
}
