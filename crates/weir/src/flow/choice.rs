//! Choosing what runs: the words of `--select`, over models and steps alike.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use weir_flow::{AssetId, AssetKind, TableId};
use weir_model::ModelError;
use weir_model::graph::Graph as Nodes;
use weir_model::node::{
    ConfigKind, Manifest, Node, NodeConfig, NodeDetail, ResourceKind, UniqueId,
};
use weir_model::select::{Indirect, Selector, Selectors, Spec};

use super::assets::{Assets, asset_id};
use super::step::Declared;

/// The package that steps are in, for the words of a selection.
const PACKAGE: &str = "steps";

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
        Ok(Self {
            nodes: Nodes::new(&manifest),
            manifest,
            selectors: Selectors::read(folder, Indirect::Eager)?,
            assets,
        })
    }

    /// Returns the assets that are meant; everything when `select` is empty.
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
        let assets: Vec<AssetId> = assets
            .filter(|asset| asset.kind != AssetKind::Source)
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

fn node(manifest: &Manifest, step: &Declared, id: UniqueId) -> Node {
    let name = &step.step.name;
    let project = manifest.metadata.project_name.clone();
    Node {
        id,
        kind: ResourceKind::Model,
        path: step.file.clone(),
        original_path: step.file.clone(),
        fqn: vec![project, PACKAGE.to_owned(), name.clone()],
        language: "command",
        config: NodeConfig::new(ConfigKind::Model),
        detail: NodeDetail::Model(Box::default()),
        ..Node::bare(&PACKAGE.into(), name, "")
    }
}
