//! A real PostgreSQL and a user who may only read: what is in its tables is in the lake after each sync.

use std::process::Stdio;
use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use weir_extract::{
    Deletes, ExtractErrorKind, Extracts, Replication, SourceKind, SourceSpec, StreamRules,
    SyncRequest,
};
use weir_testkit::Postgres;

use crate::memory::{Fault, Memory};
use crate::shop::{Chance, TABLES, assert_same, room, run, spec, sync, transaction, verify};

const METHODS: [Replication; 2] = [Replication::Xmin, Replication::Incremental];

/// Starts a server that writes no log for us, with a user who may only read.
async fn server() -> Postgres {
    let postgres = Postgres::start().await.unwrap();
    postgres.create_database("shop").await.unwrap();
    run(
        &postgres,
        "CREATE ROLE reader LOGIN; GRANT pg_read_all_data TO reader",
    )
    .await;
    postgres
}

fn reading(postgres: &Postgres, replication: Replication) -> SourceSpec {
    let url = format!("postgresql://reader@127.0.0.1:{}/shop", postgres.port());
    let mut spec = spec(url, false);
    if let SourceKind::Postgres(own) = &mut spec.kind {
        own.replication = Some(replication);
        own.replication_key = Some("touched".into());
    }
    spec
}

fn deleting(mut spec: SourceSpec, deletes: Deletes) -> SourceSpec {
    if let SourceKind::Postgres(own) = &mut spec.kind {
        own.deletes = Some(deletes);
    }
    spec
}

/// A column that every change raises.
async fn touch(postgres: &Postgres, tables: &[&str]) {
    run(
        postgres,
        "CREATE SEQUENCE IF NOT EXISTS touches; CREATE OR REPLACE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS \
         $$ BEGIN NEW.touched := nextval('touches'); RETURN NEW; END $$",
    )
    .await;
    for table in tables {
        run(
            postgres,
            &format!(
                "ALTER TABLE {table} ADD touched bigint DEFAULT nextval('touches'); CREATE TRIGGER touch BEFORE INSERT OR \
                 UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION touch()"
            ),
        )
        .await;
    }
}

/// A transaction that stays open.
struct Open {
    psql: Child,
    asks: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Open {
    async fn begin(postgres: &Postgres, sql: &str) -> Self {
        let mut psql = Command::new("psql")
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"])
            .arg(postgres.url("shop"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let asks = psql.stdin.take().unwrap();
        let answers = BufReader::new(psql.stdout.take().unwrap()).lines();
        let mut open = Self {
            psql,
            asks,
            answers,
        };
        open.run(&format!("BEGIN; {sql}")).await;
        open
    }

    async fn run(&mut self, sql: &str) {
        let line = format!("{sql};\n\\echo ready\n");
        self.asks.write_all(line.as_bytes()).await.unwrap();
        while self.answers.next_line().await.unwrap().unwrap() != "ready" {}
    }

    async fn commit(mut self) {
        self.run("COMMIT").await;
        drop(self.asks);
        assert!(self.psql.wait().await.unwrap().success());
    }
}

async fn count(postgres: &Postgres, sql: &str) -> String {
    let answer = postgres.ask("shop", sql).await.unwrap().unwrap();
    answer.rows[0][0].clone()
}

/// Syncs; returns what people are told.
async fn noted(room: &Extracts) -> Vec<String> {
    let mut running = room.sync("shop", SyncRequest::default()).unwrap();
    running.ended().await.unwrap();
    running.progress.shown().notes
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_the_same_after_any_work_and_any_fault() {
    let (seeds, rounds) = match std::env::var("WEIR_TORTURE_SEEDS") {
        Ok(seeds) => (seeds.parse().unwrap(), 60),
        Err(_) => (1, 18),
    };
    for seed in 0..seeds {
        for replication in METHODS {
            work_and_faults(replication, seed, rounds).await;
        }
    }
}

async fn work_and_faults(replication: Replication, seed: u64, rounds: u64) {
    let mut postgres = server().await;
    run(&postgres, TABLES).await;
    touch(&postgres, &["items", "pairs", "billing.invoices", "parts"]).await;
    let mut chance = Chance(11 + seed);
    for _ in 0..30 {
        run(&postgres, &transaction(&mut chance)).await;
    }
    let memory = Memory::new();
    let room = room(&memory, reading(&postgres, replication));
    // The copy is cut off at its commit, and once more after it.
    memory.fail(Fault::Before(1));
    sync(&room, false).await.unwrap_err();
    memory.fail(Fault::After(1));
    sync(&room, false).await.unwrap_err();
    sync(&room, false).await.unwrap();
    assert_same(&postgres, &memory, "after the copy").await;
    let mut open: Option<Open> = None;
    for round in 0..rounds {
        // What was open while we looked is committed with the numbers of then.
        if let Some(open) = open.take() {
            open.commit().await;
        }
        for _ in 0..=chance.of(6) {
            run(&postgres, &transaction(&mut chance)).await;
        }
        if round % 3 != 2 {
            let (new, old) = (1_000 + round, 998 + round);
            let mut sql = format!(
                "INSERT INTO items (id, name) VALUES ({new}, 'open'); SAVEPOINT a; \
                 INSERT INTO items (id, name) VALUES ({}, 'within'); RELEASE SAVEPOINT a; \
                 SAVEPOINT b; DELETE FROM items WHERE id < 60; ROLLBACK TO SAVEPOINT b; \
                 DELETE FROM items WHERE id = {old}",
                2_000 + round
            );
            if replication == Replication::Xmin {
                // A cursor does not see what was raised before we looked and is committed after.
                sql += &format!(
                    "; SAVEPOINT c; UPDATE items SET name = 'changed' WHERE id = {}",
                    1_999 + round
                );
            }
            open = Some(Open::begin(&postgres, &sql).await);
            run(&postgres, &transaction(&mut chance)).await;
        }
        match round % 6 {
            0 => memory.fail(Fault::Before(1)),
            1 => memory.fail(Fault::After(1)),
            2 => memory.fail(Fault::Before(2)),
            3 => memory.fail(Fault::After(2)),
            4 => {
                // It is ended in the middle.
                drop(room.sync("shop", SyncRequest::default()).unwrap());
            }
            _ if open.is_none() => postgres.crash().await.unwrap(),
            _ => {}
        }
        let mut tries = 0;
        while let Err(error) = sync(&room, false).await {
            tries += 1;
            assert!(
                tries < 1000,
                "{replication:?}, seed {seed}, round {round}: {error}"
            );
            run(&postgres, "SELECT 1").await;
        }
        // A fault that did not strike does not strike later.
        memory.fail(Fault::Before(u64::MAX));
        let when = format!("{replication:?}, seed {seed}, round {round}");
        assert_same(&postgres, &memory, &when).await;
        // What is there already does not come again.
        let before = sizes(&memory);
        sync(&room, false).await.unwrap();
        assert_eq!(before, sizes(&memory), "{when}");
    }
    if let Some(open) = open.take() {
        open.commit().await;
    }
    assert_eq!(verify(&room, false).await.unwrap(), []);
    sync(&room, true).await.unwrap();
    assert_same(&postgres, &memory, "after a refresh").await;
    run(&postgres, &transaction(&mut chance)).await;
    sync(&room, false).await.unwrap();
    assert_same(&postgres, &memory, "after a refresh and changes").await;
}

fn sizes(memory: &Arc<Memory>) -> Vec<usize> {
    let tables = [
        "items",
        "pairs",
        "billing_invoices",
        "parts",
        "keyless",
        "bag",
    ];
    tables
        .iter()
        .map(|table| memory.changes(table).len())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_replicate_is_told_what_is_missing_and_two_ways_out() {
    let postgres = server().await;
    run(&postgres, "CREATE TABLE t (id int PRIMARY KEY, v text)").await;
    let memory = Memory::new();
    let log = |postgres: &Postgres| reading(postgres, Replication::LogBased);
    let refused = sync(&room(&memory, log(&postgres)), false)
        .await
        .unwrap_err();
    assert!(
        refused.contains("`wal_level` is `replica`")
            && refused.contains("ALTER SYSTEM SET wal_level = logical")
            && refused.contains("`replication: xmin`"),
        "{refused}"
    );
    let logical = Postgres::start_with(&["wal_level=logical"]).await.unwrap();
    logical.create_database("shop").await.unwrap();
    run(
        &logical,
        "CREATE ROLE reader LOGIN; CREATE TABLE t (id int PRIMARY KEY, v text); GRANT SELECT ON t TO reader",
    )
    .await;
    let told = room(&memory, log(&logical));
    let refused = sync(&told, false).await.unwrap_err();
    assert!(
        refused.contains("the user `reader` may not replicate: it lacks the right `REPLICATION`")
            && refused.contains("ALTER ROLE \"reader\" REPLICATION")
            && refused.contains("`replication: xmin`"),
        "{refused}"
    );
    let checked = told.discover("shop").await.unwrap_err();
    assert_eq!(checked.kind(), ExtractErrorKind::Denied);
    assert!(checked.advice().unwrap().contains("`replication: xmin`"));
    // Who may, and may make no publication.
    run(&logical, "ALTER ROLE reader REPLICATION").await;
    let mut managed = log(&logical);
    if let SourceKind::Postgres(own) = &mut managed.kind {
        own.manage = true;
    }
    let refused = sync(&room(&memory, managed), false).await.unwrap_err();
    assert!(
        refused.contains("GRANT CREATE ON DATABASE") && refused.contains("`replication: xmin`"),
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_one_value_come_once_however_many_they_are() {
    let postgres = server().await;
    run(
        &postgres,
        "CREATE TABLE t (id int PRIMARY KEY, v text, touched timestamptz); \
         INSERT INTO t SELECT n, 'a', '2024-01-01 00:00:00.123456+00' FROM generate_series(1, 5) n; \
         INSERT INTO t VALUES (6, 'none', NULL), (7, 'to come', now() + interval '1 year'), (8, 'never', 'infinity'), \
           (9, 'long ago', '-infinity')",
    )
    .await;
    let memory = Memory::new();
    let room = room(&memory, reading(&postgres, Replication::Incremental));
    let changes = || memory.changes("t").len();
    sync(&room, false).await.unwrap();
    sync(&room, false).await.unwrap();
    assert_eq!(changes(), 9);
    // Another with the last value, and rows whose value says nothing.
    run(
        &postgres,
        "INSERT INTO t VALUES (10, 'late', '2024-01-01 00:00:00.123456+00'); UPDATE t SET v = v || '!' WHERE id BETWEEN 6 AND 9",
    )
    .await;
    sync(&room, false).await.unwrap();
    assert_eq!(changes(), 14);
    // More than are remembered.
    run(
        &postgres,
        "INSERT INTO t SELECT n, 'many', '2024-02-01' FROM generate_series(100, 5099) n",
    )
    .await;
    sync(&room, false).await.unwrap();
    sync(&room, false).await.unwrap();
    assert_eq!(changes(), 5_014);
    run(
        &postgres,
        "INSERT INTO t VALUES (11, 'late', '2024-02-01'); UPDATE t SET v = 'again' WHERE id = 100",
    )
    .await;
    sync(&room, false).await.unwrap();
    assert_eq!(changes(), 5_016);
    assert_eq!(verify(&room, false).await.unwrap(), []);
    // What does not raise it is not seen, and mended when somebody asks.
    run(
        &postgres,
        "UPDATE t SET v = 'unseen' WHERE id = 1; INSERT INTO t VALUES (12, 'old', '2023-01-01')",
    )
    .await;
    let notes = noted(&room).await;
    assert!(
        notes
            .iter()
            .any(|note| note.starts_with("t: new and changed rows are found by `touched`")),
        "{notes:?}"
    );
    assert!(
        notes.contains(&"t: 1 rows had not been seen, and were found by their keys".to_owned()),
        "{notes:?}"
    );
    assert_eq!(verify(&room, false).await.unwrap()[0].different, 1);
    verify(&room, true).await.unwrap();
    assert_eq!(verify(&room, false).await.unwrap(), []);
    assert_eq!(changes(), 5_018);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_does_with_old_rows_hides_nothing_and_doubles_nothing() {
    let postgres = server().await;
    run(
        &postgres,
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'a' FROM generate_series(1, 3000) n",
    )
    .await;
    let memory = Memory::new();
    let room = room(&memory, reading(&postgres, Replication::Xmin));
    sync(&room, false).await.unwrap();
    for (sql, rows) in [
        ("UPDATE t SET v = 'b' WHERE id <= 10", 10),
        ("INSERT INTO t VALUES (-1, 'c')", 1),
    ] {
        let before = memory.changes("t").len();
        run(&postgres, sql).await;
        run(&postgres, "VACUUM (FREEZE) t").await;
        run(&postgres, "CLUSTER t USING t_pkey").await;
        sync(&room, false).await.unwrap();
        assert_eq!(memory.changes("t").len(), before + rows, "{sql}");
    }
    // Many rows that were written while another transaction went on are looked for in the lake.
    let open = Open::begin(&postgres, "INSERT INTO t VALUES (-2, 'open')").await;
    run(
        &postgres,
        "INSERT INTO t SELECT n, 'new' FROM generate_series(10001, 14000) n",
    )
    .await;
    sync(&room, false).await.unwrap();
    run(&postgres, "UPDATE t SET v = 'newer' WHERE id = 10001").await;
    let before = memory.changes("t").len();
    sync(&room, false).await.unwrap();
    assert_eq!(memory.changes("t").len(), before + 1);
    open.commit().await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.changes("t").len(), before + 2);
    assert_eq!(verify(&room, false).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_copy_that_is_cut_off_goes_on_with_the_rows_as_they_are_then() {
    for replication in METHODS {
        let postgres = server().await;
        run(
            &postgres,
            "CREATE TABLE t (id int PRIMARY KEY, v text, touched int); \
             INSERT INTO t SELECT n, repeat('v', 300), n FROM generate_series(1, 120000) n; \
             CREATE TABLE u (id int PRIMARY KEY, touched int); \
             INSERT INTO u SELECT n, 1 FROM generate_series(1, 100000) n",
        )
        .await;
        let memory = Memory::new();
        let room = room(&memory, reading(&postgres, replication));
        let changes = || memory.changes("t").len();
        // After the first piece.
        memory.fail(Fault::Before(2));
        sync(&room, false).await.unwrap_err();
        assert!(changes() > 0, "{replication:?}");
        run(
            &postgres,
            "UPDATE t SET v = 'new', touched = 120001 WHERE id = 7; DELETE FROM t WHERE id = 8; \
             UPDATE t SET id = -9, touched = 120002 WHERE id = 119999; INSERT INTO t VALUES (-1, 'first', 120003)",
        )
        .await;
        sync(&room, false).await.unwrap();
        assert_eq!(memory.values("t", "id").len(), 120_000, "{replication:?}");
        assert_eq!(verify(&room, false).await.unwrap(), [], "{replication:?}");
        // Those that were read before were not read again.
        assert!(changes() < 121_000, "{replication:?}: {}", changes());
        let state = room.state("shop").await.unwrap();
        assert!(state.get("copying").is_none(), "{state}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_columns_that_change_are_followed() {
    let postgres = server().await;
    run(
        &postgres,
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t VALUES (1, 1, 'x'), (2, 2, 'y'); \
         CREATE TABLE gone (id int PRIMARY KEY); INSERT INTO gone VALUES (1); \
         CREATE UNLOGGED TABLE light (id int PRIMARY KEY); INSERT INTO light VALUES (1)",
    )
    .await;
    let memory = Memory::new();
    let room = room(&memory, reading(&postgres, Replication::Xmin));
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("light", "id"), ["1"]);
    let all = async |columns: &[&str], when: &str| {
        sync(&room, false).await.unwrap();
        for column in columns {
            let sql = format!("SELECT COALESCE({column}::text, 'NULL') FROM t ORDER BY id");
            let rows = postgres.ask("shop", &sql).await.unwrap().unwrap().rows;
            let wanted: Vec<String> = rows.into_iter().map(|row| row[0].clone()).collect();
            assert_eq!(memory.values("t", column), wanted, "{when}: {column}");
        }
    };
    run(
        &postgres,
        "ALTER TABLE t ADD c text DEFAULT 'seven'; INSERT INTO t VALUES (3, 3, 'z', NULL)",
    )
    .await;
    all(&["id", "a", "b", "c"], "a default").await;
    run(&postgres, "ALTER TABLE t ADD d float DEFAULT random()").await;
    all(&["id", "a", "b", "c", "d"], "a default of each row").await;
    run(&postgres, "ALTER TABLE t RENAME b TO e").await;
    all(&["id", "a", "c", "e"], "another name").await;
    run(
        &postgres,
        "ALTER TABLE t ALTER a TYPE text USING 'n' || a; ALTER TABLE t DROP d",
    )
    .await;
    all(&["id", "a", "c", "e"], "another type").await;
    run(&postgres, "ALTER TABLE t DROP CONSTRAINT t_pkey; ALTER TABLE t ADD PRIMARY KEY (a); UPDATE t SET id = 7 WHERE id = 3").await;
    all(&["id", "a", "c", "e"], "another key").await;
    run(
        &postgres,
        "DROP TABLE t; CREATE TABLE t (id int PRIMARY KEY, a text); INSERT INTO t VALUES (1, 'second')",
    )
    .await;
    all(&["id", "a"], "another table").await;
    // A table that is gone keeps its rows; one that comes is copied.
    run(
        &postgres,
        "DROP TABLE gone; CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (5)",
    )
    .await;
    let notes = noted(&room).await;
    assert!(notes.iter().any(|note| note.starts_with("gone: ")));
    assert_eq!(memory.values("gone", "id"), ["1"]);
    assert_eq!(memory.values("late", "id"), ["5"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_are_looked_for_as_often_as_the_file_says() {
    let postgres = server().await;
    run(
        &postgres,
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'a' FROM generate_series(1, 5) n; \
         CREATE TABLE hidden (id int PRIMARY KEY); REVOKE pg_read_all_data FROM reader; GRANT SELECT ON t TO reader",
    )
    .await;
    let memory = Memory::new();
    for (deletes, left) in [
        (Some(Deletes::Never), 5),
        (Some(Deletes::Daily), 5),
        (Some(Deletes::Always), 4),
    ] {
        let deletes = deletes.unwrap();
        let room = room(
            &memory,
            deleting(reading(&postgres, Replication::Xmin), deletes),
        );
        let notes = noted(&room).await;
        assert!(
            notes.iter().any(|note| note
                .starts_with("hidden: left out: the user may not read it: GRANT SELECT ON")),
            "{notes:?}"
        );
        run(&postgres, "DELETE FROM t WHERE id = 1").await;
        sync(&room, false).await.unwrap();
        assert_eq!(memory.values("t", "id").len(), left, "{deletes:?}");
    }
    // One that comes back as it was is there again.
    let room = room(&memory, reading(&postgres, Replication::Xmin));
    run(&postgres, "INSERT INTO t VALUES (1, 'a')").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "id").len(), 5);
    run(&postgres, "TRUNCATE t").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "id").len(), 0);
    assert_eq!(count(&postgres, "SELECT count(*) FROM t").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_changes_from_the_log_to_asking_and_back() {
    let postgres = Postgres::start_with(&["wal_level=logical"]).await.unwrap();
    postgres.create_database("shop").await.unwrap();
    run(
        &postgres,
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'a' FROM generate_series(1, 50) n",
    )
    .await;
    let memory = Memory::new();
    let log = spec(postgres.url("shop"), true);
    let mut asking = log.clone();
    if let SourceKind::Postgres(own) = &mut asking.kind {
        own.replication = Some(Replication::Xmin);
    }
    let same = async |when: &str| {
        let sql = "SELECT string_agg(id || v, ',' ORDER BY id) FROM t";
        let ids = memory.values("t", "id").into_iter();
        let mut rows: Vec<(i64, String)> = ids
            .zip(memory.values("t", "v"))
            .map(|(id, v)| (id.parse().unwrap(), v))
            .collect();
        rows.sort();
        let rows: Vec<String> = rows.iter().map(|(id, v)| format!("{id}{v}")).collect();
        assert_eq!(rows.join(","), count(&postgres, sql).await, "{when}");
    };
    sync(&room(&memory, log.clone()), false).await.unwrap();
    run(
        &postgres,
        "UPDATE t SET v = 'b' WHERE id < 9; DELETE FROM t WHERE id = 20",
    )
    .await;
    let notes = noted(&room(&memory, asking.clone())).await;
    assert!(
        notes
            .iter()
            .any(|note| note.contains("pg_drop_replication_slot('weir_shop')")),
        "{notes:?}"
    );
    same("by asking").await;
    run(
        &postgres,
        "UPDATE t SET v = 'c' WHERE id < 5; DELETE FROM t WHERE id = 21",
    )
    .await;
    sync(&room(&memory, asking), false).await.unwrap();
    same("by asking again").await;
    run(
        &postgres,
        "UPDATE t SET v = 'd' WHERE id < 3; DELETE FROM t WHERE id = 22",
    )
    .await;
    sync(&room(&memory, log.clone()), false).await.unwrap();
    same("by the log").await;
    run(
        &postgres,
        "UPDATE t SET v = 'e' WHERE id < 2; DELETE FROM t WHERE id = 23",
    )
    .await;
    sync(&room(&memory, log), false).await.unwrap();
    same("by the log again").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_so_says_what_to_write() {
    let postgres = server().await;
    run(
        &postgres,
        "CREATE TABLE t (id int PRIMARY KEY, v text, at date); CREATE TABLE u (id int PRIMARY KEY)",
    )
    .await;
    let memory = Memory::new();
    let told = async |spec: SourceSpec| sync(&room(&memory, spec), false).await.unwrap_err();
    let cursor = |key: Option<&str>| StreamRules {
        replication: Some(Replication::Incremental),
        replication_key: key.map(str::to_owned),
        ..StreamRules::default()
    };
    let with = |rules: StreamRules| {
        let mut spec = reading(&postgres, Replication::Xmin);
        if let SourceKind::Postgres(own) = &mut spec.kind {
            own.replication_key = None;
        }
        spec.streams.insert("t".into(), rules);
        spec
    };
    assert!(told(with(cursor(None))).await.contains("replication_key"));
    assert!(
        told(with(cursor(Some("w"))))
            .await
            .contains("no column `w`")
    );
    assert!(
        told(with(cursor(Some("v"))))
            .await
            .contains("cannot tell what is new")
    );
    let mut mixed = with(cursor(Some("at")));
    if let SourceKind::Postgres(own) = &mut mixed.kind {
        own.replication = None;
    }
    mixed.streams.insert("u".into(), StreamRules::default());
    assert!(told(mixed).await.contains("`u` is to be read by the log"));
    let found = room(&memory, with(cursor(Some("at"))))
        .discover("shop")
        .await
        .unwrap();
    let stream = |name: &str| {
        let mut streams = found.streams.iter();
        &streams.find(|s| s.offered.stream == name).unwrap().offered
    };
    assert_eq!(stream("t").replication, "CURSOR");
    assert_eq!(stream("t").replication_key.as_deref(), Some("at"));
    assert!(found.notes.iter().any(|note| note.contains("`at`")));
}
