//! The demo's schedules: models follow the events by themselves, and one step has to wait for data that
//! comes late.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::models::write;
use super::send::{Sender, Sent};
use crate::client::Client;
use crate::failure::Failure;
use crate::project::Project;
use crate::ui::Ui;

const SCHEDULES: &str = include_str!("../../../../examples/plant-shop-scheduled/schedules.yml");
const MODELS: [(&str, &str); 2] = [
    (
        "models/payouts.sql",
        include_str!("../../../../examples/plant-shop-scheduled/models/payouts.sql"),
    ),
    (
        "models/payments.yml",
        include_str!("../../../../examples/plant-shop-scheduled/models/payments.yml"),
    ),
];

const STEPS: [(&str, &str); 2] = [
    (
        "steps/forecast.py",
        include_str!("../../../../examples/plant-shop-scheduled/steps/forecast.py"),
    ),
    (
        "steps/forecast.yml",
        include_str!("../../../../examples/plant-shop-scheduled/steps/forecast.yml"),
    ),
];

/// How often the server is asked how far the payouts are.
const LOOK: Duration = Duration::from_millis(300);
/// How long the demo waits for its own run, where it ends by itself.
const PATIENCE: Duration = Duration::from_secs(120);

/// Writes the schedules beside the models; the server takes them over by itself.
pub(super) fn put(project: &Project, ui: &Ui) -> Result<(), Failure> {
    for (name, text) in MODELS {
        write(&project.dir().join("plant-shop").join(name), text)?;
    }
    for (name, text) in STEPS {
        write(&project.dir().join(name), text)?;
    }
    write(&project.dir().join("schedules.yml"), SCHEDULES)?;
    ui.heading(
        "From here on the server keeps the models fresh, and a step in Python: schedules.yml",
    );
    for line in SCHEDULES.lines().filter(|line| !line.starts_with('#')) {
        ui.status(format!("  {line}"));
    }
    Ok(())
}

/// Runs the payouts before their time, sends the payment provider's export once the step has failed
/// for the want of it, and returns when the step has recovered.
pub(super) async fn pay_out_late(client: &Client, sender: &Sender) -> Result<(), Failure> {
    let until = tokio::time::Instant::now() + PATIENCE;
    let mut has_sent = false;
    let path = "/api/v1/schedules/payouts/trigger";
    // The server looks at its files every second.
    while client
        .send(client.request(Method::POST, path))
        .await
        .is_err()
    {
        if tokio::time::Instant::now() >= until {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    while tokio::time::Instant::now() < until {
        tokio::time::sleep(LOOK).await;
        let request = client.request(Method::GET, "/api/v1/runs?schedule=payouts&limit=1");
        let found: Value = client.json(request).await?;
        let Some(run) = found["runs"][0]["id"].as_i64() else {
            continue;
        };
        let request = client.request(Method::GET, &format!("/api/v1/runs/{run}"));
        let run: Value = client.json(request).await?;
        let attempts = run["details"][0]["attempts"].as_array();
        let has_failed = attempts
            .into_iter()
            .flatten()
            .any(|tried| tried["state"] == "failed");
        if has_failed && !has_sent {
            let event = Map::from_iter([
                ("type".to_owned(), json!("track")),
                ("event".to_owned(), json!("Payout Exported")),
                ("userId".to_owned(), json!("payments")),
                ("properties".to_owned(), json!({ "amount": 1834.5 })),
            ]);
            sender.send_one(event, &mut Sent::default()).await?;
            has_sent = true;
        }
        // Once the export is there, nothing fails for the want of it any more.
        if run["state"] == "succeeded" {
            return Ok(());
        }
    }
    Err(Failure::new("the scheduled payouts did not recover")
        .with_hint("`weir runs logs` says why"))
}
