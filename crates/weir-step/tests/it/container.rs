//! Containers, with a stand-in for the engine that runs the command where it is.

use std::os::unix::fs::PermissionsExt;

use crate::world::*;

const ENGINE: &str = r#"#!/bin/sh
# Answers as podman does, and writes down what it was asked.
echo "$*" >> "$(dirname "$0")/asked"
case "$1" in
  image) echo sha256:$(cat "$(dirname "$0")/digest"); exit 0 ;;
  rm) exit 0 ;;
  run) ;;
  *) exit 9 ;;
esac
while [ "$1" != image:1 ]; do shift; done
shift
exec "$@"
"#;

fn engine(world: &World) -> String {
    let bin = world.folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    std::fs::write(bin.join("podman"), ENGINE).unwrap();
    std::fs::write(bin.join("digest"), "one").unwrap();
    std::fs::set_permissions(bin.join("podman"), std::fs::Permissions::from_mode(0o755)).unwrap();
    format!("{}:/usr/bin:/bin", bin.display())
}

fn step(path: &str) -> String {
    format!(
        r#"
name: boxed
runner: container
image: image:1
command: [sh, -c, 'cat "$WEIR_IN"/data/* > "$WEIR_OUT/x"; echo "$KEY"']
env: {{PATH: "{path}", KEY: "${{env:API_KEY}}"}}
limits: {{memory: 100MB, processes: 20}}
input: {{fileset: data, glob: "/"}}
output: {{fileset: boxed}}
"#
    )
}

#[tokio::test]
async fn a_container_gets_its_folders_and_no_secret_in_its_arguments() {
    let world = World::new().await;
    world.put("data", &[("a", "in a box")]);
    let step = step(&engine(&world));
    world.runs(&step).await;
    assert_eq!(world.text("boxed", "x"), "in a box");
    let bin = world.folder.path().join("bin");
    let asked = std::fs::read_to_string(bin.join("asked")).unwrap();
    let run = asked.lines().find(|line| line.starts_with("run")).unwrap();
    for expected in [
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "no-new-privileges",
        "--memory 104857600",
        "--pids-limit 20",
        "--env KEY --env",
        "/in:ro",
    ] {
        assert!(run.contains(expected), "{expected}: {run}");
    }
    assert!(!asked.contains("hunter2"), "{asked}");
    assert!(world.lines.text().contains("***"));
    assert_eq!(world.runs(&step).await.counts(), (0, 1, 0, 1));
    // Another image is other code.
    std::fs::write(bin.join("digest"), "two").unwrap();
    assert_eq!(world.runs(&step).await.counts(), (1, 0, 0, 1));
    // What does not end by itself is removed by name.
    let slow = step.replace(
        "command: [sh, -c,",
        "timeout: 200ms\ngrace: 100ms\ntries: 1\ncommand: [sleep, '1000'] #",
    );
    let error = world.fails(&slow).await;
    assert!(error.contains("took longer than 200ms"), "{error}");
    let asked = std::fs::read_to_string(bin.join("asked")).unwrap();
    assert!(
        asked
            .lines()
            .last()
            .unwrap()
            .starts_with("rm --force weir-"),
        "{asked}"
    );
}

#[tokio::test]
async fn without_an_engine_the_step_says_so() {
    let world = World::new().await;
    world.put("data", &[("a", "x")]);
    let error = world.fails(&step("/nowhere")).await;
    assert!(
        error.contains("there is neither podman nor docker on this machine"),
        "{error}"
    );
    assert!(
        error.contains("hint: install podman, or use `runner: process`"),
        "{error}"
    );
}
