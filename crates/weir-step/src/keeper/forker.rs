//! The forker: one small process that becomes each keeper by forking.
//!
//! To start a large program anew takes longer than most commands: it is loaded, linked and set up. A
//! process that is there already and has touched little of itself forks in a fraction of that. The
//! forker has no thread and no task but this; it ends when Weir does.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::process::exit;

use super::mount;

/// How many descriptors come with an order: the socket to Weir, and the command's output and errors.
pub(crate) const ORDER: usize = 3;

/// Becomes a keeper for each order that comes over standard input, until Weir is gone.
pub(super) fn serve(keep: fn() -> std::io::Result<()>) {
    super::contain::be_unreadable();
    // Keepers report to Weir; here their ends are of no interest, and nobody waits for them.
    // SAFETY: takes no pointer.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
    loop {
        let order = match receive(0) {
            Ok(Some(order)) => order,
            Ok(None) => return,
            Err(_) => exit(1),
        };
        match mount::fork(0) {
            Ok(0) => {
                // SAFETY: takes no pointer. A keeper waits for its children.
                unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
                let taken = take(&order);
                drop(order);
                let code = match taken.and_then(|()| keep()) {
                    Ok(()) => 0,
                    Err(_) => 1,
                };
                exit(code);
            }
            // When there is no keeper, the end of its socket says so.
            _ => drop(order),
        }
    }
}

/// Makes what came with an order standard input, output and error.
fn take(order: &[OwnedFd; ORDER]) -> std::io::Result<()> {
    use std::os::fd::AsRawFd;
    for (fd, given) in (0..).zip(order) {
        // SAFETY: both are descriptors of this process; 0 to 2 are open and used by nothing here.
        if unsafe { libc::dup2(given.as_raw_fd(), fd) } < 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Space for one control message with the descriptors of an order, aligned as the kernel wants it.
#[repr(C)]
union Control {
    _align: libc::cmsghdr,
    bytes: [u8; 64],
}

/// Sends an order over `socket`; the descriptors stay open here.
pub(crate) fn send(socket: RawFd, order: [RawFd; ORDER]) -> std::io::Result<()> {
    let mut byte = [1u8];
    let mut control = Control { bytes: [0; 64] };
    with_message(&mut byte, &mut control, |message| {
        let size = u32::try_from(std::mem::size_of_val(&order)).unwrap_or(0);
        // SAFETY: the header and its data lie within `control`, which is as large as CMSG_SPACE says
        // and lives until the call returns.
        unsafe {
            message.msg_controllen = libc::CMSG_SPACE(size) as _;
            let header = libc::CMSG_FIRSTHDR(message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size) as _;
            std::ptr::copy_nonoverlapping(
                order.as_ptr().cast::<u8>(),
                libc::CMSG_DATA(header),
                size as usize,
            );
            libc::sendmsg(socket, message, libc::MSG_NOSIGNAL)
        }
    })
    .map(drop)
}

/// Waits for an order; none when nobody can send one any more.
fn receive(socket: RawFd) -> std::io::Result<Option<[OwnedFd; ORDER]>> {
    let mut byte = [0u8];
    let mut control = Control { bytes: [0; 64] };
    let mut order: Option<[RawFd; ORDER]> = None;
    let read = with_message(&mut byte, &mut control, |message| {
        // SAFETY: the message's pointers are valid for the call; a header is read only where the
        // kernel says there is one, and as many bytes as it says.
        unsafe {
            let read = libc::recvmsg(socket, message, libc::MSG_CMSG_CLOEXEC);
            let header = libc::CMSG_FIRSTHDR(message);
            if read > 0
                && !header.is_null()
                && (*header).cmsg_type == libc::SCM_RIGHTS
                && (*header).cmsg_len as usize
                    == libc::CMSG_LEN(std::mem::size_of::<[RawFd; ORDER]>() as u32) as usize
            {
                let data = libc::CMSG_DATA(header).cast::<[RawFd; ORDER]>();
                order = Some(data.read_unaligned());
            }
            read
        }
    })?;
    if read == 0 {
        return Ok(None);
    }
    let order = order.ok_or_else(|| std::io::Error::other("an order without descriptors"))?;
    // SAFETY: the kernel has just made them for this process.
    Ok(Some(order.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) })))
}

/// Calls `call` with a message of one byte and room for descriptors, again when it is interrupted.
fn with_message(
    byte: &mut [u8; 1],
    control: &mut Control,
    mut call: impl FnMut(&mut libc::msghdr) -> isize,
) -> std::io::Result<isize> {
    loop {
        let mut part = libc::iovec {
            iov_base: byte.as_mut_ptr().cast(),
            iov_len: 1,
        };
        // SAFETY: zeroes are a value of this plain type.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = (&raw mut *control).cast();
        message.msg_controllen = std::mem::size_of::<Control>() as _;
        let done = call(&mut message);
        if done >= 0 {
            return Ok(done);
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
