//! What Weir leaves in its own engine is what dbt-core leaves on PostgreSQL: the columns and rows of every
//! relation, and every node's outcome.
//!
//! The project is the fixture of weir-model, whose own test compares the same files with what Weir leaves on
//! PostgreSQL. Types, indexes, constraints, grants and comments are left to that one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::project::Project;
use crate::env::{stderr, stdout};

/// Texts that are meant to be others here: the relation, what dbt leaves in it, and what Weir does.
const MEANT: [(&str, &str, &str); 1] = [
    // `upper` knows every letter. Under the C locale of the compared server only ASCII has two cases.
    ("public.unit_model", "ZOë", "ZOË"),
];

/// Materialized views, which are tables here that every run builds anew.
const BUILT_ANEW: [&str; 1] = ["public_marts.matview"];

/// The fixture fails a test on purpose, and then nothing is published.
const FAILING: &str = "relationships_from_source_id__id__ref_people_";

const STAGES: [&[&str]; 4] = [
    &["--vars", "{stage: 1}"],
    &["--vars", "{stage: 2}"],
    &["--vars", "{stage: 3}"],
    &["--vars", "{stage: 3}", "--full-refresh"],
];

type Row = Vec<Option<String>>;

/// A table or a view, as text.
#[derive(Debug, Default)]
struct Relation {
    is_view: bool,
    columns: Vec<String>,
    /// The columns' types, as the side says them that has the relation.
    kinds: Vec<String>,
    rows: Vec<Row>,
}

type Relations = BTreeMap<String, Relation>;

#[test]
fn builds_as_dbt_makes_them_leave_what_dbt_leaves() {
    let project = fixture();
    for (stage, arguments) in (1..).zip(STAGES) {
        let built = project.fails(&[&["dbt", "build", "--here"], arguments].concat());
        assert_eq!(outcomes(&project), expected_outcomes(stage), "{built}");
        compare(stage, &found(&project), &expected(stage));
    }
}

#[test]
fn publications_that_leave_out_what_is_unchanged_leave_the_same() {
    let project = fixture();
    for (stage, arguments) in (1..).zip(STAGES) {
        let without = ["build", "--here", "--exclude", FAILING];
        let built = project.succeeds(&[&without, arguments].concat());
        let (mut wanted, mut relations) = (expected_outcomes(stage), expected(stage));
        wanted.retain(|line| !line.contains(FAILING));
        relations.retain(|name, _| !name.contains(FAILING));
        assert_eq!(outcomes(&project), wanted, "{}", stderr(&built));
        let left_out = stderr(&built).contains("unchanged");
        assert_eq!(left_out, (2..=3).contains(&stage), "{}", stderr(&built));
        compare(stage, &found(&project), &relations);
    }
}

/// Returns a copy of the project, with what it needs to be there already.
fn fixture() -> Project {
    let project = Project::new(&[]);
    copy(&weir_model().join("project"), &project.folder);
    // `target.type` stays what the project's macros are written for; nobody listens there.
    project.write(
        "profiles.yml",
        "fixture:\n  target: dev\n  outputs:\n    dev: {type: postgres, host: 127.0.0.1, port: 1, user: nobody, \
         password: '', dbname: weir, schema: public, threads: 2}\n",
    );
    for sql in [
        "create schema public",
        "create table public.loads (id int, loaded_at timestamp)",
        "insert into public.loads values (1, '2024-01-01'), (99, '2024-01-02')",
    ] {
        let arguments = format!("{{sql: \"{sql}\"}}");
        project.succeeds(&["run-operation", "--here", "run_query", "--args", &arguments]);
    }
    project.succeeds(&["roles", "create", "reader"]);
    project
}

fn weir_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../weir-model/tests")
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => {
                std::fs::copy(entry.path(), to).unwrap();
            }
        }
    }
}

/// Fails with each difference on a line of its own.
#[track_caller]
fn compare(stage: usize, found: &Relations, wanted: &Relations) {
    let mut differences = Vec::new();
    for name in found.keys().chain(wanted.keys()).collect::<BTreeSet<_>>() {
        let (Some(found), Some(wanted)) = (found.get(name), wanted.get(name)) else {
            let side = if found.contains_key(name) {
                "Weir"
            } else {
                "dbt"
            };
            differences.push(format!("{name}: only {side} leaves it"));
            continue;
        };
        if (found.is_view, &found.columns) != (wanted.is_view, &wanted.columns) {
            differences.push(format!("{name}: {found:?}, dbt leaves {wanted:?}"));
            continue;
        }
        let (found, wanted) = (
            sorted(&found.rows, &wanted.kinds),
            sorted(&wanted.rows, &wanted.kinds),
        );
        if found != wanted {
            let only = |side: &str, rows: &[Row], others: &[Row]| -> Vec<String> {
                let rows = rows.iter().filter(|row| !others.contains(row));
                rows.map(|row| format!("{name}: only {side}: {row:?}"))
                    .collect()
            };
            differences.push(format!(
                "{name}: {} rows, dbt leaves {}",
                found.len(),
                wanted.len()
            ));
            differences.extend(only("dbt", &wanted, &found));
            differences.extend(only("Weir", &found, &wanted));
        }
    }
    assert!(
        differences.is_empty(),
        "stage {stage}:\n{}",
        differences.join("\n")
    );
}

fn sorted(rows: &[Row], kinds: &[String]) -> Vec<Row> {
    let mut rows: Vec<Row> = rows
        .iter()
        .map(|row| {
            let values = row.iter().zip(kinds);
            without_clock(
                values
                    .map(|(value, kind)| Some(plain(value.as_ref()?, kind)))
                    .collect(),
            )
        })
        .collect();
    rows.sort();
    rows
}

fn expected_file(name: &str) -> String {
    let path = weir_model().join("it/expected").join(name);
    std::fs::read_to_string(path).expect("compare_dbt.py wrote it")
}

fn expected_outcomes(stage: usize) -> Vec<String> {
    let text = expected_file(&format!("outcomes_{stage}.txt"));
    text.lines().map(str::to_owned).collect()
}

fn outcomes(project: &Project) -> Vec<String> {
    let results = project.artifact("run_results.json");
    let line = |result: &Value| {
        let text = |key: &str| result[key].as_str().unwrap().to_owned();
        let failures = result["failures"].as_u64();
        let failures = failures.map_or("none".to_owned(), |failures| failures.to_string());
        format!("{} {} {failures}", text("unique_id"), text("status"))
    };
    let mut lines: Vec<_> = results["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(line)
        .collect();
    lines.sort();
    lines
}

/// Reads what dbt left. Of a relation there are its columns, then facts that are not compared, then its rows.
fn expected(stage: usize) -> Relations {
    let text = expected_file(&format!("stage_{stage}.txt"));
    let mut relations = Relations::new();
    let mut current = "";
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("# ") {
            let (name, kind) = heading.rsplit_once(' ').unwrap();
            assert_eq!(kind == "m", BUILT_ANEW.contains(&name), "{name}");
            current = name;
            relations.entry(name.to_owned()).or_default().is_view = kind == "v";
            continue;
        }
        let relation = relations.get_mut(current).unwrap();
        let fact = ["index ", "check ", "grant ", "comment "];
        if let Some(row) = line.strip_prefix("  ") {
            relation.rows.push(record(row));
        } else if !fact.iter().any(|fact| line.starts_with(fact)) {
            let (column, kind) = line.split_once(' ').unwrap();
            relation.columns.push(column.to_owned());
            relation.kinds.push(kind.to_owned());
        }
    }
    for (name, there, here) in MEANT {
        for value in relations
            .get_mut(name)
            .unwrap()
            .rows
            .iter_mut()
            .flatten()
            .flatten()
        {
            *value = value.replace(there, here);
        }
    }
    relations
}

/// Takes apart the text of a PostgreSQL row: nothing is null, quotes hold what has commas or blanks.
fn record(text: &str) -> Row {
    let inside = text
        .strip_prefix('(')
        .and_then(|text| text.strip_suffix(')'))
        .unwrap();
    let (mut row, mut value, mut quoted) = (vec![], None::<String>, false);
    let mut chars = inside.chars().peekable();
    while let Some(char) = chars.next() {
        match char {
            '"' if quoted && chars.next_if_eq(&'"').is_some() => {
                value.get_or_insert_default().push('"')
            }
            '"' => {
                quoted = !quoted;
                value.get_or_insert_default();
            }
            ',' if !quoted => row.push(value.take()),
            // The file has \n for a newline; other backslashes are doubled.
            '\\' => value.get_or_insert_default().push(match chars.next() {
                Some('n') => '\n',
                other => other.unwrap(),
            }),
            char => value.get_or_insert_default().push(char),
        }
    }
    row.push(value);
    row
}

/// Reads everything that is there, as text: the columns first, then all rows in one statement.
fn found(project: &Project) -> Relations {
    let rows = |sql: &str| {
        let output = project.succeeds(&[
            "show", "--here", "--json", "--quiet", "--limit", "-1", "--inline", sql,
        ]);
        let mut answer: Value = serde_json::from_str(&stdout(&output)).unwrap();
        let Value::Array(rows) = answer["rows"].take() else {
            panic!("{answer}")
        };
        rows
    };
    let columns = "select c.table_schema || '.' || c.table_name, t.table_type, c.column_name, c.full_type \
                   from information_schema.columns c join information_schema.tables t \
                   on t.table_schema = c.table_schema and t.table_name = c.table_name \
                   where c.table_schema like 'public%' order by 1, c.ordinal_position";
    let mut relations = Relations::new();
    for row in rows(columns) {
        let [name, table_type, column, kind] =
            [0, 1, 2, 3].map(|at| row[at].as_str().unwrap().to_owned());
        let relation = relations.entry(name).or_default();
        relation.is_view = table_type == "VIEW";
        relation.columns.push(column);
        relation.kinds.push(kind);
    }
    let select = |(name, relation): (&String, &Relation)| {
        let columns = relation.columns.iter().zip(&relation.kinds);
        let values = columns.map(|(column, kind)| match kind.as_str() {
            // Within a row PostgreSQL writes a letter.
            "boolean" => {
                format!("case when \"{column}\" then 't' when not \"{column}\" then 'f' end")
            }
            _ => format!("\"{column}\"::text"),
        });
        let values: Vec<_> = values.collect();
        format!(
            "select '{name}', make_array({}) from {name}",
            values.join(", ")
        )
    };
    let selects: Vec<_> = relations.iter().map(select).collect();
    for row in rows(&selects.join(" union all ")) {
        let values = row[1].as_array().unwrap().iter();
        let relation = relations.get_mut(row[0].as_str().unwrap()).unwrap();
        relation.rows.push(
            values
                .map(|value| value.as_str().map(str::to_owned))
                .collect(),
        );
    }
    relations
}

/// Returns one spelling of what both sides may spell otherwise.
fn plain(value: &str, kind: &str) -> String {
    match value.find('.') {
        // A quotient has 16 digits after the point here, there as many as it takes; and how many zeros
        // follow depends on how a numeric was computed.
        Some(point) if kind.starts_with("numeric") => {
            let end = value.len().min(point + 16);
            let digits = value[..end].trim_end_matches('0');
            digits.trim_end_matches('.').to_owned()
        }
        // The last digits of a sum depend on the order of its parts.
        _ if kind.starts_with("double") => format!("{:.12e}", value.parse::<f64>().unwrap()),
        _ => value.to_owned(),
    }
}

/// Hides what depends on the moment of the run, as compare_dbt.py does it: times, and hashes of them.
fn without_clock(mut row: Row) -> Row {
    let is_now = |value: &str| {
        value.len() >= 19 && value.as_bytes()[10] == b' ' && ("2025".."2100").contains(&&value[..4])
    };
    for value in row.iter_mut().flatten().filter(|value| is_now(value)) {
        "<now>".clone_into(value);
    }
    if row.iter().flatten().any(|value| value == "<now>") {
        let is_hash =
            |value: &str| value.len() == 32 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        for value in row.iter_mut().flatten().filter(|value| is_hash(value)) {
            "<hash>".clone_into(value);
        }
    }
    row
}
