//! The first process of a command's own world: starts the command, waits for everything that loses its
//! parent, and reports how the command ended.

use std::fs::File;
use std::io::{Error, PipeReader, PipeWriter, Result, Write, pipe};
use std::process::{Command, Stdio};

use super::spec::{Ended, FromKeeper, KeeperSpec, Started};
use super::{contain, mount, tree};

/// An init that was begun.
pub(super) struct Begun {
    pub(super) pid: u32,
    /// What it says: a line when the command has begun or not, and one when it has ended.
    pub(super) report: PipeReader,
    pub(super) isolated: bool,
    pub(super) notes: Vec<String>,
}

/// Forks the init, contained as well as the machine allows.
pub(super) fn begin(spec: &KeeperSpec) -> Result<Begun> {
    let own = libc::CLONE_NEWNS | libc::CLONE_NEWPID;
    // Root may make namespaces; others may within a user namespace of theirs, on most machines.
    let ways = match spec.isolate {
        true => vec![own, own | libc::CLONE_NEWUSER],
        false => vec![],
    };
    let mut why = None;
    for flags in ways {
        match try_begin(spec, flags) {
            Ok((pid, report)) => {
                return Ok(Begun {
                    pid,
                    report,
                    isolated: true,
                    notes: Vec::new(),
                });
            }
            Err(error) => why = why.or(Some(error)),
        }
    }
    let why = why.map(|why| why.to_string());
    if spec.pfs.is_some() {
        let why = why.unwrap_or_else(|| "isolation is turned off".to_owned());
        return Err(Error::other(format!(
            "this machine does not let Weir make the folder `/pfs` for the command ({why}); read `WEIR_IN` and `WEIR_OUT` instead and leave `compat: pachyderm` out, or use `runner: container`"
        )));
    }
    let (pid, report) = try_begin(spec, 0)?;
    let notes = why.map(|why| format!("the command has no namespaces of its own: {why}"));
    Ok(Begun {
        pid,
        report,
        isolated: false,
        notes: notes.into_iter().collect(),
    })
}

fn try_begin(spec: &KeeperSpec, flags: i32) -> Result<(u32, PipeReader)> {
    let (mut ready, mut ready_writer) = pipe()?;
    let (report, report_writer) = pipe()?;
    // SAFETY: neither takes a pointer, and neither can fail.
    let (user, group) = unsafe { (libc::geteuid(), libc::getegid()) };
    let pid = mount::fork(flags)?;
    if pid == 0 {
        drop((ready, report));
        contain::end_with_parent();
        let world = || -> Result<()> {
            if flags & libc::CLONE_NEWUSER != 0 {
                mount::map_user(user, group)?;
            }
            if flags & libc::CLONE_NEWNS != 0 {
                mount::own_proc()?;
                if let Some(pfs) = &spec.pfs {
                    mount::show_pfs(pfs, &spec.root)?;
                }
            }
            Ok(())
        };
        let made = world();
        let text = made
            .as_ref()
            .err()
            .map_or("ok".to_owned(), Error::to_string);
        let told = ready_writer.write_all(text.as_bytes());
        drop(ready_writer);
        if made.is_ok() && told.is_ok() {
            live(spec, report_writer, flags != 0);
        }
        std::process::exit(0);
    }
    drop((ready_writer, report_writer));
    let mut text = String::new();
    std::io::Read::read_to_string(&mut ready, &mut text)?;
    if text == "ok" {
        return Ok((pid, report));
    }
    tree::kill_all(pid);
    contain::end_children();
    Err(Error::other(text))
}

/// Starts the command and stays until nothing of it is left.
fn live(spec: &KeeperSpec, mut report: PipeWriter, alone: bool) {
    contain::be_subreaper();
    // SAFETY: takes no pointer. The command has no terminal, and a group of its own.
    unsafe { libc::setsid() };
    contain::limit(&spec.limits);
    let mut notes = Vec::new();
    if let Some(writable) = &spec.writable
        && let Err(note) = contain::restrict_writes(writable)
    {
        notes.push(note);
    }
    let mut say = |message: &dyn erased::Line| {
        let _ = report.write_all(&message.line());
    };
    let child = match spawn(spec) {
        Ok(child) => child,
        Err((why, missing)) => return say(&FromKeeper::NotStarted { why, missing }),
    };
    let _ = contain::drop_output();
    say(&FromKeeper::Started(Started {
        isolated: alone,
        notes,
    }));
    let mut ended = wait_for(child);
    ended.left = has_children();
    if alone {
        // SAFETY: takes no pointer. In a namespace of its own this means every process of it.
        unsafe { libc::kill(-1, libc::SIGKILL) };
    }
    contain::end_children();
    say(&ended);
}

fn spawn(spec: &KeeperSpec) -> std::result::Result<u32, (String, bool)> {
    let program = &spec.argv[0];
    std::env::set_current_dir(&spec.cwd).map_err(|error| {
        (
            format!("cannot go to `{}`: {error}", spec.cwd.display()),
            false,
        )
    })?;
    let stdin = match &spec.stdin {
        Some(path) => File::open(path)
            .map(Stdio::from)
            .map_err(|error| (format!("cannot read `{}`: {error}", path.display()), false))?,
        None => Stdio::null(),
    };
    let mut command = Command::new(program);
    command
        .args(&spec.argv[1..])
        .env_clear()
        .envs(spec.env.iter().map(|(key, value)| (key, value)))
        .stdin(stdin);
    command.spawn().map(|child| child.id()).map_err(|error| {
        let missing = error.kind() == std::io::ErrorKind::NotFound;
        let there = std::path::Path::new(program).exists();
        let why = match (missing, there) {
            (true, true) => {
                format!("the interpreter that `{program}` names in its first line is not there")
            }
            (true, false) => format!("there is no program `{program}`"),
            _ => format!("cannot start `{program}`: {error}"),
        };
        (
            why,
            missing || error.kind() == std::io::ErrorKind::PermissionDenied,
        )
    })
}

/// Waits for the command, and on the way for whatever else ends.
fn wait_for(child: u32) -> Ended {
    loop {
        let mut status = 0;
        // SAFETY: zeroes are a value of this plain type.
        let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
        // SAFETY: both pointers are valid for the call.
        let pid = unsafe { libc::wait4(-1, &mut status, 0, &mut usage) };
        if pid < 0 {
            match Error::last_os_error().kind() {
                std::io::ErrorKind::Interrupted => continue,
                _ => return Ended::default(),
            }
        }
        if u32::try_from(pid) != Ok(child) {
            continue;
        }
        let ms = |time: libc::timeval| time.tv_sec * 1000 + time.tv_usec / 1000;
        return Ended {
            code: libc::WIFEXITED(status).then(|| libc::WEXITSTATUS(status)),
            signal: libc::WIFSIGNALED(status).then(|| libc::WTERMSIG(status)),
            cpu_ms: u64::try_from(ms(usage.ru_utime) + ms(usage.ru_stime)).unwrap_or(0),
            memory: u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024,
            ..Ended::default()
        };
    }
}

fn has_children() -> bool {
    let mut status = 0;
    loop {
        // SAFETY: the pointer is valid for the call.
        match unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG) } {
            0 => return true,
            pid if pid < 0 => return false,
            _ => {}
        }
    }
}

mod erased {
    //! A line of JSON of either kind of message.

    pub(super) trait Line {
        fn line(&self) -> Vec<u8>;
    }

    impl<T: serde::Serialize> Line for T {
        fn line(&self) -> Vec<u8> {
            let mut line = serde_json::to_vec(self).unwrap_or_default();
            line.push(b'\n');
            line
        }
    }
}
