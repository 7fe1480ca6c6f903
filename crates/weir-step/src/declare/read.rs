//! From text to steps.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use weir_core::config::{ByteSize, parse_duration};

use super::files::{input, outputs};
use super::keys;
use super::written::{Lines, Plain, WrittenLimits, WrittenList, WrittenStep};
use super::{Command, EnvValue, Input, Limits, RunnerKind, Step};
use crate::error::StepError;
use crate::glob::Glob;

const DEFAULT_TRIES: u32 = 3;
const DEFAULT_GRACE: Duration = Duration::from_secs(10);
const MOST_TRIES: u32 = 100;
const MOST_PARALLEL: u32 = 1024;

/// Reads the steps of one file: a mapping with the keys of a step, or with a list under `steps`.
///
/// `file` is for messages; `stem`, its name without `.yml`, is the name of a step that has none.
///
/// # Errors
/// Of kind `Invalid`, with the file, the step and what to write instead.
pub fn parse_steps(file: &str, stem: &str, text: &str) -> Result<Vec<Step>, StepError> {
    let bad = |error: serde_yaml_ng::Error| {
        let message = error.to_string();
        let problem = message
            .rfind(" at line ")
            .map_or(message.as_str(), |at| &message[..at]);
        let place = error
            .location()
            .map(|at| format!("{}:{}:", at.line(), at.column()))
            .unwrap_or_default();
        StepError::invalid(format!("{file}:{place} {problem}"))
            .with_hint("docs/steps.md lists the keys of a step")
    };
    let value: serde_yaml_ng::Value = serde_yaml_ng::from_str(text).map_err(bad)?;
    if let Some(error) = keys::unknown(file, text, &value) {
        return Err(error);
    }
    let written = match value.get("steps") {
        Some(_) => {
            let list: WrittenList = serde_yaml_ng::from_str(text).map_err(bad)?;
            list.steps
        }
        None => vec![serde_yaml_ng::from_str(text).map_err(bad)?],
    };
    let alone = written.len() == 1;
    let mut steps: Vec<Step> = Vec::new();
    for (number, step) in written.into_iter().enumerate() {
        let name = match (&step.name, alone) {
            (Some(name), _) => name.clone(),
            (None, true) => stem.to_owned(),
            (None, false) => {
                return Err(StepError::invalid(format!(
                    "{file}: step {} of the list has no `name`",
                    number + 1
                ))
                .with_hint("give each step of a list a name"));
            }
        };
        let wrap = |error: StepError| {
            let hint = error.hint().map(str::to_owned);
            let line = keys::line_of(text, &name, alone, &error.to_string());
            let outer = StepError::invalid(format!("{file}:{line}: step `{name}`")).because(error);
            match hint {
                Some(hint) => outer.with_hint(hint),
                None => outer,
            }
        };
        if steps.iter().any(|known| known.name == name) {
            return Err(wrap(StepError::invalid("is there twice")));
        }
        steps.push(check(step, name.clone()).map_err(wrap)?);
    }
    Ok(steps)
}

fn check(step: WrittenStep, name: String) -> Result<Step, StepError> {
    check_name("a step", &name)?;
    let command = command(step.command, step.shell, step.stdin, "command", "shell")?;
    let command = command.ok_or_else(|| {
        StepError::invalid("has no command")
            .with_hint("write `command: [python3, count.py]`, or `shell: \"sort < a > b\"`")
    })?;
    let (argv, shell) = (step.err_command, step.err_shell);
    let err_command = self::command(argv, shell, step.err_stdin, "err_command", "err_shell")?;
    let read = match (step.input, step.inputs) {
        (Some(one), None) => input(one)?,
        (None, Some(inputs)) if inputs.len() == 1 => {
            input(inputs.into_iter().next().ok_or_else(no_input)?)?
        }
        (None, Some(inputs)) if !inputs.is_empty() => Input::Cross(all(inputs, input)?),
        (Some(_), Some(_)) => {
            return Err(StepError::invalid("has both `input` and `inputs`")
                .with_hint("keep one; `inputs` is a cross of its items"));
        }
        _ => return Err(no_input()),
    };
    read.check_names()?;
    let mut env = std::collections::BTreeMap::new();
    for (key, value) in step.env {
        env.insert(
            check_variable(&key)?.to_owned(),
            env_value(&key, value.text())?,
        );
    }
    let owner = step.owner.map(Plain::text);
    if owner.as_deref().is_some_and(str::is_empty) {
        return Err(StepError::invalid("has an `owner` without a name")
            .with_hint("name a user, or leave it out for the project's owner"));
    }
    let tries = step.tries.unwrap_or(DEFAULT_TRIES);
    bounds("tries", tries, MOST_TRIES)?;
    let parallel = step.parallel.unwrap_or(1);
    bounds("parallel", parallel, MOST_PARALLEL)?;
    let duration = |key: &str, text: Option<String>| {
        let parsed = text.map(|text| parse_duration(&text).map_err(|why| (text.clone(), why)));
        parsed
            .transpose()
            .map_err(|(text, why)| StepError::invalid(format!("`{key}: {text}` {why}")))
    };
    Ok(Step {
        command,
        err_command,
        cwd: inside("cwd", step.cwd.unwrap_or_default())?,
        env,
        code: all(step.code, |text| Glob::parse(&text))?,
        input: read,
        outputs: outputs(step.output, step.outputs)?,
        tries,
        timeout: duration("timeout", step.timeout)?,
        silence: duration("silence", step.silence)?,
        grace: duration("grace", step.grace)?.unwrap_or(DEFAULT_GRACE),
        parallel,
        limits: limits(step.limits)?,
        collision: step.collision,
        reprocess: step.reprocess,
        runner: runner(step.runner, step.image, step.network)?,
        compat: step.compat.unwrap_or_default(),
        owner,
        database: step.database,
        name,
    })
}

pub(super) fn no_input() -> StepError {
    StepError::invalid("has no input").with_hint(
        "write `input:` with `fileset`, `folder` or `table`, and `glob` to cut it into datums",
    )
}

pub(super) fn all<A, B>(
    items: Vec<A>,
    f: impl Fn(A) -> Result<B, StepError>,
) -> Result<Vec<B>, StepError> {
    items.into_iter().map(f).collect()
}

fn command(
    argv: Option<Vec<Plain>>,
    shell: Option<String>,
    stdin: Option<Lines>,
    argv_key: &str,
    shell_key: &str,
) -> Result<Option<Command>, StepError> {
    let argv = match (argv, shell) {
        (Some(_), Some(_)) => {
            return Err(
                StepError::invalid(format!("has both `{argv_key}` and `{shell_key}`"))
                    .with_hint("keep one of them"),
            );
        }
        (Some(argv), None) => argv.into_iter().map(Plain::text).collect(),
        (None, Some(shell)) => vec!["/bin/sh".to_owned(), "-c".to_owned(), shell],
        (None, None) if stdin.is_some() => {
            return Err(
                StepError::invalid(format!("has a stdin and no `{argv_key}`"))
                    .with_hint(format!("write `{argv_key}: [bash]`")),
            );
        }
        (None, None) => return Ok(None),
    };
    if argv.first().is_none_or(String::is_empty) {
        return Err(StepError::invalid(format!("`{argv_key}` names no program"))
            .with_hint("the first item is the program"));
    }
    for word in &argv {
        if word.contains('\0') {
            return Err(StepError::invalid(format!("`{argv_key}` contains a NUL")));
        }
        // Arguments can be read by everybody on the machine.
        if word.contains("${env:") {
            return Err(StepError::invalid(format!(
                "`{argv_key}` refers to a variable of Weir's environment"
            ))
            .with_hint("put it under `env:` and let the command read its environment: arguments can be seen by every user of the machine"));
        }
    }
    Ok(Some(Command {
        argv,
        stdin: stdin.map(Lines::text),
    }))
}

fn limits(written: WrittenLimits) -> Result<Limits, StepError> {
    let size = |key: &str, text: Option<String>, default: Option<u64>| match text {
        None => Ok(default),
        Some(text) => {
            let size: ByteSize = text
                .parse()
                .map_err(|why| StepError::invalid(format!("`limits.{key}: {text}` {why}")))?;
            // Zero lifts the bound: nothing could run with it.
            Ok((size.0 > 0).then_some(size.0))
        }
    };
    let none = Limits::default();
    let count = |given: Option<u64>, default| match given {
        None => default,
        given => given.filter(|&count| count > 0),
    };
    let cpu = written.cpu.map(|text| {
        parse_duration(&text)
            .map_err(|why| StepError::invalid(format!("`limits.cpu: {text}` {why}")))
    });
    Ok(Limits {
        memory: size("memory", written.memory, none.memory)?,
        cpu: cpu.transpose()?.filter(|cpu| !cpu.is_zero()),
        file_size: size("file_size", written.file_size, none.file_size)?,
        processes: count(written.processes, none.processes),
        open_files: count(written.open_files, none.open_files),
        output: size("output", written.output, none.output)?,
        scratch: size("scratch", written.scratch, none.scratch)?,
        free_disk: size("free_disk", written.free_disk, none.free_disk)?,
        log: size("log", written.log, Some(none.log))?
            .unwrap_or(none.log)
            .max(4096),
    })
}

fn runner(
    runner: Option<String>,
    image: Option<String>,
    network: Option<bool>,
) -> Result<RunnerKind, StepError> {
    match (runner.as_deref(), image) {
        (None | Some("process"), None) if network.is_none() => Ok(RunnerKind::Process),
        (None | Some("process"), None) => Err(StepError::invalid(
            "says `network` without a container",
        )
        .with_hint(
            "only a container can be kept from the network; write `runner: container` and `image`",
        )),
        (None | Some("container"), Some(image)) => match image.starts_with('-') || image.is_empty()
        {
            true => Err(StepError::invalid(format!("`{image}` is no image"))),
            false => Ok(RunnerKind::Container {
                image,
                network: network.unwrap_or(false),
            }),
        },
        (Some("container"), None) => {
            Err(StepError::invalid("runs in a container and names no image")
                .with_hint("write `image: python:3.13-slim`, best with its digest"))
        }
        (Some("process"), Some(_)) => {
            Err(StepError::invalid("names an image and runs as a process")
                .with_hint("write `runner: container`, or leave `image` out"))
        }
        (Some(other), _) => Err(StepError::invalid(format!("has the runner `{other}`"))
            .with_hint("runners are `process` and `container`")),
    }
}

fn env_value(key: &str, text: String) -> Result<EnvValue, StepError> {
    if text.contains('\0') {
        return Err(StepError::invalid(format!(
            "the value of `{key}` contains a NUL"
        )));
    }
    Ok(match text.contains("${env:") {
        true => EnvValue::Secret(text),
        false => EnvValue::Plain(text),
    })
}

fn check_variable(key: &str) -> Result<&str, StepError> {
    let letters = key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !letters || key.is_empty() || key.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(
            StepError::invalid(format!("`{key}` is no name of a variable"))
                .with_hint("names of variables have letters, digits and `_`"),
        );
    }
    if key.starts_with("WEIR_") || key.starts_with("LD_") {
        return Err(StepError::invalid(format!("sets the variable `{key}`"))
            .with_hint("variables that begin with `WEIR_` or `LD_` are not for steps to set"));
    }
    Ok(key)
}

pub(crate) fn check_name(what: &str, name: &str) -> Result<(), StepError> {
    let letters = name
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
    let begins = name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    if letters && begins && name.len() <= 100 {
        return Ok(());
    }
    Err(StepError::invalid(format!("`{name}` is no name for {what}")).with_hint(
        "names have letters, digits, `_`, `-` and `.`, begin with a letter, a digit or `_`, and have at most 100 of them",
    ))
}

fn inside(key: &str, path: PathBuf) -> Result<PathBuf, StepError> {
    let leaves = Path::new(&path)
        .components()
        .any(|part| !matches!(part, Component::Normal(_) | Component::CurDir));
    match leaves {
        true => Err(
            StepError::invalid(format!("`{key}: {}` leaves the project", path.display()))
                .with_hint("name a folder of the project"),
        ),
        false => Ok(path),
    }
}

fn bounds(key: &str, value: u32, most: u32) -> Result<(), StepError> {
    match (1..=most).contains(&value) {
        true => Ok(()),
        false => Err(StepError::invalid(format!("`{key}: {value}`"))
            .with_hint(format!("`{key}` goes from 1 to {most}"))),
    }
}
