//! Commands that misbehave: contained, told, and nothing half-published.

use std::time::{Duration, Instant};

use weir_step::StepErrorKind;

use crate::world::*;

/// A step over one file with these lines in its shell.
fn step(shell: &str, more: &str) -> String {
    let shell: String = shell
        .lines()
        .map(|line| format!("  {}\n", line.trim()))
        .collect();
    format!(
        "name: bad\ntries: 1\nshell: |\n{shell}{more}\ninput: {{fileset: data, glob: \"/\"}}\noutput: {{fileset: bad}}\n"
    )
}

async fn world(isolate: bool) -> World {
    let world = World::with(isolate).await;
    world.put("data", &[("a", "content of a\n")]);
    world
}

/// Returns processes of any step of this test, which have `mark` in their environment.
fn left_over(mark: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let environ = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if environ
            .windows(mark.len())
            .any(|window| window == mark.as_bytes())
        {
            let cmdline = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            found.push(String::from_utf8_lossy(&cmdline).into_owned());
        }
    }
    found
}

fn mark() -> String {
    format!(
        "STRAY=stray{}x{:?}",
        std::process::id(),
        std::thread::current().id()
    )
    .replace(['(', ')'], "")
}

fn with_mark(mark: &str) -> String {
    let (key, value) = mark.split_once('=').unwrap();
    format!("env: {{{key}: {value}}}\n")
}

#[tokio::test]
async fn a_gigabyte_of_output_is_cut() {
    let world = world(true).await;
    let shell = "yes 'a line that says the same as all the others do' | head -c 1000000000\necho the end >&2\necho x > \"$WEIR_OUT/x\"";
    let begun = Instant::now();
    world.runs(&step(shell, "limits: {log: 64KB}")).await;
    let datum = world.runner.ledger().list(None, 1).await.unwrap().remove(0);
    let log = datum.details.log;
    assert!(log.len() < 70_000, "{}", log.len());
    assert!(
        log.contains("bytes of 19999360 lines are left out")
            || log.contains("lines are left out here"),
        "{}",
        &log[log.len() - 500..]
    );
    assert!(log.ends_with("the end\n"), "{}", &log[log.len() - 500..]);
    println!("1 GB in {:?}", begun.elapsed());
    assert!(world.lines.text().len() < 140_000);
}

#[tokio::test]
async fn what_is_left_behind_is_ended() {
    for isolate in [true, false] {
        let world = world(isolate).await;
        let mark = mark();
        let shell = "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 100; done' &\n(sleep 100 & )\necho done > \"$WEIR_OUT/x\"";
        let begun = Instant::now();
        world.runs(&step(shell, &with_mark(&mark))).await;
        assert!(
            begun.elapsed() < Duration::from_secs(20),
            "it was not waited for"
        );
        assert_eq!(
            left_over(&mark),
            Vec::<String>::new(),
            "isolated: {isolate}"
        );
        assert!(
            world
                .lines
                .text()
                .contains("left processes behind; they were ended"),
            "{}",
            world.lines.text()
        );
        assert_eq!(world.text("bad", "x"), "done");
    }
}

#[tokio::test]
async fn too_many_processes_are_ended() {
    for isolate in [true, false] {
        let world = world(isolate).await;
        let mark = mark();
        let more = format!("{}limits: {{processes: 30}}", with_mark(&mark));
        let error = world
            .fails(&step("while :; do sleep 100 & done", &more))
            .await;
        assert!(
            error.contains("30 are allowed; raise `limits.processes`"),
            "{error}"
        );
        assert_eq!(left_over(&mark), Vec::<String>::new());
    }
}

#[tokio::test]
async fn what_hangs_is_ended_even_if_it_ignores_sigterm() {
    for isolate in [true, false] {
        let world = world(isolate).await;
        let mark = mark();
        let times = format!("timeout: 200ms\ngrace: 100ms\n{}", with_mark(&mark));
        let hangs = world.fails(&step("sleep 1000", &times)).await;
        assert!(
            hangs.contains("took longer than 200ms and was ended"),
            "{hangs}"
        );
        let ignores = "trap '' TERM\nwhile :; do sleep 1000; done";
        let ignores = world.fails(&step(ignores, &times)).await;
        assert!(ignores.contains("took longer than 200ms"), "{ignores}");
        assert_eq!(left_over(&mark), Vec::<String>::new());
        // One that listens has time to clean up.
        let listens = "trap 'echo cleaning up; exit 0' TERM\nwhile :; do sleep 0.01; done";
        let listens = world
            .fails(&step(listens, "timeout: 200ms\ngrace: 10s"))
            .await;
        assert!(listens.contains("took longer"), "{listens}");
        assert!(world.lines.text().contains("cleaning up"));
        let silent = world
            .fails(&step(
                "echo hello\nsleep 1000",
                "silence: 300ms\ngrace: 100ms",
            ))
            .await;
        assert!(silent.contains("said nothing for 300ms"), "{silent}");
    }
}

#[tokio::test]
async fn a_full_scratch_folder_ends_the_command() {
    let world = world(true).await;
    let fill = "while :; do head -c 1000000 /dev/zero >> \"$TMPDIR/x\"; done";
    let error = world.fails(&step(fill, "limits: {scratch: 5MB}")).await;
    assert!(
        error.contains("bytes of scratch, 5242880 are allowed"),
        "{error}"
    );
    let error = world
        .fails(&step(fill, "limits: {free_disk: 4000TB}"))
        .await;
    assert!(
        error.contains("bytes of the disk free, 4398046511104000 must stay"),
        "{error}"
    );
    let quick = "head -c 9000000 /dev/zero > \"$WEIR_OUT/x\"";
    let error = world.fails(&step(quick, "limits: {scratch: 5MB}")).await;
    assert!(
        error.contains("bytes of scratch, 5242880 are allowed"),
        "{error}"
    );
    let error = world.fails(&step(quick, "limits: {output: 5MB}")).await;
    assert!(
        error.contains("it wrote more than 5242880 bytes (`x` is over)"),
        "{error}"
    );
    let error = world
        .fails(&step(
            &format!("exec {}", quick),
            "limits: {file_size: 5MB}",
        ))
        .await;
    assert!(
        error.contains("file_size") || error.contains("exited with"),
        "{error}"
    );
    // A sparse file takes no disk, and is counted as what it would be.
    let error = world
        .fails(&step(
            "truncate -s 1T \"$WEIR_OUT/x\"",
            "limits: {output: 5MB}",
        ))
        .await;
    assert!(
        error.contains("it wrote more than 5242880 bytes"),
        "{error}"
    );
    let scratch = std::fs::read_dir(world.folder.path().join("scratch")).unwrap();
    let own = scratch.flatten().next().unwrap().path();
    let left: Vec<_> = std::fs::read_dir(own)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(
        left.len(),
        2,
        "only the lock and the list of what runs: {left:?}"
    );
}

#[tokio::test]
async fn memory_and_cpu_are_bounded() {
    let world = world(true).await;
    let error = world
        .fails(&step(
            "head -c 400000000 /dev/zero | tail -n 1 | wc -c",
            "limits: {memory: 50MB}",
        ))
        .await;
    assert!(
        error.contains("bytes of memory, 52428800 are allowed"),
        "{error}"
    );
    let error = world
        .fails(&step("while :; do :; done", "limits: {cpu: 300ms}"))
        .await;
    assert!(
        error.contains("used more CPU time than it may (300 ms)"),
        "{error}"
    );
}

#[tokio::test]
async fn writes_outside_the_outputs_do_not_happen() {
    for isolate in [true, false] {
        let world = world(isolate).await;
        let outside = world.folder.path().join("outside");
        let blob = world.store().read("data", "master", None).unwrap().files()[0].hash;
        for target in [
            outside.display().to_string(),
            "$WEIR_IN/data/a".to_owned(),
            "written".to_owned(),
            "/weir-was-here".to_owned(),
        ] {
            let error = world
                .fails(&step(&format!("echo evil > \"{target}\""), ""))
                .await;
            assert!(error.contains("exited with"), "{target}: {error}");
        }
        assert!(
            world.lines.text().contains("ermission denied"),
            "{}",
            world.lines.text()
        );
        assert!(!outside.exists() && !world.project().join("written").exists());
        assert!(!std::path::Path::new("/weir-was-here").exists());
        assert_eq!(world.store().read_blob(blob).unwrap(), b"content of a\n");
        // Nor do signals reach others.
        let own = std::process::id();
        let error = world.fails(&step(&format!("kill -9 {own}"), "")).await;
        assert!(error.contains("exited with"), "{error}");
        // Removing and linking is writing too.
        let error = world.fails(&step("rm \"$WEIR_IN/data/a\"", "")).await;
        assert!(error.contains("exited with"), "{error}");
        world.runs(&step("echo ok > /dev/null\necho tmp > \"$TMPDIR/t\"\ncat \"$WEIR_IN/data/a\" > \"$WEIR_OUT/copy\"", "")).await;
        assert_eq!(world.text("bad", "copy"), "content of a");
    }
}

#[tokio::test]
async fn its_own_parents_cannot_be_fooled() {
    for isolate in [true, false] {
        let world = world(isolate).await;
        let mark = mark();
        let error = world
            .run(&step(
                "sleep 1000 &\nkill -9 $PPID\nsleep 1000",
                &format!("timeout: 2s\ngrace: 100ms\n{}", with_mark(&mark)),
            ))
            .await
            .unwrap_err();
        let text = error.chain();
        assert!(
            text.contains("took longer than 2s") || text.contains("nobody to say how"),
            "{text}"
        );
        assert_eq!(
            left_over(&mark),
            Vec::<String>::new(),
            "isolated: {isolate}"
        );
    }
}

#[tokio::test]
async fn an_end_by_signal_is_told() {
    let world = world(true).await;
    let error = world.fails(&step("kill -SEGV $$", "")).await;
    assert!(
        error.contains("was ended by SIGSEGV (it touched memory it does not have)"),
        "{error}"
    );
    let error = world.fails(&step("exit 3", "")).await;
    assert!(error.contains("`data:/` exited with 3"), "{error}");
}

#[tokio::test]
async fn a_missing_program_is_not_tried_again() {
    let world = world(true).await;
    let argv = |argv: &str| {
        format!(
            "name: bad\ncommand: {argv}\ninput: {{fileset: data, glob: \"/\"}}\noutput: {{fileset: bad}}\n"
        )
    };
    let error = world.fails(&argv("[no-such-program, x]")).await;
    assert!(
        error.contains("was not started: there is no program `no-such-program`"),
        "{error}"
    );
    let datum = world.runner.ledger().list(None, 1).await.unwrap().remove(0);
    assert_eq!(datum.details.tries, 1);
    std::fs::write(world.project().join("script"), "#!/no/such/interpreter\n").unwrap();
    let error = world.fails(&argv("[./script]")).await;
    assert!(error.contains("cannot start `./script`"), "{error}");
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(world.project().join("script"), mode).unwrap();
    let error = world.fails(&argv("[./script]")).await;
    assert!(
        error.contains("the interpreter that `./script` names in its first line is not there"),
        "{error}"
    );
    let elsewhere = argv("[ls]").replace("name: bad", "name: bad\ncwd: nowhere");
    let error = world.fails(&elsewhere).await;
    assert!(error.contains("cannot go to"), "{error}");
}

#[tokio::test]
async fn malformed_tables_are_not_loaded() {
    let world = world(true).await;
    let table = |shell: &str| {
        format!(
            "name: bad\ntries: 1\nshell: |\n  {shell}\ninput: {{fileset: data, glob: \"/\"}}\noutput: {{table: main.bad}}\n"
        )
    };
    for (shell, expected) in [
        (
            "printf 'a,b\\n1,2\\n3\\n' > $WEIR_OUT/x.csv",
            "no csv: line 3 has 1 fields, the header has 2",
        ),
        (
            "printf 'a,a\\n' > $WEIR_OUT/x.csv",
            "two columns are called `a`",
        ),
        (": > $WEIR_OUT/x.csv", "it has no header"),
        (
            "printf 'a\\n\\377\\n' > $WEIR_OUT/x.csv",
            "line 2 is no UTF-8",
        ),
        (
            "printf '{\"a\":1}\\n[2]\\n' > $WEIR_OUT/x.ndjson",
            "line 2 is no JSON object",
        ),
        (
            "printf '{\"a\":1}\\n{\"a\":\\n' > $WEIR_OUT/x.json",
            "line 2: EOF",
        ),
        (
            "printf 'PAR1 and no more than that' > $WEIR_OUT/x.parquet",
            "no parquet: it does not end as one",
        ),
        ("echo x > $WEIR_OUT/x.arrow", "no arrow: it is too short"),
        ("echo x > $WEIR_OUT/x.txt", "nobody can tell the format of"),
        (
            "mkfifo $WEIR_OUT/x.csv",
            "neither a file nor a folder nor a link",
        ),
        (
            "ln -s /etc/passwd $WEIR_OUT/x.csv",
            "does not lead to one of its inputs",
        ),
        (
            "touch $WEIR_OUT/\"$(printf 'a\\001')\"",
            "contains a control character",
        ),
        ("touch $WEIR_OUT/\"$(printf 'a\\377')\"", "no UTF-8"),
    ] {
        let error = world.fails(&table(shell)).await;
        assert!(error.contains(expected), "{shell}: {error}");
    }
    assert!(world.tables.versions.lock().is_empty());
}

#[tokio::test]
async fn two_datums_with_one_path_publish_nothing() {
    let world = World::new().await;
    world.put("data", &[("a", "1\n"), ("b", "2\n")]);
    let step = |more: &str| {
        format!(
            "name: bad\nshell: cat \"$WEIR_INPUT_DATA\" > \"$WEIR_OUT/same\"\ninput: {{fileset: data, glob: \"/*\"}}\noutput: {{fileset: bad}}\n{more}\n"
        )
    };
    let error = world.run(&step("")).await.unwrap_err();
    assert_eq!(error.kind(), StepErrorKind::Output);
    assert_eq!(
        error.to_string(),
        "two datums of step `bad` wrote `same`: `data:/a` and `data:/b`"
    );
    assert_eq!(world.store().version("bad", "master").unwrap(), None);
    // Both are done already; only what becomes of them changes.
    let ran = world.runs(&step("collision: concat")).await;
    assert_eq!(ran.counts(), (0, 2, 0, 2));
    assert_eq!(world.text("bad", "same"), "1\n2");
}

#[tokio::test]
async fn a_cancelled_or_dropped_step_leaves_no_process() {
    for isolate in [true, false] {
        let world = world(isolate).await;
        let mark = mark();
        let yaml = step(
            "echo begun\nsleep 1000",
            &format!("grace: 100ms\n{}", with_mark(&mark)),
        );
        let request = world.request(&yaml);
        let running = world.runner.run(&request);
        tokio::pin!(running);
        let begun = async {
            while !world.lines.text().contains("begun") {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = &mut running => panic!("it ended"),
            () = begun => {}
        }
        assert!(!left_over(&mark).is_empty(), "it runs");
        world.cancel.cancel();
        let error = running.await.unwrap_err();
        assert_eq!(error.kind(), StepErrorKind::Cancelled);
        assert_eq!(left_over(&mark), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_dropped_future_ends_its_command() {
    for isolate in [true, false] {
        let world = world(isolate).await;
        let mark = mark();
        let yaml = step("echo begun\nsleep 1000", &with_mark(&mark));
        let request = world.request(&yaml);
        {
            let running = world.runner.run(&request);
            tokio::pin!(running);
            let begun = async {
                while !world.lines.text().contains("begun") {
                    tokio::task::yield_now().await;
                }
            };
            tokio::select! {
                _ = &mut running => panic!("it ended"),
                () = begun => {}
            }
        }
        let until = Instant::now() + Duration::from_secs(20);
        while !left_over(&mark).is_empty() {
            assert!(Instant::now() < until, "{:?}", left_over(&mark));
            tokio::task::yield_now().await;
        }
    }
}
