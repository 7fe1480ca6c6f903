//! Sessions of the Postgres door: what is prepared in them, who ends them, what is left of them.

use std::process::Stdio;
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpSocket;
use tokio::process::Command;
use weir_testkit::{Context, Result, Weir, ensure, until};

use crate::postgres::{Server, weir};

#[tokio::test]
async fn statements_are_prepared_and_executed_by_name() -> Result<()> {
    let (mut weir, server) = weir().await?;
    let (done, said, error) = server
        .psql(&[
            "-c",
            "PREPARE sum (int, text) AS SELECT $1 + 1, $2 || '!'",
            "-c",
            "EXECUTE sum(20 * 2 + 1, concat('a', ','))",
            "-c",
            "PREPARE any AS SELECT $1::int * 2",
            "-c",
            "EXECUTE any(21)",
            "-c",
            "CREATE TABLE main.prepared (n int)",
            "-c",
            "PREPARE put (int) AS INSERT INTO main.prepared VALUES ($1)",
            "-c",
            "EXECUTE put(7)",
            "-c",
            "SELECT n FROM main.prepared",
            "-c",
            "DEALLOCATE sum",
        ])
        .await?;
    let wanted = "PREPARE\n42|a,!\nPREPARE\n42\nCREATE TABLE\nPREPARE\nINSERT 0 1\n7\nDEALLOCATE\n";
    ensure!(done && said == wanted, "{said}{error}");
    for (script, wanted) in [
        (
            ["PREPARE a AS SELECT 1", "PREPARE a AS SELECT 2"],
            "already exists",
        ),
        (["SELECT 1", "EXECUTE nothing"], "does not exist"),
        (
            ["PREPARE a (int) AS SELECT $1", "EXECUTE a(1, 2)"],
            "wrong number",
        ),
        (["PREPARE a (int) AS SELECT $1", "EXECUTE a('x')"], "x"),
    ] {
        let (done, said, error) = server.psql(&["-c", script[0], "-c", script[1]]).await?;
        ensure!(!done && error.contains(wanted), "{script:?}: {said}{error}");
    }
    weir.stop().await
}

#[tokio::test]
async fn sessions_are_ended_by_their_own_users_and_admins_only() -> Result<()> {
    let (mut weir, owner) = weir().await?;
    weir.run(&["users", "add", "vera", "--role", "analyst"])?;
    let (_, made, error) = weir.run(&["tokens", "create", "vera", "--scopes", "read", "--json"])?;
    let made: serde_json::Value = serde_json::from_str(&made).context(error)?;
    let token = made["token"].as_str().context("a token")?;
    let vera = Server {
        port: owner.port.clone(),
        user: "vera",
        password: token.to_owned(),
    };
    for (function, wanted) in [
        ("pg_cancel_backend", "cancel"),
        ("pg_terminate_backend", "terminating connection"),
    ] {
        let address = format!("host=127.0.0.1 port={} user=owner dbname=weir", owner.port);
        let mut sleeper = Command::new("psql")
            .args(["-X", "-A", "-t", "-d", &address])
            .args([
                "-c",
                "SELECT pg_backend_pid()",
                "-c",
                "SELECT pg_sleep(120)",
            ])
            .env("PGPASSWORD", &owner.password)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(sleeper.stdout.take().context("its output")?).lines();
        let process = lines.next_line().await?.context("its number")?;
        ensure!(
            process.parse::<i32>().is_ok_and(|process| process > 0),
            "{process}"
        );
        let running = "SELECT count(*) FROM weir.queries WHERE sql LIKE '%pg_sleep(120)%' AND state = 'running' AND sql NOT LIKE '%count%'";
        weir.until_count(running, 1).await?;
        let end = format!("SELECT {function}({process})");
        let (done, _, error) = vera.psql(&["-c", &end]).await?;
        ensure!(!done && error.contains("one's own"), "{error}");
        let began = Instant::now();
        let (done, said, error) = owner.psql(&["-c", &end]).await?;
        ensure!(done && said.trim() == "t", "{said}{error}");
        let ended = sleeper.wait_with_output().await?;
        let error = String::from_utf8_lossy(&ended.stderr).into_owned();
        ensure!(
            !ended.status.success() && error.contains(wanted),
            "{function}: {error}"
        );
        ensure!(
            began.elapsed() < Duration::from_secs(20),
            "it took too long"
        );
    }
    let (done, said, _) = owner
        .psql(&["-c", "SELECT pg_cancel_backend(2000000000)"])
        .await?;
    ensure!(done && said.trim() == "f", "{said}");
    weir.stop().await
}

#[tokio::test]
async fn busy_sessions_are_told_that_the_server_stops() -> Result<()> {
    let mut weir = Weir::init(env!("CARGO_BIN_EXE_weir"))?;
    weir.set("WEIR_SERVER_SHUTDOWN_GRACE", "0s");
    weir.start().await?;
    let server = Server::of(&weir)?;
    let asking = tokio::spawn(async move {
        let asked = server.psql(&["-v", "VERBOSITY=verbose", "-c", "SELECT pg_sleep(120)"]);
        asked.await
    });
    let running = "SELECT count(*) FROM weir.queries WHERE sql LIKE '%pg_sleep(120)%' AND state = 'running' AND sql NOT LIKE '%count%'";
    weir.until_count(running, 1).await?;
    weir.stop().await?;
    let (done, _, error) = asking.await??;
    ensure!(!done && error.contains("57P01"), "{error}");
    Ok(())
}

#[tokio::test]
async fn silent_connections_of_one_address_keep_nobody_else_out() -> Result<()> {
    let mut weir = Weir::init(env!("CARGO_BIN_EXE_weir"))?;
    weir.set("WEIR_POSTGRES_MAX_CONNECTIONS", "6");
    weir.start().await?;
    let server = Server::of(&weir)?;
    let address = format!("127.0.0.1:{}", server.port).parse()?;
    let mut silent = Vec::new();
    for _ in 0..12 {
        let socket = TcpSocket::new_v4()?;
        // The whole of 127.0.0.0/8 is this machine.
        socket.bind("127.0.0.2:0".parse()?)?;
        silent.push(socket.connect(address).await?);
    }
    let (done, said, error) = server.psql(&["-c", "SELECT 1"]).await?;
    ensure!(done && said.trim() == "1", "{said}{error}");
    drop(silent);
    weir.stop().await
}

#[tokio::test]
async fn what_was_asked_outlives_a_kill() -> Result<()> {
    let (mut weir, server) = weir().await?;
    server.psql(&["-c", "SELECT 'to be remembered'"]).await?;
    let log = weir.dir().join(".weir/queries/queries.jsonl");
    until(|| {
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        async move { Ok(text.contains("to be remembered").then_some(())) }
    })
    .await?;
    weir.kill()?;
    weir.start().await?;
    let asked = "SELECT count(*) FROM weir.queries WHERE sql = 'SELECT ''to be remembered''' AND caller = 'owner'";
    ensure!(weir.count(asked).await? == 1, "it was forgotten");
    ensure!(
        weir.count("SELECT min(queries) FROM weir.query_users")
            .await?
            > 0,
        "the totals were forgotten"
    );
    weir.stop().await
}
