use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::{ByteSize, LogFormat};

fn parse(text: &str, variables: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
    let variables = variables
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::parse("weir.toml", text, variables)
        .map_err(|error| error.problems().iter().map(ToString::to_string).collect())
}

fn problem(text: &str) -> String {
    let problems = parse(text, &[]).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.into_iter().next().unwrap()
}

#[test]
fn a_file_with_a_version_gives_the_defaults() {
    let loaded = parse("version = 1\n", &[]).unwrap();

    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.config.server.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(
        loaded.config.dedup.window,
        Some(Duration::from_secs(30 * 86_400))
    );
    assert!(loaded.warnings.is_empty());
}

#[test]
fn values_of_the_file_arrive() {
    let config = parse(
        r#"
version = 1
[server]
listen = "0.0.0.0:9000"
public_url = "https://events.example.com/"
trusted_proxies = ["10.0.0.1", "::1"]
[lake]
url = "s3://bucket/path"
region = "eu-west-1"
secret_access_key = "${env:S3_SECRET}"
allow_http = true
[wal]
segment_size = "16MB"
[flush]
interval = "1m30s"
[dedup]
window = "forever"
[collect]
max_batch_events = 1_000
path_prefix = "/x7/"
[log]
format = "json"
"#,
        &[("S3_SECRET", "sesame")],
    )
    .unwrap()
    .config;

    assert_eq!(config.server.listen.port(), 9000);
    assert_eq!(
        config.server.public_url.as_deref(),
        Some("https://events.example.com")
    );
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(
        config.lake.store,
        [
            ("region", "eu-west-1".to_owned()),
            ("allow_http", "true".to_owned()),
            ("secret_access_key", "sesame".to_owned()),
        ]
    );
    assert_eq!(config.wal.segment_size, ByteSize(16 << 20));
    assert_eq!(config.flush.interval, Duration::from_secs(90));
    assert_eq!(config.dedup.window, None);
    assert_eq!(config.collect.max_batch_events, 1000);
    assert_eq!(config.collect.path_prefix.as_deref(), Some("/x7"));
    assert_eq!(config.log.format, LogFormat::Json);
}

#[test]
fn mistakes_name_the_place_and_the_fix() {
    assert_eq!(
        problem("version = 1\n[server]\nlisten = \"127.0.0.1:80\"\n  publik_url = \"x\"\n"),
        "weir.toml:4:3: unknown key `publik_url` in `[server]`; did you mean `public_url`?"
    );
    assert_eq!(
        problem("version = 1\n[sever]\n"),
        "weir.toml:2:2: unknown key `sever`; did you mean `[server]`?"
    );
    assert_eq!(
        problem("version = 1\nlisten = \"127.0.0.1:80\"\n"),
        "weir.toml:2:1: unknown key `listen`; `listen` belongs under `[server]`"
    );
    assert_eq!(
        problem("version = 1\n[server]\nlevel = \"info\"\n"),
        "weir.toml:3:1: unknown key `level` in `[server]`; `level` belongs under `[log]`"
    );
    assert_eq!(
        problem("version = 1\n[flush]\ninterval = 10\n"),
        "weir.toml:3:12: `flush.interval` must be a duration, not a number; \
         write `interval = \"20s\"`"
    );
    assert_eq!(
        problem("version = 1\n[wal]\nsegment_size = \"1KB\"\n"),
        "weir.toml:3:16: `wal.segment_size` must be from 1MB to 4GB"
    );
    assert_eq!(
        problem("version = 1\n[log]\nlevel = \"inof\"\n"),
        "weir.toml:3:9: `log.level` must be one of `error`, `warn`, `info`, `debug`, `trace`, \
         not `inof`; did you mean `info`?"
    );
    assert_eq!(
        problem("version = 1\n[lake]\nsecret_access_key = \"hunter2\"\n"),
        "weir.toml:3:21: `lake.secret_access_key` is a secret and must not stand in a file; \
         write `secret_access_key = \"${env:NAME}\"`, with a variable's name"
    );
    assert_eq!(
        problem("version = 1\n[lake]\nurl = \"${env:BUCKET}\"\n"),
        "weir.toml:3:7: the environment has no variable `BUCKET`; \
         set `BUCKET` before Weir is started"
    );
    assert_eq!(
        problem("version = 1\n[lake]\nurl = \"s33://bucket\"\n"),
        "weir.toml:3:7: `lake.url` has an unknown scheme `s33://`; did you mean `s3://`?"
    );
    assert_eq!(
        problem("version = 1\n[hot]\nlimit = \"1MB\"\n"),
        "weir.toml:3:9: `hot.limit` must be at least `flush.bytes`, which is 32MB"
    );
}

#[test]
fn memory_of_queries_is_a_size_or_follows_from_the_machine() {
    let memory = |value: &str| {
        let text = format!("version = 1\n[query]\nmemory = \"{value}\"\n");
        parse(&text, &[]).map(|loaded| loaded.config.query.memory)
    };
    assert_eq!(memory("auto").unwrap(), None);
    assert_eq!(memory("2GB").unwrap(), Some(ByteSize(2 << 30)));
    assert!(memory("1MB").is_err(), "below the least");
    assert!(memory("lots").is_err(), "no size");
}

#[test]
fn versions_are_checked() {
    assert_eq!(
        problem(""),
        "weir.toml:1:1: the version of the file is missing; \
         write `version = 1` at the top of the file"
    );
    assert!(problem("version = 2\n").contains("newer than this Weir"));
    assert!(problem("version = \"1\"\n").contains("write `version = 1`"));
}

#[test]
fn broken_toml_names_line_and_column() {
    assert!(problem("version = 1\n[server\n").starts_with("weir.toml:2:"));
}

#[test]
fn all_problems_are_reported_in_reading_order() {
    let problems = parse("version = 1\n[log]\nlevel = 3\n[server]\nlisten = 3\n", &[]).unwrap_err();

    assert_eq!(problems.len(), 2);
    assert!(problems[0].starts_with("weir.toml:3:"));
    assert!(problems[1].starts_with("weir.toml:5:"));
}

#[test]
fn a_variable_wins_over_the_file() {
    let config = parse(
        "version = 1\n[server]\nlisten = \"127.0.0.1:1\"\n",
        &[
            ("WEIR_SERVER_LISTEN", "127.0.0.1:2"),
            ("WEIR_COLLECT_KEY_RATE", "100"),
            ("WEIR_LAKE_SECRET_ACCESS_KEY", "sesame"),
            ("WEIR_SERVER_TRUSTED_PROXIES", "10.0.0.1, 10.0.0.2"),
            ("WEIR_LOG_LEVEL", ""),
        ],
    )
    .unwrap()
    .config;

    assert_eq!(config.server.listen.port(), 2);
    assert_eq!(config.collect.key_rate, 100);
    assert_eq!(
        config.lake.store,
        [("secret_access_key", "sesame".to_owned())]
    );
    assert_eq!(config.server.trusted_proxies.len(), 2);
    assert_eq!(config.log.level, "info");
}

#[test]
fn a_wrong_variable_is_named() {
    let problems = parse("version = 1\n", &[("WEIR_FLUSH_INTERVAL", "soon")]).unwrap_err();

    assert!(problems[0].starts_with("WEIR_FLUSH_INTERVAL: `flush.interval` is not a duration"));
}

#[test]
fn an_unknown_variable_is_a_warning() {
    let loaded = parse(
        "version = 1\n",
        &[
            ("WEIR_SERVER_LISTN", "x"),
            ("WEIR_TOKEN", "x"),
            ("PATH", "/bin"),
        ],
    )
    .unwrap();

    let warnings: Vec<_> = loaded.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [
            "WEIR_SERVER_LISTN: this variable means nothing to Weir; did you mean `WEIR_SERVER_LISTEN`?"
        ]
    );
}

#[test]
fn every_key_has_a_default_that_reads_and_a_variable_of_its_own() {
    let mut variables: Vec<_> = KEYS.iter().map(Key::variable).collect();
    variables.sort();
    variables.dedup();
    assert_eq!(variables.len(), KEYS.len());

    let sections: Vec<_> = KEYS.iter().map(|key| key.section).collect();
    let mut unique = sections.clone();
    unique.dedup();
    let count = unique.len();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), count, "the keys of a section stand together");
    Config::default();
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*", value in "\\PC*") {
        let _ = parse(&text, &[("WEIR_SERVER_LISTEN", &value)]);
        let _ = parse(&format!("version = 1\n[wal]\nsegment_size = \"{value}\"\n"), &[]);
    }
}
