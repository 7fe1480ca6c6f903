//! The folders on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use sha2::{Digest, Sha256};
use weir_catalog::DocumentKind;

use super::FOLDERS;

/// The largest file that is read.
const MAX_FILE: u64 = 1 << 20;

/// What files looked like, without reading them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Looks(BTreeSet<(PathBuf, Option<SystemTime>, u64)>);

/// A file, read.
#[derive(Clone, Debug)]
pub(super) struct OnDisk {
    pub(super) kind: DocumentKind,
    pub(super) hash: Vec<u8>,
    /// What is in it, or why that cannot be told.
    pub(super) text: Result<String, String>,
}

pub(super) fn hash(text: &str) -> Vec<u8> {
    Sha256::digest(text.as_bytes()).to_vec()
}

/// Returns the kinds of documents that have a folder.
pub(super) fn kinds(project: &Path) -> Vec<DocumentKind> {
    let kept = FOLDERS.iter();
    let kept = kept.filter(|(_, folder)| project.join(folder).is_dir());
    kept.map(|(kind, _)| *kind).collect()
}

pub(super) fn folder_of(kind: DocumentKind) -> &'static str {
    let found = FOLDERS.iter().find(|(of, _)| *of == kind);
    found.map_or("", |(_, folder)| folder)
}

/// Lists the files of a folder; what begins with a dot belongs to editors and to us.
fn files(project: &Path, kind: DocumentKind) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(project.join(folder_of(kind)));
    let paths = entries.into_iter().flatten().flatten();
    let is_yaml = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ends = path
            .extension()
            .is_some_and(|end| end == "yml" || end == "yaml");
        ends && !name.starts_with('.') && path.is_file()
    };
    let mut found: Vec<PathBuf> = paths.map(|entry| entry.path()).filter(is_yaml).collect();
    found.sort();
    found
}

pub(super) fn looks(project: &Path) -> Looks {
    let mut found = BTreeSet::new();
    for kind in kinds(project) {
        // The folder itself: that it came is news.
        found.insert((project.join(folder_of(kind)), None, 0));
        for path in files(project, kind) {
            if let Ok(data) = std::fs::metadata(&path) {
                found.insert((path, data.modified().ok(), data.len()));
            }
        }
    }
    Looks(found)
}

/// Reads all files, by their path from the project's folder.
pub(super) fn read(project: &Path) -> BTreeMap<String, OnDisk> {
    let mut found = BTreeMap::new();
    for kind in kinds(project) {
        for path in files(project, kind) {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let name = format!("{}/{name}", folder_of(kind));
            let text = text_of(&path);
            let hash = hash(text.as_deref().unwrap_or_default());
            found.insert(name, OnDisk { kind, hash, text });
        }
    }
    found
}

fn text_of(path: &Path) -> Result<String, String> {
    let unreadable = |error: io::Error| format!("the file cannot be read: {error}");
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_FILE {
        return Err(format!("the file is larger than {MAX_FILE} bytes"));
    }
    std::fs::read_to_string(path).map_err(unreadable)
}

/// Writes a file so that nobody ever reads half of it.
pub(super) fn write(project: &Path, path: &str, text: &str) -> io::Result<()> {
    let whole = project.join(path);
    let name = whole.file_name().unwrap_or_default().to_string_lossy();
    let half = whole.with_file_name(format!(".{name}.writing"));
    std::fs::write(&half, text)?;
    std::fs::rename(&half, &whole)
}

/// Returns a free path for a document that is called `name`.
pub(super) fn path_for(
    kind: DocumentKind,
    name: &str,
    id: &str,
    taken: impl Fn(&str) -> bool,
) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        match letter {
            _ if slug.len() >= 60 => break,
            _ if letter.is_alphanumeric() => slug.push(letter),
            _ if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            _ => {}
        }
    }
    let slug = slug.trim_end_matches('-');
    let slug = if slug.is_empty() { id } else { slug };
    let path = |slug: &str| format!("{}/{slug}.yml", folder_of(kind));
    match path(slug) {
        free if !taken(&free) => free,
        _ => path(&format!("{slug}-{id}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_as_documents_are() {
        let name = |name: &str| path_for(DocumentKind::Dashboard, name, "abc", |_| false);
        assert_eq!(
            name("Sales & Returns, 2026"),
            "dashboards/sales-returns-2026.yml"
        );
        assert_eq!(name("../../etc/passwd"), "dashboards/etc-passwd.yml");
        assert_eq!(name("Größe 日本語"), "dashboards/größe-日本語.yml");
        assert_eq!(name("---"), "dashboards/abc.yml");
        let taken = path_for(DocumentKind::Question, "A", "abc", |path| {
            path == "questions/a.yml"
        });
        assert_eq!(taken, "questions/a-abc.yml");
    }
}
