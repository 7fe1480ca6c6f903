//! What was built before, so that what cannot have changed is not built again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::json;

use crate::context::MacroTable;
use crate::library::LIBRARY_PACKAGE;
use crate::node::{Manifest, Node, ResourceKind, UniqueId};

/// Materializations that do nothing but make a relation, or look at one.
const KNOWN: [&str; 7] = [
    "view",
    "table",
    "incremental",
    "materialized_view",
    "seed",
    "snapshot",
    "test",
];

/// What is known of earlier builds. Nodes that are not in it are built.
#[derive(Clone, Debug, Default)]
pub struct Earlier {
    pub builds: HashMap<UniqueId, EarlierBuild>,
    /// By model that was planned: functions in its query that may answer otherwise the next time.
    pub varies: HashMap<UniqueId, Vec<String>>,
}

/// How a node was built the last time.
#[derive(Clone, Debug, Default)]
pub struct EarlierBuild {
    /// See [`Provenance::code`](super::Provenance::code).
    pub code: String,
    /// Whether its relation is as that build left it.
    pub intact: bool,
    /// What it read and has changed since, as people name it.
    pub changed: Vec<String>,
    /// The tests that its rows passed then, and the code of each.
    pub passed: HashMap<UniqueId, String>,
}

/// What a run finds out about which rows stay as they are.
#[derive(Debug, Default)]
pub(super) struct Reuse {
    earlier: Option<Arc<Earlier>>,
    /// Materializations that are Weir's own in this project.
    usual: HashSet<&'static str>,
    /// Nodes whose rows may be others after this run.
    touched: Mutex<HashSet<UniqueId>>,
}

impl Reuse {
    pub(super) fn new(earlier: Option<Arc<Earlier>>, macros: &MacroTable) -> Self {
        let usual = KNOWN.into_iter();
        Self {
            earlier,
            usual: usual
                .filter(|name| !macros.builds_by_itself(name))
                .collect(),
            touched: Mutex::default(),
        }
    }

    /// Decides whether a node is built: an error is why, empty where nobody asked.
    pub(super) fn of_node(
        &self,
        manifest: &Manifest,
        node: &Node,
        code: &str,
        reads: &[UniqueId],
    ) -> Result<(), String> {
        let decided = self.decide(manifest, node, code, reads);
        // A view that need not be built again shows other rows when what it reads has others.
        if decided.is_err() || (is_view(node) && self.rows_changed(manifest, node, reads).is_some())
        {
            self.touched.lock().insert(node.id.clone());
        }
        decided
    }

    /// Whether something was changed since that a view reads.
    pub(super) fn is_shaken(&self, node: &Node) -> bool {
        let earlier = self.earlier.as_ref();
        let build = earlier.and_then(|earlier| earlier.builds.get(&node.id));
        is_view(node) && build.is_some_and(|build| !build.changed.is_empty())
    }

    /// Takes a node for one that will have other rows.
    pub(super) fn touch(&self, id: &UniqueId) {
        self.touched.lock().insert(id.clone());
    }

    fn decide(
        &self,
        manifest: &Manifest,
        node: &Node,
        code: &str,
        reads: &[UniqueId],
    ) -> Result<(), String> {
        let earlier = self.earlier.as_ref().ok_or_else(String::new)?;
        let Some(build) = earlier.builds.get(&node.id) else {
            return Err("not built before".to_owned());
        };
        if build.code != code {
            return Err("its code or configuration changed".to_owned());
        }
        if !build.intact {
            return Err("it was changed by something else".to_owned());
        }
        if !self.usual.contains(materialized(node)) {
            return Err("its materialization may do anything".to_owned());
        }
        if has_hooks(node) {
            return Err("it has hooks".to_owned());
        }
        if is_view(node) {
            return Ok(());
        }
        match self.rows_changed(manifest, node, reads) {
            Some(why) => Err(why),
            None => Ok(()),
        }
    }

    /// Says why a node's query may give other rows than at its last build.
    fn rows_changed(&self, manifest: &Manifest, node: &Node, reads: &[UniqueId]) -> Option<String> {
        let earlier = self.earlier.as_ref()?;
        let touched = self.touched.lock();
        let below = stored(manifest, reads);
        if let Some(parent) = below.iter().find(|id| touched.contains(*id)) {
            return Some(format!("{} changed", named(manifest, parent)));
        }
        let build = earlier.builds.get(&node.id)?;
        // Of a view only what this run does counts: what changed before, its readers know themselves.
        match build.changed.as_slice() {
            _ if is_view(node) => {}
            [] => {}
            [one] => return Some(format!("{one} changed")),
            [one, rest @ ..] => return Some(format!("{one} and {} more changed", rest.len())),
        }
        if node.kind == ResourceKind::Seed {
            return None;
        }
        match earlier.varies.get(&node.id).map(Vec::as_slice) {
            None => Some("its query could not be looked into".to_owned()),
            Some([]) => None,
            Some([function, ..]) => Some(format!("it uses {function}()")),
        }
    }

    /// Decides whether a test passes as it did before.
    pub(super) fn of_test(
        &self,
        manifest: &Manifest,
        test: &UniqueId,
        code: &str,
        reads: &[UniqueId],
    ) -> bool {
        let Some(earlier) = self
            .earlier
            .as_ref()
            .filter(|_| self.usual.contains("test"))
        else {
            return false;
        };
        let below = stored(manifest, reads);
        let touched = self.touched.lock();
        let same = |id: &UniqueId| {
            let (Some(node), Some(build)) = (manifest.nodes.get(id), earlier.builds.get(id)) else {
                return false;
            };
            let passed = build.passed.get(test).is_some_and(|then| then == code);
            let is_steady = !is_view(node)
                || (build.changed.is_empty() && earlier.varies.get(id).is_some_and(Vec::is_empty));
            passed && build.intact && is_steady && !touched.contains(id)
        };
        !below.is_empty() && below.iter().all(same)
    }
}

/// Returns what is really read: ephemeral models are what they read.
fn stored(manifest: &Manifest, reads: &[UniqueId]) -> Vec<UniqueId> {
    let mut seen = HashSet::new();
    let mut found = Vec::new();
    let mut waiting: Vec<&UniqueId> = reads.iter().collect();
    while let Some(id) = waiting.pop() {
        if !seen.insert(id) {
            continue;
        }
        match manifest.nodes.get(id) {
            Some(node) if node.is_ephemeral() => waiting.extend(&node.depends_on.nodes),
            _ => found.push(id.clone()),
        }
    }
    found
}

fn named(manifest: &Manifest, id: &UniqueId) -> String {
    match manifest.nodes.get(id) {
        Some(node) => format!("{}.{}", node.schema, node.alias),
        None => id.as_str().to_owned(),
    }
}

fn is_view(node: &Node) -> bool {
    node.kind == ResourceKind::Model && node.config.materialized() == "view"
}

fn materialized(node: &Node) -> &str {
    match node.kind {
        ResourceKind::Seed => "seed",
        ResourceKind::Snapshot => "snapshot",
        _ => node.config.materialized(),
    }
}

/// Whether it has hooks other than grants, which stay granted.
fn has_hooks(node: &Node) -> bool {
    let hooks = node.config.pre_hooks().into_iter();
    hooks.chain(node.config.post_hooks()).any(|hook| {
        let text = hook.sql.trim_start().to_ascii_lowercase();
        !text.is_empty() && !text.starts_with("grant ")
    })
}

/// Returns a hash of everything a node's rows come from besides the tables it reads: `text`, which is
/// its SQL or the contents of its file, its configuration, and macros that change how it is built.
pub(super) fn code_of(node: &Node, text: &[u8], macros: &str) -> String {
    let mut config = node.config.to_json();
    for told in ["tags", "meta", "docs", "group", "enabled"] {
        config.remove(told);
    }
    let columns: Vec<_> = node
        .columns
        .values()
        .map(|column| json!([column.name, column.data_type, column.description]))
        .collect();
    let parts = json!([
        env!("CARGO_PKG_VERSION"),
        crate::hash::sha256_hex(text),
        config,
        node.contract.enforced,
        columns,
        node.description,
        macros,
    ]);
    crate::hash::sha256_hex(parts.to_string().as_bytes())
}

/// Returns a hash of the macros by which projects change how things are built: materializations of
/// their own, and those that stand in the place of Weir's.
pub(super) fn building_macros(macros: &MacroTable) -> String {
    let is_building = |name: &str| {
        let plain = name.split_once("__").map_or(name, |(_, plain)| plain);
        name.starts_with("materialization_")
            || [name, plain]
                .into_iter()
                .any(|name| macros.in_package(LIBRARY_PACKAGE, name).is_some())
    };
    let mut texts: Vec<String> = macros
        .of_projects()
        .filter(|(_, definition)| is_building(definition.name()))
        .map(|(package, definition)| {
            let template = definition.template();
            format!("{package}.{}\n{}", definition.name(), template.source())
        })
        .collect();
    texts.sort();
    crate::hash::sha256_hex(texts.join("\0").as_bytes())
}
