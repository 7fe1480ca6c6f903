//! What this Weir remembers of earlier builds, and what it is told of new ones.

use std::collections::{BTreeSet, HashMap};

use reqwest::Method;
use serde_json::{Map, Value, json};
use weir_model::node::{Manifest, UniqueId};
use weir_model::run::{Earlier, EarlierBuild, NodeResult, Report, Status};

use super::check::Checked;
use super::warehouse::WeirWarehouse;
use crate::failure::{Explain, Failure};

/// The notes about a project's relations, by node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    standing: HashMap<UniqueId, Value>,
    /// What queries name besides what they refer to, as `schema.name`.
    named: HashMap<UniqueId, Vec<String>>,
    varies: HashMap<UniqueId, Vec<String>>,
    /// Whether what is built now may be taken for the whole: not with a part of the rows only.
    is_whole: bool,
}

impl Notes {
    /// Asks for the notes about the relations of a project.
    pub(crate) async fn read(
        manifest: &Manifest,
        weir: &WeirWarehouse,
        checked: Option<&Checked>,
        is_whole: bool,
    ) -> Result<Self, Failure> {
        let answer = weir.call(Method::GET, "/api/v1/builds", json!({})).await;
        let answer = answer.explain(|| "cannot ask what was built before".into())?;
        let builds = answer["builds"].as_array().cloned().unwrap_or_default();
        let mut standing = HashMap::with_capacity(builds.len());
        for build in builds {
            let text = |key: &str| build[key].as_str().unwrap_or_default().to_owned();
            let id = UniqueId::from(build["build"]["node"].as_str().unwrap_or_default());
            // Of several environments this one's.
            let is_here = manifest
                .nodes
                .get(&id)
                .is_some_and(|node| node.schema == text("schema") && node.alias == text("name"));
            if is_here {
                standing.insert(id, build);
            }
        }
        let planned = checked.map_or(&[][..], |checked| &checked.planned);
        let texts = |key: &str| -> HashMap<UniqueId, Vec<String>> {
            let lists = planned.iter().map(|(id, found)| {
                let list = found[key].as_array().into_iter().flatten();
                let list = list.filter_map(Value::as_str).map(str::to_owned);
                (id.clone(), list.collect())
            });
            lists.collect()
        };
        Ok(Self {
            standing,
            named: texts("reads"),
            varies: texts("varies"),
            is_whole,
        })
    }

    /// Returns what a run needs, to leave out what cannot have changed.
    pub(crate) fn earlier(&self) -> Earlier {
        let builds = self.standing.iter().filter_map(|(id, standing)| {
            let build = &standing["build"];
            let passed = build["tests"].as_object().into_iter().flatten();
            let passed = passed.filter(|(_, test)| test["status"] == "pass");
            let changed = standing["changed"].as_array().into_iter().flatten();
            let known = EarlierBuild {
                code: build["code"].as_str()?.to_owned(),
                intact: standing["intact"] == true,
                changed: changed
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect(),
                passed: passed
                    .filter_map(|(test, found)| {
                        Some((
                            UniqueId::from(test.as_str()),
                            found["code"].as_str()?.to_owned(),
                        ))
                    })
                    .collect(),
            };
            Some((id.clone(), known))
        });
        Earlier {
            builds: builds.collect(),
            varies: self.varies.clone(),
        }
    }

    /// Returns what is to be remembered of a run: of relations that were built what they were built
    /// from, of others which tests they passed now.
    pub(crate) fn of_run(&self, manifest: &Manifest, report: &Report) -> Vec<Value> {
        let built = report
            .results
            .iter()
            .filter(|result| result.status == Status::Success && result.relation_name.is_some());
        built
            .filter_map(|result| match result.reused {
                true => self.retested(manifest, result, report),
                false => self.built(manifest, result, report),
            })
            .collect()
    }

    fn built(&self, manifest: &Manifest, result: &NodeResult, report: &Report) -> Option<Value> {
        let node = manifest.nodes.get(&result.id)?;
        let made = &result.provenance;
        let reads: Vec<&str> = made.reads.iter().map(|id| id.as_str()).collect();
        let mut build = json!({
            "node": result.id.as_str(),
            "sql_hash": made.sql_hash,
            "reads": reads,
            "tests": tests_of(&result.id, report),
        });
        if self.is_whole {
            build["code"] = json!(made.code);
        }
        Some(json!({
            "schema": node.schema,
            "name": node.alias,
            "build": build,
            "reads": self.relations(manifest, &result.id, &made.reads),
        }))
    }

    fn retested(&self, manifest: &Manifest, result: &NodeResult, report: &Report) -> Option<Value> {
        let node = manifest.nodes.get(&result.id)?;
        let mut build = self.standing.get(&result.id)?["build"].clone();
        let known = build["tests"].as_object().cloned().unwrap_or_default();
        let mut tests = known.clone();
        tests.extend(tests_of(&result.id, report));
        if tests == known {
            return None;
        }
        build["tests"] = tests.into();
        Some(json!({ "schema": node.schema, "name": node.alias, "build": build }))
    }

    /// Returns all tables and views that a node reads.
    fn relations(&self, manifest: &Manifest, id: &UniqueId, reads: &[UniqueId]) -> Vec<Value> {
        let mut found: BTreeSet<(String, String)> = BTreeSet::new();
        let mut waiting: Vec<&UniqueId> = reads.iter().collect();
        while let Some(id) = waiting.pop() {
            if let Some(source) = manifest.sources.get(id) {
                found.insert((source.schema.clone(), source.identifier.clone()));
            }
            match manifest.nodes.get(id) {
                Some(node) if node.is_ephemeral() => waiting.extend(&node.depends_on.nodes),
                Some(node) => {
                    found.insert((node.schema.clone(), node.alias.clone()));
                }
                None => {}
            }
        }
        let named = self.named.get(id).into_iter().flatten();
        found.extend(named.filter_map(|name| {
            let (schema, name) = name.split_once('.')?;
            Some((schema.to_owned(), name.to_owned()))
        }));
        let found = found.into_iter();
        found
            .map(|(schema, name)| json!({ "schema": schema, "name": name }))
            .collect()
    }
}

/// Returns how the tests of a node ended that did not fail.
fn tests_of(id: &UniqueId, report: &Report) -> Map<String, Value> {
    let tests = report.results.iter().filter(|test| {
        matches!(test.status, Status::Pass | Status::Warn) && test.provenance.reads.contains(id)
    });
    tests
        .map(|test| {
            let ended = json!({ "status": test.status.as_str(), "code": test.provenance.code });
            (test.id.as_str().to_owned(), ended)
        })
        .collect()
}
