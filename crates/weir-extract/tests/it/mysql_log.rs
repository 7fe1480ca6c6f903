//! The log of a real MariaDB: what of it is lost, altered or written in other ways.

use crate::memory::Memory;
use crate::mysql::{run, server, shop};
use crate::shop::sync;

fn contains(told: &str, parts: &[&str]) {
    for part in parts {
        assert!(told.contains(part), "`{part}` is not in: {told}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_lost_is_told_and_comes_back_by_a_refresh() {
    let server = server(&[]).await;
    run(
        &server,
        "CREATE TABLE t (id int PRIMARY KEY, v int); INSERT INTO t VALUES (1, 1)",
    )
    .await;
    let memory = Memory::new();
    let room = shop(&server, &memory);
    sync(&room, false).await.unwrap();
    let state = room.state("shop").await.unwrap();
    // Purged.
    run(&server, "INSERT INTO t VALUES (2, 2); FLUSH BINARY LOGS").await;
    loop {
        // The server keeps a file as long as it thinks that somebody reads it.
        run(&server, "PURGE BINARY LOGS TO 'bin.000002'").await;
        let files = server.ask("", "SHOW BINARY LOGS").await.unwrap().unwrap();
        if files.rows.len() == 1 {
            break;
        }
    }
    let told = sync(&room, false).await.unwrap_err();
    contains(
        &told,
        &["no file `bin.000001` of its log any more", "--full-refresh"],
    );
    sync(&room, true).await.unwrap();
    assert_eq!(memory.values("t", "v"), ["1", "2"]);
    run(&server, "UPDATE t SET v = 9 WHERE id = 1").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "v"), ["9", "2"]);
    // Begun anew, and shorter than it was read.
    run(&server, "RESET MASTER").await;
    let told = sync(&room, false).await.unwrap_err();
    contains(&told, &["of its log any more"]);
    sync(&room, true).await.unwrap();
    // Begun anew, and longer: the file is known by when it was begun.
    let told = loop {
        run(
            &server,
            "RESET MASTER; INSERT INTO t SELECT MAX(id) + 1, 0 FROM t; FLUSH TABLES",
        )
        .await;
        let fill = "INSERT INTO t SELECT MAX(id) + 1, 0 FROM t;".repeat(30);
        run(&server, &fill).await;
        match sync(&room, false).await {
            Err(told) => break told,
            // Both were begun within one second.
            Ok(()) => continue,
        }
    };
    contains(&told, &["begun anew"]);
    sync(&room, true).await.unwrap();
    // Another server.
    let mut other = state;
    other["server"] = "number 8".into();
    room.set_state("shop", other).await.unwrap();
    let told = sync(&room, false).await.unwrap_err();
    contains(&told, &["another server than the one that was copied"]);
    sync(&room, true).await.unwrap();
    run(&server, "UPDATE t SET v = 7 WHERE id = 1").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "v")[0], "7");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_come_go_and_change_are_followed() {
    let server = server(&[]).await;
    run(&server, "CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(9)); INSERT INTO t VALUES (1, 1, 'x')").await;
    let memory = Memory::new();
    let room = shop(&server, &memory);
    sync(&room, false).await.unwrap();
    let versions = |memory: &Memory| {
        let changes = memory.changes("t").into_iter();
        let versions: std::collections::BTreeSet<_> =
            changes.map(|row| row["weir_version"].clone()).collect();
        versions.len()
    };
    // A column that rows of before have empty takes no copy, and neither does one that goes.
    run(&server, "UPDATE t SET a = 2; ALTER TABLE t ADD c int; UPDATE t SET c = 3; INSERT INTO t VALUES (2, 2, 'y', 2)").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "c"), ["3", "2"]);
    run(
        &server,
        "ALTER TABLE t DROP b, MODIFY a bigint; INSERT INTO t VALUES (3, 3, 3)",
    )
    .await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "a"), ["2", "2", "3"]);
    assert_eq!(versions(&memory), 1);
    // One that takes the place of another while nobody looked is never mistaken for it.
    run(&server, "ALTER TABLE t ADD d int; UPDATE t SET d = 4; ALTER TABLE t DROP d; ALTER TABLE t ADD e int; UPDATE t SET e = 5 WHERE id = 1").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "e"), ["5", "NULL", "NULL"]);
    assert_eq!(versions(&memory), 2);
    // A default, another name, another type: only the rows know.
    run(
        &server,
        "ALTER TABLE t ADD f int DEFAULT 6; INSERT INTO t (id) VALUES (4)",
    )
    .await;
    run(
        &server,
        "ALTER TABLE t CHANGE a z varchar(9); UPDATE t SET z = 'zz' WHERE id = 1",
    )
    .await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "f"), ["6", "6", "6", "6"]);
    assert_eq!(memory.values("t", "z"), ["zz", "2", "3", "NULL"]);
    // Tables that come later, and others of the same name.
    run(&server, "CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1); RENAME TABLE t TO s, u TO t").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "id"), ["1"]);
    assert_eq!(memory.values("s", "z"), ["zz", "2", "3", "NULL"]);
    run(&server, "DROP TABLE s; INSERT INTO t VALUES (2)").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("t", "id"), ["1", "2"]);
    assert_eq!(memory.values("s", "id").len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_log_does_not_tell_is_seen() {
    let server = server(&[]).await;
    run(
        &server,
        "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p (id) ON DELETE SET NULL); \
         CREATE TABLE m (id int PRIMARY KEY) ENGINE=MEMORY; CREATE TABLE k (v int) ENGINE=MyISAM; \
         INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 1), (2, 2)",
    )
    .await;
    let memory = Memory::new();
    let room = shop(&server, &memory);
    sync(&room, false).await.unwrap();
    assert!(memory.columns("m").is_none() && memory.columns("k").is_none());
    run(&server, "DELETE FROM p WHERE id = 1").await;
    sync(&room, false).await.unwrap();
    assert_eq!(memory.values("c", "p"), ["NULL", "2"]);
    // Statements of other databases are of no concern; those of ours end the sync.
    run(&server, "CREATE DATABASE other; CREATE TABLE other.t (v int); SET SESSION binlog_format = 'STATEMENT'; USE other; INSERT INTO t VALUES (1)").await;
    sync(&room, false).await.unwrap();
    run(
        &server,
        "SET SESSION binlog_format = 'STATEMENT'; INSERT INTO p VALUES (77)",
    )
    .await;
    let told = sync(&room, false).await.unwrap_err();
    contains(
        &told,
        &[
            "a statement instead of rows",
            "`INSERT INTO ...`",
            "--full-refresh",
        ],
    );
    assert!(!told.contains("77"), "{told}");
    sync(&room, true).await.unwrap();
    assert_eq!(memory.values("p", "id"), ["2", "77"]);
    // So do parts of rows.
    run(
        &server,
        "SET SESSION binlog_row_image = 'MINIMAL'; UPDATE c SET p = 77 WHERE id = 1",
    )
    .await;
    let told = sync(&room, false).await.unwrap_err();
    contains(&told, &["parts of the rows of `c`", "binlog_row_image"]);
    sync(&room, true).await.unwrap();
    assert_eq!(memory.values("c", "p"), ["77", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_cut_off_goes_on_after_its_last_piece() {
    let server = server(&[]).await;
    run(
        &server,
        "CREATE TABLE big (a varchar(20) CHARACTER SET latin1, id int, v varchar(900), PRIMARY KEY (a, id)); \
         INSERT INTO big SELECT CONCAT('k', seq DIV 1000), seq, REPEAT('x', 700) FROM seq_1_to_250000",
    )
    .await;
    let memory = Memory::new();
    let room = shop(&server, &memory);
    memory.fail(crate::memory::Fault::Before(3));
    sync(&room, false).await.unwrap_err();
    let kept = memory.changes("big").len();
    assert!((100_000..250_000).contains(&kept), "{kept}");
    // What happens before the rest is read: to rows on both sides of where the copy is.
    run(
        &server,
        "UPDATE big SET v = 'u' WHERE id IN (5, 240000); DELETE FROM big WHERE id IN (6, 240001); \
         UPDATE big SET id = 300000 WHERE id = 7; UPDATE big SET a = 'K0' WHERE id = 240002",
    )
    .await;
    sync(&room, false).await.unwrap();
    let found = memory.values("big", "id").len();
    assert_eq!(found, 249_998);
    assert_eq!(
        memory
            .values("big", "v")
            .iter()
            .filter(|v| *v == "u")
            .count(),
        2
    );
    // Pieces that were there are not read again.
    let changes = memory.changes("big").len();
    assert!(changes < 250_000 + 150_000, "{changes}");
}

#[tokio::test(flavor = "multi_thread")]
async fn large_packets_and_files_of_the_log_in_turn_are_read() {
    let server = server(&["max-allowed-packet=64M", "max-binlog-size=4096"]).await;
    run(&server, "CREATE TABLE t (id int PRIMARY KEY, v longblob)").await;
    let memory = Memory::new();
    let room = shop(&server, &memory);
    run(&server, "INSERT INTO t VALUES (1, REPEAT('x', 20000000))").await;
    sync(&room, false).await.unwrap();
    run(
        &server,
        "INSERT INTO t VALUES (2, REPEAT('y', 20000000)), (3, REPEAT('z', 16777215))",
    )
    .await;
    for id in 10..60 {
        run(&server, &format!("INSERT INTO t VALUES ({id}, '{id}')")).await;
    }
    sync(&room, false).await.unwrap();
    let rows = memory.current("t");
    let lengths: Vec<usize> = ["1", "2", "3"]
        .iter()
        .map(|id| {
            rows.iter()
                .find(|row| row["id"].as_deref() == Some(id))
                .unwrap()
        })
        .map(|row| row["v"].as_ref().unwrap().len() / 2)
        .collect();
    assert_eq!(lengths, [20_000_000, 20_000_000, 16_777_215]);
    assert_eq!(rows.len(), 53);
}
