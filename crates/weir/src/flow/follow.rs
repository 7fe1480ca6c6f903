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
        let mut seen: HashMap<i64, Seen> = HashMap::new();
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
                let seen = seen.entry(id).or_default();
                query.push(("from", seen.next.to_string()));
                query.extend(step.clone().map(|step| ("step", step)));
                let request = self.client.request(Method::GET, &path).query(&query);
                let found: Value = self.client.json(request).await?;
                let lines = found["lines"].as_array().cloned().unwrap_or_default();
                for line in &lines {
                    let missed = seen.see(line);
                    if missed > 0 && !self.ui.is_json() {
                        self.ui.status(left_out(missed, line));
                    }
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
            self.line(run, "run", "began", &run_head(run), None);
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
            ("failed", Some(at)) => format!("tried again {}", until(at)),
            _ if number > 1 => format!("try {number}"),
            _ => String::new(),
        };
        let word = match (state, number) {
            ("succeeded", 2..) => "recovered",
            (state, _) => state,
        };
        let took = seconds(&attempt["started_at"], &attempt["ended_at"]);
        let text = format!("run {run}  {name}  {}", joined(reason, &again));
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

/// How far the log of an attempt was shown.
#[derive(Debug, Default)]
struct Seen {
    /// The number of the line that comes next.
    next: u64,
    /// Up to which line the log itself has said that lines are left out.
    told: u64,
}

impl Seen {
    /// Notes a line; returns how many before it are left out without a word: what was dropped while
    /// somebody followed.
    fn see(&mut self, line: &Value) -> u64 {
        let number = line["line"].as_u64().unwrap_or(0);
        let missed = number.saturating_sub(self.next.max(self.told));
        self.next = number + 1;
        let told = told_up_to(line["text"].as_str().unwrap_or_default());
        self.told = told.unwrap_or(self.told);
        missed
    }
}

/// Returns up to which line a line of a log says that lines are left out.
fn told_up_to(text: &str) -> Option<u64> {
    let (_, rest) = text
        .strip_prefix("weir: ")?
        .split_once(" lines are left out here, up to line ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

fn left_out(missed: u64, line: &Value) -> String {
    let asset = line["asset"].as_str().unwrap_or_default();
    let more = match asset.starts_with("step.") {
        true => "; `limits.log` of the step keeps more",
        false => "",
    };
    format!("{missed} lines are left out here{more}")
}

/// Joins why something ended and what comes of it; either may be nothing.
fn joined(reason: &str, again: &str) -> String {
    let parts = [reason, again].into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("; ")
}

/// Says what a run is and where, in a line.
pub(crate) fn run_line(run: &Value) -> String {
    let state = run["state"].as_str().unwrap_or_default();
    format!("{}, {state}", run_head(run))
}

/// Says what a run is, whatever has become of it.
fn run_head(run: &Value) -> String {
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
        "run {}{of}: {steps} steps, by {}{partition}",
        run["id"],
        text("cause")
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
                    joined(&why, &format!("tried again {}", until(at)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_leaves_no_trace() {
        assert_eq!(joined("", "try 2"), "try 2");
        assert_eq!(
            joined("no room", "tried again now"),
            "no room; tried again now"
        );
        assert_eq!(joined("no room", ""), "no room");
        let run = json!({ "id": 27, "cause": "manual", "state": "succeeded", "details": [1] });
        assert_eq!(run_head(&run), "run 27: 1 steps, by manual");
        assert_eq!(run_line(&run), "run 27: 1 steps, by manual, succeeded");
    }

    #[test]
    fn jumps_in_a_log_are_told_once() {
        let mut seen = Seen::default();
        let mut missed = |line: u64, text: &str| seen.see(&json!({ "line": line, "text": text }));
        assert_eq!(missed(0, "one"), 0);
        let told = "weir: 88 lines are left out here, up to line 90; `limits.log` keeps more";
        assert_eq!(missed(1, told), 0);
        assert_eq!(missed(50, "weir: the command failed"), 0);
        assert_eq!(missed(90, "ninety"), 0);
        assert_eq!(missed(91, "next"), 0);
        assert_eq!(missed(100, "later"), 8);
    }
}
