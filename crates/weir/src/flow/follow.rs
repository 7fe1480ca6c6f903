//! The live view: runs on the terminal as they come, work, fail, are tried again and recover.

use std::collections::{HashMap, HashSet};
use std::io::IsTerminal;
use std::time::Duration;

use chrono::{DateTime, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::Client;
use crate::failure::Failure;
use crate::ui::Ui;

/// How often the server is asked.
const LOOK: Duration = Duration::from_millis(400);

/// Follows runs of a server.
pub(crate) struct Follower<'a> {
    client: Client,
    ui: &'a Ui,
    bar: ProgressBar,
    /// What was told, by run and by attempt.
    begun: HashSet<i64>,
    ended: HashSet<i64>,
    told: HashSet<(i64, &'static str)>,
}

impl<'a> Follower<'a> {
    pub(crate) fn new(client: Client, ui: &'a Ui) -> Self {
        let bar = match std::io::stderr().is_terminal() && !ui.is_json() {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        // The template is ours, and is tested with every run on a terminal.
        if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Self {
            client,
            ui,
            bar,
            begun: HashSet::new(),
            ended: HashSet::new(),
            told: HashSet::new(),
        }
    }

    /// Shows one run until it has ended.
    pub(crate) async fn run(&mut self, run: i64) -> Result<(), Failure> {
        loop {
            let found = self.detail(run).await?;
            let waiting = self.tell(&found);
            self.bar.set_message(waiting);
            if let Some(ended) = self.ended_as(run, &found) {
                return ended;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Shows all runs from now on, for ever.
    pub(crate) async fn watch(&mut self, schedule: Option<String>) -> Result<(), Failure> {
        let open = self.look(schedule.as_deref(), true).await?;
        if open == 0 && !self.ui.is_json() {
            self.say("Nothing runs; waiting for what comes.");
        }
        loop {
            tokio::time::sleep(LOOK).await;
            self.look(schedule.as_deref(), false).await?;
        }
    }

    /// Shows what is new since the last look.
    pub(crate) async fn catch_up(&mut self) -> Result<(), Failure> {
        self.look(None, false).await?;
        self.bar.finish_and_clear();
        Ok(())
    }

    /// Tells what is new of all runs; returns how many of them are open, or were lately. With
    /// `history`, what had ended before is not told.
    async fn look(&mut self, schedule: Option<&str>, history: bool) -> Result<usize, Failure> {
        let mut query = vec![("limit", "50")];
        query.extend(schedule.map(|name| ("schedule", name)));
        let request = self.client.request(Method::GET, "/api/v1/runs");
        let found: Value = self.client.json(request.query(&query)).await?;
        let mut runs = found["runs"].as_array().cloned().unwrap_or_default();
        runs.reverse();
        let mut waiting = Vec::new();
        let mut told = 0;
        for run in &runs {
            let id = run["id"].as_i64().unwrap_or_default();
            if history && !run["ended_at"].is_null() {
                self.ended.insert(id);
            }
            if self.ended.contains(&id) {
                continue;
            }
            told += 1;
            let detail = self.detail(id).await?;
            waiting.push(self.tell(&detail));
            if !detail["ended_at"].is_null() {
                self.ended.insert(id);
            }
        }
        waiting.retain(|text| !text.is_empty());
        self.bar.set_message(waiting.join("; "));
        Ok(told)
    }

    /// Shows what the steps of a run said; while it runs, if `follow`.
    pub(crate) async fn logs(
        &mut self,
        run: i64,
        step: Option<String>,
        follow: bool,
    ) -> Result<(), Failure> {
        self.bar.finish_and_clear();
        let mut seen: HashMap<i64, u64> = HashMap::new();
        let mut finished: HashSet<i64> = HashSet::new();
        loop {
            // Asked first: what is in the logs of a run that has ended is all there will be.
            let detail = self.detail(run).await?;
            let steps = detail["details"].as_array().into_iter().flatten();
            let attempts = steps.flat_map(|step| step["attempts"].as_array().into_iter().flatten());
            let mut attempts: Vec<&Value> = attempts.collect();
            attempts.sort_by_key(|attempt| attempt["id"].as_i64());
            for attempt in attempts {
                let id = attempt["id"].as_i64().unwrap_or_default();
                if finished.contains(&id) {
                    continue;
                }
                let path = format!("/api/v1/runs/{run}/logs");
                let mut query = vec![("attempt", id.to_string())];
                query.push(("from", seen.get(&id).copied().unwrap_or(0).to_string()));
                query.extend(step.clone().map(|step| ("step", step)));
                let request = self.client.request(Method::GET, &path).query(&query);
                let found: Value = self.client.json(request).await?;
                let lines = found["lines"].as_array().cloned().unwrap_or_default();
                for line in &lines {
                    seen.insert(id, line["line"].as_u64().unwrap_or(0) + 1);
                    self.log_line(line);
                }
                if lines.is_empty() && !attempt["ended_at"].is_null() {
                    finished.insert(id);
                }
            }
            let all = detail["details"].as_array().into_iter().flatten();
            let all = all.flat_map(|step| step["attempts"].as_array().into_iter().flatten());
            let is_read = all
                .filter_map(|attempt| attempt["id"].as_i64())
                .all(|id| finished.contains(&id));
            match (detail["ended_at"].is_null(), is_read) {
                (false, true) => return Ok(()),
                (true, _) if !follow => return Ok(()),
                (true, _) => tokio::time::sleep(LOOK).await,
                // There is more to read.
                (false, false) => {}
            }
        }
    }

    fn log_line(&self, line: &Value) {
        if self.ui.is_json() {
            return self.ui.answer_json(line);
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let at = text(&line["at"]);
        let time = at.split('T').nth(1).unwrap_or_default().get(..8);
        let number = line["number"].as_u64().unwrap_or(1);
        let again = match number {
            1 => String::new(),
            number => format!(" (try {number})"),
        };
        self.ui.answer(format!(
            "{} {}{again}  {}",
            time.unwrap_or_default(),
            short(&text(&line["asset"])),
            text(&line["text"])
        ));
    }

    async fn detail(&self, run: i64) -> Result<Value, Failure> {
        let request = self
            .client
            .request(Method::GET, &format!("/api/v1/runs/{run}"));
        self.client.json(request).await
    }

    /// Returns how a run ended, once it has.
    fn ended_as(&self, run: i64, found: &Value) -> Option<Result<(), Failure>> {
        if found["ended_at"].is_null() {
            return None;
        }
        self.bar.finish_and_clear();
        Some(match found["state"].as_str() {
            Some("succeeded") => Ok(()),
            state => Err(Failure::new(format!("run {run} {}", state.unwrap_or("ended")))
                .with_hint(format!(
                    "`weir runs logs {run}` says why; `weir runs retry {run} --from-failed` tries it again"
                ))),
        })
    }

    /// Tells what is new of a run; returns what of it runs and waits.
    fn tell(&mut self, run: &Value) -> String {
        let id = run["id"].as_i64().unwrap_or_default();
        if self.begun.insert(id) {
            self.line(run, "run", "began", &run_line(run), None);
        }
        let mut now = Vec::new();
        for step in run["details"].as_array().into_iter().flatten() {
            let name = short(step["asset"].as_str().unwrap_or_default()).to_owned();
            let attempts = step["attempts"].as_array().cloned().unwrap_or_default();
            for attempt in &attempts {
                self.tell_attempt(id, step, attempt, &name);
            }
            let state = step["state"].as_str().unwrap_or_default();
            let step_id = step["id"].as_i64().unwrap_or_default();
            if attempts.is_empty()
                && matches!(state, "skipped" | "cancelled" | "failed")
                && self.told.insert((-step_id, "step"))
            {
                let reason = step["reason"].as_str().unwrap_or_default();
                self.line(
                    step,
                    "step",
                    state,
                    &format!("run {id}  {name}  {reason}"),
                    None,
                );
            }
            match (state, step["retry_at"].as_str()) {
                ("running", _) => now.push(name),
                ("queued", Some(at))
                    if step["attempts"].as_array().is_some_and(|a| !a.is_empty()) =>
                {
                    now.push(format!("{name} {}", until(at)));
                }
                _ => {}
            }
        }
        if !run["ended_at"].is_null() && self.told.insert((id, "run")) {
            let state = run["state"].as_str().unwrap_or_default();
            let took = seconds(&run["started_at"], &run["ended_at"]);
            let reason = run["reason"].as_str().unwrap_or_default();
            self.line(
                run,
                "run",
                state,
                &format!("run {id}  {reason}"),
                Some(took),
            );
        }
        match now.is_empty() {
            true => String::new(),
            false => format!("run {id}: {}", now.join(", ")),
        }
    }

    fn tell_attempt(&mut self, run: i64, step: &Value, attempt: &Value, name: &str) {
        let id = attempt["id"].as_i64().unwrap_or_default();
        if attempt["ended_at"].is_null() || !self.told.insert((id, "attempt")) {
            return;
        }
        let state = attempt["state"].as_str().unwrap_or_default();
        let number = attempt["number"].as_u64().unwrap_or(1);
        let reason = attempt["reason"].as_str().unwrap_or_default();
        let again = match (state, step["retry_at"].as_str()) {
            ("failed", Some(at)) => format!("; tried again {}", until(at)),
            _ if number > 1 => format!("; try {number}"),
            _ => String::new(),
        };
        let word = match (state, number) {
            ("succeeded", 2..) => "recovered",
            (state, _) => state,
        };
        let took = seconds(&attempt["started_at"], &attempt["ended_at"]);
        let text = format!("run {run}  {name}  {reason}{again}");
        self.line(attempt, "attempt", word, &text, Some(took));
    }

    fn line(&self, value: &Value, what: &str, word: &str, text: &str, took: Option<String>) {
        if self.ui.is_json() {
            return self
                .ui
                .answer_json(&json!({ "what": what, "event": word, what: value }));
        }
        let is_bad = matches!(word, "failed" | "cancelled" | "lost");
        self.bar.suspend(|| {
            let (ui, took) = (self.ui, took.unwrap_or_default());
            ui.outcome(word, is_bad, text.trim_end(), "", &took);
        });
    }

    fn say(&self, text: &str) {
        self.bar.suspend(|| self.ui.status(text));
    }
}

/// Says what a run is, in a line.
pub(crate) fn run_line(run: &Value) -> String {
    let text = |key: &str| run[key].as_str().unwrap_or_default();
    let of = match run["schedule"].as_str() {
        Some(name) => format!(" of {name}"),
        None => String::new(),
    };
    let steps = run["details"].as_array().map_or(0, Vec::len);
    let partition = match run["partition"].as_str() {
        Some(partition) => format!(", partition {partition}"),
        None => String::new(),
    };
    format!(
        "run {}{of}: {steps} steps, by {}{partition}, {}",
        run["id"],
        text("cause"),
        text("state")
    )
}

/// Returns the steps of a run as rows of a table.
pub(crate) fn step_rows(run: &Value) -> Vec<Vec<String>> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let steps = run["details"].as_array().into_iter().flatten();
    steps
        .map(|step| {
            let attempts = step["attempts"].as_array();
            let last = attempts.and_then(|attempts| attempts.last());
            let reason = match step["retry_at"].as_str() {
                Some(at) => {
                    let why = last.map(|last| text(&last["reason"])).unwrap_or_default();
                    format!("{why}; tried again {}", until(at))
                }
                None => text(&step["reason"]),
            };
            vec![
                short(step["asset"].as_str().unwrap_or_default()).to_owned(),
                text(&step["state"]),
                attempts.map_or(0, Vec::len).to_string(),
                seconds(&step["started_at"], &step["ended_at"]),
                reason,
            ]
        })
        .collect()
}

/// Returns an asset's name without its kind and project.
fn short(asset: &str) -> &str {
    asset.splitn(3, '.').nth(2).unwrap_or(asset)
}

fn moment(value: &Value) -> Option<DateTime<Utc>> {
    value.as_str()?.parse().ok()
}

/// Says how long something took, or has taken so far.
pub(crate) fn seconds(from: &Value, to: &Value) -> String {
    let Some(from) = moment(from) else {
        return String::new();
    };
    let took = moment(to).unwrap_or_else(Utc::now) - from;
    let millis = took.num_milliseconds().max(0);
    match millis {
        0..60_000 => format!("{:.2}s", millis as f64 / 1000.0),
        60_000..3_600_000 => format!("{}m{:02}s", millis / 60_000, millis / 1000 % 60),
        _ => format!("{}h{:02}m", millis / 3_600_000, millis / 60_000 % 60),
    }
}

/// Says how long ago something was.
pub(crate) fn ago(value: &Value) -> String {
    let Some(at) = moment(value) else {
        return String::new();
    };
    let seconds = (Utc::now() - at).num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds}s ago"),
        60..3_600 => format!("{}m ago", seconds / 60),
        3_600..86_400 => format!("{}h ago", seconds / 3_600),
        _ => at.format("%Y-%m-%d").to_string(),
    }
}

/// Says when something will be.
fn until(at: &str) -> String {
    let Ok(at) = at.parse::<DateTime<Utc>>() else {
        return String::new();
    };
    match (at - Utc::now()).num_seconds() {
        ..=0 => "now".to_owned(),
        seconds => format!("in {seconds}s"),
    }
}
