//! Inputs and outputs, from what is written to what is meant.

use super::read::{all, check_name};
use super::written::{WrittenInput, WrittenOutput};
use super::{Input, Origin, Output, OutputTarget, Source, TableFormat};
use crate::error::StepError;
use crate::glob::{Glob, Template};

pub(super) fn input(written: WrittenInput) -> Result<Input, StepError> {
    let WrittenInput {
        cross,
        union,
        join,
        group,
        ..
    } = written;
    let sources = |list: Vec<WrittenInput>, kind: &str| {
        all(list, |item| match input(item)? {
            Input::Source(source) => Ok(*source),
            _ => Err(StepError::invalid(format!(
                "a `{kind}` has something in it that is no fileset, folder or table"
            ))
            .with_hint(format!("only those have captures to {kind} by"))),
        })
    };
    let some = |items: usize, kind: &str| match items {
        0 => Err(StepError::invalid(format!("the `{kind}` is empty"))),
        _ => Ok(()),
    };
    match (cross, union, join, group) {
        (None, None, None, None) => {}
        (Some(items), None, None, None) => {
            some(items.len(), "cross")?;
            return Ok(Input::Cross(all(items, input)?));
        }
        (None, Some(items), None, None) => {
            some(items.len(), "union")?;
            return Ok(Input::Union(all(items, input)?));
        }
        (None, None, Some(items), None) => {
            some(items.len(), "join")?;
            let sources = sources(items, "join")?;
            if let Some(source) = sources.iter().find(|source| source.join_on.is_none()) {
                return Err(StepError::invalid(format!(
                    "input `{}` of the join has no `join_on`",
                    source.name
                ))
                .with_hint(
                    "write `join_on: $1` for what the first parentheses of its glob match",
                ));
            }
            return Ok(Input::Join(sources));
        }
        (None, None, None, Some(items)) => {
            some(items.len(), "group")?;
            let sources = sources(items, "group")?;
            if let Some(source) = sources.iter().find(|source| source.group_by.is_none()) {
                return Err(StepError::invalid(format!(
                    "input `{}` of the group has no `group_by`",
                    source.name
                ))
                .with_hint(
                    "write `group_by: $1` for what the first parentheses of its glob match",
                ));
            }
            return Ok(Input::Group(sources));
        }
        _ => {
            return Err(StepError::invalid("an input is of two kinds at once")
                .with_hint("an input has one of `cross`, `union`, `join`, `group`, `fileset`, `folder`, `table`"));
        }
    }
    let (origin, default_name) = match (written.fileset, written.folder, written.table) {
        (Some(name), None, None) => {
            check_name("a fileset", &name)?;
            let branch = written.branch.unwrap_or_else(|| "master".to_owned());
            check_name("a branch", &branch)?;
            (
                Origin::Fileset {
                    name: name.clone(),
                    branch,
                },
                name,
            )
        }
        (None, Some(path), None) => {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned());
            (Origin::Folder(path), name.unwrap_or_default())
        }
        (None, None, Some(name)) => {
            let short = name.rsplit('.').next().unwrap_or(&name).to_owned();
            let format = written.format.unwrap_or(TableFormat::Parquet);
            (Origin::Table { name, format }, short)
        }
        _ => {
            return Err(StepError::invalid(
                "an input has not exactly one of `fileset`, `folder` and `table`",
            )
            .with_hint("write where its files come from, once"));
        }
    };
    let name = written.name.unwrap_or(default_name);
    check_name("an input", &name)?;
    if name == "out" {
        return Err(
            StepError::invalid("an input is called `out`, as the folder of outputs is")
                .with_hint("give it another `name`"),
        );
    }
    let glob = written
        .glob
        .or_else(|| matches!(origin, Origin::Table { .. }).then(|| "/".to_owned()));
    let glob = glob.ok_or_else(|| {
        StepError::invalid(format!("input `{name}` has no `glob`")).with_hint(
            "write `/` for everything as one datum, `/*` for a datum per file or folder at the top",
        )
    })?;
    let glob = Glob::parse(&glob)?;
    let template =
        |text: Option<String>| text.map(|text| Template::parse(&text, &glob)).transpose();
    Ok(Input::Source(Box::new(Source {
        join_on: template(written.join_on)?,
        group_by: template(written.group_by)?,
        outer_join: written.outer_join,
        empty_files: written.empty_files,
        name,
        origin,
        glob,
    })))
}

pub(super) fn outputs(
    one: Option<WrittenOutput>,
    many: Option<Vec<WrittenOutput>>,
) -> Result<Vec<Output>, StepError> {
    let written = match (one, many) {
        (Some(one), None) => vec![one],
        (None, Some(many)) if !many.is_empty() => many,
        (Some(_), Some(_)) => {
            return Err(StepError::invalid("has both `output` and `outputs`").with_hint("keep one"));
        }
        _ => {
            return Err(StepError::invalid("has no output")
                .with_hint("write `output:` with `fileset: name` or `table: schema.name`"));
        }
    };
    let several = written.len() > 1;
    let outputs = all(written, |output| self::output(output, several))?;
    for (number, output) in outputs.iter().enumerate() {
        for other in &outputs[..number] {
            if other.target == output.target {
                return Err(StepError::invalid(format!(
                    "has the output `{}` twice",
                    output.target
                )));
            }
            if within(&other.from, &output.from) || within(&output.from, &other.from) {
                return Err(StepError::invalid(format!(
                    "has outputs from `{}` and `{}`, one inside the other",
                    other.from, output.from
                ))
                .with_hint("give each output a folder of its own"));
            }
        }
    }
    Ok(outputs)
}

fn within(inner: &str, outer: &str) -> bool {
    outer.is_empty()
        || inner == outer
        || inner
            .strip_prefix(outer)
            .is_some_and(|rest| rest.starts_with('/'))
}

fn output(written: WrittenOutput, several: bool) -> Result<Output, StepError> {
    let (target, default) = match (written.fileset, written.table) {
        (Some(name), None) => {
            check_name("a fileset", &name)?;
            let branch = written.branch.unwrap_or_else(|| "master".to_owned());
            check_name("a branch", &branch)?;
            (
                OutputTarget::Fileset {
                    name: name.clone(),
                    branch,
                },
                name,
            )
        }
        (None, Some(name)) => {
            check_name("a table", &name)?;
            let format = written.format;
            (
                OutputTarget::Table {
                    name: name.clone(),
                    format,
                },
                name,
            )
        }
        _ => {
            return Err(StepError::invalid(
                "an output has not exactly one of `fileset` and `table`",
            ));
        }
    };
    // Several outputs each have a folder of their own; a single one takes all there is.
    let from = written
        .from
        .unwrap_or(if several { default } else { String::new() });
    let from = from.trim_matches('/').to_owned();
    if from.split('/').any(|part| part == ".." || part == ".") {
        return Err(StepError::invalid(format!("an output is from `{from}`"))
            .with_hint("name a folder below the output folder"));
    }
    Ok(Output { from, target })
}
