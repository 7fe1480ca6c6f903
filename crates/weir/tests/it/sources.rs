//! Sources around the clock: watched, compared, folded, and cut off at any moment.

use serde_json::{Value, json};
use weir_testkit::Postgres;

use crate::env::{Env, Server, stderr, stdout};
use crate::extract::load;

const ORDERS: &[&str] = &["id"];

fn schema() -> Value {
    json!({"type": "SCHEMA", "stream": "orders", "key_properties": ORDERS, "schema": {"properties": {
        "id": {"type": "integer"}, "v": {"type": "integer"}, "_sdc_deleted_at": {"type": "string"}}}})
}

fn order(id: i64, v: i64) -> Value {
    json!({"type": "RECORD", "stream": "orders", "record": {"id": id, "v": v}})
}

fn state(at: i64) -> Value {
    json!({"type": "STATE", "value": {"at": at}})
}

async fn folded(server: &Server) {
    let sql = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'raw_shop' AND table_name = 'orders__folded'";
    server.wait_for_rows(sql, &json!([[1]])).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folded_changelog_shows_the_same_rows() {
    let env = Env::new();
    let server = env.up();
    let mut lines = vec![schema()];
    lines.extend((0..12_000).map(|id| order(id, 1)));
    lines.push(state(1));
    let first = load(&env, &lines);
    assert_eq!(first.status.code(), Some(0), "{}", stderr(&first));
    folded(&server).await;
    let sums = "SELECT count(*), sum(v), min(id), max(id) FROM shop.orders";
    assert_eq!(server.rows(sums).await, json!([[12000, 12000, 0, 11999]]));
    // Changed, new, gone, and gone and back, since the base.
    let gone = |id: i64| json!({"type": "RECORD", "stream": "orders", "record": {"id": id, "_sdc_deleted_at": "2024-01-01"}});
    let changes = [
        schema(),
        order(5, 10),
        order(5, 20),
        order(20_000, 100),
        gone(7),
        gone(8),
        order(8, 3),
        state(2),
    ];
    let second = load(&env, &changes);
    assert_eq!(second.status.code(), Some(0), "{}", stderr(&second));
    let wanted = json!([[12000, 11999 - 1 + 19 + 100 + 3, 0, 20000]]);
    assert_eq!(server.rows(sums).await, wanted);
    // A column that comes later, and a wider one, which the base does not have.
    let wider = json!({"type": "SCHEMA", "stream": "orders", "key_properties": ORDERS, "schema": {"properties": {
        "id": {"type": "integer"}, "v": {"type": "integer"}, "note": {"type": "string"}}}});
    let noted =
        json!({"type": "RECORD", "stream": "orders", "record": {"id": 9, "v": 1, "note": "x"}});
    load(&env, &[wider, noted, state(3)]);
    let noted = "SELECT count(*), count(note), max(note) FROM shop.orders";
    assert_eq!(server.rows(noted).await, json!([[12000, 1, "x"]]));
    let text = json!({"type": "SCHEMA", "stream": "orders", "key_properties": ORDERS, "schema": {"properties": {
        "id": {"type": "integer"}, "v": {"type": "string"}}}});
    load(
        &env,
        &[
            text,
            json!({"type": "RECORD", "stream": "orders", "record": {"id": 10, "v": "n/a"}}),
            state(4),
        ],
    );
    assert_eq!(
        server
            .rows("SELECT v FROM shop.orders WHERE id IN (5, 10) ORDER BY id")
            .await,
        json!([["20"], ["n/a"]])
    );
    // Taken back to before the base: it counts no more.
    let runs = "SELECT DISTINCT weir_run, min(weir_position) FROM raw_shop.orders GROUP BY 1 ORDER BY 2 DESC";
    for run in server.rows(runs).await.as_array().unwrap().clone() {
        let undone = env.weir(&["undo", "sync", run[0].as_str().unwrap()]);
        assert_eq!(undone.status.code(), Some(0), "{}", stderr(&undone));
    }
    load(&env, &[schema(), order(1, 1), state(1)]);
    assert_eq!(
        server.rows("SELECT id, v FROM shop.orders").await,
        json!([[1, 1]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_a_watched_folder_are_rows_by_themselves() {
    let env = Env::new();
    std::fs::create_dir(env.project.join("in")).unwrap();
    let added = env.weir(&["source", "add", "drop", "--files", "in"]);
    assert_eq!(added.status.code(), Some(0), "{}", stderr(&added));
    let server = env.up();
    env.write("in/orders-1.csv", "id,total\n1,2.5\n2,3.5\n");
    let sums = "SELECT count(*), sum(total) FROM drop.orders";
    server.wait_for_rows(sums, &json!([[2, 6.0]])).await;
    env.write("in/orders-2.csv", "id;total\n3;4\n4;5;6\n");
    server.wait_for_rows(sums, &json!([[3, 10.0]])).await;
    let poisoned = server
        .rows("SELECT _file, _line, text FROM drop.quarantine")
        .await;
    assert_eq!(poisoned, json!([["orders-2.csv", 3, "4;5;6"]]));
    let shown = env.weir(&["source", "discover", "drop"]);
    assert!(stdout(&shown).contains("2 files"), "{}", stdout(&shown));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_is_compared_and_mended_from_the_command_line() {
    let postgres = Postgres::start_with(&["wal_level=logical"]).await.unwrap();
    postgres.create_database("shop").await.unwrap();
    let run = async |sql: &str| postgres.ask("shop", sql).await.unwrap().unwrap();
    run("CREATE TABLE items (id int PRIMARY KEY, name text, price numeric(8,2), at timestamptz, r double precision, b bytea, d date, ok boolean, j jsonb); \
         INSERT INTO items SELECT n, 'n' || n, n / 3.0, '2024-01-01 00:00:00.5+00'::timestamptz + n * interval '1 s', n / 7.0, int4send(n), '2024-01-01'::date + n, n % 2 = 0, jsonb_build_object('n', n) \
         FROM generate_series(1, 500) n; CREATE TABLE bag (v int, t text); ALTER TABLE bag REPLICA IDENTITY FULL; INSERT INTO bag VALUES (1, 'a'), (1, 'a'), (2, NULL)").await;
    let env = Env::new();
    env.write(
        "sources/crm.yml",
        "kind: postgres\nurl: ${env:CRM_URL}\nmanage: true\nevery: 1s\nretain: 1GB\n",
    );
    let server = env.up_with(&[("CRM_URL", &postgres.url("shop"))]);
    server
        .wait_for_rows("SELECT count(*) FROM crm.items", &json!([[500]]))
        .await;
    let place = run("SELECT pg_current_wal_lsn()").await.rows;
    let place = &place[0][0];
    // Equal rows are counted, and earlier ones have what a column came with.
    run("DELETE FROM bag WHERE ctid = (SELECT min(ctid) FROM bag); UPDATE bag SET t = 'b' WHERE v = 2; ALTER TABLE items ADD stock int DEFAULT 9; \
         UPDATE items SET stock = NULL WHERE id = 1").await;
    server
        .wait_for_rows(
            "SELECT v, t FROM crm.bag ORDER BY 1",
            &json!([[1, "a"], [2, "b"]]),
        )
        .await;
    let stock = "SELECT count(*), count(stock), max(stock) FROM crm.items";
    server.wait_for_rows(stock, &json!([[500, 499, 9]])).await;
    // Both tables as they were at one place of the log; what has no places is not taken for it.
    for view in [
        "CREATE VIEW main.both AS SELECT (SELECT count(*) FROM crm.bag) AS bag, (SELECT max(stock) FROM crm.items WHERE id = 1) AS stock",
        "CREATE VIEW main.changes AS SELECT count(*) AS n FROM raw_crm.bag",
    ] {
        server.rows(view).await;
    }
    let then = format!("SELECT bag, stock FROM main.both FOR LSN AS OF '{place}'");
    assert_eq!(server.rows(&then).await, json!([[3, 9]]));
    assert_eq!(
        server.rows("SELECT bag, stock FROM main.both").await,
        json!([[2, null]])
    );
    let changes = format!("SELECT n FROM main.changes FOR LSN AS OF '{place}'");
    let refused = env.weir(&["sql", &changes]);
    assert!(
        stderr(&refused).contains("a position does not cut"),
        "{}",
        stderr(&refused)
    );
    let early = env.weir(&["sql", "SELECT * FROM crm.bag FOR LSN AS OF '0/1'"]);
    assert!(
        stderr(&early).contains("begins at position"),
        "{}",
        stderr(&early)
    );
    // Whoever compares waits for the turn.
    let verify = |arguments: &[&str]| {
        for _ in 0..200 {
            let done = env.weir(&[&["verify", "crm"], arguments].concat());
            if !stderr(&done).contains("is under way") {
                return done;
            }
        }
        panic!("no turn");
    };
    let same = verify(&[]);
    assert_eq!(same.status.code(), Some(0), "{}", stderr(&same));
    assert!(
        stdout(&same).contains("100 %") || stdout(&same).contains("100.0000 %"),
        "{}",
        stdout(&same)
    );
    assert!(
        stderr(&same).contains("2 tables are the same") && stderr(&same).contains("Behind by"),
        "{}",
        stderr(&same)
    );
    // The slot goes, and rows change that no log tells.
    run("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active").await;
    while postgres
        .ask("shop", "SELECT pg_drop_replication_slot('weir_crm')")
        .await
        .unwrap()
        .is_err()
    {}
    run("UPDATE items SET price = 0 WHERE id <= 10; DELETE FROM items WHERE id = 500").await;
    let lost = verify(&[]);
    assert_eq!(lost.status.code(), Some(1));
    assert!(
        stderr(&lost).contains("weir verify crm --repair"),
        "{}",
        stderr(&lost)
    );
    let mended = verify(&["--repair", "--json"]);
    assert_eq!(mended.status.code(), Some(0), "{}", stderr(&mended));
    let answer: Value = serde_json::from_slice(&mended.stdout).unwrap();
    let items = answer["tables"]
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["stream"] == "items")
        .unwrap();
    assert_eq!(
        (&items["different"], &items["extra"], &items["missing"]),
        (&json!(10), &json!(1), &json!(0))
    );
    let sums = "SELECT count(*), sum(price) FROM crm.items WHERE id <= 10 OR id = 500";
    assert_eq!(server.rows(sums).await, json!([[10, 0.0]]));
    run("INSERT INTO items VALUES (501, 'after')").await;
    server
        .wait_for_rows(
            "SELECT name FROM crm.items WHERE id = 501",
            &json!([["after"]]),
        )
        .await;
    let metrics = server
        .http()
        .get(format!("{}/metrics", server.url))
        .bearer_auth(&server.token)
        .send()
        .await
        .unwrap();
    let page = metrics.text().await.unwrap();
    assert!(
        page.contains("weir_source_retained_bytes{source=\"crm\"}"),
        "{page}"
    );
}

/// Kills the server again and again while a database is worked on.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_again_and_again_loses_and_doubles_nothing() {
    let rounds = std::env::var("WEIR_TORTURE_CYCLES").ok();
    let rounds: u64 = rounds
        .and_then(|n| n.parse().ok())
        .map_or(6, |n: u64| n / 5);
    let mut postgres = Postgres::start_with(&["wal_level=logical"]).await.unwrap();
    postgres.create_database("shop").await.unwrap();
    let tables = "CREATE TABLE a (id int PRIMARY KEY, v int, big text); ALTER TABLE a ALTER big SET STORAGE EXTERNAL; \
        CREATE TABLE b (v int, t text); ALTER TABLE b REPLICA IDENTITY FULL; INSERT INTO a SELECT n, n, repeat('x', 3000) FROM generate_series(1, 2000) n";
    postgres.ask("shop", tables).await.unwrap().unwrap();
    let env = Env::new();
    env.write(
        "sources/crm.yml",
        "kind: postgres\nurl: ${env:CRM_URL}\nmanage: true\nevery: 1s\n",
    );
    let url = postgres.url("shop");
    let mut server = env.up_with(&[("CRM_URL", &url)]);
    for round in 0..rounds {
        // Statements that take a moment each: the server is somewhere in between when it ends.
        for step in 0..=round % 4 {
            let n = (round * 7 + step * 3) % 50;
            let work = format!(
                "BEGIN; UPDATE a SET v = v + 1 WHERE id % 50 = {n}; SAVEPOINT s; DELETE FROM a; ROLLBACK TO s; \
                 UPDATE a SET id = id + 100000 WHERE id % 97 = {n} AND id < 2000; DELETE FROM a WHERE id % 211 = {n}; \
                 INSERT INTO a SELECT {round} * 10000 + 1000000 + {step} * 100 + i, i, repeat('y', 2500) FROM generate_series(1, 20) i; \
                 INSERT INTO b SELECT {n}, 't' FROM generate_series(1, 3); DELETE FROM b WHERE ctid = (SELECT min(ctid) FROM b); COMMIT"
            );
            postgres.ask("shop", &work).await.unwrap().unwrap();
        }
        if round % 5 == 4 {
            postgres.crash().await.unwrap();
        }
        if round == 2 {
            let altered = "ALTER TABLE a ADD w text DEFAULT 'w'; TRUNCATE b; INSERT INTO b VALUES (1, 'after')";
            postgres.ask("shop", altered).await.unwrap().unwrap();
        }
        server.signal("KILL");
        server.wait();
        server = env.up_with(&[("CRM_URL", &url)]);
    }
    for (sql, ours) in [
        (
            "SELECT count(*), sum(id), sum(v), sum(length(big)), count(w) FROM a",
            "SELECT count(*), sum(id), sum(v), sum(length(big)), count(w) FROM crm.a",
        ),
        (
            "SELECT count(*), sum(v), count(t) FROM b",
            "SELECT count(*), sum(v), count(t) FROM crm.b",
        ),
    ] {
        let wanted = postgres.ask("shop", sql).await.unwrap().unwrap().rows;
        let wanted: Vec<i64> = wanted[0].iter().map(|text| text.parse().unwrap()).collect();
        server.wait_for_rows(ours, &json!([wanted])).await;
    }
    // A sync may hold the turn; each try takes its time.
    let mut verified = env.weir(&["verify", "crm"]);
    while stderr(&verified).contains("is under way") {
        verified = env.weir(&["verify", "crm"]);
    }
    assert_eq!(
        verified.status.code(),
        Some(0),
        "{}{}",
        stdout(&verified),
        stderr(&verified)
    );
}
