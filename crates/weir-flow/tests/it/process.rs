//! The same in earnest: a process of its own, ended by SIGKILL at named transitions.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use crate::crash::{Death, one_life, result_in, uninterrupted};
use crate::world::at;

/// Lives one life as its environment says; does nothing in an ordinary run of the tests.
#[tokio::test]
async fn child() {
    let Ok(order) = std::env::var("WEIR_FLOW_LIFE") else {
        return;
    };
    let words: Vec<&str> = order.split('|').collect();
    let death = words[1].parse().ok().map(|at| Death {
        at,
        after: words[2] == "after",
    });
    let now = at(words[4]);
    one_life(words[0].as_ref(), death, words[3].parse().unwrap(), now).await;
}

#[tokio::test]
async fn kill_9_changes_nothing() {
    let (expected, transitions) = uninterrupted().await;
    for seed in 0..3 {
        let folder = tempfile::tempdir().unwrap();
        let mut minute = 5;
        for boot in 0..4 {
            let place = (seed * 13 + boot * 7) % (transitions / 6);
            let when = if (seed + boot) % 2 == 0 {
                "after"
            } else {
                "before"
            };
            let place = if boot == 3 {
                "never".to_owned()
            } else {
                place.to_string()
            };
            let folder = folder.path().display();
            // Time goes on while nothing runs.
            let order = format!("{folder}|{place}|{when}|{boot}|2025-06-01T00:{minute:02}:00Z");
            minute += 3;
            let output = Command::new(std::env::current_exe().unwrap())
                .args(["process::child", "--exact", "--test-threads=1"])
                .env("WEIR_FLOW_LIFE", order)
                .output()
                .unwrap();
            match boot {
                3 => assert!(output.status.success(), "{output:?}"),
                _ => assert_eq!(output.status.signal(), Some(9), "{output:?}"),
            }
        }
        assert_eq!(result_in(folder.path()).await, expected, "seed {seed}");
    }
}
