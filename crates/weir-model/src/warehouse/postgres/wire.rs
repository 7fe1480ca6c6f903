use std::io;

use bytes::BytesMut;
use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::{ErrorFields, Message};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::super::{Result, WarehouseError, WarehouseErrorKind};

/// What bytes travel over: TCP or a Unix socket, perhaps encrypted.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Reads and writes whole messages.
pub(super) struct Wire {
    stream: Box<dyn Stream>,
    incoming: BytesMut,
    outgoing: BytesMut,
}

impl Wire {
    pub(super) fn new(stream: Box<dyn Stream>) -> Self {
        Self {
            stream,
            incoming: BytesMut::with_capacity(8 * 1024),
            outgoing: BytesMut::new(),
        }
    }

    /// Returns what the bytes travel over; nothing must be on its way.
    pub(super) fn into_stream(self) -> Box<dyn Stream> {
        self.stream
    }

    /// Lets `write` put messages into the buffer of what is sent next.
    pub(super) fn put(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<()> {
        let before = self.outgoing.len();
        write(&mut self.outgoing).map_err(|error| {
            // A message is refused for what stands in it, such as a zero byte. Half of it may be there.
            self.outgoing.truncate(before);
            WarehouseError::new(WarehouseErrorKind::Statement, error.to_string())
        })
    }

    /// Sends what was put.
    pub(super) async fn flush(&mut self) -> Result<()> {
        self.stream.write_all(&self.outgoing).await.map_err(lost)?;
        self.outgoing.clear();
        self.stream.flush().await.map_err(lost)
    }

    /// Sends what was put if it has become much.
    pub(super) async fn flush_above(&mut self, bytes: usize) -> Result<()> {
        if self.outgoing.len() < bytes {
            return Ok(());
        }
        self.flush().await
    }

    /// Waits for the next message. Notices and changes of parameters are not of interest.
    pub(super) async fn next(&mut self) -> Result<Message> {
        loop {
            match Message::parse(&mut self.incoming).map_err(lost)? {
                Some(Message::NoticeResponse(notice)) => {
                    let notice = error_of(notice.fields());
                    tracing::debug!(notice = %notice.message, "notice of the warehouse");
                }
                Some(Message::ParameterStatus(_) | Message::NotificationResponse(_)) => {}
                Some(message) => return Ok(message),
                None => {
                    self.incoming.reserve(16 * 1024);
                    let read = self.stream.read_buf(&mut self.incoming).await;
                    if read.map_err(lost)? == 0 {
                        return Err(lost(io::ErrorKind::UnexpectedEof.into()));
                    }
                }
            }
        }
    }
}

/// The connection broke.
pub(super) fn lost(error: io::Error) -> WarehouseError {
    WarehouseError::new(
        WarehouseErrorKind::Lost,
        format!("the connection to PostgreSQL broke: {error}"),
    )
    .with_source(error)
}

/// The server sent what does not fit.
pub(super) fn unexpected(what: &str) -> WarehouseError {
    WarehouseError::new(
        WarehouseErrorKind::Lost,
        format!("PostgreSQL answered out of turn: {what}"),
    )
}

/// Collects what the server says about an error.
pub(super) fn error_of(mut fields: ErrorFields<'_>) -> WarehouseError {
    let mut error = WarehouseError::new(WarehouseErrorKind::Statement, "");
    while let Ok(Some(field)) = fields.next() {
        let text = String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => error.sqlstate = Some(text),
            b'M' => error.message = text,
            b'D' => error.detail = Some(format!("DETAIL:  {text}")),
            b'H' => error.hint = Some(text),
            b'P' => error.position = text.parse().ok(),
            _ => {}
        }
    }
    if error.sqlstate.as_deref() == Some("57014") {
        error.kind = WarehouseErrorKind::Cancelled;
    }
    error
}
