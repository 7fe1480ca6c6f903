//! dbt_project.yml, profiles.yml and packages.

use crate::fixture::{Fixture, reports};
use weir_model::project::{DepsOptions, install};

#[test]
fn profiles_are_rendered_for_the_chosen_output_only() {
    let fixture = Fixture::new("models:\n  +materialized: \"{{ 'table' if target.name == 'prod' else 'view' }}\"\n")
        .file(
            "profiles.yml",
            "shop:
  target: \"{{ env_var('WHERE', 'dev') }}\"
  outputs:
    dev: {type: duckdb, path: 'x/shop.duckdb', schema: me}
    prod: {type: postgres, host: h, port: \"{{ env_var('PORT') | as_number }}\", user: u, pass: s3cret, dbname: d, schema: s, threads: 8}
    broken: {type: postgres, host: \"{{ env_var('NOWHERE') }}\"}
",
        );
    let loaded = fixture.load().expect("is readable");
    let target = &loaded.project.target;
    assert_eq!(
        (
            target.kind.as_str(),
            target.database.as_deref(),
            target.schema.as_str()
        ),
        ("duckdb", Some("shop"), "me")
    );

    let fixture = fixture.env("WHERE", "prod").env("PORT", "5433");
    let target = fixture.load().expect("is readable").project.target.clone();
    assert_eq!(
        (
            target.name.as_str(),
            target.database.as_deref(),
            target.threads
        ),
        ("prod", Some("d"), 8)
    );
    assert_eq!(target.fields["port"], 5433);
    let shown = target.to_value().to_str().to_string();
    assert!(!shown.contains("s3cret"), "{shown}");
}

#[test]
fn a_missing_variable_says_how_to_give_it() {
    let fixture = Fixture::new(
        "models:\n  +schema: \"{{ env_var('SCHEMA') }}\"\n  +alias: \"{{ var('al') }}\"\n",
    );
    let report = reports(&fixture.load().expect_err("lacks both"));
    for part in [
        "Env var required but not provided: 'SCHEMA'",
        "dbt_project.yml:5:12",
        "--vars",
    ] {
        assert!(report.contains(part), "{report}");
    }
    let fixture = fixture.env("SCHEMA", "x").var("al", "y");
    fixture.load().expect("has both");
}

#[test]
fn packages_are_installed_from_where_they_lie() {
    let fixture = Fixture::new("")
        .file("packages.yml", "packages:\n  - local: ../lib\n  - package: acme/tools\n    version: ['>=1.0.0', '<2.0.0']\n")
        .file("mirror/tools/dbt_project.yml", "name: tools\nversion: '1.2.0'\n");
    let lib = fixture.path().parent().expect("is in a folder").join("lib");
    let own = tempfile::tempdir().expect("makes a folder");
    let _ = lib;
    std::fs::write(
        own.path().join("dbt_project.yml"),
        "name: lib\nversion: '0.1.0'\n",
    )
    .expect("writes");
    let fixture = fixture.file(
        "packages.yml",
        &format!(
            "packages:\n  - local: {}\n  - package: acme/tools\n    version: ['>=1.0.0', '<2.0.0']\n",
            own.path().display()
        ),
    );
    let report = reports(&fixture.load().expect_err("lacks one"));
    assert!(
        report.contains("`acme/tools`") && report.contains("weir deps"),
        "{report}"
    );

    let mut options = DepsOptions {
        load: fixture.load_options(),
        mirror: None,
    };
    let report = reports(&install(&options).expect_err("has no mirror"));
    assert!(
        report.contains("package of the hub") && report.contains("dbt_packages/tools"),
        "{report}"
    );
    options.mirror = Some(fixture.path().join("mirror"));
    let names: Vec<String> = install(&options)
        .expect("finds both")
        .into_iter()
        .map(|done| done.name)
        .collect();
    assert_eq!(names, ["lib", "tools"]);
    let lock =
        std::fs::read_to_string(fixture.path().join("package-lock.yml")).expect("is written");
    assert!(lock.contains("version: 1.2.0"), "{lock}");
    let loaded = fixture.load().expect("has both");
    assert_eq!(loaded.project.packages.len(), 3);
    // What a package asks for by its repository may be there under another name.
    std::fs::write(
        own.path().join("packages.yml"),
        "packages:\n  - git: https://example.com/renamed.git\n    revision: v1\n",
    )
    .expect("writes");
    let loaded = fixture.load().expect("has what can be told");
    assert_eq!(loaded.project.packages.len(), 3);

    let fixture = fixture.file(
        "packages.yml",
        "packages:\n  - package: acme/tools\n    version: '>=2.0.0'\n",
    );
    options.load = fixture.load_options();
    let report = reports(&install(&options).expect_err("is too old"));
    assert!(report.contains("but 1.2.0 is there"), "{report}");
}

#[test]
fn packages_of_one_name_must_be_one_package() {
    let fixture = Fixture::new("")
        .file("one/dbt_project.yml", "name: lib\nversion: '1.0.0'\n")
        .file("two/dbt_project.yml", "name: lib\nversion: '2.0.0'\n")
        .file("three/dbt_project.yml", "name: shop\nversion: '1.0.0'\n")
        .file(
            "packages.yml",
            "packages:\n  - local: one\n  - local: two\n",
        );
    let mut options = DepsOptions {
        load: fixture.load_options(),
        mirror: None,
    };
    let read = reports(&fixture.load().expect_err("has two"));
    let installed = reports(&install(&options).expect_err("has two"));
    for report in [read, installed] {
        for part in [
            "`lib`",
            "local `one` of packages.yml",
            "local `two` of packages.yml",
        ] {
            assert!(report.contains(part), "{part}: {report}");
        }
    }

    let fixture = fixture.file(
        "packages.yml",
        "packages:\n  - local: one\n  - local: ./one\n",
    );
    options.load = fixture.load_options();
    assert_eq!(install(&options).expect("is one").len(), 1);
    fixture.load().expect("is one");

    let fixture = fixture.file("packages.yml", "packages:\n  - local: three\n");
    options.load = fixture.load_options();
    let read = reports(&fixture.load().expect_err("is called like the project"));
    let installed = reports(&install(&options).expect_err("is called like the project"));
    for report in [read, installed] {
        assert!(
            report.contains("three") && report.contains("`shop` like the project itself"),
            "{report}"
        );
    }
}

#[test]
fn hidden_and_ignored_files_are_none() {
    let parsed = Fixture::new("")
        .file("models/a.sql", "select 1")
        .file("models/.b.sql", "select {{")
        .file("models/old/c.sql", "select {{")
        .file(".dbtignore", "# old things\nmodels/old/\n")
        .parse();
    assert_eq!(parsed.manifest.nodes.len(), 1);
}

#[test]
fn hooks_become_operations() {
    let parsed = Fixture::new(
        "on-run-start: \"select '{{ target.name }}'\"\non-run-end: [\"{{ done() }}\", select 2]\n",
    )
    .file("macros/m.sql", "{% macro done() %}select 1{% endmacro %}")
    .parse();
    let end = &parsed.manifest.nodes["operation.shop.shop-on-run-end-0"];
    assert_eq!(end.tags, ["on-run-end"]);
    assert_eq!(end.depends_on.macros[0].as_str(), "macro.shop.done");
    assert_eq!(parsed.manifest.nodes.len(), 3);
}

#[test]
fn packages_come_from_repositories_at_a_revision() {
    let upstream = tempfile::tempdir().expect("makes a folder");
    let git = |arguments: &[&str]| {
        let output = std::process::Command::new("git")
            .args(["-c", "user.name=a", "-c", "user.email=a@example.com", "-C"])
            .arg(upstream.path())
            .args(arguments)
            .output()
            .expect("git runs");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let write = |version: &str| {
        let below = upstream.path().join("dbt");
        std::fs::create_dir_all(&below).expect("makes a folder");
        std::fs::write(
            below.join("dbt_project.yml"),
            format!("name: lib\nversion: '{version}'\n"),
        )
        .expect("writes");
    };
    git(&["init", "--quiet"]);
    write("1.0.0");
    git(&["add", "."]);
    git(&["commit", "--quiet", "-m", "one"]);
    git(&["tag", "v1"]);
    write("2.0.0");
    git(&["commit", "--quiet", "-am", "two"]);
    git(&["tag", "v2"]);
    let url = upstream.path().display();
    let fixture = Fixture::new("").file(
        "packages.yml",
        &format!("packages:\n  - git: {url}\n    revision: v1\n    subdirectory: dbt\n"),
    );
    let mut options = DepsOptions {
        load: fixture.load_options(),
        mirror: None,
    };
    let done = install(&options).expect("is fetched");
    assert_eq!(done[0].version.as_deref(), Some("1.0.0"));
    assert!(
        fixture
            .path()
            .join("dbt_packages/lib/dbt_project.yml")
            .is_file()
    );

    let at = |revision: &str| {
        format!("  - git: {url}\n    revision: {revision}\n    subdirectory: dbt\n")
    };
    let fixture = fixture.file(
        "packages.yml",
        &format!("packages:\n{}{}", at("v1"), at("v2")),
    );
    options.load = fixture.load_options();
    let read = reports(&fixture.load().expect_err("are two revisions"));
    let installed = reports(&install(&options).expect_err("are two revisions"));
    for report in [read, installed] {
        assert!(
            report.contains("at `v1` of packages.yml, and git")
                && report.contains("at `v2` of packages.yml"),
            "{report}"
        );
    }

    let fixture = fixture.file(
        "packages.yml",
        &format!("packages:\n  - git: {url}\n    revision: v9\n"),
    );
    options.load = fixture.load_options();
    let report = reports(&install(&options).expect_err("has no such revision"));
    assert!(report.contains("cannot fetch"), "{report}");
}
