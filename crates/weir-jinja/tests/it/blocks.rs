//! Blocks are found without running anything.

use weir_jinja::{BlockKind, Template};

#[test]
fn every_kind_of_block_is_found_with_its_place() {
    let text = "\
-- a comment
{% macro one(a, b: list[str]=['x', \"y\"], c = none) -%}
  body {{ a }}
{%- endmacro %}

{%- materialization table, adapter='postgres', supported_languages=['sql', 'python'] -%}
  x
{%- endmaterialization -%}
{% materialization view, default %}y{% endmaterialization %}
{% test unique(model, column_name) %}select 1{% endtest %}
{% data_test positive(model) %}select 2{% enddata_test %}
{% snapshot orders %}{{ config(a=1) }} select 3{% endsnapshot %}
{% docs orders %}{{ broken {% if %}{% enddocs %}
";
    let template = Template::parse("macros/all.sql", text).unwrap();
    let blocks = template.blocks();
    let found: Vec<_> = blocks
        .iter()
        .map(|block| (block.kind, block.macro_name(), block.line))
        .collect();
    assert_eq!(
        found,
        [
            (BlockKind::Macro, "one".into(), 2),
            (
                BlockKind::Materialization,
                "materialization_table_postgres".into(),
                6
            ),
            (
                BlockKind::Materialization,
                "materialization_view_default".into(),
                9
            ),
            (BlockKind::Test, "test_unique".into(), 10),
            (BlockKind::Test, "test_positive".into(), 11),
            (BlockKind::Snapshot, "orders".into(), 12),
            (BlockKind::Docs, "orders".into(), 13),
        ]
    );
    let parameters: Vec<_> = blocks[0]
        .parameters
        .iter()
        .map(|parameter| {
            (
                &*parameter.name,
                parameter.default.as_deref(),
                parameter.annotation.as_deref(),
            )
        })
        .collect();
    assert_eq!(
        parameters,
        [
            ("a", None, None),
            ("b", Some("['x', \"y\"]"), Some("list[str]")),
            ("c", Some("none"), None)
        ]
    );
    assert_eq!(template.body_of(&blocks[0]), "\n  body {{ a }}\n");
    assert!(
        blocks[0]
            .span
            .of(template.source())
            .starts_with("{% macro one(")
    );
    assert!(
        blocks[0]
            .span
            .of(template.source())
            .ends_with("{%- endmacro %}")
    );
    assert_eq!(blocks[1].span.of(template.source()).lines().count(), 3);
    assert!(
        blocks[1]
            .span
            .of(template.source())
            .ends_with("endmaterialization -%}")
    );
    assert_eq!(
        blocks[1].supported_languages.as_deref().unwrap(),
        [std::sync::Arc::from("sql"), "python".into()]
    );
    assert_eq!(template.body_of(&blocks[4]), "select 2");
    assert_eq!(template.body_of(&blocks[5]), "{{ config(a=1) }} select 3");
    assert_eq!(template.body_of(&blocks[6]), "{{ broken {% if %}");
}

#[test]
fn blocks_within_macros_are_their_own_affair() {
    let template = Template::parse(
        "x",
        "{% macro outer() %}{% macro inner() %}{% endmacro %}{% endmacro %}{% if a %}{% macro other() %}{% endmacro %}{% endif %}{# {% macro no() %} #}{% raw %}{% macro no() %}{% endraw %}",
    )
    .unwrap();
    let names: Vec<_> = template.blocks().iter().map(|block| &*block.name).collect();
    assert_eq!(names, ["outer", "other"]);
}

#[test]
fn free_names_are_told() {
    let template = Template::parse(
        "x",
        "{% set a = b %}{% macro m(p) %}{{ p }}{{ q.attr }}{{ adapter.dispatch('x') }}{% endmacro %}{{ a|upper }}{% for i in items %}{{ i }}{{ loop.index }}{% endfor %}",
    )
    .unwrap();
    let names: Vec<_> = template.free_names().map(|name| &**name).collect();
    assert_eq!(names, ["b", "q", "adapter", "items"]);
}

#[test]
fn plain_text_is_known_as_such() {
    assert!(
        Template::parse("x", "select 1 {# no #}")
            .unwrap()
            .is_plain()
    );
    assert!(!Template::parse("x", "select {{ 1 }}").unwrap().is_plain());
}
