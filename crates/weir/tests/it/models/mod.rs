//! dbt projects through the commands: built, checked, published together, rolled back.

mod compare;
mod generated;
mod project;
mod told;
mod unchanged;

use std::path::Path;

use serde_json::Value;

use self::project::Project;
use crate::env::{command, stderr, stdout};

fn is_clean(folder: &Path) -> bool {
    let ignored = std::fs::read_to_string(folder.join(".weir/.gitignore"));
    ignored.is_ok_and(|text| text.trim() == "*")
}

#[test]
fn a_project_without_anything_else_is_built_tested_and_shown() {
    let project = Project::shop();
    let built = project.succeeds(&["build"]);

    assert!(
        stderr(&built).contains("Published 3 tables and views together"),
        "{}",
        stderr(&built)
    );
    assert!(is_clean(&project.folder));
    let rows = project.rows("select * from {{ ref('customers') }} order by 1");
    assert_eq!(
        rows,
        serde_json::json!([["ada", 40.75, 2], ["bob", 20.0, 1]])
    );
    let statuses = project.statuses();
    assert_eq!(statuses.len(), 6, "{statuses:?}");
    assert!(
        statuses
            .iter()
            .all(|(_, status)| status == "success" || status == "pass")
    );
    let manifest = project.artifact("manifest.json");
    let schema = manifest["metadata"]["dbt_schema_version"].as_str().unwrap();
    assert!(schema.ends_with("/manifest/v12.json"));

    // What a commit was made of stands in its receipt, and in what was built.
    let commits = "select writer, code from weir.commits where table_name = 'customers'";
    assert_eq!(project.rows(commits)[0][0], "model");
    let build = project.rows("select build from weir.builds where table_name = 'customers'");
    let build: Value = serde_json::from_str(build[0][0].as_str().unwrap()).unwrap();
    assert_eq!(build["node"], "model.shop.customers");
    assert_eq!(build["reads"][0], "model.shop.orders");
    assert!(build["sql_hash"].is_string());
}

#[test]
fn a_failing_test_keeps_everything_from_being_published() {
    let project = Project::shop();
    project.succeeds(&["build"]);
    project.write(
        "seeds/raw_orders.csv",
        "id,customer,amount\n1,ada,1\n1,ada,2\n",
    );
    let failed = project.fails(&["build"]);

    assert!(failed.contains("nothing was published"), "{failed}");
    assert_eq!(
        project.rows("select count(*) from {{ ref('raw_orders') }}")[0][0],
        3
    );
    assert_eq!(
        project.rows("select orders from {{ ref('customers') }} where customer = 'ada'")[0][0],
        2
    );
    let failures: Vec<_> = project
        .statuses()
        .into_iter()
        .filter(|(_, status)| status == "fail")
        .collect();
    assert_eq!(failures.len(), 1, "{failures:?}");

    // As dbt does it, what was built before the failure stays.
    project.fails(&["dbt", "build"]);
    assert_eq!(
        project.rows("select count(*) from {{ ref('raw_orders') }}")[0][0],
        2
    );
}

#[test]
fn every_mistake_of_a_project_is_told_before_anything_is_built() {
    let project = Project::shop();
    project.write(
        "models/wrong.sql",
        "select whom from {{ ref('customers') }}\n",
    );
    project.write(
        "models/worse.sql",
        "select\n  id,\n  nonsense(amount) as n\nfrom {{ ref('orders') }}\n",
    );
    project.write("models/rests.sql", "select * from {{ ref('wrong') }}\n");
    project.succeeds(&["seed"]);
    let failed = project.fails(&["build"]);

    assert!(failed.contains("the project has 2 errors"), "{failed}");
    assert!(
        failed.contains("models/wrong.sql") && failed.contains("whom"),
        "{failed}"
    );
    assert!(
        failed.contains("models/worse.sql") && failed.contains("line 3"),
        "{failed}"
    );
    assert!(!failed.contains("rests"), "{failed}");
    let there = "select count(*) from information_schema.tables where table_name = 'orders'";
    assert_eq!(project.rows(there)[0][0], 0);

    let checked = project.fails(&["check"]);
    assert!(checked.contains("the project has 2 errors"));
    let lineage = project.artifact("lineage.json");
    let customers = &lineage["models"]["model.shop.customers"];
    assert_eq!(customers["columns"][1]["name"], "total");
    assert_eq!(
        customers["lineage"][1]["sources"][0]["relation"],
        "main.orders"
    );
    assert_eq!(customers["lineage"][1]["sources"][0]["column"], "amount");
}

/// What a template asks of tables that are yet to be built cannot be planned before; it is judged as it
/// is built, with what reads it. All else is still told beforehand.
#[test]
fn templates_that_ask_tables_are_judged_as_they_are_built() {
    let project = Project::shop();
    project.write(
        "models/wide.sql",
        "{{ config(materialized='table') }}\n\
         {%- set columns = adapter.get_columns_in_relation(ref('orders')) %}\n\
         {%- set asked = 'select distinct customer from ' ~ ref('orders') ~ ' order by 1' %}\n\
         {%- set rows = run_query(asked).rows if execute else [] %}\n\
         select {% for column in columns %}max({{ column.name }}) as max_{{ column.name }}, {% endfor %}\n\
         {% for row in rows %}sum(amount) filter (where customer = '{{ row[0] }}') as \"{{ row[0] }}\"\n\
         {%- if not loop.last %},{% endif %}{% endfor %}\nfrom {{ ref('orders') }}\n",
    );
    project.write(
        "models/reads_wide.sql",
        "select max_amount from {{ ref('wide') }}\n",
    );
    project.write(
        "models/wrong.sql",
        "select nothing from {{ ref('orders') }}\n",
    );
    let told = project.fails(&["build"]);
    assert!(told.contains("`nothing` does not exist"), "{told}");
    assert!(!told.contains("wide:"), "{told}");
    project.write("models/wrong.sql", "select id from {{ ref('orders') }}\n");
    let told = stderr(&project.succeeds(&["build"]));
    assert!(
        told.contains("2 are judged as they are built, wide first"),
        "{told}"
    );
    let wide = "select count(*) from {{ ref('reads_wide') }}";
    assert_eq!(project.rows(wide)[0][0], 1);
    // Now that all is there, mistakes of these are told beforehand, too.
    let told = stderr(&project.succeeds(&["check"]));
    assert!(!told.contains("judged"), "{told}");
}

#[test]
fn a_publication_is_taken_back_with_one_command() {
    let project = Project::shop();
    project.succeeds(&["build"]);
    project.write(
        "models/orders.sql",
        "select id, upper(customer) as customer, amount from {{ ref('raw_orders') }}\n",
    );
    project.succeeds(&["build"]);
    assert_eq!(
        project.rows("select min(customer) from {{ ref('customers') }}")[0][0],
        "ADA"
    );

    let listed = project.succeeds(&["publications", "--json"]);
    assert_eq!(stdout(&listed).lines().count(), 2);
    project.succeeds(&["rollback"]);
    assert_eq!(
        project.rows("select min(customer) from {{ ref('customers') }}")[0][0],
        "ada"
    );
    assert_eq!(
        project.rows("select min(customer) from {{ ref('orders') }}")[0][0],
        "ada"
    );
}

#[test]
fn incremental_models_and_snapshots_go_on_where_they_were() {
    let project = Project::shop();
    project.write(
        "models/totals.sql",
        "{{ config(materialized='incremental', unique_key='id', incremental_strategy='merge') }}\n\
         select id, customer, amount from {{ ref('raw_orders') }}\n\
         {% if is_incremental() %} where id >= (select max(id) from {{ this }}) {% endif %}\n",
    );
    project.write(
        "snapshots/kept.sql",
        "{% snapshot kept %}{{ config(unique_key='id', strategy='check', check_cols=['amount'], target_schema='main') }}\n\
         select * from {{ ref('raw_orders') }}\n{% endsnapshot %}\n",
    );
    project.succeeds(&["build"]);
    project.write(
        "seeds/raw_orders.csv",
        "id,customer,amount\n1,ada,99\n2,bob,20\n3,ada,31\n4,eve,5\n",
    );
    project.succeeds(&["build"]);

    let rows = project.rows("select id, amount from {{ ref('totals') }} order by id");
    assert_eq!(
        rows,
        serde_json::json!([[1, 10.5], [2, 20.0], [3, 31.0], [4, 5.0]])
    );
    let rows = project.rows(
        "select id, count(*), count(dbt_valid_to) from {{ ref('kept') }} group by 1 order by 1",
    );
    assert_eq!(
        rows,
        serde_json::json!([[1, 2, 1], [2, 1, 0], [3, 2, 1], [4, 1, 0]])
    );
    project.succeeds(&["build", "--full-refresh"]);
    assert_eq!(
        project.rows("select amount from {{ ref('totals') }} where id = 1")[0][0],
        99.0
    );
}

#[test]
fn insert_overwrite_replaces_the_partitions_that_come() {
    let project = Project::new(&[
        ("seeds/sold.csv", "day,n\n2024-01-01,1\n2024-01-02,2\n,7\n"),
        (
            "models/by_day.sql",
            "{{ config(materialized='incremental', incremental_strategy='insert_overwrite', partition_by={'field': 'day'}) }}\n\
             select day, n from {{ ref('sold') }}\n",
        ),
        (
            "models/whole.sql",
            "{{ config(materialized='incremental', incremental_strategy='insert_overwrite') }}\n\
             select day, n from {{ ref('sold') }}\n",
        ),
    ]);
    project.succeeds(&["build"]);
    project.write(
        "seeds/sold.csv",
        "day,n\n2024-01-02,20\n2024-01-02,21\n2024-01-03,3\n,8\n",
    );
    project.succeeds(&["build"]);

    let rows = "select day::text, n from {{ ref('by_day') }} order by 1, 2";
    let expected = serde_json::json!([
        ["2024-01-01", 1],
        ["2024-01-02", 20],
        ["2024-01-02", 21],
        ["2024-01-03", 3],
        [null, 8]
    ]);
    assert_eq!(project.rows(rows), expected);
    assert_eq!(
        project.rows("select count(*) from {{ ref('whole') }}")[0][0],
        4
    );
}

#[test]
fn mistakes_say_file_line_and_what_to_do() {
    let project = Project::shop();
    project.write("models/a.sql", "select * from {{ ref('b') }}\n");
    project.write("models/b.sql", "select * from {{ ref('a') }}\n");
    let circle = project.fails(&["build"]);
    assert!(
        circle.contains("model.shop.a") && circle.contains("model.shop.b"),
        "{circle}"
    );

    let project = Project::shop();
    project.write(
        "models/a.sql",
        "select 1 as x\nunion all\nselect * from {{ ref('custmers') }}\n",
    );
    let missing = project.fails(&["build"]);
    assert!(
        missing.contains("models/a.sql:3") && missing.contains("customers"),
        "{missing}"
    );

    let project = Project::shop();
    project.write("models/schema.yml", "models:\n\t- name: x\n");
    let tab = project.fails(&["build"]);
    assert!(
        tab.contains("models/schema.yml:2") && tab.to_lowercase().contains("tab"),
        "{tab}"
    );

    let nowhere = tempfile::tempdir().unwrap();
    let output = command()
        .arg("build")
        .current_dir(nowhere.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("dbt_project.yml"));
}

#[test]
fn what_fails_as_it_runs_says_its_file_and_where_its_sql_is() {
    let project = Project::shop();
    project.write(
        "models/broken.sql",
        "{{ config(materialized='table') }}\n\
         select 1 / (count(*) - 3) as n from {{ ref('raw_orders') }}\n",
    );
    project.write(
        "models/units.yml",
        "unit_tests:\n  - name: sums\n    model: customers\n    given:\n      \
         - {input: ref('orders'), rows: [{customer: ada, amount: 1.5}]}\n    \
         expect: {rows: [{customer: ada, total: 2.5}]}\n",
    );
    let failed = project.fails(&["dbt", "build"]);
    assert!(failed.contains("at models/broken.sql"), "{failed}");
    let compiled = "compiled: target/compiled/shop/models/broken.sql";
    assert!(failed.contains(compiled), "{failed}");
    assert!(failed.contains("at models/units.yml"), "{failed}");
    assert!(
        failed.contains("actual differs from expected") && failed.contains("2.5"),
        "{failed}"
    );
    assert!(!failed.contains("What failed:"), "{failed}");

    // Many models more, and the lines about the failures would be gone from the screen.
    for number in 0..40 {
        project.write(&format!("models/m{number}.sql"), "select 1 as x\n");
    }
    let failed = project.fails(&["dbt", "build"]);
    let (_, again) = failed.split_once("What failed:").unwrap();
    assert!(again.contains("main.broken"), "{again}");
    assert!(again.contains("unit_test sums"), "{again}");
    assert!(!again.contains("main.m7"), "{again}");
}

/// dbt's exit codes: 1 where nodes failed, 2 where it could not do what it was asked for.
#[test]
fn dbt_ends_with_the_exit_codes_of_dbt() {
    let project = Project::shop();
    project.write("models/a.sql", "select * from {{ ref('custmers') }}\n");
    for arguments in [
        &["dbt", "build"][..],
        &["dbt", "--no-use-colors", "ls"],
        &["dbt", "compile"],
        &["dbt", "retry"],
    ] {
        let output = project.weir(arguments);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains("models/a.sql:1"), "{arguments:?}");
    }
    let output = project.weir(&["build"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));

    project.write("models/a.sql", "select 1 / 0 as x\n");
    project.write(
        "models/a.yml",
        "models:\n  - name: a\n    config: {materialized: table}\n",
    );
    let output = project.weir(&["dbt", "--quiet", "build"]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let output = project.weir(&["dbt", "ls", "--select", "state:modified"]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let output = project.weir(&["dbt", "--version"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("dbt-core"), "{}", stdout(&output));
}

#[test]
fn a_process_that_ends_while_it_publishes_leaves_everything_as_it_was() {
    let project = Project::shop();
    project.write(
        "models/totals.sql",
        "{{ config(materialized='table') }} select sum(amount) as total from {{ ref('orders') }}\n",
    );
    project.succeeds(&["build"]);
    for point in [
        "publish-begin",
        "publish-table-done",
        "1*off->publish-table-done",
        "publish-committed",
    ] {
        let (actions, point) = match point.split_once("->") {
            Some((first, point)) => (format!("{first}->panic"), point),
            None => ("panic".to_owned(), point),
        };
        project.write("seeds/raw_orders.csv", "id,customer,amount\n1,eve,7\n");
        let output = command()
            .args(["build"])
            .current_dir(&project.folder)
            .env("HOME", &project.folder)
            .env("WEIR_FAILPOINTS", format!("{point}={actions}"))
            .output()
            .unwrap();
        assert_ne!(output.status.code(), Some(0), "{point}");
        // The next start takes back what was committed.
        let rows = project.rows(
            "select (select count(*) from {{ ref('raw_orders') }}), total from {{ ref('totals') }}",
        );
        assert_eq!(rows, serde_json::json!([[3, 60.75]]), "{point} {actions}");
        let customers =
            project.rows("select count(*) from {{ ref('customers') }} where customer = 'eve'");
        assert_eq!(customers[0][0], 0, "{point} {actions}");
    }
    project.succeeds(&["build"]);
    assert_eq!(
        project.rows("select total from {{ ref('totals') }}")[0][0],
        7.0
    );
}
