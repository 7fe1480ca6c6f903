use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use parking_lot::Mutex;
use weir_core::Seq;

pub(super) const SEGMENT_MAGIC: [u8; 8] = *b"WEIRWAL1";
/// Magic, then the position of the first record.
pub(super) const SEGMENT_HEADER: usize = 16;

/// The segment files of a log, oldest first.
pub(crate) struct Segments {
    list: Mutex<Vec<SegmentFile>>,
}

#[derive(Clone, Debug)]
pub(crate) struct SegmentFile {
    pub(super) path: PathBuf,
    pub(super) first: Seq,
    pub(super) bytes: u64,
}

impl Segments {
    pub(super) fn new(list: Vec<SegmentFile>) -> Self {
        Self {
            list: Mutex::new(list),
        }
    }

    /// Returns the bytes of all segments.
    pub(crate) fn bytes(&self) -> u64 {
        self.list.lock().iter().map(|s| s.bytes).sum()
    }

    pub(super) fn grow(&self, bytes: u64) {
        if let Some(last) = self.list.lock().last_mut() {
            last.bytes = bytes;
        }
    }

    pub(super) fn push(&self, segment: SegmentFile) {
        self.list.lock().push(segment);
    }

    /// Removes the segments whose records all lie at or before `committed`.
    ///
    /// The newest segment always stays: it is where the writer is.
    pub(crate) fn trim(&self, committed: Seq) -> io::Result<()> {
        let mut list = self.list.lock();
        let keep = list
            .windows(2)
            .position(|pair| pair[1].first > committed.plus(1))
            .unwrap_or(list.len().saturating_sub(1));
        for segment in list.drain(..keep) {
            match fs::remove_file(&segment.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Creates an empty segment that begins at `first`, durable together with its name.
pub(super) fn create_segment(dir: &Path, first: Seq) -> io::Result<(File, SegmentFile)> {
    for attempt in 0..10_000u32 {
        let path = dir.join(format!("{:020}-{attempt:04}.wal", first.0));
        let mut file = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
            Err(error) => return Err(error),
        };
        let mut header = [0; SEGMENT_HEADER];
        header[..8].copy_from_slice(&SEGMENT_MAGIC);
        header[8..].copy_from_slice(&first.0.to_le_bytes());
        let written = file
            .write_all(&header)
            .and_then(|()| file.sync_all())
            .and_then(|()| File::open(dir)?.sync_all());
        if let Err(error) = written {
            // Whatever is left of it is empty, and void once a later segment has the same first.
            let _ = fs::remove_file(&path);
            return Err(error);
        }
        return Ok((
            file,
            SegmentFile {
                path,
                first,
                bytes: SEGMENT_HEADER as u64,
            },
        ));
    }
    Err(io::Error::other("no free name for a segment"))
}

/// Lists the segments of `dir` in the order they were written.
pub(super) fn list_segments(dir: &Path) -> io::Result<Vec<SegmentFile>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_none_or(|e| e != "wal") {
            continue;
        }
        let name = path
            .file_stem()
            .and_then(|n| n.to_str())
            .unwrap_or_default();
        let Some(first) = name.split('-').next().and_then(|n| n.parse().ok()) else {
            continue;
        };
        let bytes = fs::metadata(&path)?.len();
        found.push(SegmentFile {
            path,
            first: Seq(first),
            bytes,
        });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}
