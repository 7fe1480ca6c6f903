//! From inputs to datums: globs cut files, and crosses, unions, joins and groups combine the cuts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use crate::declare::{Input, Source};
use crate::error::StepError;
use crate::manifest::{DatumKey, FileEntry, Manifest};

/// More than this is a mistake in the declaration rather than work.
const MOST_DATUMS: usize = 5_000_000;

/// The files of a source at one version.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) source: Source,
    pub(crate) version: i64,
    pub(crate) manifest: Arc<Manifest>,
}

/// A file or folder that a glob found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which source, by its number.
    pub(crate) source: usize,
    /// Its path, without a slash in front; empty for the root.
    pub(crate) path: String,
    /// Which files of the source's manifest are in it.
    pub(crate) files: Range<usize>,
    pub(crate) join: Option<String>,
    pub(crate) group: Option<String>,
}

/// One unit of work: places that are worked on together.
#[derive(Clone, Debug)]
pub(crate) struct Datum {
    pub(crate) key: DatumKey,
    /// A hash of its key and the contents of its files.
    pub(crate) fingerprint: [u8; 32],
    pub(crate) places: Vec<Arc<Place>>,
}

/// Cuts and combines; `loaded` has the sources of `input` in their order.
pub(crate) fn datums(input: &Input, loaded: &[Loaded]) -> Result<Vec<Datum>, StepError> {
    let mut next = 0;
    let combined = combine(input, loaded, &mut next)?;
    let mut seen = HashSet::with_capacity(combined.len());
    let mut datums = Vec::with_capacity(combined.len());
    let mut buffer = Vec::new();
    for places in combined {
        let key = key_of(&places, loaded, &mut buffer);
        // A place that is in a union twice is one datum.
        if seen.insert(key) {
            datums.push(Datum {
                key,
                fingerprint: fingerprint(key, &places, loaded, &mut buffer),
                places,
            });
        }
    }
    Ok(datums)
}

type Combined = Vec<Vec<Arc<Place>>>;

fn combine(input: &Input, loaded: &[Loaded], next: &mut usize) -> Result<Combined, StepError> {
    let mut cut_next = || {
        let number = *next;
        *next += 1;
        cut(number, &loaded[number])
    };
    match input {
        Input::Source(_) => Ok(cut_next().into_iter().map(|place| vec![place]).collect()),
        Input::Join(sources) => {
            let cuts: Vec<_> = sources.iter().map(|_| cut_next()).collect();
            join(sources, cuts)
        }
        Input::Group(sources) => {
            let mut groups: BTreeMap<String, Vec<Arc<Place>>> = BTreeMap::new();
            for _ in sources {
                for place in cut_next() {
                    groups
                        .entry(place.group.clone().unwrap_or_default())
                        .or_default()
                        .push(place);
                }
            }
            Ok(groups.into_values().collect())
        }
        Input::Union(inputs) => {
            let mut all = Vec::new();
            for input in inputs {
                all.extend(combine(input, loaded, next)?);
                check_count(all.len())?;
            }
            Ok(all)
        }
        Input::Cross(inputs) => {
            let mut parts = Vec::new();
            for input in inputs {
                parts.push(combine(input, loaded, next)?);
            }
            cross(&parts)
        }
    }
}

/// Finds the places of a source, by path.
fn cut(number: usize, loaded: &Loaded) -> Vec<Arc<Place>> {
    let source = &loaded.source;
    let mut places: Vec<Place> = Vec::new();
    // Files below a folder lie together, but with `**` their folders take turns.
    let mut by_path: HashMap<String, usize> = HashMap::new();
    let varies = source.glob.to_string().contains("**");
    for (at, file) in loaded.manifest.files().iter().enumerate() {
        source.glob.places(&file.path, |end, captures| {
            let path = &file.path[..end];
            let known = match varies {
                true => by_path.get(path).copied(),
                false => places
                    .len()
                    .checked_sub(1)
                    .filter(|&last| places[last].path == path),
            };
            if let Some(known) = known {
                places[known].files.end = at + 1;
                return;
            }
            if varies {
                by_path.insert(path.to_owned(), places.len());
            }
            places.push(Place {
                source: number,
                path: path.to_owned(),
                files: at..at + 1,
                join: source
                    .join_on
                    .as_ref()
                    .map(|template| template.fill(captures)),
                group: source
                    .group_by
                    .as_ref()
                    .map(|template| template.fill(captures)),
            });
        });
    }
    places.into_iter().map(Arc::new).collect()
}

/// Joins by captures. What has no partner in each source is there only if its source is an outer one,
/// with the other outer ones.
fn join(sources: &[Source], cuts: Vec<Vec<Arc<Place>>>) -> Result<Combined, StepError> {
    let mut keys: BTreeMap<String, Vec<Vec<Arc<Place>>>> = BTreeMap::new();
    let count = sources.len();
    for (number, places) in cuts.into_iter().enumerate() {
        for place in places {
            let key = place.join.clone().unwrap_or_default();
            let parts = keys.entry(key).or_insert_with(|| vec![Vec::new(); count]);
            parts[number].push(place);
        }
    }
    let mut joined = Vec::new();
    for parts in keys.into_values() {
        let whole = parts.iter().all(|places| !places.is_empty());
        let parts: Vec<Combined> = parts
            .into_iter()
            .zip(sources)
            .filter(|(places, source)| whole || (source.outer_join && !places.is_empty()))
            .map(|(places, _)| places.into_iter().map(|place| vec![place]).collect())
            .collect();
        if !parts.is_empty() {
            joined.extend(cross(&parts)?);
            check_count(joined.len())?;
        }
    }
    Ok(joined)
}

fn cross(parts: &[Combined]) -> Result<Combined, StepError> {
    let count = parts
        .iter()
        .map(Vec::len)
        .try_fold(1usize, |all, part| all.checked_mul(part));
    check_count(count.unwrap_or(usize::MAX))?;
    let mut all: Combined = vec![Vec::new()];
    for part in parts {
        let mut longer = Vec::with_capacity(all.len() * part.len());
        for before in &all {
            for places in part {
                longer.push(before.iter().chain(places).cloned().collect());
            }
        }
        all = longer;
    }
    Ok(all)
}

fn check_count(count: usize) -> Result<(), StepError> {
    if count <= MOST_DATUMS {
        return Ok(());
    }
    Err(
        StepError::invalid(format!("the inputs make more than {MOST_DATUMS} datums")).with_hint(
            "use globs that put more files into one datum, or a join instead of a cross",
        ),
    )
}

fn put(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    buffer.extend_from_slice(bytes);
}

fn key_of(places: &[Arc<Place>], loaded: &[Loaded], buffer: &mut Vec<u8>) -> DatumKey {
    buffer.clear();
    for place in places {
        let source = &loaded[place.source].source;
        put(buffer, source.name.as_bytes());
        put(buffer, source.origin.to_string().as_bytes());
        put(buffer, place.path.as_bytes());
    }
    let mut key = [0; 16];
    key.copy_from_slice(&blake3::hash(buffer).as_bytes()[..16]);
    DatumKey(key)
}

fn fingerprint(
    key: DatumKey,
    places: &[Arc<Place>],
    loaded: &[Loaded],
    buffer: &mut Vec<u8>,
) -> [u8; 32] {
    buffer.clear();
    buffer.extend_from_slice(&key.0);
    for place in places {
        for text in [&place.join, &place.group] {
            put(buffer, text.as_deref().unwrap_or_default().as_bytes());
        }
        for file in place.files_in(loaded) {
            put(buffer, file.path.as_bytes());
            buffer.extend_from_slice(&file.hash.0);
        }
    }
    *blake3::hash(buffer).as_bytes()
}

impl Place {
    pub(crate) fn files_in<'a>(&self, loaded: &'a [Loaded]) -> &'a [FileEntry] {
        &loaded[self.source].manifest.files()[self.files.clone()]
    }
}

impl Datum {
    /// Names it to a person, such as `stores:/STOREID1.txt, returns:/A.txt`.
    pub(crate) fn label(&self, loaded: &[Loaded]) -> String {
        let mut label = String::new();
        for (number, place) in self.places.iter().enumerate() {
            if number == 8 {
                label.push_str(&format!(", and {} more", self.places.len() - 8));
                break;
            }
            let comma = if number > 0 { ", " } else { "" };
            let name = &loaded[place.source].source.name;
            label.push_str(&format!("{comma}{name}:/{}", place.path));
        }
        label
    }
}
