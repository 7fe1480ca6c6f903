//! Nodes as far as their own files say: rendered once, not yet configured.

use std::sync::{Arc, LazyLock};

use regex::Regex;
use weir_jinja::{BlockKind, Template};

use super::read::ReadFile;
use super::stage::{Captured, Facts};
use super::work::Work;
use crate::error::{ModelError, ModelErrorKind};
use crate::node::{Checksum, ConfigKind, JsonMap, RefArgs, ResourceKind, UniqueId};
use crate::project::{FileKind, Package, TreeKind};

/// A node of which only its own file was read.
#[derive(Debug)]
pub(super) struct RawNode {
    pub(super) kind: ResourceKind,
    pub(super) config_kind: ConfigKind,
    pub(super) tree: TreeKind,
    pub(super) package: Arc<Package>,
    pub(super) name: String,
    pub(super) id: UniqueId,
    pub(super) path: String,
    pub(super) original_path: String,
    /// The path for messages.
    pub(super) shown: Arc<str>,
    /// The line on which it begins there.
    pub(super) line: u32,
    pub(super) fqn: Vec<String>,
    pub(super) raw_code: Arc<str>,
    pub(super) language: &'static str,
    pub(super) checksum: Checksum,
    pub(super) captured: Captured,
    /// For operations: its place among its kind, and which kind.
    pub(super) hook: Option<(usize, &'static str)>,
}

/// What one file gives.
pub(super) type FromFile = (Vec<RawNode>, Vec<ModelError>);

/// Reads the nodes of one file.
pub(super) fn read(work: &Work, file: &ReadFile) -> FromFile {
    match file.file.kind {
        FileKind::Model if file.file.path.ends_with(".py") => {
            (vec![python_model(file)], Vec::new())
        }
        FileKind::Model => one(
            work,
            file,
            ResourceKind::Model,
            ConfigKind::Model,
            TreeKind::Models,
        ),
        FileKind::SingularTest => one(
            work,
            file,
            ResourceKind::Test,
            ConfigKind::Test,
            TreeKind::DataTests,
        ),
        FileKind::Analysis => one(
            work,
            file,
            ResourceKind::Analysis,
            ConfigKind::Other,
            TreeKind::Models,
        ),
        FileKind::Function => one(
            work,
            file,
            ResourceKind::Function,
            ConfigKind::Function,
            TreeKind::Functions,
        ),
        FileKind::Snapshot => snapshots(work, file),
        FileKind::Seed => (vec![seed(file)], Vec::new()),
        _ => (Vec::new(), Vec::new()),
    }
}

/// Returns the parts of a path that select a node: the package and the folders.
pub(super) fn fqn(package: &str, path: &str, name: &str) -> Vec<String> {
    let mut fqn = vec![package.to_owned()];
    let mut folders: Vec<&str> = path.split('/').collect();
    folders.pop();
    fqn.extend(
        folders
            .into_iter()
            .filter(|folder| !folder.is_empty())
            .map(str::to_owned),
    );
    fqn.push(name.to_owned());
    fqn
}

fn base(
    file: &ReadFile,
    kind: ResourceKind,
    config_kind: ConfigKind,
    tree: TreeKind,
    name: &str,
) -> RawNode {
    let package = &file.package.name;
    RawNode {
        kind,
        config_kind,
        tree,
        package: Arc::clone(&file.package),
        name: name.to_owned(),
        id: UniqueId::new(kind, package, name),
        path: file.file.path.clone(),
        original_path: file.file.original.to_string(),
        shown: Arc::clone(&file.shown),
        line: 1,
        fqn: fqn(package, &file.file.path, name),
        raw_code: Arc::clone(&file.text),
        language: "sql",
        checksum: file.checksum.clone(),
        captured: Captured::default(),
        hook: None,
    }
}

/// Returns what templates of the node may know of it.
pub(super) fn facts(work: &Work, node: &RawNode) -> Facts {
    let target = &work.project().target;
    let database = target.database.clone();
    let this = work
        .naming
        .placeholder(database.as_deref(), &target.schema, &node.name);
    Facts {
        kind: node.kind,
        config_kind: node.config_kind,
        id: node.id.clone(),
        name: node.name.clone(),
        package: Arc::clone(&node.package.name),
        path: node.path.clone(),
        original_path: node.original_path.clone(),
        fqn: node.fqn.clone(),
        database,
        schema: target.schema.clone(),
        raw_code: Arc::clone(&node.raw_code),
        this,
    }
}

fn one(
    work: &Work,
    file: &ReadFile,
    kind: ResourceKind,
    config_kind: ConfigKind,
    tree: TreeKind,
) -> FromFile {
    let mut node = base(file, kind, config_kind, tree, file.stem());
    if kind == ResourceKind::Analysis {
        node.path = format!("analysis/{}", node.path);
        node.fqn = fqn(&file.package.name, &node.path, &node.name);
    }
    if kind == ResourceKind::Model && node.name.contains(' ') {
        let error = ModelError::new(
            ModelErrorKind::Properties,
            format!("`{}` has a space in its name", node.name),
        )
        .at(file.place(0, 0))
        .hint("rename the file");
        return (vec![node], vec![error]);
    }
    let (captured, error) = work.capture(facts(work, &node), &file.text, &file.shown);
    node.captured = captured;
    (vec![node], error.into_iter().collect())
}

fn seed(file: &ReadFile) -> RawNode {
    base(
        file,
        ResourceKind::Seed,
        ConfigKind::Seed,
        TreeKind::Seeds,
        file.stem(),
    )
}

fn snapshots(work: &Work, file: &ReadFile) -> FromFile {
    let template = match Template::parse(Arc::clone(&file.shown), &file.text) {
        Ok(template) => template,
        Err(error) => {
            return (
                Vec::new(),
                vec![work.failure(error, &file.shown, &file.text)],
            );
        }
    };
    let mut nodes = Vec::new();
    let mut errors = Vec::new();
    for block in template
        .blocks()
        .iter()
        .filter(|block| block.kind == BlockKind::Snapshot)
    {
        let (kind, tree) = (ResourceKind::Snapshot, TreeKind::Snapshots);
        let mut node = base(file, kind, ConfigKind::Snapshot, tree, &block.name);
        // A snapshot is selected by its file too, since a file may hold several.
        let below = format!("{}/", file.file.path.trim_end_matches(".sql"));
        node.fqn = fqn(&file.package.name, &below, &node.name);
        node.line = block.line;
        let body = template.body_of(block);
        node.raw_code = body.into();
        // Lines before the block keep places in messages right.
        let start = block.body.start as usize;
        let before = template.source().get(..start).unwrap_or_default();
        let padded = format!("{}{body}", "\n".repeat(before.matches('\n').count()));
        let (captured, error) = work.capture(facts(work, &node), &padded, &file.shown);
        node.captured = captured;
        errors.extend(error);
        nodes.push(node);
    }
    (nodes, errors)
}

/// Models in Python are listed with what they read, and never run.
fn python_model(file: &ReadFile) -> RawNode {
    static READS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let text = r#"['"]([^'"]+)['"]"#;
        Regex::new(&format!(
            r"\bdbt\s*\.\s*(ref|source)\s*\(\s*{text}(?:\s*,\s*{text})?"
        ))
        .ok()
    });
    let mut node = base(
        file,
        ResourceKind::Model,
        ConfigKind::Model,
        TreeKind::Models,
        file.stem(),
    );
    node.language = "python";
    node.captured.config = JsonMap::from_iter([("materialized".to_owned(), "table".into())]);
    for found in READS
        .iter()
        .flat_map(|reads| reads.captures_iter(&file.text))
    {
        let text = |group| {
            found
                .get(group)
                .map(|text: regex::Match<'_>| text.as_str().to_owned())
        };
        match (text(1).as_deref(), text(2), text(3)) {
            (Some("ref"), Some(name), None) => {
                node.captured.refs.push(RefArgs {
                    package: None,
                    name,
                    version: None,
                });
            }
            (Some("ref"), package, Some(name)) => {
                node.captured.refs.push(RefArgs {
                    package,
                    name,
                    version: None,
                });
            }
            (Some("source"), Some(source), Some(table)) => {
                node.captured.sources.push((source, table))
            }
            _ => {}
        }
    }
    node
}

/// Makes nodes of a package's `on-run-start` and `on-run-end`.
pub(super) fn operations(work: &Work, package: &Arc<Package>) -> FromFile {
    let mut nodes = Vec::new();
    let mut errors = Vec::new();
    // Hooks are told apart by the file they are written in.
    let checksum = std::fs::read_to_string(package.root.join("dbt_project.yml"))
        .map_or_else(|_| Checksum::none(), |text| Checksum::of_text(&text));
    let all = [
        ("on-run-start", &package.on_run_start),
        ("on-run-end", &package.on_run_end),
    ];
    for (kind, hooks) in all {
        for (index, hook) in hooks.iter().enumerate() {
            let name = format!("{}-{kind}-{index}", package.name);
            let path = format!("hooks/{name}.sql");
            let mut node = RawNode {
                kind: ResourceKind::Operation,
                config_kind: ConfigKind::Other,
                tree: TreeKind::Models,
                package: Arc::clone(package),
                id: UniqueId::new(ResourceKind::Operation, &package.name, &name),
                fqn: fqn(&package.name, &path, &name),
                name,
                path,
                original_path: "./dbt_project.yml".to_owned(),
                shown: "dbt_project.yml".into(),
                line: 0,
                raw_code: hook.as_str().into(),
                language: "sql",
                checksum: checksum.clone(),
                captured: Captured::default(),
                hook: Some((index, kind)),
            };
            let (captured, error) = work.capture(facts(work, &node), hook, &node.shown);
            node.captured = captured;
            errors.extend(error);
            nodes.push(node);
        }
    }
    (nodes, errors)
}
