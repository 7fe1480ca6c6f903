//! Parses the project in a folder, says how long it took, and writes the manifest if asked.
//!
//! `parse DIR [--repeat N] [--manifest FILE] [--dialect postgres|duckdb|weir]`

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a tool for people"
)]

use std::sync::Arc;
use std::time::Instant;

use weir_model::artifact;
use weir_model::context::{Flags, Invocation, SystemClock, environment};
use weir_model::parse::{ParseOptions, parse};
use weir_model::project::{LoadOptions, load};
use weir_model::warehouse::Dialect;

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    let Some(folder) = args.next() else {
        anyhow::bail!("name the folder of a project")
    };
    let (mut repeat, mut manifest, mut vars) = (1u32, None, None);
    while let Some(arg) = args.next() {
        match (arg.as_str(), args.next()) {
            ("--repeat", Some(value)) => repeat = value.parse()?,
            ("--manifest", Some(value)) => manifest = Some(value),
            ("--vars", Some(value)) => vars = Some(value),
            (other, _) => anyhow::bail!("what is {other}?"),
        }
    }
    for _ in 0..repeat {
        let begin = Instant::now();
        let environment = Arc::new(environment());
        let mut options = LoadOptions::new(&folder, Arc::clone(&environment));
        options.env = Arc::new(std::env::vars().collect());
        if let Some(vars) = &vars {
            options.vars = serde_json::from_str(vars)?;
        }
        let loaded = match load(&options) {
            Ok(loaded) => loaded,
            Err(errors) => return fail(&errors),
        };
        let read = begin.elapsed();
        let kind = loaded.project.target.kind.clone();
        let mut dialect = Dialect::postgres();
        if kind != "postgres" {
            dialect.adapter.clone_from(&kind);
            dialect.chain = vec![kind, "default".to_owned()];
        }
        let options = ParseOptions {
            environment,
            env: Arc::clone(&options.env),
            dialect,
            flags: Flags::default(),
            invocation: Invocation {
                id: "00000000-0000-0000-0000-000000000000".to_owned(),
                started_at: chrono::Utc::now(),
                clock: Arc::new(SystemClock),
            },
            log: Arc::new(()),
            threads: 2,
        };
        let parsed = match parse(&loaded.project, &options) {
            Ok(parsed) => parsed,
            Err(errors) => return fail(&errors),
        };
        let all = begin.elapsed();
        let found = &parsed.manifest;
        println!(
            "{} nodes, {} sources, {} macros, {} unit tests, {} metrics, {} disabled, {} warnings; read {:.1} ms, all {:.1} ms",
            found.nodes.len(),
            found.sources.len(),
            found.macros.len(),
            found.unit_tests.len(),
            found.metrics.len(),
            found.disabled.len(),
            parsed.warnings.len() + loaded.warnings.len(),
            read.as_secs_f64() * 1e3,
            all.as_secs_f64() * 1e3
        );
        if let Some(path) = &manifest {
            for warning in loaded.warnings.iter().chain(&parsed.warnings).take(20) {
                eprintln!("warning: {}", warning.report());
            }
            std::fs::write(path, artifact::manifest_text(found))?;
            let semantic = artifact::semantic_manifest_json(found).to_string();
            std::fs::write(format!("{path}.semantic"), semantic)?;
        }
    }
    Ok(())
}

fn fail(errors: &[weir_model::ModelError]) -> anyhow::Result<()> {
    for error in errors.iter().take(40) {
        eprintln!("error: {}\n", error.report());
    }
    anyhow::bail!("{} errors", errors.len())
}
