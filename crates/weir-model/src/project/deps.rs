//! `weir deps`: bringing packages into the folder where projects look for them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::load::LoadOptions;
use super::origin::Origin;
use super::package::PackageSource;
use super::requirement::requirements;
use super::version::{Condition, Version, conditions, meets};
use crate::error::{ModelError, ModelErrorKind, Place};
use crate::yaml::{Yaml, read};

/// Where packages come from and go to.
#[derive(Debug, Clone)]
pub struct DepsOptions {
    pub load: LoadOptions,
    /// A folder of packages by name, `owner/name` or `name`, instead of the hub.
    pub mirror: Option<PathBuf>,
}

/// One package that was brought in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    pub name: String,
    pub version: Option<String>,
    /// What it was asked for as, for people.
    pub from: String,
    pub folder: PathBuf,
}

/// Brings every package that the project and its packages ask for into the install folder, and writes
/// package-lock.yml.
///
/// # Errors
///
/// Everything that could not be found, fetched or agreed upon.
pub fn install(options: &DepsOptions) -> Result<Vec<Installed>, Vec<ModelError>> {
    let root = &options.load.project_dir;
    let mut errors = Vec::new();
    let mut warnings = Vec::new();
    let into = root.join(install_path(root));
    let first = requirements(&options.load, root, "", &mut errors, &mut warnings);
    let mut installer = Installer {
        options,
        into,
        project: identity(root).map(|(name, _)| name),
        done: Vec::new(),
        origins: Vec::new(),
        hub: Vec::new(),
        seen: HashSet::new(),
    };
    let mut queue: Vec<(PathBuf, PackageSource)> = first
        .packages
        .into_iter()
        .map(|source| (root.clone(), source))
        .collect();
    let mut at = 0;
    while let Some((by, source)) = queue.get(at).cloned() {
        at += 1;
        match installer.install(&by, &source) {
            Ok(Some(folder)) => {
                let more = requirements(&options.load, &folder, "", &mut errors, &mut warnings);
                queue.extend(
                    more.packages
                        .into_iter()
                        .map(|source| (folder.clone(), source)),
                );
            }
            Ok(None) => {}
            Err(error) => errors.push(error),
        }
    }
    errors.extend(installer.conflicts());
    if errors.is_empty()
        && let Err(error) = write_lock(root, &installer.done, &queue)
    {
        errors.push(failed("cannot write package-lock.yml", error));
    }
    if errors.is_empty() {
        Ok(installer.done)
    } else {
        Err(errors)
    }
}

struct Installer<'o> {
    options: &'o DepsOptions,
    into: PathBuf,
    /// The name of the project itself.
    project: Option<String>,
    done: Vec<Installed>,
    /// What each of `done` was first asked for as.
    origins: Vec<Origin>,
    /// What was asked of packages of the hub: name, ranges, and who asked.
    hub: Vec<(String, Vec<String>, PathBuf)>,
    seen: HashSet<String>,
}

impl Installer<'_> {
    /// Brings one package in; nothing when it is there already.
    fn install(
        &mut self,
        by: &Path,
        source: &PackageSource,
    ) -> Result<Option<PathBuf>, ModelError> {
        let origin = Origin::of(source, by, &self.options.load.project_dir);
        match source {
            PackageSource::Local { path } => {
                let from = by.join(path);
                self.put(&from, &format!("local `{path}`"), origin, true)
            }
            PackageSource::Git {
                url,
                revisions,
                subdirectory,
            } => {
                let revision = revisions.first().map(String::as_str);
                self.git(by, url, revision, subdirectory.as_deref(), origin)
            }
            PackageSource::Tarball { location, name } => {
                if location.contains("://") && !location.starts_with("file://") {
                    let message = format!("the archive of `{name}` lies on the network");
                    return Err(
                        package_error(message).hint("download it, and name its path by `tarball:`")
                    );
                }
                let path = by.join(location.trim_start_matches("file://"));
                let bytes = std::fs::read(&path)
                    .map_err(|error| failed(format!("cannot read `{location}`"), error))?;
                let folder = self.scratch(name)?;
                super::tar::unpack(&bytes, &folder)
                    .map_err(|error| failed(format!("cannot unpack `{location}`"), error))?;
                let put = self.put(&folder, &format!("tarball `{location}`"), origin, false);
                let _ = std::fs::remove_dir_all(&folder);
                put
            }
            PackageSource::Hub { name, versions, .. } => {
                self.hub
                    .push((name.clone(), versions.clone(), by.to_owned()));
                let short = name.rsplit('/').next().unwrap_or(name);
                if let Some(known) = self.origin_of(short) {
                    return match origin.agrees_with(known) {
                        true => Ok(None),
                        false => Err(origin.conflict(short, known)),
                    };
                }
                let vendored = self.into.join(short);
                if vendored.join("dbt_project.yml").is_file() {
                    return self.put(&vendored, &format!("`{name}`"), origin, false);
                }
                for folder in self.mirrored(name, short) {
                    if folder.join("dbt_project.yml").is_file() {
                        return self.put(&folder, &format!("`{name}`"), origin, false);
                    }
                }
                Err(package_error(format!("`{name}` is a package of the hub, and not here")).hint(format!(
                    "put its folder at {}, or name it by `local:` or `git:` in packages.yml",
                    vendored.display()
                )))
            }
        }
    }

    /// Returns what the installed package called `name` was asked for as.
    fn origin_of(&self, name: &str) -> Option<&Origin> {
        let mut all = self.done.iter().zip(&self.origins);
        all.find(|(done, _)| done.name == name)
            .map(|(_, origin)| origin)
    }

    fn mirrored(&self, name: &str, short: &str) -> Vec<PathBuf> {
        self.options
            .mirror
            .iter()
            .flat_map(|mirror| [mirror.join(name), mirror.join(short)])
            .collect()
    }

    fn git(
        &mut self,
        by: &Path,
        url: &str,
        revision: Option<&str>,
        subdirectory: Option<&str>,
        origin: Origin,
    ) -> Result<Option<PathBuf>, ModelError> {
        if !self
            .seen
            .insert(format!("{url} {revision:?} {subdirectory:?}"))
        {
            return Ok(None);
        }
        // A value that begins with a dash would be an option of git.
        if url.starts_with('-') || revision.is_some_and(|revision| revision.starts_with('-')) {
            return Err(package_error(format!("`{url}` is no repository")));
        }
        let local = by.join(url);
        let location = if local.exists() {
            local.display().to_string()
        } else {
            url.to_owned()
        };
        let folder = self.scratch("git")?;
        let run = |arguments: &[&str]| -> Result<(), ModelError> {
            let output = Command::new("git")
                .args(arguments)
                .env("GIT_TERMINAL_PROMPT", "0")
                .output()
                .map_err(|error| failed("cannot run git", error))?;
            if output.status.success() {
                return Ok(());
            }
            let said = String::from_utf8_lossy(&output.stderr);
            let last = said.lines().last().unwrap_or_default().to_owned();
            Err(package_error(format!("cannot fetch `{url}`: {last}")).hint(
                "check the address and the revision; a path to a clone works without a network",
            ))
        };
        let to = folder.display().to_string();
        let fetched = run(&["clone", "--quiet", &location, &to]).and_then(|()| {
            revision.map_or(Ok(()), |revision| {
                run(&["-C", &to, "checkout", "--quiet", revision])
            })
        });
        let result = fetched.and_then(|()| {
            let inside = subdirectory.map_or_else(|| folder.clone(), |below| folder.join(below));
            self.put(&inside, &format!("git `{url}`"), origin, false)
        });
        let _ = std::fs::remove_dir_all(&folder);
        result
    }

    /// Makes an empty folder beside the packages.
    fn scratch(&self, name: &str) -> Result<PathBuf, ModelError> {
        let plain: String = name
            .chars()
            .filter(|c| c.is_alphanumeric() || *c == '_')
            .collect();
        let folder = self.into.join(format!("__{plain}_{}", self.done.len()));
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder)
            .map_err(|error| failed(format!("cannot make {}", folder.display()), error))?;
        Ok(folder)
    }

    /// Puts the package in `from` where projects look for it, by a link if it is local.
    fn put(
        &mut self,
        from: &Path,
        asked: &str,
        origin: Origin,
        link: bool,
    ) -> Result<Option<PathBuf>, ModelError> {
        let (name, version) = identity(from).ok_or_else(|| {
            package_error(format!(
                "{asked} holds no package: there is no dbt_project.yml with a name"
            ))
            .at(Place::file(from.display().to_string()))
            .hint("check the path, or give `subdirectory:`")
        })?;
        if self.project.as_ref() == Some(&name) {
            return Err(origin.like_the_project(&name));
        }
        if let Some(known) = self.origin_of(&name) {
            return match origin.agrees_with(known) {
                true => Ok(None),
                false => Err(origin.conflict(&name, known)),
            };
        }
        let to = self.into.join(&name);
        if to.canonicalize().ok() != from.canonicalize().ok() {
            std::fs::create_dir_all(&self.into)
                .and_then(|()| remove(&to))
                .and_then(|()| {
                    if link {
                        link_or_copy(from, &to)
                    } else {
                        copy(from, &to, 0)
                    }
                })
                .map_err(|error| failed(format!("cannot install {asked}"), error))?;
        }
        // What is local asks for others relative to itself.
        let folder = if link { from.to_owned() } else { to.clone() };
        self.origins.push(origin);
        self.done.push(Installed {
            name,
            version,
            from: asked.to_owned(),
            folder: to,
        });
        Ok(Some(folder))
    }

    /// Finds packages whose installed version is not what somebody asked for.
    fn conflicts(&self) -> Vec<ModelError> {
        let mut out = Vec::new();
        for (name, ranges, by) in &self.hub {
            let short = name.rsplit('/').next().unwrap_or(name);
            let Some(done) = self.done.iter().find(|done| done.name == short) else {
                continue;
            };
            let Some(version) = done.version.as_deref().and_then(Version::parse) else {
                continue;
            };
            let parsed: Result<Vec<Condition>, String> = conditions(ranges);
            let fits = parsed.as_ref().is_ok_and(|parsed| meets(&version, parsed));
            if fits {
                continue;
            }
            let others: Vec<String> = self
                .hub
                .iter()
                .filter(|(other, _, other_by)| other == name && other_by != by)
                .map(|(_, ranges, by)| {
                    format!("{} asks for {}", folder_name(by), ranges.join(", "))
                })
                .collect();
            let note = if version.is_prerelease() {
                " (a pre-release)"
            } else {
                ""
            };
            let message = format!(
                "{} asks for `{name}` {}, but {version}{note} is there",
                folder_name(by),
                ranges.join(", ")
            );
            let hint = match others.first() {
                Some(_) => format!("{}; choose versions that all accept", others.join("; ")),
                None => "vendor a version within that range".to_owned(),
            };
            out.push(
                package_error(message)
                    .at(Place::file("packages.yml"))
                    .hint(hint),
            );
        }
        out
    }
}

fn folder_name(path: &Path) -> String {
    identity(path).map_or_else(
        || path.display().to_string(),
        |(name, _)| format!("`{name}`"),
    )
}

fn install_path(root: &Path) -> String {
    let yaml = std::fs::read_to_string(root.join("dbt_project.yml"))
        .ok()
        .and_then(|text| read("dbt_project.yml", &text).ok());
    yaml.and_then(|yaml| {
        yaml.root
            .get("packages-install-path")
            .and_then(Yaml::scalar_text)
    })
    .unwrap_or_else(|| "dbt_packages".to_owned())
}

fn identity(folder: &Path) -> Option<(String, Option<String>)> {
    let text = std::fs::read_to_string(folder.join("dbt_project.yml")).ok()?;
    let yaml = read("dbt_project.yml", &text).ok()?.root;
    let name = yaml.get("name").and_then(Yaml::scalar_text)?;
    // The name becomes a folder's.
    let plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    plain.then(|| (name, yaml.get("version").and_then(Yaml::scalar_text)))
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(_) => Ok(()),
    }
}

fn link_or_copy(from: &Path, to: &Path) -> std::io::Result<()> {
    let from = from.canonicalize()?;
    #[cfg(unix)]
    if std::os::unix::fs::symlink(&from, to).is_ok() {
        return Ok(());
    }
    copy(&from, to, 0)
}

fn copy(from: &Path, to: &Path, depth: usize) -> std::io::Result<()> {
    if depth > 64 {
        return Err(std::io::Error::other("folders nest too deeply"));
    }
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == ".git" {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy(&entry.path(), &to.join(name), depth + 1)?;
        } else if kind.is_file() {
            std::fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}

fn write_lock(
    root: &Path,
    done: &[Installed],
    asked: &[(PathBuf, PackageSource)],
) -> std::io::Result<()> {
    use std::fmt::Write;
    let mut text = String::from("packages:\n");
    for (_, source) in asked {
        let _ = match source {
            PackageSource::Local { path } => writeln!(text, "  - local: {path}"),
            PackageSource::Git {
                url,
                revisions,
                subdirectory,
            } => {
                let _ = writeln!(text, "  - git: {url}");
                if let Some(below) = subdirectory {
                    let _ = writeln!(text, "    subdirectory: {below}");
                }
                writeln!(
                    text,
                    "    revision: {}",
                    revisions.first().map_or("HEAD", String::as_str)
                )
            }
            PackageSource::Tarball { location, name } => {
                writeln!(text, "  - tarball: {location}\n    name: {name}")
            }
            PackageSource::Hub { name, .. } => {
                let short = name.rsplit('/').next().unwrap_or(name);
                let version = done
                    .iter()
                    .find(|done| done.name == short)
                    .and_then(|done| done.version.as_deref());
                writeln!(
                    text,
                    "  - package: {name}\n    version: {}",
                    version.unwrap_or("unknown")
                )
            }
        };
    }
    if asked.is_empty() {
        text = "packages: []\n".to_owned();
    }
    std::fs::write(root.join("package-lock.yml"), text)
}

fn package_error(message: impl Into<String>) -> ModelError {
    ModelError::new(ModelErrorKind::Package, message)
}

fn failed(message: impl Into<String>, error: std::io::Error) -> ModelError {
    package_error(message).caused_by(error)
}
