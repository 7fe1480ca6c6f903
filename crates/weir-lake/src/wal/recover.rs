use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use weir_core::Seq;

use super::frame::{Frame, FrameError, MAGIC, read_frame};
use super::segment::{SEGMENT_HEADER, SEGMENT_MAGIC, SegmentFile, list_segments};

/// What a look through the log found.
pub(crate) struct Recovered {
    pub(crate) segments: Vec<SegmentFile>,
    /// The position after the last valid record.
    pub(crate) next: Seq,
    /// Ranges that hold no valid record, set aside in files of their own.
    pub(crate) damage: Vec<Damage>,
}

/// A range of a segment that no record could be read from.
#[derive(Clone, Debug)]
pub(crate) struct Damage {
    pub(crate) segment: PathBuf,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    pub(crate) reason: FrameError,
    /// Where the bytes were copied to.
    pub(crate) kept_in: PathBuf,
    /// True when nothing valid followed: the usual mark of a crash during a write.
    pub(crate) tail: bool,
}

/// Checks every record in `dir` after position `from` and mends what a crash left.
///
/// A tail that a crash tore off is copied aside and cut. Damage with valid records after it is
/// copied aside and reported; the records after it stay.
pub(crate) fn recover(dir: &Path, from: Seq) -> io::Result<Recovered> {
    let mut segments = list_segments(dir)?;
    let mut damage = Vec::new();
    let mut next = from.plus(1);
    let firsts: Vec<Seq> = segments.iter().map(|s| s.first).collect();
    let count = segments.len();
    for (index, segment) in segments.iter_mut().enumerate() {
        let end = end_of(&firsts, index);
        if end <= from.plus(1) {
            continue;
        }
        let bytes = fs::read(&segment.path)?;
        let mut at = SEGMENT_HEADER.min(bytes.len());
        if bytes.len() < SEGMENT_HEADER || bytes[..8] != SEGMENT_MAGIC {
            at = 0;
        }
        while at < bytes.len() {
            let reason = match read_frame(&bytes[at..]) {
                Ok(frame) => {
                    if frame.first.plus(u64::from(frame.rows)) > end {
                        break;
                    }
                    next = next.max(frame.first.plus(u64::from(frame.rows)));
                    at += frame.size;
                    continue;
                }
                Err(reason) => reason,
            };
            let after = resync(&bytes, at + 1, next);
            let stop = after.unwrap_or(bytes.len());
            let tail = after.is_none();
            if bytes[at..stop].iter().any(|b| *b != 0) {
                let kept_in = set_aside(dir, &segment.path, at, &bytes[at..stop])?;
                damage.push(Damage {
                    segment: segment.path.clone(),
                    offset: at as u64,
                    bytes: (stop - at) as u64,
                    reason,
                    kept_in,
                    tail: tail && index + 1 == count,
                });
            }
            if tail {
                let file = File::options().write(true).open(&segment.path)?;
                file.set_len(at as u64)?;
                file.sync_all()?;
                segment.bytes = at as u64;
            }
            at = stop;
        }
    }
    Ok(Recovered {
        segments,
        next,
        damage,
    })
}

/// Hands every valid record between `from` (excluded) and `until` (excluded) to `each`, in order.
///
/// One segment at a time is in memory.
pub(crate) fn replay(
    recovered: &[SegmentFile],
    from: Seq,
    until: Seq,
    each: &mut dyn FnMut(Frame<'_>),
) -> io::Result<()> {
    let firsts: Vec<Seq> = recovered.iter().map(|s| s.first).collect();
    let mut next = from.plus(1);
    for (index, segment) in recovered.iter().enumerate() {
        let end = end_of(&firsts, index).min(until);
        if end <= next {
            continue;
        }
        let bytes = fs::read(&segment.path)?;
        let mut at = SEGMENT_HEADER.min(bytes.len());
        while at < bytes.len() {
            match read_frame(&bytes[at..]) {
                Ok(frame) => {
                    let (after, size) = (frame.first.plus(u64::from(frame.rows)), frame.size);
                    if after > end {
                        break;
                    }
                    if frame.first >= next {
                        each(frame);
                        next = after;
                    }
                    at += size;
                }
                Err(_) => match resync(&bytes, at + 1, next) {
                    Some(found) => at = found,
                    None => break,
                },
            }
        }
    }
    Ok(())
}

/// Returns the position that ends a segment's records.
///
/// Records at or after the next segment's first were never acknowledged: their sync failed, and
/// the writer went on elsewhere with the same positions.
fn end_of(firsts: &[Seq], index: usize) -> Seq {
    firsts.get(index + 1).copied().unwrap_or(Seq(u64::MAX))
}

/// Finds the next valid record at or after `at` that is not older than what was read.
fn resync(bytes: &[u8], at: usize, next: Seq) -> Option<usize> {
    memchr::memmem::find_iter(bytes.get(at..)?, &MAGIC)
        .map(|found| at + found)
        .find(|&found| read_frame(&bytes[found..]).is_ok_and(|frame| frame.first >= next))
}

fn set_aside(dir: &Path, segment: &Path, at: usize, bytes: &[u8]) -> io::Result<PathBuf> {
    let aside = dir.join("damaged");
    fs::create_dir_all(&aside)?;
    let name = segment
        .file_stem()
        .and_then(|n| n.to_str())
        .unwrap_or("segment");
    let path = aside.join(format!("{name}-at-{at}.bin"));
    fs::write(&path, bytes)?;
    File::open(&path)?.sync_all()?;
    Ok(path)
}
