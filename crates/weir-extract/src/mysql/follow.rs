//! The log, read from where the lake ends.

use super::changes::{Changes, Taken};
use super::event::{Format, What};
use super::place::Place;
use super::server::Server;
use super::state::Position;
use super::wire::{Session, code};
use super::{Database, replica_number};
use crate::error::{ExtractError, protocol};
use crate::load;

/// So much of the log is read again rather than noted as read, where it has nothing of ours.
const QUIET_BYTES: u64 = 16 << 20;
/// The server cannot find what it was asked for in its log.
const LOG_LOST: u16 = 1236;

impl Database<'_> {
    /// Streams changes into the lake, at least up to `until`, in whole transactions; returns whether some tables
    /// are to be copied again.
    pub(super) async fn follow(
        &self,
        into: &mut load::Session,
        control: &mut Session,
        server: &Server,
        state: &mut Position,
        until: Place,
    ) -> Result<bool, ExtractError> {
        self.progress.doing("reading changes");
        let begin = state.place();
        let mut changes =
            Changes::begin(server, state, self.progress.clone(), into, control).await?;
        let mut log = self.stream(server, changes.state).await?;
        let mut format = Format::default();
        // The file that events are of; the first ones say which, and when it was begun.
        let (mut at, mut is_first) = (begin, true);
        let mut file = changes.state.file.clone();
        // Even where there is nothing to read, the file must be the one that was read.
        while is_first || at < until || changes.is_within() {
            let event = match log.streamed().await {
                Ok(Some(event)) => format.read(event)?,
                Ok(None) => break,
                Err(error) if code(&error) == Some(LOG_LOST) => {
                    let why = std::error::Error::source(&error).map(ToString::to_string);
                    let why = format!(
                        "the server cannot go on with its log: {}",
                        why.unwrap_or_default()
                    );
                    return Err(self.lost(&why));
                }
                Err(error) => return Err(error),
            };
            match event.what {
                What::Rotate { file: next, offset } => {
                    let place = Place::of(&next, offset)?;
                    // The first one says where we are.
                    if place.file != at.file || next != file {
                        changes.cut_off();
                        (at, file) = (place, next);
                    }
                    continue;
                }
                What::Format => {
                    let known = changes.state.made;
                    if is_first && known != 0 && known != event.made {
                        return Err(self.lost(&format!(
                            "the server's log was begun anew: its file `{file}` is another than the one that was read"
                        )));
                    }
                    is_first = false;
                    changes.made(&file, event.made, at);
                }
                _ => {}
            }
            let before = at;
            if event.end != 0 {
                at = at.after(event.end);
            }
            if at <= begin && event.end != 0 {
                continue;
            }
            let taken = changes.take(event.what, before, at, into, control).await?;
            if let Taken::Ended = taken {
                into.cover(changes.reach(&file, at));
                into.settle().await?;
            }
        }
        if changes.is_within() {
            return Err(protocol("the server ended its log within a transaction"));
        }
        log.close().await;
        let again = changes.finish(&file, at);
        self.note(into, state, begin).await?;
        Ok(again)
    }

    /// Notes how far the log was read, where that is worth a commit.
    async fn note(
        &self,
        into: &mut load::Session,
        state: &Position,
        begin: Place,
    ) -> Result<(), ExtractError> {
        let is_far = state.offset.saturating_sub(begin.offset) >= QUIET_BYTES;
        into.cover(state.json());
        // Others wrote to the log. That is read again quickly, and a commit for it would be one for every look.
        if !state.is_as(into.state()) || !into.is_settled() || is_far {
            into.commit().await?;
        }
        Ok(())
    }

    async fn stream(&self, server: &Server, state: &Position) -> Result<Session, ExtractError> {
        let mut log = self.session().await?;
        // We know checksums, and events of MariaDB that others do not.
        log.run("SET @master_binlog_checksum = 'CRC32', @source_binlog_checksum = 'CRC32', @mariadb_slave_capability = 4")
            .await?;
        let number = replica_number();
        server.require_replica(&mut log, number).await?;
        // Only four bytes are for the place: of a longer file all is sent, and what was read is passed over.
        let offset = u32::try_from(state.offset).unwrap_or(4).max(4);
        log.stream(number, &state.file, offset).await?;
        Ok(log)
    }
}
