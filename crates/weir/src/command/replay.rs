use chrono::{DateTime, NaiveDate, Utc};

use super::Global;
use super::rebuild::{Asked, source_name};
use crate::failure::Failure;
use crate::ui::Ui;

/// Derive the typed rows of some events again
///
/// Takes the events of a source that were received in a span of time, and puts what they become
/// today in the place of what they became then. Rows of other events stay.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The source whose events to take
    #[arg(long)]
    source: String,
    /// Take events received at or after this: `2026-01-31` or `2026-01-31T10:00:00Z`
    #[arg(long, value_name = "TIME", value_parser = instant)]
    from: DateTime<Utc>,
    /// Take events received before this
    #[arg(long, value_name = "TIME", value_parser = instant)]
    to: DateTime<Utc>,
    /// Take only events for which this holds, an SQL condition over the columns of
    /// `raw_SOURCE.events`
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// Say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        if self.from >= self.to {
            return Err(Failure::new("`--from` must be before `--to`"));
        }
        let asked = Asked {
            source: Some(source_name(&self.source)?),
            from: Some(self.from),
            to: Some(self.to),
            condition: self.condition,
            dry_run: self.dry_run,
        };
        asked.run(global, ui).await
    }
}

/// Reads a day, which begins at midnight UTC, or an instant.
fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let day = text.parse::<NaiveDate>().ok();
    let midnight = day.and_then(|day| day.and_hms_opt(0, 0, 0));
    match (midnight, text.parse::<DateTime<Utc>>()) {
        (Some(midnight), _) => Ok(midnight.and_utc()),
        (None, Ok(instant)) => Ok(instant),
        (None, Err(_)) => Err("write `2026-01-31` or `2026-01-31T10:00:00Z`".into()),
    }
}
