use std::fs;
use std::path::{Path, PathBuf};

use tempfile::tempdir;

use crate::apply::{add, ids, lines_table, open, try_ask};

fn last_segment(dir: &Path) -> PathBuf {
    let mut found: Vec<PathBuf> = fs::read_dir(dir.join("wal"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "wal"))
        .collect();
    found.sort();
    found.pop().unwrap()
}

/// Returns the records of a segment, without the zeros ahead of them.
fn written(segment: &Path) -> Vec<u8> {
    let mut bytes = fs::read(segment).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0);
    bytes.truncate(end.map_or(0, |end| end + 1));
    bytes
}

/// Copies what a crashed process would leave: the log, but not the lock.
fn crashed(dir: &Path) -> tempfile::TempDir {
    let copy = tempdir().unwrap();
    fs::create_dir_all(copy.path().join("wal")).unwrap();
    for entry in fs::read_dir(dir.join("wal")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::copy(
                &path,
                copy.path().join("wal").join(path.file_name().unwrap()),
            )
            .unwrap();
        }
    }
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_torn_tail_loses_only_what_was_torn() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    for n in 0..5 {
        add(&lake, &[&format!("id{n},x,{n}")]).await;
    }
    let whole = written(&last_segment(dir.path()));
    let record = (whole.len() - 16) / 5;
    // The file ends there, or what was not written is as zeros left it.
    for (cut, ahead) in (0..=2 * record).flat_map(|cut| [(cut, 0), (cut, 5_000)]) {
        let copy = crashed(dir.path());
        let mut torn = whole[..whole.len() - cut].to_vec();
        torn.resize(torn.len() + ahead, 0);
        fs::write(last_segment(copy.path()), torn).unwrap();
        let lake = open(copy.path()).await;
        assert_eq!(
            ids(&lake).await.len(),
            5 - cut.div_ceil(record),
            "cut {cut} bytes"
        );
        add(&lake, &["new,x,1"]).await;
        assert_eq!(ids(&lake).await.len(), 6 - cut.div_ceil(record));
        lake.close().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_after_damage_are_kept() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    for n in 0..5 {
        add(&lake, &[&format!("id{n},x,{n}")]).await;
    }
    let copy = crashed(dir.path());
    let segment = last_segment(copy.path());
    let record = (written(&segment).len() - 16) / 5;
    let mut bytes = fs::read(&segment).unwrap();
    bytes[16 + 2 * record + 35] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let again = open(copy.path()).await;
    assert_eq!(ids(&again).await, ["id0", "id1", "id3", "id4"]);
    assert_eq!(again.status().wal_damaged, 1);
    assert_eq!(
        fs::read_dir(copy.path().join("wal/damaged"))
            .unwrap()
            .count(),
        1
    );
    again.close().await.unwrap();
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_are_not_reused_when_the_log_is_lost() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["a,x,1", "b,x,1", "c,x,1"]).await;
    lake.close().await.unwrap();
    drop(lake);
    fs::remove_dir_all(dir.path().join("wal")).unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["d,x,1"]).await;
    lake.flush().await.unwrap();
    assert_eq!(ids(&lake).await, ["a", "b", "c", "d"]);
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_table_is_left_out_and_its_rows_wait_in_the_log() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["a,x,1"]).await;
    lake.close().await.unwrap();
    drop(lake);
    let log = dir.path().join("lake/test/lines/_delta_log");
    let whole = fs::read(log.join("00000000000000000001.json")).unwrap();
    fs::write(log.join("00000000000000000001.json"), b"{ not json").unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["b,x,1"]).await;
    assert!(lake.flush().await.is_err());
    assert_eq!(ids(&lake).await, ["b"]);
    let _ = lake.close().await;
    drop(lake);
    fs::write(log.join("00000000000000000001.json"), whole).unwrap();
    let lake = open(dir.path()).await;
    lake.flush().await.unwrap();
    assert_eq!(ids(&lake).await, ["a", "b"]);
    lake.close().await.unwrap();
}

/// Unreadable for a passing reason: it is taken back without a restart, and rows that it held all
/// along are not there twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_can_be_read_again_is_taken_back() {
    for staged in [false, true] {
        let dir = tempdir().unwrap();
        let lake = open(dir.path()).await;
        add(&lake, &["a,x,1", "b,x,2.5"]).await;
        lake.flush().await.unwrap();
        add(&lake, &["c,x,text"]).await;
        lake.close().await.unwrap();
        drop(lake);
        // Without it the log is read from its beginning, rows that are committed included.
        fs::remove_file(dir.path().join("wal/checkpoint")).unwrap();
        let log = dir
            .path()
            .join("lake/test/lines/_delta_log/00000000000000000001.json");
        let whole = fs::read(&log).unwrap();
        fs::write(&log, b"{ not json").unwrap();
        let lake = open(dir.path()).await;
        assert_eq!(lake.status().unreadable_tables, 1);
        assert_eq!(lake.view().unreadable.len(), 1);
        add(&lake, &["d,x,4"]).await;
        if staged {
            assert!(lake.flush().await.is_err(), "its rows wait");
            add(&lake, &["e,x,true"]).await;
        }
        fs::write(&log, whole).unwrap();
        lake.flush().await.unwrap();
        assert!(lake.view().unreadable.is_empty());
        let wanted = ["a", "b", "c", "d", "e"];
        let wanted = &wanted[..4 + usize::from(staged)];
        assert_eq!(ids(&lake).await, wanted, "staged: {staged}");
        add(&lake, &["f,x,6"]).await;
        lake.flush().await.unwrap();
        lake.close().await.unwrap();
        drop(lake);
        let lake = open(dir.path()).await;
        assert_eq!(ids(&lake).await, [wanted, &["f"]].concat());
        assert_eq!(lake.status().unreadable_tables, 0);
        lake.close().await.unwrap();
    }
}

async fn try_ids(lake: &weir_lake::Lake) -> datafusion::error::Result<String> {
    let table = lake.view().table(&lines_table()).unwrap().clone();
    try_ask(table, "select id from lines order by id").await
}

fn parquet_files(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(dir.join("lake/test/lines"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension().is_some_and(|e| e == "parquet"))
        .collect();
    found.sort();
    found
}

/// Cut short, overwritten in the middle, or gone: each is told, and the rest answers once it is set
/// aside. What the older versions name stays where it is.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_files_are_named_and_set_aside() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    let mut files: Vec<PathBuf> = Vec::new();
    for n in 0..4 {
        add(&lake, &[&format!("id{n},x,{n}")]).await;
        lake.flush().await.unwrap();
        let new = parquet_files(dir.path()).into_iter();
        let new: Vec<PathBuf> = new.filter(|file| !files.contains(file)).collect();
        files.extend(new);
    }
    assert_eq!(files.len(), 4, "one file a commit");
    let whole = lake.check_files(None, true).await.unwrap();
    assert!(whole.iter().all(|table| table.damaged.is_empty()));
    assert!(whole.iter().all(|table| table.version.is_none()));

    let bytes = fs::read(&files[0]).unwrap();
    fs::write(&files[0], &bytes[..bytes.len() - 9]).unwrap();
    let mut bytes = fs::read(&files[1]).unwrap();
    let end = bytes.len() - 8;
    bytes[4..end].fill(0xA5);
    fs::write(&files[1], bytes).unwrap();
    fs::remove_file(&files[2]).unwrap();
    assert!(try_ids(&lake).await.is_err());

    let found = lake.check_files(None, false).await.unwrap();
    let lines = found.iter().find(|t| t.table == "test.lines").unwrap();
    assert_eq!((lines.files, lines.damaged.len()), (4, 3));
    assert_eq!(lines.version, None, "only told");
    assert!(try_ids(&lake).await.is_err());

    let done = lake.check_files(None, true).await.unwrap();
    let lines = done.iter().find(|t| t.table == "test.lines").unwrap();
    assert!(lines.version.is_some());
    assert_eq!(ids(&lake).await, ["id3"]);
    let copies: Vec<_> = lines.damaged.iter().map(|d| d.copy.clone()).collect();
    assert_eq!(copies.iter().flatten().count(), 2, "{copies:?}");
    for copy in copies.iter().flatten() {
        assert!(dir.path().join("lake").join(copy).exists());
    }
    let commit = lake.commits(&lines_table(), 1).await.unwrap().remove(0);
    let receipt = commit.receipt.unwrap();
    assert_eq!((receipt.writer.as_str(), receipt.rows_removed), ("fsck", 3));
    assert_eq!(receipt.details["damaged"].as_array().unwrap().len(), 3);

    add(&lake, &["new,x,1"]).await;
    lake.close().await.unwrap();
    drop(lake);
    let lake = open(dir.path()).await;
    assert_eq!(ids(&lake).await, ["id3", "new"]);
    assert!(
        lake.check_files(None, false).await.unwrap()[0]
            .damaged
            .is_empty()
    );
    lake.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn zeros_ahead_of_records_are_no_damage_and_go_with_the_segment() {
    let dir = tempdir().unwrap();
    let lake = open(dir.path()).await;
    add(&lake, &["a,x,1"]).await;
    let segment = last_segment(dir.path());
    let records = written(&segment).len() as u64;
    let length = || fs::metadata(&segment).unwrap().len();
    let ahead = length();
    assert!(ahead > records, "{ahead} {records}");
    add(&lake, &["b,x,2"]).await;
    // Written over, not behind.
    assert_eq!(length(), ahead);
    let copy = crashed(dir.path());
    let again = open(copy.path()).await;
    assert_eq!(again.status().wal_damaged, 0);
    assert_eq!(ids(&again).await, ["a", "b"]);
    again.close().await.unwrap();
    lake.close().await.unwrap();
    assert!(!segment.exists() || length() < ahead);
}
