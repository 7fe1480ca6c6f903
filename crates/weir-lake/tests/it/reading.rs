use tempfile::tempdir;
use weir_lake::At;

use crate::apply::{add, ask, ask_table, ids, lines_table, open};

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_readable_from_memory_and_from_files_alike() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["a,x,1", "b,x,2"]).await;
    assert_eq!(ids(&lake).await, ["a", "b"]);
    lake.flush().await.unwrap();
    assert_eq!(ids(&lake).await, ["a", "b"]);
    assert!(lake.view().table(&lines_table()).unwrap().hot.is_empty());
    add(&lake, &["c,y,3"]).await;
    assert_eq!(ids(&lake).await, ["a", "b", "c"]);
    let sum = ask(
        &lake,
        "select sum(x), sum(y), count(*) from lines where id <> 'a'",
    )
    .await;
    assert!(sum.contains("| 2 "), "{sum}");
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn repeats_are_dropped_across_flushes_and_restarts() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["a,x,1", "a,x,1"]).await;
    lake.flush().await.unwrap();
    add(&lake, &["a,x,1", "b,x,1"]).await;
    lake.close().await.unwrap();
    drop(lake);
    let lake = open(dir.path()).await;
    add(&lake, &["a,x,1", "b,x,1", "c,x,1"]).await;
    assert_eq!(ids(&lake).await, ["a", "b", "c"]);
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_version_stays_readable() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["a,x,1"]).await;
    lake.flush().await.unwrap();
    let then = lake.view().table(&lines_table()).unwrap().version.unwrap();
    let at = chrono::Utc::now().timestamp_micros();
    add(&lake, &["b,x,2"]).await;
    lake.flush().await.unwrap();
    for at in [At::Version(then), At::Timestamp(at)] {
        let old = lake.table_at(&lines_table(), at).await.unwrap();
        let text = ask_table(old, "select id from lines").await;
        assert!(text.contains("| a ") && !text.contains("| b "), "{text}");
    }
    assert!(
        lake.table_at(&lines_table(), At::Version(99))
            .await
            .is_err()
    );
    assert!(
        lake.table_at(&lines_table(), At::Timestamp(0))
            .await
            .is_err()
    );
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn every_commit_says_what_made_it() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["a,x,1", "b,x,1"]).await;
    lake.flush().await.unwrap();
    let commits = lake.commits(&lines_table(), 10).await.unwrap();
    let receipt = commits[0].receipt.as_ref().unwrap();
    assert_eq!(
        (receipt.writer.as_str(), receipt.rows_added),
        ("collect", 2)
    );
    assert_eq!((receipt.inputs[0].from, receipt.inputs[0].to), (1, 2));
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_files_changes_no_answer() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    for n in 0..9 {
        add(&lake, &[&format!("id{n},x,{n}")]).await;
        lake.flush().await.unwrap();
    }
    let before = ask(&lake, "select * from lines order by id").await;
    let done = lake.compact(None).await.unwrap();
    assert_eq!(
        (done[0].files_before, done[0].files_after, done[0].rows),
        (9, 1, 9)
    );
    assert_eq!(lake.view().table(&lines_table()).unwrap().files.len(), 1);
    assert_eq!(ask(&lake, "select * from lines order by id").await, before);
    add(&lake, &["z,x,1"]).await;
    lake.close().await.unwrap();
    drop(lake);
    let lake = open(dir.path()).await;
    assert_eq!(ids(&lake).await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_process_is_told_who_owns_the_log() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    let error = weir_lake::Lake::open(
        crate::apply::options(dir.path()),
        Box::new(crate::apply::Lines),
    )
    .await
    .err()
    .expect("refused");
    assert_eq!(error.kind(), weir_lake::LakeErrorKind::Locked);
    lake.close().await.unwrap();
}
