//! A real PostgreSQL, replicated: after whatever happened, the tables are the same.

use weir_extract::{SourceSpec, SyncRequest};
use weir_testkit::Postgres;

use crate::memory::{Fault, Memory};
use crate::shop::{
    Chance, TABLES, assert_same, room, run, server, spec, sync, transaction, verify,
};

/// Changes of tables that the log does not tell, each a transaction of its own.
const ALTERED: [&str; 10] = [
    "ALTER TABLE items ADD extra int DEFAULT 7",
    "ALTER TABLE pairs ADD w text DEFAULT 'o''k'",
    "ALTER TABLE items ADD noted text; UPDATE items SET noted = 'n' WHERE id % 3 = 0",
    "ALTER TABLE pairs ADD r double precision DEFAULT random()",
    "ALTER TABLE items RENAME noted TO remark",
    "ALTER TABLE pairs ALTER v TYPE text USING 'v' || v",
    "ALTER TABLE bag ADD c numeric(8, 2) DEFAULT 1.5",
    "ALTER TABLE pairs DROP w",
    "ALTER TABLE parts ADD z text DEFAULT 'z'",
    "ALTER TABLE keyless ADD z int DEFAULT 3",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_the_same_after_any_work_and_any_fault() {
    let (seeds, rounds) = match std::env::var("WEIR_TORTURE_SEEDS") {
        Ok(seeds) => (seeds.parse().unwrap(), 60),
        Err(_) => (1, 50),
    };
    for seed in 0..seeds {
        work_and_faults(seed, rounds).await;
    }
}

async fn work_and_faults(seed: u64, rounds: u64) {
    let mut postgres = server().await;
    run(&postgres, TABLES).await;
    let mut chance = Chance(7 + seed);
    for _ in 0..30 {
        run(&postgres, &transaction(&mut chance)).await;
    }
    let memory = Memory::new();
    let room = room(&memory, spec(postgres.url("shop"), true));
    // The copy is cut off at its commit, and once more after it.
    memory.fail(Fault::Before(1));
    sync(&room, false).await.unwrap_err();
    memory.fail(Fault::After(1));
    sync(&room, false).await.unwrap_err();
    sync(&room, false).await.unwrap();
    assert_same(&postgres, &memory, "after the copy").await;
    let mut altered = ALTERED.iter();
    for round in 0..rounds {
        for at in 0..=chance.of(6) {
            run(&postgres, &transaction(&mut chance)).await;
            if at == 1
                && round % 2 == 0
                && let Some(sql) = altered.next()
            {
                run(&postgres, sql).await;
            }
        }
        match round % 6 {
            0 => memory.fail(Fault::Before(1)),
            1 => memory.fail(Fault::After(1)),
            2 => {
                // The server ends its side in the middle.
                let running = room.sync("shop", SyncRequest::default()).unwrap();
                let ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_replication";
                run(&postgres, ended).await;
                drop(running);
            }
            3 => {
                // And the whole server, in the middle of a sync.
                let running = room.sync("shop", SyncRequest::default()).unwrap();
                postgres.crash().await.unwrap();
                drop(running);
            }
            _ => {}
        }
        // Whoever held the turn or the slot lets go of it soon.
        let mut tries = 0;
        while let Err(error) = sync(&room, false).await {
            tries += 1;
            assert!(tries < 1000, "seed {seed}, round {round}: {error}");
            // A statement of psql takes its time, in which whoever was cut off lets go.
            run(&postgres, "SELECT 1").await;
        }
        let when = format!("seed {seed}, round {round}");
        assert_same(&postgres, &memory, &when).await;
        if round % 10 == 9 {
            // Fingerprints say the same.
            let mut differ = verify(&room, false).await.unwrap();
            differ.retain(|score| score.stream != "keyless");
            assert_eq!(differ, [], "{when}");
        }
    }
    sync(&room, true).await.unwrap();
    assert_same(&postgres, &memory, "after a refresh").await;
    run(&postgres, &transaction(&mut chance)).await;
    sync(&room, false).await.unwrap();
    assert_same(&postgres, &memory, "after a refresh and changes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_to_copy_again_is_not_forgotten_in_a_crash() {
    let postgres = server().await;
    run(
        &postgres,
        "CREATE TABLE t (id int PRIMARY KEY, a int); INSERT INTO t SELECT n, n FROM generate_series(1, 150000) n; \
         CREATE TABLE filler (id serial PRIMARY KEY, b text)",
    )
    .await;
    let memory = Memory::new();
    let room = room(&memory, spec(postgres.url("shop"), true));
    // Between two pieces of the copy, the table is emptied; the log tells of it when the copy is through.
    memory.fail(Fault::After(1));
    sync(&room, false).await.unwrap_err();
    run(&postgres, "TRUNCATE t; INSERT INTO t VALUES (1, -1)").await;
    for _ in 0..2 {
        // As much as takes a commit of its own.
        let much = "INSERT INTO filler (b) SELECT repeat('x', 100000) FROM generate_series(1, 200)";
        run(&postgres, much).await;
    }
    // The commit after the copy's, in the middle of the log.
    memory.fail(Fault::After(2));
    sync(&room, false).await.unwrap_err();
    assert!(
        !memory.values("filler", "id").is_empty(),
        "not in the log yet"
    );
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "a"), ["-1"]);
    assert_eq!(memory.values("filler", "id").len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_come_go_and_change_are_followed() {
    let postgres = server().await;
    run(
        &postgres,
        "CREATE TABLE t (id int PRIMARY KEY, a int, b text); INSERT INTO t VALUES (1, 1, 'x')",
    )
    .await;
    let memory = Memory::new();
    let room = room(&memory, spec(postgres.url("shop"), true));
    sync(&room, false).await.unwrap();
    run(
        &postgres,
        "ALTER TABLE t ADD c text; INSERT INTO t VALUES (2, 2, 'y', 'new')",
    )
    .await;
    run(
        &postgres,
        "ALTER TABLE t ALTER a TYPE text; INSERT INTO t VALUES (3, 'three', 'z', NULL)",
    )
    .await;
    run(
        &postgres,
        "ALTER TABLE t DROP b; INSERT INTO t VALUES (4, '4', 'last')",
    )
    .await;
    run(
        &postgres,
        "ALTER TABLE t RENAME c TO d; UPDATE t SET d = 'renamed' WHERE id = 4",
    )
    .await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "a"), ["1", "2", "three", "4"]);
    // A table with another type or name of a column was copied again; its history has what was before.
    assert_eq!(memory.values("t", "c"), ["NULL"; 4]);
    assert_eq!(memory.values("t", "b"), ["NULL"; 4]);
    assert_eq!(memory.values("t", "d"), ["NULL", "new", "NULL", "renamed"]);
    let changes = memory.changes("t");
    assert!(changes.iter().any(|row| row["b"].as_deref() == Some("x")));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_told_with_the_way_out() {
    let postgres = server().await;
    run(
        &postgres,
        "CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE weak LOGIN; CREATE TABLE u (v int)",
    )
    .await;
    let memory = Memory::new();
    let url = postgres.url("shop");
    let told = async |spec: SourceSpec| sync(&room(&memory, spec), false).await.unwrap_err();
    assert!(
        told(spec(url.clone(), false))
            .await
            .contains("say `manage: true`")
    );
    assert!(
        told(spec("postgresql://postgres@127.0.0.1:1/shop".into(), true))
            .await
            .starts_with("PostgreSQL cannot be reached")
    );
    let nobody = url.replace("postgres@", "nobody_there@");
    assert!(
        told(spec(nobody, true))
            .await
            .starts_with("PostgreSQL does not let us in")
    );
    assert!(
        told(spec(url.replace("/shop", "/shup"), true))
            .await
            .contains("check the database")
    );
    let weak = told(spec(url.replace("postgres@", "weak@"), true)).await;
    assert!(weak.contains("lacks the right `REPLICATION`"), "{weak}");
    run(&postgres, "CREATE UNLOGGED TABLE w (id int PRIMARY KEY)").await;
    let mut unlogged = spec(url.clone(), true);
    unlogged.streams.insert("w".into(), Default::default());
    assert!(told(unlogged).await.contains("it is not logged"));

    let room = room(&memory, spec(url.clone(), true));
    sync(&room, false).await.unwrap();
    // The slot is gone, and comes back with everything by a refresh.
    run(&postgres, "INSERT INTO t VALUES (1)").await;
    run(&postgres, "SELECT pg_drop_replication_slot('weir_shop')").await;
    let gone = sync(&room, false).await.unwrap_err();
    assert!(
        gone.contains("the replication slot `weir_shop` is gone")
            && gone.contains("weir verify shop --repair"),
        "{gone}"
    );
    sync(&room, true).await.unwrap();
    assert_eq!(memory.values("t", "id"), ["1"]);
    // A slot that went on without the lake.
    let before = room.state("shop").await.unwrap();
    run(&postgres, "INSERT INTO t VALUES (2)").await;
    sync(&room, false).await.unwrap();
    room.set_state("shop", before).await.unwrap();
    let ahead = sync(&room, false).await.unwrap_err();
    assert!(ahead.contains("ahead of the lake"), "{ahead}");

    let plain = Postgres::start().await.unwrap();
    plain.create_database("shop").await.unwrap();
    let refused = told(spec(plain.url("shop"), true)).await;
    assert!(refused.contains("`wal_level` is `replica`"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_from_before_a_column_have_what_the_source_gave_them() {
    let postgres = server().await;
    run(
        &postgres,
        "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2), (3)",
    )
    .await;
    let memory = Memory::new();
    let room = room(&memory, spec(postgres.url("shop"), true));
    sync(&room, false).await.unwrap();
    let copied = memory.changes("t").len();
    run(&postgres, "ALTER TABLE t ADD n int DEFAULT 5").await;
    // Without a change of a row.
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "n"), ["5", "5", "5"]);
    run(
        &postgres,
        "INSERT INTO t VALUES (4, NULL), (5, 6); UPDATE t SET n = NULL WHERE id = 2",
    )
    .await;
    run(
        &postgres,
        "ALTER TABLE t ADD s text DEFAULT 'x', ADD o text; INSERT INTO t VALUES (6, 7, 'y', 'z')",
    )
    .await;
    sync(&room, false).await.unwrap();
    assert_eq!(
        memory.values("t", "n"),
        ["5", "NULL", "5", "NULL", "6", "7"]
    );
    assert_eq!(memory.values("t", "s"), ["x", "x", "x", "x", "x", "y"]);
    // None of it was copied again, until a column came with a value of its own in each row.
    assert_eq!(memory.changes("t").len(), copied + 4);
    run(
        &postgres,
        "ALTER TABLE t ADD u uuid DEFAULT gen_random_uuid()",
    )
    .await;
    sync(&room, false).await.unwrap();
    let values: std::collections::BTreeSet<String> = memory.values("t", "u").into_iter().collect();
    assert_eq!(values.len(), 6, "{values:?}");
    assert_eq!(
        memory.values("t", "n"),
        ["5", "NULL", "5", "NULL", "6", "7"]
    );
    assert_eq!(verify(&room, false).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_that_come_later_are_copied_while_the_others_go_on() {
    let postgres = server().await;
    run(
        &postgres,
        "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a VALUES (1)",
    )
    .await;
    let memory = Memory::new();
    let room = room(&memory, spec(postgres.url("shop"), true));
    sync(&room, false).await.unwrap();
    run(&postgres, "CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b SELECT n, 'x' FROM generate_series(1, 50) n; \
        INSERT INTO a VALUES (2); CREATE TABLE c (v int); INSERT INTO c VALUES (1), (1)").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("b", "id").len(), 50);
    assert_eq!(memory.values("c", "v"), ["1", "1"]);
    assert_eq!(memory.values("a", "id"), ["1", "2"]);
    run(&postgres, "DELETE FROM b WHERE id > 1; UPDATE b SET v = 'y'; INSERT INTO c VALUES (2); INSERT INTO a VALUES (3)").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("b", "v"), ["y"]);
    assert_eq!(memory.values("c", "v"), ["1", "1", "2"]);
    // Another table of the same name has other rows.
    run(&postgres, "DROP TABLE b; CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b VALUES (9, 'new')").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("b", "id"), ["9"]);
    // With all of its values told, a row that goes is known.
    run(
        &postgres,
        "ALTER TABLE c REPLICA IDENTITY FULL; DELETE FROM c WHERE v = 2; INSERT INTO c VALUES (1)",
    )
    .await;
    sync(&room, false).await.unwrap();
    run(
        &postgres,
        "DELETE FROM c WHERE ctid = (SELECT min(ctid) FROM c)",
    )
    .await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("c", "v"), ["1", "1"]);
    assert_eq!(verify(&room, false).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_cut_off_goes_on_after_its_last_piece() {
    let postgres = server().await;
    run(
        &postgres,
        // Four ranges of blocks.
        "CREATE TABLE big (id int PRIMARY KEY, v text); \
        INSERT INTO big SELECT n, repeat('x', 900) FROM generate_series(1, 250000) n",
    )
    .await;
    let memory = Memory::new();
    let room = room(&memory, spec(postgres.url("shop"), true));
    memory.fail(Fault::Before(3));
    sync(&room, false).await.unwrap_err();
    let kept = memory.changes("big").len();
    assert!((100_000..250_000).contains(&kept), "{kept}");
    // What happens before the rest is read: to rows on both sides of where the copy is.
    run(
        &postgres,
        "UPDATE big SET v = 'u' WHERE id IN (5, 240000); DELETE FROM big WHERE id IN (6, 240001); \
        UPDATE big SET id = 300000 WHERE id = 7; UPDATE big SET id = 0 WHERE id = 240002",
    )
    .await;
    sync(&room, false).await.unwrap();
    let found = memory.values("big", "id").len();
    assert_eq!(found, 249_998);
    // Pieces that were there are not read again.
    let changes = memory.changes("big").len();
    assert!(changes < 250_000 + 100_000, "{changes}");
}
