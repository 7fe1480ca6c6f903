//! The files of a package, in an order that does not depend on the file system.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use regex::{Regex, RegexSet};

use super::package::Package;
use crate::error::{ModelError, ModelErrorKind, Place};

/// What a file is for, by the folder it lies in and its ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum FileKind {
    Macro,
    /// Generic tests in `tests/generic`.
    GenericTest,
    Model,
    Snapshot,
    Analysis,
    SingularTest,
    Seed,
    Doc,
    /// Properties: YAML in any folder.
    Properties,
    /// Rows of unit tests in `tests/fixtures`.
    Fixture,
    Function,
}

/// One file of a package.
#[derive(Debug, Clone)]
pub(crate) struct SourceFile {
    pub(crate) kind: FileKind,
    pub(crate) absolute: PathBuf,
    /// Below the folder it was found in, with `/`.
    pub(crate) path: String,
    /// Below the package, with `/`.
    pub(crate) original: Arc<str>,
}

/// Folders may nest this deep; symbolic links could nest without end.
const DEPTH: usize = 64;

/// Finds every file of `package` that means something.
pub(crate) fn walk(package: &Package, errors: &mut Vec<ModelError>) -> Vec<SourceFile> {
    let ignore = ignore_rules(&package.root, errors);
    let mut walker = Walker {
        package,
        ignore,
        found: Vec::new(),
        above: Vec::new(),
        errors,
    };
    let paths = &package.paths;
    walker.folders(&paths.macros, "sql", FileKind::Macro);
    let generic: Vec<_> = paths
        .tests
        .iter()
        .map(|path| format!("{path}/generic"))
        .collect();
    walker.folders(&generic, "sql", FileKind::GenericTest);
    walker.folders(&paths.models, "sql", FileKind::Model);
    walker.folders(&paths.models, "py", FileKind::Model);
    walker.folders(&paths.snapshots, "sql", FileKind::Snapshot);
    walker.folders(&paths.analyses, "sql", FileKind::Analysis);
    walker.folders(&paths.tests, "sql", FileKind::SingularTest);
    walker.folders(&paths.seeds, "csv", FileKind::Seed);
    walker.folders(&paths.functions, "sql", FileKind::Function);
    let fixtures: Vec<_> = paths
        .tests
        .iter()
        .map(|path| format!("{path}/fixtures"))
        .collect();
    walker.folders(&fixtures, "csv", FileKind::Fixture);
    walker.folders(&fixtures, "sql", FileKind::Fixture);
    let all = [
        &paths.models,
        &paths.seeds,
        &paths.snapshots,
        &paths.analyses,
        &paths.macros,
        &paths.tests,
        &paths.functions,
    ];
    let mut all: Vec<String> = all.into_iter().flatten().cloned().collect();
    all.sort();
    all.dedup();
    let docs = if paths.docs.is_empty() {
        all.clone()
    } else {
        paths.docs.clone()
    };
    walker.folders(&docs, "md", FileKind::Doc);
    walker.folders(&all, "yml", FileKind::Properties);
    walker.folders(&all, "yaml", FileKind::Properties);
    let mut found = walker.found;
    // Folders may be named twice or lie in one another: a file counts once for each kind.
    let mut seen = std::collections::HashSet::new();
    found.retain(|file| {
        let of_tests = file.kind == FileKind::SingularTest
            && paths.tests.iter().any(|folder| {
                let generic = file.original.strip_prefix(&**folder);
                generic.is_some_and(|rest| {
                    rest.starts_with("/generic/") || rest.starts_with("/fixtures/")
                })
            });
        !of_tests && seen.insert((file.kind, Arc::clone(&file.original)))
    });
    found
}

struct Walker<'p> {
    package: &'p Package,
    ignore: Option<Ignore>,
    found: Vec<SourceFile>,
    /// The folders that are being read, outermost first.
    above: Vec<PathBuf>,
    errors: &'p mut Vec<ModelError>,
}

impl Walker<'_> {
    fn folders(&mut self, folders: &[String], ending: &str, kind: FileKind) {
        for folder in folders {
            let folder = folder.trim_end_matches('/').trim_start_matches("./");
            let root = self.package.root.join(folder);
            if root.is_dir() {
                self.above.clear();
                self.folder(&root, folder, "", ending, kind);
            }
        }
    }

    fn folder(&mut self, at: &Path, top: &str, below: &str, ending: &str, kind: FileKind) {
        if self.above.len() > DEPTH {
            let error = ModelError::new(ModelErrorKind::File, "folders nest too deeply")
                .at(Place::file(format!("{top}/{below}")))
                .hint(format!(
                    "more than {DEPTH} folders within one another are not read"
                ));
            self.errors.push(error);
            return;
        }
        let entries = match std::fs::read_dir(at) {
            Ok(entries) => entries,
            Err(error) => {
                let error = ModelError::new(ModelErrorKind::File, "cannot read this folder")
                    .at(Place::file(format!("{top}/{below}")))
                    .caused_by(error);
                self.errors.push(error);
                return;
            }
        };
        let mut names: Vec<_> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let kind = entry.file_type().ok()?;
                Some((entry.file_name().into_string().ok()?, entry.path(), kind))
            })
            .filter(|(name, ..)| !name.starts_with('.'))
            .collect();
        names.sort_by(|a, b| a.0.cmp(&b.0));
        let mut folders = Vec::new();
        for (name, path, file_type) in names {
            let relative = if below.is_empty() {
                name.clone()
            } else {
                format!("{below}/{name}")
            };
            let original = if top.is_empty() {
                relative.clone()
            } else {
                format!("{top}/{relative}")
            };
            if self
                .ignore
                .as_ref()
                .is_some_and(|ignore| ignore.matches(&original))
            {
                continue;
            }
            if file_type.is_dir() || (file_type.is_symlink() && path.is_dir()) {
                folders.push((path, relative, file_type.is_symlink()));
            } else if has_ending(&name, ending) {
                self.found.push(SourceFile {
                    kind,
                    absolute: path,
                    path: relative,
                    original: original.into(),
                });
            }
        }
        self.above.push(at.to_owned());
        for (path, relative, is_link) in folders {
            if is_link && self.leads_back(&path) {
                let error = ModelError::new(
                    ModelErrorKind::File,
                    "this link leads back to a folder above it",
                )
                .at(Place::file(format!("{top}/{relative}")))
                .hint("remove the link");
                self.errors.push(error);
                continue;
            }
            self.folder(&path, top, &relative, ending, kind);
        }
        self.above.pop();
    }
}

impl Walker<'_> {
    fn leads_back(&self, link: &Path) -> bool {
        let Ok(target) = link.canonicalize() else {
            return true;
        };
        let mut above = self
            .above
            .iter()
            .filter_map(|folder| folder.canonicalize().ok());
        above.any(|folder| folder == target)
    }
}

fn has_ending(name: &str, ending: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(stem, found)| !stem.is_empty() && found.eq_ignore_ascii_case(ending))
}

/// The patterns of `.dbtignore`, which are those of `.gitignore`; the last that fits decides.
struct Ignore {
    patterns: RegexSet,
    keeps: Vec<bool>,
}

impl Ignore {
    fn matches(&self, path: &str) -> bool {
        match self.patterns.matches(path).iter().next_back() {
            Some(last) => !self.keeps[last],
            None => false,
        }
    }
}

fn ignore_rules(root: &Path, errors: &mut Vec<ModelError>) -> Option<Ignore> {
    let text = std::fs::read_to_string(root.join(".dbtignore")).ok()?;
    let mut patterns = Vec::new();
    let mut keeps = Vec::new();
    for (number, line) in (1u32..).zip(text.lines()) {
        let line = line.trim_end();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (keep, glob) = match line.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let pattern = glob_pattern(glob);
        match Regex::new(&pattern) {
            Ok(_) => {
                patterns.push(pattern);
                keeps.push(keep);
            }
            Err(_) => errors.push(
                ModelError::new(ModelErrorKind::Project, format!("`{glob}` is no pattern"))
                    .at(Place::at(".dbtignore", number, 1))
                    .hint("patterns are those of .gitignore"),
            ),
        }
    }
    let patterns = RegexSet::new(patterns).ok()?;
    (!keeps.is_empty()).then_some(Ignore { patterns, keeps })
}

/// Turns a pattern of .gitignore into a regular expression over paths below the package.
fn glob_pattern(glob: &str) -> String {
    let anchored = glob.trim_end_matches('/').contains('/');
    let glob = glob.trim_start_matches('/').trim_end_matches('/');
    let mut out = String::from(if anchored { "^" } else { "(?:^|/)" });
    let mut rest = glob;
    while let Some(c) = rest.chars().next() {
        if let Some(after) = rest.strip_prefix("**/") {
            out.push_str("(?:.*/)?");
            rest = after;
            continue;
        }
        if let Some(after) = rest.strip_prefix("**") {
            out.push_str(".*");
            rest = after;
            continue;
        }
        match c {
            '*' => out.push_str("[^/]*"),
            '?' => out.push_str("[^/]"),
            '[' | ']' => out.push(c),
            _ => out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4]))),
        }
        rest = &rest[c.len_utf8()..];
    }
    out.push_str("(?:/|$)");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_as_in_gitignore() {
        let fits = |glob: &str, path: &str| {
            Regex::new(&glob_pattern(glob))
                .expect("is one")
                .is_match(path)
        };
        assert!(fits("*.md", "models/a.md"));
        assert!(fits("models/old", "models/old/a.sql"));
        assert!(!fits("models/old", "other/models/old/a.sql"));
        assert!(fits("**/tmp_*", "models/x/tmp_a.sql"));
        assert!(fits("old/", "models/old/a.sql"));
        assert!(!fits("a?.sql", "models/abc.sql"));
    }
}
