//! What a command is told, and what nobody else is.

use weir_step::StepErrorKind;

use crate::world::*;

const SECRET: &str = "hunter2-hunter2";

#[tokio::test]
async fn secrets_reach_the_command_and_no_log() {
    let world = World::new().await;
    world.put("data", &[("a", "x")]);
    let step = r#"
name: secret
shell: |
  echo "the key is $KEY" >&2
  echo "$WITHIN"
  [ "$KEY" = hunter2-hunter2 ] || exit 1
  tr '\0' ' ' < /proc/self/cmdline
  printf '%s' "$KEY" | md5sum | cut -c1-4 > "$WEIR_OUT/x"
env:
  KEY: ${env:API_KEY}
  WITHIN: "user:${env:API_KEY}@host"
input: {fileset: data, glob: "/*"}
output: {fileset: secret}
"#;
    world.runs(step).await;
    let log = world.lines.text();
    assert!(
        log.contains("the key is ***") && !log.contains(SECRET),
        "{log}"
    );
    let datum = world.runner.ledger().list(None, 1).await.unwrap().remove(0);
    assert!(!datum.details.log.contains(SECRET));
    // Nothing under the project's data has it either.
    for entry in walk(world.folder.path()) {
        let bytes = std::fs::read(&entry).unwrap();
        let found = bytes
            .windows(SECRET.len())
            .any(|window| window == SECRET.as_bytes());
        assert!(!found, "{}", entry.display());
    }
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.file_type().unwrap().is_dir() {
            true => files.extend(walk(&entry.path())),
            false => files.push(entry.path()),
        }
    }
    files
}

#[tokio::test]
async fn the_environment_has_what_is_declared() {
    let world = World::new().await;
    world.put("data", &[("a", "x")]);
    let step = r#"
name: env
command: [env]
env: {MODE: fast, LEVEL: 3}
input: {fileset: data, glob: "/*"}
output: {fileset: env}
"#;
    world.runs(step).await;
    let log = world.lines.text();
    let mut names: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(name, _)| name)
        .collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "HOME",
            "LEVEL",
            "MODE",
            "PATH",
            "TMPDIR",
            "WEIR_DATUM",
            "WEIR_IN",
            "WEIR_INPUT_DATA",
            "WEIR_OUT",
            "WEIR_RUN",
            "WEIR_STEP",
            "WEIR_STEP_MARK",
            "WEIR_VERSION_DATA",
        ]
    );
}

#[tokio::test]
async fn pachyderms_names_are_there_when_asked_for() {
    let world = World::new().await;
    world.put("data", &[("dir/a", "x")]);
    let step = r#"
name: pach
compat: pachyderm
shell: |
  env | grep -E '^(PACH|data)' | sort
  ls /pfs; ls -R /pfs/data; ls / | head -50 | tr '\n' ' '
  ps -e >/dev/null 2>&1; ls /proc | grep -c '^[0-9]'
input: {fileset: data, glob: "/*"}
output: {fileset: pach}
"#;
    world.runs(step).await;
    let log = world.lines.text();
    for expected in [
        "PACH_DATUM_ID=",
        "PACH_JOB_ID=1",
        "data=/pfs/data/dir",
        "data_COMMIT=1",
        "out",
    ] {
        assert!(log.contains(expected), "{expected}: {log}");
    }
    assert!(
        !std::path::Path::new("/pfs").exists(),
        "only the command sees it"
    );
    let world = World::with(false).await;
    world.put("data", &[("dir/a", "x")]);
    let error = world.fails(step).await;
    assert!(
        error.contains("does not let Weir make the folder `/pfs`"),
        "{error}"
    );
}

#[tokio::test]
async fn a_variable_that_is_not_set_is_told() {
    let world = World::new().await;
    let step = "name: s\ncommand: ['true']\nenv: {KEY: '${env:NOT_SET}'}\ninput: {fileset: data, glob: /}\noutput: {fileset: s}\n";
    let error = world.run(step).await.unwrap_err();
    assert_eq!(error.kind(), StepErrorKind::Invalid);
    assert_eq!(
        error.to_string(),
        "step `s` takes `KEY` from the variable `NOT_SET`, which is not set"
    );
}
