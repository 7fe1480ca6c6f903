use serde_json::Value;

use crate::env::{Env, mode, stderr, stdout, weir};

#[test]
fn init_makes_a_private_project_and_shows_the_key_once() {
    let env = Env::new();

    assert!(env.key.starts_with("wk_"));
    assert_eq!(mode(&env.project.join(".weir")), 0o700);
    assert_eq!(mode(&env.project.join(".weir/owner.token")), 0o600);
    assert_eq!(mode(&env.project.join(".weir/catalog.db")), 0o600);
    assert!(env.project.join("sources/app.yml").is_file());

    let again = weir(&["init", env.project.to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(1));
    assert!(stderr(&again).contains("is a project already"));
    assert!(stderr(&again).contains("hint: `weir up` starts it"));
}

#[test]
fn keys_are_made_listed_and_revoked() {
    let env = Env::new();
    let made = env.weir(&["keys", "create", "app", "--label", "the web site"]);
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    let key = stdout(&made).trim().to_owned();
    assert!(key.starts_with("wk_") && key.len() >= 35);

    let revoked = env.weir(&["keys", "revoke", &key]);
    assert_eq!(revoked.status.code(), Some(0), "{}", stderr(&revoked));

    let list = env.weir(&["--json", "keys", "list"]);
    assert!(
        !stdout(&list).contains(&key),
        "a listed key shows its secret"
    );
    let list: Value = serde_json::from_slice(&list.stdout).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[1]["label"], "the web site");
    assert!(list[0]["revoked_at"].is_null() && list[1]["revoked_at"].is_string());
}

#[test]
fn a_key_for_a_source_that_does_not_exist_says_how_to_make_one() {
    let output = Env::new().weir(&["keys", "create", "shop"]);

    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no source `shop`"));
    assert!(stderr(&output).contains("sources/shop.yml"));
}

#[test]
fn a_source_described_since_is_found() {
    let env = Env::new();
    env.write("sources/shop.yml", "ip: drop\n");

    let output = env.weir(&["keys", "create", "shop"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn exit_codes_tell_usage_from_what_can_be_fixed() {
    assert_eq!(weir(&["--version"]).status.code(), Some(0));
    assert_eq!(weir(&["frobnicate"]).status.code(), Some(2));
    let nowhere = tempfile::tempdir().unwrap();
    let output = weir(&["--project", nowhere.path().to_str().unwrap(), "up"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("there is no project in"));
    assert!(output.stdout.is_empty());
}

#[test]
fn a_wrong_configuration_names_the_line_and_the_fix() {
    let env = Env::new();
    env.write(
        "weir.toml",
        "version = 1\n[server]\nlissen = \"127.0.0.1:0\"\n",
    );

    let output = env.weir(&["up"]);
    assert_eq!(output.status.code(), Some(1));
    let error = stderr(&output);
    assert!(
        error.contains("weir.toml:3:1: unknown key `lissen`"),
        "{error}"
    );
    assert!(error.contains("did you mean `listen`?"), "{error}");
}

#[test]
fn a_wrong_source_names_the_line_and_the_fix() {
    let env = Env::new();
    env.write("sources/app.yml", "name: app\nip: trunkate\n");

    let output = env.weir(&["up"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("app.yml:2:1: "),
        "{}",
        stderr(&output)
    );
    assert!(stderr(&output).contains("did you mean `truncate`?"));
}

#[test]
fn errors_are_json_for_programs() {
    let output = Env::new().weir(&["--json", "keys", "revoke", "wk_nothere"]);

    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"], "cannot revoke the key");
    assert_eq!(error["causes"][0], "no such write key");
}

#[test]
fn doctor_finds_a_new_project_in_order() {
    let env = Env::new();
    let output = env.weir(&["--json", "doctor"]);

    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = answer["findings"].as_array().unwrap();
    for what in [
        "configuration",
        "sources",
        "private files",
        "log sync",
        "lake",
        "clock",
        "open files",
    ] {
        let finding = findings.iter().find(|finding| finding["what"] == what);
        let finding = finding.unwrap_or_else(|| panic!("nothing about {what}"));
        assert_ne!(finding["verdict"], "wrong", "{finding}");
    }
    let left: Vec<_> = std::fs::read_dir(env.project.join("lake"))
        .unwrap()
        .collect();
    assert!(left.is_empty(), "the probe is still there");
}

#[test]
fn doctor_sees_what_others_can_read() {
    use std::os::unix::fs::PermissionsExt;
    let env = Env::new();
    let token = env.project.join(".weir/owner.token");
    std::fs::set_permissions(&token, std::fs::Permissions::from_mode(0o644)).unwrap();

    let output = env.weir(&["doctor"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stdout(&output).contains("fix: chmod -R go= "),
        "{}",
        stdout(&output)
    );
}

#[test]
fn help_is_there_for_every_command() {
    for command in [
        "init", "up", "demo", "sql", "tail", "keys", "compact", "doctor", "runs", "schedule",
    ] {
        let output = weir(&[command, "--help"]);
        assert_eq!(output.status.code(), Some(0), "{command}");
        assert!(stdout(&output).contains("Usage: weir"), "{command}");
    }
}
