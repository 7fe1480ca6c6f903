use futures::StreamExt;
use reqwest::Method;
use serde::Deserialize;

use super::Global;
use crate::failure::{Explain, Failure};
use crate::ui::Ui;

/// Watch events as they come in, accepted and rejected ones
///
/// With `--json`, each line is one event with its unaltered JSON in `raw`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Only events of this source
    #[arg(long)]
    source: Option<String>,
    /// Only events of this type (`track`) or name (`Order Completed`)
    #[arg(long, value_name = "TYPE|NAME")]
    event: Option<String>,
    /// Only events of this user id or anonymous id
    #[arg(long, value_name = "ID")]
    user: Option<String>,
    /// Only events that were rejected
    #[arg(long)]
    rejected: bool,
}

/// What a line for people is made of.
#[derive(Deserialize)]
struct Seen {
    received_at: i64,
    source: String,
    verdict: String,
    reason: Option<String>,
    detail: Option<String>,
    #[serde(rename = "type")]
    kind: Option<String>,
    event: Option<String>,
    user_id: Option<String>,
    anonymous_id: Option<String>,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let client = global.client(ui)?;
        let verdict = self.rejected.then(|| "rejected".to_owned());
        let filters = [
            ("source", self.source),
            ("event", self.event),
            ("user", self.user),
            ("verdict", verdict),
        ];
        let filters: Vec<(&str, String)> = filters
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect();
        let request = client.request(Method::GET, "/api/v1/tail").query(&filters);
        let mut chunks = client.send(request).await?.bytes_stream();
        ui.status(format!("Watching {}; Ctrl-C ends it.", client.url()));

        let mut lines = Lines::default();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.explain(|| "the stream broke off".into())?;
            for message in lines.push(&chunk) {
                show(&message, ui);
            }
        }
        ui.status("The server ended the stream.");
        Ok(())
    }
}

fn show(message: &Message, ui: &Ui) {
    if message.event == "missed" {
        ui.warn(format!(
            "{} events went by unseen: they come faster than they can be shown",
            message.data
        ));
        return;
    }
    if ui.is_json() {
        ui.answer(&message.data);
        return;
    }
    match serde_json::from_str::<Seen>(&message.data) {
        Ok(seen) => ui.answer(line(&seen)),
        Err(_) => ui.answer(&message.data),
    }
}

fn line(seen: &Seen) -> String {
    let time = chrono::DateTime::from_timestamp_micros(seen.received_at)
        .map(|at| at.format("%H:%M:%S%.3f").to_string())
        .unwrap_or_default();
    let user = seen
        .user_id
        .as_deref()
        .or(seen.anonymous_id.as_deref())
        .unwrap_or("-");
    let kind = seen.kind.as_deref().unwrap_or("-");
    let mut line = format!(
        "{time}  {:<8}  {:<12}  {:<8}  {:<24}  {user}",
        seen.verdict,
        seen.source,
        kind,
        seen.event.as_deref().unwrap_or(""),
    );
    for more in [&seen.reason, &seen.detail].into_iter().flatten() {
        line.push_str("  ");
        line.push_str(more);
    }
    line
}

/// One message of the stream.
#[derive(Debug, Default, PartialEq)]
struct Message {
    event: String,
    data: String,
}

/// Puts the stream of server-sent events back together from chunks.
#[derive(Default)]
struct Lines {
    pending: Vec<u8>,
    message: Message,
}

impl Lines {
    fn push(&mut self, chunk: &[u8]) -> Vec<Message> {
        self.pending.extend_from_slice(chunk);
        let mut messages = Vec::new();
        while let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.pending.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            let line = line.trim_end_matches(['\r', '\n']);
            if line.is_empty() {
                let message = std::mem::take(&mut self.message);
                if !message.data.is_empty() {
                    messages.push(message);
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.message.data.is_empty() {
                    self.message.data.push('\n');
                }
                self.message
                    .data
                    .push_str(data.strip_prefix(' ').unwrap_or(data));
            } else if let Some(event) = line.strip_prefix("event:") {
                self.message.event = event.trim().to_owned();
            }
        }
        messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_whole_however_they_are_cut() {
        let stream =
            b": alive\n\nevent: event\nid: 7\ndata: {\"a\":1}\n\nevent: missed\ndata: 3\n\n";
        for cut in 0..stream.len() {
            let mut lines = Lines::default();
            let mut messages = lines.push(&stream[..cut]);
            messages.extend(lines.push(&stream[cut..]));

            let wanted = [("event", "{\"a\":1}"), ("missed", "3")].map(|(event, data)| Message {
                event: event.into(),
                data: data.into(),
            });
            assert_eq!(messages, wanted, "cut at {cut}");
        }
    }
}
