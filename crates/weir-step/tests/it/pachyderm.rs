//! Pachyderm's examples, with their figures: specs as theirs, data made here.

use crate::world::*;

const FILTER: &str = r#"
name: filter
compat: pachyderm
command: [sh]
stdin:
  - for fruit in apple orange banana; do
  - "   grep -h $fruit /pfs/data/* | awk '{print $2}' >>/pfs/out/$fruit"
  - done
input: {fileset: data, glob: "/*"}
output: {fileset: filter}
"#;

const SUM: &str = r#"
name: sum
compat: pachyderm
command: [sh]
stdin:
  - for fruit in apple orange banana; do
  - "   [ -e /pfs/filter/$fruit ] || continue"
  - "   cat /pfs/filter/$fruit | awk '{s+=$1} END {print s}' >/pfs/out/$fruit"
  - done
input: {fileset: filter, glob: "/*"}
output: {fileset: sum}
"#;

/// Sales that sum up to the three figures.
fn sales(apple: u32, orange: u32, banana: u32) -> String {
    let mut text = String::new();
    for (fruit, mut left) in [("apple", apple), ("orange", orange), ("banana", banana)] {
        while left > 0 {
            let sold = left.min(1 + left % 9);
            text.push_str(&format!("{fruit}\t{sold}\n"));
            left -= sold;
        }
    }
    text
}

#[tokio::test]
async fn fruit_stand() {
    let world = World::new().await;
    let set1 = sales(133, 205, 165);
    world.put("data", &[("sales", &set1)]);
    assert_eq!(world.runs(FILTER).await.counts(), (1, 0, 0, 1));
    assert_eq!(world.runs(SUM).await.counts(), (3, 0, 0, 3));
    let sum = |fruit: &str| world.text("sum", fruit);
    assert_eq!(
        (sum("apple"), sum("orange"), sum("banana")),
        ("133".into(), "205".into(), "165".into())
    );

    world.put("data", &[("sales", &(set1 + &sales(191, 173, 136)))]);
    assert_eq!(world.runs(FILTER).await.counts(), (1, 0, 0, 1));
    assert_eq!(world.runs(SUM).await.counts(), (3, 0, 0, 3));
    let sum = |fruit: &str| world.text("sum", fruit);
    assert_eq!(
        (sum("apple"), sum("orange"), sum("banana")),
        ("324".into(), "378".into(), "301".into())
    );

    // Nothing changed: nothing is done, and nothing is published.
    let again = world.runs(FILTER).await;
    assert_eq!(again.counts(), (0, 1, 0, 1));
    assert_eq!(again.published, None);
}

#[tokio::test]
async fn err_cmd() {
    let world = World::new().await;
    let step = r#"
name: error_test
compat: pachyderm
command: [bash]
stdin: ["if", "[ -a /pfs/input/file1 ]", "then cp /pfs/input/* /pfs/out/", "exit 0", "fi", "exit 1"]
err_command: [bash]
err_stdin: ["if", "[ -a /pfs/input/file2 ]", "then", "exit 0", "fi", " exit 1"]
input: {fileset: input, glob: "/*"}
output: {fileset: error_test}
"#;
    world.put("input", &[("file1", "foo\n")]);
    assert_eq!(world.runs(step).await.counts(), (1, 0, 0, 1));
    world.put("input", &[("file2", "bar\n")]);
    assert_eq!(world.runs(step).await.counts(), (0, 1, 1, 2));
    assert_eq!(world.paths("error_test"), ["file1"]);
    world.put("input", &[("file3", "baz\n")]);
    let error = world.fails(step).await;
    assert!(error.starts_with("1 of 3 datums of step `error_test` failed: `input:/file3` exited with 1; the err_command exited with 1"), "{error}");
    // What was published before is there still, and nothing that is well is done again.
    assert_eq!(world.paths("error_test"), ["file1"]);
    let failed = world
        .runner
        .ledger()
        .list(Some("error_test"), 10)
        .await
        .unwrap();
    let states: Vec<&str> = failed.iter().map(|datum| datum.state.as_str()).collect();
    assert_eq!(states, ["failed", "succeeded", "recovered"]);
    assert_eq!(failed[0].details.tries, 3);
}

const MAP: &str = r#"
name: map
shell: |
  tr -cs a-z '\n' < "$WEIR_INPUT_PAGES" | sort | uniq -c |
    while read count word; do [ -z "$word" ] || echo "$count" > "$WEIR_OUT/$word"; done
input: {fileset: pages, glob: "/*/*"}
collision: concat
output: {fileset: map}
"#;

const REDUCE: &str = r#"
name: reduce
shell: awk '{s+=$1} END {print s}' "$WEIR_INPUT_MAP" > "$WEIR_OUT/$(basename "$WEIR_INPUT_MAP")"
input: {fileset: map, glob: "/*"}
output: {fileset: reduce}
"#;

#[tokio::test]
async fn word_count() {
    let world = World::new().await;
    let page = |licenses: usize, other: &str| format!("{}{other}\n", "license ".repeat(licenses));
    world.put(
        "pages",
        &[
            ("Wikipedia/a", &page(5, "library")),
            ("Wikipedia/b", &page(5, "liberated")),
        ],
    );
    assert_eq!(world.runs(MAP).await.counts(), (2, 0, 0, 2));
    assert_eq!(world.text("map", "license"), "5\n5");
    assert_eq!(world.runs(REDUCE).await.counts(), (3, 0, 0, 3));
    assert_eq!(world.text("reduce", "license"), "10");

    world.put("pages", &[("Github/c", &page(23, "libraries"))]);
    assert_eq!(
        world.runs(MAP).await.counts(),
        (1, 2, 0, 3),
        "old pages are not done again"
    );
    assert_eq!(world.text("map", "license"), "23\n5\n5");
    assert_eq!(world.runs(REDUCE).await.counts(), (2, 2, 0, 4));
    assert_eq!(world.text("reduce", "license"), "33");

    // A page goes, and what only it had goes with it.
    let mut edit = world.store().edit("pages", "master").unwrap();
    assert_eq!(edit.remove("/Github"), 1);
    edit.commit().unwrap();
    let ran = world.runs(MAP).await;
    assert_eq!((ran.counts(), ran.report.gone), ((0, 2, 0, 2), 1));
    assert_eq!(world.paths("map"), ["liberated", "library", "license"]);
    assert_eq!(world.text("map", "license"), "5\n5");
}

#[tokio::test]
async fn shuffle_copies_nothing() {
    let world = World::new().await;
    let (apple, mango) = ("a".repeat(5098), "m".repeat(7198));
    world.put("fruits", &[("apple.jpeg", &apple), ("mango.jpeg", &mango)]);
    world.put(
        "pricing",
        &[
            ("apple.json", "{\"cost\": 1}"),
            ("mango.json", "{\"cost\": 2}"),
        ],
    );
    let step = r#"
name: shuffle
compat: pachyderm
command: [/bin/bash]
stdin:
  - "fn=$(find  -L /pfs -not -path \"*/\\.*\"  -type f \\( -path '*/fruits/*' \\))"
  - "for f in $fn; do fruit_name=$(basename $f .jpeg); mkdir -p /pfs/out/$fruit_name/; ln -s $f /pfs/out/$fruit_name/img.jpeg; done"
  - "fn=$(find  -L /pfs -not -path \"*/\\.*\"  -type f \\( -path '*/pricing/*' \\))"
  - "for f in $fn; do fruit_name=$(basename $f .json); mkdir -p /pfs/out/$fruit_name/; ln -s $f /pfs/out/$fruit_name/cost.json; done"
input:
  union:
    - {fileset: fruits, glob: "/*.jpeg", empty_files: true}
    - {fileset: pricing, glob: "/*.json", empty_files: true}
output: {fileset: shuffle}
"#;
    let ran = world.runs(step).await;
    assert_eq!(ran.counts(), (4, 0, 0, 4));
    assert_eq!(ran.report.bytes_written, 0);
    let paths = [
        "apple/cost.json",
        "apple/img.jpeg",
        "mango/cost.json",
        "mango/img.jpeg",
    ];
    assert_eq!(world.paths("shuffle"), paths);
    assert_eq!(world.text("shuffle", "mango/img.jpeg"), mango);
}

const MODEL: &str = r#"
name: model
parallel: 4
shell: |
  c=$(basename "$WEIR_INPUT_C") gamma=$(basename "$WEIR_INPUT_GAMMA")
  wc -l < "$WEIR_INPUT_RAW_DATA" > "$WEIR_OUT/model_C${c}_G$gamma"
inputs:
  - {name: c, fileset: parameters, glob: "/c_parameters/*"}
  - {name: gamma, fileset: parameters, glob: "/gamma_parameters/*"}
  - {fileset: raw_data, glob: "/iris.csv"}
output: {fileset: model}
"#;

#[tokio::test]
async fn a_transaction_of_two_commits_makes_one_job_of_a_cross() {
    let world = World::new().await;
    let mut parameters = world.store().edit("parameters", "master").unwrap();
    for c in 0..11 {
        parameters
            .put(&format!("c_parameters/c{c}"), c.to_string().as_bytes())
            .unwrap();
    }
    for gamma in 0..7 {
        parameters
            .put(
                &format!("gamma_parameters/g{gamma}"),
                gamma.to_string().as_bytes(),
            )
            .unwrap();
    }
    let mut raw = world.store().edit("raw_data", "master").unwrap();
    raw.put("iris.csv", b"5.1,3.5\n4.9,3.0\n").unwrap();
    let both = world.store().commit_edits([parameters, raw]).unwrap();
    assert_eq!(both.version, 1);
    let ran = world.runs(MODEL).await;
    assert_eq!(ran.counts(), (77, 0, 0, 77), "11 x 7 x 1");
    assert_eq!(world.paths("model").len(), 77);
    let read: Vec<_> = ran
        .report
        .inputs
        .iter()
        .map(|(_, version)| *version)
        .collect();
    assert_eq!(read, [1, 1, 1], "all inputs are of one commit");
    assert_eq!(world.runs(MODEL).await.counts(), (0, 77, 0, 77));
}

#[tokio::test]
async fn images_are_done_once_and_their_montage_again() {
    let world = World::new().await;
    let edges = r#"
name: edges
shell: tr 0 1 < "$WEIR_INPUT_IMAGES" > "$WEIR_OUT/$(basename "$WEIR_INPUT_IMAGES")"
input: {fileset: images, glob: "/*"}
output: {fileset: edges}
"#;
    let montage = r#"
name: montage
shell: cat "$WEIR_IN"/images/* "$WEIR_IN"/edges/* > "$WEIR_OUT/montage"
inputs: [{fileset: images, glob: "/"}, {fileset: edges, glob: "/"}]
output: {fileset: montage}
"#;
    world.put("images", &[("one", "00")]);
    assert_eq!(world.runs(edges).await.counts(), (1, 0, 0, 1));
    assert_eq!(world.runs(montage).await.counts(), (1, 0, 0, 1));
    world.put("images", &[("two", "010"), ("three", "0")]);
    assert_eq!(world.runs(edges).await.counts(), (2, 1, 0, 3));
    assert_eq!(world.runs(montage).await.counts(), (1, 0, 0, 1));
    assert_eq!(world.text("montage", "montage"), "000010111111");
}

#[tokio::test]
async fn edited_code_does_all_datums_again() {
    let world = World::new().await;
    let step = |extra: &str| {
        format!(
            "name: coded\ncommand: [sh, code/run.sh]\n{extra}\ninput: {{fileset: data, glob: \"/*\"}}\noutput: {{fileset: coded}}\n"
        )
    };
    let script = |what: &str| {
        let text = format!(
            ". ./code/lib.sh\n{what} < \"$WEIR_INPUT_DATA\" > \"$WEIR_OUT/$(basename \"$WEIR_INPUT_DATA\")\"\n"
        );
        std::fs::write(world.project().join("code/run.sh"), text).unwrap();
    };
    std::fs::create_dir_all(world.project().join("code")).unwrap();
    std::fs::write(world.project().join("code/lib.sh"), "true\n").unwrap();
    script("cat");
    world.put("data", &[("a", "x"), ("b", "y"), ("c", "z")]);
    let plain = step("");
    assert_eq!(world.runs(&plain).await.counts(), (3, 0, 0, 3));
    assert_eq!(world.runs(&plain).await.counts(), (0, 3, 0, 3));
    // The file that the command names is code without being declared.
    script("tr xyz XYZ");
    assert_eq!(world.runs(&plain).await.counts(), (3, 0, 0, 3));
    assert_eq!(world.text("coded", "b"), "Y");
    // What it loads is code when it is declared.
    let declared = step("code: [code/**]");
    assert_eq!(world.runs(&declared).await.counts(), (3, 0, 0, 3));
    std::fs::write(world.project().join("code/lib.sh"), "false\n").unwrap();
    assert_eq!(world.runs(&declared).await.counts(), (3, 0, 0, 3));
    assert_eq!(world.runs(&declared).await.counts(), (0, 3, 0, 3));
    // A variable, and the command itself.
    let varied = step("code: [code/**]\nenv: {MODE: fast}");
    assert_eq!(world.runs(&varied).await.counts(), (3, 0, 0, 3));
    // As Pachyderm: old datums stay as they were made.
    script("rev");
    let kept = step("code: [code/**]\nreprocess: never");
    world.put("data", &[("d", "w")]);
    assert_eq!(world.runs(&kept).await.counts(), (1, 3, 0, 4));
    let all = step("code: [code/**]\nreprocess: all");
    assert_eq!(world.runs(&all).await.counts(), (4, 0, 0, 4));
    assert_eq!(world.runs(&all).await.counts(), (4, 0, 0, 4));
}
