//! Which files a version of a fileset has.

use std::fmt;
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::StepError;

/// The BLAKE3 hash of a file's bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash(pub [u8; 32]);

impl ContentHash {
    /// Returns the hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(hex: &str) -> Option<Self> {
        blake3::Hash::from_hex(hex)
            .ok()
            .map(|hash| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&blake3::Hash::from_bytes(self.0).to_hex())
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", &self.to_string()[..12])
    }
}

impl Serialize for ContentHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ContentHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom("not a hash"))
    }
}

/// What a datum is known by: its inputs' names, origins and paths, hashed to 16 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DatumKey(pub [u8; 16]);

impl fmt::Display for DatumKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DatumKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl DatumKey {
    fn parse(hex: &str) -> Option<Self> {
        let mut key = [0; 16];
        if hex.len() != 32 || !hex.is_ascii() {
            return None;
        }
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).ok()?;
        }
        Some(Self(key))
    }
}

/// One file of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileEntry {
    /// Its path, without a slash in front.
    pub path: String,
    /// The hash of its bytes, which is the name of its blob.
    pub hash: ContentHash,
    /// How many bytes it has.
    pub size: u64,
    /// When it was last changed where it came from, in nanoseconds since 1970, if it came from a
    /// folder.
    pub modified_ns: Option<i64>,
    /// The datum that wrote it; none when several did, or no step.
    pub datum: Option<DatumKey>,
}

/// The files of a version, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    files: Vec<FileEntry>,
}

const FIRST_LINE: &str = "weir-manifest 1";

impl Manifest {
    /// Joins files.
    ///
    /// # Errors
    /// When a path is no path, is there twice, or is a file and a folder at once.
    pub fn new(mut files: Vec<FileEntry>) -> Result<Self, StepError> {
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        for file in &files {
            check_path(&file.path)?;
        }
        if let Some(pair) = files.windows(2).find(|pair| pair[0].path == pair[1].path) {
            return Err(StepError::invalid(format!(
                "`{}` is there twice",
                pair[0].path
            )));
        }
        let manifest = Self { files };
        for file in &manifest.files {
            for (at, _) in file.path.match_indices('/') {
                if manifest.get(&file.path[..at]).is_some() {
                    return Err(StepError::invalid(format!(
                        "`{}` is a file, and a folder with `{}` in it",
                        &file.path[..at],
                        file.path
                    ))
                    .with_hint("write one of them under another name"));
                }
            }
        }
        Ok(manifest)
    }

    /// Returns the files by path, in the order of its bytes: what is below a folder is together.
    pub fn files(&self) -> &[FileEntry] {
        &self.files
    }

    /// Returns the file at `path`.
    pub fn get(&self, path: &str) -> Option<&FileEntry> {
        let found = self
            .files
            .binary_search_by(|file| file.path.as_str().cmp(path));
        found.ok().map(|at| &self.files[at])
    }

    /// Returns how many bytes all files have.
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// Takes the files out.
    pub fn into_files(self) -> Vec<FileEntry> {
        self.files
    }

    /// Writes it as text: a line per file, its path last.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = String::with_capacity(64 + self.files.len() * 128);
        let _ = writeln!(text, "{FIRST_LINE} {}", self.files.len());
        for file in &self.files {
            let _ = write!(text, "{} {} ", file.hash, file.size);
            match file.modified_ns {
                Some(modified) => _ = write!(text, "{modified} "),
                None => text.push_str("- "),
            }
            match file.datum {
                Some(datum) => _ = write!(text, "{datum} "),
                None => text.push_str("- "),
            }
            text.push_str(&file.path);
            text.push('\n');
        }
        text.into_bytes()
    }

    /// Reads what [`Self::encode`] wrote.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.lines();
        let count = lines
            .next()?
            .strip_prefix(FIRST_LINE)?
            .trim()
            .parse()
            .ok()?;
        let mut files = Vec::with_capacity(usize::min(count, 1 << 24));
        for line in lines {
            let mut words = line.splitn(5, ' ');
            let hash = ContentHash::parse(words.next()?)?;
            let size = words.next()?.parse().ok()?;
            let modified_ns = match words.next()? {
                "-" => None,
                number => Some(number.parse().ok()?),
            };
            let datum = match words.next()? {
                "-" => None,
                hex => Some(DatumKey::parse(hex)?),
            };
            files.push(FileEntry {
                path: words.next()?.to_owned(),
                hash,
                size,
                modified_ns,
                datum,
            });
        }
        (files.len() == count).then_some(Self { files })
    }
}

/// Checks that `path` names a file below the folder it is relative to.
pub(crate) fn check_path(path: &str) -> Result<(), StepError> {
    let why = if path.is_empty() || path.len() > 4000 {
        "is empty or longer than 4000 bytes"
    } else if path.chars().any(char::is_control) {
        "contains a control character"
    } else if path.split('/').any(|name| matches!(name, "" | "." | "..")) {
        "has an empty name, a `.` or a `..` in it"
    } else if path.split('/').any(|name| name.len() > 255) {
        "has a name of more than 255 bytes"
    } else {
        return Ok(());
    };
    Err(StepError::new(
        crate::error::StepErrorKind::Output,
        format!("the path `{}` {why}", path.escape_debug()),
    )
    .with_hint("rename the file"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> FileEntry {
        FileEntry {
            path: path.to_owned(),
            hash: ContentHash::of(path.as_bytes()),
            size: 7,
            modified_ns: path.ends_with('m').then_some(-5),
            datum: path.ends_with('d').then_some(DatumKey([9; 16])),
        }
    }

    #[test]
    fn reads_what_it_wrote() {
        let manifest = Manifest::new(vec![file("b m"), file("a/ d"), file("a-x")]).unwrap();
        assert_eq!(manifest.files()[0].path, "a-x");
        assert_eq!(Manifest::decode(&manifest.encode()), Some(manifest.clone()));
        assert_eq!(manifest.bytes(), 21);
        assert!(Manifest::decode(b"weir-manifest 1 3\n").is_none());
    }

    #[test]
    fn a_path_is_one_thing() {
        assert!(Manifest::new(vec![file("a"), file("a-b"), file("a/b")]).is_err());
        assert!(Manifest::new(vec![file("a"), file("a")]).is_err());
        for wrong in ["", "/a", "a/", "a//b", "../a", "a/./b", "a\nb"] {
            assert!(Manifest::new(vec![file(wrong)]).is_err(), "{wrong}");
        }
    }
}
