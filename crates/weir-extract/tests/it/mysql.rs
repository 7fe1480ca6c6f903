//! A real MariaDB, replicated: after whatever happened, the tables are the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_extract::{Extracts, MysqlSpec, Secret, SourceKind, SourceSpec, SyncRequest};
use weir_testkit::Mariadb;

use crate::memory::{Fault, Memory};
use crate::shop::{Chance, room, sync};

pub(crate) fn spec(url: String) -> SourceSpec {
    let mut spec = crate::shop::spec(String::new(), false);
    spec.kind = SourceKind::Mysql(MysqlSpec {
        url: Secret::new(url),
    });
    spec
}

/// Starts a server with an empty database `shop`.
pub(crate) async fn server(settings: &[&str]) -> Mariadb {
    let own = ["log-bin=bin", "binlog-format=ROW"];
    let settings: Vec<&str> = own.iter().chain(settings).copied().collect();
    let server = Mariadb::start_with(&settings).await.unwrap();
    let made = "CREATE DATABASE shop CHARACTER SET utf8mb4";
    server.ask("", made).await.unwrap().unwrap();
    server
}

pub(crate) async fn run(server: &Mariadb, sql: &str) {
    let done = server.ask("shop", sql).await.unwrap();
    done.unwrap_or_else(|failure| panic!("{sql}: {}", failure.message));
}

pub(crate) fn shop(server: &Mariadb, memory: &Arc<Memory>) -> Extracts {
    room(memory, spec(server.url("shop")))
}

const TABLES: &str = "\
    CREATE TABLE items (id bigint PRIMARY KEY, name varchar(100), price decimal(10,2), ok bit(1), data json, \
      raw varbinary(20), day date, at timestamp(3) NULL, big longtext, n int, kind enum('a','b'), \
      tags set('x','y','z'), old varchar(20) CHARACTER SET latin1); \
    CREATE TABLE pairs (a int, b varchar(20), v int, PRIMARY KEY (a, b)); \
    CREATE TABLE invoices (id uuid PRIMARY KEY, total double, item bigint, \
      FOREIGN KEY (item) REFERENCES items (id) ON DELETE CASCADE ON UPDATE CASCADE); \
    CREATE TABLE parts (id int, at int, v text, PRIMARY KEY (id, at)) \
      PARTITION BY RANGE (at) (PARTITION low VALUES LESS THAN (50), PARTITION high VALUES LESS THAN (100)); \
    CREATE TABLE plain (id int PRIMARY KEY, v int) ENGINE=Aria TRANSACTIONAL=0; \
    CREATE TABLE bag (v int, t varchar(10), f float);";

/// What is compared: a table in the lake, and the same rows as the server writes them.
const COMPARED: [(&str, &str, &[&str]); 6] = [
    (
        "items",
        "SELECT id, COALESCE(HEX(name), 'NULL'), COALESCE(price, 'NULL'), IF(ok IS NULL, 'NULL', IF(ok, 'true', 'false')), \
         COALESCE(data, 'NULL'), COALESCE(HEX(raw), 'NULL'), COALESCE(day, 'NULL'), \
         COALESCE(DATE_FORMAT(at, '%Y-%m-%dT%H:%i:%s'), 'NULL'), COALESCE(big, 'NULL'), COALESCE(n, 'NULL'), \
         COALESCE(kind, 'NULL'), COALESCE(tags, 'NULL'), COALESCE(HEX(CONVERT(old USING utf8mb4)), 'NULL') FROM items",
        &[
            "id", "#name", "price", "ok", "data", "raw", "day", "@at", "big", "n", "kind", "tags",
            "#old",
        ],
    ),
    (
        "pairs",
        "SELECT a, b, COALESCE(v, 'NULL') FROM pairs",
        &["a", "b", "v"],
    ),
    (
        "invoices",
        "SELECT id, total, COALESCE(item, 'NULL') FROM invoices",
        &["id", "total", "item"],
    ),
    ("parts", "SELECT id, at, v FROM parts", &["id", "at", "v"]),
    ("plain", "SELECT id, v FROM plain", &["id", "v"]),
    ("bag", "SELECT v, t, f FROM bag", &["v", "t", "f"]),
];

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02X}")).collect()
}

async fn assert_same(server: &Mariadb, memory: &Memory, when: &str) {
    for (table, sql, columns) in COMPARED {
        let wanted = server.ask("shop", sql).await.unwrap().unwrap();
        let counted = |rows: Vec<Vec<String>>| -> BTreeMap<Vec<String>, usize> {
            let mut counted = BTreeMap::new();
            rows.into_iter()
                .for_each(|row| *counted.entry(row).or_default() += 1);
            counted
        };
        let wanted = counted(wanted.rows);
        let rows = memory.current(table).into_iter().map(|row| {
            let text = |column: &&str| {
                let (how, name) = match column.strip_prefix(['#', '@']) {
                    Some(name) => (column.as_bytes()[0], name),
                    None => (b' ', *column),
                };
                let Some(value) = row[name].clone() else {
                    return "NULL".to_owned();
                };
                match (how, name) {
                    (b'#', _) => hex(&value),
                    (b'@', _) => value
                        .split(['.', 'Z'])
                        .next()
                        .unwrap_or_default()
                        .to_owned(),
                    (_, "raw") => value.to_uppercase(),
                    (_, "total" | "f") => value.strip_suffix(".0").unwrap_or(&value).to_owned(),
                    _ => value,
                }
            };
            columns.iter().map(text).collect()
        });
        let found = counted(rows.collect());
        // Rows that one side has more often than the other.
        let more = |one: &BTreeMap<Vec<String>, usize>, other: &BTreeMap<Vec<String>, usize>| {
            let more = one
                .iter()
                .filter(|(row, n)| other.get(*row).is_none_or(|m| m < *n));
            let short = |value: &String| value.chars().take(30).collect::<String>();
            more.take(2)
                .map(|(row, _)| row.iter().map(short).collect::<Vec<_>>())
                .collect::<Vec<_>>()
        };
        let (missing, extra) = (more(&wanted, &found), more(&found, &wanted));
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{when}: {table}: missing {missing:?}, extra {extra:?}"
        );
    }
}

/// Returns a transaction of a few changes, some of which are taken back.
fn transaction(chance: &mut Chance) -> String {
    let mut sql = String::from("BEGIN;");
    for _ in 0..=chance.of(8) {
        let (id, other) = (chance.of(60), chance.of(60));
        let n = chance.of(1000);
        sql += &match chance.of(20) {
            0..=3 => format!(
                "INSERT INTO items (id, name, price, ok, data, raw, day, at, big, n, kind, tags, old) VALUES ({id}, 'n{n}\\t\\\\y ü😀', {n}.25, {}, '{{\"a\": {n}}}', X'00ff{:02x}00', '2024-01-0{}', \
                 '2024-01-01 00:00:{:02}.125', REPEAT(MD5('{n}'), {}), {n}, '{}', 'x,z', 'é€{n}') \
                 ON DUPLICATE KEY UPDATE name = VALUES(name), tags = 'y';",
                n % 2,
                n % 256,
                n % 9 + 1,
                n % 60,
                if n < 20 { 9000 } else { 30 },
                if n.is_multiple_of(2) { "a" } else { "b" },
            ),
            4 => format!("UPDATE items SET n = {n}, price = -price, kind = NULL WHERE id = {id};"),
            5 => {
                format!("UPDATE items SET big = REPEAT(MD5('{n}'), 20), ok = NULL WHERE id > {id};")
            }
            6 => format!("UPDATE IGNORE items SET id = {other} WHERE id = {id};"),
            7 => format!("DELETE FROM items WHERE id = {id};"),
            8 => format!(
                "REPLACE INTO pairs (a, b, v) VALUES ({id}, 'b{}', {n});",
                n % 3
            ),
            9 => format!("UPDATE IGNORE pairs SET a = a + 100 WHERE a = {id};"),
            // Equal to the server, and not to us.
            10 => format!("UPDATE pairs SET b = UPPER(b) WHERE a < {id};"),
            11 => format!(
                "INSERT IGNORE INTO invoices SELECT CAST(MD5('{n}') AS UUID), {n}.5, MIN(id) FROM items;"
            ),
            12 => format!(
                "INSERT IGNORE INTO parts VALUES ({id}, {}, 'v{n}');",
                n % 100
            ),
            13 => format!("UPDATE IGNORE parts SET at = 99 - at WHERE id = {id};"),
            14 => {
                format!("SAVEPOINT s; DELETE FROM items WHERE id < {id}; ROLLBACK TO SAVEPOINT s;")
            }
            15 => format!(
                "INSERT INTO bag (v, t, f) VALUES ({0}, 't1', 0.1), ({0}, 't1', 0.1), ({0}, 't2', 1e20);",
                n % 5
            ),
            16 => format!("DELETE FROM bag WHERE v = {} LIMIT 1;", n % 5),
            17 => format!(
                "UPDATE bag SET t = 'u', f = v + 0.25 WHERE v = {} LIMIT 2;",
                n % 5
            ),
            18 => format!(
                "REPLACE INTO plain VALUES ({id}, {n}); DELETE FROM plain WHERE id = {other};"
            ),
            _ => format!(
                "SAVEPOINT s; UPDATE items SET n = {n} WHERE id = {id}; SAVEPOINT t; DELETE FROM bag; \
                 ROLLBACK TO SAVEPOINT t; RELEASE SAVEPOINT s;"
            ),
        };
    }
    sql += if chance.of(8) == 0 {
        "ROLLBACK;"
    } else {
        "COMMIT;"
    };
    sql
}

/// What happens to tables besides their rows.
const ALTERED: [&str; 16] = [
    "ALTER TABLE items ADD extra int",
    "ALTER TABLE pairs ADD w varchar(10) DEFAULT 'o''k'",
    "ALTER TABLE items ADD noted varchar(20) FIRST; UPDATE items SET noted = 'n' WHERE id % 3 = 0",
    "TRUNCATE pairs",
    "ALTER TABLE items RENAME COLUMN noted TO remark",
    "ALTER TABLE pairs MODIFY v varchar(20)",
    "FLUSH BINARY LOGS",
    "ALTER TABLE bag ADD c decimal(8, 2) NOT NULL DEFAULT 1.5",
    "ALTER TABLE items DROP extra, DROP remark",
    "ALTER TABLE parts DROP PARTITION low; ALTER TABLE parts ADD PARTITION (PARTITION top VALUES LESS THAN (200))",
    "TRUNCATE bag",
    "ALTER TABLE items MODIFY kind enum('a','b','c'), MODIFY n bigint",
    "CREATE TABLE bag2 LIKE bag; INSERT INTO bag2 SELECT * FROM bag LIMIT 3; RENAME TABLE bag TO bag3, bag2 TO bag; DROP TABLE bag3",
    "XA START 'x'; INSERT INTO pairs (a, b) VALUES (900, 'xa'); XA END 'x'; XA PREPARE 'x'; XA COMMIT 'x'",
    "CREATE INDEX i ON items (n); DROP INDEX i ON items",
    "XA START 'y'; INSERT INTO pairs (a, b) VALUES (901, 'xa'); XA END 'y'; XA PREPARE 'y'; XA ROLLBACK 'y'",
];

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_the_same_after_any_work_and_any_fault() {
    let (seeds, rounds) = match std::env::var("WEIR_TORTURE_SEEDS") {
        Ok(seeds) => (seeds.parse().unwrap(), 60),
        Err(_) => (1, 32),
    };
    for seed in 0..seeds {
        work_and_faults(seed, rounds).await;
    }
}

async fn work_and_faults(seed: u64, rounds: u64) {
    // Every other run has a log that is compressed.
    let packed = format!("log-bin-compress={}", seed % 2);
    let mut server = server(&[&packed, "log-bin-compress-min-len=10"]).await;
    run(&server, TABLES).await;
    let mut chance = Chance(7 + seed);
    for _ in 0..30 {
        run(&server, &transaction(&mut chance)).await;
    }
    let memory = Memory::new();
    let room = shop(&server, &memory);
    // The copy is cut off at its commit, and once more after it.
    memory.fail(Fault::Before(1));
    sync(&room, false).await.unwrap_err();
    memory.fail(Fault::After(1));
    sync(&room, false).await.unwrap_err();
    sync(&room, false).await.unwrap();
    assert_same(&server, &memory, "after the copy").await;
    let mut altered = ALTERED.iter();
    for round in 0..rounds {
        for at in 0..=chance.of(6) + 1 {
            run(&server, &transaction(&mut chance)).await;
            if at == 1
                && round % 2 == 0
                && let Some(sql) = altered.next()
            {
                run(&server, sql).await;
            }
        }
        match round % 6 {
            0 => memory.fail(Fault::Before(1)),
            1 => memory.fail(Fault::After(1)),
            2 => {
                // The server ends our connections in the middle.
                let running = room.sync("shop", SyncRequest::default()).unwrap();
                let others = "SELECT CONCAT('KILL ', id) FROM information_schema.processlist WHERE id <> CONNECTION_ID() AND user = 'root'";
                for kill in server.ask("", others).await.unwrap().unwrap().rows {
                    let _ = server.ask("", &kill[0]).await.unwrap();
                }
                drop(running);
            }
            3 => {
                // And the whole server, in the middle of a sync.
                let running = room.sync("shop", SyncRequest::default()).unwrap();
                server.crash().await.unwrap();
                drop(running);
            }
            _ => {}
        }
        // Whoever held the turn lets go of it soon.
        let mut tries = 0;
        while let Err(error) = sync(&room, false).await {
            tries += 1;
            assert!(tries < 100, "seed {seed}, round {round}: {error}");
            // A statement takes its time, in which whoever was cut off lets go.
            run(&server, "SELECT 1").await;
        }
        // A table that was altered is copied by the next at the latest.
        assert_same(&server, &memory, &format!("seed {seed}, round {round}")).await;
    }
    assert!(altered.next().is_none());
    sync(&room, true).await.unwrap();
    assert_same(&server, &memory, "after a refresh").await;
    run(&server, &transaction(&mut chance)).await;
    sync(&room, false).await.unwrap();
    assert_same(&server, &memory, "after a refresh and changes").await;
}
