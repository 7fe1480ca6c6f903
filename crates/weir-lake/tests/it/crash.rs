//! Failures at every named point: what was acknowledged is there once, after a retry and after a
//! restart from what lies on disk at that moment.

use std::fs;
use std::path::Path;

use fail::FailScenario;
use tempfile::tempdir;

use crate::apply::{add, ids, open};

const ERRORS: [&str; 2] = ["delta-commit", "delta-committed"];

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_or_unanswered_commit_is_repeated_without_doubling() {
    let scenario = FailScenario::setup();
    for point in ERRORS {
        let dir = tempdir().unwrap();
        let lake = open(dir.path()).await;
        add(&lake, &["a,x,1"]).await;
        lake.flush().await.unwrap();
        add(&lake, &["b,x,1"]).await;
        fail::cfg(point, "1*return").unwrap();
        let _ = lake.flush().await;
        // What lies on disk now is what a crash would leave.
        let copy = tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let after_crash = open(copy.path()).await;
        assert_eq!(ids(&after_crash).await, ["a", "b"], "{point}");
        after_crash.close().await.unwrap();
        assert_eq!(ids(&after_crash).await, ["a", "b"], "{point}");
        lake.flush().await.unwrap();
        assert_eq!(ids(&lake).await, ["a", "b"], "{point}");
        lake.close().await.unwrap();
    }
    for point in ["wal-write", "wal-sync"] {
        let dir = tempdir().unwrap();
        let lake = open(dir.path()).await;
        add(&lake, &["a,x,1"]).await;
        fail::cfg(point, "1*return").unwrap();
        assert!(lake.append(1, b"b,x,1".to_vec()).await.is_err(), "{point}");
        add(&lake, &["b,x,1", "c,x,1"]).await;
        let copy = tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let after_crash = open(copy.path()).await;
        assert_eq!(ids(&after_crash).await, ["a", "b", "c"], "{point}");
        lake.close().await.unwrap();
    }
    scenario.teardown();
}
