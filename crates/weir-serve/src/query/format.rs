use http::{HeaderMap, header};

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// One document: columns, rows as arrays, what was read.
    Json,
    /// One object per line.
    JsonLines,
    /// With a line of names first.
    Csv,
    /// The Arrow IPC stream.
    Arrow,
    /// A Parquet file; its end comes last, and without it a reader refuses the file.
    Parquet,
}

impl Format {
    pub(crate) const NAMES: [&str; 5] = ["json", "ndjson", "csv", "arrow", "parquet"];

    /// Returns the format a name stands for.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "json" => Format::Json,
            "ndjson" | "jsonl" => Format::JsonLines,
            "csv" => Format::Csv,
            "arrow" => Format::Arrow,
            "parquet" => Format::Parquet,
            _ => return None,
        })
    }

    /// Returns the first format of the `Accept` header that is one of ours; JSON when none is.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .find_map(
                |kind| match kind.split(';').next().unwrap_or_default().trim() {
                    "application/json" => Some(Format::Json),
                    "application/x-ndjson" | "application/jsonl" => Some(Format::JsonLines),
                    "text/csv" => Some(Format::Csv),
                    "application/vnd.apache.arrow.stream" => Some(Format::Arrow),
                    "application/vnd.apache.parquet" => Some(Format::Parquet),
                    _ => None,
                },
            )
            .unwrap_or(Format::Json)
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Format::Json => "application/json",
            Format::JsonLines => "application/x-ndjson",
            Format::Csv => "text/csv; charset=utf-8; header=present",
            Format::Arrow => "application/vnd.apache.arrow.stream",
            Format::Parquet => "application/vnd.apache.parquet",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(value: &'static str) -> Format {
        Format::accepted(&HeaderMap::from_iter([(
            header::ACCEPT,
            http::HeaderValue::from_static(value),
        )]))
    }

    #[test]
    fn the_first_known_kind_wins() {
        assert_eq!(accepted("text/html, text/csv;q=0.9"), Format::Csv);
        assert_eq!(
            accepted("application/vnd.apache.arrow.stream"),
            Format::Arrow
        );
        assert_eq!(accepted("*/*"), Format::Json);
        assert_eq!(Format::accepted(&HeaderMap::new()), Format::Json);
        assert!(
            Format::NAMES
                .iter()
                .all(|name| Format::named(name).is_some())
        );
    }
}
