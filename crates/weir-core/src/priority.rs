//! How the system shares cores out between threads.
//!
//! An event is acknowledged after a little work of several threads, one after the other. None of them
//! should wait for a whole turn of a thread that computes. On systems other than Linux nothing here
//! does anything.

/// Asks for short turns on a core that come soon, for this thread and those it starts.
///
/// Linux from 6.12 on heeds it (`sched_setattr(2)`); it needs no rights.
pub fn short_turns() {
    #[cfg(target_os = "linux")]
    linux::set(libc::SCHED_OTHER, 0, linux::SHORT);
}

/// Makes this thread, and those it starts, leave the core to whoever else wakes up.
pub fn yield_to_others() {
    #[cfg(target_os = "linux")]
    linux::set(libc::SCHED_BATCH, 10, linux::USUAL);
}

#[cfg(target_os = "linux")]
mod linux {
    /// The shortest turn there is, and about the usual one, in nanoseconds.
    pub(super) const SHORT: u64 = 100_000;
    pub(super) const USUAL: u64 = 3_000_000;

    /// The parameters of `sched_setattr(2)`, in their first version.
    #[repr(C)]
    struct Attributes {
        size: u32,
        policy: u32,
        flags: u64,
        nice: i32,
        priority: u32,
        runtime: u64,
        deadline: u64,
        period: u64,
    }

    /// Sets how the calling thread is scheduled, `nicer` than it is.
    pub(super) fn set(policy: libc::c_int, nicer: i32, runtime: u64) {
        let attributes = Attributes {
            size: size_of::<Attributes>() as u32,
            policy: policy.unsigned_abs(),
            flags: 0,
            nice: (now() + nicer).min(19),
            priority: 0,
            runtime,
            deadline: 0,
            period: 0,
        };
        // SAFETY: 0 is the calling thread, and the kernel reads `size` bytes behind a pointer to a
        // value that outlives the call. If it fails, the thread is scheduled as before.
        unsafe {
            libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0);
        }
    }

    /// Returns the nice value of the calling thread.
    fn now() -> i32 {
        // SAFETY: it takes no pointers. It fails for threads that are not there only.
        unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
    }
}
