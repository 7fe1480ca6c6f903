//! What relations, tests and nodes are called.

use crate::fixture::{Fixture, node};

#[test]
fn the_default_target_is_this_weir() {
    let parsed = Fixture::new("")
        .file("models/staging/orders.sql", "select 1 as id")
        .parse();
    let orders = node(&parsed, "model.shop.orders");
    assert_eq!(
        orders.relation_name.as_deref(),
        Some(r#""weir"."main"."orders""#)
    );
    assert_eq!(orders.fqn, ["shop", "staging", "orders"]);
    assert_eq!(orders.path, "staging/orders.sql");
    assert_eq!(parsed.manifest.metadata.adapter_type, "weir");
}

#[test]
fn custom_schemas_are_joined_and_aliases_replace() {
    let parsed = Fixture::new("models:\n  shop:\n    +schema: marts\n")
        .file(
            "models/a.sql",
            "{{ config(alias='orders', database='other') }} select 1",
        )
        .parse();
    let a = node(&parsed, "model.shop.a");
    assert_eq!(
        a.relation_name.as_deref(),
        Some(r#""other"."main_marts"."orders""#)
    );
}

#[test]
fn the_projects_own_macros_name_relations() {
    let parsed = Fixture::new("models:\n  +schema: marts\n")
        .file(
            "macros/names.sql",
            "{% macro generate_schema_name(custom, node) %} {{ custom or target.schema }} {% endmacro %}
             {% macro default__generate_alias_name(custom, node) %}{{ node.name ~ '_' ~ node.resource_type }}{% endmacro %}",
        )
        .file("models/a.sql", "select 1")
        .parse();
    assert_eq!(
        node(&parsed, "model.shop.a").relation_name.as_deref(),
        Some(r#""weir"."marts"."a_model""#)
    );
}

#[test]
fn quoting_is_what_the_project_says() {
    let parsed = Fixture::new("quoting:\n  database: false\n  identifier: false\n")
        .file("models/a.sql", "select 1")
        .parse();
    assert_eq!(
        node(&parsed, "model.shop.a").relation_name.as_deref(),
        Some(r#"weir."main".a"#)
    );
}

#[test]
fn tests_get_the_names_and_ids_of_dbt() {
    let parsed = Fixture::new("")
        .file("models/customers.sql", "select 1 as customer_id")
        .file(
            "models/schema.yml",
            "models:
  - name: customers
    columns:
      - name: customer_id
        tests:
          - unique
          - accepted_values:
              values: [placed, shipped, completed, return_pending, returned]
          - not_null: {name: always_there, config: {severity: warn}}
",
        )
        .parse();
    // The project's name is no part of the hash.
    node(&parsed, "test.shop.unique_customers_customer_id.c5af1ff4b1");
    let long = "accepted_values_customers_customer_id__placed__shipped__completed__return_pending__returned";
    let test = parsed
        .manifest
        .nodes
        .values()
        .find(|node| node.name == long)
        .expect("is there");
    assert!(
        test.path.starts_with("accepted_values_customers_"),
        "{}",
        test.path
    );
    assert_eq!(
        test.path.len(),
        "accepted_values_customers_".len() + 32 + ".sql".len()
    );
    assert_eq!(
        test.config.alias(),
        Some(test.path.trim_end_matches(".sql"))
    );
    let named = parsed
        .manifest
        .nodes
        .values()
        .find(|node| node.name == "always_there")
        .expect("is there");
    assert_eq!(named.config.severity(), "WARN");
    assert_eq!(named.schema, "main_dbt_test__audit");
}

#[test]
fn versions_have_ids_aliases_and_a_latest_one() {
    let parsed = Fixture::new("")
        .file("models/orders_v1.sql", "select 1 as id, 2 as old")
        .file("models/orders.sql", "select 1 as id")
        .file(
            "models/reader.sql",
            "select * from {{ ref('orders') }} join {{ ref('orders', v=1) }}",
        )
        .file(
            "models/schema.yml",
            "models:
  - name: orders
    latest_version: 2
    columns: [{name: id, tests: [unique]}, {name: total}]
    versions:
      - v: 1
        columns: [{include: all, exclude: [total]}, {name: old}]
      - v: 2
",
        )
        .parse();
    let old = node(&parsed, "model.shop.orders.v1");
    assert_eq!(old.alias, "orders_v1");
    assert_eq!(old.fqn, ["shop", "orders", "v1"]);
    assert_eq!(old.columns.keys().collect::<Vec<_>>(), ["id", "old"]);
    let reader = node(&parsed, "model.shop.reader");
    let ids: Vec<&str> = reader
        .depends_on
        .nodes
        .iter()
        .map(|id| id.as_str())
        .collect();
    assert_eq!(ids, ["model.shop.orders.v2", "model.shop.orders.v1"]);
    let tests = parsed
        .manifest
        .nodes
        .values()
        .filter(|node| node.generic_test().is_some());
    let names: Vec<&str> = tests.map(|test| test.name.as_str()).collect();
    assert_eq!(names, ["unique_orders_v1_id", "unique_orders_v2_id"]);
}
