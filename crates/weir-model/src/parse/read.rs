//! The contents of a project's files.

use std::path::Path;
use std::sync::Arc;

use super::parallel;
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::node::Checksum;
use crate::project::{FileKind, Package, Project, SourceFile, walk};

/// One file with its text.
#[derive(Debug, Clone)]
pub(super) struct ReadFile {
    pub(super) package: Arc<Package>,
    pub(super) file: SourceFile,
    /// Empty for seeds, whose rows are read when they are loaded.
    pub(super) text: Arc<str>,
    pub(super) checksum: Checksum,
    /// The path for messages: that of the file below the root project.
    pub(super) shown: Arc<str>,
}

impl ReadFile {
    /// Returns the file's name without folders and ending.
    pub(super) fn stem(&self) -> &str {
        let name = self.file.path.rsplit('/').next().unwrap_or(&self.file.path);
        name.rsplit_once('.').map_or(name, |(stem, _)| stem)
    }

    /// Returns `package://path`.
    pub(super) fn file_id(&self) -> String {
        format!("{}://{}", self.package.name, self.file.original)
    }

    pub(super) fn place(&self, line: u32, column: u32) -> Place {
        Place::at(Arc::clone(&self.shown), line, column)
    }
}

/// A seed bigger than this is told apart by its path, not by its contents.
const BIGGEST_HASHED_SEED: u64 = 1 << 20;

/// Finds and reads every file of the project and its packages; the root's come first.
pub(super) fn read_all(
    project: &Project,
    threads: usize,
    errors: &mut Vec<ModelError>,
) -> Vec<ReadFile> {
    let mut found = Vec::new();
    for package in project.packages.values() {
        let shown = shown_root(project, package);
        for file in walk(package, errors) {
            found.push((Arc::clone(package), file, shown.clone()));
        }
    }
    let read = parallel::map(&found, threads, |(package, file, shown)| {
        read_one(package, file, shown)
    });
    let mut files = Vec::with_capacity(read.len());
    for result in read {
        match result {
            Ok(file) => files.push(file),
            Err(error) => errors.push(error),
        }
    }
    files
}

fn shown_root(project: &Project, package: &Package) -> String {
    let root = &project.root().root;
    match package.root.strip_prefix(root) {
        Ok(below) if below == Path::new("") => String::new(),
        Ok(below) => format!("{}/", below.display()),
        Err(_) => format!("{}/", package.root.display()),
    }
}

fn read_one(
    package: &Arc<Package>,
    file: &SourceFile,
    shown: &str,
) -> Result<ReadFile, ModelError> {
    let shown: Arc<str> = format!("{shown}{}", file.original).into();
    let failed = |error: std::io::Error| {
        let hint = match error.kind() {
            std::io::ErrorKind::InvalidData => "save it as UTF-8",
            _ => "check that it exists and may be read",
        };
        ModelError::new(ModelErrorKind::File, "cannot read this file")
            .at(Place::file(Arc::clone(&shown)))
            .caused_by(error)
            .hint(hint)
    };
    let (text, checksum): (Arc<str>, Checksum) = if file.kind == FileKind::Seed {
        let size = std::fs::metadata(&file.absolute).map_err(failed)?.len();
        if size > BIGGEST_HASHED_SEED {
            (
                "".into(),
                Checksum {
                    name: "path",
                    value: file.original.to_string(),
                },
            )
        } else {
            let bytes = std::fs::read(&file.absolute).map_err(failed)?;
            ("".into(), seed_checksum(&bytes))
        }
    } else {
        let text = std::fs::read_to_string(&file.absolute).map_err(failed)?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text).trim();
        let checksum = match file.kind {
            FileKind::Model | FileKind::Snapshot | FileKind::Analysis | FileKind::SingularTest => {
                Checksum::of_text(text)
            }
            _ => Checksum::none(),
        };
        (text.into(), checksum)
    };
    Ok(ReadFile {
        package: Arc::clone(package),
        file: file.clone(),
        text,
        checksum,
        shown,
    })
}

/// Seeds are hashed as text without the white space around it, where they are text.
fn seed_checksum(bytes: &[u8]) -> Checksum {
    match std::str::from_utf8(bytes) {
        Ok(text) => Checksum::of_text(text),
        Err(_) => Checksum {
            name: "sha256",
            value: crate::hash::sha256_hex(bytes),
        },
    }
}
