//! `--select`, `--exclude`, selectors.yml and `state:`.

use weir_model::artifact::{PreviousState, manifest_text};
use weir_model::graph::Graph;
use weir_model::node::ResourceKind;
use weir_model::parse::Parsed;
use weir_model::select::{Indirect, Listing, Selector, Selectors, Spec, list};

use crate::fixture::Fixture;

fn shop() -> Fixture {
    Fixture::new(
        "models:\n  shop:\n    marts:\n      +materialized: table\n      +tags: [nightly]\n",
    )
    .file("seeds/raw.csv", "id\n1\n")
    .file("models/staging/stg_a.sql", "select * from {{ ref('raw') }}")
    .file(
        "models/staging/stg_b.sql",
        "select * from {{ source('ext', 'events') }}",
    )
    .file(
        "models/marts/orders.sql",
        "select * from {{ ref('stg_a') }} join {{ ref('stg_b') }}",
    )
    .file(
        "models/marts/totals.sql",
        "select {{ one() }} from {{ ref('orders') }}",
    )
    .file(
        "macros/one.sql",
        "{% macro one() %}{{ two() }}{% endmacro %}{% macro two() %}1{% endmacro %}",
    )
    .file(
        "tests/both.sql",
        "select * from {{ ref('stg_a') }} join {{ ref('stg_b') }}",
    )
    .file(
        "models/schema.yml",
        "sources: [{name: ext, tables: [{name: events}]}]
models:
  - name: stg_a
    config: {meta: {owner: anna}}
    columns: [{name: id, tests: [unique]}]
exposures:
  - {name: board, type: dashboard, owner: {name: Anna}, depends_on: [ref('totals')]}
",
    )
    .file(
        "selectors.yml",
        "selectors:
  - name: most
    default: true
    definition:
      union:
        - method: tag
          value: nightly
          parents: true
          parents_depth: 1
        - exclude: [stg_b]
  - {name: again, definition: {method: selector, value: most}}
",
    )
}

fn chosen(
    parsed: &Parsed,
    fixture: &Fixture,
    select: &str,
    exclude: &str,
    indirect: Indirect,
) -> Vec<String> {
    let selectors = Selectors::read(fixture.path(), indirect).expect("is readable");
    let graph = Graph::new(&parsed.manifest);
    let selector = Selector::new(&parsed.manifest, &graph, &selectors, None);
    let spec =
        Spec::read(&[select.to_owned()], &[exclude.to_owned()], indirect).expect("is a selection");
    let selected = selector.select(&spec, |_| true).expect("is a selection");
    let mut names = list(&parsed.manifest, &selected.ids, &Listing::Name);
    names.sort();
    names
}

#[test]
fn methods_and_operators_choose() {
    let fixture = shop();
    let parsed = fixture.parse();
    let none: &[&str] = &[];
    for (select, exclude, wanted) in [
        ("stg_a", "", &["both", "stg_a", "unique_stg_a_id"][..]),
        ("orders+1", "", &["orders", "totals"]),
        (
            "1+orders",
            "test_type:generic",
            &["both", "orders", "stg_a", "stg_b"],
        ),
        ("tag:nightly", "", &["orders", "totals"]),
        ("config.materialized:table,totals+", "", &["totals"]),
        ("config.meta.owner:anna", "resource_type:test", &["stg_a"]),
        (
            "path:models/staging",
            "test_type:singular test_type:generic",
            &["stg_a", "stg_b"],
        ),
        ("file:orders.sql", "", &["orders"]),
        ("models/marts/*.sql", "", &["orders", "totals"]),
        ("source:ext", "", &["ext.events"]),
        (
            "source:ext.*+1",
            "resource_type:test",
            &["ext.events", "stg_b"],
        ),
        ("exposure:board", "", &["board"]),
        (
            "+exposure:board",
            "resource_type:test resource_type:seed staging.stg_*",
            &["board", "ext.events", "orders", "totals"],
        ),
        ("test_name:unique", "", &["unique_stg_a_id"]),
        ("staging", "resource_type:test", &["stg_a", "stg_b"]),
        ("shop.marts.*", "", &["orders", "totals"]),
        (
            "@stg_b",
            "resource_type:test",
            &[
                "board",
                "ext.events",
                "orders",
                "raw",
                "stg_a",
                "stg_b",
                "totals",
            ],
        ),
        (
            "selector:most",
            "",
            &["orders", "stg_a", "totals", "unique_stg_a_id"],
        ),
        (
            "selector:again",
            "resource_type:test",
            &["orders", "stg_a", "totals"],
        ),
        ("access:public", "", none),
        ("package:this,resource_type:seed", "", &["raw"]),
    ] {
        assert_eq!(
            chosen(&parsed, &fixture, select, exclude, Indirect::Eager),
            wanted,
            "{select} - {exclude}"
        );
    }
}

#[test]
fn tests_come_along_as_told() {
    let fixture = shop();
    let parsed = fixture.parse();
    for (indirect, wanted) in [
        (Indirect::Eager, &["both", "stg_a", "unique_stg_a_id"][..]),
        (Indirect::Cautious, &["stg_a", "unique_stg_a_id"]),
        (Indirect::Buildable, &["stg_a", "unique_stg_a_id"]),
        (Indirect::Empty, &["stg_a"]),
    ] {
        assert_eq!(
            chosen(&parsed, &fixture, "stg_a", "", indirect),
            wanted,
            "{indirect:?}"
        );
    }
    assert_eq!(
        chosen(&parsed, &fixture, "stg_a stg_b", "", Indirect::Cautious),
        ["both", "stg_a", "stg_b", "unique_stg_a_id"]
    );
    assert!(
        chosen(&parsed, &fixture, "orders", "", Indirect::Buildable).contains(&"orders".to_owned())
    );
}

#[test]
fn state_tells_what_changed_and_how() {
    let fixture = shop();
    let before = fixture.parse();
    let state = tempfile::tempdir().expect("makes a folder");
    std::fs::write(
        state.path().join("manifest.json"),
        manifest_text(&before.manifest),
    )
    .expect("writes");
    let fixture = fixture
        .file("models/staging/stg_a.sql", "select 2 from {{ ref('raw') }}")
        .file("models/marts/fresh.sql", "select 1")
        .file(
            "macros/one.sql",
            "{% macro one() %}{{ two() }}{% endmacro %}{% macro two() %}2{% endmacro %}",
        )
        .file(
            "models/marts/orders.sql",
            "{{ config(schema='x') }}select * from {{ ref('stg_a') }} join {{ ref('stg_b') }}",
        );
    let parsed = fixture.parse();
    let previous = PreviousState::read(state.path()).expect("is an artifact");
    let selectors = Selectors::default();
    let graph = Graph::new(&parsed.manifest);
    let selector = Selector::new(&parsed.manifest, &graph, &selectors, Some(&previous));
    for (select, wanted) in [
        ("state:new", &["fresh"][..]),
        ("state:modified", &["fresh", "orders", "stg_a", "totals"]),
        ("state:modified.body", &["orders", "stg_a"]),
        ("state:modified.relation", &["orders"]),
        ("state:modified.macros", &["totals"]),
        ("state:modified.configs", &[]),
        ("state:unmodified,resource_type:model", &["stg_b"]),
    ] {
        let spec = Spec::read(&[select.to_owned()], &[], Indirect::Empty).expect("is a selection");
        let ids = selector
            .select(&spec, |kind| kind == ResourceKind::Model)
            .expect("is a selection")
            .ids;
        let mut names = list(&parsed.manifest, &ids, &Listing::Name);
        names.sort();
        assert_eq!(names, wanted, "{select}");
    }
}

#[test]
fn wrong_words_get_suggestions() {
    let fixture = shop();
    let parsed = fixture.parse();
    let selectors = Selectors::default();
    let graph = Graph::new(&parsed.manifest);
    let selector = Selector::new(&parsed.manifest, &graph, &selectors, None);
    let read =
        |word: &str| Spec::read(&[word.to_owned()], &[], Indirect::Eager).expect("is a selection");
    let error = selector
        .select(&read("tagg:x"), |_| true)
        .expect_err("is no method");
    assert_eq!(error.hint_text(), Some("did you mean `tag:`?"));
    let error = selector
        .select(&read("state:new"), |_| true)
        .expect_err("has no state");
    assert!(
        error
            .hint_text()
            .is_some_and(|hint| hint.contains("--state"))
    );
    let selected = selector
        .select(&read("ordrs"), |_| true)
        .expect("is a selection");
    assert!(selected.ids.is_empty());
    assert_eq!(
        selected.warnings[0].hint_text(),
        Some("did you mean `orders`?")
    );
}

#[test]
fn lists_have_four_forms() {
    let fixture = shop();
    let parsed = fixture.parse();
    let ids = [
        "model.shop.orders".into(),
        "source.shop.ext.events".into(),
        "exposure.shop.board".into(),
    ];
    let lines = |form| list(&parsed.manifest, &ids, &form);
    assert_eq!(lines(Listing::Name), ["orders", "ext.events", "board"]);
    assert_eq!(
        lines(Listing::Selector),
        [
            "shop.marts.orders",
            "source:shop.ext.events",
            "exposure:shop.board"
        ]
    );
    assert_eq!(lines(Listing::Path)[0], "models/marts/orders.sql");
    let keys = vec!["name".to_owned(), "config.materialized".to_owned()];
    assert_eq!(
        lines(Listing::Json(keys))[0],
        r#"{"name":"orders","config.materialized":"table"}"#
    );
}
