//! Looking at files that are to become tables, before anything is loaded.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use crate::declare::{Output, OutputTarget, TableFormat};
use crate::error::{StepError, StepErrorKind};
use crate::fileset::FilesetStore;
use crate::scratch::DatumOutput;

/// Finds the output that a path belongs to, and the path below it.
pub(super) fn output_of<'a>(outputs: &'a [Output], path: &'a str) -> Option<(&'a Output, &'a str)> {
    outputs
        .iter()
        .find_map(|output| match output.from.as_str() {
            "" => Some((output, path)),
            from => {
                let rest = path.strip_prefix(from)?.strip_prefix('/')?;
                Some((output, rest))
            }
        })
}

/// Returns the format of a file of a table.
pub(super) fn format_of(
    declared: Option<TableFormat>,
    path: &str,
) -> Result<TableFormat, StepError> {
    declared.or_else(|| TableFormat::of_path(path)).ok_or_else(|| {
        bad(format!("it wrote `{path}`, which nobody can tell the format of")).with_hint(
            "let its name end with .parquet, .arrow, .csv, .json or .ndjson, or say `format` at the output",
        )
    })
}

/// Checks what a datum wrote against the outputs of its step.
pub(super) fn check_outputs(
    outputs: &[Output],
    written: &[DatumOutput],
    store: &FilesetStore,
) -> Result<(), StepError> {
    for file in written {
        let Some((output, _)) = output_of(outputs, &file.path) else {
            let known: Vec<String> = outputs
                .iter()
                .map(|output| format!("`{}/`", output.from))
                .collect();
            return Err(bad(format!(
                "it wrote `{}`, which belongs to no output",
                file.path
            ))
            .with_hint(format!("outputs are taken from {}", known.join(", "))));
        };
        if let OutputTarget::Table { format, .. } = &output.target {
            let format = format_of(*format, &file.path)?;
            check_file(&store.blob_path(file.hash), format).map_err(|why| {
                bad(format!(
                    "it wrote `{}`, which is no {format}: {why}",
                    file.path
                ))
                .with_hint("nothing of it was loaded; mend the command and run the step again")
            })?;
        }
    }
    Ok(())
}

fn bad(what: String) -> StepError {
    StepError::new(StepErrorKind::Output, what)
}

/// Checks the form of a file; the values are checked when they are loaded.
fn check_file(path: &Path, format: TableFormat) -> Result<(), String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    match format {
        TableFormat::Parquet => check_ends(file, b"PAR1", b"PAR1", 12),
        TableFormat::Arrow => check_ends(file, b"ARROW1", b"ARROW1", 20),
        TableFormat::Csv => check_csv(file),
        TableFormat::Json => check_json(file),
    }
}

fn check_ends(mut file: File, first: &[u8], last: &[u8], least: u64) -> Result<(), String> {
    let mut check = || -> std::io::Result<Option<&str>> {
        let size = file.seek(SeekFrom::End(0))?;
        if size < least {
            return Ok(Some("it is too short"));
        }
        let mut bytes = [0; 8];
        file.seek(SeekFrom::Start(0))?;
        file.read_exact(&mut bytes[..first.len()])?;
        if !bytes.starts_with(first) {
            return Ok(Some("it does not begin as one"));
        }
        file.seek(SeekFrom::End(-i64::try_from(last.len()).unwrap_or(0)))?;
        file.read_exact(&mut bytes[..last.len()])?;
        Ok((!bytes.starts_with(last)).then_some("it does not end as one; it may be cut off"))
    };
    match check() {
        Ok(None) => Ok(()),
        Ok(Some(why)) => Err(why.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn check_csv(file: File) -> Result<(), String> {
    let mut reader = csv::ReaderBuilder::new().from_reader(BufReader::new(file));
    let told = |error: csv::Error| match error.kind() {
        csv::ErrorKind::UnequalLengths {
            pos,
            expected_len,
            len,
        } => {
            let line = pos.as_ref().map_or(0, csv::Position::line);
            format!("line {line} has {len} fields, the header has {expected_len}")
        }
        csv::ErrorKind::Utf8 { pos, .. } => {
            format!(
                "line {} is no UTF-8",
                pos.as_ref().map_or(0, csv::Position::line)
            )
        }
        _ => error.to_string(),
    };
    let header = reader.headers().map_err(told)?.clone();
    if header.is_empty() {
        return Err("it has no header".to_owned());
    }
    for (at, name) in header.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(format!("column {} of the header has no name", at + 1));
        }
        if header.iter().take(at).any(|other| other == name) {
            return Err(format!("two columns are called `{name}`"));
        }
    }
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(told)? {}
    Ok(())
}

fn check_json(file: File) -> Result<(), String> {
    let mut reader = BufReader::new(file);
    let mut line = Vec::new();
    let mut number = 0u64;
    loop {
        line.clear();
        number += 1;
        let read = reader
            .read_until(b'\n', &mut line)
            .map_err(|error| error.to_string())?;
        if read == 0 {
            return Ok(());
        }
        let text = line.trim_ascii();
        if text.is_empty() {
            continue;
        }
        if text[0] != b'{' {
            return Err(format!("line {number} is no JSON object"));
        }
        serde_json::from_slice::<serde::de::IgnoredAny>(text)
            .map_err(|error| format!("line {number}: {error}"))?;
    }
}
