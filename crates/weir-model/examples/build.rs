//! Runs a command on a project and a PostgreSQL server, and prints how every node ended.
//!
//! `build PROJECT POSTGRES_URL [COMMAND] [--schema NAME] [--full-refresh] [--empty] [--store-failures]
//! [--threads N] [--vars YAML] [--only PREFIX] [--operation MACRO] [--show SQL] [--out FILE]`
//!
//! The project's profile is not read: the address is the target. It is an instrument for comparing with
//! other runners of the same project, not a command for people.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example for the command line"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_model::context::{
    Cancellation, Clock, Flags, Invocation, LogLine, LogSink, SystemClock, environment,
};
use weir_model::parse::{ParseOptions, parse};
use weir_model::project::{LoadOptions, load};
use weir_model::run::{Command, NodeResult, Observer, PerModel, RunOptions, Runner, RunnerParts};
use weir_model::warehouse::postgres::{Postgres, PostgresOptions};
use weir_model::warehouse::{Dialect, Warehouse};

#[derive(Debug)]
struct Printer;

impl LogSink for Printer {
    fn line(&self, line: LogLine) {
        if line.shown {
            eprintln!("  {}", line.text);
        }
    }
}

impl Observer for Printer {
    fn ended(&self, result: &NodeResult, _: Option<usize>) {
        println!(
            "{:<8} {} {}",
            result.status.as_str(),
            result.id,
            result.message.as_deref().unwrap_or_default()
        );
    }
}

#[derive(Default)]
struct Arguments {
    plain: Vec<String>,
    options: BTreeMap<String, String>,
}

fn arguments() -> Arguments {
    let mut arguments = Arguments::default();
    let mut given = std::env::args().skip(1).peekable();
    while let Some(argument) = given.next() {
        match argument.strip_prefix("--") {
            Some(name)
                if matches!(
                    name,
                    "full-refresh" | "empty" | "store-failures" | "fail-fast" | "timings"
                ) =>
            {
                arguments.options.insert(name.to_owned(), "true".to_owned());
            }
            Some(name) => {
                let value = given.next().unwrap_or_default();
                arguments.options.insert(name.to_owned(), value);
            }
            None => arguments.plain.push(argument),
        }
    }
    arguments
}

fn main() -> std::process::ExitCode {
    let arguments = arguments();
    let [project, url, rest @ ..] = arguments.plain.as_slice() else {
        eprintln!("usage: build PROJECT POSTGRES_URL [build|run|test|seed|snapshot|compile]");
        return 2.into();
    };
    match run(
        project,
        url,
        rest.first().map_or("build", String::as_str),
        &arguments,
    ) {
        Ok(code) => code.into(),
        Err(errors) => {
            for error in errors {
                eprintln!("error: {}", error.report());
            }
            2.into()
        }
    }
}

fn run(
    project: &str,
    url: &str,
    which: &str,
    arguments: &Arguments,
) -> Result<u8, Vec<weir_model::ModelError>> {
    let one = |error: weir_model::ModelError| vec![error];
    let option = |name: &str| arguments.options.get(name).map(String::as_str);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let began = std::time::Instant::now();
    let address = PostgresOptions::from_url(url).map_err(|error| {
        one(weir_model::ModelError::new(
            weir_model::ModelErrorKind::Warehouse,
            error.to_string(),
        ))
    })?;
    let folder = std::env::temp_dir().join(format!("weir-build-{}", std::process::id()));
    let profile = profile(project, &address, option("schema").unwrap_or("public"));
    let written = std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join("profiles.yml"), profile));
    written.map_err(|error| {
        one(weir_model::ModelError::new(
            weir_model::ModelErrorKind::File,
            error.to_string(),
        ))
    })?;
    let environment = Arc::new(environment());
    let mut load_options = LoadOptions::new(project, Arc::clone(&environment));
    load_options.profiles_dir = Some(folder.clone());
    load_options.env = Arc::new(std::env::vars().collect());
    if let Some(vars) = option("vars") {
        load_options.vars = serde_json::from_str(vars).unwrap_or_default();
    }
    let loaded = load(&load_options)?;
    let flags = Flags {
        which: which.to_owned(),
        full_refresh: option("full-refresh").is_some(),
        store_failures: option("store-failures").is_some(),
        empty: option("empty").is_some(),
        ..Flags::default()
    };
    let started_at = clock.now();
    let invocation = Invocation {
        id: format!("{:032x}", std::process::id()),
        started_at,
        clock,
    };
    let options = ParseOptions {
        environment,
        env: Arc::clone(&load_options.env),
        dialect: Dialect::postgres(),
        flags,
        invocation,
        log: Arc::new(Printer),
        threads: 2,
    };
    let parsed = parse(&loaded.project, &options)?;
    for warning in loaded.warnings.iter().chain(&parsed.warnings) {
        eprintln!("warning: {}", warning.report());
    }
    let parsed_in = began.elapsed();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build();
    let runtime = runtime.map_err(|error| {
        one(weir_model::ModelError::new(
            weir_model::ModelErrorKind::Internal,
            error.to_string(),
        ))
    })?;
    let warehouse: Arc<dyn Warehouse> = Arc::new(Postgres::new(address));
    let runner = Runner::new(RunnerParts {
        shared: Arc::clone(&parsed.shared),
        warehouse,
        runtime: runtime.handle().clone(),
        observer: Arc::new(Printer),
        publication: Arc::new(PerModel),
        cancellation: Arc::new(Cancellation::default()),
        options: RunOptions {
            threads: option("threads")
                .and_then(|threads| threads.parse().ok())
                .unwrap_or(4),
            empty: option("empty").is_some(),
            fail_fast: option("fail-fast").is_some(),
            target_dir: Some(loaded.project.root().root.join("target")),
            ..RunOptions::default()
        },
    });
    if let Some(name) = option("operation") {
        let args = option("args")
            .and_then(|args| serde_json::from_str(args).ok())
            .unwrap_or_default();
        println!("{}", runner.run_operation(name, &args).map_err(one)?);
        return Ok(0);
    }
    if let Some(sql) = option("show") {
        for row in runner.show_inline(sql, Some(100)).map_err(one)?.table.rows {
            println!("{row:?}");
        }
        return Ok(0);
    }
    let command = match which {
        "run" => Command::Run,
        "test" => Command::Test,
        "seed" => Command::Seed,
        "snapshot" => Command::Snapshot,
        "compile" => Command::Compile,
        _ => Command::Build,
    };
    let only = option("only").map(|only| only.split(',').map(str::to_owned).collect::<Vec<_>>());
    let fits = |id: &&weir_model::node::UniqueId| {
        only.as_ref()
            .is_none_or(|only| only.iter().any(|word| id.as_str().contains(word.as_str())))
    };
    let selected: Vec<_> = parsed.manifest.ids().filter(fits).cloned().collect();
    let report = runner.run(command, &selected).map_err(one)?;
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for result in &report.results {
        *counts.entry(result.status.as_str()).or_default() += 1;
        if let (Some(error), true) = (&result.error, result.status.is_failure()) {
            eprintln!("--- {}\n{}", result.id, error.report());
        }
    }
    if let Some(out) = option("out") {
        let json = serde_json::json!({ "results": report.results_json() });
        let _ = std::fs::write(out, json.to_string());
    }
    println!(
        "{counts:?} parsed in {parsed_in:?}, all in {:?}",
        began.elapsed()
    );
    let _ = std::fs::remove_dir_all(&folder);
    Ok(u8::from(!report.succeeded()))
}

/// Writes a profile under the name the project asks for.
fn profile(project: &str, address: &PostgresOptions, schema: &str) -> String {
    let text = std::fs::read_to_string(std::path::Path::new(project).join("dbt_project.yml"))
        .unwrap_or_default();
    let named = text.lines().find_map(|line| line.strip_prefix("profile:"));
    let named = named
        .unwrap_or("default")
        .split('#')
        .next()
        .unwrap_or_default()
        .trim()
        .trim_matches(['\'', '"'])
        .to_owned();
    format!(
        "{named}:\n  target: postgres\n  outputs:\n    postgres:\n      type: postgres\n      host: {}\n      port: {}\n      user: {}\n      password: ''\n      dbname: {}\n      schema: {schema}\n      threads: 4\n",
        address.host, address.port, address.user, address.database
    )
}
