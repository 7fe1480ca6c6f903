use std::collections::{BTreeSet, VecDeque};

use indexmap::IndexMap;
use weir_core::did_you_mean;

use crate::asset::Asset;
use crate::error::FlowError;
use crate::id::AssetId;

/// All assets and what each needs; never has a cycle.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    assets: IndexMap<AssetId, Asset>,
    /// By position: which assets need this one.
    children: Vec<Vec<usize>>,
    /// By position: where it comes in an order in which inputs come first.
    rank: Vec<usize>,
}

impl Graph {
    /// Joins assets by their inputs.
    ///
    /// # Errors
    /// When an id comes twice, an input is unknown (with the id that was probably meant), or assets
    /// need each other in a circle (with the circle).
    pub fn new(assets: impl IntoIterator<Item = Asset>) -> Result<Self, FlowError> {
        let mut all = IndexMap::new();
        for mut asset in assets {
            let mut seen = BTreeSet::new();
            asset.inputs.retain(|input| seen.insert(input.clone()));
            if let Some(twice) = all.insert(asset.id.clone(), asset) {
                return Err(
                    FlowError::invalid(format!("there are two assets `{}`", twice.id))
                        .with_hint("rename one of them")
                        .with_assets([twice.id]),
                );
            }
        }
        let mut children = vec![Vec::new(); all.len()];
        for (position, asset) in all.values().enumerate() {
            for input in &asset.inputs {
                let from = all
                    .get_index_of(input)
                    .ok_or_else(|| unknown_input(asset, input, all.keys()))?;
                children[from].push(position);
            }
        }
        let mut graph = Self {
            assets: all,
            children,
            rank: Vec::new(),
        };
        graph.rank = graph.order()?;
        Ok(graph)
    }

    /// Returns how many assets there are.
    pub fn len(&self) -> usize {
        self.assets.len()
    }

    /// Whether there are no assets.
    pub fn is_empty(&self) -> bool {
        self.assets.is_empty()
    }

    /// Returns the asset called `id`.
    pub fn get(&self, id: &AssetId) -> Option<&Asset> {
        self.assets.get(id)
    }

    /// Returns the asset called `id`.
    ///
    /// # Errors
    /// When there is none, with the id that was probably meant.
    pub fn expect(&self, id: &AssetId) -> Result<&Asset, FlowError> {
        self.get(id)
            .ok_or_else(|| unknown(format!("there is no asset `{id}`"), id, self.assets.keys()))
    }

    /// Returns all assets in the order they were given in.
    pub fn assets(&self) -> impl Iterator<Item = &Asset> {
        self.assets.values()
    }

    /// Returns `roots` and everything that needs them, inputs first.
    pub fn with_descendants<'a>(
        &'a self,
        roots: impl IntoIterator<Item = &'a AssetId>,
    ) -> Vec<AssetId> {
        self.reach(roots, |position| self.children[position].clone())
    }

    /// Returns `roots` and everything they need, inputs first.
    pub fn with_ancestors<'a>(
        &'a self,
        roots: impl IntoIterator<Item = &'a AssetId>,
    ) -> Vec<AssetId> {
        self.reach(roots, |position| {
            let inputs = self.assets[position].inputs.iter();
            inputs
                .filter_map(|input| self.assets.get_index_of(input))
                .collect()
        })
    }

    fn reach<'a>(
        &'a self,
        roots: impl IntoIterator<Item = &'a AssetId>,
        next: impl Fn(usize) -> Vec<usize>,
    ) -> Vec<AssetId> {
        let mut seen = BTreeSet::new();
        let mut waiting: VecDeque<usize> = roots
            .into_iter()
            .filter_map(|id| self.assets.get_index_of(id))
            .collect();
        while let Some(position) = waiting.pop_front() {
            if seen.insert(position) {
                waiting.extend(next(position));
            }
        }
        let mut found: Vec<usize> = seen.into_iter().collect();
        found.sort_by_key(|&position| self.rank[position]);
        found
            .into_iter()
            .map(|position| self.assets[position].id.clone())
            .collect()
    }

    /// Ranks the assets so that inputs come first; equals keep the order they were given in.
    fn order(&self) -> Result<Vec<usize>, FlowError> {
        let mut needed: Vec<usize> = self.assets.values().map(|a| a.inputs.len()).collect();
        let mut ready: VecDeque<usize> = (0..needed.len()).filter(|&p| needed[p] == 0).collect();
        let mut rank = vec![usize::MAX; needed.len()];
        let mut next = 0;
        while let Some(position) = ready.pop_front() {
            rank[position] = next;
            next += 1;
            for &child in &self.children[position] {
                needed[child] -= 1;
                if needed[child] == 0 {
                    ready.push_back(child);
                }
            }
        }
        match rank.iter().position(|&rank| rank == usize::MAX) {
            None => Ok(rank),
            Some(start) => Err(self.circle(start, &rank)),
        }
    }

    /// Names a circle: from an asset that got no rank, some input without a rank always leads on.
    fn circle(&self, start: usize, rank: &[usize]) -> FlowError {
        let mut path: Vec<usize> = Vec::new();
        let mut at = start;
        let from = loop {
            if let Some(from) = path.iter().position(|&before| before == at) {
                break from;
            }
            path.push(at);
            let inputs = self.assets[at].inputs.iter();
            let next = inputs
                .filter_map(|input| self.assets.get_index_of(input))
                .find(|&input| rank[input] == usize::MAX);
            match next {
                Some(next) => at = next,
                None => break 0,
            }
        };
        let mut names: Vec<&str> = path[from..]
            .iter()
            .map(|&position| self.assets[position].id.as_str())
            .collect();
        names.push(names[0]);
        let members = path[from..].iter();
        let members = members.map(|&position| self.assets[position].id.clone());
        FlowError::invalid(format!(
            "assets need each other in a circle: {}",
            names.join(" needs ")
        ))
        .with_hint("take one of these inputs away")
        .with_assets(members)
    }
}

fn unknown_input<'a>(
    asset: &Asset,
    input: &AssetId,
    known: impl Iterator<Item = &'a AssetId>,
) -> FlowError {
    let action = format!("asset `{}` needs `{input}`, which does not exist", asset.id);
    unknown(action, input, known).with_assets([asset.id.clone()])
}

fn unknown<'a>(
    action: String,
    id: &AssetId,
    known: impl Iterator<Item = &'a AssetId>,
) -> FlowError {
    let known: Vec<&AssetId> = known.collect();
    let error = FlowError::new(crate::FlowErrorKind::NotFound, action);
    match did_you_mean(id.as_str(), &known) {
        Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asset::AssetKind;

    fn model(id: &str, inputs: &[&str]) -> Asset {
        Asset::new(id, AssetKind::Model).after(inputs.iter().copied())
    }

    fn names(ids: &[AssetId]) -> Vec<&str> {
        ids.iter().map(AssetId::as_str).collect()
    }

    #[test]
    fn reaches_up_and_down_with_inputs_first() {
        let graph = Graph::new([
            model("marts", &["orders", "users"]),
            model("orders", &["raw"]),
            model("users", &["raw"]),
            model("raw", &[]),
            model("other", &[]),
        ])
        .unwrap();

        let down = graph.with_descendants([&AssetId::new("orders")]);
        assert_eq!(names(&down), ["orders", "marts"]);
        let up = graph.with_ancestors([&AssetId::new("marts")]);
        assert_eq!(names(&up), ["raw", "orders", "users", "marts"]);
    }

    #[test]
    fn names_the_circle() {
        let error = Graph::new([
            model("enters", &["b"]),
            model("a", &["c"]),
            model("b", &["a"]),
            model("c", &["b"]),
        ])
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "assets need each other in a circle: b needs a needs c needs b"
        );
        let about: Vec<&str> = error.assets().iter().map(AssetId::as_str).collect();
        assert_eq!(about, ["b", "a", "c"]);
        let error = Graph::new([model("own", &["own"])]).unwrap_err();
        assert!(error.to_string().ends_with("own needs own"), "{error}");
    }

    #[test]
    fn suggests_the_input_that_was_meant() {
        let error =
            Graph::new([model("stg_orders", &[]), model("marts", &["stg_order"])]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "asset `marts` needs `stg_order`, which does not exist"
        );
        assert_eq!(error.hint(), Some("did you mean `stg_orders`?"));
        let error = Graph::new([model("a", &[]), model("a", &[])]).unwrap_err();
        assert_eq!(error.to_string(), "there are two assets `a`");
    }

    #[test]
    fn deep_chains_need_no_stack() {
        let chain = (0..100_000).map(|n| match n {
            0 => model("0", &[]),
            n => model(&n.to_string(), &[(n - 1).to_string().as_str()]),
        });
        let graph = Graph::new(chain).unwrap();
        assert_eq!(graph.with_descendants([&AssetId::new("0")]).len(), 100_000);
    }
}
