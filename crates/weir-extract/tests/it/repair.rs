//! What was lost between a database and the lake, found by comparing and fetched.

use crate::memory::Memory;
use crate::shop::{
    Chance, TABLES, assert_same, room, run, server, spec, sync, transaction, verify,
};

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_slot_is_mended_by_what_differs() {
    let postgres = server().await;
    run(&postgres, TABLES).await;
    let mut chance = Chance(11);
    for _ in 0..40 {
        run(&postgres, &transaction(&mut chance)).await;
    }
    run(&postgres, "CREATE TABLE many (id int PRIMARY KEY, v int, at timestamptz, x double precision, b bytea, d numeric(12, 3)); \
        INSERT INTO many SELECT n, n, '2024-01-01 00:00:00.123456+00'::timestamptz + n * interval '1 hour', n / 7.0, int4send(n), n / 8.0 \
        FROM generate_series(-4000, 4000) n").await;
    let memory = Memory::new();
    let room = room(&memory, spec(postgres.url("shop"), true));
    let early = verify(&room, true).await.unwrap_err();
    assert!(early.contains("was never synced"), "{early}");
    sync(&room, false).await.unwrap();
    assert_eq!(verify(&room, false).await.unwrap(), []);

    run(&postgres, "SELECT pg_drop_replication_slot('weir_shop')").await;
    for _ in 0..20 {
        run(&postgres, &transaction(&mut chance)).await;
    }
    run(&postgres, "UPDATE many SET v = -1 WHERE id % 400 = 0; DELETE FROM many WHERE id = 77; INSERT INTO many VALUES (99999, 1); \
        ALTER TABLE many ADD w text DEFAULT 'w'; CREATE TABLE late (id int PRIMARY KEY); INSERT INTO late VALUES (1); \
        DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag LIMIT 2)").await;
    let lost = sync(&room, false).await.unwrap_err();
    assert!(lost.contains("weir verify shop --repair"), "{lost}");
    let before = memory.changes("many").len();
    let scores = verify(&room, true).await.unwrap();
    let many = scores.iter().find(|score| score.stream == "many").unwrap();
    assert_eq!(
        (many.missing, many.different, many.extra),
        (1, 21, 1),
        "{many:?}"
    );
    assert!(
        (many.score - (1.0 - 23.0 / 8002.0)).abs() < 1e-9 && many.repaired,
        "{many:?}"
    );
    // Only what differed was fetched.
    assert_eq!(memory.changes("many").len(), before + 23);
    assert_same(&postgres, &memory, "after the repair").await;
    assert_eq!(memory.values("late", "id"), ["1"]);
    assert_eq!(verify(&room, false).await.unwrap(), []);
    // And the log goes on.
    for _ in 0..10 {
        run(&postgres, &transaction(&mut chance)).await;
    }
    sync(&room, false).await.unwrap();
    assert_same(&postgres, &memory, "after the repair and changes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_with_the_rows_of_a_backup_is_gone_on_with() {
    let memory = Memory::new();
    let first = server().await;
    run(&first, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'first' FROM generate_series(1, 100) n").await;
    // Its log is further than that of the next.
    run(&first, "SELECT pg_switch_wal(); CREATE TABLE waste AS SELECT n FROM generate_series(1, 100000) n; SELECT pg_switch_wal(); DROP TABLE waste").await;
    sync(&room(&memory, spec(first.url("shop"), true)), false)
        .await
        .unwrap();
    let second = server().await;
    run(&second, "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT n, 'first' FROM generate_series(1, 98) n; UPDATE t SET v = 'second' WHERE id = 3").await;
    let room = room(&memory, spec(second.url("shop"), true));
    let lost = sync(&room, false).await.unwrap_err();
    assert!(lost.contains("another PostgreSQL cluster"), "{lost}");
    let scores = verify(&room, true).await.unwrap();
    assert_eq!((scores[0].different, scores[0].extra), (1, 2), "{scores:?}");
    run(
        &second,
        "UPDATE t SET v = 'later' WHERE id = 4; DELETE FROM t WHERE id = 5",
    )
    .await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "id").len(), 97);
    let values = memory.values("t", "v");
    assert!(values.contains(&"later".to_owned()) && values.contains(&"second".to_owned()));
    assert_eq!(verify(&room, false).await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_would_keep_too_much_is_let_go_and_mended() {
    let postgres = server().await;
    run(
        &postgres,
        "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a'), (2, 'b')",
    )
    .await;
    let memory = Memory::new();
    let free = room(&memory, spec(postgres.url("shop"), true));
    sync(&free, false).await.unwrap();
    let lag = free.health()["shop"].lag.clone().unwrap();
    assert_eq!(lag.wal_status, "reserved");
    let mut tight = spec(postgres.url("shop"), true);
    if let weir_extract::SourceKind::Postgres(postgres) = &mut tight.kind {
        postgres.retain = Some(1 << 20);
    }
    let tight = room(&memory, tight);
    sync(&tight, false).await.unwrap();
    run(
        &postgres,
        "INSERT INTO t SELECT n, repeat('x', 1000) FROM generate_series(10, 5000) n",
    )
    .await;
    let over = sync(&tight, false).await.unwrap_err();
    assert!(
        over.contains("let go of the replication slot") && over.contains("--repair"),
        "{over}"
    );
    let slots = postgres
        .ask("shop", "SELECT count(*) FROM pg_replication_slots")
        .await;
    assert_eq!(slots.unwrap().unwrap().rows, [["0"]]);
    // The same is told until it is mended.
    let still = sync(&tight, false).await.unwrap_err();
    assert!(
        still.contains("more than the 1048576 of `retain`"),
        "{still}"
    );
    let scores = verify(&tight, true).await.unwrap();
    assert_eq!(scores[0].missing, 4991);
    sync(&tight, false).await.unwrap();
    assert_eq!(memory.values("t", "id").len(), 4993);
}
