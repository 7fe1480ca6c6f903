//! What cannot have changed is neither built nor tested again, and what can have is.

use std::collections::BTreeMap;

use serde_json::Value;

use super::project::Project;
use crate::env::stdout;

impl Project {
    /// Builds, and returns of each node that was built or tested again why, by its name.
    #[track_caller]
    fn rebuilt(&self, arguments: &[&str]) -> BTreeMap<String, String> {
        let output = self.succeeds(&[&["build", "--json"], arguments].concat());
        let text = stdout(&output);
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
        lines
            .filter(|line: &Value| line["node"].is_string() && line["reused"] == false)
            .map(|line| {
                let name = line["node"].as_str().unwrap().split('.').nth(2);
                let reason = line["reason"].as_str().unwrap_or_default();
                (name.unwrap().to_owned(), reason.to_owned())
            })
            .collect()
    }

    #[track_caller]
    fn publications(&self) -> usize {
        let listed = self.succeeds(&["publications", "--json"]);
        stdout(&listed).lines().count()
    }
}

fn names(rebuilt: &BTreeMap<String, String>) -> Vec<&str> {
    rebuilt.keys().map(String::as_str).collect()
}

#[test]
fn a_build_of_what_is_there_does_nothing() {
    let project = Project::shop();
    assert_eq!(project.rebuilt(&[]).len(), 6);
    let first = project.statuses();

    assert_eq!(names(&project.rebuilt(&[])), [""; 0]);
    assert_eq!(project.publications(), 1);
    // For whoever reads the results, everything is as well as it was.
    assert_eq!(project.statuses(), first);

    assert_eq!(project.rebuilt(&["--force"]).len(), 6);
    assert_eq!(project.rebuilt(&["--full-refresh"]).len(), 6);
    assert_eq!(names(&project.rebuilt(&[])), [""; 0]);
}

#[test]
fn a_change_reaches_what_rests_on_it_and_nothing_else() {
    let project = Project::shop();
    project.write(
        "models/alone.sql",
        "{{ config(materialized='table') }}\nselect 1 as one\n",
    );
    project.succeeds(&["build"]);

    // The view stays as it is, and what it shows does not.
    project.write(
        "seeds/raw_orders.csv",
        "id,customer,amount\n1,ada,10.5\n2,bob,21\n",
    );
    let rebuilt = project.rebuilt(&[]);
    assert_eq!(
        names(&rebuilt),
        [
            "customers",
            "not_null_orders_id",
            "raw_orders",
            "unique_customers_customer",
            "unique_orders_id"
        ]
    );
    assert_eq!(rebuilt["raw_orders"], "its code or configuration changed");
    assert_eq!(rebuilt["customers"], "main.orders changed");
    assert_eq!(
        project.rows("select total from {{ ref('customers') }} where customer = 'bob'")[0][0],
        21.0
    );

    // A macro that a model uses is its code.
    project.write("macros/one.sql", "{% macro one() %}1{% endmacro %}");
    assert_eq!(names(&project.rebuilt(&[])), [""; 0]);
    project.write(
        "models/alone.sql",
        "{{ config(materialized='table') }}\nselect {{ one() }} as one\n",
    );
    project.rebuilt(&[]);
    project.write("macros/one.sql", "{% macro one() %}2{% endmacro %}");
    assert_eq!(names(&project.rebuilt(&[])), ["alone"]);

    // A tag is not.
    project.write(
        "models/alone.yml",
        "models:\n  - name: alone\n    config: {tags: [lonely]}\n",
    );
    assert_eq!(names(&project.rebuilt(&[])), [""; 0]);
    project.write(
        "models/alone.yml",
        "models:\n  - name: alone\n    config: {materialized: view}\n",
    );
    assert_eq!(
        names(&project.rebuilt(&[])),
        [""; 0],
        "the file's own configuration wins"
    );
}

#[test]
fn rows_that_others_changed_are_built_again() {
    let project = Project::shop();
    project.write(
        "macros/lose.sql",
        "{% macro lose(relation) %}{% do run_query('delete from main.' ~ relation ~ ' where true') %}{% endmacro %}",
    );
    project.succeeds(&["build"]);

    project.succeeds(&["run-operation", "lose", "--args", "{relation: customers}"]);
    assert_eq!(
        project.rows("select count(*) from {{ ref('customers') }}")[0][0],
        0
    );
    let rebuilt = project.rebuilt(&[]);
    assert_eq!(names(&rebuilt), ["customers", "unique_customers_customer"]);
    assert_eq!(rebuilt["customers"], "it was changed by something else");
    assert_eq!(
        project.rows("select count(*) from {{ ref('customers') }}")[0][0],
        2
    );

    // Only what is selected is built, and it notices what else has changed.
    project.succeeds(&["run-operation", "lose", "--args", "{relation: raw_orders}"]);
    let rebuilt = project.rebuilt(&["--select", "customers"]);
    assert_eq!(rebuilt["customers"], "main.raw_orders changed");
    assert_eq!(
        project.rows("select count(*) from {{ ref('customers') }}")[0][0],
        0
    );

    // Going back is a change too.
    project.succeeds(&["rollback"]);
    assert!(project.rebuilt(&[]).contains_key("customers"));
}

#[test]
fn what_answers_otherwise_each_time_is_always_built() {
    let project = Project::shop();
    project.write(
        "models/today.sql",
        "{{ config(materialized='view') }}\nselect current_date as today\n",
    );
    project.write(
        "models/dated.sql",
        "{{ config(materialized='table') }}\nselect * from {{ ref('today') }}\n",
    );
    project.write(
        "models/stamped.sql",
        "{{ config(materialized='table') }}\nselect now() as at\n",
    );
    project.write(
        "models/hooked.sql",
        "{{ config(materialized='table', post_hook='select 1') }}\nselect 1 as one\n",
    );
    project.succeeds(&["build"]);

    let rebuilt = project.rebuilt(&[]);
    assert_eq!(names(&rebuilt), ["dated", "hooked", "stamped"]);
    assert_eq!(rebuilt["stamped"], "it uses now()");
    assert_eq!(rebuilt["dated"], "main.today changed");
    assert_eq!(rebuilt["hooked"], "it has hooks");
}

#[test]
fn a_test_runs_until_it_has_passed_on_these_rows() {
    let project = Project::shop();
    project.succeeds(&["build"]);
    project.write(
        "tests/no_bob.sql",
        "select * from {{ ref('customers') }} where customer = 'bob'\n",
    );
    project.fails(&["build"]);
    project.fails(&["build"]);
    project.write(
        "tests/no_bob.sql",
        "{{ config(severity='warn') }}\nselect * from {{ ref('customers') }} where customer = 'bob'\n",
    );
    // A warning is told each time.
    assert_eq!(names(&project.rebuilt(&[])), ["no_bob"]);
    assert_eq!(names(&project.rebuilt(&[])), ["no_bob"]);
    project.write(
        "tests/no_bob.sql",
        "select * from {{ ref('customers') }} where customer = 'rob'\n",
    );
    assert_eq!(names(&project.rebuilt(&[])), ["no_bob"]);
    assert_eq!(names(&project.rebuilt(&[])), [""; 0]);

    // Asked for by name, tests always run.
    let tested = project.succeeds(&["test", "--json"]);
    assert!(!stdout(&tested).contains("\"reused\":true"));
}

#[test]
fn a_build_of_a_part_of_the_rows_is_not_taken_for_the_whole() {
    let project = Project::shop();
    project.succeeds(&["build", "--empty", "--exclude", "resource_type:test"]);
    assert_eq!(
        project.rows("select count(*) from {{ ref('customers') }}")[0][0],
        0
    );
    project.succeeds(&["build"]);
    assert_eq!(
        project.rows("select count(*) from {{ ref('customers') }}")[0][0],
        2
    );
}

#[test]
fn a_plan_says_what_a_change_would_do() {
    let project = Project::shop();
    project.write(
        "models/exposures.yml",
        "exposures:\n  - name: weekly\n    label: The week\n    type: dashboard\n    owner: {name: Ada}\n    \
         depends_on: [\"ref('customers')\"]\n",
    );
    project.succeeds(&["build"]);
    let nothing = project.succeeds(&["plan"]);
    assert!(stdout(&nothing).is_empty(), "{}", stdout(&nothing));

    project.write(
        "models/customers.sql",
        "{{ config(materialized='table') }}\n\
         select customer, sum(amount) * 2 as total, min(id) as first_order\n\
         from {{ ref('orders') }} group by 1\n",
    );
    let planned = project.succeeds(&["plan", "--json"]);
    let planned: Value = serde_json::from_str(&stdout(&planned)).unwrap();
    assert_eq!(planned["unchanged"], 2);
    assert_eq!(planned["exposures"]["The week"], "dashboard of Ada");
    let customers = &planned["build"][0];
    assert_eq!(customers["reason"], "its code or configuration changed");
    let changes: Vec<&str> = customers["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| change["name"].as_str().unwrap())
        .collect();
    assert_eq!(changes, ["first_order", "orders"]);

    // The rows are compared by the column that is tested to be unique; nothing is published.
    let compared = project.succeeds(&["diff", "--json"]);
    let compared: Value = serde_json::from_str(&stdout(&compared)).unwrap();
    let rows = &compared["build"][0]["rows"];
    assert_eq!(rows["key"], serde_json::json!(["customer"]));
    assert_eq!(rows["changed"], 2);
    assert_eq!(rows["changed_columns"]["total"], 2);
    assert_eq!(rows["examples"], serde_json::json!([["ada"], ["bob"]]));
    assert_eq!(
        project.rows("select total from {{ ref('customers') }} order by 1")[0][0],
        20.0
    );
    assert_eq!(project.publications(), 1);

    // Views are compared as tables are, whether they stay views or become tables.
    for kind in ["view", "table"] {
        project.write(
            "models/orders.sql",
            &format!(
                "{{{{ config(materialized='{kind}') }}}}\n\
                 select id, case when id = 2 then 'eve' else customer end as customer, amount \
                 from {{{{ ref('raw_orders') }}}} where id < 3\n"
            ),
        );
        let compared = project.succeeds(&["diff", "--select", "orders", "--json"]);
        let compared: Value = serde_json::from_str(&stdout(&compared)).unwrap();
        let rows = &compared["build"][0]["rows"];
        assert_eq!(
            (&rows["before"], &rows["removed"], &rows["changed"]),
            (&Value::from(3), &Value::from(1), &Value::from(1)),
            "{kind}: {rows}"
        );
        assert_eq!(rows["examples"], serde_json::json!([[2]]));
    }

    // What further models would read is told, whether or not they are selected.
    let view = project.succeeds(&["plan", "--select", "raw_orders"]);
    assert!(
        !stdout(&view).contains("main.customers"),
        "{}",
        stdout(&view)
    );
}

#[test]
fn an_environment_holds_only_what_was_changed_in_it() {
    let project = Project::shop();
    project.succeeds(&["build"]);
    let nothing = project.rebuilt(&["--target", "dev_anna"]);
    assert_eq!(names(&nothing), [""; 0]);

    project.write(
        "models/customers.sql",
        "{{ config(materialized='table') }}\n\
         select customer, -sum(amount) as total from {{ ref('orders') }} group by 1\n",
    );
    let rebuilt = project.rebuilt(&["--target", "dev_anna"]);
    assert_eq!(names(&rebuilt), ["customers", "unique_customers_customer"]);
    let there = "select table_schema, table_name from information_schema.tables \
                 where table_schema in ('main', 'dev_anna') order by 1, 2";
    assert_eq!(
        project.rows(there),
        serde_json::json!([
            ["dev_anna", "customers"],
            ["main", "customers"],
            ["main", "orders"],
            ["main", "raw_orders"]
        ])
    );
    assert_eq!(
        project.rows("select max(total) from dev_anna.customers")[0][0],
        -20.0
    );
    assert_eq!(
        project.rows("select min(total) from main.customers")[0][0],
        20.0
    );
    // The second time there is nothing to do here either.
    assert_eq!(names(&project.rebuilt(&["--target", "dev_anna"])), [""; 0]);

    // All of it, for whoever wants it.
    let rebuilt = project.rebuilt(&["--target", "dev_anna", "--no-defer"]);
    assert_eq!(rebuilt.len(), 6, "{rebuilt:?}");
    assert_eq!(
        project.rows("select count(*) from dev_anna.raw_orders")[0][0],
        3
    );
}

#[test]
fn a_retry_does_what_is_left() {
    let project = Project::shop();
    project.write("models/broken.sql", "{{ config(materialized='table') }}\nselect 1 / (count(*) - 3) as n from {{ ref('raw_orders') }}\n");
    project.fails(&["build"]);
    project.write(
        "models/broken.sql",
        "{{ config(materialized='table') }}\nselect count(*) as n from {{ ref('raw_orders') }}\n",
    );
    // Nothing had been published, so everything is still to be done.
    project.succeeds(&["retry"]);
    assert_eq!(project.statuses().len(), 7);
    assert_eq!(project.rows("select n from {{ ref('broken') }}")[0][0], 3);
    project.succeeds(&["retry"]);

    project.write("models/broken.sql", "{{ config(materialized='table') }}\nselect 1 / (count(*) - 3) as n from {{ ref('raw_orders') }}\n");
    project.fails(&["dbt", "build"]);
    project.write(
        "models/broken.sql",
        "{{ config(materialized='table') }}\nselect count(*) as n from {{ ref('raw_orders') }}\n",
    );
    project.succeeds(&["dbt", "retry"]);
    assert_eq!(project.statuses().len(), 1);
}
