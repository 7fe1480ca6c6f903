use std::collections::BTreeMap;

/// The rows of a table that a statement found: a bit per row of the files it found rows in.
#[derive(Debug, Default)]
pub struct Matched {
    files: BTreeMap<u32, FileRows>,
    rows: u64,
}

#[derive(Debug, Default)]
pub(super) struct FileRows {
    bits: Vec<u64>,
    pub(super) rows: u64,
}

impl Matched {
    /// Notes row `row` of file `file`; false when it was noted before.
    pub fn insert(&mut self, file: u32, row: u64) -> bool {
        let rows = self.files.entry(file).or_default();
        let (word, bit) = ((row / 64) as usize, 1_u64 << (row % 64));
        if rows.bits.len() <= word {
            rows.bits.resize(word + 1, 0);
        }
        let new = rows.bits[word] & bit == 0;
        rows.bits[word] |= bit;
        rows.rows += u64::from(new);
        self.rows += u64::from(new);
        new
    }

    /// Returns how many rows were noted.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn files(&self) -> impl Iterator<Item = (u32, &FileRows)> {
        self.files.iter().map(|(file, rows)| (*file, rows))
    }
}

impl FileRows {
    pub(super) fn contains(&self, row: u64) -> bool {
        let word = self.bits.get((row / 64) as usize).copied().unwrap_or(0);
        word & (1 << (row % 64)) != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_new_once() {
        let mut matched = Matched::default();
        assert!(matched.insert(0, 130));
        assert!(!matched.insert(0, 130));
        assert!(matched.insert(2, 0));
        assert_eq!(matched.rows(), 2);
        let files: Vec<_> = matched
            .files()
            .map(|(file, rows)| (file, rows.rows))
            .collect();
        assert_eq!(files, [(0, 1), (2, 1)]);
        let (_, first) = matched.files().next().unwrap();
        assert!(first.contains(130) && !first.contains(129) && !first.contains(5_000));
    }
}
