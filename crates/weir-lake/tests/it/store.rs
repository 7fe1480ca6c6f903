//! An object store that is away at the start.

use std::time::{Duration, Instant};

use tempfile::tempdir;
use weir_lake::{Lake, LakeErrorKind, LakeOptions};

use crate::apply::{Lines, add, options};

/// A lake on a store where nobody listens.
fn away(dir: &std::path::Path) -> LakeOptions {
    let port = std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|socket| socket.local_addr())
        .unwrap()
        .port();
    let endpoint = format!("http://127.0.0.1:{port}");
    let settings = [
        ("endpoint", endpoint.as_str()),
        ("allow_http", "true"),
        ("region", "us-east-1"),
        ("access_key_id", "key"),
        ("secret_access_key", "sesame"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    LakeOptions {
        url: "s3://lake/some/where".into(),
        store_options: settings.into_iter().collect(),
        store_patience: Duration::from_secs(2),
        ..options(dir)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_absent_store_is_waited_for_and_then_named() {
    let dir = tempdir().unwrap();
    let began = Instant::now();
    // Even if it may: nothing tells which positions are free.
    for start_without_store in [false, true] {
        let options = LakeOptions {
            start_without_store,
            ..away(dir.path())
        };
        let error = Lake::open(options, Box::new(Lines)).await.err().unwrap();
        assert_eq!(error.kind(), LakeErrorKind::Unreachable, "{error}");
    }
    let waited = began.elapsed();
    assert!(
        waited >= Duration::from_secs(2),
        "it gave up after {waited:?}"
    );
    assert!(
        waited < Duration::from_secs(30),
        "it held on for {waited:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_taken_and_wait_in_the_log_while_the_store_is_away() {
    let dir = tempdir().unwrap();
    let lake = Lake::open(options(dir.path()), Box::new(Lines))
        .await
        .unwrap();
    add(&lake, &["a,x,1"]).await;
    lake.close().await.unwrap();
    drop(lake);
    // The same log, its tables out of reach.
    let without = LakeOptions {
        start_without_store: true,
        ..away(dir.path())
    };
    let lake = Lake::open(without, Box::new(Lines)).await.unwrap();
    assert!(lake.status().waiting_for_store && lake.status().recovering);
    lake.append(1, b"b,x,2".to_vec()).await.unwrap();
    let flushed = lake.flush().await.err().unwrap();
    assert_eq!(flushed.kind(), LakeErrorKind::Unreachable, "{flushed}");
    let closed = lake.close().await.err().unwrap();
    assert_eq!(closed.kind(), LakeErrorKind::Unreachable, "{closed}");
    drop(lake);
    let lake = crate::apply::open(dir.path()).await;
    assert_eq!(crate::apply::ids(&lake).await, ["a", "b"]);
    add(&lake, &["c,x,3"]).await;
    lake.flush().await.unwrap();
    assert_eq!(crate::apply::ids(&lake).await, ["a", "b", "c"]);
    lake.close().await.unwrap();
}
