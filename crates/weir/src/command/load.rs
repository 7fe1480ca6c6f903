use std::borrow::Cow;
use std::io::BufRead;

use reqwest::{Body, Method};
use serde_json::Value;
use weir_extract::{BatchRecords, ExtractError};

use super::Global;
use super::source::with_server;
use super::sync::failure;
use crate::client::Lines;
use crate::failure::Failure;
use crate::ui::Ui;

/// Pieces of the input on their way.
const PIECES: usize = 16;
/// A piece is sent when it is this large.
const PIECE_BYTES: usize = 256 << 10;

/// Load what a Singer tap writes: `some-tap | weir load --schema raw_shop`
///
/// A Singer target: it reads messages from stdin, and writes each state to stdout once all rows before it
/// are in the lake. Changes lie in `raw_shop.STREAM`; `shop.STREAM` is the rows as they are now.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The schema of the changes: `raw_` and a name
    #[arg(long, value_name = "SCHEMA")]
    schema: String,
    /// As many levels of objects become columns of their own: `address.city` is `address__city`
    #[arg(long, value_name = "LEVELS", default_value_t = 0)]
    flatten: u8,
    /// Taken and not read: others run targets with it
    #[arg(long, hide = true)]
    config: Option<std::path::PathBuf>,
}

impl Args {
    pub(crate) async fn run(self, global: &Global, ui: &Ui) -> Result<(), Failure> {
        let Some(source) = self.schema.strip_prefix("raw_").map(str::to_owned) else {
            return Err(
                Failure::new(format!("`{}` is no schema for changes", self.schema))
                    .with_hint(format!("write `--schema raw_{}`", self.schema)),
            );
        };
        with_server(global, ui, async |client| {
            let (sender, receiver) = tokio::sync::mpsc::channel(PIECES);
            let reading = tokio::task::spawn_blocking(move || read(sender));
            let pieces = futures::stream::unfold(receiver, |mut receiver| async {
                Some((receiver.recv().await?, receiver))
            });
            let path = format!("/api/v1/extract/{source}/load?flatten={}", self.flatten);
            let request = client
                .request(Method::POST, &path)
                .body(Body::wrap_stream(pieces));
            let mut lines = Lines::of(client.send(request).await?);
            while let Some(line) = lines.next().await? {
                if let Some(state) = line.get("state") {
                    tell(state, ui);
                } else if let Some(done) = line.get("done") {
                    tell(&done["state"], ui);
                    ui.status(format!(
                        "Loaded. Run {}",
                        done["run"].as_str().unwrap_or_default()
                    ));
                    return Ok(());
                } else if let Some(failed) = line.get("failed") {
                    return Err(failure(&source, failed));
                }
            }
            if let Ok(Err(failure)) = reading.await {
                return Err(failure);
            }
            Err(Failure::new("the load was cut off")
                .with_hint("run the tap again with its last state"))
        })
        .await
    }
}

fn tell(state: &Value, ui: &Ui) {
    if !state.is_null() {
        ui.answer_json(state);
    }
}

type Piece = Result<Vec<u8>, std::io::Error>;

/// Sends stdin in pieces of whole lines, with the files of batches in the place of their messages.
fn read(sender: tokio::sync::mpsc::Sender<Piece>) -> Result<(), Failure> {
    let mut piece = Vec::with_capacity(PIECE_BYTES);
    let mut input = std::io::BufReader::with_capacity(PIECE_BYTES, std::io::stdin().lock());
    let mut line = Vec::new();
    let mut done = Ok(());
    loop {
        line.clear();
        match input.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                done = Err(Failure::new("cannot read stdin").because(&error));
                break;
            }
        }
        let text = std::str::from_utf8(&line)
            .map_or_else(|_| String::from_utf8_lossy(&line), Cow::Borrowed);
        let text = text.trim_end_matches('\n');
        let given = match BatchRecords::of(text) {
            Ok(None) => {
                push(&mut piece, text);
                Ok(true)
            }
            Ok(Some(records)) => push_all(records, &mut piece, &sender),
            Err(error) => Err(error),
        };
        match given {
            Ok(true) => {}
            Ok(false) => return Ok(()),
            Err(error) => {
                let failure = Failure::new("the input cannot be loaded").because(&error);
                done = Err(failure.with_hint_if(error.advice()));
                break;
            }
        }
        // Lines do not wait for company while the tap thinks.
        let waits = piece.len() < PIECE_BYTES && !input.buffer().is_empty();
        if !waits && !send(&mut piece, &sender) {
            return Ok(());
        }
    }
    if done.is_err() {
        let error = std::io::Error::other("the input was cut off");
        let _ = sender.blocking_send(Err(error));
    } else if !piece.is_empty() {
        let _ = sender.blocking_send(Ok(piece));
    }
    done
}

fn push(piece: &mut Vec<u8>, line: &str) {
    piece.extend_from_slice(line.as_bytes());
    piece.push(b'\n');
}

/// Sends what there is; returns whether there is still somebody who takes it.
fn send(piece: &mut Vec<u8>, sender: &tokio::sync::mpsc::Sender<Piece>) -> bool {
    sender.blocking_send(Ok(std::mem::take(piece))).is_ok()
}

/// Sends the records of a batch but for the last piece; returns whether somebody still takes them.
fn push_all(
    records: BatchRecords,
    piece: &mut Vec<u8>,
    sender: &tokio::sync::mpsc::Sender<Piece>,
) -> Result<bool, ExtractError> {
    for record in records {
        push(piece, &record?);
        if piece.len() >= PIECE_BYTES && !send(piece, sender) {
            return Ok(false);
        }
    }
    Ok(true)
}
