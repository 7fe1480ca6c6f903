//! Containing a process: rights to files, limits, signals.

use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access, AccessFs, PathBeneath, PathFd, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetStatus, Scope,
};

use super::spec::KeeperLimits;

/// The newest form of Landlock whose rights are asked for; older kernels give what they have.
const LANDLOCK: ABI = ABI::V6;

/// Processes whose parents end become children of this one.
pub(super) fn be_subreaper() {
    // SAFETY: takes no pointer; a failure leaves things as they are.
    unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) };
}

/// Nobody but root reads this process's memory or environment.
pub(super) fn be_unreadable() {
    // SAFETY: as above.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
}

/// This process ends when its parent does.
pub(super) fn end_with_parent() {
    // SAFETY: as above.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) };
}

/// Lets go of the command's standard output and error.
pub(super) fn drop_output() -> std::io::Result<()> {
    use std::os::fd::AsRawFd;
    let null = std::fs::File::options().write(true).open("/dev/null")?;
    for fd in [1, 2] {
        // SAFETY: both are open descriptors of this process, and nothing in it writes to them.
        if unsafe { libc::dup2(null.as_raw_fd(), fd) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Ends every child of this process, and what becomes its child by that, and waits for them.
pub(super) fn end_children() {
    let own = std::process::id();
    for _ in 0..10_000 {
        for child in super::tree::children(own) {
            super::tree::signal(child, libc::SIGKILL);
        }
        let mut status = 0;
        // SAFETY: the pointer is valid for the call.
        let waited = unsafe { libc::waitpid(-1, &mut status, 0) };
        if waited < 0 && std::io::Error::last_os_error().raw_os_error() == Some(libc::ECHILD) {
            return;
        }
    }
}

/// Sets the limits that the kernel keeps for each process.
pub(super) fn limit(limits: &KeeperLimits) {
    let set = |resource, soft: u64, hard: u64| {
        let bound = libc::rlimit {
            rlim_cur: soft,
            rlim_max: hard,
        };
        // SAFETY: the pointer is valid for the call. Raising beyond one's own limit fails, and the
        // smaller one holds then.
        unsafe { libc::setrlimit(resource, &bound) };
    };
    set(libc::RLIMIT_CORE, 0, 0);
    if let Some(bytes) = limits.file_size {
        set(libc::RLIMIT_FSIZE, bytes, bytes);
    }
    if let Some(files) = limits.open_files {
        set(libc::RLIMIT_NOFILE, files, files);
    }
    if let Some(ms) = limits.cpu_ms {
        let seconds = ms.div_ceil(1000).max(1);
        set(libc::RLIMIT_CPU, seconds, seconds + 1);
    }
    // When memory runs out, it is a step that ends, not Weir.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// Lets this process and all it starts write in `writable` only. Says what does not hold.
pub(super) fn restrict_writes(writable: &[PathBuf]) -> Result<(), String> {
    let read = AccessFs::from_read(LANDLOCK);
    let all = AccessFs::from_all(LANDLOCK);
    let devices = AccessFs::ReadFile | AccessFs::WriteFile | AccessFs::IoctlDev;
    let restrict = || -> Result<RestrictionStatus, Box<dyn std::error::Error>> {
        let mut rules = Ruleset::default()
            .handle_access(all)?
            .scope(Scope::Signal | Scope::AbstractUnixSocket)?
            .create()?
            .add_rule(PathBeneath::new(PathFd::new("/")?, read))?;
        for path in writable {
            rules = rules.add_rule(PathBeneath::new(PathFd::new(path)?, all))?;
        }
        for device in [
            "/dev/null",
            "/dev/zero",
            "/dev/full",
            "/dev/tty",
            "/dev/random",
            "/dev/urandom",
        ] {
            if Path::new(device).exists() {
                rules = rules.add_rule(PathBeneath::new(
                    PathFd::new(device)?,
                    devices & AccessFs::from_file(LANDLOCK),
                ))?;
            }
        }
        // Semaphores and shared memory have their names there.
        if Path::new("/dev/shm").is_dir() {
            rules = rules.add_rule(PathBeneath::new(PathFd::new("/dev/shm")?, all))?;
        }
        Ok(rules.restrict_self()?)
    };
    match restrict() {
        Ok(status) if status.ruleset == RulesetStatus::NotEnforced => {
            Err("this kernel has no Landlock: the command can write wherever Weir can".to_owned())
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the command can write wherever Weir can: {error}")),
    }
}
