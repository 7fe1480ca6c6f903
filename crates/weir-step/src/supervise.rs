//! One command, from its start to its end.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::pipe::Receiver;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::capture::{Capture, Stream};
use crate::error::{StepError, StepErrorKind};
use crate::forker::Forker;
use crate::keeper::{FromKeeper, KeeperSpec, Over, ToKeeper};
use crate::running::{Running, end_marked};

/// When all processes have ended, their output ends at once; anything else is not ours to wait for.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How much longer than the grace a keeper has to report the end.
const KEEPER_GRACE: Duration = Duration::from_secs(15);

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    Code(i32),
    Signal(i32),
    Over(Over),
    TimedOut(Duration),
    Silent(Duration),
    Cancelled,
    NotStarted {
        why: String,
        missing: bool,
    },
    /// Its keeper went away.
    Lost,
}

#[derive(Debug)]
pub(crate) struct Supervised {
    pub(crate) exit: Exit,
    pub(crate) elapsed: Duration,
    pub(crate) cpu_ms: u64,
    pub(crate) memory: u64,
    /// Whether the keeper said that nothing of it is left.
    reported: bool,
}

pub(crate) struct Supervise<'a> {
    pub(crate) forker: &'a Arc<Forker>,
    pub(crate) running: &'a Running,
    pub(crate) spec: &'a KeeperSpec,
    /// Is in the environment of every process of the command.
    pub(crate) mark: &'a str,
    /// What runs its container, if it has one.
    pub(crate) engine: Option<&'a Path>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) silence: Option<Duration>,
    pub(crate) grace: Duration,
    pub(crate) cancel: &'a CancellationToken,
}

impl Supervise<'_> {
    /// Runs the command. When the future is dropped, the command is ended.
    pub(crate) async fn run(self, capture: &mut Capture<'_>) -> Result<Supervised, StepError> {
        let begun = Instant::now();
        let failed = |error: std::io::Error| {
            StepError::new(StepErrorKind::Unavailable, "begin the keeper of a step").because(error)
        };
        let (ours, theirs) = UnixStream::pair().map_err(failed)?;
        let theirs = theirs.into_std().map_err(failed)?;
        theirs.set_nonblocking(false).map_err(failed)?;
        let (out, their_out) = std::io::pipe().map_err(failed)?;
        let (err, their_err) = std::io::pipe().map_err(failed)?;
        let ends = [theirs.into(), their_out.into(), their_err.into()];
        let forker = self.forker.clone();
        // A forker that is not there yet is started, which takes its time.
        tokio::task::spawn_blocking(move || forker.keeper(&ends))
            .await
            .map_err(|error| failed(std::io::Error::other(error)))?
            .map_err(failed)?;
        let out = Receiver::from_owned_fd(out.into()).map_err(failed)?;
        let err = Receiver::from_owned_fd(err.into()).map_err(failed)?;
        let (read, mut write) = ours.into_split();
        let mut lines = BufReader::new(read).lines();
        let here = lines.next_line().await.map_err(failed)?;
        let here = here.map(|line| serde_json::from_str(&line));
        let Some(Ok(FromKeeper::Here { pid })) = here else {
            return Err(failed(std::io::Error::other("it does not answer")));
        };
        let note = self.running.note(self.mark, pid, self.engine)?;
        let mut line = serde_json::to_vec(self.spec).map_err(|error| failed(error.into()))?;
        line.push(b'\n');
        // A keeper that is gone already shows below.
        let _ = write.write_all(&line).await;
        let mut watched = Watched {
            lines,
            out: Pipe::new(Stream::Out, out),
            err: Pipe::new(Stream::Err, err),
            supervise: &self,
            started: begun,
            heard: begun,
            stopped: None,
            give_up: None,
        };
        let mut ended = watched.follow(&mut write, capture).await;
        ended.elapsed = begun.elapsed();
        if !ended.reported {
            let mark = self.mark.to_owned();
            let left = tokio::task::spawn_blocking(move || {
                note.end();
                end_marked(&mark)
            })
            .await;
            capture.note(&format!(
                "the keeper of the command went away; {} processes were ended",
                left.unwrap_or(0)
            ));
        }
        Ok(ended)
    }
}

struct Watched<'a, R> {
    lines: tokio::io::Lines<R>,
    out: Pipe<Receiver>,
    err: Pipe<Receiver>,
    supervise: &'a Supervise<'a>,
    started: Instant,
    heard: Instant,
    /// Why it was told to stop.
    stopped: Option<Exit>,
    give_up: Option<Instant>,
}

impl<R: tokio::io::AsyncBufRead + Unpin> Watched<'_, R> {
    async fn follow(
        &mut self,
        write: &mut tokio::net::unix::OwnedWriteHalf,
        capture: &mut Capture<'_>,
    ) -> Supervised {
        loop {
            let step = self.supervise;
            let (until, why) = self.next_deadline();
            tokio::select! {
                biased;
                line = self.lines.next_line() => {
                    match line.ok().flatten().map(|line| serde_json::from_str(&line)) {
                        Some(Ok(FromKeeper::Started(started))) => {
                            self.started = Instant::now();
                            self.heard = self.started;
                            for note in started.notes {
                                capture.note(&note);
                            }
                        }
                        Some(Ok(FromKeeper::NotStarted { why, missing })) => {
                            return Supervised {
                                reported: true,
                                ..supervised(Exit::NotStarted { why, missing })
                            };
                        }
                        Some(Ok(FromKeeper::Ended(ended))) => {
                            self.last_words(capture).await;
                            if ended.left {
                                capture.note("the command left processes behind; they were ended");
                            }
                            let exit = match (self.stopped.take(), ended.over, ended.code, ended.signal) {
                                (Some(stopped), ..) => stopped,
                                (_, Some(over), ..) => Exit::Over(over),
                                (_, _, Some(code), _) => Exit::Code(code),
                                (_, _, _, Some(signal)) => Exit::Signal(signal),
                                _ => Exit::Lost,
                            };
                            return Supervised {
                                cpu_ms: ended.cpu_ms,
                                memory: ended.memory,
                                reported: true,
                                ..supervised(exit)
                            };
                        }
                        _ => {
                            let exit = self.stopped.take().unwrap_or(Exit::Lost);
                            return supervised(exit);
                        }
                    }
                }
                read = self.out.read(), if !self.out.ended => {
                    if self.out.pass(read, capture) { self.heard = Instant::now(); }
                }
                read = self.err.read(), if !self.err.ended => {
                    if self.err.pass(read, capture) { self.heard = Instant::now(); }
                }
                () = step.cancel.cancelled(), if self.stopped.is_none() => {
                    self.stop(Exit::Cancelled, write).await;
                }
                () = sleep_until(until.unwrap_or_else(Instant::now)), if until.is_some() => {
                    match why {
                        Some(why) => self.stop(why, write).await,
                        // It does not even report that it has killed.
                        None => return supervised(self.stopped.take().unwrap_or(Exit::Lost)),
                    }
                }
            }
        }
    }

    /// Returns when something is to happen next, and why the command is stopped then.
    fn next_deadline(&self) -> (Option<Instant>, Option<Exit>) {
        if self.stopped.is_some() {
            return (self.give_up, None);
        }
        let step = self.supervise;
        let over = step
            .timeout
            .map(|bound| (self.started + bound, Exit::TimedOut(bound)));
        let silent = step
            .silence
            .map(|bound| (self.heard + bound, Exit::Silent(bound)));
        let first = over.into_iter().chain(silent).min_by_key(|(at, _)| *at);
        first.map_or((None, None), |(at, why)| (Some(at), Some(why)))
    }

    async fn stop(&mut self, why: Exit, write: &mut tokio::net::unix::OwnedWriteHalf) {
        let grace = self.supervise.grace;
        self.stopped = Some(why);
        self.give_up = Some(Instant::now() + grace + KEEPER_GRACE);
        let order = ToKeeper::Stop {
            grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX),
        };
        let mut line = serde_json::to_vec(&order).unwrap_or_default();
        line.push(b'\n');
        let _ = write.write_all(&line).await;
    }

    /// Reads what is left in the pipes.
    async fn last_words(&mut self, capture: &mut Capture<'_>) {
        let until = Instant::now() + LAST_WORDS;
        while !(self.out.ended && self.err.ended) {
            tokio::select! {
                read = self.out.read(), if !self.out.ended => { self.out.pass(read, capture); }
                read = self.err.read(), if !self.err.ended => { self.err.pass(read, capture); }
                () = sleep_until(until) => return,
            }
        }
    }
}

fn supervised(exit: Exit) -> Supervised {
    Supervised {
        exit,
        elapsed: Duration::ZERO,
        cpu_ms: 0,
        memory: 0,
        reported: false,
    }
}

struct Pipe<R> {
    stream: Stream,
    reader: R,
    buffer: Vec<u8>,
    ended: bool,
}

impl<R: AsyncRead + Unpin> Pipe<R> {
    fn new(stream: Stream, reader: R) -> Self {
        Self {
            stream,
            reader,
            buffer: vec![0; 64 << 10],
            ended: false,
        }
    }

    async fn read(&mut self) -> std::io::Result<usize> {
        self.reader.read(&mut self.buffer).await
    }

    fn pass(&mut self, read: std::io::Result<usize>, capture: &mut Capture<'_>) -> bool {
        match read {
            Ok(read) if read > 0 => {
                capture.take(self.stream, &self.buffer[..read]);
                true
            }
            _ => {
                self.ended = true;
                false
            }
        }
    }
}

impl Exit {
    /// Whether another try may end differently.
    pub(crate) fn may_pass(&self) -> bool {
        !matches!(
            self,
            Self::NotStarted { .. } | Self::Cancelled | Self::Code(0)
        )
    }

    /// Says it to a person.
    pub(crate) fn text(&self, grace: Duration) -> String {
        match self {
            Self::Code(code @ (126 | 127)) => {
                format!("exited with {code}, as a shell does when it finds no program")
            }
            Self::Code(code) => format!("exited with {code}"),
            Self::Signal(signal) => format!("was ended by {}", signal_name(*signal)),
            Self::Over(Over { limit, used, most }) => match limit.as_str() {
                "cpu" => format!(
                    "used more CPU time than it may ({most} ms); raise `limits.cpu` if it needs more"
                ),
                "processes" => format!(
                    "had {used} processes and threads, {most} are allowed; raise `limits.processes` if it needs more"
                ),
                "free_disk" => format!(
                    "left {used} bytes of the disk free, {most} must stay; make room, or lower `limits.free_disk`"
                ),
                limit => format!(
                    "used {used} bytes of {limit}, {most} are allowed; raise `limits.{limit}` if it needs more"
                ),
            },
            Self::TimedOut(bound) => format!(
                "took longer than {bound:?} and was ended (SIGTERM, after {grace:?} SIGKILL)"
            ),
            Self::Silent(bound) => format!(
                "said nothing for {bound:?} and was ended (SIGTERM, after {grace:?} SIGKILL)"
            ),
            Self::Cancelled => "was cancelled".to_owned(),
            Self::NotStarted { why, .. } => format!("was not started: {why}"),
            Self::Lost => "ended with nobody to say how".to_owned(),
        }
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        libc::SIGSEGV => "SIGSEGV (it touched memory it does not have)",
        libc::SIGKILL => "SIGKILL (the machine may have run out of memory)",
        libc::SIGABRT => "SIGABRT (it gave up by itself)",
        libc::SIGXCPU => "SIGXCPU (it used more CPU time than `limits.cpu` allows)",
        libc::SIGXFSZ => "SIGXFSZ (it wrote a file larger than `limits.file_size` allows)",
        libc::SIGTERM => "SIGTERM",
        libc::SIGINT => "SIGINT",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGBUS => "SIGBUS",
        libc::SIGILL => "SIGILL",
        libc::SIGFPE => "SIGFPE",
        libc::SIGHUP => "SIGHUP",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}
