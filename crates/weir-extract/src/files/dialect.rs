//! How a file of values with separators is written, told by its beginning.

/// A dialect of CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) delimiter: u8,
    pub(super) has_header: bool,
}

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Rows that are compared.
const ROWS: usize = 50;

impl Dialect {
    /// Finds the separator that divides most rows into equally many values, and whether the first row names
    /// them.
    pub(super) fn of(sample: &str, delimiter: Option<u8>, header: Option<bool>) -> Self {
        let best = delimiter.unwrap_or_else(|| {
            let scored = DELIMITERS.iter().map(|d| (score(&rows(sample, *d)), *d));
            // The first of those that are equally good.
            let best = scored.rev().max_by_key(|(score, _)| *score);
            best.map_or(b',', |(_, d)| d)
        });
        let has_header = header.unwrap_or_else(|| looks_like_names(rows(sample, best).first()));
        Self {
            delimiter: best,
            has_header,
        }
    }
}

fn rows(sample: &str, delimiter: u8) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(sample.as_bytes());
    let records = reader.records().map_while(Result::ok).take(ROWS);
    let mut rows: Vec<Vec<String>> = records
        .map(|record| record.iter().map(str::to_owned).collect())
        .collect();
    if rows.len() > 2 && rows.len() < ROWS {
        // The sample may end in the middle of a row.
        rows.pop();
    }
    rows
}

/// Rows with as many values as the first, times how many that is; none where there is but one.
fn score(rows: &[Vec<String>]) -> usize {
    let width = rows.first().map_or(0, Vec::len);
    match width {
        0 | 1 => 0,
        width => {
            rows.iter().filter(|row| row.len() == width).count() * 100 / rows.len() * 100 + width
        }
    }
}

/// Names are there, differ, and are no numbers.
fn looks_like_names(row: Option<&Vec<String>>) -> bool {
    let Some(row) = row else {
        return false;
    };
    let mut seen = std::collections::BTreeSet::new();
    row.iter().all(|name| {
        let name = name.trim();
        !name.is_empty() && name.parse::<f64>().is_err() && seen.insert(name.to_lowercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_are_told_by_the_first_rows() {
        let of = |text: &str| Dialect::of(text, None, None);
        let named = |delimiter| Dialect {
            delimiter,
            has_header: true,
        };
        assert_eq!(of("id,name\n1,\"a;b;c\"\n2,\"x\ny\"\n"), named(b','));
        assert_eq!(of("id;total\n1;1,50\n2;2,75\n"), named(b';'));
        assert_eq!(of("id\tname, first\n1\tb\n"), named(b'\t'));
        assert!(!of("1,2\n3,4\n").has_header);
        assert_eq!(of("name\nada\n").delimiter, b',');
        assert_eq!(Dialect::of("a b|c", Some(b' '), None).delimiter, b' ');
    }
}
