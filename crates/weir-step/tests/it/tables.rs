//! Tables in, tables out.

use std::collections::HashMap;

use weir_step::StepErrorKind;

use crate::world::*;

const STEP: &str = r#"
name: totals
shell: |
  for f in "$WEIR_IN"/orders/*; do
    name=$(basename "$f" .csv)
    mkdir -p "$WEIR_OUT/totals" "$WEIR_OUT/notes"
    awk -F, -v n="$name" 'NR > 1 {s += $2} END {print "part,total"; print n "," s}' "$f" > "$WEIR_OUT/totals/t.csv"
    echo "seen $name" > "$WEIR_OUT/notes/$name"
  done
inputs: [{table: raw.orders, as: csv, glob: "/*"}]
outputs:
  - {table: mart.totals, from: totals}
  - {fileset: notes}
"#;

fn insert(world: &World, version: usize, files: &[(&str, &str)]) {
    let files = files
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
        .collect();
    let mut versions = world.tables.versions.lock();
    let of_table = versions.entry("raw.orders".to_owned()).or_default();
    assert_eq!(of_table.len(), version);
    of_table.push(files);
}

fn rows(world: &World) -> Vec<String> {
    let versions = world.tables.versions.lock();
    let newest = versions["mart.totals"].last().unwrap();
    newest
        .iter()
        .map(|(name, text)| format!("{name}: {}", text.lines().last().unwrap()))
        .collect()
}

#[tokio::test]
async fn a_table_is_done_by_its_files() {
    let world = World::new().await;
    let error = world.run(STEP).await.unwrap_err();
    assert_eq!(error.kind(), StepErrorKind::NotFound);
    insert(
        &world,
        0,
        &[("p1.csv", "id,n\n1,10\n2,5\n"), ("p2.csv", "id,n\n3,1\n")],
    );
    let ran = world.runs(STEP).await;
    assert_eq!(ran.counts(), (2, 0, 0, 2));
    assert_eq!(
        ran.published.as_deref(),
        Some("mart.totals, fileset:notes@1")
    );
    // Files of different datums may have one name: rows are put together, not files.
    assert_eq!(rows(&world), ["t.csv: p1,15", "t.csv: p2,1"]);
    assert_eq!(world.paths("notes"), ["p1", "p2"]);

    world.tables.exported.lock().clear();
    insert(
        &world,
        1,
        &[("p1.csv", "id,n\n1,10\n2,5\n"), ("p3.csv", "id,n\n4,7\n")],
    );
    let ran = world.runs(STEP).await;
    assert_eq!((ran.counts(), ran.report.gone), ((1, 1, 0, 2), 1));
    assert_eq!(
        *world.tables.exported.lock(),
        ["p3.csv"],
        "only what is needed is written"
    );
    assert_eq!(rows(&world), ["t.csv: p1,15", "t.csv: p3,7"]);
    assert_eq!(world.paths("notes"), ["p1", "p3"]);

    // A run may be about an earlier version.
    let mut request = world.request(STEP);
    request.versions = HashMap::from([("raw.orders".to_owned(), 0)]);
    let job = world.runner.run(&request).await.unwrap();
    assert_eq!((job.report().processed, job.report().inputs[0].1), (1, 0));
}

#[tokio::test]
async fn what_belongs_to_no_output_is_an_error() {
    let world = World::new().await;
    insert(&world, 0, &[("p1.csv", "id,n\n1,10\n")]);
    let step = STEP.replace("$WEIR_OUT/notes", "$WEIR_OUT/other");
    let error = world.fails(&step).await;
    assert!(error.contains("it wrote `other/p1`, which belongs to no output (outputs are taken from `totals/`, `notes/`)"), "{error}");
    assert!(!world.tables.versions.lock().contains_key("mart.totals"));
}

#[tokio::test]
async fn a_way_into_the_database_ends_with_the_job_and_is_not_in_its_log() {
    let world = World::new().await;
    insert(&world, 0, &[("p1.csv", "id,n\n1,10\n")]);
    let step = "name: asks\nshell: echo \"at $DATABASE_URL\"; ls $WEIR_IN/orders; wc -c < $WEIR_IN/orders/p1.csv; echo \"${#DATABASE_URL}\" > $WEIR_OUT/length\ninput: {table: raw.orders, as: csv, glob: /*, empty_files: true}\ndatabase: read\noutput: {fileset: asked}\n";
    let ran = world.runs(step).await;
    assert_eq!(ran.counts(), (1, 0, 0, 1));
    assert_eq!(world.text("asked", "length"), "12");
    let log = world.lines.text();
    assert!(log.contains("at ***") && log.contains("p1.csv"), "{log}");
    assert!(!log.contains("lent-to"), "{log}");
    assert_eq!(*world.tables.lent.lock(), 0, "it is still open");
    // Names without contents need nothing written.
    assert!(world.tables.exported.lock().is_empty());
    assert!(log.contains("\n0"), "{log}");

    // Also when the command fails.
    let bad = step.replace("ls $WEIR_IN/orders", "exit 3");
    world.fails(&bad).await;
    assert_eq!(*world.tables.lent.lock(), 0, "it is still open");
}
