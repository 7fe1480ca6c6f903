//! A sorted file of keys.
//!
//! ```text
//! entries   32 bytes each, ascending by key
//! bloom     8-byte words
//! footer    magic 8, entries 8, bloom bytes 8, newest second 4, CRC-32C of the rest of the footer
//!           and the bloom 4
//! ```

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::Entry;
use super::bloom::Bloom;

const MAGIC: [u8; 8] = *b"WEIRDUP1";
const FOOTER: usize = 32;
/// Entries between two remembered keys; one look-up reads this many.
const STRIDE: usize = 128;

pub(super) struct Run {
    pub(super) path: PathBuf,
    file: File,
    bloom: Bloom,
    /// The first key of every stride.
    fence: Vec<u128>,
    pub(super) entries: u64,
    /// The newest second any entry was received at.
    pub(super) newest: u32,
}

/// Writes entries in ascending order into a file that appears whole or not at all.
pub(super) struct RunWriter {
    path: PathBuf,
    temporary: PathBuf,
    out: BufWriter<File>,
    bloom: Bloom,
    entries: u64,
    newest: u32,
}

impl RunWriter {
    pub(super) fn create(path: PathBuf, capacity: usize) -> io::Result<Self> {
        let temporary = path.with_extension("tmp");
        let out = BufWriter::with_capacity(256 << 10, File::create(&temporary)?);
        Ok(Self {
            path,
            temporary,
            out,
            bloom: Bloom::new(capacity),
            entries: 0,
            newest: 0,
        })
    }

    pub(super) fn push(&mut self, entry: Entry) -> io::Result<()> {
        self.bloom.insert(entry.key);
        self.entries += 1;
        self.newest = self.newest.max(entry.at);
        self.out.write_all(&entry.to_bytes())
    }

    pub(super) fn finish(mut self) -> io::Result<Run> {
        let bloom = self.bloom.to_bytes();
        let mut footer = [0; FOOTER];
        footer[..8].copy_from_slice(&MAGIC);
        footer[8..16].copy_from_slice(&self.entries.to_le_bytes());
        footer[16..24].copy_from_slice(&(bloom.len() as u64).to_le_bytes());
        footer[24..28].copy_from_slice(&self.newest.to_le_bytes());
        let crc = crc32c::crc32c_append(crc32c::crc32c(&bloom), &footer[..28]);
        footer[28..].copy_from_slice(&crc.to_le_bytes());
        self.out.write_all(&bloom)?;
        self.out.write_all(&footer)?;
        let file = self.out.into_inner().map_err(|e| e.into_error())?;
        file.sync_all()?;
        fs::rename(&self.temporary, &self.path)?;
        if let Some(dir) = self.path.parent() {
            File::open(dir)?.sync_all()?;
        }
        Run::open(&self.path)
    }
}

impl Run {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        let mut footer = [0; FOOTER];
        file.read_exact_at(
            &mut footer,
            size.checked_sub(FOOTER as u64).ok_or(bad("too short"))?,
        )?;
        let u64_at = |at: usize| u64::from_le_bytes(footer[at..at + 8].try_into().expect("8"));
        let u32_at = |at: usize| u32::from_le_bytes(footer[at..at + 4].try_into().expect("4"));
        let (entries, bloom_bytes) = (u64_at(8), u64_at(16));
        let expected = entries
            .checked_mul(Entry::SIZE as u64)
            .and_then(|b| b.checked_add(bloom_bytes)?.checked_add(FOOTER as u64));
        if footer[..8] != MAGIC
            || expected != Some(size)
            || bloom_bytes % 64 != 0
            || bloom_bytes == 0
        {
            return Err(bad("not an index file"));
        }
        let mut bloom = vec![0; bloom_bytes as usize];
        file.read_exact_at(&mut bloom, entries * Entry::SIZE as u64)?;
        if crc32c::crc32c_append(crc32c::crc32c(&bloom), &footer[..28]) != u32_at(28) {
            return Err(bad("the checksum does not match"));
        }
        let mut fence = Vec::with_capacity(entries as usize / STRIDE + 1);
        for at in (0..entries).step_by(STRIDE) {
            let mut entry = [0; Entry::SIZE];
            file.read_exact_at(&mut entry, at * Entry::SIZE as u64)?;
            fence.push(Entry::from_bytes(&entry).key);
        }
        let newest = u32_at(24);
        Ok(Self {
            path: path.to_owned(),
            file,
            bloom: Bloom::from_bytes(&bloom),
            fence,
            entries,
            newest,
        })
    }

    pub(super) fn find(&self, key: u128) -> io::Result<Option<Entry>> {
        if !self.bloom.may_hold(key) {
            return Ok(None);
        }
        let Some(stride) = self
            .fence
            .partition_point(|first| *first <= key)
            .checked_sub(1)
        else {
            return Ok(None);
        };
        let entries = self.read((stride * STRIDE) as u64, STRIDE)?;
        Ok(entries
            .binary_search_by_key(&key, |e| e.key)
            .ok()
            .map(|at| entries[at]))
    }

    /// Reads up to `count` entries from the `at`th on.
    pub(super) fn read(&self, at: u64, count: usize) -> io::Result<Vec<Entry>> {
        let count = (count as u64).min(self.entries.saturating_sub(at)) as usize;
        let mut bytes = vec![0; count * Entry::SIZE];
        self.file
            .read_exact_at(&mut bytes, at * Entry::SIZE as u64)?;
        Ok(bytes
            .chunks_exact(Entry::SIZE)
            .map(Entry::from_bytes)
            .collect())
    }
}
