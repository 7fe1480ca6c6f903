use std::io;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use pgwire::messages::{DecodeContext, PgWireBackendMessage, PgWireFrontendMessage};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::frame;

/// What a client may send ahead while its query runs.
const MAX_AHEAD: usize = 1 << 20;

/// Output is sent on when it has grown to this.
const CHUNK: usize = 64 << 10;

/// How long a client may take to hear that the connection ends.
const CLOSING: Duration = Duration::from_secs(1);

/// A connection's bytes, plain or encrypted.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Transport for T {}

/// Why a connection cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("the client went away")]
    Gone,
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The client does not speak the protocol; it is told so.
    #[error("{0}")]
    Protocol(String),
    #[error("terminating connection due to administrator command")]
    Ended,
}

/// One connection: bytes in, bytes out, messages between.
pub(super) struct Wire {
    transport: Box<dyn Transport>,
    input: BytesMut,
    pub(super) output: BytesMut,
    context: DecodeContext,
}

impl Wire {
    pub(super) fn new(transport: Box<dyn Transport>) -> Self {
        Self {
            transport,
            input: BytesMut::with_capacity(8 << 10),
            output: BytesMut::with_capacity(8 << 10),
            context: frame::context(),
        }
    }

    /// Gives the transport up, to be encrypted. What came after the request for encryption was sent
    /// by somebody in the middle.
    pub(super) fn into_transport(self) -> Result<Box<dyn Transport>, Broken> {
        match self.input.is_empty() {
            true => Ok(self.transport),
            false => Err(Broken::Protocol(
                "unencrypted data after the request for encryption".to_owned(),
            )),
        }
    }

    /// Reads a start-up packet: its body, without the length.
    pub(super) async fn startup(&mut self) -> Result<BytesMut, Broken> {
        loop {
            if let Some(packet) = frame::startup(&mut self.input)? {
                return Ok(packet);
            }
            self.fill().await?;
        }
    }

    /// Reads a message.
    pub(super) async fn message(&mut self) -> Result<PgWireFrontendMessage, Broken> {
        loop {
            if let Some(message) = frame::message(&mut self.input, &self.context)? {
                return Ok(message);
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<(), Broken> {
        match self.transport.read_buf(&mut self.input).await? {
            0 => Err(Broken::Gone),
            _ => Ok(()),
        }
    }

    /// Waits until the client goes away, keeping what it sends meanwhile.
    pub(super) async fn gone(&mut self) -> Broken {
        while self.input.len() < MAX_AHEAD {
            if let Err(broken) = self.fill().await {
                return broken;
            }
        }
        std::future::pending().await
    }

    /// Puts a message into the output.
    pub(super) fn put(&mut self, message: PgWireBackendMessage) {
        let start = self.output.len();
        if let Err(error) = message.encode(&mut self.output) {
            // Only a text of ours that is too long gets here.
            self.output.truncate(start);
            tracing::warn!(%error, "a message could not be encoded");
        }
    }

    /// Puts a notice into the output.
    pub(super) fn notice(&mut self, severity: &str, text: &str) {
        let fields = [
            (b'S', severity),
            (b'V', severity),
            (b'C', "00000"),
            (b'M', text),
        ];
        let fields = fields
            .map(|(field, value)| (field, value.to_owned()))
            .to_vec();
        self.put(PgWireBackendMessage::NoticeResponse(NoticeResponse::new(
            fields,
        )));
    }

    /// Puts an error into the output.
    pub(super) fn error(&mut self, error: ErrorResponse) {
        self.put(PgWireBackendMessage::ErrorResponse(error));
    }

    /// Sends the output on when there is enough of it.
    pub(super) async fn drain(&mut self) -> Result<(), Broken> {
        if self.output.len() >= CHUNK {
            self.transport.write_all_buf(&mut self.output).await?;
        }
        Ok(())
    }

    /// Sends all of the output.
    pub(super) async fn flush(&mut self) -> Result<(), Broken> {
        self.transport.write_all_buf(&mut self.output).await?;
        self.transport.flush().await?;
        Ok(())
    }

    /// Ends the connection in words: over TLS a client must take a silent end for somebody's work.
    pub(super) async fn close(mut self) {
        let _ = tokio::time::timeout(CLOSING, self.transport.shutdown()).await;
    }

    /// Sends bytes that are no message.
    pub(super) async fn raw(&mut self, bytes: &[u8]) -> Result<(), Broken> {
        self.transport.write_all(bytes).await?;
        self.transport.flush().await?;
        Ok(())
    }
}
