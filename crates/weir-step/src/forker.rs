//! Weir's side of the forker: keepers on order.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use parking_lot::Mutex;

use crate::keeper::{KEEPER_WORD, send_order};

/// The forker, begun when it is first needed, and again when it went away.
#[derive(Debug)]
pub(crate) struct Forker {
    program: PathBuf,
    living: Mutex<Option<Living>>,
}

#[derive(Debug)]
struct Living {
    socket: UnixStream,
    child: Child,
}

impl Drop for Living {
    fn drop(&mut self) {
        // Keepers do not need it; they have sockets of their own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Forker {
    /// Makes one that starts `program`.
    pub(crate) fn new(program: PathBuf) -> Self {
        Self {
            program,
            living: Mutex::default(),
        }
    }

    /// Begins a keeper with these as its standard input, output and error: the first is a socket, on
    /// which it says who it is. When it cannot be begun, that socket ends.
    pub(crate) fn keeper(&self, ends: &[OwnedFd; 3]) -> std::io::Result<()> {
        let order = [0, 1, 2].map(|at| ends[at].as_raw_fd());
        let mut living = self.living.lock();
        if let Some(known) = &*living
            && send_order(known.socket.as_raw_fd(), order).is_ok()
        {
            return Ok(());
        }
        // Somebody has ended it, or it was never begun.
        *living = None;
        let begun = living.insert(self.begin()?);
        send_order(begun.socket.as_raw_fd(), order)
    }

    fn begin(&self) -> std::io::Result<Living> {
        let (socket, theirs) = UnixStream::pair()?;
        let child = Command::new(&self.program)
            .arg(KEEPER_WORD)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Living { socket, child })
    }
}
