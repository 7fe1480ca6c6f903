//! The order of a project.

use std::collections::HashSet;

use weir_model::graph::{Graph, Queue, is_test};

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
    let graph = Graph::new(&parsed.manifest).with_test_edges(is_test);
    let mut queue = Queue::new(graph.clone());
    let mut order = Vec::new();
    while let Some(id) = queue.take() {
        queue.done(&id);
        order.push(id.as_str().split('.').take(3).collect::<Vec<_>>().join("."));
    }
    assert_eq!(
        order,
        [
            "seed.shop.raw",
            "model.shop.a",
            "test.shop.not_null_a_id",
            "model.shop.b"
        ]
    );
    let chosen: HashSet<_> = graph
        .ids()
        .iter()
        .filter(|id| !id.as_str().contains(".a"))
        .cloned()
        .collect();
    assert_eq!(graph.subset(&chosen).levels().len(), 3);
}
