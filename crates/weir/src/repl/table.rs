use std::fmt::Write;

use serde_json::Value;
use unicode_width::UnicodeWidthStr;

/// Longer values are cut in tables, where they would break every line of the screen.
const MAX_CELL: usize = 120;

/// The answer to one query.
#[derive(serde::Deserialize)]
pub(super) struct Answer {
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Value>>,
    pub(super) elapsed_ms: u64,
    pub(super) error: Option<Value>,
    /// What the statement was, such as `INSERT`.
    #[serde(default)]
    command: String,
    /// How many rows it wrote.
    rows_affected: Option<u64>,
}

#[derive(serde::Deserialize)]
pub(super) struct Column {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) kind: String,
}

impl Column {
    fn is_number(&self) -> bool {
        let kind = self.kind.as_str();
        matches!(
            kind,
            "smallint" | "integer" | "bigint" | "real" | "double precision"
        ) || kind.starts_with("numeric")
    }
}

impl Answer {
    /// Whether the statement did something and was no question.
    pub(super) fn is_deed(&self) -> bool {
        self.columns.is_empty() && self.rows.is_empty()
    }
}

/// Writes rows under their columns.
pub(super) fn table(answer: &Answer) -> String {
    let heads: Vec<String> = answer
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let rows: Vec<Vec<String>> = answer
        .rows
        .iter()
        .map(|row| row.iter().map(text).collect())
        .collect();
    aligned(&heads, &rows, |i| answer.columns[i].is_number())
}

/// Writes rows of text under their heads.
pub(crate) fn grid(heads: &[String], rows: &[Vec<String>]) -> String {
    let grid = aligned(heads, rows, |_| false);
    grid.trim_end().to_owned()
}

fn aligned(heads: &[String], rows: &[Vec<String>], right: impl Fn(usize) -> bool) -> String {
    let heads: Vec<String> = heads.iter().map(|head| clean(head)).collect();
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|value| cut(clean(value))).collect())
        .collect();
    let widths: Vec<usize> = (0..heads.len())
        .map(|i| {
            let cells = rows
                .iter()
                .filter_map(|row| row.get(i))
                .map(|cell| cell.width());
            cells.chain([heads[i].width()]).max().unwrap_or(0)
        })
        .collect();
    let mut out = String::new();
    line(&mut out, &heads, &widths, |_| false);
    let rules: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
    let _ = writeln!(out, "─{}─", rules.join("─┼─"));
    for row in &rows {
        line(&mut out, row, &widths, &right);
    }
    out
}

fn line(out: &mut String, cells: &[String], widths: &[usize], right: impl Fn(usize) -> bool) {
    let mut text = String::new();
    for (i, cell) in cells.iter().enumerate() {
        let gap = " ".repeat(widths[i].saturating_sub(cell.width()));
        let before = if i == 0 { " " } else { " │ " };
        let _ = if right(i) {
            write!(text, "{before}{gap}{cell}")
        } else {
            write!(text, "{before}{cell}{gap}")
        };
    }
    let _ = writeln!(out, "{}", text.trim_end());
}

/// Writes each row as a block of names and values.
pub(super) fn blocks(answer: &Answer) -> String {
    let width = answer
        .columns
        .iter()
        .map(|column| column.name.width())
        .max()
        .unwrap_or(0);
    let mut out = String::new();
    for (i, row) in answer.rows.iter().enumerate() {
        let _ = writeln!(out, "─ row {} {}", i + 1, "─".repeat(width.max(8)));
        for (column, value) in answer.columns.iter().zip(row) {
            let name = clean(&column.name);
            let gap = " ".repeat(width.saturating_sub(name.width()));
            let _ = writeln!(out, "{name}{gap} │ {}", text(value));
        }
    }
    out
}

/// Says what was done, or how much there was.
pub(super) fn summary(answer: &Answer) -> String {
    if answer.is_deed() {
        return match answer.rows_affected {
            Some(1) => format!("{} (1 row)", answer.command),
            Some(rows) => format!("{} ({rows} rows)", answer.command),
            None => answer.command.clone(),
        };
    }
    match answer.rows.len() {
        1 => "(1 row)".to_owned(),
        rows => format!("({rows} rows)"),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Values come from outside: none may move the cursor or colour the terminal.
fn clean(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .map(|c| match c {
            '\n' => '⏎',
            '\t' => ' ',
            c if c.is_control() => '�',
            c => c,
        })
        .collect()
}

fn cut(text: String) -> String {
    if text.width() <= MAX_CELL {
        return text;
    }
    let mut short: String = text.chars().take(MAX_CELL - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_stand_right_and_wide_letters_count() {
        let answer: Answer = serde_json::from_value(json!({
            "columns": [{"name": "name", "type": "text"}, {"name": "n", "type": "bigint"}],
            "rows": [["雨", 10], ["a\u{1b}[2Jb", 2], [null, null]],
            "elapsed_ms": 1,
        }))
        .unwrap();
        assert_eq!(
            table(&answer),
            " name   │ n\n────────┼────\n 雨     │ 10\n a�[2Jb │  2\n        │\n"
        );
        assert_eq!(summary(&answer), "(3 rows)");

        let answer: Answer = serde_json::from_value(json!({
            "columns": [], "rows": [], "elapsed_ms": 1, "command": "INSERT", "rows_affected": 2,
        }))
        .unwrap();
        assert_eq!(summary(&answer), "INSERT (2 rows)");
    }
}
