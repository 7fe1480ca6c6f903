//! Who asks for a package and as what: two entries that mean different packages must not share a name.

use std::path::{Path, PathBuf};

use super::package::PackageSource;
use crate::error::{ModelError, ModelErrorKind, Place};

/// An entry of packages.yml or dependencies.yml.
#[derive(Debug, Clone)]
pub(super) struct Origin {
    /// The entry for people, like local `../lib`.
    what: String,
    /// The file it stands in.
    file: String,
    package: Wanted,
}

/// What an entry means, however it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    Folder(PathBuf),
    Repository {
        location: String,
        revision: Option<String>,
        below: Option<String>,
    },
    Archive(String),
    Hub(String),
}

impl Origin {
    /// Says what `source` means that the package in `by` asks for; files are named as from `root`.
    pub(super) fn of(source: &PackageSource, by: &Path, root: &Path) -> Self {
        let (what, package) = match source {
            PackageSource::Local { path } => {
                let folder = by.join(path);
                let folder = folder.canonicalize().unwrap_or(folder);
                (format!("local `{path}`"), Wanted::Folder(folder))
            }
            PackageSource::Git {
                url,
                revisions,
                subdirectory,
            } => {
                let revision = revisions.first().cloned();
                let at = revision.as_ref().map(|at| format!(" at `{at}`"));
                let what = format!("git `{url}`{}", at.unwrap_or_default());
                let wanted = Wanted::Repository {
                    location: repository(url, by),
                    revision,
                    below: subdirectory.clone(),
                };
                (what, wanted)
            }
            PackageSource::Tarball { location, .. } => (
                format!("tarball `{location}`"),
                Wanted::Archive(location.clone()),
            ),
            PackageSource::Hub { name, .. } => (format!("`{name}`"), Wanted::Hub(name.clone())),
        };
        let file = ["packages.yml", "dependencies.yml"]
            .map(|name| by.join(name))
            .into_iter()
            .find(|file| file.is_file())
            .unwrap_or_else(|| by.join("packages.yml"));
        let file = file.strip_prefix(root).unwrap_or(&file);
        Self {
            what,
            file: file.display().to_string(),
            package,
        }
    }

    /// Says whether both entries are content with one package. Any package stands in for one of the
    /// hub, which is what naming a vendored folder by `local:` is for.
    pub(super) fn agrees_with(&self, other: &Self) -> bool {
        match (&self.package, &other.package) {
            (Wanted::Hub(one), Wanted::Hub(two)) => one == two,
            (Wanted::Hub(_), _) | (_, Wanted::Hub(_)) => true,
            (one, two) => one == two,
        }
    }

    /// Says whether both entries mean the same folder of one repository, at whatever revisions.
    pub(super) fn shares_repository(&self, other: &Self) -> bool {
        match (&self.package, &other.package) {
            (
                Wanted::Repository {
                    location, below, ..
                },
                Wanted::Repository {
                    location: there,
                    below: below_there,
                    ..
                },
            ) => location == there && below == below_there,
            _ => false,
        }
    }

    /// Says that this entry and an earlier one want different packages of one `name`.
    pub(super) fn conflict(&self, name: &str, earlier: &Self) -> ModelError {
        let Self { what, file, .. } = self;
        let message = format!(
            "two different packages are called `{name}`: {} of {}, and {what} of {file}",
            earlier.what, earlier.file
        );
        ModelError::new(ModelErrorKind::Package, message)
            .at(Place::file(file.as_str()))
            .hint("keep one of the two entries")
    }

    /// Says that this entry's package has the name of the project that uses it.
    pub(super) fn like_the_project(&self, name: &str) -> ModelError {
        let Self { what, file, .. } = self;
        let message = format!("the package of {what} is called `{name}` like the project itself");
        ModelError::new(ModelErrorKind::Package, message)
            .at(Place::file(file.as_str()))
            .hint("rename one of them: `name` in its dbt_project.yml")
    }
}

/// Returns one name for all ways to write a repository's address.
fn repository(url: &str, by: &Path) -> String {
    if let Ok(local) = by.join(url).canonicalize() {
        return local.display().to_string();
    }
    let plain = url.trim_end_matches('/');
    plain.strip_suffix(".git").unwrap_or(plain).to_owned()
}
