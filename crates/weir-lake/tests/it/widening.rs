use tempfile::tempdir;

use crate::apply::{add, ask, open};

const ALL: &str = "select x from lines order by id";

/// The same values in the same order must give the same column, wherever the commits fell.
#[tokio::test(flavor = "multi_thread")]
async fn a_type_widens_alike_in_memory_and_in_files() {
    let values = ["a,x,1", "b,x,2.5", "c,x,text", "d,x,3"];
    let mut answers = Vec::new();
    for flush_after in 0..16u32 {
        let dir = tempdir().unwrap();
        let lake = open(dir.path()).await;
        for (at, line) in values.iter().enumerate() {
            add(&lake, &[line]).await;
            if flush_after & (1 << at) != 0 {
                lake.flush().await.unwrap();
            }
        }
        lake.flush().await.unwrap();
        answers.push(ask(&lake, ALL).await);
        lake.close().await.unwrap();
    }
    assert!(answers[0].contains("| 2.5 "), "{}", answers[0]);
    assert!(answers.iter().all(|a| *a == answers[0]), "{answers:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn integers_a_double_cannot_hold_become_text() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["a,x,9007199254740993"]).await;
    lake.flush().await.unwrap();
    add(&lake, &["b,x,0.5"]).await;
    lake.close().await.unwrap();
    drop(lake);
    let lake = open(dir.path()).await;
    let text = ask(&lake, ALL).await;
    assert!(text.contains("| 9007199254740993 |"), "{text}");
}
