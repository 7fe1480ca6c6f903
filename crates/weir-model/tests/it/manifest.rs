//! The shape of what other tools read.

use serde_json::json;
use weir_model::artifact::{catalog_json, manifest_text, run_results_json, semantic_manifest_json};
use weir_model::node::ResourceKind;
use weir_model::run::{CatalogTable, NodeResult, Provenance, Report, Status};
use weir_model::warehouse::{ColumnInfo, RelationInfo, RelationKind, RelationName};

use crate::fixture::Fixture;

#[test]
fn the_manifest_is_of_version_twelve() {
    let parsed = Fixture::new("")
        .file("models/a.sql", "select 1 as id")
        .file("models/b.sql", "select * from {{ ref('a') }}")
        .file(
            "models/schema.yml",
            "models:\n  - name: a\n    columns: [{name: id, tests: [unique]}]\n",
        )
        .parse();
    let json: serde_json::Value = serde_json::from_str(&manifest_text(&parsed.manifest)).unwrap();
    let sections: Vec<&String> = json.as_object().expect("is a mapping").keys().collect();
    for section in [
        "metadata",
        "nodes",
        "sources",
        "macros",
        "docs",
        "exposures",
        "metrics",
        "groups",
        "selectors",
        "disabled",
        "parent_map",
        "child_map",
        "group_map",
        "saved_queries",
        "semantic_models",
        "unit_tests",
        "functions",
    ] {
        assert!(sections.iter().any(|known| *known == section), "{section}");
    }
    assert_eq!(
        json["metadata"]["dbt_schema_version"],
        "https://schemas.getdbt.com/dbt/manifest/v12.json"
    );
    assert_eq!(
        json["metadata"]["project_id"].as_str().map(str::len),
        Some(32)
    );
    assert_eq!(json["parent_map"]["model.shop.b"], json!(["model.shop.a"]));
    assert_eq!(
        json["child_map"]["model.shop.a"].as_array().map(Vec::len),
        Some(2)
    );
    let a = &json["nodes"]["model.shop.a"];
    assert_eq!(a["checksum"]["name"], "sha256");
    assert_eq!(a["primary_key"], json!(["id"]));
    assert_eq!(a["config"]["on_schema_change"], "ignore");
    assert!(a.get("compiled").is_none());
    let macros = &json["macros"]["macro.dbt.is_incremental"];
    assert!(
        macros["macro_sql"]
            .as_str()
            .is_some_and(|sql| sql.starts_with("{%"))
    );
}

#[test]
fn the_same_files_give_the_same_manifest() {
    let mut fixture = Fixture::new("");
    for number in 0..200 {
        fixture = fixture.file(
            &format!("models/m{number}.sql"),
            "select '{{ var(\"x\", 1) }}'",
        );
    }
    let once = manifest_text(&fixture.parse().manifest);
    assert_eq!(manifest_text(&fixture.parse().manifest), once);
}

#[test]
fn results_and_catalog_have_their_keys() {
    let parsed = Fixture::new("").file("models/a.sql", "select 1").parse();
    let now = chrono::DateTime::UNIX_EPOCH;
    let result = NodeResult {
        id: "model.shop.a".into(),
        kind: ResourceKind::Model,
        status: Status::Success,
        message: None,
        error: None,
        failures: None,
        response: serde_json::Map::new(),
        timing: Vec::new(),
        thread: "Thread-1".into(),
        seconds: 1.0,
        compiled_code: None,
        compiled_path: None,
        relation_name: None,
        batches: None,
        provenance: Provenance::default(),
        reused: false,
        reason: None,
    };
    let report = Report {
        results: vec![result],
        started_at: now,
        seconds: 1.5,
        cancelled: false,
    };
    let args = serde_json::Map::new();
    let json = run_results_json(&parsed.manifest, &report, &args, "2024-01-01T00:00:00Z");
    assert_eq!(json["elapsed_time"], 1.5);
    assert_eq!(json["results"][0]["unique_id"], "model.shop.a");
    assert_eq!(
        json["metadata"]["dbt_schema_version"],
        "https://schemas.getdbt.com/dbt/run-results/v6.json"
    );
    let table = CatalogTable {
        id: "model.shop.a".into(),
        relation: RelationInfo {
            name: RelationName {
                database: None,
                schema: "main".into(),
                name: "a".into(),
            },
            kind: RelationKind::View,
        },
        columns: vec![ColumnInfo {
            name: "id".into(),
            data_type: "bigint".into(),
            char_size: None,
            numeric_precision: None,
            numeric_scale: None,
        }],
    };
    let json = catalog_json(&parsed.manifest, &[table], "2024-01-01T00:00:00Z");
    assert_eq!(json["nodes"]["model.shop.a"]["metadata"]["type"], "VIEW");
    assert_eq!(json["nodes"]["model.shop.a"]["columns"]["id"]["index"], 1);
    assert!(semantic_manifest_json(&parsed.manifest)["metrics"].is_array());
}
