//! A real PostgreSQL, replicated: after whatever happened, the tables are the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use tokio::runtime::Handle;
use weir_core::SourceName;
use weir_extract::{
    Destination, ExtractError, Extracts, PostgresSpec, SchemaChanges, Secret, SourceFiles,
    SourceKind, SourceSpec,
};
use weir_testkit::Postgres;

use crate::memory::{Fault, Memory};

struct Files(SourceSpec);

impl SourceFiles for Files {
    fn sources(&self) -> Result<Vec<(String, Result<SourceSpec, ExtractError>)>, ExtractError> {
        Ok(vec![(self.0.name.to_string(), Ok(self.0.clone()))])
    }
}

fn spec(url: String, manage: bool) -> SourceSpec {
    SourceSpec {
        name: SourceName::new("shop").unwrap(),
        kind: SourceKind::Postgres(PostgresSpec {
            url: Secret::new(url),
            slot: "weir_shop".into(),
            manage,
        }),
        streams: BTreeMap::new(),
        schema_changes: SchemaChanges::Evolve,
        every: None,
        hash_key: None,
    }
}

fn room(memory: &Arc<Memory>, spec: SourceSpec) -> Extracts {
    let destination: Arc<dyn Destination> = memory.clone();
    let folder = std::env::temp_dir().join("weir-no-such-folder");
    Extracts::new(
        Box::new(Files(spec)),
        destination,
        folder,
        Handle::current(),
    )
}

async fn sync(room: &Extracts, refresh: bool) -> Result<(), String> {
    let mut running = room
        .sync("shop", Vec::new(), refresh)
        .map_err(|error| error.to_string())?;
    running.ended().await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!(
            "{error}: {}; {}",
            cause.unwrap_or_default(),
            error.advice().unwrap_or_default()
        )
    })
}

async fn run(postgres: &Postgres, sql: &str) {
    let done = postgres.ask("shop", sql).await.unwrap();
    done.unwrap_or_else(|failure| panic!("{sql}: {}", failure.message));
}

const TABLES: &str = "\
    CREATE TABLE items (id bigint PRIMARY KEY, name text, price numeric(10,2), any_price numeric, ok boolean, \
      data jsonb, raw bytea, day date, at timestamptz, big text, n int, tags text[]); \
    ALTER TABLE items ALTER big SET STORAGE EXTERNAL; \
    CREATE TABLE pairs (a int, b text, v int, PRIMARY KEY (a, b)); \
    CREATE SCHEMA billing; \
    CREATE TABLE billing.invoices (id uuid PRIMARY KEY, total double precision); \
    CREATE TABLE parts (id int, at int, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); \
    CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (50); \
    CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (50) TO (100); \
    CREATE TABLE keyless (v int);";

/// What is compared: a table in the lake, and the same rows as PostgreSQL writes them.
const COMPARED: [(&str, &str, &[&str]); 4] = [
    (
        "items",
        "SELECT id, name, price, any_price, ok::text, data, encode(raw, 'hex'), day, \
         to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'), big, n, tags FROM items",
        &[
            "id",
            "name",
            "price",
            "any_price",
            "ok",
            "data",
            "raw",
            "day",
            "at",
            "big",
            "n",
            "tags",
        ],
    ),
    ("pairs", "SELECT a, b, v FROM pairs", &["a", "b", "v"]),
    (
        "billing_invoices",
        "SELECT id, total::text FROM billing.invoices",
        &["id", "total"],
    ),
    ("parts", "SELECT id, at, v FROM parts", &["id", "at", "v"]),
];

async fn assert_same(postgres: &Postgres, memory: &Memory, when: &str) {
    for (table, sql, columns) in COMPARED {
        let wanted = postgres.ask("shop", sql).await.unwrap().unwrap();
        let wanted: BTreeSet<Vec<String>> = wanted.rows.into_iter().collect();
        let rows = memory.current(table);
        let count = rows.len();
        let found: BTreeSet<Vec<String>> = rows
            .into_iter()
            .map(|row| {
                let text = |column: &&str| row[*column].clone().unwrap_or_else(|| "NULL".into());
                columns.iter().map(text).collect()
            })
            .collect();
        assert_eq!(found.len(), count, "{when}: {table} has rows twice");
        let short = |rows: Vec<&Vec<String>>| -> Vec<Vec<String>> {
            let value = |value: &String| value.chars().take(20).collect();
            rows.into_iter()
                .map(|row| row.iter().map(value).collect())
                .collect()
        };
        let missing = short(wanted.difference(&found).take(2).collect());
        let extra = short(found.difference(&wanted).take(2).collect());
        assert!(
            missing.is_empty() && extra.is_empty(),
            "{when}: {table}: missing {missing:?}, extra {extra:?}"
        );
    }
}

/// Chance, the same each time.
struct Chance(u64);

impl Chance {
    fn of(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Returns a transaction of a few changes, some of which are taken back.
fn transaction(chance: &mut Chance) -> String {
    let mut sql = String::from("BEGIN;");
    for _ in 0..=chance.of(8) {
        let (id, other) = (chance.of(60), chance.of(60));
        let n = chance.of(1000);
        sql += &match chance.of(16) {
            0..=2 => format!(
                "INSERT INTO items VALUES ({id}, E'n{n}\\tx\\\\y', {n}.25, {n}.123456789012345, {}, '{{\"a\": {n}}}', '\\x00ff{:02x}', '2024-01-0{}', \
                 '2024-01-01 00:00:{:02}+00', repeat(md5('{n}'), 300), {n}, ARRAY['a', NULL, '{n}']) ON CONFLICT (id) DO UPDATE SET name = excluded.name;",
                n.is_multiple_of(2),
                n % 256,
                n % 9 + 1,
                n % 60
            ),
            3 | 4 => format!("UPDATE items SET n = {n}, price = NULL WHERE id = {id};"),
            5 => format!("UPDATE items SET big = repeat(md5('{n}'), 200) WHERE id = {id};"),
            6 => format!(
                "UPDATE items SET id = {other} WHERE id = {id} AND NOT EXISTS (SELECT 1 FROM items WHERE id = {other});"
            ),
            7 => format!("DELETE FROM items WHERE id = {id};"),
            8 => format!(
                "INSERT INTO pairs VALUES ({id}, 'b{}', {n}) ON CONFLICT (a, b) DO UPDATE SET v = {n};",
                n % 3
            ),
            9 => format!(
                "UPDATE pairs SET a = a + 100 WHERE a = {id} AND NOT EXISTS (SELECT 1 FROM pairs p WHERE p.a = pairs.a + 100 AND p.b = pairs.b);"
            ),
            10 => format!(
                "INSERT INTO billing.invoices VALUES (md5('{n}')::uuid, {n}.5) ON CONFLICT DO NOTHING;"
            ),
            11 => format!(
                "INSERT INTO parts VALUES ({id}, {}, 'v{n}') ON CONFLICT DO NOTHING;",
                n % 100
            ),
            12 => format!(
                "UPDATE parts SET at = 99 - at WHERE id = {id} AND NOT EXISTS (SELECT 1 FROM parts p WHERE p.id = parts.id AND p.at = 99 - parts.at);"
            ),
            13 => {
                format!("SAVEPOINT s; DELETE FROM items WHERE id < {id}; ROLLBACK TO SAVEPOINT s;")
            }
            14 if n < 40 => "TRUNCATE pairs;".to_owned(),
            _ => format!("INSERT INTO keyless VALUES ({n});"),
        };
    }
    sql += if chance.of(8) == 0 {
        "ROLLBACK;"
    } else {
        "COMMIT;"
    };
    sql
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_the_same_after_any_work_and_any_fault() {
    let postgres = Postgres::start_with(&["wal_level=logical"]).await.unwrap();
    postgres.create_database("shop").await.unwrap();
    run(&postgres, TABLES).await;
    let mut chance = Chance(7);
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
    let rounds = std::env::var("WEIR_TORTURE_CYCLES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(50);
    for round in 0..rounds {
        for _ in 0..=chance.of(6) {
            run(&postgres, &transaction(&mut chance)).await;
        }
        match round % 5 {
            0 => memory.fail(Fault::Before(1)),
            1 => memory.fail(Fault::After(1)),
            2 => {
                // The server ends its side in the middle.
                let running = room.sync("shop", Vec::new(), false).unwrap();
                run(
                    &postgres,
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_replication",
                )
                .await;
                drop(running);
            }
            _ => {}
        }
        // Whoever held the turn or the slot lets go of it soon.
        let mut tries = 0;
        while let Err(error) = sync(&room, false).await {
            tries += 1;
            assert!(tries < 1000, "round {round}: {error}");
            // A statement of psql takes its time, in which whoever was cut off lets go.
            run(&postgres, "SELECT 1").await;
        }
        assert_same(&postgres, &memory, &format!("round {round}")).await;
    }
    sync(&room, true).await.unwrap();
    assert_same(&postgres, &memory, "after a refresh").await;
    run(&postgres, &transaction(&mut chance)).await;
    sync(&room, false).await.unwrap();
    assert_same(&postgres, &memory, "after a refresh and changes").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_come_go_and_change_are_followed() {
    let postgres = Postgres::start_with(&["wal_level=logical"]).await.unwrap();
    postgres.create_database("shop").await.unwrap();
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
    assert_eq!(memory.values("t", "c"), ["NULL", "new", "NULL", "NULL"]);
    assert_eq!(memory.values("t", "b"), ["x", "y", "z", "NULL"]);
    assert_eq!(memory.values("t", "d"), ["NULL", "NULL", "NULL", "renamed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_the_way_is_told_with_the_way_out() {
    let postgres = Postgres::start_with(&["wal_level=logical"]).await.unwrap();
    postgres.create_database("shop").await.unwrap();
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
    assert!(weak.contains("more rights"), "{weak}");
    let mut keyless = spec(url.clone(), true);
    keyless.streams.insert("u".into(), Default::default());
    assert!(told(keyless).await.contains("no primary key"));

    let room = room(&memory, spec(url.clone(), true));
    sync(&room, false).await.unwrap();
    // The slot is gone, and comes back with everything by a refresh.
    run(&postgres, "INSERT INTO t VALUES (1)").await;
    run(&postgres, "SELECT pg_drop_replication_slot('weir_shop')").await;
    let gone = sync(&room, false).await.unwrap_err();
    assert!(
        gone.contains("the replication slot `weir_shop` is gone")
            && gone.contains("--full-refresh"),
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
