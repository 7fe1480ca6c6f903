//! A connection to MySQL or MariaDB: packets of the client/server protocol, statements with answers in text,
//! and the log as it is sent to replicas.
//!
//! The common client of both cannot be taken: it changes features of compression libraries for everybody, and
//! refuses events that only MariaDB writes.

use std::fmt;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weir_model::warehouse::postgres::Stream;

use super::address::Address;
use super::login;
use crate::error::{ExtractError, ExtractErrorKind, protocol};

/// Longer packets are sent in parts.
const PART_BYTES: usize = 0xff_ffff;
/// The longest message that is taken; a row or an event has at most 1 GiB.
const MESSAGE_BYTES: usize = (1 << 30) + (1 << 20);

const COM_QUERY: u8 = 0x03;
const COM_BINLOG_DUMP: u8 = 0x12;
const COM_REGISTER_SLAVE: u8 = 0x15;
/// The server ends the log where it ends now, instead of waiting for more.
const NON_BLOCKING: u16 = 1;

/// The values of a row; none for NULL.
pub(super) type Values = Vec<Option<Vec<u8>>>;

/// A session with a server.
pub(super) struct Session {
    stream: Box<dyn Stream>,
    incoming: BytesMut,
    sequence: u8,
    /// How many columns the rows have that are on their way; none where no answer is.
    columns: Option<usize>,
}

/// What a server refused, by its number.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) code: u16,
    message: String,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refused {}

/// Returns the number of the refusal behind an error.
pub(super) fn code(error: &ExtractError) -> Option<u16> {
    let source = std::error::Error::source(error)?;
    Some(source.downcast_ref::<Refused>()?.code)
}

impl Session {
    /// Connects, logs in, and has values written the same whoever set the server up.
    pub(super) async fn open(address: &Address) -> Result<Self, ExtractError> {
        let connect =
            tokio::net::TcpStream::connect((address.options.host.as_str(), address.options.port));
        let stream = match tokio::time::timeout(address.options.connect_timeout, connect).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(error)),
            Err(_) => return Err(unreachable(std::io::ErrorKind::TimedOut.into())),
        };
        stream.set_nodelay(true).map_err(unreachable)?;
        let mut session = Self {
            stream: Box::new(stream),
            incoming: BytesMut::with_capacity(256 << 10),
            sequence: 0,
            columns: None,
        };
        let logging_in = login::log_in(&mut session, address);
        match tokio::time::timeout(address.options.connect_timeout, logging_in).await {
            Ok(done) => done?,
            Err(_) => return Err(unreachable(std::io::ErrorKind::TimedOut.into())),
        }
        session
            .run(
                "SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = '', net_write_timeout = 3600, \
                 net_read_timeout = 3600, wait_timeout = 28800, lock_wait_timeout = 30, autocommit = 1",
            )
            .await?;
        Ok(session)
    }

    /// Goes on encrypted.
    pub(super) async fn encrypt(&mut self, address: &Address) -> Result<(), ExtractError> {
        // Whoever stands between could put in answers that would pass for encrypted ones.
        if !self.incoming.is_empty() {
            return Err(protocol("the server sent something before TLS had begun"));
        }
        let plain = std::mem::replace(&mut self.stream, Box::new(tokio::io::empty()) as _);
        let stream = weir_model::warehouse::postgres::encrypt(plain, &address.options).await;
        self.stream = stream.map_err(|error| {
            ExtractError::new(
                ExtractErrorKind::Unreachable,
                "TLS with the MySQL server is not as asked for",
            )
            .because(error.message.clone())
            .hint(error.hint.clone().unwrap_or_else(|| {
                "check the certificate, or what `sslmode` in the URL asks for".to_owned()
            }))
        })?;
        Ok(())
    }

    /// Sends a message, in as many packets as it takes.
    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), ExtractError> {
        let mut parts = message.chunks(PART_BYTES).peekable();
        let mut packet = Vec::with_capacity(message.len() + 8);
        loop {
            let part = parts.next().unwrap_or_default();
            packet.extend_from_slice(&(part.len() as u32).to_le_bytes()[..3]);
            packet.push(self.sequence);
            packet.extend_from_slice(part);
            self.sequence = self.sequence.wrapping_add(1);
            if part.len() < PART_BYTES {
                break;
            }
        }
        self.stream.write_all(&packet).await.map_err(lost)?;
        self.stream.flush().await.map_err(lost)
    }

    /// Sends a command: numbers of packets begin anew.
    async fn command(&mut self, kind: u8, body: &[u8]) -> Result<(), ExtractError> {
        self.drain().await?;
        self.sequence = 0;
        let mut message = Vec::with_capacity(body.len() + 1);
        message.push(kind);
        message.extend_from_slice(body);
        self.send(&message).await
    }

    /// Waits for the next message, of one packet or several.
    pub(super) async fn next(&mut self) -> Result<BytesMut, ExtractError> {
        let mut whole: Option<BytesMut> = None;
        loop {
            self.fill(4).await?;
            let length = usize::from(self.incoming[0])
                | usize::from(self.incoming[1]) << 8
                | usize::from(self.incoming[2]) << 16;
            self.sequence = self.incoming[3].wrapping_add(1);
            self.incoming.advance(4);
            self.fill(length).await?;
            let part = self.incoming.split_to(length);
            let message = match whole.take() {
                None => part,
                Some(mut before) => {
                    before.extend_from_slice(&part);
                    before
                }
            };
            if message.len() > MESSAGE_BYTES {
                return Err(protocol("the server sent a message of impossible length"));
            }
            if length < PART_BYTES {
                return Ok(message);
            }
            whole = Some(message);
        }
    }

    async fn fill(&mut self, bytes: usize) -> Result<(), ExtractError> {
        while self.incoming.len() < bytes {
            let missing = bytes - self.incoming.len();
            self.incoming.reserve(missing.max(64 << 10));
            let read = self.stream.read_buf(&mut self.incoming).await;
            if read.map_err(lost)? == 0 {
                return Err(lost(std::io::ErrorKind::UnexpectedEof.into()));
            }
        }
        Ok(())
    }

    /// Asks; the rows are fetched one by one.
    pub(super) async fn ask(&mut self, sql: &str) -> Result<(), ExtractError> {
        self.command(COM_QUERY, sql.as_bytes()).await?;
        let head = self.next().await?;
        match head.first() {
            Some(0x00) => Ok(()),
            Some(0xff) => Err(refusal(&head)),
            Some(0xfb) | None => Err(protocol("the server answered what was not asked")),
            Some(_) => {
                let columns = Reader(&head).length()?;
                let columns = usize::try_from(columns)
                    .ok()
                    .filter(|columns| (1..=65_536).contains(columns))
                    .ok_or_else(|| protocol("the server answers with impossibly many columns"))?;
                // Their descriptions, and what ends these.
                for _ in 0..=columns {
                    self.next().await?;
                }
                self.columns = Some(columns);
                Ok(())
            }
        }
    }

    /// Returns the next row of an answer; none at its end.
    pub(super) async fn row(&mut self) -> Result<Option<Values>, ExtractError> {
        let Some(columns) = self.columns else {
            return Ok(None);
        };
        let message = self.next().await?;
        match message.first() {
            Some(0xfe) if message.len() < 9 => {
                self.columns = None;
                Ok(None)
            }
            Some(0xff) => {
                self.columns = None;
                Err(refusal(&message))
            }
            _ => {
                let mut reader = Reader(&message);
                let values = (0..columns).map(|_| reader.value());
                values.collect::<Result<Values, _>>().map(Some)
            }
        }
    }

    /// Lets go of what is left of an answer.
    async fn drain(&mut self) -> Result<(), ExtractError> {
        while self.row().await?.is_some() {}
        Ok(())
    }

    /// Runs a statement that answers nothing.
    pub(super) async fn run(&mut self, sql: &str) -> Result<(), ExtractError> {
        self.ask(sql).await?;
        self.drain().await
    }

    /// Runs a statement; returns its rows as text.
    pub(super) async fn rows(
        &mut self,
        sql: &str,
    ) -> Result<Vec<Vec<Option<String>>>, ExtractError> {
        self.ask(sql).await?;
        let mut rows = Vec::new();
        while let Some(values) = self.row().await? {
            let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
            rows.push(values.into_iter().map(|value| value.map(text)).collect());
        }
        Ok(rows)
    }

    /// Makes us known as a replica, which shows whether we may be one.
    pub(super) async fn register(&mut self, server_id: u32) -> Result<(), ExtractError> {
        let mut body = server_id.to_le_bytes().to_vec();
        // No host, no user, no password, port, rank, master.
        body.extend_from_slice(&[0; 3 + 2 + 4 + 4]);
        self.command(COM_REGISTER_SLAVE, &body).await?;
        let answer = self.next().await?;
        match answer.first() {
            Some(0x00) => Ok(()),
            Some(0xff) => Err(refusal(&answer)),
            _ => Err(protocol("the server answered what was not asked")),
        }
    }

    /// Begins to stream the log, up to where it ends.
    pub(super) async fn stream(
        &mut self,
        server_id: u32,
        file: &str,
        offset: u32,
    ) -> Result<(), ExtractError> {
        let mut body = offset.to_le_bytes().to_vec();
        body.extend_from_slice(&NON_BLOCKING.to_le_bytes());
        body.extend_from_slice(&server_id.to_le_bytes());
        body.extend_from_slice(file.as_bytes());
        self.command(COM_BINLOG_DUMP, &body).await
    }

    /// Waits for the next event of the log; none at its end.
    pub(super) async fn streamed(&mut self) -> Result<Option<BytesMut>, ExtractError> {
        let mut message = self.next().await?;
        match message.first() {
            Some(0x00) => {
                message.advance(1);
                Ok(Some(message))
            }
            Some(0xfe) if message.len() < 9 => Ok(None),
            Some(0xff) => Err(refusal(&message)),
            _ => Err(protocol("the server sent something that is no event")),
        }
    }

    /// Says good-bye. What is still on its way is not waited for.
    pub(super) async fn close(mut self) {
        self.sequence = 0;
        let _ = self.send(&[0x01]).await;
        let _ = self.stream.shutdown().await;
    }
}

/// Reads the parts of a message; every one may be missing.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], ExtractError> {
        if self.0.len() < bytes {
            return Err(protocol("a message of the server breaks off"));
        }
        let (taken, rest) = self.0.split_at(bytes);
        self.0 = rest;
        Ok(taken)
    }

    /// Returns a number of so many bytes, the lowest first.
    pub(super) fn number(&mut self, bytes: usize) -> Result<u64, ExtractError> {
        let taken = self.take(bytes)?.iter().rev();
        Ok(taken.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Returns a number of so many bytes, the highest first.
    pub(super) fn big(&mut self, bytes: usize) -> Result<u64, ExtractError> {
        let taken = self.take(bytes)?.iter();
        Ok(taken.fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// Returns a number whose first byte tells its length.
    pub(super) fn length(&mut self) -> Result<u64, ExtractError> {
        match self.number(1)? {
            0xfc => self.number(2),
            0xfd => self.number(3),
            0xfe => self.number(8),
            short => Ok(short),
        }
    }

    /// Returns bytes after their length.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], ExtractError> {
        let length = self.length()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Returns bytes before a zero byte.
    pub(super) fn until_zero(&mut self) -> Result<&'a [u8], ExtractError> {
        let end = self.0.iter().position(|byte| *byte == 0);
        let end = end.ok_or_else(|| protocol("a message of the server breaks off"))?;
        let taken = self.take(end)?;
        self.take(1)?;
        Ok(taken)
    }

    fn value(&mut self) -> Result<Option<Vec<u8>>, ExtractError> {
        if self.0.first() == Some(&0xfb) {
            self.take(1)?;
            return Ok(None);
        }
        Ok(Some(self.bytes()?.to_vec()))
    }
}

fn lost(error: std::io::Error) -> ExtractError {
    ExtractError::new(
        ExtractErrorKind::Unreachable,
        "the connection to MySQL broke",
    )
    .because(error)
    .hint("sync again: it goes on where its last commit ended")
}

fn unreachable(error: std::io::Error) -> ExtractError {
    ExtractError::new(ExtractErrorKind::Unreachable, "MySQL cannot be reached")
        .because(error)
        .hint("check the host and port in the variable that `url` names, and that the server runs")
}

/// Returns what a message of refusal says.
pub(super) fn refusal(message: &[u8]) -> ExtractError {
    let mut reader = Reader(message);
    let _ = reader.take(1);
    let code = reader.number(2).unwrap_or(0) as u16;
    let mut rest = reader.0;
    if rest.first() == Some(&b'#') {
        rest = rest.get(6..).unwrap_or_default();
    }
    let message = String::from_utf8_lossy(rest).into_owned();
    let (kind, told, hint) = match code {
        1044 | 1049 => (
            ExtractErrorKind::Denied,
            "MySQL does not let us in",
            "check the database in the variable that `url` names, and that its user may use it",
        ),
        1045 | 1130 | 1251 | 1275 | 1698 | 1820 | 1862 | 2049 | 3118 | 4151 => (
            ExtractErrorKind::Denied,
            "MySQL does not let us in",
            "check the user, the password and the hosts it may come from",
        ),
        1142 | 1143 => (
            ExtractErrorKind::Denied,
            "the user of `url` may not read a table",
            "GRANT SELECT on the tables that are taken, or leave them out with `skip: true`",
        ),
        1227 => (
            ExtractErrorKind::Denied,
            "the user of `url` lacks a right",
            "grant it what the server names",
        ),
        1040 | 1203 | 1226 => (
            ExtractErrorKind::Busy,
            "MySQL has no place for us",
            "the server or the user has no free connection: raise `max_connections`",
        ),
        1205 | 1213 | 1412 | 1927 | 1053 | 1158..=1161 => (
            ExtractErrorKind::Busy,
            "MySQL interrupted us",
            "sync again: it goes on where its last commit ended",
        ),
        _ => (
            ExtractErrorKind::Protocol,
            "MySQL refused a statement",
            "the server's words say why",
        ),
    };
    ExtractError::new(kind, told)
        .because(Refused { code, message })
        .hint(hint)
}
