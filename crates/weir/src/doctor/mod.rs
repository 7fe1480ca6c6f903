//! `weir doctor`: looks at what Weir depends on and cannot repair by itself.

mod disk;
mod machine;
mod store;

use serde::Serialize;
use weir_core::config::Config;

use crate::client::Client;
use crate::project::Project;
use crate::ui::Ui;

/// What was found about one thing.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) what: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) found: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    Good,
    /// It works, but something may be wrong.
    Doubtful,
    /// It does not work, or rows can be lost.
    Wrong,
}

impl Finding {
    fn good(what: &'static str, found: impl Into<String>) -> Self {
        Self {
            what,
            verdict: Verdict::Good,
            found: found.into(),
            fix: None,
        }
    }

    fn doubtful(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        let fix = Some(fix.into());
        Self {
            what,
            verdict: Verdict::Doubtful,
            found: found.into(),
            fix,
        }
    }

    fn wrong(what: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        let fix = Some(fix.into());
        Self {
            what,
            verdict: Verdict::Wrong,
            found: found.into(),
            fix,
        }
    }
}

/// Examines everything, in the order in which it matters.
pub(crate) async fn examine(project: &Project, ui: &Ui) -> Vec<Finding> {
    let mut findings = Vec::new();
    let config = match project.config(ui) {
        Ok(config) => {
            findings.push(Finding::good("configuration", "weir.toml is right"));
            config
        }
        Err(failure) => {
            let causes = failure.causes().join("; ");
            findings.push(Finding::wrong(
                "configuration",
                causes,
                "see docs/configuration.md",
            ));
            return findings;
        }
    };
    findings.push(sources(project));
    findings.push(server(project, &config).await);
    findings.extend(disk::private_files(project));
    findings.extend(disk::log_disk(
        &project.dir().join(&config.wal.dir),
        &config,
    ));
    findings.extend(store::probe(&project.lake_url(&config), &config).await);
    findings.extend(machine::examine(&config));
    findings
}

fn sources(project: &Project) -> Finding {
    match project.sources() {
        Ok(sources) if sources.is_empty() => Finding::doubtful(
            "sources",
            "no source is described",
            "write `sources/app.yml`, or make sources over HTTP",
        ),
        Ok(sources) => {
            let names: Vec<&str> = sources.iter().map(|source| source.name.as_str()).collect();
            Finding::good("sources", names.join(", "))
        }
        Err(failure) => Finding::wrong("sources", failure.causes().join("; "), "correct the file"),
    }
}

async fn server(project: &Project, config: &Config) -> Finding {
    let Ok(client) = Client::new(project, config) else {
        return Finding::good("server", "never started yet");
    };
    if client.is_running().await {
        match client.unreadable_tables().await {
            Some(0) | None => Finding::good("server", format!("running at {}", client.url())),
            Some(tables) => Finding::wrong(
                "server",
                format!("{tables} tables cannot be read: their logs in the lake are damaged"),
                "restore the files that the server's log names; no restart is needed",
            ),
        }
    } else {
        Finding::good(
            "server",
            format!("not running (would be at {})", client.url()),
        )
    }
}
