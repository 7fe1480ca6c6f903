use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::env::{command, stderr, stdout};

/// A dbt project in a folder of its own, in no Weir project.
pub(super) struct Project {
    _dir: tempfile::TempDir,
    pub(super) folder: PathBuf,
}

impl Project {
    pub(super) fn new(files: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("shop");
        let project = Self { _dir: dir, folder };
        project.write(
            "dbt_project.yml",
            "name: shop\nversion: '1.0'\nprofile: shop\n",
        );
        for (name, text) in files {
            project.write(name, text);
        }
        project
    }

    /// A shop with a seed, a view, a table and tests that pass.
    pub(super) fn shop() -> Self {
        Self::new(&[
            (
                "seeds/raw_orders.csv",
                "id,customer,amount\n1,ada,10.5\n2,bob,20\n3,ada,30.25\n",
            ),
            (
                "models/orders.sql",
                "select id, customer, amount from {{ ref('raw_orders') }}\n",
            ),
            (
                "models/customers.sql",
                "{{ config(materialized='table') }}\n\
                 select customer, sum(amount) as total, count(*) as orders\n\
                 from {{ ref('orders') }} group by 1\n",
            ),
            (
                "models/schema.yml",
                "models:\n  - name: orders\n    columns:\n      - name: id\n        tests: [unique, not_null]\n  \
                 - name: customers\n    columns:\n      - name: customer\n        data_tests: [unique]\n",
            ),
        ])
    }

    pub(super) fn write(&self, name: &str, text: &str) {
        let path = self.folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(super) fn weir(&self, arguments: &[&str]) -> Output {
        command()
            .args(arguments)
            .current_dir(&self.folder)
            // No profile of whoever runs the tests.
            .env("HOME", &self.folder)
            .env_remove("WEIR_PROJECT")
            .output()
            .unwrap()
    }

    #[track_caller]
    pub(super) fn succeeds(&self, arguments: &[&str]) -> Output {
        let output = self.weir(arguments);
        let both = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {both}");
        output
    }

    #[track_caller]
    pub(super) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.weir(arguments);
        let both = format!("{}{}", stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {both}");
        both
    }

    /// Returns the rows of a query as JSON.
    #[track_caller]
    pub(super) fn rows(&self, sql: &str) -> Value {
        let output = self.succeeds(&[
            "show", "--json", "--quiet", "--limit", "-1", "--inline", sql,
        ]);
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        answer["rows"].clone()
    }

    pub(super) fn artifact(&self, name: &str) -> Value {
        let text = std::fs::read_to_string(self.folder.join("target").join(name)).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    pub(super) fn statuses(&self) -> Vec<(String, String)> {
        let results = self.artifact("run_results.json");
        let results = results["results"].as_array().unwrap().iter();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let mut all: Vec<_> = results
            .map(|r| (text(&r["unique_id"]), text(&r["status"])))
            .collect();
        all.sort();
        all
    }
}
