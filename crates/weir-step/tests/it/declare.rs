//! What is declared, and what is said of declarations that cannot be.

use std::time::Duration;

use weir_step::*;

const WHOLE: &str = r#"
steps:
  - name: one
    description: says what it is for
    command: [python3, count.py, 3]
    cwd: code
    env: {MODE: fast, KEY: "${env:API_KEY}"}
    code: ["code/**.py"]
    inputs:
      - {table: raw.orders, as: csv}
      - {name: pages, folder: /var/pages, glob: "/*"}
    outputs:
      - {table: mart.words, from: words}
      - {fileset: rest}
    tries: 5
    timeout: 1h30m
    silence: 10m
    parallel: 4
    limits: {memory: 2GB, cpu: 10m, processes: 0, scratch: 0, log: 64KB}
    collision: concat
    reprocess: never
  - name: two
    runner: container
    image: python@sha256:abc
    network: true
    shell: sort < $WEIR_INPUT_A
    input:
      cross:
        - {fileset: a, branch: live, glob: "/*"}
        - union:
            - {fileset: b, glob: "/*"}
            - {fileset: c, name: b, glob: "/*"}
    output: {fileset: two, branch: draft}
    compat: pachyderm
"#;

#[test]
fn everything_is_read() {
    let steps = parse_steps("steps/all.yml", "all", WHOLE).unwrap();
    let one = &steps[0];
    assert_eq!(one.command.argv, ["python3", "count.py", "3"]);
    assert_eq!(one.env["MODE"], EnvValue::Plain("fast".to_owned()));
    assert_eq!(
        one.env["KEY"],
        EnvValue::Secret("${env:API_KEY}".to_owned())
    );
    assert_eq!((one.tries, one.parallel), (5, 4));
    assert_eq!(one.timeout, Some(Duration::from_secs(5400)));
    let limits = one.limits;
    assert_eq!(
        (limits.memory, limits.processes, limits.scratch, limits.log),
        (Some(2 << 30), None, None, 64 << 10)
    );
    assert_eq!(
        (one.collision, one.reprocess),
        (Collision::Concat, Reprocess::Never)
    );
    let names: Vec<&str> = one
        .input
        .sources()
        .iter()
        .map(|source| source.name.as_str())
        .collect();
    assert_eq!(names, ["orders", "pages"]);
    let froms: Vec<&str> = one
        .outputs
        .iter()
        .map(|output| output.from.as_str())
        .collect();
    assert_eq!(froms, ["words", "rest"]);
    let two = &steps[1];
    assert_eq!(
        two.runner,
        RunnerKind::Container {
            image: "python@sha256:abc".to_owned(),
            network: true
        }
    );
    assert_eq!(two.command.argv, ["/bin/sh", "-c", "sort < $WEIR_INPUT_A"]);
    assert_eq!(two.compat, Compat::Pachyderm);
    assert_eq!(two.input.sources().len(), 3);
    assert_eq!(two.outputs[0].from, "");
}

const LEAST: &str = "command: [x]\ninput: {fileset: a, glob: /}\noutput: {fileset: b}\n";

#[test]
fn what_cannot_be_is_told_with_what_to_write() {
    assert_eq!(
        parse_steps("s.yml", "least", LEAST).unwrap()[0].name,
        "least"
    );
    let cases = [
        ("comand: [x]", "s.yml:1:1: unknown key `comand` of a step"),
        ("command: [x]", "has no input"),
        (&LEAST.replace("[x]", "[]"), "`command` names no program"),
        (
            &LEAST.replace("[x]", "[curl, '${env:KEY}']"),
            "arguments can be seen by every user of the machine",
        ),
        (
            &LEAST.replace("[x]", "[x]\nshell: y"),
            "has both `command` and `shell`",
        ),
        (
            &LEAST.replace("glob: /", "glob: '/(x'"),
            "the glob `/(x` has a `(` without a `)`",
        ),
        (&LEAST.replace(", glob: /", ""), "input `a` has no `glob`"),
        (
            &LEAST.replace("fileset: a", "fileset: a, table: b"),
            "not exactly one of `fileset`, `folder` and `table`",
        ),
        (
            &LEAST.replace("fileset: a", "fileset: out"),
            "an input is called `out`",
        ),
        (
            &LEAST.replace("fileset: a", "fileset: ../a"),
            "`../a` is no name for a fileset",
        ),
        (
            &LEAST.replace(
                "{fileset: a, glob: /}",
                "{join: [{fileset: a, glob: '/*'}]}",
            ),
            "input `a` of the join has no `join_on`",
        ),
        (
            &LEAST.replace(
                "{fileset: a, glob: /}",
                "{join: [{fileset: a, glob: '/*', join_on: $1}]}",
            ),
            "refers to a capture that the glob `/*` does not have",
        ),
        (
            &LEAST.replace(
                "{fileset: a, glob: /}",
                "{cross: [{fileset: a, glob: /}, {fileset: a, glob: /}]}",
            ),
            "two inputs are called `a`",
        ),
        (
            &LEAST.replace("{fileset: a, glob: /}", "{cross: []}"),
            "the `cross` is empty",
        ),
        (
            &LEAST.replace(
                "output: {fileset: b}",
                "outputs: [{fileset: b}, {fileset: c, from: b/x}]",
            ),
            "one inside the other",
        ),
        (
            &LEAST.replace("output: {fileset: b}", "output: {fileset: b, from: ../x}"),
            "an output is from `../x`",
        ),
        (
            &format!("{LEAST}env: {{WEIR_OUT: x}}"),
            "sets the variable `WEIR_OUT`",
        ),
        (
            &format!("{LEAST}env: {{'A B': x}}"),
            "`A B` is no name of a variable",
        ),
        (
            &format!("{LEAST}timeout: soon"),
            "`timeout: soon` is not a duration",
        ),
        (
            &format!("{LEAST}limits: {{memory: lots}}"),
            "`limits.memory: lots` is not a size",
        ),
        (&format!("{LEAST}tries: 0"), "`tries` goes from 1 to 100"),
        (
            &format!("{LEAST}cwd: ../.."),
            "`cwd: ../..` leaves the project",
        ),
        (
            &format!("{LEAST}runner: lambda"),
            "runners are `process` and `container`",
        ),
        (&format!("{LEAST}runner: container"), "names no image"),
        (
            &format!("{LEAST}image: x\nrunner: process"),
            "names an image and runs as a process",
        ),
        (
            &format!("{LEAST}network: true"),
            "only a container can be kept from the network",
        ),
        (
            &format!("{LEAST}collision: merge"),
            "unknown variant `merge`, expected `error` or `concat`",
        ),
        (
            "steps: [{command: [x]}, {command: [y]}]",
            "step 1 of the list has no `name`",
        ),
        ("steps: 3", "s.yml"),
        ("- a", "s.yml"),
        ("a: [", "s.yml"),
    ];
    for (text, expected) in cases {
        let error = parse_steps("s.yml", "s", text).unwrap_err();
        assert_eq!(error.kind(), StepErrorKind::Invalid, "{text}");
        let chain = error.chain();
        assert!(chain.contains(expected), "{text}\n{chain}");
    }
}

#[test]
fn a_mistake_is_told_with_its_line() {
    let list = "steps:\n  - name: one\n    command: [x]\n    input: {fileset: a, glob: /}\n\
                \x20   output: {fileset: b}\n    timeout: 1h\n  - command: [x]\n    name: two\n\
                \x20   inputs:\n    - {fileset: a, glob: /}\n    output: {fileset: c}\n    timeout: soon\n";
    let cases = [
        (
            format!("{LEAST}timeout: soon"),
            "s.yml:4: step `least`",
            None,
        ),
        (list.to_owned(), "s.yml:12: step `two`", None),
        (
            list.replace("timeout: soon", "timeuot: 1h"),
            "s.yml:12:5: unknown key `timeuot` of a step",
            Some("did you mean `timeout`?"),
        ),
        (
            LEAST.replace("glob:", "glop:"),
            "s.yml:2:21: unknown key `glop` of an input",
            Some("did you mean `glob`?"),
        ),
        (
            format!("{LEAST}limits: {{memroy: 1GB}}"),
            "s.yml:4:10: unknown key `memroy` of `limits`",
            Some("did you mean `memory`?"),
        ),
    ];
    for (text, told, hint) in cases {
        let error = parse_steps("s.yml", "least", &text).unwrap_err();
        assert!(error.to_string().starts_with(told), "{error} for {text}");
        if hint.is_some() {
            assert_eq!(error.hint(), hint);
        }
    }
}
