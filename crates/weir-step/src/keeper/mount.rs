//! Namespaces: the command sees no processes but its own, and `/pfs` if it wants that.

use std::ffi::CString;
use std::io::{Error, Result};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// How large `/dev/shm` of a command is.
const SHARED_MEMORY: &str = "size=256m";

/// Forks into new namespaces as `flags` say; returns 0 in the child.
pub(super) fn fork(flags: i32) -> Result<u32> {
    let flags = libc::c_long::from(flags | libc::SIGCHLD);
    // SAFETY: without a stack of its own, `clone` is a fork. The keeper has a single thread, so that
    // the child may do whatever the keeper may.
    let pid = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    match u32::try_from(pid) {
        Ok(pid) => Ok(pid),
        Err(_) => Err(Error::last_os_error()),
    }
}

/// In a new user namespace, everybody stays who they are.
pub(super) fn map_user(user: u32, group: u32) -> Result<()> {
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("{group} {group} 1"))
}

/// Keeps mounts made here from appearing elsewhere, and shows the processes of this namespace only.
pub(super) fn own_proc() -> Result<()> {
    mount(None, Path::new("/"), None, libc::MS_REC | libc::MS_PRIVATE)?;
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount(
        Some(Path::new("proc")),
        Path::new("/proc"),
        Some("proc"),
        flags,
    )?;
    // Shared memory that ends with the command; what is in it counts as memory of nobody, so it is
    // small.
    let shared = Path::new("/dev/shm");
    match shared.is_dir() {
        true => mount_with(
            Some(Path::new("tmpfs")),
            shared,
            Some("tmpfs"),
            flags,
            Some(SHARED_MEMORY),
        ),
        false => Ok(()),
    }
}

/// Shows `folder` as `/pfs`. Where the machine has no such folder, `root` becomes a root that has one,
/// with all the rest as it is.
pub(super) fn show_pfs(folder: &Path, root: &Path) -> Result<()> {
    if Path::new("/pfs").is_dir() {
        return bind(folder, Path::new("/pfs"));
    }
    mount(
        Some(Path::new("tmpfs")),
        root,
        Some("tmpfs"),
        libc::MS_NOSUID | libc::MS_NODEV,
    )?;
    for entry in std::fs::read_dir("/")? {
        let entry = entry?;
        let place = root.join(entry.file_name());
        let kind = entry.file_type()?;
        if kind.is_symlink() {
            std::os::unix::fs::symlink(std::fs::read_link(entry.path())?, &place)?;
            continue;
        }
        match kind.is_dir() {
            true => std::fs::create_dir(&place)?,
            false => std::fs::write(&place, b"")?,
        }
        bind(&entry.path(), &place)?;
    }
    let pfs = root.join("pfs");
    std::fs::create_dir(&pfs)?;
    bind(folder, &pfs)?;
    std::os::unix::fs::chroot(root)?;
    std::env::set_current_dir("/")
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    mount(Some(from), to, None, libc::MS_BIND | libc::MS_REC)
}

fn mount(from: Option<&Path>, to: &Path, kind: Option<&str>, flags: libc::c_ulong) -> Result<()> {
    mount_with(from, to, kind, flags, None)
}

fn mount_with(
    from: Option<&Path>,
    to: &Path,
    kind: Option<&str>,
    flags: libc::c_ulong,
    options: Option<&str>,
) -> Result<()> {
    let text = |bytes: &[u8]| CString::new(bytes).map_err(Error::other);
    let from = from
        .map(|from| text(from.as_os_str().as_bytes()))
        .transpose()?;
    let kind = kind.map(|kind| text(kind.as_bytes())).transpose()?;
    let options = options
        .map(|options| text(options.as_bytes()))
        .transpose()?;
    let to_text = text(to.as_os_str().as_bytes())?;
    let pointer =
        |text: &Option<CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
    // SAFETY: all pointers are null or texts that live until the call returns.
    let done = unsafe {
        libc::mount(
            pointer(&from),
            to_text.as_ptr(),
            pointer(&kind),
            flags,
            pointer(&options).cast(),
        )
    };
    match done {
        0 => Ok(()),
        _ => {
            let error = Error::last_os_error();
            Err(Error::new(
                error.kind(),
                format!("mount `{}`: {error}", to.display()),
            ))
        }
    }
}
