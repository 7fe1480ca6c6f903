//! Reading tar archives: as much as packages come in.

use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// How much one archive may unpack to.
const LIMIT: u64 = 512 << 20;

/// Unpacks the gzipped archive `bytes` into `into`, without the one folder that holds everything.
///
/// Only files and folders are made: links and devices are left out, and so is whatever would land
/// outside of `into`.
pub(super) fn unpack(bytes: &[u8], into: &Path) -> std::io::Result<usize> {
    let mut text = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .take(LIMIT)
        .read_to_end(&mut text)?;
    let mut rest = &*text;
    let mut long_name: Option<String> = None;
    let mut files = 0;
    while rest.len() >= 512 {
        let (header, after) = rest.split_at(512);
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let size = number(&header[124..136]).ok_or_else(|| broken("a size is no number"))?;
        let size = usize::try_from(size).map_err(|_| broken("a file is too big"))?;
        let padded = size
            .checked_add(511)
            .ok_or_else(|| broken("a file is too big"))?
            / 512
            * 512;
        let contents = after
            .get(..size)
            .ok_or_else(|| broken("it ends within a file"))?;
        rest = after.get(padded..).unwrap_or_default();
        let own_name = || {
            let (name, prefix) = (field(&header[..100]), field(&header[345..500]));
            let ustar = header[257..262] == *b"ustar" && !prefix.is_empty();
            if ustar {
                format!("{prefix}/{name}")
            } else {
                name
            }
        };
        match header[156] {
            b'L' => long_name = Some(field(contents)),
            b'x' => long_name = pax_path(contents).or(long_name),
            b'0' | 0 => {
                let name = long_name.take().unwrap_or_else(own_name);
                if let Some(path) = inside(into, &name) {
                    if let Some(folder) = path.parent() {
                        std::fs::create_dir_all(folder)?;
                    }
                    std::fs::write(path, contents)?;
                    files += 1;
                }
            }
            _ => long_name = None,
        }
    }
    Ok(files)
}

fn broken(what: &str) -> std::io::Error {
    std::io::Error::new(
        std::io::ErrorKind::InvalidData,
        format!("the archive is broken: {what}"),
    )
}

fn field(bytes: &[u8]) -> String {
    let end = bytes
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}

fn number(bytes: &[u8]) -> Option<u64> {
    u64::from_str_radix(field(bytes).trim(), 8).ok()
}

fn pax_path(contents: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(contents);
    let mut rest = &*text;
    while let Some((length, _)) = rest.split_once(' ') {
        let length: usize = length.parse().ok()?;
        let record = rest.get(length_of(length)..length)?;
        if let Some(path) = record.trim_start().strip_prefix("path=") {
            return Some(path.trim_end_matches('\n').to_owned());
        }
        rest = rest.get(length..)?;
    }
    None
}

fn length_of(number: usize) -> usize {
    number.to_string().len()
}

/// Returns where `name` goes without its first folder, or nothing if that is outside.
fn inside(into: &Path, name: &str) -> Option<PathBuf> {
    let mut parts = Path::new(name)
        .components()
        .filter(|part| *part != Component::CurDir);
    parts.next()?;
    let mut path = into.to_owned();
    let mut deeper = false;
    for part in parts {
        let Component::Normal(part) = part else {
            return None;
        };
        path.push(part);
        deeper = true;
    }
    deeper.then_some(path)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn archive(files: &[(&str, &str)]) -> Vec<u8> {
        let mut tar = Vec::new();
        for (name, text) in files {
            let mut header = [0u8; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", text.len()).as_bytes());
            header[156] = b'0';
            tar.extend(header);
            tar.extend(text.as_bytes());
            tar.resize(tar.len().div_ceil(512) * 512, 0);
        }
        tar.resize(tar.len() + 1024, 0);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).expect("writes");
        gzip.finish().expect("writes")
    }

    #[test]
    fn files_land_inside_and_nowhere_else() {
        let folder = tempfile::tempdir().expect("makes a folder");
        let into = folder.path().join("into");
        let bytes = archive(&[
            ("pkg-1.0/dbt_project.yml", "name: pkg"),
            ("pkg-1.0/models/a.sql", "select 1"),
            ("pkg-1.0/../../out.txt", "no"),
        ]);
        assert_eq!(unpack(&bytes, &into).expect("unpacks"), 2);
        assert_eq!(
            std::fs::read_to_string(into.join("models/a.sql")).expect("is there"),
            "select 1"
        );
        assert!(!folder.path().join("out.txt").exists());
    }

    #[test]
    fn what_is_no_archive_is_an_error() {
        let folder = tempfile::tempdir().expect("makes a folder");
        assert!(unpack(b"no gzip", folder.path()).is_err());
        let mut bytes = archive(&[("a/b", &"x".repeat(5000))]);
        bytes.truncate(40);
        assert!(unpack(&bytes, folder.path()).is_err());
    }
}
