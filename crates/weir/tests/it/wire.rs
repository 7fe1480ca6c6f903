//! The Postgres door against those who do not mean well: bytes that are no messages, guesses,
//! encryption that is stripped or broken, rights that end.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use weir_testkit::{Result, Weir, bail, ensure};

use crate::postgres::{Server, weir};

/// Longer than any answer of the door takes.
const PATIENCE: Duration = Duration::from_secs(30);

async fn connect(server: &Server) -> Result<TcpStream> {
    Ok(TcpStream::connect(("127.0.0.1", server.port.parse::<u16>()?)).await?)
}

/// Sends bytes, and returns everything that comes back until the connection is closed.
async fn answer(server: &Server, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut stream = connect(server).await?;
    // The door may close before it has read all.
    let _ = stream.write_all(bytes).await;
    let _ = stream.shutdown().await;
    let mut said = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    ensure!(read.is_ok(), "the connection stays open after {bytes:?}");
    Ok(said)
}

fn startup(user: &str) -> Vec<u8> {
    let mut body = 196_608_u32.to_be_bytes().to_vec();
    body.extend(format!("user\0{user}\0database\0weir\0\0").as_bytes());
    let mut packet = (body.len() as u32 + 4).to_be_bytes().to_vec();
    packet.extend(body);
    packet
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut message = vec![kind];
    message.extend((body.len() as u32 + 4).to_be_bytes());
    message.extend(body);
    message
}

/// Returns what signs in with the owner's token.
fn signed_in(server: &Server) -> Vec<u8> {
    let mut bytes = startup("token");
    bytes.extend(message(b'p', format!("{}\0", server.password).as_bytes()));
    bytes
}

/// Still there, and right.
async fn works(server: &Server) -> Result<()> {
    let (done, said, error) = server.psql(&["-c", "SELECT 1"]).await?;
    ensure!(done && said.trim() == "1", "{said}{error}");
    Ok(())
}

/// A generator without surprises: the same bytes at every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

#[tokio::test]
async fn bytes_that_are_no_messages_end_their_connection_only() -> Result<()> {
    let (mut weir, server) = weir().await?;
    let mut random = Random(7);
    let mut hostile: Vec<Vec<u8>> = vec![
        vec![],
        vec![0; 4],
        vec![0, 0, 0, 7],
        u32::MAX.to_be_bytes().to_vec(),
        [0x7fff_ffff_u32.to_be_bytes(), [0; 4]].concat(),
        [8_u32.to_be_bytes(), 80_877_102_u32.to_be_bytes()].concat(),
        [
            16_u32.to_be_bytes(),
            80_877_102_u32.to_be_bytes(),
            [0xff; 4],
            [0xff; 4],
        ]
        .concat(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
    ];
    for length in [1, 5, 8, 9, 40, 400] {
        hostile.push(random.bytes(length));
        let mut packet = (length as u32 + 8).to_be_bytes().to_vec();
        packet.extend(196_608_u32.to_be_bytes());
        packet.extend(random.bytes(length));
        hostile.push(packet);
    }
    for bytes in &hostile {
        answer(&server, bytes).await?;
    }
    works(&server).await?;

    // The same from somebody who has signed in: each kind of message, cut off, overlong, or with
    // counts that do not fit.
    for kind in b"QPBDECSHdcfpFX\0\xff" {
        for body in [
            vec![],
            vec![0xff; 3],
            vec![0xff; 64],
            b"\0\0\xff\xff\xff\xff\xff\xff".to_vec(),
            b"select 1".to_vec(),
            [
                b"p\0s\0".as_slice(),
                &[0x7f, 0xff, 0x7f, 0xff, 0x7f, 0xff, 0xff, 0xff],
            ]
            .concat(),
            random.bytes(50),
        ] {
            let mut bytes = signed_in(&server);
            bytes.extend(message(*kind, &body));
            bytes.extend(message(b'X', b""));
            answer(&server, &bytes).await?;
        }
        let mut bytes = signed_in(&server);
        bytes.push(*kind);
        bytes.extend(random.next().to_be_bytes());
        answer(&server, &bytes).await?;
    }
    works(&server).await?;
    ensure!(!weir.ended_now()?, "the server ended");
    weir.stop().await
}

#[tokio::test]
async fn encryption_fails_closed() -> Result<()> {
    let (mut weir, server) = weir().await?;
    let request = [8_u32.to_be_bytes(), 80_877_103_u32.to_be_bytes()].concat();

    // What follows the request in the same packet was put there by somebody in the middle.
    let mut smuggled = request.clone();
    smuggled.extend(startup("owner"));
    let said = answer(&server, &smuggled).await?;
    ensure!(said == b"S", "answered what came unencrypted: {said:?}");

    // A handshake that is none: not a word in clear afterwards.
    let mut stream = connect(&server).await?;
    stream.write_all(&request).await?;
    ensure!(stream.read_u8().await? == b'S', "no encryption is offered");
    stream.write_all(&startup("owner")).await?;
    let mut said = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await?;
    // An alert of TLS begins with 21.
    ensure!(said.first().is_none_or(|byte| *byte == 21), "{said:?}");

    let address = format!(
        "host=127.0.0.1 port={} user=owner dbname=weir sslmode=require",
        server.port
    );
    let (done, said, error) = server.psql(&["-d", &address, "-c", "SELECT 1"]).await?;
    ensure!(done, "{said}{error}");
    weir.stop().await
}

#[tokio::test]
async fn guessing_is_refused_then_slowed_down() -> Result<()> {
    let (mut weir, server) = weir().await?;
    let mut refused = 0;
    let mut slowed = false;
    for user in ["owner", "nobody", "token", "owner'; --"]
        .iter()
        .cycle()
        .take(40)
    {
        let guess = Server {
            port: server.port.clone(),
            user: "owner",
            password: "guess".to_owned(),
        };
        let address = format!(
            "host=127.0.0.1 port={} user='{}' dbname=weir",
            guess.port,
            user.replace('\'', "\\'")
        );
        let (done, _, error) = guess.psql(&["-d", &address, "-c", "SELECT 1"]).await?;
        ensure!(!done, "{user} came in with a guess");
        if error.contains("password authentication failed") {
            refused += 1;
        } else if error.contains("too many failed attempts") {
            slowed = true;
            break;
        } else {
            bail!("{user}: {error}");
        }
    }
    ensure!(
        slowed && refused >= 5,
        "refused {refused}, slowed down: {slowed}"
    );
    weir.stop().await
}

fn command(weir: &Weir, arguments: &[&str]) -> Result<String> {
    let (code, said, error) = weir.run(arguments)?;
    ensure!(code == 0, "{arguments:?}: {error}");
    Ok(said)
}

fn user(weir: &Weir, name: &str, role: &str) -> Result<String> {
    command(weir, &["users", "add", name, "--role", role])?;
    let made = command(weir, &["tokens", "create", name, "--json"])?;
    let made: serde_json::Value = serde_json::from_str(&made)?;
    let token = made["token"].as_str().unwrap_or_default().to_owned();
    ensure!(token.starts_with("weir_"), "{made}");
    Ok(token)
}

#[tokio::test]
async fn rights_hold_at_this_door_and_end_while_rows_flow() -> Result<()> {
    let (mut weir, server) = weir().await?;
    for sql in [
        "CREATE SCHEMA secret",
        "CREATE TABLE secret.plans AS SELECT 1 AS x",
    ] {
        let (done, _, error) = server.psql(&["-c", sql]).await?;
        ensure!(done, "{error}");
    }
    let token = user(&weir, "vera", "viewer")?;
    let vera = Server {
        port: server.port.clone(),
        user: "token",
        password: token,
    };
    works(&vera).await?;
    for sql in [
        "SELECT * FROM secret.plans",
        "COPY secret.plans TO STDOUT",
        "DELETE FROM secret.plans",
        "CREATE TABLE secret.mine (a int)",
        "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM secret.plans",
        "EXPLAIN ANALYZE SELECT * FROM secret.plans",
    ] {
        let (done, said, error) = vera.psql(&["-c", sql]).await?;
        ensure!(!done && !said.contains('1'), "{sql}: {said}{error}");
        ensure!(error.contains("ERROR"), "{sql}: {error}");
    }
    let (_, listed, _) = vera.psql(&["-c", "\\dt *.*", "-c", "\\dn"]).await?;
    ensure!(!listed.contains("secret"), "{listed}");

    let long =
        "SELECT count(*) FROM generate_series(1, 1000000) a(x), generate_series(1, 1000000) b(y)";
    let arguments = ["-c", long];
    let asked = vera.psql(&arguments);
    let ended = async {
        // Once it runs, the user is no longer let in.
        let began = Instant::now();
        loop {
            let running = "SELECT count(*) FROM weir.queries WHERE state = 'running' AND sql LIKE '%1000000%' AND sql NOT LIKE '%weir.queries%'";
            let (_, said, _) = server.psql(&["-c", running]).await?;
            if said.trim() == "1" {
                break;
            }
            ensure!(began.elapsed() < PATIENCE, "the query does not begin");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        command(&weir, &["users", "disable", "vera"])
    };
    let began = Instant::now();
    let (asked, ended) = tokio::join!(asked, ended);
    ended?;
    let (done, _, error) = asked?;
    ensure!(!done && error.contains("ERROR"), "{error}");
    ensure!(began.elapsed() < PATIENCE, "it took {:?}", began.elapsed());
    let (done, _, _) = vera.psql(&["-c", "SELECT 1"]).await?;
    ensure!(!done, "a disabled user comes in");
    weir.stop().await
}

#[tokio::test]
async fn reading_only_and_transactions_are_what_they_say() -> Result<()> {
    let (mut weir, server) = weir().await?;
    for sql in [
        "BEGIN READ ONLY; CREATE TABLE t AS SELECT 1",
        "SET default_transaction_read_only = on; CREATE TABLE t AS SELECT 1",
        "BEGIN; SET TRANSACTION READ ONLY; CREATE TABLE t AS SELECT 1",
    ] {
        let (done, _, error) = server.psql(&["-c", sql]).await?;
        ensure!(!done && error.contains("read-only"), "{sql}: {error}");
    }
    let (done, said, error) = server
        .psql(&[
            "-c",
            "BEGIN; CREATE TABLE t AS SELECT 1 AS a; ROLLBACK; SELECT count(*) FROM t",
        ])
        .await?;
    ensure!(
        done && error.contains("nothing was undone"),
        "{said}{error}"
    );
    weir.stop().await
}
