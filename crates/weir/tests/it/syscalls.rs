//! Reads what `strace -f -y` wrote and proves an order of system calls.

use std::collections::HashMap;
use std::path::Path;

use weir_testkit::{Context, Result, ensure};

/// A system call, with the lines of the trace where it began and ended.
#[derive(Debug)]
struct Call<'a> {
    name: &'a str,
    arguments: &'a str,
    began: usize,
    ended: usize,
}

/// What a trace showed.
#[derive(Debug, Default)]
pub(crate) struct Proof {
    /// Segments of the log that were removed.
    pub(crate) segments: usize,
    /// Data files that had to be, and were, on disk before one of them.
    pub(crate) data_files: usize,
    /// Commits that had to be, and were.
    pub(crate) commits: usize,
    /// Directories made in the lake, whose parents had to be synced, and were.
    pub(crate) folders: usize,
}

/// Checks that every file got its name in the lake only after its bytes were synced, and at each
/// removal of a segment of the log, that the directories of all such files were synced after that,
/// and the ones above new directories too.
pub(crate) fn prove(trace: &str, project: &Path) -> Result<Proof> {
    let calls = calls(trace);
    let (log, lake) = (project.join(".weir/wal"), project.join("lake"));
    let mut proof = Proof::default();
    for removal in calls.iter().filter(|call| call.name.starts_with("unlink")) {
        let path = Path::new(last_path(removal)?);
        if !path.starts_with(&log) || path.extension().is_none_or(|kind| kind != "wal") {
            continue;
        }
        proof.segments += 1;
        let (mut data_files, mut commits) = (0, 0);
        for named in calls
            .iter()
            .filter(|call| names(call) && call.ended < removal.began)
        {
            let file = Path::new(last_path(named)?);
            if !file.starts_with(&lake) {
                continue;
            }
            let kind = file
                .extension()
                .and_then(|kind| kind.to_str())
                .unwrap_or_default();
            match kind {
                "parquet" => data_files += 1,
                "json" => commits += 1,
                _ => continue,
            }
            let folder = file.parent().context("a folder")?;
            let staged = Path::new(first_path(named)?);
            ensure!(
                synced(&calls, staged, 0..named.began),
                "{} got its name before anybody synced it",
                file.display()
            );
            ensure!(
                synced(&calls, folder, named.ended..removal.began),
                "before {} went, nobody synced {} after {} got its name there",
                path.display(),
                folder.display(),
                file.display()
            );
        }
        let made = calls
            .iter()
            .filter(|call| call.name.starts_with("mkdir") && call.ended < removal.began);
        let mut folders = 0;
        for made in made {
            let folder = Path::new(last_path(made)?);
            let Some(above) = folder.parent().filter(|above| above.starts_with(&lake)) else {
                continue;
            };
            folders += 1;
            ensure!(
                synced(&calls, above, made.ended..removal.began),
                "before {} went, nobody synced {} after {} was made",
                path.display(),
                above.display(),
                folder.display()
            );
        }
        proof.folders = proof.folders.max(folders);
        proof.data_files = proof.data_files.max(data_files);
        proof.commits = proof.commits.max(commits);
    }
    Ok(proof)
}

/// Whether a path was synced within these lines.
fn synced(calls: &[Call<'_>], wanted: &Path, lines: std::ops::Range<usize>) -> bool {
    calls.iter().any(|call| {
        matches!(call.name, "fsync" | "fdatasync")
            && open_path(call) == wanted.to_str()
            && lines.start < call.began + 1
            && call.ended < lines.end
    })
}

/// Whether a call gave a file the name it keeps.
fn names(call: &Call<'_>) -> bool {
    call.name.starts_with("rename")
        || call.name.starts_with("link")
        || (call.name == "openat" && call.arguments.contains("O_CREAT"))
}

/// Returns the calls that succeeded, in the order in which they ended.
fn calls(trace: &str) -> Vec<Call<'_>> {
    let mut open: HashMap<&str, (usize, &str)> = HashMap::new();
    let mut calls = Vec::new();
    for (line, text) in trace.lines().enumerate() {
        let Some((thread, rest)) = text.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        let (began, head, tail) = if let Some(head) = rest.strip_suffix(" <unfinished ...>") {
            open.insert(thread, (line, head));
            continue;
        } else if rest.starts_with("<... ") {
            let Some((began, head)) = open.remove(thread) else {
                continue;
            };
            (began, head, rest)
        } else {
            (line, rest, rest)
        };
        let failed = tail
            .rsplit_once(" = ")
            .is_none_or(|(_, result)| result.starts_with('-'));
        if let Some((name, arguments)) = head.split_once('(').filter(|_| !failed) {
            calls.push(Call {
                name,
                arguments,
                began,
                ended: line,
            });
        }
    }
    calls
}

/// Returns the path of the descriptor a call is about: `fsync(7</path>)`.
fn open_path<'a>(call: &Call<'a>) -> Option<&'a str> {
    let (_, rest) = call.arguments.split_once('<')?;
    rest.split_once('>').map(|(path, _)| path)
}

/// Returns the first path among a call's arguments: what a file was called before.
fn first_path<'a>(call: &Call<'a>) -> Result<&'a str> {
    call.arguments
        .split('"')
        .nth(1)
        .with_context(|| format!("no path in {call:?}"))
}

/// Returns the last path among a call's arguments: the new name of a file.
fn last_path<'a>(call: &Call<'a>) -> Result<&'a str> {
    let mut quoted = call.arguments.split('"');
    let last = std::iter::from_fn(|| quoted.nth(1)).last();
    last.with_context(|| format!("no path in {call:?}"))
}

const TRACE: &str = r#"7 mkdir("/p/lake/t", 0777) = 0
7 openat(AT_FDCWD</p>, "/p/lake/t/a.parquet#1", O_RDWR|O_CREAT, 0666) = 3</p/lake/t/a.parquet#1>
8 fsync(3</p/lake/t/a.parquet#1> <unfinished ...>
7 fdatasync(9</p/.weir/wal/2.wal>) = 0
8 <... fsync resumed>)              = 0
8 link("/p/lake/t/a.parquet#1", "/p/lake/t/a.parquet") = 0
8 fsync(4</p/lake/t>)               = 0
8 fsync(5</p/lake>)                 = 0
7 unlink("/p/.weir/wal/1.wal") = 0
"#;

#[test]
fn a_good_order_is_proved() -> Result<()> {
    let proof = prove(TRACE, Path::new("/p"))?;
    ensure!((proof.segments, proof.data_files) == (1, 1), "{proof:?}");
    ensure!(proof.folders == 1, "{proof:?}");
    Ok(())
}

#[test]
fn a_missing_or_late_sync_is_found() {
    let without = |part: &str| {
        TRACE
            .lines()
            .filter(|l| !l.contains(part))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert!(
        prove(&without("fsync(4"), Path::new("/p")).is_err(),
        "the directory"
    );
    assert!(
        prove(&without("fsync(5"), Path::new("/p")).is_err(),
        "the directory above a new one"
    );
    assert!(
        prove(&without("fsync resumed"), Path::new("/p")).is_err(),
        "the file"
    );
    let failed = TRACE.replace(
        "fsync(4</p/lake/t>)               = 0",
        "fsync(4</p/lake/t>) = -1 EIO",
    );
    assert!(
        prove(&failed, Path::new("/p")).is_err(),
        "a sync that failed"
    );
    let swapped = |one: usize, other: usize| {
        let mut lines: Vec<&str> = TRACE.lines().collect();
        lines.swap(one, other);
        lines.join("\n")
    };
    let late = [
        (4, 5, "a name before the sync"),
        (5, 6, "a directory synced too early"),
        (6, 8, "a directory synced after the log went"),
        (0, 7, "a directory above synced too early"),
        (7, 8, "a directory above synced after the log went"),
    ];
    for (one, other, what) in late {
        let trace = swapped(one, other);
        assert!(prove(&trace, Path::new("/p")).is_err(), "{what}: {trace}");
    }
}
