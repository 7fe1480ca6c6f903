use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// Memory that bodies of running requests may take, all connections together.
///
/// Without it ten thousand connections with a few megabytes each would be the end of the process.
#[derive(Clone)]
pub(crate) struct BodyBudget {
    used: Arc<AtomicU64>,
    limit: u64,
}

/// Memory taken from the budget; given back when dropped.
pub(crate) struct BodyMemory {
    used: Arc<AtomicU64>,
    bytes: u64,
}

/// Why a body was not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body did not arrive in time")]
    TooSlow,
    #[error("too much is being received at this moment")]
    NoMemory,
    /// The client went away or sent what is no HTTP.
    #[error("the body ended too early")]
    Broken,
}

impl BodyError {
    /// Finds out whether a reader failed because of the body's slowness.
    pub(crate) fn is_too_slow(error: &(dyn std::error::Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.downcast_ref::<BodyError>() == Some(&BodyError::TooSlow) {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl BodyBudget {
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            used: Arc::default(),
            limit,
        }
    }

    fn take(&self, memory: &mut BodyMemory, bytes: u64) -> Result<(), BodyError> {
        let before = self.used.fetch_add(bytes, Ordering::Relaxed);
        memory.bytes += bytes;
        if before + bytes > self.limit {
            Err(BodyError::NoMemory)
        } else {
            Ok(())
        }
    }

    /// Returns the bytes in use.
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Drop for BodyMemory {
    fn drop(&mut self) {
        self.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Reads a body of at most `limit` bytes; of a larger one so many and one more.
///
/// The usual body arrives in one piece and is not copied. The memory is held until the request is
/// answered.
pub(crate) async fn read_body(
    mut body: Incoming,
    limit: u64,
    timeout: Duration,
    budget: &BodyBudget,
) -> Result<(Bytes, BodyMemory), BodyError> {
    let mut memory = BodyMemory {
        used: budget.used.clone(),
        bytes: 0,
    };
    if body.is_end_stream() {
        return Ok((Bytes::new(), memory));
    }
    let announced = body.size_hint().exact();
    let most = usize::try_from(limit).map_or(usize::MAX, |limit| limit.saturating_add(1));
    let read = async {
        let Some(mut first) = next(&mut body).await? else {
            return Ok(Bytes::new());
        };
        budget.take(&mut memory, first.len() as u64)?;
        if first.len() >= most {
            first.truncate(most);
            return Ok(first);
        }
        let Some(second) = next(&mut body).await? else {
            return Ok(first);
        };
        // Room for what was announced, but not before some of it has come.
        let room = announced.map_or(0, |bytes| usize::try_from(bytes).unwrap_or(0).min(most));
        let mut whole = BytesMut::with_capacity(room.max(first.len() + second.len()));
        whole.extend_from_slice(&first);
        let mut piece = Some(second);
        while let Some(bytes) = piece {
            budget.take(&mut memory, bytes.len() as u64)?;
            let fits = bytes.len().min(most - whole.len());
            whole.extend_from_slice(&bytes[..fits]);
            if whole.len() == most {
                break;
            }
            piece = next(&mut body).await?;
        }
        Ok(whole.freeze())
    };
    match tokio::time::timeout(timeout, read).await {
        Ok(read) => read.map(|bytes| (bytes, memory)),
        Err(_) => Err(BodyError::TooSlow),
    }
}

/// Returns a body that fails when it has not come within `timeout`: readers of the other routes have
/// limits of size, and none of time.
pub(crate) fn timed(body: Incoming, timeout: Duration) -> axum::body::Body {
    if body.is_end_stream() {
        return axum::body::Body::empty();
    }
    let until = tokio::time::Instant::now() + timeout;
    let chunks = futures::stream::unfold(Some(body), move |body| async move {
        let mut body = body?;
        match tokio::time::timeout_at(until, next(&mut body)).await {
            Ok(Ok(chunk)) => chunk.map(|chunk| (Ok(chunk), Some(body))),
            Ok(Err(error)) => Some((Err(error), None)),
            Err(_) => Some((Err(BodyError::TooSlow), None)),
        }
    });
    axum::body::Body::from_stream(chunks)
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => {
                if let Ok(bytes) = frame.into_data() {
                    return Ok(Some(bytes));
                }
            }
            Err(_) => return Err(BodyError::Broken),
        }
    }
    Ok(None)
}
