//! What is wrong is told with place and advice, all of it at once.

use crate::fixture::{Fixture, reports};

#[track_caller]
fn told(report: &str, wanted: &[&str]) {
    for part in wanted {
        assert!(report.contains(part), "`{part}` is missing in:\n{report}");
    }
}

#[test]
fn everything_is_told_in_one_pass() {
    let report = Fixture::new("")
        .file("models/customers.sql", "select 1")
        .file("models/a.sql", "select *\nfrom {{ ref('custmers') }}")
        .file(
            "models/b.sql",
            "select * from {{ source('raw', 'orders') }}",
        )
        .file("models/c.sql", "{% if x %} select")
        .file(
            "models/schema.yml",
            "models:\n  - name: customers\n    columns: [{name: id, tests: [uniqe]}]\n",
        )
        .mistakes();
    told(
        &report,
        &[
            "`model.shop.a` reads `custmers`, which is not there",
            "models/a.sql:2:13",
            "did you mean `customers`?",
            "a source `raw.orders`",
            "models/c.sql:1",
            "there is no test `uniqe`",
            "did you mean `unique`?",
            "models/schema.yml:3",
        ],
    );
}

#[test]
fn a_circle_is_shown_whole() {
    let report = Fixture::new("")
        .file(
            "models/a.sql",
            "-- c comes first\nselect 'c' from {{ ref('c') }}",
        )
        .file("models/b.sql", "select * from {{ ref('a') }}")
        .file("models/c.sql", "select * from {{ ref('b') }}")
        .mistakes();
    told(
        &report,
        &[
            "circle",
            "models/a.sql:2:25",
            "model.shop.a -> model.shop.c -> model.shop.b -> model.shop.a",
        ],
    );
}

#[test]
fn names_and_relations_are_taken_once() {
    let report = Fixture::new("")
        .file("models/x/a.sql", "select 1")
        .file("models/y/a.sql", "select 1")
        .file("models/b.sql", "{{ config(alias='c') }} select 1")
        .file("models/c.sql", "select 1")
        .file("seeds/d.csv", "id\n1\n")
        .file("models/d.sql", "select 1")
        .mistakes();
    told(
        &report,
        &[
            "there are two of `model.shop.a`",
            r#"would both be the relation "weir"."main"."c""#,
            "`seed.shop.d`",
        ],
    );
}

#[test]
fn a_macro_that_never_ends_does() {
    let report = Fixture::new("")
        .file(
            "macros/m.sql",
            "{% macro again(n) %}{{ again(n + 1) }}{% endmacro %}",
        )
        .file("models/a.sql", "{{ again(1) }}")
        .mistakes();
    told(&report, &["in macro `again`"]);
}

#[test]
fn private_models_are_for_their_group() {
    let report = Fixture::new("")
        .file("models/a.sql", "select 1")
        .file("models/b.sql", "select * from {{ ref('a') }}")
        .file("models/c.sql", "{{ config(group='nobody') }} select 1")
        .file(
            "models/schema.yml",
            "groups: [{name: finance, owner: {name: Anna}}]\nmodels:\n  - {name: a, access: private, group: finance}\n",
        )
        .mistakes();
    told(
        &report,
        &["private to group `finance`", "belongs to group `nobody`"],
    );
}

#[test]
fn what_is_described_but_not_there_is_a_warning() {
    let parsed = Fixture::new("modls: {}\nsource-paths: [models]\n")
        .file("models/orders.sql", "select 1")
        .file(
            "models/schema.yml",
            "models:\n  - name: ordrs\n    description: x\n    description: y\n",
        );
    let loaded = parsed.load().expect("is readable");
    let warnings = reports(&loaded.warnings);
    told(
        &warnings,
        &[
            "`modls` means nothing",
            "did you mean `models`?",
            "`source-paths` is the old name",
        ],
    );
    let warnings = reports(&parsed.parse().warnings);
    told(
        &warnings,
        &[
            "there is no such model",
            "did you mean `orders`?",
            "stands twice",
            "schema.yml:4:5",
        ],
    );
}

#[test]
fn yaml_that_is_none_is_explained() {
    let report = Fixture::new("")
        .file("models/schema.yml", "models:\n\t- name: a\n")
        .mistakes();
    told(&report, &["models/schema.yml:2", "indent by spaces"]);
    let report = Fixture::new("")
        .file(
            "models/schema.yml",
            "models:\n  - name: a\n    description: {{ doc('x') }}\n",
        )
        .mistakes();
    told(&report, &["quote"]);
    let report = Fixture::new("")
        .file("models/schema.yml", "models: 3\n")
        .mistakes();
    told(&report, &["`models` should be a list, but is a number"]);
}

#[test]
fn promises_and_snapshots_must_be_complete() {
    let report = Fixture::new("")
        .file("models/a.sql", "{{ config(contract={'enforced': true}, materialized='incremental') }} select 1")
        .file("snapshots/s.sql", "{% snapshot s %}{{ config(unique_key='id', strategy='check') }} select 1{% endsnapshot %}")
        .mistakes();
    told(
        &report,
        &[
            "promises its columns, but none is described",
            "`on_schema_change` is `ignore`",
            "checks columns, but none is given",
        ],
    );
}

#[cfg(unix)]
#[test]
fn a_link_that_leads_back_is_not_followed() {
    let fixture = Fixture::new("").file("models/a/b/c.sql", "select 1");
    for link in ["x", "y"] {
        std::os::unix::fs::symlink(
            fixture.path().join("models"),
            fixture.path().join("models/a/b").join(link),
        )
        .expect("links");
    }
    told(
        &fixture.mistakes(),
        &["this link leads back", "models/a/b/x"],
    );
}

#[test]
fn a_name_that_yaml_takes_for_false_is_explained() {
    let report = Fixture::new("")
        .file("models/schema.yml", "models:\n  - name: off\n")
        .mistakes();
    told(&report, &["models/schema.yml:2:11", "quote it"]);
}

#[test]
fn slips_of_the_pen_are_warned_of() {
    let parsed = Fixture::new("models:\n  shop:\n    stagin:\n      +materialized: table\n    meta: {a: 1}\n  shpo: {+tags: x}\n")
        .file("models/staging/a.sql", "select 1")
        .file("models/schema.yml", "model:\n  - name: b\nmodels:\n  - name: a\n    descripton: x\n    columns: [{name: id, test: [unique]}]\n")
        .parse();
    told(
        &reports(&parsed.warnings),
        &[
            "`models.shop.stagin` configures nothing",
            "did you mean `staging`?",
            "`models.shpo` configures nothing",
            "`model` means nothing",
            "did you mean `models`?",
            "`descripton` means nothing here",
            "did you mean `description`?",
            "`test` means nothing here",
        ],
    );
    assert!(!reports(&parsed.warnings).contains("meta"));
}

#[test]
fn batches_must_say_when_and_how_big() {
    let report = Fixture::new("")
        .file("models/a.sql", "{{ config(materialized='incremental', incremental_strategy='microbatch', begin='soon') }} select 1")
        .file("models/b.sql", "{{ config(materialized='ephemeral', access='public') }} select 1")
        .mistakes();
    told(
        &report,
        &[
            "of no column's time",
            "`begin` of `a` is no date",
            "how big its batches are",
            "`b` is public, but ephemeral",
        ],
    );
}
