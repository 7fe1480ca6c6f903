//! From a dbt project and steps to assets: what is a step, what waits for what, and which tests go with which step.

use std::collections::{BTreeSet, HashMap, HashSet};

use chrono::NaiveDate;
use indexmap::IndexMap;
use weir_catalog::Rollup;
use weir_flow::{Asset, AssetId, AssetKind, Partitioning, SOURCE_POOL, Span, TableId};
use weir_model::graph::Graph;
use weir_model::node::{Manifest, Node, ResourceKind, UniqueId};

use super::fetched::Fetched;
use super::rollup::{asset_of, table_of};
use super::step::Declared;

/// What a project's nodes are to runs.
///
/// A step is one model, seed or snapshot together with the tests that judge it: a test goes with the
/// last of what it reads to be built, which waits for the others. Tests of sources alone are steps of
/// their own, before what reads those sources.
#[derive(Clone, Debug, Default)]
pub(super) struct Assets {
    pub(super) assets: IndexMap<AssetId, Asset>,
    /// By test, the steps whose tables it reads, the last to be built at the end.
    tests: IndexMap<UniqueId, Vec<AssetId>>,
    /// By asset, the table or view it is.
    tables: HashMap<AssetId, TableId>,
    /// By step of another language and by rollup, the tables and filesets it reads and makes.
    steps: HashMap<AssetId, Files>,
    /// What rows are fetched from.
    pub(super) fetched: IndexMap<AssetId, Fetched>,
}

#[derive(Clone, Debug)]
struct Files {
    reads: BTreeSet<TableId>,
    makes: BTreeSet<TableId>,
}

impl Assets {
    pub(super) fn of(manifest: &Manifest, steps: &[Declared], fetched: &[Fetched]) -> Self {
        let graph = Graph::new(manifest);
        let order = graph.sorted();
        let rank: HashMap<&UniqueId, usize> =
            order.iter().enumerate().map(|(at, id)| (id, at)).collect();
        let mut all = Self::default();
        for source in manifest.sources.values() {
            let id = asset_id(&source.id);
            all.tables.insert(
                id.clone(),
                TableId::new(format!("{}.{}", source.schema, source.identifier)),
            );
            all.assets
                .insert(id.clone(), Asset::new(id, AssetKind::Source));
        }
        for id in &order {
            let Some(node) = manifest.nodes.get(id).filter(|node| is_step(node)) else {
                continue;
            };
            all.add_step(manifest, node);
        }
        let tests = manifest.nodes.values();
        let tests = tests.filter(|node| node.kind == ResourceKind::Test);
        let tests = tests.map(|test| (test.id.clone(), built_by(manifest, &test.id)));
        let unit = manifest.unit_tests.values().map(|test| {
            let tested = test.tested_node.iter().cloned().collect();
            (test.id.clone(), tested)
        });
        let tests: Vec<(UniqueId, BTreeSet<UniqueId>)> = tests.chain(unit).collect();
        for (test, read) in tests {
            let mut read: Vec<&UniqueId> = read
                .iter()
                .filter(|id| manifest.nodes.get(*id).is_some_and(|node| is_step(node)))
                .collect();
            read.sort_by_key(|id| rank.get(id).copied());
            all.add_test(manifest, &test, &read);
        }
        all.add_commands(steps);
        all.add_fetched(fetched);
        all
    }

    /// Adds sources that rows are fetched from: before what the models call by their tables, and before
    /// steps that read these.
    fn add_fetched(&mut self, fetched: &[Fetched]) {
        for source in fetched {
            let id = source.asset();
            for asset in self.assets.values_mut() {
                let is_its = asset.kind == AssetKind::Source
                    && self
                        .tables
                        .get(&asset.id)
                        .is_some_and(|table| source.has(table));
                let reads = self
                    .steps
                    .get(&asset.id)
                    .is_some_and(|files| files.reads.iter().any(|table| source.has(table)));
                if is_its || reads {
                    asset.inputs.push(id.clone());
                }
            }
            let asset = Asset::new(id.clone(), AssetKind::Source).in_pool(SOURCE_POOL);
            self.assets.insert(id.clone(), asset);
            self.fetched.insert(id, source.clone());
        }
    }

    /// Returns the table below a view of ours: the one that changes.
    pub(super) fn beneath(&self, table: TableId) -> TableId {
        if let Some(source) = self.fetched.values().find(|source| source.has(&table)) {
            return source.changelog(&table);
        }
        match table.as_str().strip_suffix(".users") {
            Some(schema) => TableId::new(format!("{schema}.identifies")),
            None => table,
        }
    }

    /// Whether some steps change a table by fetching it.
    pub(super) fn fetch(&self, steps: &HashSet<AssetId>, table: &TableId) -> bool {
        let mut fetched = self.fetched.iter().filter(|(id, _)| steps.contains(*id));
        fetched.any(|(_, source)| source.has(table))
    }

    /// Adds steps of other languages: each after what makes its inputs, and before what reads its
    /// outputs as a source.
    fn add_commands(&mut self, steps: &[Declared]) {
        let mut makers: HashMap<TableId, AssetId> = HashMap::new();
        for (asset, table) in &self.tables {
            makers.insert(table.clone(), asset.clone());
        }
        let mut made: HashMap<TableId, AssetId> = HashMap::new();
        for step in steps {
            made.extend(step.makes().into_iter().map(|table| (table, step.asset())));
        }
        for asset in self.assets.values_mut() {
            let sources = asset
                .inputs
                .iter()
                .filter_map(|input| self.tables.get(input));
            let mut before: Vec<AssetId> = sources
                .filter_map(|table| made.get(table).cloned())
                .collect();
            before.retain(|step| !asset.inputs.contains(step));
            asset.inputs.extend(before);
        }
        makers.extend(made);
        for step in steps {
            let files = Files {
                reads: step.reads(),
                makes: step.makes(),
            };
            let id = step.asset();
            let before: BTreeSet<AssetId> = files
                .reads
                .iter()
                .filter_map(|table| makers.get(table).cloned())
                .collect();
            let asset = Asset::new(id.clone(), AssetKind::Command).after(before);
            self.assets.insert(id.clone(), asset);
            self.steps.insert(id, files);
        }
    }

    /// Returns the model, seed or snapshot that is a table.
    pub(super) fn model_of(&self, table: &TableId) -> Option<&AssetId> {
        let found = self.tables.iter().find(|(_, of)| *of == table);
        let found = found.map(|(asset, _)| asset);
        found.filter(|asset| {
            let asset = self.assets.get(*asset);
            asset.is_some_and(|asset| asset.kind == AssetKind::Model)
        })
    }

    /// Returns what makes a table: a model, seed, snapshot, step or rollup.
    pub(super) fn maker_of(&self, table: &TableId) -> Option<&AssetId> {
        let made = self.steps.iter().find(|(_, of)| of.makes.contains(table));
        self.model_of(table).or(made.map(|(asset, _)| asset))
    }

    /// Adds rollups: each after what makes what it reads, and before what reads its table.
    pub(super) fn add_rollups(&mut self, rollups: &[Rollup]) {
        let made: HashMap<TableId, AssetId> = rollups
            .iter()
            .map(|rollup| (table_of(rollup), asset_of(rollup)))
            .collect();
        for (id, asset) in &mut self.assets {
            let sources = asset
                .inputs
                .iter()
                .filter_map(|input| self.tables.get(input));
            let files = self.steps.get(id).into_iter().flat_map(|of| &of.reads);
            let before: BTreeSet<AssetId> = sources
                .chain(files)
                .filter_map(|table| made.get(table).cloned())
                .collect();
            asset.inputs.extend(before);
        }
        let mut makers: HashMap<TableId, AssetId> = HashMap::new();
        for (asset, table) in &self.tables {
            makers.insert(table.clone(), asset.clone());
        }
        for (asset, files) in &self.steps {
            makers.extend(
                files
                    .makes
                    .iter()
                    .map(|table| (table.clone(), asset.clone())),
            );
        }
        makers.extend(made);
        for rollup in rollups {
            let named = rollup.reads.iter().chain(&rollup.follows);
            let files = Files {
                reads: named.cloned().map(TableId::new).collect(),
                makes: BTreeSet::from([table_of(rollup)]),
            };
            let before: BTreeSet<AssetId> = files
                .reads
                .iter()
                .filter_map(|table| makers.get(table).cloned())
                .collect();
            let id = asset_of(rollup);
            let asset = Asset::new(id.clone(), AssetKind::Query).after(before);
            self.assets.insert(id.clone(), asset);
            self.steps.insert(id, files);
        }
    }

    fn add_step(&mut self, manifest: &Manifest, node: &Node) {
        let id = asset_id(&node.id);
        let read = built_by(manifest, &node.id);
        let mut asset = Asset::new(id.clone(), AssetKind::Model).after(read.iter().map(asset_id));
        asset.inputs.retain(|input| self.assets.contains_key(input));
        asset.partitioning = partitioning(node);
        self.tables.insert(
            id.clone(),
            TableId::new(format!("{}.{}", node.schema, node.alias)),
        );
        self.assets.insert(id, asset);
    }

    fn add_test(&mut self, manifest: &Manifest, test: &UniqueId, read: &[&UniqueId]) {
        let Some((last, others)) = read.split_last() else {
            return self.add_lone_test(manifest, test);
        };
        if let Some(asset) = self.assets.get_mut(&asset_id(last)) {
            // In the order in which everything is built: no circle can come of it.
            asset.inputs.extend(others.iter().map(|id| asset_id(id)));
        }
        let steps = read.iter().map(|id| asset_id(id)).collect();
        self.tests.insert(test.clone(), steps);
    }

    /// Adds a test of sources, or of nothing: what reads those sources waits for it.
    fn add_lone_test(&mut self, manifest: &Manifest, test: &UniqueId) {
        let id = asset_id(test);
        let sources: Vec<AssetId> = built_by(manifest, test).iter().map(asset_id).collect();
        let asset = Asset::new(id.clone(), AssetKind::Test).after(sources.iter().cloned());
        for reader in self.assets.values_mut() {
            let reads = reader.inputs.iter().any(|input| sources.contains(input));
            if reader.kind == AssetKind::Model && reads {
                reader.inputs.push(id.clone());
            }
        }
        self.assets.insert(id, asset);
    }

    /// Returns what a step of a run builds and tests, given all steps of the run: tests go with the
    /// last step of the run that they read.
    pub(super) fn nodes_of(&self, step: &AssetId, run: &HashSet<AssetId>) -> Vec<UniqueId> {
        let own = std::iter::once(UniqueId::from(step.as_str()));
        let judges = |read: &[AssetId]| {
            let last = read.iter().rev().find(|asset| run.contains(*asset));
            last == Some(step)
        };
        let tests = self.tests.iter().filter(|(_, read)| judges(read));
        own.chain(tests.map(|(test, _)| test.clone())).collect()
    }

    /// Returns the tests that go with some steps.
    pub(super) fn tests_of<'a>(
        &'a self,
        steps: &'a HashSet<AssetId>,
    ) -> impl Iterator<Item = &'a UniqueId> {
        let tests = self.tests.iter();
        let tests = tests.filter(|(_, read)| read.iter().any(|asset| steps.contains(asset)));
        tests.map(|(test, _)| test)
    }

    /// Returns the table or view that an asset is; of a step, the first that it makes.
    pub(super) fn table(&self, asset: &AssetId) -> Option<&TableId> {
        let made = || self.steps.get(asset)?.makes.first();
        self.tables.get(asset).or_else(made)
    }

    /// Returns the tables that some steps read and do not build, and those they build.
    pub(super) fn reads_and_builds(
        &self,
        steps: &HashSet<AssetId>,
    ) -> (BTreeSet<TableId>, BTreeSet<TableId>) {
        let known = |id: &AssetId| self.tables.get(id).cloned();
        let mut builds: BTreeSet<TableId> = steps.iter().filter_map(known).collect();
        let inputs = steps.iter().filter_map(|step| self.assets.get(step));
        let inputs = inputs.flat_map(|asset| &asset.inputs);
        let mut reads: BTreeSet<TableId> = inputs.filter_map(known).collect();
        for files in steps.iter().filter_map(|step| self.steps.get(step)) {
            builds.extend(files.makes.iter().cloned());
            reads.extend(files.reads.iter().cloned());
        }
        reads.retain(|table| !builds.contains(table));
        (reads, builds)
    }
}

/// Returns the id of the asset that a node is.
pub(super) fn asset_id(id: &UniqueId) -> AssetId {
    AssetId::new(id.as_str())
}

/// Whether a node is built by a step of its own.
fn is_step(node: &Node) -> bool {
    let is_built = matches!(
        node.kind,
        ResourceKind::Model | ResourceKind::Seed | ResourceKind::Snapshot
    );
    is_built && !node.is_ephemeral()
}

/// Returns what a node reads, through what only becomes part of its query.
fn built_by(manifest: &Manifest, id: &UniqueId) -> BTreeSet<UniqueId> {
    let mut found = BTreeSet::new();
    let mut seen = HashSet::new();
    let mut waiting: Vec<&UniqueId> = manifest.parent_map.get(id).into_iter().flatten().collect();
    while let Some(parent) = waiting.pop() {
        if !seen.insert(parent) {
            continue;
        }
        match manifest.nodes.get(parent) {
            Some(node) if node.is_ephemeral() => {
                waiting.extend(manifest.parent_map.get(parent).into_iter().flatten());
            }
            _ => {
                found.insert(parent.clone());
            }
        }
    }
    found
}

/// Returns the parts that a microbatch model is built in.
fn partitioning(node: &Node) -> Option<Partitioning> {
    if node.config.incremental_strategy() != Some("microbatch") {
        return None;
    }
    let every = match node.config.text("batch_size")? {
        "hour" => Span::Hour,
        "day" => Span::Day,
        "month" => Span::Month,
        // A year is no part that is built alone.
        _ => return None,
    };
    let begin = node.config.text("begin")?;
    let start: NaiveDate = begin.get(..10)?.parse().ok()?;
    Some(Partitioning::Time {
        every,
        zone: "UTC".to_owned(),
        start,
    })
}
