//! ZIP archives: the rows of their members, one after another by name.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::ZipArchive;

use super::format_of;
use super::rows::{Broken, Each, Found, Poison, poison, texts};
use crate::spec::{FileFormat, FileStream};

/// The most members of an archive.
const MOST: usize = 100_000;

/// Whether a file is an archive, by its first bytes.
pub(super) fn is_one(path: &Path) -> std::io::Result<bool> {
    let mut start = Vec::with_capacity(4);
    File::open(path)?.take(4).read_to_end(&mut start)?;
    // With members, or without.
    Ok(matches!(
        start.as_slice(),
        [b'P', b'K', 3, 4] | [b'P', b'K', 5, 6]
    ))
}

/// Reads members that are texts; `format` is that of those whose names tell none. What is no row names its member.
pub(super) fn members(
    path: &Path,
    format: FileFormat,
    stream: &FileStream,
    each: &mut Each<'_>,
) -> Result<(), Broken> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path)?))?;
    if archive.len() > MOST {
        return Err(format!("it has more than {MOST} members").into());
    }
    let mut names = Vec::with_capacity(archive.len());
    for at in 0..archive.len() {
        let member = archive.by_index_raw(at)?;
        let name = member.name()?.into_owned();
        // What systems put there on their own.
        let is_hidden = name
            .split('/')
            .any(|part| part.starts_with(['.', '_']) && part.len() > 1);
        if member.is_file() && !is_hidden {
            names.push((name, at));
        }
    }
    let books = ["xl/workbook.xml", "xl/workbook.bin", "content.xml"];
    if names.iter().any(|(name, _)| books.contains(&name.as_str())) {
        return Err(
            "it is a spreadsheet: name it `.xlsx`, `.xlsb` or `.ods`, or say `format: excel`"
                .into(),
        );
    }
    names.sort();
    let mut goes_on = true;
    for (name, at) in names {
        let own = stream.format.filter(|own| *own != FileFormat::Zip);
        let Some(format) = own
            .or_else(|| format_of(&name))
            .or_else(|| Some(format).filter(|format| *format != FileFormat::Zip))
        else {
            continue;
        };
        let mut last = 0;
        let read = archive
            .by_index(at)
            .map_err(Broken::from)
            .and_then(|bytes| {
                texts(bytes, format, stream, &mut |found: Found<'_>| {
                    last = found.line;
                    goes_on = each(Found {
                        line: found.line,
                        row: found.row.map_err(|Poison { reason, text }| {
                            poison(format!("`{name}` in the archive: {reason}"), text)
                        }),
                    });
                    goes_on
                })
            });
        if let Err(error) = read {
            let reason = format!("`{name}` in the archive cannot be read further: {error}");
            goes_on = each(Found {
                line: last + 1,
                row: Err(poison(reason, "")),
            });
        }
        if !goes_on {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::write::{SimpleFileOptions, ZipWriter};

    use super::super::rows::tests::rows;
    use crate::spec::FileFormat;

    fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, bytes) in members {
            zip.start_file(*name, SimpleFileOptions::default()).unwrap();
            zip.write_all(bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn members_of_an_archive_are_read_by_name() {
        let bytes = zip(&[
            ("b/second.csv", b"id,name\n3,c\n4\n"),
            ("a.csv", b"id,name\n1,a\n2,b\n"),
            ("__MACOSX/._a.csv", b"nonsense"),
            ("read.me", b"nothing"),
            ("c.jsonl", b"{\"id\": 5}"),
            ("d.parquet", b"PAR1"),
        ]);
        let found = rows("all.zip", FileFormat::Zip, &bytes);
        let texts: Vec<&str> = found.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(texts.len(), 6, "{texts:?}");
        assert!(texts[0].contains("Text(\"a\")") && texts[2].contains("Text(\"c\")"));
        assert!(
            texts[3].starts_with("bad: `b/second.csv` in the archive: it has 1 values"),
            "{}",
            texts[3]
        );
        assert_eq!(texts[4], "[(\"id\", Json(\"5\"))]");
        assert!(texts[5].contains("`d.parquet` in the archive cannot be read further"));
        // One that says what is in it by its own name, and one that is broken.
        let one = zip(&[("export", b"id,name\n1,a\n")]);
        assert_eq!(rows("a.csv.zip", FileFormat::Csv, &one).len(), 1);
        let found = rows("all.zip", FileFormat::Zip, &bytes[..bytes.len() / 2]);
        assert!(
            found[0].1.starts_with("bad: the file cannot be read"),
            "{found:?}"
        );
        let found = rows("all.zip", FileFormat::Zip, b"id\n1\n");
        assert!(found[0].1.contains("no ZIP archive"), "{found:?}");
    }
}
