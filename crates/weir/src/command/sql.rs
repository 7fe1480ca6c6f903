use std::io::{IsTerminal, Read};
use std::path::PathBuf;

use serde_json::Value;

use super::Global;
use crate::client::Client;
use crate::failure::{Explain, Failure};
use crate::repl::{Format, Session, interactive};
use crate::ui::Ui;

/// Ask the running server in SQL
///
/// Without QUERY, statements are read from the terminal (with history and completion), from `-f`,
/// or from stdin when it is piped. Several statements are separated by `;`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The statement
    query: Option<String>,
    /// Read statements from a file; `-` is stdin
    #[arg(short, long, value_name = "FILE", conflicts_with = "query")]
    file: Option<PathBuf>,
    /// How answers are written; a table by default
    #[arg(long, value_enum, conflicts_with = "csv")]
    format: Option<Format>,
    /// Write answers as CSV, the same as `--format csv`
    #[arg(long)]
    csv: bool,
    /// A value for `$1`, `$2`, ... in turn: JSON, or text where it is no JSON
    #[arg(short = 'P', long = "param", value_name = "VALUE")]
    params: Vec<String>,
    /// End the query after this many seconds; the server has a limit of its own
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let project = global.project()?;
        let config = project.config(ui)?;
        let format = match (self.format, self.csv, global.json) {
            (Some(format), ..) => format,
            (None, true, _) => Format::Csv,
            (None, false, true) => Format::Json,
            (None, false, false) => Format::Table,
        };
        let mut session = Session {
            client: Client::new(&project, &config)?,
            format,
            params: self.params.iter().map(|text| param(text)).collect(),
            timeout_ms: self.timeout.map(|seconds| seconds.saturating_mul(1_000)),
            summary: std::io::stdout().is_terminal(),
            timing: false,
        };
        if let Some(query) = &self.query {
            return session.run_all(query, ui).await;
        }
        let stdin = self
            .file
            .as_ref()
            .is_some_and(|file| file.as_os_str() == "-");
        if let Some(file) = self.file.filter(|_| !stdin) {
            let text = std::fs::read_to_string(&file);
            let text = text.explain(|| format!("cannot read `{}`", file.display()))?;
            return session.run_all(&text, ui).await;
        }
        if stdin || !std::io::stdin().is_terminal() {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .explain(|| "cannot read stdin".into())?;
            return session.run_all(&text, ui).await;
        }
        let names_from = Client::new(&project, &config)?;
        interactive(
            session,
            names_from,
            project.state_dir().join("sql_history"),
            ui,
        )
        .await
    }
}

/// Reads a value as JSON, and as text where it is none.
fn param(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
