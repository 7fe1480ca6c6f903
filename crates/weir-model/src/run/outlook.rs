//! What a build would do, without doing it.

use std::collections::HashSet;
use std::sync::Arc;

use super::fused::Fused;
use super::node::{Executor, Rendered};
use super::plan::{Plan, is_run};
use super::result::{NodeResult, Status};
use super::runner::{Command, Runner};
use crate::error::ModelError;
use crate::node::{ResourceKind, UniqueId};

/// What would become of a node.
#[derive(Clone, Debug)]
pub struct Outlook {
    pub id: UniqueId,
    /// Why it would be built; none if it would stay as it is.
    pub reason: Option<String>,
    /// Its compiled SQL; seeds have none.
    pub sql: Option<Arc<str>>,
    /// Why its code cannot be rendered yet: it asks tables that are yet to be built, or is wrong.
    pub error: Option<ModelError>,
    /// Whether the tables that are there now decided its text.
    pub asked: bool,
    /// Its code for [`super::RunOptions::rendered`]; none where it looked at the warehouse.
    pub rendered: Option<Rendered>,
    /// Whether it is a view that would stay, over something that was changed since: it may no longer fit.
    pub shaken: bool,
}

impl Runner {
    /// Returns what building the selected nodes would do, in the order in which it would be done.
    ///
    /// Nothing is built; templates that ask the warehouse do ask it.
    pub fn outlook(&self, selected: &[UniqueId]) -> Vec<Outlook> {
        let manifest = self.manifest();
        let chosen: Vec<UniqueId> = selected
            .iter()
            .filter(|id| {
                let node = manifest.nodes.get(*id);
                node.is_some_and(|node| is_run(node) && node.kind != ResourceKind::Test)
            })
            .cloned()
            .collect();
        self.shared()
            .set_selected(chosen.iter().cloned().collect::<HashSet<_>>());
        let executor = Executor::new(self, Command::Build, Fused::default());
        let plan = Plan::new(&manifest, &chosen, false);
        let nodes = plan.order.iter().filter_map(|id| manifest.nodes.get(id));
        nodes
            .map(|node| {
                let mut result = NodeResult::of(node, Status::Success, "MainThread");
                let before = self.main.asked();
                let mut rendered = None;
                let decided = executor.decided(node, &self.main, &mut result);
                let (reason, error) = match decided {
                    Ok((is_built, code)) => {
                        rendered = code;
                        let reason = is_built.then(|| result.reason.take().unwrap_or_default());
                        (reason, None)
                    }
                    Err(error) => {
                        self.reuse.touch(&node.id);
                        let why = "its code cannot be rendered yet".to_owned();
                        (Some(why), Some(error))
                    }
                };
                Outlook {
                    id: node.id.clone(),
                    shaken: reason.is_none() && self.reuse.is_shaken(node),
                    reason,
                    sql: result.compiled_code,
                    error,
                    asked: self.main.asked() != before,
                    rendered,
                }
            })
            .collect()
    }
}
