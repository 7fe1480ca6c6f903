use super::Global;
use crate::failure::{ExplainHinted, Failure};
use crate::ui::Ui;

/// Show the newest records of the audit, or check that nobody changed it
#[derive(clap::Args)]
pub(crate) struct Args {
    /// How many records, the newest last
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Check the whole chain, and show the hash of its end: note it elsewhere to prove later that
    /// nothing before it was changed
    #[arg(long)]
    verify: bool,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let catalog = global.project()?.open_catalog().await?;
        if self.verify {
            let checked = catalog.verify_audit().await;
            let (records, hash) = checked.explain_hinted(|| "the audit was changed".into())?;
            if ui.is_json() {
                ui.answer_json(&serde_json::json!({ "records": records, "last_hash": hash }));
            } else {
                ui.status(format!(
                    "{records} records follow each other. The last has the hash:"
                ));
                ui.answer(hash);
            }
        } else {
            let lines = catalog.audit_lines(self.limit).await;
            let lines = lines.explain_hinted(|| "cannot read the audit".into())?;
            for line in lines.iter().rev() {
                ui.answer(&line.record);
            }
        }
        catalog.close().await;
        Ok(())
    }
}
