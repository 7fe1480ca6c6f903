//! Environments of people: what they did not change is read from production.

use std::collections::{HashMap, HashSet};

use weir_model::graph::Graph;
use weir_model::node::{Manifest, UniqueId};
use weir_model::run::recipes;
use weir_model::warehouse::RelationName;

use super::arguments::SelectArgs;
use super::earlier::{Build, builds};
use super::opened::Opened;
use super::warehouse::{DATABASE, WeirWarehouse};
use crate::failure::Failure;

/// What of a selection is built here, and where the rest is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    pub(crate) selected: Vec<UniqueId>,
    /// The relations of production that are read in the place of own ones.
    pub(crate) deferred: HashMap<UniqueId, RelationName>,
    /// How many of the selection are as they are in production, and not built here.
    pub(crate) unchanged: usize,
}

impl Environment {
    /// Leaves out of everything what is the same in production. What somebody selects is built.
    pub(crate) async fn of(
        opened: &Opened,
        weir: &WeirWarehouse,
        select: &SelectArgs,
        selected: Vec<UniqueId>,
    ) -> Result<Self, Failure> {
        let target = &opened.project.target;
        let asked_for = select.no_defer || select.defer || select.state.is_some();
        if asked_for || target.is_production() {
            return Ok(Self {
                selected,
                ..Self::default()
            });
        }
        let builds = builds(weir).await?;
        let is_production = |build: &&Build| {
            let built = build.note["target"].as_str();
            built.is_some_and(|built| target.production.iter().any(|name| name == built))
        };
        let production: HashMap<&UniqueId, &Build> = builds
            .iter()
            .filter(is_production)
            .map(|build| (&build.node, build))
            .collect();
        let manifest = opened.manifest();
        let same = same_as(&manifest, opened, &production);
        let is_own = |id: &UniqueId| {
            let node = manifest.nodes.get(id);
            node.is_some_and(|node| {
                builds
                    .iter()
                    .any(|build| build.schema == node.schema && build.name == node.alias)
            })
        };
        let everything =
            select.select.is_empty() && select.exclude.is_empty() && select.selector.is_none();
        let is_left_out = |id: &UniqueId| {
            same.contains(id)
                || manifest.nodes.get(id).is_some_and(|node| {
                    // Tests of nothing but what is the same passed there.
                    node.kind == weir_model::node::ResourceKind::Test
                        && !node.depends_on.nodes.is_empty()
                        && node.depends_on.nodes.iter().all(|read| same.contains(read))
                })
        };
        let all = selected.len();
        let selected: Vec<UniqueId> = selected
            .into_iter()
            .filter(|id| !(everything && is_left_out(id)))
            .collect();
        let unchanged = all - selected.len();
        let built: HashSet<&UniqueId> = selected.iter().collect();
        let deferred = production
            .iter()
            .filter(|(id, _)| !built.contains(**id))
            .filter(|(id, _)| same.contains(**id) || !is_own(id))
            .map(|(id, build)| {
                let relation = RelationName {
                    database: Some(DATABASE.to_owned()),
                    schema: build.schema.clone(),
                    name: build.name.clone(),
                };
                ((*id).clone(), relation)
            })
            .collect();
        Ok(Self {
            selected,
            deferred,
            unchanged,
        })
    }
}

/// Returns the nodes that are made as production made them, of what is made so too.
fn same_as(
    manifest: &Manifest,
    opened: &Opened,
    production: &HashMap<&UniqueId, &Build>,
) -> HashSet<UniqueId> {
    let recipes = recipes(&opened.parsed.shared);
    let mut same: HashSet<UniqueId> = HashSet::new();
    for id in Graph::new(manifest).sorted() {
        let Some(node) = manifest.nodes.get(&id) else {
            continue;
        };
        let of_same = node
            .depends_on
            .nodes
            .iter()
            .all(|parent| !manifest.nodes.contains_key(parent) || same.contains(parent));
        let as_there = node.is_ephemeral()
            || production.get(&id).is_some_and(|build| {
                let then = build.note["recipe"].as_str();
                then.is_some() && then == recipes.get(&id).map(String::as_str)
            });
        if of_same && as_there {
            same.insert(id);
        }
    }
    same
}
