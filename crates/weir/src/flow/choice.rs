//! Choosing what runs: the words of `--select`, over models and steps alike.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use weir_flow::{Asset, AssetId, AssetKind, TableId};
use weir_model::ModelError;
use weir_model::graph::Graph as Nodes;
use weir_model::node::{
    ConfigKind, Manifest, Node, NodeConfig, NodeDetail, ResourceKind, UniqueId,
};
use weir_model::select::{Indirect, Selector, Selectors, Spec};

use super::assets::{Assets, asset_id};
use super::fetched::{Fetched, source_of};
use super::step::Declared;

/// The package that steps are in, for the words of a selection.
const PACKAGE: &str = "steps";
/// That of sources that rows are fetched from.
const SOURCES: &str = "sources";

/// Chooses assets by the words of `--select`.
pub(super) struct Choice<'a> {
    /// The project's nodes, steps of other languages among them.
    pub(super) manifest: Manifest,
    nodes: Nodes,
    selectors: Selectors,
    pub(super) assets: &'a Assets,
}

/// What was chosen.
pub(super) struct Chosen {
    pub(super) assets: Vec<AssetId>,
    /// Tests that go with these assets and were not chosen.
    pub(super) left_out: HashSet<UniqueId>,
}

impl<'a> Choice<'a> {
    pub(super) fn new(
        folder: &std::path::Path,
        manifest: &Manifest,
        assets: &'a Assets,
        steps: &[Declared],
    ) -> Result<Self, Vec<ModelError>> {
        let manifest = with_steps(manifest, assets, steps);
        let manifest = with_fetched(manifest, assets);
        Ok(Self {
            nodes: Nodes::new(&manifest),
            manifest,
            selectors: Selectors::read(folder, Indirect::Eager)?,
            assets,
        })
    }

    /// Returns the assets that are meant; when `select` is empty everything, but nothing is fetched then.
    pub(super) fn of(&self, select: &[String], exclude: &[String]) -> Result<Chosen, ModelError> {
        let spec = match select.is_empty() && exclude.is_empty() {
            true => match self.selectors.default_spec() {
                Some(spec) => spec.clone(),
                None => Spec::everything(Indirect::Eager),
            },
            false => Spec::read(select, exclude, Indirect::Eager)?,
        };
        let selector = Selector::new(&self.manifest, &self.nodes, &self.selectors, None);
        let selected = selector.select(&spec, |_| true)?;
        if let Some(warning) = selected.warnings.into_iter().next() {
            return Err(warning);
        }
        let chosen: HashSet<UniqueId> = selected.ids.into_iter().collect();
        let assets = self.assets.assets.values();
        let is_fetched =
            |asset: &Asset| !select.is_empty() && self.assets.fetched.contains_key(&asset.id);
        let assets: Vec<AssetId> = assets
            .filter(|asset| asset.kind != AssetKind::Source || is_fetched(asset))
            .filter(|asset| chosen.contains(&node_id(&asset.id)))
            .map(|asset| asset.id.clone())
            .collect();
        let steps = assets.iter().cloned().collect();
        let tests = self.assets.tests_of(&steps);
        let left_out = tests
            .filter(|test| !chosen.contains(*test))
            .cloned()
            .collect();
        Ok(Chosen { assets, left_out })
    }

    /// Returns the assets that words name as ids or by selection.
    pub(super) fn words(&self, words: &[String]) -> Result<Vec<AssetId>, ModelError> {
        let is_asset = |word: &String| {
            self.assets
                .assets
                .contains_key(&AssetId::new(word.as_str()))
        };
        match !words.is_empty() && words.iter().all(is_asset) {
            true => Ok(words
                .iter()
                .map(|word| AssetId::new(word.as_str()))
                .collect()),
            false => Ok(self.of(words, &[])?.assets),
        }
    }
}

/// Returns what an asset is called among nodes.
fn node_id(asset: &AssetId) -> UniqueId {
    if let Some(name) = source_of(asset) {
        return UniqueId::new(ResourceKind::Model, SOURCES, name);
    }
    match asset.as_str().strip_prefix("step.") {
        Some(name) => UniqueId::new(ResourceKind::Model, PACKAGE, name),
        None => UniqueId::from(asset.as_str()),
    }
}

/// Adds steps to the nodes of a project, as far as choosing goes: by name, by folder, by what they
/// need and what needs them.
fn with_steps(manifest: &Manifest, assets: &Assets, steps: &[Declared]) -> Manifest {
    let mut all = manifest.clone();
    let sources: HashMap<TableId, UniqueId> = manifest
        .sources
        .keys()
        .filter_map(|id| Some((assets.table(&asset_id(id))?.clone(), id.clone())))
        .collect();
    for step in steps {
        let id = node_id(&step.asset());
        let inputs = assets.assets.get(&step.asset());
        let parents = inputs.into_iter().flat_map(|asset| &asset.inputs);
        let parents: Vec<UniqueId> = parents.map(node_id).collect();
        for parent in &parents {
            let children = all.child_map.entry(parent.clone()).or_default();
            children.push(id.clone());
        }
        all.parent_map.insert(id.clone(), parents);
        for source in step.makes().iter().filter_map(|table| sources.get(table)) {
            let parents = all.parent_map.entry(source.clone()).or_default();
            parents.push(id.clone());
            let children = all.child_map.entry(id.clone()).or_default();
            children.push(source.clone());
        }
        let node = node(manifest, step, id.clone());
        all.nodes.insert(id, Arc::new(node));
    }
    all
}

/// Adds sources that rows are fetched from, so that `crm+` means the sync and all that reads its rows.
fn with_fetched(mut all: Manifest, assets: &Assets) -> Manifest {
    for (asset, source) in &assets.fetched {
        let id = node_id(asset);
        let readers = assets.assets.values();
        let readers = readers.filter(|reader| reader.inputs.contains(asset));
        for reader in readers.map(|reader| node_id(&reader.id)) {
            let parents = all.parent_map.entry(reader.clone()).or_default();
            parents.push(id.clone());
            all.child_map.entry(id.clone()).or_default().push(reader);
        }
        all.parent_map.entry(id.clone()).or_default();
        let node = fetched_node(&all, source, id.clone());
        all.nodes.insert(id, Arc::new(node));
    }
    all
}

fn fetched_node(manifest: &Manifest, source: &Fetched, id: UniqueId) -> Node {
    stand_in(manifest, (SOURCES, source.name.as_str()), &source.file, id)
}

fn node(manifest: &Manifest, step: &Declared, id: UniqueId) -> Node {
    stand_in(manifest, (PACKAGE, &step.step.name), &step.file, id)
}

/// Returns the node by which something that is no model is chosen.
fn stand_in(manifest: &Manifest, (package, name): (&str, &str), file: &str, id: UniqueId) -> Node {
    let project = manifest.metadata.project_name.clone();
    Node {
        id,
        kind: ResourceKind::Model,
        path: file.to_owned(),
        original_path: file.to_owned(),
        fqn: vec![project, package.to_owned(), name.to_owned()],
        language: "command",
        config: NodeConfig::new(ConfigKind::Model),
        detail: NodeDetail::Model(Box::default()),
        ..Node::bare(&package.into(), name, "")
    }
}
