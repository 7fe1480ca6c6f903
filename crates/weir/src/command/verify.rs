use serde_json::{Value, json};

use super::Global;
use super::source::with_server;
use super::sync::{followed, lag, notes};
use crate::failure::Failure;
use crate::ui::Ui;

/// Compare a database that is replicated with the lake, table by table
///
/// Both sides make fingerprints of their rows as of one place in the database's log; only rows whose
/// fingerprints differ are read. Ends with code 1 where something differs and was not repaired.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The source
    source: String,
    /// Fetch what differs; where the replication slot is lost, make a new one first
    #[arg(long)]
    repair: bool,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let source = &self.source;
        let path = format!("/api/v1/extract/{source}/verify");
        let done = with_server(global, ui, async |client| {
            followed(client, source, &path, &json!({ "repair": self.repair }), ui).await
        })
        .await?;
        let progress = &done["progress"];
        notes(progress, ui);
        let scores = progress["verified"].as_array().cloned().unwrap_or_default();
        let wrong: u64 = scores.iter().map(wrong).sum();
        match ui.is_json() {
            true => ui.answer_json(&json!({
                "source": source, "run": done["run"], "tables": scores, "lag": progress["lag"],
            })),
            false => show(&scores, ui),
        }
        match (wrong, self.repair) {
            (0, _) => ui.status(format!("{} tables are the same in the lake.", scores.len())),
            (wrong, true) => {
                ui.status(format!(
                    "{wrong} rows differed, and are now as the source has them."
                ));
            }
            (wrong, false) => {
                return Err(Failure::new(format!("{wrong} rows of `{source}` differ"))
                    .with_hint(format!("fetch them: weir verify {source} --repair")));
            }
        }
        lag(&progress["lag"], ui);
        Ok(())
    }
}

fn wrong(score: &Value) -> u64 {
    let parts = ["missing", "different", "extra"].iter();
    parts.filter_map(|part| score[*part].as_u64()).sum()
}

fn show(scores: &[Value], ui: &Ui) {
    ui.answer(format!(
        "{:<32}{:>12}{:>12}{:>9}{:>11}{:>7}  {}",
        "stream", "source", "lake", "missing", "different", "extra", "same"
    ));
    for score in scores {
        let part = score["score"].as_f64().unwrap_or_default();
        ui.answer(format!(
            "{:<32}{:>12}{:>12}{:>9}{:>11}{:>7}  {:.4} %",
            score["stream"].as_str().unwrap_or_default(),
            score["source_rows"],
            score["lake_rows"],
            score["missing"],
            score["different"],
            score["extra"],
            // Rounded down: all but one row is not all.
            (part * 1e6).floor() / 1e4,
        ));
    }
}
