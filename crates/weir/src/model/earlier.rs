//! What this Weir remembers of earlier builds, and what it is told of new ones.

use std::collections::{BTreeSet, HashMap, HashSet};

use reqwest::Method;
use serde_json::{Map, Value, json};
use weir_model::node::{Manifest, UniqueId};
use weir_model::run::{Earlier, EarlierBuild, NodeResult, Report, Status, recipes};
use weir_model::warehouse::RelationName;

use super::check::Checked;
use super::opened::Opened;
use super::warehouse::WeirWarehouse;
use crate::failure::{Explain, Failure};

/// What a table or view was last built from.
#[derive(Clone, Debug)]
pub(crate) struct Build {
    pub(crate) node: UniqueId,
    pub(crate) schema: String,
    pub(crate) name: String,
    /// As it was told to the server, with `inputs` and `state` of its own.
    pub(crate) note: Value,
    intact: bool,
    changed: Vec<String>,
}

/// Asks for all builds.
pub(crate) async fn builds(weir: &WeirWarehouse) -> Result<Vec<Build>, Failure> {
    let answer = weir.call(Method::GET, "/api/v1/builds", json!({})).await;
    let answer = answer.explain(|| "cannot ask what was built before".into())?;
    let builds = answer["builds"].as_array().into_iter().flatten();
    let builds = builds.filter_map(|build| {
        let text = |key: &str| build[key].as_str().map(str::to_owned);
        Some(Build {
            node: UniqueId::from(build["build"]["node"].as_str()?),
            schema: text("schema")?,
            name: text("name")?,
            note: build["build"].clone(),
            intact: build["intact"] == true,
            changed: texts(&build["changed"]),
        })
    });
    Ok(builds.collect())
}

fn texts(list: &Value) -> Vec<String> {
    let texts = list.as_array().into_iter().flatten();
    texts.filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The notes about a project's relations, by node.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    standing: HashMap<UniqueId, Build>,
    /// See [`recipes`].
    recipes: HashMap<UniqueId, String>,
    target: String,
    /// What is read elsewhere.
    deferred: HashMap<UniqueId, RelationName>,
    /// What queries name besides what they refer to, as `schema.name`.
    named: HashMap<UniqueId, Vec<String>>,
    varies: HashMap<UniqueId, Vec<String>>,
    /// Where columns come from.
    lineage: HashMap<UniqueId, Value>,
    /// Whether what is built now may be taken for the whole: not with a part of the rows only.
    is_whole: bool,
}

impl Notes {
    /// Takes in what planning found.
    pub(crate) fn learn(&mut self, checked: &Checked) {
        for (id, found) in &checked.planned {
            self.named.insert(id.clone(), texts(&found["reads"]));
            self.varies.insert(id.clone(), texts(&found["varies"]));
            self.lineage.insert(id.clone(), found["lineage"].clone());
        }
    }

    /// Asks for the notes about the relations of a project.
    pub(crate) async fn read(
        opened: &Opened,
        weir: &WeirWarehouse,
        deferred: &HashMap<UniqueId, RelationName>,
        is_whole: bool,
    ) -> Result<Self, Failure> {
        let manifest = opened.manifest();
        let mut standing = HashMap::new();
        for build in builds(weir).await? {
            // Of several environments this one's.
            let is_here = manifest
                .nodes
                .get(&build.node)
                .is_some_and(|node| node.schema == build.schema && node.alias == build.name);
            if is_here {
                standing.insert(build.node.clone(), build);
            }
        }
        let varies = standing.iter().filter_map(|(id, build)| {
            let varies = &build.note["varies"];
            Some((id.clone(), varies.is_array().then(|| texts(varies))?))
        });
        Ok(Self {
            varies: varies.collect(),
            recipes: recipes(&opened.parsed.shared),
            target: opened.project.target.name.clone(),
            deferred: deferred.clone(),
            named: HashMap::new(),
            lineage: HashMap::new(),
            is_whole,
            standing,
        })
    }

    /// Returns what a run needs, to leave out what cannot have changed.
    pub(crate) fn earlier(&self) -> Earlier {
        let builds = self.standing.iter().filter_map(|(id, standing)| {
            let passed = standing.note["tests"].as_object().into_iter().flatten();
            let passed = passed.filter(|(_, test)| test["status"] == "pass");
            let known = EarlierBuild {
                code: standing.note["code"].as_str()?.to_owned(),
                intact: standing.intact,
                changed: standing.changed.clone(),
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
        let done = || {
            let results = report.results.iter();
            results
                .filter(|result| result.status == Status::Success && result.relation_name.is_some())
        };
        let built: HashSet<String> = done()
            .filter(|result| !result.reused)
            .filter_map(|result| manifest.nodes.get(&result.id))
            .map(|node| format!("{}.{}", node.schema, node.alias))
            .collect();
        done()
            .filter_map(|result| match result.reused {
                true => self.seen_again(manifest, result, report, &built),
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
            "target": self.target,
        });
        if let Some(lineage) = self.lineage.get(&result.id) {
            build["lineage"] = lineage.clone();
        }
        if let Some(varies) = self.varies.get(&result.id) {
            build["varies"] = json!(varies);
        }
        if self.is_whole {
            build["code"] = json!(made.code);
            build["recipe"] = json!(self.recipes.get(&result.id));
        }
        Some(json!({
            "schema": node.schema,
            "name": node.alias,
            "build": build,
            "reads": self.relations(manifest, &result.id, &made.reads),
        }))
    }

    /// Returns what is new of a relation that was not built again: tests it passed now, and, where it
    /// is a view, the state of what it shows.
    fn seen_again(
        &self,
        manifest: &Manifest,
        result: &NodeResult,
        report: &Report,
        built: &HashSet<String>,
    ) -> Option<Value> {
        let node = manifest.nodes.get(&result.id)?;
        let standing = self.standing.get(&result.id)?;
        let mut build = standing.note.clone();
        let below: Vec<&String> = build["inputs"].as_object()?.keys().collect();
        let is_other = node.config.materialized() == "view"
            && (!standing.changed.is_empty() || below.iter().any(|name| built.contains(*name)));
        let reads = below.into_iter().filter_map(|name| {
            let (schema, name) = name.split_once('.')?;
            Some(json!({ "schema": schema, "name": name }))
        });
        let reads: Option<Vec<Value>> = is_other.then(|| reads.collect());
        let known = build["tests"].as_object().cloned().unwrap_or_default();
        let mut tests = tests_of(&result.id, report);
        if reads.is_none() {
            // These rows passed them before.
            for (test, ended) in &known {
                tests.entry(test).or_insert_with(|| ended.clone());
            }
        }
        if tests == known && reads.is_none() {
            return None;
        }
        build["tests"] = tests.into();
        Some(json!({
            "schema": node.schema,
            "name": node.alias,
            "build": build,
            "reads": reads,
        }))
    }

    /// Returns all tables and views that a node reads.
    fn relations(&self, manifest: &Manifest, id: &UniqueId, reads: &[UniqueId]) -> Vec<Value> {
        let mut found: BTreeSet<(String, String)> = BTreeSet::new();
        let mut waiting: Vec<&UniqueId> = reads.iter().collect();
        while let Some(id) = waiting.pop() {
            if let Some(source) = manifest.sources.get(id) {
                found.insert((source.schema.clone(), source.identifier.clone()));
            }
            if let Some(elsewhere) = self.deferred.get(id) {
                found.insert((elsewhere.schema.clone(), elsewhere.name.clone()));
                continue;
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
