//! What is sent: a dashboard as mail, as a message of a chat, and as JSON.

use std::fmt::Write as _;

use serde_json::{Value, json};
use weir_catalog::Delivery;

use super::answer::{Answer, Cell, Kind};
use super::draw::{draw, number_of};
use super::markdown;
use super::series::Spec;
use super::svg::escaped;

/// Rows of a table in a mail, in a chat, and in JSON.
const MAIL_ROWS: usize = 25;
const CHAT_ROWS: usize = 8;
const JSON_ROWS: usize = 1_000;
/// Columns of a table in a chat, and letters of a cell there.
const CHAT_COLUMNS: usize = 5;
const CHAT_LETTERS: usize = 24;
/// The longest message of a chat.
const CHAT: usize = 12_000;

/// A tile, asked.
pub(super) struct Tile {
    pub(super) title: String,
    pub(super) shown: Shown,
}

pub(super) enum Shown {
    Text(String),
    Answer(Answer, Spec),
    /// Why there is no answer.
    Failed(String),
}

/// A dashboard that is about to be sent.
pub(super) struct Letter {
    pub(super) name: String,
    /// Where it is in the application.
    pub(super) link: String,
    /// Values of filters that were chosen, for people.
    pub(super) filters: Vec<(String, String)>,
    pub(super) tiles: Vec<Tile>,
}

/// A file that goes with a mail.
pub(in crate::flow) struct Attached {
    pub(in crate::flow) name: String,
    pub(in crate::flow) content: String,
}

impl Letter {
    /// Returns the drawings, each with the place of its tile.
    fn drawings(&self) -> Vec<(usize, String)> {
        let drawn = self.tiles.iter().enumerate().filter_map(|(at, tile)| {
            let Shown::Answer(answer, spec) = &tile.shown else {
                return None;
            };
            Some((at, draw(&tile.title, spec, answer)?))
        });
        drawn.collect()
    }

    /// Writes the mail: its text, its markup and its drawings.
    pub(super) fn mail(&self) -> (String, String, Vec<Attached>) {
        let drawings = self.drawings();
        let name = |at: usize| format!("{:02}-{}.svg", at + 1, slug(&self.tiles[at].title));
        let (mut text, mut html) = (format!("{}\n{}\n", self.name, self.link), String::new());
        let _ = write!(
            html,
            "<!doctype html><html><body style=\"font:14px/1.5 system-ui,sans-serif;color:#1f2933;max-width:720px\">\
             <h1 style=\"font-size:20px\"><a href=\"{}\" style=\"color:#0f6b78\">{}</a></h1>",
            escaped(&self.link),
            escaped(&self.name)
        );
        for (name, value) in &self.filters {
            let _ = writeln!(text, "{name}: {value}");
            let _ = write!(
                html,
                "<p style=\"color:#5b6773;margin:0\">{}: {}</p>",
                escaped(name),
                escaped(value)
            );
        }
        for (at, tile) in self.tiles.iter().enumerate() {
            let _ = write!(text, "\n{}\n", tile.title);
            let _ = write!(
                html,
                "<h2 style=\"font-size:15px;margin:24px 0 4px\">{}</h2>",
                escaped(&tile.title)
            );
            match &tile.shown {
                Shown::Text(said) => {
                    let _ = writeln!(text, "{said}");
                    html.push_str(&markdown::html(said, &self.link));
                }
                Shown::Failed(why) => {
                    let _ = writeln!(text, "There is no answer: {why}");
                    let _ = write!(
                        html,
                        "<p style=\"color:#b42318\">There is no answer: {}</p>",
                        escaped(why)
                    );
                }
                Shown::Answer(answer, spec) => {
                    if let Some(number) = number_of(spec, answer).filter(|_| spec.kind == "number")
                    {
                        let _ = writeln!(text, "{number}");
                        let _ = write!(
                            html,
                            "<p style=\"font-size:32px;font-weight:600;margin:0\">{}</p>",
                            escaped(&number)
                        );
                        continue;
                    }
                    let is_drawn = drawings.iter().any(|(of, _)| *of == at);
                    if is_drawn {
                        let said = format!("Drawn in the attached {}", name(at));
                        let _ = writeln!(text, "{said}");
                        let _ = write!(
                            html,
                            "<p style=\"color:#5b6773;margin:0\">{}</p>",
                            escaped(&said)
                        );
                    } else if spec.kind != "table" {
                        let said = format!("Drawn as {} in the application", spec.kind);
                        let _ = writeln!(text, "{said}: {}", self.link);
                        let _ = write!(
                            html,
                            "<p style=\"color:#5b6773;margin:0\"><a href=\"{}\">{}</a></p>",
                            escaped(&self.link),
                            escaped(&said)
                        );
                    }
                    text.push_str(&plain(answer, MAIL_ROWS));
                    html.push_str(&table(answer));
                }
            }
        }
        html.push_str("</body></html>");
        let attached = drawings.into_iter().map(|(at, content)| Attached {
            name: name(at),
            content,
        });
        (text, html, attached.collect())
    }

    /// Writes a message as incoming webhooks of Slack and the like take it.
    pub(super) fn chat(&self) -> Value {
        let link = self.link.replace(['<', '>', '|'], "");
        let mut text = format!("*<{link}|{}>*\n", marked(&self.name).replace('|', "¦"));
        for (name, value) in &self.filters {
            let _ = writeln!(text, "{}: {}", marked(name), marked(value));
        }
        for tile in &self.tiles {
            let mut part = format!("\n*{}*\n", marked(&tile.title));
            match &tile.shown {
                Shown::Text(said) => part.push_str(&markdown::chat(said, &self.link)),
                Shown::Failed(why) => part.push_str(&marked(&format!("There is no answer: {why}"))),
                Shown::Answer(answer, spec) => match number_of(spec, answer) {
                    Some(number) if spec.kind == "number" => part.push_str(&marked(&number)),
                    _ => {
                        let rows = marked(&narrow(answer));
                        let _ = write!(part, "```\n{rows}```");
                    }
                },
            }
            part.push('\n');
            if text.len() + part.len() > CHAT {
                text.push_str("\n…");
                break;
            }
            text.push_str(&part);
        }
        json!({ "text": text })
    }

    /// Writes it for programs.
    pub(super) fn json(&self, delivery: &Delivery) -> Value {
        let drawings = self.drawings();
        let tiles = self.tiles.iter().enumerate().map(|(at, tile)| {
            let svg = drawings.iter().find(|(of, _)| *of == at);
            let mut told = json!({ "title": tile.title });
            match &tile.shown {
                Shown::Text(said) => told["text"] = json!(said),
                Shown::Failed(why) => told["error"] = json!(why),
                Shown::Answer(answer, spec) => {
                    let rows = answer.rows.iter().take(JSON_ROWS);
                    let value = |cell: &Cell| match cell.number {
                        Some(number) => json!(number),
                        None => json!(cell.text),
                    };
                    let rows: Vec<Vec<Value>> =
                        rows.map(|row| row.iter().map(value).collect()).collect();
                    let columns: Vec<&str> =
                        answer.columns.iter().map(|one| one.name.as_str()).collect();
                    told["kind"] = json!(spec.kind);
                    told["columns"] = json!(columns);
                    told["cut_off"] = json!(answer.cut_off || answer.rows.len() > rows.len());
                    told["rows"] = json!(rows);
                    told["svg"] = json!(svg.map(|(_, svg)| svg));
                }
            }
            told
        });
        json!({
            "kind": "dashboard",
            "delivery": delivery.id,
            "dashboard": delivery.dashboard,
            "name": self.name,
            "link": self.link,
            "filters": delivery.filters,
            "tiles": tiles.collect::<Vec<_>>(),
        })
    }
}

fn more(answer: &Answer, shown: usize) -> Option<String> {
    let left = answer.rows.len().saturating_sub(shown);
    match (left, answer.cut_off) {
        (0, false) => None,
        (0, true) => Some("and more rows".to_owned()),
        (left, false) => Some(format!("and {left} more rows")),
        (left, true) => Some(format!("and more than {left} more rows")),
    }
}

fn text_of(cell: &Cell) -> &str {
    cell.text.as_deref().unwrap_or("")
}

/// Writes rows with tabs between their cells.
fn plain(answer: &Answer, most: usize) -> String {
    let names: Vec<&str> = answer.columns.iter().map(|one| one.name.as_str()).collect();
    let mut text = format!("{}\n", names.join("\t"));
    for row in answer.rows.iter().take(most) {
        let cells: Vec<&str> = row.iter().map(text_of).collect();
        let _ = writeln!(text, "{}", cells.join("\t"));
    }
    if let Some(more) = more(answer, most) {
        let _ = writeln!(text, "{more}");
    }
    text
}

/// Writes rows in columns of one width, for where letters are as wide as each other.
fn narrow(answer: &Answer) -> String {
    let clip = |text: &str| -> String {
        let line = text.replace(['\n', '\r', '\t'], " ");
        match line.chars().count() > CHAT_LETTERS {
            true => line.chars().take(CHAT_LETTERS - 1).chain(['…']).collect(),
            false => line,
        }
    };
    let columns = answer.columns.iter().take(CHAT_COLUMNS);
    let mut lines: Vec<Vec<String>> = vec![columns.map(|one| clip(&one.name)).collect()];
    for row in answer.rows.iter().take(CHAT_ROWS) {
        let cells = row.iter().take(CHAT_COLUMNS);
        lines.push(cells.map(|cell| clip(text_of(cell))).collect());
    }
    let width = |at: usize| lines.iter().map(|line| line[at].chars().count()).max();
    let widths: Vec<usize> = (0..lines[0].len()).filter_map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(&widths).zip(&answer.columns);
        let cells = cells.map(|((cell, &width), column)| match column.kind {
            Kind::Number => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        let _ = writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
    if let Some(more) = more(answer, CHAT_ROWS) {
        let _ = writeln!(text, "{more}");
    }
    text
}

fn table(answer: &Answer) -> String {
    let mut html =
        String::from("<table style=\"border-collapse:collapse;font-size:13px\"><thead><tr>");
    let align = |kind: Kind| match kind {
        Kind::Number => "right",
        _ => "left",
    };
    for column in &answer.columns {
        let _ = write!(
            html,
            "<th style=\"text-align:{};padding:2px 12px 2px 0;border-bottom:1px solid #cbd2d9\">{}</th>",
            align(column.kind),
            escaped(&column.name)
        );
    }
    html.push_str("</tr></thead><tbody>");
    for row in answer.rows.iter().take(MAIL_ROWS) {
        html.push_str("<tr>");
        for (cell, column) in row.iter().zip(&answer.columns) {
            let _ = write!(
                html,
                "<td style=\"text-align:{};padding:2px 12px 2px 0\">{}</td>",
                align(column.kind),
                escaped(text_of(cell))
            );
        }
        html.push_str("</tr>");
    }
    html.push_str("</tbody></table>");
    if let Some(more) = more(answer, MAIL_ROWS) {
        let _ = write!(html, "<p style=\"color:#5b6773;margin:0\">{more}</p>");
    }
    html
}

/// Keeps names and values from being read as markup of Slack, and from ending or beginning a block.
pub(super) fn marked(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('`', "ˋ")
}

fn slug(title: &str) -> String {
    let mut slug = String::new();
    for letter in title.chars().take(40) {
        match letter.is_ascii_alphanumeric() {
            true => slug.push(letter.to_ascii_lowercase()),
            false if !slug.is_empty() && !slug.ends_with('-') => slug.push('-'),
            false => {}
        }
    }
    match slug.trim_end_matches('-') {
        "" => "chart".to_owned(),
        slug => slug.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::series::tests::answer;
    use super::*;

    #[test]
    fn names_and_values_stay_text() {
        let evil = "<img src=x onerror=1>`|```";
        let rows: Vec<[&str; 2]> = vec![[evil, "1"]; 40];
        let rows: Vec<&[&str]> = rows.iter().map(|row| &row[..]).collect();
        let columns = [(evil, Kind::Text), ("n", Kind::Number)];
        let spec = |kind: &str| Spec {
            kind: kind.to_owned(),
            ..Spec::default()
        };
        let tile = |shown| Tile {
            title: evil.to_owned(),
            shown,
        };
        let letter = Letter {
            name: evil.to_owned(),
            link: "http://127.0.0.1/d/abc".to_owned(),
            filters: vec![(evil.to_owned(), evil.to_owned())],
            tiles: vec![
                tile(Shown::Text(evil.to_owned())),
                tile(Shown::Failed(evil.to_owned())),
                tile(Shown::Answer(answer(&columns, &rows), spec("bar"))),
                tile(Shown::Answer(answer(&columns, &rows), spec("sankey"))),
                tile(Shown::Answer(answer(&columns, &rows), spec("number"))),
            ],
        };
        let (text, html, attached) = letter.mail();
        assert!(!html.contains("<img"), "{html}");
        assert!(
            html.contains("and 15 more rows")
                && html.contains("Drawn as sankey in the application")
        );
        assert!(text.contains("http://127.0.0.1/d/abc"));
        assert_eq!(attached[0].name, "03-img-src-x-onerror-1.svg");
        assert!(attached.iter().all(|file| !file.content.contains("<img")));
        let chat = letter.chat();
        let chat = chat["text"].as_str().unwrap();
        assert!(
            !chat.contains("<img") && chat.matches("```").count() == 4,
            "{chat}"
        );
    }
}
