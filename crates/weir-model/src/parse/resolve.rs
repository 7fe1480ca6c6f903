//! From names to nodes: what everything reads, and whether it may.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use weir_core::did_you_mean;

use super::lookup::{Found, Lookup};
use crate::error::{ModelError, ModelErrorKind, Place, excerpt};
use crate::node::{Access, Node, RefArgs, ResourceKind, UniqueId};
use crate::project::Project;

/// Somebody who names something.
pub(super) struct Asker<'a> {
    pub(super) id: &'a UniqueId,
    pub(super) kind: ResourceKind,
    pub(super) package: &'a str,
    pub(super) group: Option<&'a str>,
    /// The file for messages, and its text to find the place in.
    pub(super) file: &'a str,
    pub(super) text: &'a str,
    /// A known place, for what stands in properties files.
    pub(super) at: Option<(u32, u32)>,
}

impl<'a> Asker<'a> {
    /// Makes an asker of a node whose file is shown as `file`.
    pub(super) fn node(node: &'a Node, file: &'a str, text: &'a str) -> Self {
        Self {
            id: &node.id,
            kind: node.kind,
            package: &node.package,
            group: node.group.as_deref(),
            file,
            text,
            at: node.generic_test().map(|test| (test.line, test.column)),
        }
    }

    /// Finds where `name` is written in quotes.
    fn place(&self, name: &str) -> (u32, u32) {
        if let Some(at) = self.at {
            return at;
        }
        for quote in ['\'', '"'] {
            if let Some(at) = self.text.find(&format!("{quote}{name}{quote}")) {
                let before = &self.text[..at];
                let line = before.matches('\n').count() + 1;
                let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
                let small = |number: usize| u32::try_from(number).unwrap_or(0);
                return (small(line), small(column));
            }
        }
        (0, 0)
    }

    fn error(&self, kind: ModelErrorKind, name: &str, message: String) -> ModelError {
        let (line, column) = self.place(name);
        ModelError::new(kind, message)
            .at(Place::at(self.file, line, column))
            .excerpt(excerpt(self.text, line, column))
            .of(self.id.as_str())
    }
}

/// What was found out about one asker.
#[derive(Debug, Default)]
pub(super) struct Resolved {
    pub(super) nodes: Vec<UniqueId>,
    /// Whether it needs something that is missing or switched off.
    pub(super) broken: bool,
    pub(super) errors: Vec<ModelError>,
    pub(super) warnings: Vec<ModelError>,
}

/// Models by id, as far as access is concerned.
pub(super) struct Rights<'r> {
    pub(super) project: &'r Project,
    pub(super) models: HashMap<&'r UniqueId, (Access, Option<&'r str>, &'r str)>,
}

impl<'r> Rights<'r> {
    pub(super) fn new(project: &'r Project, nodes: impl Iterator<Item = &'r Node>) -> Self {
        let models = nodes
            .filter_map(|node| {
                let model = node.model()?;
                Some((
                    &node.id,
                    (model.access, node.group.as_deref(), &*node.package),
                ))
            })
            .collect();
        Self { project, models }
    }

    /// Says why `asker` may not read the model, if it may not.
    fn refusal(&self, asker: &Asker<'_>, model: &UniqueId) -> Option<(String, &'static str)> {
        if asker.kind == ResourceKind::SqlOperation {
            return None;
        }
        let (access, group, package) = self.models.get(model)?;
        let restricted = self
            .project
            .package(package)
            .is_some_and(|package| package.restrict_access);
        let outside = restricted && asker.package != *package;
        match access {
            Access::Private if asker.group.is_none() || asker.group != *group || outside => Some((
                format!(
                    "`{}` reads `{model}`, which is private to group `{}`",
                    asker.id,
                    group.unwrap_or("(none)")
                ),
                "put both into one group, or make the model `protected`",
            )),
            Access::Protected if outside => Some((
                format!(
                    "`{}` reads `{model}`, which is protected in package `{package}`",
                    asker.id
                ),
                "make the model `public`",
            )),
            _ => None,
        }
    }
}

/// Looks up everything that `asker` names, sources first.
pub(super) fn resolve(
    lookup: &Lookup,
    rights: &Rights<'_>,
    asker: &Asker<'_>,
    refs: &[RefArgs],
    sources: &[(String, String)],
) -> Resolved {
    let mut out = Resolved::default();
    let mut seen = HashSet::new();
    for (source, table) in sources {
        match lookup.source(asker.package, source, table) {
            Found::Enabled(id) => add(&mut out, &mut seen, id),
            found => {
                let full = format!("{source}.{table}");
                broken(
                    &mut out,
                    asker,
                    &found,
                    table,
                    &format!("a source `{full}`"),
                    || match did_you_mean(&full, &lookup.source_names()) {
                        Some(near) => format!("did you mean source `{near}`?"),
                        None => "describe it under `sources:` in a properties file".to_owned(),
                    },
                );
            }
        }
    }
    for reference in refs {
        let name = &reference.name;
        let package = reference.package.as_deref();
        match lookup.node(asker.package, package, name, reference.version.as_ref()) {
            Found::Enabled(id) => {
                if let Some((message, hint)) = rights.refusal(asker, &id) {
                    out.errors.push(
                        asker
                            .error(ModelErrorKind::Access, name, message)
                            .hint(hint),
                    );
                }
                add(&mut out, &mut seen, id);
            }
            found => {
                let mut shown = format!("`{name}`");
                if let Some(version) = &reference.version {
                    shown = format!("version {version} of {shown}");
                }
                if let Some(package) = package {
                    shown = format!("{shown} of package `{package}`");
                }
                broken(
                    &mut out,
                    asker,
                    &found,
                    name,
                    &shown,
                    || match did_you_mean(name, &lookup.ref_names()) {
                        Some(near) if near != name => format!("did you mean `{near}`?"),
                        Some(_) if reference.version.is_some() => {
                            "list the version under `versions:` of the model".to_owned()
                        }
                        Some(_) => {
                            "it is in another package: write ref('package', 'name')".to_owned()
                        }
                        None => "check the spelling, and that its package is installed".to_owned(),
                    },
                );
            }
        }
    }
    out
}

fn add(out: &mut Resolved, seen: &mut HashSet<UniqueId>, id: UniqueId) {
    if seen.insert(id.clone()) {
        out.nodes.push(id);
    }
}

/// Takes down what cannot be had: an error, but for tests only a warning.
fn broken(
    out: &mut Resolved,
    asker: &Asker<'_>,
    found: &Found,
    name: &str,
    shown: &str,
    hint: impl FnOnce() -> String,
) {
    out.broken = true;
    let who = asker.id;
    let (kind, message, hint) = match found {
        Found::Disabled(id) => (
            ModelErrorKind::MissingReference,
            format!("`{who}` reads {shown}, which is disabled"),
            format!("enable `{id}`, or disable `{who}` too"),
        ),
        Found::Ambiguous(ids) => {
            let all: Vec<&str> = ids.iter().map(UniqueId::as_str).collect();
            (
                ModelErrorKind::MissingReference,
                format!(
                    "`{who}` reads {shown}, of which there are several: {}",
                    all.join(", ")
                ),
                "name the package too: ref('package', 'name')".to_owned(),
            )
        }
        _ => (
            ModelErrorKind::MissingReference,
            format!("`{who}` reads {shown}, which is not there"),
            hint(),
        ),
    };
    let error = asker.error(kind, name, message).hint(hint);
    // Tests of what is switched off are switched off with it.
    if asker.kind == ResourceKind::Test {
        if !matches!(found, Found::Disabled(_)) {
            out.warnings.push(error);
        }
    } else {
        out.errors.push(error);
    }
}

/// Finds a circle among `nodes` and returns the ids along it, the first one again at the end.
pub(super) fn circle(nodes: &[Arc<Node>]) -> Option<Vec<UniqueId>> {
    let index: HashMap<&UniqueId, usize> = nodes
        .iter()
        .enumerate()
        .map(|(at, node)| (&node.id, at))
        .collect();
    // 0: not seen, 1: on the way, 2: done. The way is kept by hand, so depth costs no stack.
    let mut state = vec![0u8; nodes.len()];
    for start in 0..nodes.len() {
        if state[start] != 0 {
            continue;
        }
        let mut way: Vec<(usize, usize)> = vec![(start, 0)];
        state[start] = 1;
        while let Some((at, next)) = way.last_mut() {
            let Some(below) = nodes[*at].depends_on.nodes.get(*next) else {
                state[*at] = 2;
                way.pop();
                continue;
            };
            *next += 1;
            let Some(&below) = index.get(below) else {
                continue;
            };
            match state[below] {
                0 => {
                    state[below] = 1;
                    way.push((below, 0));
                }
                1 => {
                    let first = way.iter().position(|(at, _)| *at == below).unwrap_or(0);
                    let mut ids: Vec<UniqueId> = way[first..]
                        .iter()
                        .map(|(at, _)| nodes[*at].id.clone())
                        .collect();
                    ids.push(nodes[below].id.clone());
                    return Some(ids);
                }
                _ => {}
            }
        }
    }
    None
}
