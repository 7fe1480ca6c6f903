//! Configuration, and what properties files say.

use serde_json::json;
use weir_model::node::Disabled;

use crate::fixture::{Fixture, node};

#[test]
fn the_file_beats_properties_and_these_beat_the_tree() {
    let parsed = Fixture::new(
        "models:
  shop:
    +materialized: view
    +tags: tree
    +meta: {a: tree, b: tree, c: tree}
    +pre-hook: \"select '{{ this }}'\"
    staging:
      +enabled: true
      +grants: {select: [anna]}
",
    )
    .file(
        "models/staging/orders.sql",
        "{{ config(materialized='table', tags=['file'], meta={'c': 'file'}, grants={'+select': ['cora']}) }}
         {{ config(post_hook='analyze') }} select 1",
    )
    .file(
        "models/staging/schema.yml",
        "models:
  - name: orders
    meta: {b: yaml, c: yaml}
    config: {materialized: incremental, tags: [yaml], unique_key: [id, day], my_own: 1}
",
    )
    .parse();
    let orders = node(&parsed, "model.shop.orders");
    let config = &orders.config;
    assert_eq!(config.materialized(), "table");
    assert_eq!(config.tags(), ["tree", "yaml", "file"]);
    assert_eq!(
        json!(config.meta()),
        json!({ "a": "tree", "b": "yaml", "c": "file" })
    );
    assert_eq!(
        config.get("grants"),
        Some(&json!({ "select": ["anna", "cora"] }))
    );
    assert_eq!(config.unique_key(), ["id", "day"]);
    assert_eq!(config.get("my_own"), Some(&json!(1)));
    assert_eq!(config.pre_hooks()[0].sql, "select '{{ this }}'");
    assert_eq!(config.post_hooks()[0].sql, "analyze");
    assert_eq!(
        orders.patch_path.as_deref(),
        Some("shop://models/staging/schema.yml")
    );
}

#[test]
fn the_root_decides_over_packages() {
    let parsed = Fixture::new(
        "models:\n  lib:\n    +materialized: table\nvars:\n  lib: {size: 7}\n",
    )
    .file("packages.yml", "packages:\n  - local: lib\n")
    .file(
        "lib/dbt_project.yml",
        "name: lib\nversion: '1.0'\nvars: {size: 1, other: 2}\n",
    )
    .file(
        "lib/models/a.sql",
        "{{ config(materialized='view', meta={'v': var('size'), 'o': var('other')}) }} select 1",
    )
    .file(
        "lib/macros/m.sql",
        "{% macro twice(x) %}{{ x }}{{ x }}{% endmacro %}",
    )
    .file(
        "models/b.sql",
        "select '{{ lib.twice(1) }}' from {{ ref('lib', 'a') }}",
    )
    .parse();
    let a = node(&parsed, "model.lib.a");
    assert_eq!(a.config.materialized(), "table");
    assert_eq!(json!(a.config.meta()), json!({ "v": 7, "o": 2 }));
    let b = node(&parsed, "model.shop.b");
    assert_eq!(b.depends_on.macros[0].as_str(), "macro.lib.twice");
    assert_eq!(b.depends_on.nodes[0].as_str(), "model.lib.a");
}

#[test]
fn tests_are_written_in_old_and_new_ways() {
    let schema = |tests: &str| {
        format!("models:\n  - name: a\n    columns:\n      - name: id\n        {tests}\n")
    };
    let ways = [
        "tests: [{accepted_values: {values: [1, 2], severity: warn}}]",
        "data_tests: [{accepted_values: {arguments: {values: [1, 2]}, config: {severity: warn}}}]",
        "data_tests: [{test_name: accepted_values, values: [1, 2], config: {severity: warn}}]",
    ];
    for way in ways {
        let parsed = Fixture::new("")
            .file("models/a.sql", "select 1 as id")
            .file("models/schema.yml", &schema(way))
            .parse();
        let test = parsed
            .manifest
            .nodes
            .values()
            .find(|node| node.generic_test().is_some())
            .expect("is there");
        assert_eq!(test.name, "accepted_values_a_id__1__2", "{way}");
        assert_eq!(test.config.severity(), "WARN", "{way}");
        let detail = test.generic_test().expect("is one");
        assert_eq!(detail.metadata.kwargs["values"], json!([1, 2]), "{way}");
        assert_eq!(
            detail.attached_node.as_ref().map(|id| id.as_str()),
            Some("model.shop.a"),
            "{way}"
        );
        assert_eq!(test.depends_on.nodes[0].as_str(), "model.shop.a", "{way}");
    }
}

#[test]
fn arguments_of_tests_read_other_models() {
    let parsed = Fixture::new("")
        .file("models/a.sql", "select 1 as id")
        .file("models/b.sql", "select 1 as id")
        .file(
            "tests/generic/same.sql",
            "{% test same(model, other, factor) %}{{ config(fail_calc='sum(n)') }} select * from {{ other }} {% endtest %}",
        )
        .file(
            "models/schema.yml",
            "models:\n  - name: a\n    tests:\n      - same: {other: ref('b'), factor: \"{{ var('f', 3) }}\"}\n",
        )
        .parse();
    let test = parsed
        .manifest
        .nodes
        .values()
        .find(|node| node.generic_test().is_some())
        .expect("is there");
    let nodes: Vec<&str> = test.depends_on.nodes.iter().map(|id| id.as_str()).collect();
    assert_eq!(nodes, ["model.shop.b", "model.shop.a"]);
    assert_eq!(test.config.text("fail_calc"), Some("sum(n)"));
    assert_eq!(test.depends_on.macros[0].as_str(), "macro.shop.test_same");
}

#[test]
fn sources_merge_freshness_tags_and_meta() {
    let parsed = Fixture::new("")
        .file(
            "models/sources.yml",
            "sources:
  - name: raw
    schema: landing
    tags: [src]
    meta: {a: 1, b: 1}
    loaded_at_field: at
    freshness: {warn_after: {count: 12, period: hour}, error_after: {count: 2, period: day}}
    quoting: {schema: false}
    tables:
      - name: orders
        identifier: o
        config: {tags: [tab], meta: {b: 2}, freshness: {warn_after: {count: 6, period: hour}}}
        columns: [{name: id, tests: [unique]}]
      - {name: users, freshness: null, loaded_at_field: null}
",
        )
        .file(
            "models/a.sql",
            "select * from {{ source('raw', 'orders') }}",
        )
        .parse();
    let orders = &parsed.manifest.sources["source.shop.raw.orders"];
    assert_eq!(orders.relation_name, r#""weir".landing."o""#);
    assert_eq!(orders.tags, ["src", "tab"]);
    assert_eq!(json!(orders.meta), json!({ "a": 1, "b": 2 }));
    let freshness = orders.freshness.as_ref().expect("is given");
    assert_eq!(
        freshness["warn_after"],
        json!({ "count": 6, "period": "hour" })
    );
    assert_eq!(
        freshness["error_after"],
        json!({ "count": 2, "period": "day" })
    );
    assert!(orders.has_freshness());
    let users = &parsed.manifest.sources["source.shop.raw.users"];
    assert!(!users.has_freshness());
    assert_eq!(users.loaded_at_field, None);
    let test = parsed
        .manifest
        .nodes
        .values()
        .find(|node| node.generic_test().is_some())
        .expect("is there");
    assert_eq!(test.name, "source_unique_raw_orders_id");
    assert_eq!(test.tags, ["src"]);
}

#[test]
fn what_is_switched_off_takes_its_tests_along() {
    let parsed = Fixture::new("")
        .file("models/a.sql", "{{ config(enabled=false) }} select 1 as id")
        .file(
            "models/schema.yml",
            "models:\n  - name: a\n    columns: [{name: id, tests: [unique]}]\n",
        )
        .parse();
    assert!(parsed.manifest.nodes.is_empty());
    assert_eq!(parsed.manifest.disabled.len(), 2);
    assert!(
        parsed
            .manifest
            .disabled
            .values()
            .flatten()
            .all(|disabled| matches!(disabled, Disabled::Node(_)))
    );
    assert!(parsed.warnings.is_empty());
}

#[test]
fn snapshots_have_two_forms() {
    let parsed = Fixture::new("")
        .file("models/a.sql", "select 1 as id")
        .file(
            "snapshots/s.sql",
            "{% snapshot block_form %}\n{{ config(strategy='check', unique_key='id', check_cols='all', target_schema='hist') }}\nselect * from {{ ref('a') }}\n{% endsnapshot %}",
        )
        .file(
            "snapshots/s.yml",
            "snapshots:\n  - name: yaml_form\n    relation: ref('a')\n    config: {strategy: timestamp, unique_key: [id], updated_at: at, hard_deletes: new_record}\n",
        )
        .parse();
    let block = node(&parsed, "snapshot.shop.block_form");
    assert_eq!(
        block.relation_name.as_deref(),
        Some(r#""weir"."hist"."block_form""#)
    );
    assert_eq!(block.fqn, ["shop", "s", "block_form"]);
    let yaml = node(&parsed, "snapshot.shop.yaml_form");
    assert_eq!(&*yaml.raw_code, "select * from {{ ref('a') }}");
    assert_eq!(yaml.depends_on.nodes[0].as_str(), "model.shop.a");
    assert_eq!(yaml.config.text("hard_deletes"), Some("new_record"));
}

#[test]
fn docs_are_put_into_descriptions() {
    let parsed = Fixture::new("")
        .file("models/a.sql", "select 1 as id")
        .file(
            "models/docs.md",
            "# Prose {{ of no }} matter\n{% docs orders %}\nAll *orders*.\n{% enddocs %}\n",
        )
        .file(
            "models/schema.yml",
            "models:\n  - name: a\n    description: '{{ doc(\"orders\") }} And more.'\n",
        )
        .parse();
    assert_eq!(
        node(&parsed, "model.shop.a").description,
        "All *orders*. And more."
    );
}

#[test]
fn unit_tests_bring_rows_in_three_formats() {
    let parsed = Fixture::new("")
        .file("models/a.sql", "select 1 as id")
        .file("models/b.sql", "select * from {{ ref('a') }}")
        .file("tests/fixtures/rows.csv", "id,name\n1,\n2,x\n")
        .file(
            "models/units.yml",
            "unit_tests:
  - name: u
    model: b
    given:
      - {input: ref('a'), rows: [{id: null}, {id: 2}]}
      - {input: this, format: csv, fixture: rows}
    expect: {format: sql, rows: select 1 as id}
    overrides: {vars: {x: 1}}
",
        )
        .parse();
    let test = &parsed.manifest.unit_tests["unit_test.shop.b.u"];
    assert_eq!(test.given[0]["rows"], json!([{ "id": 2 }, { "id": null }]));
    assert_eq!(
        test.given[1]["rows"],
        json!([{ "id": "2", "name": "x" }, { "id": "1", "name": null }])
    );
    assert_eq!(test.expect["rows"], json!("select 1 as id"));
    assert_eq!(test.depends_on.nodes[0].as_str(), "model.shop.b");
}

#[test]
fn builtins_are_behind_macros_that_cover_them() {
    let parsed = Fixture::new("")
        .file(
            "macros/ref.sql",
            "{% macro ref(name) %}{{ return(builtins.ref(name)) }}{% endmacro %}",
        )
        .file("models/a.sql", "select 1")
        .file("models/b.sql", "select * from {{ ref('a') }}")
        .parse();
    let b = node(&parsed, "model.shop.b");
    assert_eq!(b.depends_on.nodes[0].as_str(), "model.shop.a");
    assert_eq!(b.depends_on.macros[0].as_str(), "macro.shop.ref");
}

#[test]
fn metrics_know_their_measures() {
    let parsed = Fixture::new("")
        .file("models/orders.sql", "select 1 as id")
        .file(
            "models/semantic.yml",
            "semantic_models:
  - name: orders
    model: ref('orders')
    defaults: {agg_time_dimension: at}
    entities: [{name: order, type: primary, expr: id}]
    dimensions: [{name: at, type: time, type_params: {time_granularity: day}}]
    measures: [{name: total, agg: sum}, {name: count, agg: count, expr: 1, create_metric: true}]
metrics:
  - {name: revenue, label: Revenue, type: simple, type_params: {measure: total}}
  - {name: share, label: Share, type: ratio, type_params: {numerator: revenue, denominator: count}}
saved_queries:
  - {name: q, query_params: {metrics: [share], group_by: [\"Dimension('order__at')\"]}}
exposures:
  - {name: board, type: dashboard, owner: {name: Anna}, depends_on: [ref('orders'), metric('share')]}
",
        )
        .parse();
    let manifest = &parsed.manifest;
    let share = &manifest.metrics["metric.shop.share"];
    assert_eq!(
        share.type_params["input_measures"].as_array().map(Vec::len),
        Some(2)
    );
    assert_eq!(
        manifest.saved_queries["saved_query.shop.q"]
            .depends_on
            .nodes[0]
            .as_str(),
        "metric.shop.share"
    );
    assert_eq!(
        manifest.exposures["exposure.shop.board"]
            .depends_on
            .nodes
            .len(),
        2
    );
    let model = &manifest.semantic_models["semantic_model.shop.orders"];
    assert_eq!(
        model
            .node_relation
            .as_ref()
            .map(|relation| relation["alias"].clone()),
        Some(json!("orders"))
    );
}

#[test]
fn functions_are_described_and_called() {
    let parsed = Fixture::new("")
        .file("functions/twice.sql", "x * 2")
        .file(
            "functions/f.yml",
            "functions:
  - name: twice
    arguments: [{name: x, data_type: int}]
    returns: {data_type: int}
",
        )
        .file("models/a.sql", "select {{ function('twice') }}(1)")
        .parse();
    let function = &parsed.manifest.functions["function.shop.twice"];
    assert_eq!(function.properties["returns"]["data_type"], "int");
    assert_eq!(
        node(&parsed, "model.shop.a").depends_on.nodes[0].as_str(),
        "function.shop.twice"
    );
}

#[test]
fn variables_may_be_templates() {
    let parsed = Fixture::new(
        "vars:\n  where: \"{{ target.schema }}_x\"\n  shop: {own: \"{{ var('where') }}!\"}\n",
    )
    .file("models/a.sql", "{{ config(schema=var('where')) }} select 1")
    .file(
        "models/schema.yml",
        "models:\n  - {name: a, config: {alias: \"{{ var('own') }}\"}}\n",
    )
    .parse();
    let a = node(&parsed, "model.shop.a");
    assert_eq!(
        (a.schema.as_str(), a.alias.as_str()),
        ("main_main_x", "main_x!")
    );
}
