//! What a step is made of, as far as its results depend on it.

use std::path::Path;

use serde::Serialize;

use crate::declare::{Command, Compat, EnvValue, RunnerKind, Step};
use crate::error::StepError;
use crate::manifest::ContentHash;

/// Files of code larger than this are data.
const MOST_FILES: usize = 10_000;

#[derive(Serialize)]
struct Parts<'a> {
    command: &'a Command,
    err_command: &'a Option<Command>,
    cwd: &'a Path,
    /// Variables as they are written: a secret may change without the results being others.
    env: Vec<(&'a str, &'a str)>,
    from: Vec<(String, &'a str)>,
    runner: String,
    image: Option<&'a str>,
    compat: Compat,
    code: Vec<(String, ContentHash)>,
}

/// Returns the hash of everything of `step` that its results depend on. `image` is the digest of its
/// container's image.
pub(crate) fn fingerprint(
    step: &Step,
    project: &Path,
    image: Option<&str>,
) -> Result<[u8; 32], StepError> {
    let mut env: Vec<(&str, &str)> = step
        .env
        .iter()
        .map(|(key, value)| match value {
            EnvValue::Plain(text) | EnvValue::Secret(text) => (key.as_str(), text.as_str()),
        })
        .collect();
    env.sort_unstable();
    let parts = Parts {
        command: &step.command,
        err_command: &step.err_command,
        cwd: &step.cwd,
        env,
        from: step
            .outputs
            .iter()
            .map(|output| (output.target.to_string(), output.from.as_str()))
            .collect(),
        runner: match &step.runner {
            RunnerKind::Process => "process".to_owned(),
            container => container.to_string(),
        },
        image,
        compat: step.compat,
        code: code_files(step, project)?,
    };
    let text = serde_json::to_vec(&parts)
        .map_err(|error| StepError::invalid("the step cannot be written down").because(error))?;
    Ok(*blake3::hash(&text).as_bytes())
}

/// Finds the declared files of code, and the files that the command names.
fn code_files(step: &Step, project: &Path) -> Result<Vec<(String, ContentHash)>, StepError> {
    let mut files = Vec::new();
    if !step.code.is_empty() {
        let mut found = Vec::new();
        walk(project, "", &mut found)?;
        for glob in &step.code {
            let before = files.len();
            files.extend(
                found
                    .iter()
                    .filter(|path| {
                        glob.matches(path)
                            || path
                                .match_indices('/')
                                .any(|(at, _)| glob.matches(&path[..at]))
                    })
                    .cloned(),
            );
            if files.len() == before {
                return Err(StepError::invalid(format!(
                    "step `{}` names the code `{glob}`, and there is no such file",
                    step.name
                ))
                .with_hint("paths of code are those in the project's folder"));
            }
        }
    }
    let commands = std::iter::once(&step.command).chain(&step.err_command);
    for word in commands.flat_map(|command| &command.argv) {
        let path = step.cwd.join(word);
        let plain = path
            .components()
            .all(|part| matches!(part, std::path::Component::Normal(_)));
        if plain && project.join(&path).is_file() {
            files.extend(path.to_str().map(str::to_owned));
        }
    }
    files.sort_unstable();
    files.dedup();
    if files.len() > MOST_FILES {
        return Err(StepError::invalid(format!(
            "step `{}` names {} files of code",
            step.name,
            files.len()
        ))
        .with_hint("name the code only; data comes in as an input"));
    }
    files
        .into_iter()
        .map(|path| {
            let full = project.join(&path);
            let bytes = std::fs::read(&full);
            let bytes = bytes.map_err(|error| StepError::io("read the code", &full, error))?;
            Ok((path, ContentHash::of(&bytes)))
        })
        .collect()
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) -> Result<(), StepError> {
    let failed = |error| StepError::io("list", folder, error);
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        // Hidden folders hold tools' own things, and Weir's data has no code.
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{prefix}{name}");
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), found)?;
        } else if kind.is_file() {
            found.push(path);
        }
    }
    Ok(())
}
