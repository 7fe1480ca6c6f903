//! Rows of other systems, from the command line to SQL.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Output, Stdio};

use serde_json::{Value, json};
use weir_testkit::Postgres;

use crate::env::{Env, command, stderr, stdout};

/// Pipes lines into `weir load`.
pub(crate) fn load(env: &Env, lines: &[Value]) -> Output {
    let mut child = command()
        .args([
            "--project",
            env.project.to_str().unwrap(),
            "load",
            "--schema",
            "raw_shop",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    for line in lines {
        let text = line
            .as_str()
            .map_or_else(|| line.to_string(), str::to_owned);
        // A load that was refused reads no more.
        let _ = writeln!(stdin, "{text}");
    }
    drop(stdin);
    child.wait_with_output().unwrap()
}

fn schema(keys: &[&str]) -> Value {
    json!({"type": "SCHEMA", "stream": "orders", "key_properties": keys, "schema": {"properties": {
        "id": {"type": "integer"}, "total": {"type": "number", "multipleOf": 0.01},
        "at": {"type": "string", "format": "date-time"}, "tags": {"type": "array"},
    }}})
}

fn order(id: i64, total: f64) -> Value {
    json!({"type": "RECORD", "stream": "orders", "record":
        {"id": id, "total": total, "at": "2024-01-01T00:00:00+01:00", "tags": ["a", {"b": 1}]}})
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_of_a_tap_are_tables_with_history() {
    let env = Env::new();
    let state = |at: i64| json!({"type": "STATE", "value": {"at": at}});
    // Without a server, and with one.
    let done = load(
        &env,
        &[schema(&["id"]), order(1, 1.5), order(2, 2.5), state(1)],
    );
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert_eq!(stdout(&done).trim(), r#"{"at":1}"#);
    let server = env.up();
    let done = load(&env, &[schema(&["id"]), order(2, 9.25), state(2)]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let rows = server
        .rows("SELECT id, total, at, tags FROM shop.orders ORDER BY id")
        .await;
    assert_eq!(
        rows,
        json!([
            [1, 1.5, "2023-12-31T23:00:00Z", "[\"a\",{\"b\":1}]"],
            [2, 9.25, "2023-12-31T23:00:00Z", "[\"a\",{\"b\":1}]"]
        ])
    );
    let rows = server
        .rows("SELECT weir_op, weir_position, id, total FROM raw_shop.orders ORDER BY 2")
        .await;
    assert_eq!(
        rows,
        json!([
            ["upsert", 0, 1, 1.5],
            ["upsert", 1, 2, 2.5],
            ["upsert", 2, 2, 9.25]
        ])
    );
    // Before the second load.
    let rows = server
        .rows("SELECT count(*) FROM raw_shop.orders FOR VERSION AS OF 0")
        .await;
    assert_eq!(rows, json!([[2]]));
    let at = server
        .rows("SELECT committed_at::text FROM weir.commits WHERE table_name = 'orders' AND version = 0")
        .await;
    let then = at[0][0].as_str().unwrap();
    let then =
        format!("SELECT id, total FROM shop.orders FOR TIMESTAMP AS OF '{then}' ORDER BY id");
    assert_eq!(server.rows(&then).await, json!([[1, 1.5], [2, 2.5]]));
    // A tap's rows are numbered, which is no place in a log.
    let refused = env.weir(&["sql", "SELECT * FROM shop.orders FOR POSITION AS OF 1"]);
    assert!(
        stderr(&refused).contains("no places in a log"),
        "{}",
        stderr(&refused)
    );
    // It is listed, and nobody else writes it.
    let tables = "SELECT table_schema, table_type FROM information_schema.tables WHERE table_name = 'orders' ORDER BY 1";
    assert_eq!(
        server.rows(tables).await,
        json!([["raw_shop", "BASE TABLE"], ["shop", "VIEW"]])
    );
    let refused = env.weir(&["sql", "INSERT INTO raw_shop.orders (id) VALUES (1)"]);
    assert_eq!(refused.status.code(), Some(1), "{}", stdout(&refused));

    let wrong = load(
        &env,
        &[schema(&["id"]), order(3, 1.0), state(3), json!("{nonsense")],
    );
    assert_eq!(wrong.status.code(), Some(1));
    assert!(
        stderr(&wrong).contains("line 4: it is not JSON"),
        "{}",
        stderr(&wrong)
    );
    assert_eq!(
        server.rows("SELECT count(*) FROM shop.orders").await,
        json!([[3]])
    );
    let shown = env.weir(&["state", "show", "shop"]);
    assert_eq!(stdout(&shown).trim(), r#"{"at":3}"#, "{}", stderr(&shown));
    // A number becomes text, and the column with it: for other engines too, in all files.
    let text = json!({"type": "SCHEMA", "stream": "orders", "key_properties": ["id"], "schema": {"properties": {
        "id": {"type": "integer"}, "total": {"type": "string"}, "note": {"type": "string"}}}});
    let odd = json!({"type": "RECORD", "stream": "orders", "record": {"id": 4, "total": "n/a", "note": "x"}});
    let done = load(&env, &[text, odd]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    let rows = server
        .rows("SELECT id, total, note FROM shop.orders WHERE id IN (1, 4) ORDER BY id")
        .await;
    assert_eq!(rows, json!([[1, "1.50", null], [4, "n/a", "x"]]));
}

/// Writes a tap without packages: two streams without keys, read on from a number.
fn tap(env: &Env, rows: usize, bytes: usize) -> String {
    let path = env.project.join("tap-numbers");
    let property =
        json!({"n": {"type": "integer"}, "text": {"type": "string"}, "email": {"type": "string"}});
    let stream = |name: &str| {
        json!({"tap_stream_id": name, "stream": name, "key_properties": [], "schema": {"properties": property},
            "metadata": [{"breadcrumb": [], "metadata": {"inclusion": "available", "forced-replication-method": "INCREMENTAL"}}]})
    };
    let catalog = json!({"streams": [stream("even"), stream("odd")]}).to_string();
    let text = format!(
        "#!/usr/bin/env python3\nimport json, sys\n\
         if '--discover' in sys.argv:\n    print({catalog:?})\n    sys.exit(0)\n\
         def out(**m): print(json.dumps(m))\n\
         state = json.load(open(sys.argv[sys.argv.index('--state') + 1])) if '--state' in sys.argv else {{'at': 0}}\n\
         catalog = json.load(open(sys.argv[sys.argv.index('--catalog') + 1]))\n\
         taken = [s['stream'] for s in catalog['streams'] if s['selected']]\n\
         for s in taken: out(type='SCHEMA', stream=s, schema={{'properties': {property}}}, key_properties=[])\n\
         for n in range(state['at'], {rows}):\n    \
             s = 'odd' if n % 2 else 'even'\n    \
             if s in taken: out(type='RECORD', stream=s, record={{'n': n, 'text': 'x' * {bytes}, 'email': 'a@b'}})\n    \
             if n % 10 == 9: out(type='STATE', value={{'at': n + 1}})\n",
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_added_synced_and_taken_back() {
    let env = Env::new();
    let tap = tap(&env, 20, 10);
    let added = env.weir(&["source", "add", &tap, "--as", "numbers"]);
    assert_eq!(added.status.code(), Some(0), "{}", stderr(&added));
    let file = std::fs::read_to_string(env.project.join("sources/numbers.yml")).unwrap();
    assert!(
        file.contains("kind: singer") && file.contains("\"even\": {}"),
        "{file}"
    );
    let again = env.weir(&["source", "add", &tap, "--as", "numbers"]);
    assert!(stderr(&again).contains("is there already"));
    env.write(
        "sources/numbers.yml",
        &file.replace("\"odd\": {}", "\"odd\": {drop: [email]}"),
    );

    let checked = env.weir(&["source", "check", "numbers"]);
    assert!(
        stderr(&checked).contains("It offers 2 streams; 2 are taken."),
        "{}",
        stderr(&checked)
    );
    let planned = env.weir(&["sync", "numbers", "--dry-run"]);
    assert!(
        stdout(&planned).contains("even") && stderr(&planned).contains("would be read"),
        "{}",
        stderr(&planned)
    );

    let server = env.up();
    let synced = env.weir(&["--json", "sync", "numbers"]);
    assert_eq!(synced.status.code(), Some(0), "{}", stderr(&synced));
    let first: Value = serde_json::from_slice(&synced.stdout).unwrap();
    assert_eq!(first["rows"], 20);
    assert_eq!(
        server
            .rows("SELECT count(*), min(n) FROM numbers.odd")
            .await,
        json!([[10, 1]])
    );
    let columns = "SELECT column_name FROM information_schema.columns WHERE table_schema = 'numbers' AND table_name = 'odd' ORDER BY 1";
    assert_eq!(server.rows(columns).await, json!([["n"], ["text"]]));
    // Nothing is new; then ten more.
    assert!(stdout(&env.weir(&["--json", "sync"])).contains("\"rows\":0"));
    self::tap(&env, 30, 10);
    let second: Value =
        serde_json::from_slice(&env.weir(&["--json", "sync", "numbers"]).stdout).unwrap();
    assert_eq!(
        server.rows("SELECT count(*) FROM numbers.even").await,
        json!([[15]])
    );

    let early = env.weir(&["undo", "sync", first["run"].as_str().unwrap()]);
    assert_eq!(early.status.code(), Some(1));
    assert!(stderr(&early).contains("came after"), "{}", stderr(&early));
    let undone = env.weir(&["undo", "sync", second["run"].as_str().unwrap()]);
    assert_eq!(undone.status.code(), Some(0), "{}", stderr(&undone));
    assert_eq!(
        server.rows("SELECT count(*) FROM numbers.even").await,
        json!([[10]])
    );
    assert_eq!(
        stdout(&env.weir(&["state", "show", "numbers"])).trim(),
        r#"{"at":20}"#
    );
    // Read again from where it was.
    env.weir(&["sync", "numbers"]);
    assert_eq!(
        server
            .rows("SELECT count(*), count(DISTINCT n) FROM numbers.even")
            .await,
        json!([[15, 15]])
    );
    // Everything anew, shown once it is all there; nothing is destroyed.
    let fresh = env.weir(&["sync", "numbers", "--full-refresh"]);
    assert_eq!(fresh.status.code(), Some(0), "{}", stderr(&fresh));
    assert_eq!(
        server.rows("SELECT count(*) FROM numbers.even").await,
        json!([[15]])
    );
    assert_eq!(
        server.rows("SELECT count(*) FROM raw_numbers.even").await,
        json!([[30]])
    );

    for (arguments, wanted) in [
        (&["sync", "nmbers"][..], "did you mean `numbers`?"),
        (&["sync", "numbers.evn"], "did you mean `even`?"),
        (&["undo", "sync", "numbers-1"], "there is no sync"),
        (&["state", "set", "numbers", "{"], "the state is not JSON"),
        (&["load", "--schema", "shop"], "write `--schema raw_shop`"),
    ] {
        let wrong = env.weir(arguments);
        assert_eq!(wrong.status.code(), Some(1), "{arguments:?}");
        assert!(
            stderr(&wrong).contains(wanted),
            "{arguments:?}: {}",
            stderr(&wrong)
        );
    }
    env.write(
        "sources/bad.yml",
        "kind: singer\ntap: t\nconfig:\n  password: hunter2\n",
    );
    let listed = env.weir(&["source", "list"]);
    assert!(
        stdout(&listed).contains("sources/bad.yml:4:13: `password` is a secret"),
        "{}",
        stdout(&listed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_there_once_after_a_crash_at_every_point() {
    const POINTS: [&str; 8] = [
        "extract-commit",
        "load-stored",
        "publish-begin",
        "statement-commit",
        "statement-committed",
        "publish-table-done",
        "publish-committed",
        "publish-show",
    ];
    for point in POINTS {
        // At the first commit, and at one in the middle.
        for actions in ["panic", "1*off->panic"] {
            let env = Env::new();
            let tap = tap(&env, 400, 100_000);
            env.write(
                "sources/numbers.yml",
                &format!("kind: singer\ntap: {tap}\n"),
            );
            let mut server = env.up_with(&[("WEIR_FAILPOINTS", &format!("{point}={actions}"))]);
            let cut = env.weir(&["sync", "numbers"]);
            assert_eq!(
                cut.status.code(),
                Some(1),
                "{point}={actions}: {}",
                stderr(&cut)
            );
            server.wait();
            let server = env.up();
            let synced = env.weir(&["sync", "numbers"]);
            assert_eq!(
                synced.status.code(),
                Some(0),
                "{point}={actions}: {}",
                stderr(&synced)
            );
            for stream in ["even", "odd"] {
                let rows = server
                    .rows(&format!(
                        "SELECT count(*), count(DISTINCT n) FROM raw_numbers.{stream}"
                    ))
                    .await;
                assert_eq!(rows, json!([[200, 200]]), "{point}={actions}: {stream}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_replicated_by_itself() {
    let postgres = Postgres::start_with(&["wal_level=logical"]).await.unwrap();
    postgres.create_database("shop").await.unwrap();
    let run = async |sql: &str| postgres.ask("shop", sql).await.unwrap().unwrap();
    run("CREATE TABLE items (id int PRIMARY KEY, name text, big text); ALTER TABLE items ALTER big SET STORAGE EXTERNAL; \
         INSERT INTO items SELECT n, 'n' || n, repeat('x', 5000) FROM generate_series(1, 1000) n").await;
    let env = Env::new();
    let added = env.weir(&["source", "add", "crm", "--postgres", "CRM_URL"]);
    assert_eq!(added.status.code(), Some(0), "{}", stderr(&added));
    let refused = env.weir(&["sync", "crm"]);
    assert!(
        stderr(&refused).contains("there is no variable `CRM_URL`"),
        "{}",
        stderr(&refused)
    );
    env.write(
        "sources/crm.yml",
        "kind: postgres\nurl: ${env:CRM_URL}\nmanage: true\nevery: 1s\n",
    );
    let server = env.up_with(&[("CRM_URL", &postgres.url("shop"))]);
    server
        .wait_for_rows("SELECT count(*) FROM crm.items", &json!([[1000]]))
        .await;
    run("UPDATE items SET name = 'ada' WHERE id = 7; DELETE FROM items WHERE id = 8; INSERT INTO items VALUES (2000, 'new', 'y')").await;
    let sql = "SELECT count(*), count(*) FILTER (WHERE name = 'ada' AND length(big) = 5000), max(id) FROM crm.items";
    server.wait_for_rows(sql, &json!([[1000, 1, 2000]])).await;
    run("TRUNCATE items; INSERT INTO items VALUES (1, 'last', '')").await;
    server
        .wait_for_rows("SELECT id, name FROM crm.items", &json!([[1, "last"]]))
        .await;
    // What was there is there still, as history.
    let rows = server
        .rows("SELECT count(*) FROM raw_crm.items WHERE weir_op = 'insert'")
        .await;
    assert_eq!(rows, json!([[1002]]));
}
