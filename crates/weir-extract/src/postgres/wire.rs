//! A connection that can also replicate: the frames of PostgreSQL's protocol 3.0, with those of its
//! chapters "Simple Query", "COPY Operations" and "Streaming Replication Protocol".

use bytes::{Buf, BufMut, Bytes, BytesMut};
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_model::warehouse::postgres::{PostgresOptions, Stream, log_in};
use weir_model::warehouse::{WarehouseError, WarehouseErrorKind};

use crate::error::{ExtractError, ExtractErrorKind, protocol};

/// The longest message that is taken; PostgreSQL's own limit for a row is 1 GiB.
const MESSAGE_BYTES: usize = 1 << 30;
/// Seconds between 1970 and 2000, where PostgreSQL's clock begins.
const EPOCH: i64 = 946_684_800;

/// A session with a server.
pub(super) struct Session {
    stream: Box<dyn Stream>,
    incoming: BytesMut,
}

/// What comes while changes are streamed.
pub(super) enum Streamed {
    /// A message of the output plugin, and how far the log reaches with it.
    Change(Bytes),
    /// How far the server has sent, and whether it wants an answer.
    Alive { end: u64, wants_answer: bool },
    /// The server has ended the stream.
    End,
}

impl Session {
    /// Connects; `replication` makes it one that replicates.
    pub(super) async fn open(url: &str, replication: bool) -> Result<Self, ExtractError> {
        let mut options = PostgresOptions::from_url(url).map_err(denied)?;
        let host = options.host.clone();
        let near = host == "localhost"
            || host.starts_with('/')
            || host
                .parse::<std::net::IpAddr>()
                .is_ok_and(|ip| ip.is_loopback());
        if options.sslmode.is_none() && !near {
            // A password and all rows go over the network.
            options.sslmode = Some("require".into());
        }
        // Values must be written the same whoever set the server up.
        for (name, value) in [
            ("DateStyle", "ISO, YMD"),
            ("IntervalStyle", "postgres"),
            ("TimeZone", "UTC"),
            ("extra_float_digits", "3"),
            ("bytea_output", "hex"),
            ("statement_timeout", "0"),
            ("lock_timeout", "10s"),
        ] {
            options.startup.push((name.into(), value.into()));
        }
        if replication {
            options
                .startup
                .push(("replication".into(), "database".into()));
            options
                .startup
                .push(("idle_in_transaction_session_timeout".into(), "0".into()));
        }
        let stream = log_in(&options).await.map_err(denied)?;
        let mut session = Self {
            stream,
            incoming: BytesMut::with_capacity(256 << 10),
        };
        if !replication {
            // Servers before 9.6 do not know it, and would not let us in with it.
            session
                .rows(
                    "SELECT set_config(name, '0', false) FROM pg_catalog.pg_settings \
                     WHERE name = 'idle_in_transaction_session_timeout'",
                )
                .await?;
        }
        Ok(session)
    }

    async fn send(&mut self, message: &[u8]) -> Result<(), ExtractError> {
        self.stream.write_all(message).await.map_err(lost)?;
        self.stream.flush().await.map_err(lost)
    }

    async fn ask(&mut self, sql: &str) -> Result<(), ExtractError> {
        let mut message = BytesMut::new();
        frontend::query(sql, &mut message)
            .map_err(|error| protocol("a statement cannot be sent").because(error))?;
        self.send(&message).await
    }

    /// Waits for the next message but notices: its type and what is in it.
    async fn next(&mut self) -> Result<(u8, Bytes), ExtractError> {
        loop {
            while self.incoming.len() >= 5 {
                let length = u32::from_be_bytes([
                    self.incoming[1],
                    self.incoming[2],
                    self.incoming[3],
                    self.incoming[4],
                ]) as usize;
                if !(4..=MESSAGE_BYTES).contains(&length) {
                    return Err(protocol("the server sent a message of impossible length"));
                }
                if self.incoming.len() < length + 1 {
                    self.incoming.reserve(length + 1 - self.incoming.len());
                    break;
                }
                let kind = self.incoming[0];
                let mut message = self.incoming.split_to(length + 1).freeze();
                message.advance(5);
                match kind {
                    b'N' | b'S' | b'A' => continue,
                    b'E' => return Err(refusal(&message)),
                    _ => return Ok((kind, message)),
                }
            }
            if self.incoming.capacity() - self.incoming.len() < 16 << 10 {
                self.incoming.reserve(256 << 10);
            }
            let read = self.stream.read_buf(&mut self.incoming).await;
            if read.map_err(lost)? == 0 {
                return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Runs statements; returns the rows of all of them as text.
    pub(super) async fn rows(
        &mut self,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>, ExtractError> {
        self.ask(sql).await?;
        let mut rows = Vec::new();
        loop {
            match self.next().await {
                Ok((b'D', row)) => rows.push(row_of(row)?),
                Ok((b'Z', _)) => return Ok(rows),
                Ok(_) => {}
                Err(error) => {
                    if error.kind() != ExtractErrorKind::Unreachable {
                        self.until_ready().await?;
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn until_ready(&mut self) -> Result<(), ExtractError> {
        while self.next().await?.0 != b'Z' {}
        Ok(())
    }

    /// Begins to copy rows out.
    pub(super) async fn copy_out(&mut self, sql: &str) -> Result<(), ExtractError> {
        self.ask(sql).await?;
        match self.next().await? {
            (b'H', _) => Ok(()),
            _ => Err(protocol("the server does not copy")),
        }
    }

    /// Returns the next copied row; none at the end.
    pub(super) async fn copied(&mut self) -> Result<Option<Bytes>, ExtractError> {
        loop {
            match self.next().await? {
                (b'd', row) => return Ok(Some(row)),
                (b'Z', _) => return Ok(None),
                _ => {}
            }
        }
    }

    /// Begins to stream changes.
    pub(super) async fn stream(&mut self, sql: &str) -> Result<(), ExtractError> {
        self.ask(sql).await?;
        match self.next().await? {
            (b'W', _) => Ok(()),
            _ => Err(protocol("the server does not stream")),
        }
    }

    /// Waits for what is streamed next.
    pub(super) async fn streamed(&mut self) -> Result<Streamed, ExtractError> {
        loop {
            let (kind, mut message) = self.next().await?;
            match kind {
                b'd' => {}
                b'c' | b'C' | b'Z' => return Ok(Streamed::End),
                _ => continue,
            }
            let short = || protocol("the server sent a broken message of its stream");
            match message.first() {
                Some(b'w') if message.len() >= 25 => {
                    message.advance(25);
                    return Ok(Streamed::Change(message));
                }
                Some(b'k') if message.len() >= 18 => {
                    message.advance(1);
                    let end = message.get_u64();
                    message.advance(8);
                    let wants_answer = message.get_u8() == 1;
                    return Ok(Streamed::Alive { end, wants_answer });
                }
                _ => return Err(short()),
            }
        }
    }

    /// Tells the server how far changes are kept: its log may go up to there.
    pub(super) async fn confirm(
        &mut self,
        received: u64,
        kept: u64,
        ask: bool,
    ) -> Result<(), ExtractError> {
        let now = chrono::Utc::now().timestamp_micros() - EPOCH * 1_000_000;
        let mut message = BytesMut::with_capacity(39);
        message.put_u8(b'd');
        message.put_u32(38);
        message.put_u8(b'r');
        message.put_u64(received.max(kept));
        message.put_u64(kept);
        message.put_u64(kept);
        message.put_i64(now);
        message.put_u8(u8::from(ask));
        self.send(&message).await
    }

    /// Says goodbye, so that the server knows at once.
    pub(super) async fn close(mut self) {
        let _ = self.send(&[b'X', 0, 0, 0, 4]).await;
    }
}

fn row_of(mut row: Bytes) -> Result<Vec<Option<String>>, ExtractError> {
    let short = || protocol("the server sent a broken row");
    if row.remaining() < 2 {
        return Err(short());
    }
    let columns = row.get_u16();
    let mut values = Vec::with_capacity(usize::from(columns));
    for _ in 0..columns {
        if row.remaining() < 4 {
            return Err(short());
        }
        let length = row.get_i32();
        if length < 0 {
            values.push(None);
            continue;
        }
        let length = length as usize;
        if row.remaining() < length {
            return Err(short());
        }
        let text = row.split_to(length);
        values.push(Some(String::from_utf8_lossy(&text).into_owned()));
    }
    Ok(values)
}

fn lost(error: std::io::Error) -> ExtractError {
    ExtractError::new(
        ExtractErrorKind::Unreachable,
        "the connection to PostgreSQL broke",
    )
    .because(error)
    .hint("sync again: it goes on where its last commit ended")
}

fn denied(error: WarehouseError) -> ExtractError {
    let kind = match error.kind {
        _ if error.sqlstate.as_deref() == Some("53300") => ExtractErrorKind::Busy,
        WarehouseErrorKind::Connect if error.sqlstate.is_some() => ExtractErrorKind::Denied,
        WarehouseErrorKind::Connect | WarehouseErrorKind::Lost => ExtractErrorKind::Unreachable,
        _ => ExtractErrorKind::Denied,
    };
    let message = match kind {
        ExtractErrorKind::Denied => "PostgreSQL does not let us in",
        ExtractErrorKind::Busy => "PostgreSQL has no place for us",
        _ => "PostgreSQL cannot be reached",
    };
    let hint = match error.sqlstate.as_deref() {
        Some("28P01" | "28000") => {
            "check the user and password in the variable that `url` names, and pg_hba.conf"
        }
        Some("3D000") => "check the database in the variable that `url` names",
        Some("53300") => {
            "the server has no free connection: raise `max_connections` or `max_wal_senders`"
        }
        _ => "check the host and port in the variable that `url` names, and that the server runs",
    };
    ExtractError::new(kind, message)
        .because(error.message.clone())
        .hint(hint)
}

/// Reads what the server says about an error.
fn refusal(message: &[u8]) -> ExtractError {
    let mut sqlstate = String::new();
    let (mut said, mut detail, mut advice) = (String::new(), None, None);
    for field in message
        .split(|byte| *byte == 0)
        .filter(|field| field.len() > 1)
    {
        let text = String::from_utf8_lossy(&field[1..]).into_owned();
        match field[0] {
            b'C' => sqlstate = text,
            b'M' => said = text,
            b'D' => detail = Some(text),
            b'H' => advice = Some(text),
            _ => {}
        }
    }
    let (kind, hint) = match sqlstate.as_str() {
        "42501" => (
            ExtractErrorKind::Denied,
            Some(
                "the user of `url` needs more rights: GRANT SELECT on the tables, and REPLICATION for itself",
            ),
        ),
        "55006" => (
            ExtractErrorKind::Busy,
            Some("another program reads this replication slot: stop it, or name another `slot`"),
        ),
        "42704" => (
            ExtractErrorKind::NotFound,
            Some(
                "the replication slot or publication is gone: `weir sync SOURCE --full-refresh` makes them anew",
            ),
        ),
        "53400" => (
            ExtractErrorKind::Denied,
            Some(
                "all replication slots are in use: drop an unused one, or raise `max_replication_slots`",
            ),
        ),
        "55000" => (
            ExtractErrorKind::Denied,
            Some("the server does not allow it as it is set up: `wal_level` must be `logical`"),
        ),
        "57P01" | "57P02" | "57P03" => (
            ExtractErrorKind::Unreachable,
            Some("the server is shutting down or starting: sync again"),
        ),
        _ => (ExtractErrorKind::Protocol, None),
    };
    let cause = match detail {
        Some(detail) => format!("{said} ({sqlstate}); {detail}"),
        None => format!("{said} ({sqlstate})"),
    };
    let error = ExtractError::new(kind, "PostgreSQL refuses").because(cause);
    match hint.map(str::to_owned).or(advice) {
        Some(hint) => error.hint(hint),
        None => error,
    }
}
