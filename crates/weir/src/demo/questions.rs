use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::ui::Ui;

/// What a person may want to know first, and how to ask it.
const QUESTIONS: [(&str, &str); 6] = [
    (
        "What has arrived, by kind and by SDK?",
        "SELECT type, sdk, count(*) AS events, max(received_at) AS newest
FROM raw_shop.events GROUP BY type, sdk ORDER BY events DESC LIMIT 8",
    ),
    (
        "What did we earn, day by day?",
        "SELECT date_trunc('day', timestamp) AS day, count(*) AS orders,
       round(sum(total), 2) AS revenue, round(avg(total), 2) AS per_order
FROM shop.order_completed GROUP BY day ORDER BY day DESC LIMIT 5",
    ),
    (
        "How far do visitors get?",
        "SELECT count(DISTINCT CASE WHEN event = 'product_viewed' THEN anonymous_id END) AS viewed,
       count(DISTINCT CASE WHEN event = 'product_added' THEN anonymous_id END) AS added,
       count(DISTINCT CASE WHEN event = 'checkout_started' THEN anonymous_id END) AS checkout
FROM shop.tracks",
    ),
    (
        "Which campaigns bring sign-ups?",
        "SELECT context_campaign_source AS source, plan, count(*) AS sign_ups
FROM shop.signed_up GROUP BY source, plan ORDER BY sign_ups DESC LIMIT 5",
    ),
    (
        "What is inside the raw JSON that no column shows?",
        "SELECT raw->'properties'->'products'->0->>'name' AS first_product, count(*) AS orders
FROM raw_shop.events WHERE event = 'Order Completed'
GROUP BY first_product ORDER BY orders DESC LIMIT 5",
    ),
    (
        "What became of every event that was sent?",
        "SELECT fate, reason, count(*) AS events
FROM weir.event_fate GROUP BY fate, reason ORDER BY events DESC",
    ),
];

#[derive(Deserialize)]
struct Answer {
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
}

/// Asks all questions over HTTP and prints the answers.
pub(super) async fn ask_all(client: &Client, ui: &Ui) -> Result<(), Failure> {
    for (question, sql) in QUESTIONS {
        ui.heading(question);
        for line in sql.lines() {
            ui.command(line);
        }
        let start = std::time::Instant::now();
        let body = json!({ "sql": sql, "format": "json" });
        let answer: Answer = client
            .json(client.request(Method::POST, "/api/v1/query").json(&body))
            .await?;
        let took = start.elapsed();
        for line in table(&answer) {
            ui.answer(line);
        }
        let rows = if answer.rows.len() == 1 {
            "row"
        } else {
            "rows"
        };
        let ms = took.as_secs_f64() * 1e3;
        ui.status(format!("  ({} {rows} in {ms:.0} ms)", answer.rows.len()));
    }
    Ok(())
}

/// Lays rows out in columns.
fn table(answer: &Answer) -> Vec<String> {
    let head = answer
        .columns
        .iter()
        .map(|column| column.name.clone())
        .collect::<Vec<_>>();
    let cells: Vec<Vec<String>> = answer
        .rows
        .iter()
        .map(|row| row.iter().map(cell).collect())
        .collect();
    let numeric: Vec<bool> = (0..head.len())
        .map(|column| {
            answer
                .rows
                .iter()
                .all(|row| row.get(column).is_none_or(|v| v.is_number() || v.is_null()))
        })
        .collect();
    let widths: Vec<usize> = (0..head.len())
        .map(|column| {
            let rows = cells
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.chars().count());
            rows.chain([head[column].chars().count()])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let line = |row: &[String]| {
        let cells = row
            .iter()
            .zip(&widths)
            .zip(&numeric)
            .map(|((cell, width), numeric)| {
                if *numeric {
                    format!("{cell:>width$}")
                } else {
                    format!("{cell:<width$}")
                }
            });
        format!("  {}", cells.collect::<Vec<_>>().join("  "))
            .trim_end()
            .to_owned()
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut lines = vec![line(&head), line(&rule)];
    lines.extend(cells.iter().map(|row| line(row)));
    lines
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_aligned_to_the_right_and_text_to_the_left() {
        let answer = Answer {
            columns: ["plan", "sign_ups"]
                .map(|name| Column { name: name.into() })
                .into(),
            rows: vec![
                vec![json!("studio"), json!(7)],
                vec![json!(null), json!(1234)],
            ],
        };

        assert_eq!(
            table(&answer),
            [
                "  plan    sign_ups",
                "  ------  --------",
                "  studio         7",
                "  -           1234"
            ]
        );
    }
}
