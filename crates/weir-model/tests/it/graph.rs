//! The order of a project.

use weir_model::graph::Graph;

use crate::fixture::Fixture;

#[test]
fn everything_comes_after_what_it_needs() {
    let parsed = Fixture::new("")
        .file("seeds/raw.csv", "id\n1\n")
        .file("models/a.sql", "select * from {{ ref('raw') }}")
        .file("models/b.sql", "select * from {{ ref('a') }}")
        .file(
            "models/schema.yml",
            "models:\n  - name: a\n    columns: [{name: id, tests: [not_null]}]\n",
        )
        .parse();
    let order: Vec<String> = Graph::new(&parsed.manifest)
        .sorted()
        .iter()
        .map(|id| id.as_str().split('.').take(3).collect::<Vec<_>>().join("."))
        .filter(|id| !id.starts_with("test."))
        .collect();
    assert_eq!(order, ["seed.shop.raw", "model.shop.a", "model.shop.b"]);
}
