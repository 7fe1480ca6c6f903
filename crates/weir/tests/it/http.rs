//! The HTTP door from outside: encryption, limits, who may ask from a browser, files of rows.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;
use weir_testkit::{Clients, Context, Result, Weir, ensure};

const BINARY: &str = env!("CARGO_BIN_EXE_weir");

/// Longer than any limit that a test sets.
const PATIENCE: Duration = Duration::from_secs(30);

fn token(weir: &Weir) -> Result<String> {
    let token = std::fs::read_to_string(weir.dir().join(".weir/owner.token"))?;
    Ok(token.trim().to_owned())
}

fn port(weir: &Weir) -> Result<u16> {
    let port = weir.url().rsplit(':').next().context("no port")?;
    Ok(port.parse()?)
}

/// Runs curl; returns its exit code, the answer and what it complained of.
async fn curl(arguments: &[&str]) -> Result<(i32, String, String)> {
    let output = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "--max-time", "30"])
        .args(arguments)
        .output()
        .await
        .context("run curl")?;
    Ok((
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

/// Tries to start a server that must not start; returns what it says.
fn refused_start(weir: &Weir) -> Result<String> {
    let (code, said, error) = weir.run(&["up"])?;
    ensure!(
        code == 1 && said.is_empty(),
        "it started, or: {code} {said}{error}"
    );
    Ok(error)
}

#[tokio::test]
async fn requests_are_encrypted_and_never_answered_in_clear() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.set("WEIR_SERVER_TLS", "true");
    weir.start().await?;
    ensure!(weir.url().starts_with("https://"), "{}", weir.url());
    let port = port(&weir)?;
    let own = weir.dir().join(".weir/tls/certificate.pem");
    let own = own.to_str().context("a path of text")?;
    let authorization = format!("Authorization: Bearer {}", token(&weir)?);
    let asked = [
        "-H",
        &authorization,
        "-H",
        "Content-Type: text/plain",
        "-d",
        "SELECT 1 AS one",
    ];

    // By a name and by the address it is for, with the certificate that was made.
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{port}/api/v1/query?format=csv");
        let (code, said, error) = curl(&[&["--cacert", own], &asked[..], &[&url]].concat()).await?;
        ensure!(code == 0 && said == "one\n1\n", "{host}: {said}{error}");
    }
    // Nobody who has not been given it believes it.
    let url = format!("https://localhost:{port}/health/live");
    let (code, said, _) = curl(&[&url]).await?;
    ensure!(
        code == 60 && said.is_empty(),
        "curl believes it: {code} {said}"
    );
    // Old versions of the protocol are not spoken.
    let (code, said, _) = curl(&["-k", "--tls-max", "1.1", &url]).await?;
    ensure!(code != 0 && said.is_empty(), "TLS 1.1: {said}");

    // In clear: not a word of HTTP.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream
        .write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
        .await?;
    let mut said = Vec::new();
    let _ = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await?;
    // An alert of TLS begins with 21.
    ensure!(said.first().is_none_or(|byte| *byte == 21), "{said:?}");

    // Events, and the script that tells a page where to send them.
    let key = format!("{}:", weir.key);
    let track = format!("https://localhost:{port}/v1/track");
    let event = r#"{"event":"Seen","userId":"ada"}"#;
    let (code, said, error) = curl(&["--cacert", own, "-u", &key, "-d", event, &track]).await?;
    ensure!(code == 0 && said.contains("success"), "{said}{error}");
    let settings = format!("https://localhost:{port}/v1/projects/{}/settings", weir.key);
    let (_, said, error) = curl(&["--cacert", own, &settings]).await?;
    ensure!(
        !said.contains("\"http\""),
        "a page is told to send in clear: {said}{error}"
    );

    // Commands know their own server.
    let (code, said, error) = weir.run(&["sql", "--csv", "SELECT 2 AS two"])?;
    ensure!(code == 0 && said == "two\n2\n", "{said}{error}");
    weir.stop().await
}

#[tokio::test]
async fn commands_know_their_server_whatever_its_certificate_is_for() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    let folder = weir.dir().join("certificates");
    std::fs::create_dir(&folder)?;
    let (certificate, key) = (folder.join("events.pem"), folder.join("events.key"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "2", "-subj", "/CN=events.example.com"])
        .args(["-addext", "subjectAltName=DNS:events.example.com"])
        .arg("-out")
        .arg(&certificate)
        .arg("-keyout")
        .arg(&key)
        .output()
        .await?;
    ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    weir.set("WEIR_SERVER_TLS", "true")
        .set("WEIR_SERVER_CERTIFICATE", "certificates/events.pem")
        .set("WEIR_SERVER_KEY", "certificates/events.key");
    weir.start().await?;
    let port = port(&weir)?;
    let resolve = format!("events.example.com:{port}:127.0.0.1");
    let url = format!("https://events.example.com:{port}/health/live");
    let certificate = certificate.to_str().context("a path of text")?;
    let (code, said, error) = curl(&["--resolve", &resolve, "--cacert", certificate, &url]).await?;
    ensure!(code == 0 && said == "live\n", "{said}{error}");
    let (code, said, error) = weir.run(&["sql", "--csv", "SELECT 2 AS two"])?;
    ensure!(code == 0 && said == "two\n2\n", "{said}{error}");

    // Somebody else's server at that place is not believed.
    let running = weir.dir().join(".weir/server.json");
    let mut told: Value = serde_json::from_str(&std::fs::read_to_string(&running)?)?;
    told["certificate_sha256"] = json!("00".repeat(32));
    std::fs::write(&running, told.to_string())?;
    let (code, said, error) = weir.run(&["sql", "SELECT 2 AS two"])?;
    ensure!(code == 1 && said.is_empty(), "{said}{error}");
    weir.stop().await
}

#[tokio::test]
async fn encryption_that_cannot_be_had_ends_the_start() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    std::fs::write(weir.dir().join("junk.pem"), "no certificate\n")?;
    for (section, door) in [("SERVER", "server"), ("POSTGRES", "postgres")] {
        let (certificate, key) = (
            format!("WEIR_{section}_CERTIFICATE"),
            format!("WEIR_{section}_KEY"),
        );
        weir.set("WEIR_SERVER_TLS", "true");
        for (certificate_file, key_file, wanted) in [
            ("missing.pem", "junk.pem", "missing.pem"),
            ("junk.pem", "junk.pem", "junk.pem"),
            ("junk.pem", "", "go together"),
            ("", "junk.pem", "go together"),
        ] {
            weir.set(&certificate, certificate_file).set(&key, key_file);
            let said = refused_start(&weir)?;
            ensure!(
                said.contains(wanted) && said.contains(door),
                "{door}: {said}"
            );
        }
        weir.unset(&certificate).unset(&key);
    }
    // The key of another certificate: both files are named.
    for name in ["one", "other"] {
        let path = |kind: &str| weir.dir().join(format!("{name}.{kind}"));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-subj",
                "/CN=localhost",
            ])
            .arg("-out")
            .arg(path("pem"))
            .arg("-keyout")
            .arg(path("key"))
            .output()
            .await?;
        ensure!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
    }
    weir.set("WEIR_SERVER_CERTIFICATE", "one.pem")
        .set("WEIR_SERVER_KEY", "other.key");
    let said = refused_start(&weir)?;
    ensure!(
        said.contains("one.pem") && said.contains("other.key"),
        "{said}"
    );

    // A certificate is no use while encryption is off: nobody means that.
    weir.set("WEIR_SERVER_TLS", "false");
    let said = refused_start(&weir)?;
    ensure!(said.contains("`server.tls` is off"), "{said}");
    weir.unset("WEIR_SERVER_CERTIFICATE")
        .unset("WEIR_SERVER_KEY");

    // To be heard by others is to be said in so many words.
    weir.set("WEIR_SERVER_LISTEN", "0.0.0.0:0");
    let said = refused_start(&weir)?;
    ensure!(
        said.contains("other machines can connect") && said.contains("server.allow_http"),
        "{said}"
    );
    weir.set("WEIR_SERVER_LISTEN", "[::]:0");
    ensure!(
        refused_start(&weir)?.contains("server.tls"),
        "[::] is everybody"
    );
    Ok(())
}

/// Waits until the server closes the connection; returns what it said and how long it took.
async fn closed(mut stream: TcpStream) -> Result<(String, Duration)> {
    let (start, mut said) = (Instant::now(), Vec::new());
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut said)).await;
    ensure!(read.is_ok(), "the connection stays open");
    Ok((String::from_utf8_lossy(&said).into_owned(), start.elapsed()))
}

#[tokio::test]
async fn who_sends_slowly_or_too_much_is_not_waited_for() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.set("WEIR_SERVER_HEADER_TIMEOUT", "1s")
        .set("WEIR_SERVER_BODY_TIMEOUT", "1s");
    weir.start().await?;
    let address = ("127.0.0.1", port(&weir)?);
    let authorization = format!("Authorization: Bearer {}\r\n", token(&weir)?);
    let open = async |text: String| -> Result<TcpStream> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(text.as_bytes()).await?;
        Ok(stream)
    };

    // A head that never ends, nothing at all, and nothing after an answer.
    let half = open("GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned()).await?;
    let silent = open(String::new()).await?;
    let kept = open("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n".to_owned()).await?;
    let (half, silent, kept) = tokio::join!(closed(half), closed(silent), closed(kept));
    ensure!(!half?.0.contains("200"), "half a head was answered");
    silent?;
    ensure!(kept?.0.contains("200 OK"), "a whole one was not");
    // Byte by byte is as slow.
    let mut drip = open("GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned()).await?;
    let start = Instant::now();
    let mut pause = tokio::time::interval(Duration::from_millis(100));
    while drip.write_all(b"x").await.is_ok() {
        ensure!(start.elapsed() < PATIENCE, "a head may take for ever");
        pause.tick().await;
    }

    // Bodies, of events and of questions, known and unknown senders.
    for (path, head) in [
        ("/v1/batch", String::new()),
        ("/api/v1/query", authorization.clone()),
        ("/api/v1/users", authorization.clone()),
    ] {
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\n{head}Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"
        );
        let (said, took) = closed(open(request).await?).await?;
        ensure!(said.starts_with("HTTP/1.1 4"), "{path}: {said}");
        ensure!(took < Duration::from_secs(15), "{path} took {took:?}");
        ensure!(
            path == "/api/v1/users" || said.contains("408"),
            "{path}: {said}"
        );
    }

    // Too many headers, and too large ones.
    let many: String = (0..200).map(|n| format!("X-{n}: y\r\n")).collect();
    let large = format!("X-Large: {}\r\n", "y".repeat(300 << 10));
    for (headers, all_read) in [(many, true), (large, false)] {
        let request = format!("GET /health/live HTTP/1.1\r\nHost: x\r\n{headers}\r\n");
        let mut stream = TcpStream::connect(address).await?;
        // The door may close before it has read all.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut said = [0; 12];
        let read = tokio::time::timeout(PATIENCE, stream.read(&mut said))
            .await?
            .unwrap_or(0);
        ensure!(
            read == 0 && !all_read || said.starts_with(b"HTTP/1.1 431"),
            "{:?}",
            &said[..read]
        );
    }
    // A statement that is larger than any.
    let large = vec![b' '; 9 << 20];
    let http = reqwest::Client::builder().no_proxy().build()?;
    let post = http
        .post(format!("{}/api/v1/query", weir.url()))
        .bearer_auth(token(&weir)?);
    let answer = post
        .header("content-type", "text/plain")
        .body(large)
        .send()
        .await?;
    ensure!(answer.status().as_u16() == 413, "{}", answer.status());
    weir.stop().await
}

#[tokio::test]
async fn connections_beyond_the_cap_wait() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.set("WEIR_SERVER_MAX_CONNECTIONS", "2");
    weir.start().await?;
    let address = ("127.0.0.1", port(&weir)?);
    let ask = async || -> Result<TcpStream> {
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            .await?;
        Ok(stream)
    };
    let mut first = ask().await?;
    let mut second = ask().await?;
    let mut said = [0; 12];
    for stream in [&mut first, &mut second] {
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut said)).await??;
    }
    let mut third = ask().await?;
    let early = tokio::time::timeout(Duration::from_millis(300), third.read(&mut said)).await;
    ensure!(early.is_err(), "a third connection was served beside two");
    drop(first);
    tokio::time::timeout(PATIENCE, third.read_exact(&mut said)).await??;
    ensure!(said.starts_with(b"HTTP/1.1 200"), "{said:?}");
    weir.stop().await
}

#[tokio::test]
async fn pages_of_other_sites_may_send_events_and_nothing_else() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let document: Value = http
        .get(format!("{}/api/v1/openapi.json", weir.url()))
        .send()
        .await?
        .json()
        .await?;
    let paths = document["paths"].as_object().context("paths")?;
    let mut closed = 0;
    for (path, operations) in paths {
        let open = operations["x-weir-cors"] == json!(true);
        let url = format!(
            "{}{}",
            weir.url(),
            path.replace("{kind}", "track").replace(['{', '}'], "")
        );
        let preflight = http
            .request(reqwest::Method::OPTIONS, &url)
            .header("origin", "https://page.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization");
        let plain = http.get(&url).header("origin", "https://page.example");
        for request in [preflight, plain] {
            let answer = request.send().await?;
            let allowed = answer
                .headers()
                .keys()
                .any(|name| name.as_str().starts_with("access-control-"));
            ensure!(
                allowed == open,
                "{path}: a page of another site is {allowed}"
            );
        }
        closed += usize::from(!open);
    }
    ensure!(
        closed > 20 && closed < paths.len(),
        "{closed} of {} are closed",
        paths.len()
    );
    weir.stop().await
}

#[tokio::test]
async fn rows_as_parquet_are_read_by_others() -> Result<()> {
    let mut weir = Weir::init(BINARY)?;
    weir.start().await?;
    let token = token(&weir)?;
    let sql = "SELECT x AS n, CASE WHEN x % 3 > 0 THEN 'Größe ' || x END AS t, x / 8.0::float8 AS f, \
               (x * 1.25)::numeric(12,2) AS d, x % 2 = 0 AS b, TIMESTAMPTZ '2026-01-02 03:04:05.678+00' AS at, \
               DATE '1969-12-31' AS day, ARRAY[x, NULL] AS list, INTERVAL '1 day' AS i, NULL AS nothing \
               FROM generate_series(1, 300000) s(x) ORDER BY x";
    let count = "SELECT 1 AS x WHERE false";
    let variables = [
        ("URL", weir.url()),
        ("TOKEN", &token),
        ("SQL", sql),
        ("EMPTY", count),
    ];
    let answer = Clients::find()?
        .run("python/parquet.py", &variables)
        .await?;
    let expected = json!({
        "rows": 300_000, "groups": true, "sum": 45_000_150_000_i64, "nulls": 100_000,
        "first": [1, "Größe 1", 0.125, "1.25", false, "2026-01-02T03:04:05.678000+00:00", "1969-12-31", [1, null]],
        "empty": [0, ["x"]],
    });
    for reader in ["polars", "duckdb"] {
        ensure!(
            answer[reader] == expected,
            "{reader}: {}\nnot {expected}",
            answer[reader]
        );
    }
    // A statement that fails after rows were sent: the reader must not take it for a whole file.
    let fails = "SELECT 10 / (x - 2000000) FROM generate_series(1, 2000001) s(x)";
    for format in ["parquet", "arrow", "csv"] {
        let http = reqwest::Client::builder().no_proxy().build()?;
        let post = http.post(format!("{}/api/v1/query?format={format}", weir.url()));
        let post = post
            .bearer_auth(&token)
            .header("content-type", "text/plain")
            .body(fails);
        let answer = post.send().await?;
        if answer.status().is_success() {
            let body = answer.bytes().await;
            ensure!(body.is_err(), "{format}: a whole body without its end");
        }
    }
    let accept = weir_accept(&weir, &token).await?;
    ensure!(
        accept == ("application/vnd.apache.parquet".to_owned(), *b"PAR1"),
        "{accept:?}"
    );
    weir.stop().await
}

/// Asks for Parquet by the `Accept` header; returns the type and the first bytes.
async fn weir_accept(weir: &Weir, token: &str) -> Result<(String, [u8; 4])> {
    let http = reqwest::Client::builder().no_proxy().build()?;
    let get = http.get(format!(
        "{}/api/v1/query?sql=SELECT%201%20AS%20a",
        weir.url()
    ));
    let get = get
        .bearer_auth(token)
        .header("accept", "application/vnd.apache.parquet");
    let answer = get.send().await?;
    let kind = answer
        .headers()
        .get("content-type")
        .context("a type")?
        .to_str()?
        .to_owned();
    let bytes = answer.bytes().await?;
    ensure!(bytes.ends_with(b"PAR1"), "no end");
    Ok((kind, bytes[..4].try_into()?))
}
