use serde::Serialize;

use super::Global;
use crate::doctor::{Finding, Verdict, examine};
use crate::failure::Failure;
use crate::ui::Ui;

/// Check the machine and the project, and say what to fix
///
/// Looks at the configuration, the object store (writes, reads and deletes a probe), whether and
/// how fast the log's disk syncs, the clock, disk space, memory and the open-file limit.
#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Answer<'a> {
    healthy: bool,
    findings: &'a [Finding],
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let project = global.project()?;
        let findings = examine(&project, ui).await;
        let wrong = findings
            .iter()
            .filter(|finding| finding.verdict == Verdict::Wrong)
            .count();
        if ui.is_json() {
            ui.answer_json(&Answer {
                healthy: wrong == 0,
                findings: &findings,
            });
        } else {
            for finding in &findings {
                let mark = match finding.verdict {
                    Verdict::Good => "ok     ",
                    Verdict::Doubtful => "warning",
                    Verdict::Wrong => "WRONG  ",
                };
                ui.answer(format!("{mark}  {:<16} {}", finding.what, finding.found));
                if let Some(fix) = &finding.fix {
                    ui.answer(format!("{:26} fix: {fix}", ""));
                }
            }
        }
        match wrong {
            0 => Ok(()),
            1 => Err(Failure::new("one thing must be fixed")),
            wrong => Err(Failure::new(format!("{wrong} things must be fixed"))),
        }
    }
}
