//! What can be asked about models after they were built.

use serde_json::{Value, json};

use super::project::Project;
use crate::env::{stderr, stdout};

#[test]
fn a_template_is_rendered_once_unless_it_looks_at_the_warehouse() {
    let told = |name: &str| {
        format!("{{% if execute %}}{{{{ log('rendered: {name}', info=true) }}}}{{% endif %}}\n")
    };
    let plain = told("plain") + "select 1 as one";
    let looking = told("looking") + "select {{ 2 if load_relation(ref('plain')) else 1 }} as found";
    let project = Project::new(&[
        ("models/plain.sql", plain.as_str()),
        ("models/looking.sql", looking.as_str()),
    ]);
    let built = stderr(&project.succeeds(&["build"]));
    assert_eq!(built.matches("rendered: plain").count(), 1, "{built}");
    // What it found when it was checked is not what is there when it is built.
    assert_eq!(built.matches("rendered: looking").count(), 2, "{built}");
    assert_eq!(
        project.rows("select found from {{ ref('looking') }}"),
        json!([[2]])
    );
}

#[test]
fn columns_are_followed_to_what_they_are_made_of() {
    let project = Project::shop();
    project.succeeds(&["build"]);

    let lineage = "select source_schema, source_table, source_column, unchanged from weir.lineage \
                   where table_name = 'customers' and column_name = 'total'";
    assert_eq!(
        project.rows(lineage),
        json!([["main", "orders", "amount", false]])
    );
    let lineage = "select source_table, source_column, unchanged from weir.lineage \
                   where table_name = 'orders' and column_name = 'amount'";
    assert_eq!(
        project.rows(lineage),
        json!([["raw_orders", "amount", true]])
    );
    // The log of the table's commits does not hold it.
    let commits = "select count(*) from weir.commits where table_name = 'customers' and inputs like '%lineage%'";
    assert_eq!(project.rows(commits)[0][0], 0);
}

#[test]
fn a_view_that_no_longer_fits_says_which_column_broke_it() {
    let project = Project::shop();
    project.write(
        "macros/spoil.sql",
        "{% macro spoil() %}{% do run_query('alter table main.raw_orders rename column amount to paid') %}{% endmacro %}",
    );
    project.succeeds(&["build"]);
    let broken = "select view_name, error from weir.views where error is not null";
    assert_eq!(project.rows(broken), json!([]));

    project.succeeds(&["run-operation", "spoil"]);
    let rows = project.rows(broken);
    assert_eq!(rows[0][0], "orders");
    let error = rows[0][1].as_str().unwrap();
    assert!(error.contains("amount"), "{error}");
    // Its code did not change; a build says it all the same.
    let failed = project.fails(&["build", "--select", "orders"]);
    assert!(
        failed.contains("amount") && failed.contains("models/orders.sql"),
        "{failed}"
    );

    // A view of all columns has the new one.
    project.write(
        "models/orders.sql",
        "select * from {{ ref('raw_orders') }}\n",
    );
    project.write(
        "models/customers.sql",
        "{{ config(materialized='table') }}\nselect count(*) as orders from {{ ref('orders') }}\n",
    );
    project.write("models/schema.yml", "models: []\n");
    project.succeeds(&["build", "--exclude", "raw_orders"]);
    assert_eq!(
        project.rows("select sum(paid) from {{ ref('orders') }}")[0][0],
        60.75
    );
}

#[test]
fn a_contract_is_kept_in_names_and_types() {
    let project = Project::shop();
    project.write(
        "models/contracts.yml",
        "models:\n  - name: promised\n    config: {contract: {enforced: true}, materialized: table}\n    columns:\n      \
         - {name: id, data_type: int}\n      - {name: customer, data_type: varchar(20)}\n      \
         - {name: amount, data_type: 'numeric(12, 2)'}\n",
    );
    let model = |amount: &str| {
        format!("select id, customer, {amount} as amount from {{{{ ref('raw_orders') }}}}\n")
    };
    project.write("models/promised.sql", &model("amount"));
    let failed = project.fails(&["build"]);
    assert!(
        failed.contains("`amount` is double precision and its contract promises numeric"),
        "{failed}"
    );
    project.write("models/promised.sql", &model("amount::numeric(12, 2)"));
    project.succeeds(&["build"]);
    let types = "select full_type from information_schema.columns where table_name = 'promised' order by ordinal_position";
    assert_eq!(
        project.rows(types),
        json!([["integer"], ["text"], ["numeric(12,2)"]])
    );
}

#[test]
fn simple_tests_are_asked_together_and_failures_by_themselves() {
    let project = Project::shop();
    project.write(
        "models/wrong.yml",
        "models:\n  - name: customers\n    columns:\n      - name: total\n        tests: [not_null, unique]\n      \
         - name: orders\n        tests:\n          - accepted_values: {arguments: {values: [1, 2], quote: false}}\n          \
         - accepted_values: {name: only_one, arguments: {values: [1], quote: false}}\n",
    );
    project.write("models/schema.yml", "models: []\n");
    let built = project.weir(&["build", "--json"]);
    let text = stdout(&built);
    let ended: Vec<(String, Value, Value)> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .filter(|line| {
            line["node"]
                .as_str()
                .is_some_and(|node| node.starts_with("test."))
        })
        .map(|line| {
            let name = line["node"]
                .as_str()
                .unwrap()
                .split('.')
                .nth(2)
                .unwrap()
                .to_owned();
            (name, line["status"].clone(), line["failures"].clone())
        })
        .collect();
    let mut ended = ended;
    ended.sort_by(|a, b| a.0.cmp(&b.0));
    let ended: Vec<Value> = ended
        .into_iter()
        .map(|(name, status, failures)| json!([name, status, failures]))
        .collect();
    assert_eq!(
        ended,
        [
            json!(["accepted_values_customers_orders__False__1__2", "pass", 0]),
            json!(["not_null_customers_total", "pass", 0]),
            json!(["only_one", "fail", 1]),
            json!(["unique_customers_total", "pass", 0]),
        ]
    );
}

#[test]
fn a_package_hears_what_this_engine_does_otherwise() {
    let project = Project::new(&[
        (
            "packages.yml",
            "packages:\n  - local: dbt_packages/elementary\n",
        ),
        (
            "dbt_packages/elementary/dbt_project.yml",
            "name: elementary\nversion: '1'\n",
        ),
        (
            "dbt_packages/elementary/macros/temporary.sql",
            "{% macro has_temp_table_support() %}\
             {% do return(adapter.dispatch('has_temp_table_support', 'elementary')()) %}{% endmacro %}\n\
             {% macro default__has_temp_table_support() %}{% do return(true) %}{% endmacro %}\n",
        ),
        (
            "models/answer.sql",
            "select {{ elementary.has_temp_table_support() }} as answer\n",
        ),
    ]);
    project.succeeds(&["build"]);
    assert_eq!(
        project.rows("select answer from {{ ref('answer') }}")[0][0],
        false
    );
}

#[test]
fn documentation_is_shown_by_a_server() {
    let project = Project::shop();
    project.succeeds(&["build"]);
    let none = project.fails(&["docs", "serve", "--port", "8081"]);
    assert!(none.contains("weir up"), "{none}");
}

#[test]
fn the_second_column_of_a_name_is_pointed_at() {
    let project = Project::shop();
    project.write(
        "models/twice.sql",
        "select\n    1 as id,\n    2 as amount,\n    3 as amount\n",
    );
    let told = project.fails(&["check"]);
    assert!(
        told.contains("two columns would be called `amount`") && told.contains("line 4"),
        "{told}"
    );
}
