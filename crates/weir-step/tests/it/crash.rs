//! Weir is killed at every step of a job: what is published is as if it had not been.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;
use weir_flow::{AttemptId, PublishToken};
use weir_step::*;

use crate::world::{Lines, parse};

const STEP: &str = r#"
name: crashing
shell: |
  mkdir -p "$WEIR_OUT/rows" "$WEIR_OUT/files"
  name=$(basename "$WEIR_INPUT_DATA")
  { echo name,text; echo "$name,$(cat "$WEIR_INPUT_DATA")"; } > "$WEIR_OUT/rows/r.csv"
  tr a-z A-Z < "$WEIR_INPUT_DATA" > "$WEIR_OUT/files/$name"
  echo all >> "$WEIR_OUT/files/all"
collision: concat
input: {fileset: data, glob: "/*"}
outputs: [{table: main.rows, from: rows}, {fileset: files, from: files}]
"#;

/// What kills, and how often it is passed before.
const POINTS: [(&str, usize); 14] = [
    ("job-planned", 0),
    ("job-planned", 1),
    ("job-synced", 0),
    ("job-synced", 1),
    ("job-recorded", 0),
    ("job-recorded", 1),
    ("job-done", 0),
    ("job-staged", 0),
    ("publish-loaded", 0),
    ("fileset-manifests", 1),
    ("fileset-committed", 1),
    ("publish-committed", 0),
    ("publish-committed", 1),
    ("publish-finished", 0),
];

/// A table as lines of a file: a publication is one line.
#[derive(Debug)]
struct Journal(std::path::PathBuf);

#[async_trait]
impl Warehouse for Journal {
    async fn version(&self, _: &str, _: Option<&str>) -> Result<Option<i64>, StepError> {
        Ok(None)
    }

    async fn files(&self, _: &str, _: i64, _: TableFormat) -> Result<Vec<TableFile>, StepError> {
        Ok(Vec::new())
    }

    async fn export(
        &self,
        _: &str,
        _: i64,
        _: TableFormat,
        _: &[String],
        _: &Path,
        _: Option<&str>,
    ) -> Result<(), StepError> {
        Ok(())
    }

    async fn load(
        &self,
        loads: &[TableLoad],
        _: &Made,
        token: &PublishToken,
    ) -> Result<String, StepError> {
        use std::io::Write;
        let before = std::fs::read_to_string(&self.0).unwrap_or_default();
        let mark = format!("{}|", token.sequence);
        if !before.lines().any(|line| line.starts_with(&mark)) {
            let rows = loads.iter().flat_map(|load| &load.files).map(|file| {
                let text = std::fs::read_to_string(&file.path).unwrap();
                text.lines().last().unwrap().to_owned()
            });
            let line = format!("{mark}{}\n", rows.collect::<Vec<_>>().join(";"));
            let mut file = std::fs::File::options()
                .create(true)
                .append(true)
                .open(&self.0)
                .unwrap();
            file.write_all(line.as_bytes()).unwrap();
        }
        Ok(format!("main.rows@{}", token.sequence))
    }

    async fn lend(&self, _: &str, _: Option<&str>, _: DatabaseUse) -> Result<Lent, StepError> {
        Err(StepError::new(StepErrorKind::Unsupported, "no database"))
    }
}

async fn open(folder: &Path) -> StepRunner {
    std::fs::create_dir_all(folder.join("project")).unwrap();
    let ledger = SqliteLedger::open(&folder.join("ledger.db")).await.unwrap();
    let options = RunnerOptions {
        project: folder.join("project"),
        scratch: folder.join("scratch"),
        keeper: env!("CARGO_BIN_EXE_weir-keeper").into(),
        isolate: folder.join("isolate").exists(),
        variables: Variables::of_process(),
    };
    let store = FilesetStore::open(&folder.join("store")).unwrap();
    let journal = Arc::new(Journal(folder.join("journal")));
    StepRunner::open(options, store, Arc::new(ledger), Some(journal)).unwrap()
}

fn request(yaml: &str, lines: Arc<Lines>) -> JobRequest {
    JobRequest {
        step: parse(yaml),
        run: "1".to_owned(),
        versions: HashMap::new(),
        log: lines,
        cancel: CancellationToken::new(),
    }
}

/// Two rounds, each with its inputs and its publication; those that were done are not begun again.
async fn live(folder: &Path) {
    let runner = open(folder).await;
    for round in 1..=2u64 {
        let done = folder.join(format!("round{round}"));
        if done.exists() {
            continue;
        }
        let mut edit = runner.store().edit("data", "master").unwrap();
        match round {
            1 => {
                for name in ["a", "b", "c"] {
                    edit.put(name, name.as_bytes()).unwrap();
                }
            }
            _ => {
                edit.remove("a");
                edit.put("b", b"bb").unwrap().put("d", b"d").unwrap();
            }
        }
        edit.commit().unwrap();
        let job = runner.run(&request(STEP, Arc::default())).await.unwrap();
        let token = PublishToken {
            app: "step.crashing".to_owned(),
            sequence: round,
            fence: AttemptId(1),
        };
        runner.publish(&job, &token).await.unwrap();
        std::fs::write(done, "").unwrap();
    }
}

/// Lives one life as its environment says; does nothing in an ordinary run of the tests.
#[tokio::test]
async fn child() {
    let Ok(order) = std::env::var("WEIR_STEP_LIFE") else {
        return;
    };
    let words: Vec<&str> = order.split('|').collect();
    if let Ok(nth) = words[2].parse::<usize>() {
        let passed = AtomicUsize::new(0);
        let kill = move || {
            if passed.fetch_add(1, Ordering::SeqCst) == nth {
                let own = rustix::process::getpid();
                let _ = rustix::process::kill_process(own, rustix::process::Signal::KILL);
                loop {
                    std::thread::park();
                }
            }
        };
        fail::cfg_callback(words[1], kill).unwrap();
    }
    match words[1] {
        "hang" => hang(words[0].as_ref()).await,
        _ => live(words[0].as_ref()).await,
    }
}

fn child_of(order: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["crash::child", "--exact", "--test-threads=1", "--nocapture"])
        .env("WEIR_STEP_LIFE", order);
    command
}

type Remains = (BTreeMap<String, String>, String, usize, usize);

async fn remains(folder: &Path) -> Remains {
    let runner = open(folder).await;
    let store = runner.store();
    let manifest = store.read("files", "master", None).unwrap();
    let files = manifest.files().iter().map(|file| {
        let bytes = store.read_blob(file.hash).unwrap();
        (file.path.clone(), String::from_utf8(bytes).unwrap())
    });
    let journal = std::fs::read_to_string(folder.join("journal")).unwrap();
    let versions = store.versions("files", "master").unwrap().len();
    let datums = runner.ledger().known("crashing").await.unwrap().len();
    // Nothing of ended lives is left in the scratch folder but this one's own.
    let scratch = std::fs::read_dir(folder.join("scratch")).unwrap().count();
    assert_eq!(scratch, 1);
    (files.collect(), journal, versions, datums)
}

#[tokio::test]
async fn kill_9_anywhere_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    live(folder.path()).await;
    let expected = remains(folder.path()).await;
    assert_eq!(expected.1, "1|a,a;b,b;c,c\n2|b,bb;c,c;d,d\n");
    assert_eq!(expected.0["files/b".strip_prefix("files/").unwrap()], "BB");
    assert_eq!(
        (expected.0["all"].as_str(), expected.2, expected.3),
        ("all\nall\nall\n", 2, 3)
    );
    for (point, nth) in POINTS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display();
        let killed = child_of(&format!("{path}|{point}|{nth}")).output().unwrap();
        assert_eq!(killed.status.signal(), Some(9), "{point} {nth}: {killed:?}");
        let lived = child_of(&format!("{path}|none|never")).output().unwrap();
        assert!(lived.status.success(), "{point} {nth}: {lived:?}");
        assert_eq!(remains(folder.path()).await, expected, "{point} {nth}");
    }
}

#[tokio::test]
async fn many_deaths_change_nothing() {
    let folder = tempfile::tempdir().unwrap();
    live(folder.path()).await;
    let expected = remains(folder.path()).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    for (point, nth) in POINTS {
        // A life in which the point is passed less often ends by itself.
        child_of(&format!("{path}|{point}|{nth}")).output().unwrap();
    }
    let lived = child_of(&format!("{path}|none|never")).output().unwrap();
    assert!(lived.status.success(), "{lived:?}");
    assert_eq!(remains(folder.path()).await, expected);
}

/// Runs a command that never ends and has a child of its own, and says when it does.
async fn hang(folder: &Path) {
    let runner = open(folder).await;
    let mut edit = runner.store().edit("data", "master").unwrap();
    edit.put("a", b"a").unwrap();
    edit.commit().unwrap();
    let step = format!(
        "name: hang\nshell: |\n  trap '' TERM HUP\n  setsid sleep 1000 &\n  echo begun\n  sleep 1000\nenv: {{STRAY: {}}}\ninput: {{fileset: data, glob: /}}\noutput: {{fileset: x}}\n",
        stray(folder)
    );
    let lines = Arc::<Lines>::default();
    let request = request(&step, lines.clone());
    let running = runner.run(&request);
    tokio::pin!(running);
    loop {
        tokio::select! {
            ended = &mut running => panic!("{ended:?}"),
            () = tokio::task::yield_now() => {}
        }
        if lines.text().contains("begun") {
            std::fs::write(folder.join("begun"), "").unwrap();
            running.await.unwrap();
            return;
        }
    }
}

fn stray(folder: &Path) -> String {
    format!(
        "stray{}",
        folder
            .file_name()
            .unwrap()
            .to_string_lossy()
            .replace('.', "x")
    )
}

/// Returns pids of processes of the command.
fn of_command(folder: &Path) -> Vec<i32> {
    let mark = format!("STRAY={}", stray(folder));
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environ
            .windows(mark.len())
            .any(|window| window == mark.as_bytes())
        {
            found.extend(
                entry
                    .file_name()
                    .to_str()
                    .and_then(|pid| pid.parse::<i32>().ok()),
            );
        }
    }
    found
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < until, "{what}");
        std::thread::yield_now();
    }
}

fn kill(pid: i32) {
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

/// Returns the pids of keepers that are written down.
fn keepers(folder: &Path) -> Vec<i32> {
    let mut found = Vec::new();
    for process in std::fs::read_dir(folder.join("scratch")).unwrap().flatten() {
        for note in std::fs::read_dir(process.path().join("running"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let text = std::fs::read_to_string(note.path()).unwrap();
            let value: serde_json::Value = serde_json::from_str(&text).unwrap();
            found.push(i32::try_from(value["pid"].as_i64().unwrap()).unwrap());
        }
    }
    found
}

#[tokio::test]
async fn a_killed_weir_leaves_no_process() {
    for isolate in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        if isolate {
            std::fs::write(folder.path().join("isolate"), "").unwrap();
        }
        let mut child = child_of(&format!("{}|hang|never", folder.path().display()))
            .spawn()
            .unwrap();
        wait_until("it begins", || folder.path().join("begun").exists());
        assert!(!of_command(folder.path()).is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
        // The keeper sees that Weir is gone.
        wait_until("the command ends", || of_command(folder.path()).is_empty());
    }
}

#[tokio::test]
async fn what_loses_its_keeper_too_is_ended_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child_of(&format!("{}|hang|never", folder.path().display()))
        .spawn()
        .unwrap();
    wait_until("it begins", || folder.path().join("begun").exists());
    let keepers = keepers(folder.path());
    assert_eq!(keepers.len(), 1);
    // Stopped, neither can do anything about the other's end.
    let stop = |pid: i32| {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    };
    stop(keepers[0]);
    stop(i32::try_from(child.id()).unwrap());
    kill(keepers[0]);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(
        !of_command(folder.path()).is_empty(),
        "without namespaces, it lives on"
    );
    open(folder.path()).await;
    wait_until("the command ends", || of_command(folder.path()).is_empty());
}

#[tokio::test]
async fn a_lost_keeper_ends_its_command() {
    for isolate in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        if isolate {
            std::fs::write(folder.path().join("isolate"), "").unwrap();
        }
        let mut child = child_of(&format!("{}|hang|never", folder.path().display()))
            .spawn()
            .unwrap();
        wait_until("it begins", || folder.path().join("begun").exists());
        std::fs::remove_file(folder.path().join("begun")).unwrap();
        let before = of_command(folder.path());
        kill(keepers(folder.path())[0]);
        // It is tried again, with other processes, and nothing of the first try is left.
        wait_until("the first try ends", || {
            let now = of_command(folder.path());
            before.iter().all(|pid| !now.contains(pid))
        });
        child.kill().unwrap();
        child.wait().unwrap();
        wait_until("the command ends", || of_command(folder.path()).is_empty());
    }
}
