//! Real taps from PyPI, in environments of their own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Handle;
use weir_core::SourceName;
use weir_extract::{
    Destination, ExtractError, Extracts, Replication, SchemaChanges, SingerSpec, SourceFiles,
    SourceKind, SourceSpec, StreamRules, SyncRequest,
};

use crate::memory::Memory;

struct Files(SourceSpec);

impl SourceFiles for Files {
    fn sources(&self) -> Result<Vec<(String, Result<SourceSpec, ExtractError>)>, ExtractError> {
        Ok(vec![(self.0.name.to_string(), Ok(self.0.clone()))])
    }
}

fn source(dir: &Path, tap: &str, pip: &[&str], config: Value) -> SourceSpec {
    let Value::Object(config) = config else {
        panic!("a configuration is an object");
    };
    SourceSpec {
        name: SourceName::new("shop").unwrap(),
        kind: SourceKind::Singer(SingerSpec {
            tap: tap.into(),
            properties: false,
            pip: pip.iter().map(|spec| (*spec).to_owned()).collect(),
            config,
            environment: BTreeMap::new(),
            folder: dir.to_owned(),
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

fn room(dir: &TempDir, memory: &Arc<Memory>, spec: SourceSpec) -> Extracts {
    let destination: Arc<dyn Destination> = memory.clone();
    let folder = dir.path().join("own");
    Extracts::new(
        Box::new(Files(spec)),
        destination,
        folder,
        Handle::current(),
    )
}

async fn sync(room: &Extracts) -> Result<(), String> {
    let mut running = room.sync("shop", SyncRequest::default()).unwrap();
    running.ended().await.map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    })
}

/// Writes a tap of a few lines, which runs without any package.
fn scripted(dir: &Path, body: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("tap-scripted");
    let catalog = json!({"streams": [{
        "tap_stream_id": "orders", "stream": "orders", "key_properties": ["id"],
        "schema": {"properties": {"id": {"type": "integer"}, "email": {"type": "string"}}},
        "metadata": [{"breadcrumb": [], "metadata": {"inclusion": "available"}}],
    }]});
    let text = format!(
        "#!/usr/bin/env python3\nimport json, sys\n\
         if '--discover' in sys.argv:\n    print({:?})\n    sys.exit(0)\n\
         def out(**m): print(json.dumps(m), flush=True)\n\
         def arg(n): return json.load(open(sys.argv[sys.argv.index(n) + 1])) if n in sys.argv else None\n\
         config, catalog, state = arg('--config'), arg('--catalog'), arg('--state')\n\
         out(type='SCHEMA', stream='orders', schema={{'properties': {{'id': {{'type': 'integer'}}, 'email': {{'type': 'string'}}}}}}, key_properties=['id'])\n{body}\n",
        catalog.to_string()
    );
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_that_reads_files_of_lines_is_installed_and_read() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let lines = (0..500).map(|n| {
        format!(
            "{}\n",
            json!({"id": n, "name": format!("n{n}"), "deep": {"a": [n]}})
        )
    });
    std::fs::write(dir.path().join("orders.jsonl"), lines.collect::<String>()).unwrap();
    let config = json!({"path": dir.path().join("orders.jsonl"), "files": [{"path": dir.path().join("orders.jsonl"), "keys": ["id"], "entity": "orders"}]});
    let mut spec = source(dir.path(), "tap-jsonl", &["tap-jsonl==0.3.1"], config);
    // It names no key, and reads a file again whose time is that of its bookmark.
    let rules = StreamRules {
        key: vec!["id".into()],
        ..StreamRules::default()
    };
    spec.streams.insert("jsonl".into(), rules);
    let room = room(&dir, &memory, spec);
    let streams = room.discover("shop").await.unwrap().streams;
    assert!(
        streams.iter().any(|stream| stream.offered.taken),
        "{streams:?}"
    );
    let table = streams[0].table.split_once('.').unwrap().1.to_owned();
    for _ in 0..2 {
        sync(&room).await.unwrap();
        // Read as a whole each time, and there once.
        assert_eq!(memory.current(&table).len(), 500);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_that_reads_a_database_is_installed_and_read() {
    let postgres = weir_testkit::Postgres::start().await.unwrap();
    postgres.create_database("shop").await.unwrap();
    let run = async |sql: &str| postgres.ask("shop", sql).await.unwrap().unwrap();
    run("CREATE TABLE orders (id bigint PRIMARY KEY, total numeric(10,2), at timestamptz, data jsonb); \
         INSERT INTO orders SELECT n, n + 0.25, timestamptz '2024-01-01 00:00:00Z' + n * interval '1 second', \
         jsonb_build_object('n', n) FROM generate_series(1, 300) n").await;
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let config = json!({
        "host": "127.0.0.1", "port": postgres.port(), "user": "postgres", "password": "any",
        "database": "shop", "filter_schemas": ["public"],
    });
    let mut spec = source(
        dir.path(),
        "tap-postgres",
        &["meltanolabs-tap-postgres==0.10.0"],
        config,
    );
    let rules = StreamRules {
        replication: Some(Replication::Incremental),
        replication_key: Some("at".into()),
        ..StreamRules::default()
    };
    spec.streams.insert("public-orders".into(), rules);
    let room = room(&dir, &memory, spec);
    sync(&room).await.unwrap();
    let table = "public-orders";
    let row = memory
        .current(table)
        .into_iter()
        .find(|row| row["id"].as_deref() == Some("7"))
        .unwrap();
    assert_eq!(row["total"].as_deref(), Some("7.25"), "{row:?}");
    assert_eq!(row["at"].as_deref(), Some("2024-01-01T00:00:07Z"));
    assert_eq!(memory.current(table).len(), 300);
    run("INSERT INTO orders VALUES (301, 1, '2024-02-01', NULL); UPDATE orders SET total = 0, at = '2024-02-02' WHERE id = 1").await;
    sync(&room).await.unwrap();
    assert_eq!(memory.current(table).len(), 301);
    // The rest was not read again, but for the row at the bookmark.
    assert!(
        memory.changes(table).len() <= 304,
        "{}",
        memory.changes(table).len()
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tap_that_dies_is_taken_up_where_its_last_state_was() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let tap = scripted(
        dir.path(),
        "at = (state or {'at': 0})['at']\n\
         for n in range(at, 10):\n    \
             out(type='RECORD', stream='orders', record={'id': n, 'email': 'x'})\n    \
             if n % 3 == 0: out(type='STATE', value={'at': n + 1})\n    \
             if n == 5 and at == 0:\n        print('cannot go on: ' + config['api_key'], file=sys.stderr); sys.exit(3)",
    );
    let mut spec = source(dir.path(), &tap, &[], json!({"api_key": "s3cret-key"}));
    let rules = StreamRules {
        replication: Some(Replication::Incremental),
        replication_key: Some("id".into()),
        ..StreamRules::default()
    };
    spec.streams.insert("orders".into(), rules);
    let room = room(&dir, &memory, spec);
    let error = sync(&room).await.unwrap_err();
    assert!(
        error.contains("failed: exit status: 3") && error.contains("cannot go on: ***"),
        "{error}"
    );
    assert!(!error.contains("s3cret"), "{error}");
    assert_eq!(memory.values("orders", "id"), ["0", "1", "2", "3"]);
    sync(&room).await.unwrap();
    assert_eq!(memory.changes("orders").len(), 10);
    // Nothing of the run's files is left, secrets among them; how the source is may be on its way still.
    let left: Vec<_> = std::fs::read_dir(dir.path().join("own/shop"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !["health.json", "health.new"].contains(&name.as_str()))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// Returns the files below a folder in which a text is.
fn files_with(folder: &Path, text: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_with(&path, text));
        } else if String::from_utf8_lossy(&std::fs::read(&path).unwrap()).contains(text) {
            found.push(path);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_a_tap_changes_are_its_own_next_time_and_in_no_file() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let tap = scripted(
        dir.path(),
        "token = config['refresh_token']\n\
         out(type='RECORD', stream='orders', record={'id': len(token), 'email': 'x'})\n\
         if len(token) == 16: print('refused ' + token, file=sys.stderr); sys.exit(1)\n\
         config['refresh_token'] = token + 'r0t'\n\
         json.dump(config, open(sys.argv[sys.argv.index('--config') + 1], 'w'))",
    );
    let config = json!({"refresh_token": "s3cret-"});
    let mut spec = source(dir.path(), &tap, &[], config);
    let rules = StreamRules {
        replication: Some(Replication::LogBased),
        ..StreamRules::default()
    };
    spec.streams.insert("orders".into(), rules);
    let room = room(&dir, &memory, spec);
    for _ in 0..3 {
        sync(&room).await.unwrap();
    }
    assert_eq!(memory.values("orders", "id"), ["10", "13", "7"]);
    // What the tap says of it is not told on.
    let error = sync(&room).await.unwrap_err();
    assert!(error.contains("refused ***"), "{error}");
    for part in ["r0t", "s3cret"] {
        assert!(files_with(&dir.path().join("own"), part).is_empty());
    }
    let key = std::fs::metadata(dir.path().join("own/.key")).unwrap();
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_a_full_table_replace_those_before_once_all_have_come() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let count = dir.path().join("count");
    std::fs::write(&count, "3").unwrap();
    let tap = scripted(
        dir.path(),
        "n = int(open(config['count']).read())\n\
         for i in range(abs(n)): out(type='RECORD', stream='orders', record={'id': i, 'email': 'a@b'})\n\
         if n < 0: sys.exit(1)",
    );
    let mut spec = source(dir.path(), &tap, &[], json!({"count": count}));
    let rules = StreamRules {
        drop: vec!["email".into()],
        ..StreamRules::default()
    };
    spec.streams.insert("orders".into(), rules);
    let room = room(&dir, &memory, spec);
    sync(&room).await.unwrap();
    assert_eq!(memory.values("orders", "id"), ["0", "1", "2"]);
    assert!(
        memory
            .columns("orders")
            .unwrap()
            .field_with_name("email")
            .is_err()
    );
    std::fs::write(&count, "-1").unwrap();
    sync(&room).await.unwrap_err();
    assert_eq!(memory.values("orders", "id"), ["0", "1", "2"]);
    std::fs::write(&count, "2").unwrap();
    sync(&room).await.unwrap();
    assert_eq!(memory.values("orders", "id"), ["0", "1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_told_with_the_way_out() {
    let (dir, memory) = (tempfile::tempdir().unwrap(), Memory::new());
    let told = |room: &Extracts, name: &str, streams: &[&str]| {
        let streams = streams.iter().map(|s| (*s).to_owned()).collect();
        room.sync(
            name,
            SyncRequest {
                streams,
                ..SyncRequest::default()
            },
        )
        .err()
        .map(|e| (e.to_string(), e.advice().unwrap_or_default().to_owned()))
    };
    let room = room(
        &dir,
        &memory,
        source(dir.path(), "/no/such/tap", &[], json!({})),
    );
    assert_eq!(told(&room, "shp", &[]).unwrap().1, "did you mean `shop`?");
    let error = sync(&room).await.unwrap_err();
    assert!(
        error.starts_with("cannot start the tap `/no/such/tap`"),
        "{error}"
    );
}
