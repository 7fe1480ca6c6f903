//! Every macro of a project and where a name leads.

use std::sync::Arc;

use indexmap::IndexMap;
use weir_jinja::{BlockKind, MacroDef, Template};

use super::calls::calls;
use crate::context::MacroTable;
use crate::error::{ModelError, ModelErrorKind, Place, excerpt};
use crate::node::{DependsOn, Docs, JsonMap, Macro, MacroKind, UniqueId};
use crate::project::Project;

/// A file of macros to be indexed.
#[derive(Debug, Clone)]
pub(super) struct MacroFile {
    pub(super) package: Arc<str>,
    pub(super) path: String,
    /// The path for messages.
    pub(super) shown: Arc<str>,
    pub(super) template: Template,
}

/// What indexing gives: the index, and the macros as the manifest holds them.
pub(super) struct Indexed {
    pub(super) table: MacroTable,
    pub(super) macros: IndexMap<UniqueId, Macro>,
}

/// Indexes the macros, generic tests and materializations of `files`.
pub(super) fn index(
    project: &Project,
    chain: &[String],
    files: &[MacroFile],
    created_at: f64,
    errors: &mut Vec<ModelError>,
) -> Indexed {
    let mut table = MacroTable::new(Arc::clone(&project.name));
    let mut macros: IndexMap<UniqueId, Macro> = IndexMap::new();
    for file in files {
        for block in file.template.blocks() {
            let kind = match block.kind {
                BlockKind::Macro => MacroKind::Macro,
                BlockKind::Test => MacroKind::Test,
                BlockKind::Materialization => MacroKind::Materialization,
                _ => continue,
            };
            let name: Arc<str> = block.macro_name().into();
            let id = UniqueId::from_text(format!("macro.{}.{name}", file.package));
            let Some(definition) =
                file.template
                    .macro_def(block, Arc::clone(&file.package), id.as_str())
            else {
                continue;
            };
            if let Some(first) = macros.get(&id) {
                let message = format!("`{}` has two macros called `{name}`", file.package);
                let error = ModelError::new(ModelErrorKind::Duplicate, message)
                    .at(Place::at(Arc::clone(&file.shown), block.line, 1))
                    .excerpt(excerpt(file.template.source(), block.line, 1));
                errors.push(error.hint(format!(
                    "the other one is in {}; rename one",
                    first.original_path
                )));
                continue;
            }
            let code: Arc<str> = block.span.of(file.template.source()).trim().into();
            let supported_languages = block.supported_languages.as_ref().map(|languages| {
                languages
                    .iter()
                    .map(|language| language.to_string())
                    .collect()
            });
            macros.insert(
                id.clone(),
                Macro {
                    id,
                    kind,
                    name: name.to_string(),
                    package: Arc::clone(&file.package),
                    path: file.path.clone(),
                    original_path: file.path.clone(),
                    code,
                    depends_on: DependsOn::default(),
                    description: String::new(),
                    meta: JsonMap::new(),
                    docs: Docs::default(),
                    patch_path: None,
                    arguments: Vec::new(),
                    supported_languages: supported_languages.or_else(|| {
                        (kind == MacroKind::Materialization).then(|| vec!["sql".to_owned()])
                    }),
                    config: JsonMap::new(),
                    created_at,
                },
            );
            table.add(Arc::clone(&file.package), definition);
        }
    }
    let depends: Vec<DependsOn> = macros
        .values()
        .map(|found| depends_on(project, &table, chain, found))
        .collect();
    for (found, depends_on) in macros.values_mut().zip(depends) {
        found.depends_on = depends_on;
    }
    Indexed { table, macros }
}

/// Finds the macros that the text of `caller` calls, without running it.
fn depends_on(
    project: &Project,
    table: &MacroTable,
    chain: &[String],
    caller: &Macro,
) -> DependsOn {
    let mut found: Vec<UniqueId> = Vec::new();
    for call in calls(&caller.code) {
        let definition = if call.dispatched {
            table
                .dispatch(project, chain, &caller.package, call.name, call.namespace)
                .ok()
        } else {
            match call.namespace {
                Some(package) => table.in_package(package, call.name),
                None => table.find(&caller.package, call.name),
            }
        };
        let Some(id) = definition.and_then(MacroDef::id) else {
            continue;
        };
        if &**id != caller.id.as_str() && !found.iter().any(|known| known.as_str() == &**id) {
            found.push(UniqueId::from_text(Arc::clone(id)));
        }
    }
    DependsOn {
        macros: found,
        nodes: Vec::new(),
    }
}
