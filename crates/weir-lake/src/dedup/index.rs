use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use hashbrown::HashTable;
use tracing::{error, warn};
use weir_core::Seq;
use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::run::{Run, RunWriter};
use super::{DedupKey, Entry, Seen};
use crate::plant::planted;

/// As many files of about one size are merged into one.
const MERGE: usize = 4;

/// Keys taken out of memory, on their way into a file; still looked up meanwhile.
pub(crate) type FrozenKeys = Arc<Keys>;

/// Keys in memory: each entry holds its own key, which is a hash already.
#[derive(Default)]
pub(crate) struct Keys(HashTable<Entry>);

impl Keys {
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, key: u128) -> Option<&Entry> {
        self.0.find(key as u64, |entry| entry.key == key)
    }

    fn insert(&mut self, entry: Entry) {
        let same = |other: &Entry| other.key == entry.key;
        match self.0.find_mut(entry.key as u64, same) {
            Some(found) => *found = entry,
            None => {
                self.0
                    .insert_unique(entry.key as u64, entry, |other| other.key as u64);
            }
        }
    }
}

/// The files of the index, shared by the thread that looks up and the one that writes them.
pub(crate) struct DedupRuns {
    dir: PathBuf,
    seed: u64,
    /// Seconds; none means for ever.
    window: Option<u32>,
    state: ArcSwap<State>,
}

#[derive(Clone, Default)]
struct State {
    frozen: Vec<FrozenKeys>,
    runs: Vec<Arc<Run>>,
    next: u64,
}

/// The index as the applying thread uses it.
pub(crate) struct DedupIndex {
    fresh: Keys,
    runs: Arc<DedupRuns>,
}

impl DedupRuns {
    /// Opens the index in `dir`; files that cannot be read are set aside and reported.
    pub(crate) fn open(dir: &Path, window: Option<std::time::Duration>) -> io::Result<Arc<Self>> {
        fs::create_dir_all(dir)?;
        let seed = read_seed(dir)?;
        let mut state = State::default();
        let mut paths: Vec<PathBuf> = fs::read_dir(dir)?
            .map(|e| e.map(|e| e.path()))
            .collect::<Result<_, _>>()?;
        paths.sort();
        for path in paths {
            match path.extension().and_then(|e| e.to_str()) {
                Some("keys") => {}
                Some("tmp") => {
                    fs::remove_file(&path)?;
                    continue;
                }
                _ => continue,
            }
            let number = path
                .file_stem()
                .and_then(|s| s.to_str()?.parse::<u64>().ok());
            state.next = state.next.max(number.unwrap_or(0) + 1);
            match Run::open(&path) {
                Ok(run) => state.runs.push(Arc::new(run)),
                Err(error) => {
                    error!(file = %path.display(), %error, "index file set aside; duplicates of its keys may pass");
                    fs::rename(&path, path.with_extension("damaged"))?;
                }
            }
        }
        let window = window.map(|w| u32::try_from(w.as_secs()).unwrap_or(u32::MAX));
        Ok(Arc::new(Self {
            dir: dir.to_owned(),
            seed,
            window,
            state: ArcSwap::from_pointee(state),
        }))
    }

    /// Returns the number of keys in files.
    pub(crate) fn entries(&self) -> u64 {
        self.state.load().runs.iter().map(|r| r.entries).sum()
    }

    /// Writes frozen keys into a file, durably.
    pub(crate) fn persist(&self, keys: &FrozenKeys) -> io::Result<()> {
        if keys.len() > 0 {
            let mut entries: Vec<Entry> = keys.0.iter().copied().collect();
            entries.sort_unstable();
            let mut writer = RunWriter::create(self.next_path(), entries.len())?;
            for entry in entries {
                writer.push(entry)?;
            }
            let run = Arc::new(writer.finish()?);
            self.update(|state| state.runs.push(run.clone()));
        }
        self.update(|state| state.frozen.retain(|f| !Arc::ptr_eq(f, keys)));
        Ok(())
    }

    /// Merges files of about one size and drops those whose keys all left the window by
    /// `oldest`, the second of the oldest row that may still be asked for.
    pub(crate) fn tidy(&self, oldest: u32) -> io::Result<()> {
        if let Some(window) = self.window {
            let state = self.state.load_full();
            for run in state
                .runs
                .iter()
                .filter(|r| r.newest.saturating_add(window) < oldest)
            {
                self.replace(std::slice::from_ref(run), None)?;
            }
        }
        loop {
            let state = self.state.load_full();
            let mut classes: HashMap<u32, Vec<Arc<Run>>> = HashMap::new();
            for run in &state.runs {
                classes
                    .entry(run.entries.max(1).ilog(MERGE as u64))
                    .or_default()
                    .push(run.clone());
            }
            let Some(group) = classes.into_values().find(|g| g.len() >= MERGE) else {
                return Ok(());
            };
            let merged = self.merge(&group)?;
            self.replace(&group, Some(merged))?;
        }
    }

    fn merge(&self, group: &[Arc<Run>]) -> io::Result<Arc<Run>> {
        const CHUNK: usize = 4096;
        let total: u64 = group.iter().map(|r| r.entries).sum();
        let mut writer = RunWriter::create(self.next_path(), total as usize)?;
        let mut cursors: Vec<(u64, std::vec::IntoIter<Entry>, Option<Entry>)> = group
            .iter()
            .map(|_| (0, Vec::new().into_iter(), None))
            .collect();
        loop {
            let mut smallest: Option<(Entry, usize)> = None;
            for (index, (at, chunk, head)) in cursors.iter_mut().enumerate() {
                if head.is_none() {
                    *head = chunk.next();
                    if head.is_none() && *at < group[index].entries {
                        *chunk = group[index].read(*at, CHUNK)?.into_iter();
                        *at += CHUNK as u64;
                        *head = chunk.next();
                    }
                }
                if let Some(entry) = *head
                    && smallest.is_none_or(|(s, _)| entry < s)
                {
                    smallest = Some((entry, index));
                }
            }
            let Some((entry, index)) = smallest else {
                break;
            };
            cursors[index].2 = None;
            writer.push(entry)?;
        }
        Ok(Arc::new(writer.finish()?))
    }

    fn replace(&self, old: &[Arc<Run>], new: Option<Arc<Run>>) -> io::Result<()> {
        self.update(|state| {
            state
                .runs
                .retain(|r| !old.iter().any(|o| Arc::ptr_eq(o, r)));
            state.runs.extend(new.clone());
        });
        for run in old {
            fs::remove_file(&run.path)?;
        }
        Ok(())
    }

    fn update(&self, change: impl Fn(&mut State)) {
        self.state.rcu(|state| {
            let mut state = State::clone(state);
            change(&mut state);
            state
        });
    }

    fn next_path(&self) -> PathBuf {
        let mut number = 0;
        self.state.rcu(|state| {
            number = state.next;
            State {
                next: number + 1,
                ..State::clone(state)
            }
        });
        self.dir.join(format!("{number:012}.keys"))
    }

    fn key(&self, scope: u32, id: &[u8]) -> u128 {
        // An odd multiple of the scope gives each source a seed of its own.
        let seed = self
            .seed
            .wrapping_add(u64::from(scope).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        xxh3_128_with_seed(id, seed)
    }
}

impl DedupIndex {
    pub(crate) fn new(runs: Arc<DedupRuns>) -> Self {
        Self {
            fresh: Keys::default(),
            runs,
        }
    }

    pub(crate) fn check(&mut self, key: DedupKey<'_>) -> Seen {
        if planted("plant-lost-dedup") {
            return Seen::New;
        }
        let hash = self.runs.key(key.scope, key.id);
        let at = (key.received_at / 1_000_000).clamp(0, i64::from(u32::MAX)) as u32;
        let payload = key.payload as u32;
        let found = match self.fresh.get(hash) {
            Some(entry) => Some(*entry),
            None => self.find(hash, at),
        };
        match found.filter(|e| self.in_window(e, at)) {
            Some(entry) if entry.seq == key.seq.0 => Seen::New,
            Some(entry) if entry.payload == payload => Seen::Same {
                first: Seq(entry.seq),
            },
            Some(entry) => Seen::Different {
                first: Seq(entry.seq),
            },
            None => {
                self.fresh.insert(Entry {
                    key: hash,
                    seq: key.seq.0,
                    at,
                    payload,
                });
                Seen::New
            }
        }
    }

    /// Takes the keys out of memory for [`DedupRuns::persist`].
    pub(crate) fn freeze(&mut self) -> FrozenKeys {
        let keys: FrozenKeys = Arc::new(std::mem::take(&mut self.fresh));
        self.runs.update(|state| state.frozen.push(keys.clone()));
        keys
    }

    /// An entry counts while the asking row lies within the window after it.
    fn in_window(&self, entry: &Entry, at: u32) -> bool {
        self.runs
            .window
            .is_none_or(|window| entry.at.saturating_add(window) >= at)
    }

    /// Looks in the files. A key may be in several (seen again after it left the window): the
    /// newest position in the window counts.
    fn find(&self, hash: u128, at: u32) -> Option<Entry> {
        let state = self.runs.state.load();
        let frozen = state
            .frozen
            .iter()
            .filter_map(|keys| keys.get(hash).copied());
        let filed = state.runs.iter().filter_map(|run| match run.find(hash) {
            Ok(found) => found,
            Err(error) => {
                warn!(file = %run.path.display(), %error, "cannot read an index file");
                None
            }
        });
        frozen
            .chain(filed)
            .filter(|e| self.in_window(e, at))
            .max_by_key(|e| e.seq)
    }
}

/// Keys are hashed with a secret seed, so that nobody can make two identifiers meet.
fn read_seed(dir: &Path) -> io::Result<u64> {
    let path = dir.join("seed");
    match fs::read(&path) {
        Ok(bytes) if bytes.len() == 8 => Ok(u64::from_le_bytes(bytes.try_into().expect("8 bytes"))),
        Ok(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the index seed is damaged",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let seed = uuid::Uuid::new_v4().as_u64_pair().0;
            let temporary = dir.join("seed.new");
            fs::write(&temporary, seed.to_le_bytes())?;
            fs::File::open(&temporary)?.sync_all()?;
            fs::rename(&temporary, &path)?;
            fs::File::open(dir)?.sync_all()?;
            Ok(seed)
        }
        Err(error) => Err(error),
    }
}
