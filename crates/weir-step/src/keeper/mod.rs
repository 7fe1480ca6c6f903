//! The keeper: a small process between Weir and a command. It begins the command contained, watches
//! what it uses, and ends all of it when Weir says so, or is no more.
//!
//! Weir starts its own program once more, with [`KEEPER_WORD`] as first argument: the *forker*
//! (`forker.rs`), which becomes each keeper by forking. Of a keeper, standard input is a socket to Weir,
//! standard output and error are the command's. The keeper forks an *init* (`init.rs`), in namespaces of
//! its own where the machine allows it; the init starts the command and gathers what the command leaves
//! behind.

mod contain;
mod forker;
mod init;
mod mount;
mod spec;
mod tree;
mod watch;

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

pub(crate) use self::forker::send as send_order;
pub(crate) use self::spec::{Ended, FromKeeper, KeeperLimits, KeeperSpec, Over, ToKeeper};
pub(crate) use self::tree::{process_start, processes_with_mark};
use self::watch::Watch;
pub(crate) use self::watch::disk_usage;

/// The first argument of Weir's program as a keeper.
pub const KEEPER_WORD: &str = "__keep-step";

/// How often the keeper looks at what the command uses.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Makes the keepers of steps, and ends, if the process was started to do that; to be called first thing
/// in `main`, before any thread is started.
pub fn keep_if_asked() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|word| word == KEEPER_WORD) {
        forker::serve(keep);
        std::process::exit(0);
    }
}

/// The keeper's connection to Weir.
struct Weir {
    socket: UnixStream,
    lines: BufReader<UnixStream>,
}

impl Weir {
    fn say(&mut self, message: &FromKeeper) -> std::io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        self.socket.write_all(&line)
    }
}

fn keep() -> std::io::Result<()> {
    // SAFETY: standard input is the socket that Weir made for this process, and nobody else uses it.
    let socket = unsafe { UnixStream::from(OwnedFd::from_raw_fd(0)) };
    let mut weir = Weir {
        lines: BufReader::new(socket.try_clone()?),
        socket,
    };
    weir.say(&FromKeeper::Here {
        pid: std::process::id(),
    })?;
    let mut line = String::new();
    weir.lines.read_line(&mut line)?;
    let spec: KeeperSpec = serde_json::from_str(&line)?;
    drop(line);
    contain::be_subreaper();
    contain::be_unreadable();
    let begun = match init::begin(&spec) {
        Ok(begun) => begun,
        Err(why) => {
            return weir.say(&FromKeeper::NotStarted {
                why: why.to_string(),
                missing: false,
            });
        }
    };
    // The command has these now; whoever reads them waits until nobody has them.
    contain::drop_output()?;
    let kept = watch_over(&mut weir, &spec, begun);
    contain::end_children();
    kept
}

/// Follows the command to its end.
fn watch_over(weir: &mut Weir, spec: &KeeperSpec, begun: init::Begun) -> std::io::Result<()> {
    let init::Begun {
        pid,
        mut report,
        notes,
        isolated,
    } = begun;
    let mut said = String::new();
    let mut watch = Watch::new(&spec.limits, &spec.counted);
    let mut over: Option<Over> = None;
    let mut kill_at: Option<Instant> = None;
    let mut started = false;
    let mut buffer = [0; 4096];
    loop {
        // Something may have come together with the order to begin.
        let waits = !weir.lines.buffer().is_empty();
        let most = if waits { Duration::ZERO } else { LOOK_EVERY };
        let (from_weir, from_init) =
            wait_readable(weir.socket.as_raw_fd(), report.as_raw_fd(), most)?;
        if from_init {
            let read = report.read(&mut buffer)?;
            said.push_str(&String::from_utf8_lossy(&buffer[..read]));
            if !started && let Some((first, rest)) = said.split_once('\n') {
                let first = first.to_owned();
                said = rest.to_owned();
                match serde_json::from_str(&first)? {
                    FromKeeper::Started(mut it) => {
                        it.notes.extend(notes.iter().cloned());
                        it.isolated = isolated;
                        weir.say(&FromKeeper::Started(it))?;
                        started = true;
                    }
                    other => {
                        tree::kill_all(pid);
                        return weir.say(&other);
                    }
                }
            }
            let whole = started && said.ends_with('\n');
            if whole || read == 0 {
                let said = serde_json::from_str::<Ended>(said.trim());
                if said.is_err() {
                    // The init has ended without a word; whatever is left goes first.
                    tree::kill_all(pid);
                    contain::end_children();
                }
                // Otherwise everything of the command has ended before the init said so, and it ends
                // itself: taking its namespaces apart is nothing anybody has to wait for.
                let mut ended = said.unwrap_or_default();
                ended.over = over;
                watch.top_up(&mut ended);
                weir.say(&FromKeeper::Ended(ended))?;
                tree::kill_all(pid);
                return Ok(());
            }
        }
        if from_weir || waits {
            let mut line = String::new();
            let alive = weir.lines.read_line(&mut line).is_ok_and(|read| read > 0);
            match serde_json::from_str(&line) {
                Ok(ToKeeper::Stop { grace_ms }) if alive => {
                    tree::signal_below(pid, libc::SIGTERM);
                    kill_at = Some(Instant::now() + Duration::from_millis(grace_ms));
                }
                // Weir is gone, or does not wait.
                _ => {
                    tree::kill_all(pid);
                    kill_at = None;
                    if !alive {
                        return Ok(());
                    }
                }
            }
        }
        if kill_at.is_some_and(|at| at <= Instant::now()) {
            kill_at = None;
            tree::kill_all(pid);
        }
        if over.is_none()
            && let Some(found) = watch.look(pid)
        {
            over = Some(found);
            tree::kill_all(pid);
        }
    }
}

/// Waits until one of the two can be read, or for `most`.
fn wait_readable(first: i32, second: i32, most: Duration) -> std::io::Result<(bool, bool)> {
    let mut polled = [first, second].map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    let most = i32::try_from(most.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the array is valid for the call, and its length is given.
    let ready = unsafe { libc::poll(polled.as_mut_ptr(), 2, most) };
    if ready < 0 {
        let error = std::io::Error::last_os_error();
        return match error.kind() {
            std::io::ErrorKind::Interrupted => Ok((false, false)),
            _ => Err(error),
        };
    }
    Ok((polled[0].revents != 0, polled[1].revents != 0))
}
