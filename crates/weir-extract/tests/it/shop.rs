//! A shop in a real PostgreSQL: its tables, what happens to them, and whether the lake has the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::runtime::Handle;
use weir_core::SourceName;
use weir_extract::{
    Destination, ExtractError, Extracts, PostgresSpec, Running, SchemaChanges, Secret, SourceFiles,
    SourceKind, SourceSpec, SyncRequest, TableScore,
};
use weir_testkit::Postgres;

use crate::memory::Memory;

struct Files(SourceSpec);

impl SourceFiles for Files {
    fn sources(&self) -> Result<Vec<(String, Result<SourceSpec, ExtractError>)>, ExtractError> {
        Ok(vec![(self.0.name.to_string(), Ok(self.0.clone()))])
    }
}

pub(crate) fn spec(url: String, manage: bool) -> SourceSpec {
    SourceSpec {
        name: SourceName::new("shop").unwrap(),
        kind: SourceKind::Postgres(PostgresSpec {
            url: Secret::new(url),
            replication: None,
            replication_key: None,
            deletes: None,
            slot: "weir_shop".into(),
            manage,
            retain: None,
        }),
        streams: BTreeMap::new(),
        schema_changes: SchemaChanges::Evolve,
        every: None,
        schedule: None,
        freshness: None,
        alerts: None,
        budget: None,
        hash_key: None,
    }
}

pub(crate) fn room(memory: &Arc<Memory>, spec: SourceSpec) -> Extracts {
    let destination: Arc<dyn Destination> = memory.clone();
    let folder = std::env::temp_dir().join("weir-no-such-folder");
    Extracts::new(
        Box::new(Files(spec)),
        destination,
        folder,
        Handle::current(),
    )
}

pub(crate) async fn sync(room: &Extracts, refresh: bool) -> Result<(), String> {
    let mut running = room
        .sync(
            "shop",
            SyncRequest {
                full_refresh: refresh,
                ..SyncRequest::default()
            },
        )
        .map_err(|error| error.to_string())?;
    ended(&mut running).await
}

async fn ended(running: &mut Running) -> Result<(), String> {
    running.ended().await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!(
            "{error}: {}; {}",
            cause.unwrap_or_default(),
            error.advice().unwrap_or_default()
        )
    })
}

/// Compares source and lake; returns the scores of tables that differed.
pub(crate) async fn verify(room: &Extracts, repair: bool) -> Result<Vec<TableScore>, String> {
    let mut running = room
        .verify("shop", repair)
        .map_err(|error| error.to_string())?;
    ended(&mut running).await?;
    let mut scores = running.progress.shown().verified;
    scores.retain(|score| score.score < 1.0);
    Ok(scores)
}

/// Starts a server with an empty database `shop`.
pub(crate) async fn server() -> Postgres {
    let postgres = Postgres::start_with(&["wal_level=logical"]).await.unwrap();
    postgres.create_database("shop").await.unwrap();
    postgres
}

pub(crate) async fn run(postgres: &Postgres, sql: &str) {
    let done = postgres.ask("shop", sql).await.unwrap();
    done.unwrap_or_else(|failure| panic!("{sql}: {}", failure.message));
}

pub(crate) const TABLES: &str = "\
    CREATE TABLE items (id bigint PRIMARY KEY, name text, price numeric(10,2), any_price numeric, ok boolean, \
      data jsonb, raw bytea, day date, at timestamptz, big text, n int, tags text[]); \
    ALTER TABLE items ALTER big SET STORAGE EXTERNAL; \
    CREATE TABLE pairs (a int, b text, v int, PRIMARY KEY (a, b)); \
    CREATE SCHEMA billing; \
    CREATE TABLE billing.invoices (id uuid PRIMARY KEY, total double precision); \
    CREATE TABLE parts (id int, at int, v text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at); \
    CREATE TABLE parts_low PARTITION OF parts FOR VALUES FROM (0) TO (50); \
    CREATE TABLE parts_high PARTITION OF parts FOR VALUES FROM (50) TO (100); \
    CREATE TABLE keyless (v int); \
    CREATE TABLE bag (v int, t text); ALTER TABLE bag REPLICA IDENTITY FULL;";

/// What is compared: a table in the lake, and the same rows as PostgreSQL writes them.
const COMPARED: [(&str, &str, &[&str]); 6] = [
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
    ("keyless", "SELECT v FROM keyless", &["v"]),
    ("bag", "SELECT v, t FROM bag", &["v", "t"]),
];

pub(crate) async fn assert_same(postgres: &Postgres, memory: &Memory, when: &str) {
    for (table, sql, columns) in COMPARED {
        let wanted = postgres.ask("shop", sql).await.unwrap().unwrap();
        let counted = |rows: Vec<Vec<String>>| -> BTreeMap<Vec<String>, usize> {
            let mut counted = BTreeMap::new();
            rows.into_iter()
                .for_each(|row| *counted.entry(row).or_default() += 1);
            counted
        };
        let wanted = counted(wanted.rows);
        let rows = memory.current(table).into_iter();
        let found = counted(
            rows.map(|row| {
                let text = |column: &&str| row[*column].clone().unwrap_or_else(|| "NULL".into());
                columns.iter().map(text).collect()
            })
            .collect(),
        );
        // Rows that one side has more often than the other.
        let more = |one: &BTreeMap<Vec<String>, usize>, other: &BTreeMap<Vec<String>, usize>| {
            let more = one
                .iter()
                .filter(|(row, n)| other.get(*row).is_none_or(|m| m < *n));
            let short = |value: &String| value.chars().take(20).collect::<String>();
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

/// Chance, the same each time.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn of(&mut self, most: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % most
    }
}

/// Returns a transaction of a few changes, some of which are taken back.
pub(crate) fn transaction(chance: &mut Chance) -> String {
    let mut sql = String::from("BEGIN;");
    for _ in 0..=chance.of(8) {
        let (id, other) = (chance.of(60), chance.of(60));
        let n = chance.of(1000);
        sql += &match chance.of(20) {
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
            14 if n < 60 => "TRUNCATE bag;".to_owned(),
            15 => format!(
                "INSERT INTO bag SELECT {}, 't' || i % 2 FROM generate_series(1, 3) i;",
                n % 5
            ),
            16 => format!(
                "DELETE FROM bag WHERE ctid IN (SELECT ctid FROM bag WHERE v = {} LIMIT 1);",
                n % 5
            ),
            17 => format!(
                "UPDATE bag SET t = 'u' || v WHERE v = {} AND t = 't1';",
                n % 5
            ),
            18 => format!(
                "SAVEPOINT s; UPDATE items SET n = {n} WHERE id = {id}; SAVEPOINT t; DELETE FROM bag; ROLLBACK TO SAVEPOINT t; RELEASE SAVEPOINT s;"
            ),
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
