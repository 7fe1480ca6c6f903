//! How the process keeps memory that it has freed.

use std::ffi::{c_int, c_long};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, Ordering};

/// Freed memory is given back after this many milliseconds. The allocator's own second keeps what
/// compaction turned over in it, which is more than all rows in memory; giving back sooner costs half
/// a CPU second per million events.
const GIVE_BACK_AFTER: c_long = 20;

/// The longest that it is while queries run: they free and ask again by the megabyte, and giving it all back in
/// between costs them a tenth of their time (`benches/run --only tpch`).
const GIVE_BACK_AFTER_QUERIES: c_long = 1_000;

/// A millisecond for each of so many bytes that queries may take: where that is little, keeping more than it for
/// long would be most of the process.
const BYTES_A_MILLISECOND: u64 = 4 << 20;

/// What it is while queries run.
static WHILE_QUERIES_RUN: AtomicI64 = AtomicI64::new(GIVE_BACK_AFTER);

/// `mi_option_purge_delay`, the same in versions 2 and 3 of the allocator.
const PURGE_DELAY: c_int = 15;

unsafe extern "C" {
    fn mi_version() -> c_int;
    fn mi_option_set(option: c_int, value: c_long);
}

/// Keeps memory small; called once, before threads are started.
///
/// `MIMALLOC_*` variables still decide where they are set.
pub(crate) fn configure() {
    if std::env::var_os("MIMALLOC_ALLOW_THP").is_none() {
        // Huge pages never become small again while any part of them is used: with them an idle
        // server held several times what it needed, for no speed that could be measured.
        let _ = rustix::thread::disable_transparent_huge_pages(true);
    }
    give_back_after(GIVE_BACK_AFTER);
}

/// Decides for how long freed memory is kept while queries run, which may take so many bytes together.
pub(crate) fn queries_may_take(bytes: u64) {
    let milliseconds = c_long::try_from(bytes / BYTES_A_MILLISECOND).unwrap_or(c_long::MAX);
    let milliseconds = milliseconds.clamp(GIVE_BACK_AFTER, GIVE_BACK_AFTER_QUERIES);
    WHILE_QUERIES_RUN.store(milliseconds, Ordering::Relaxed);
}

/// Keeps freed memory for longer while queries run.
pub(crate) fn queries_run(busy: bool) {
    give_back_after(match busy {
        true => WHILE_QUERIES_RUN.load(Ordering::Relaxed),
        false => GIVE_BACK_AFTER,
    });
}

fn give_back_after(milliseconds: c_long) {
    static OURS: LazyLock<bool> = LazyLock::new(|| {
        // SAFETY: it may be called at any time and from any thread. Another version might give the option
        // another number.
        let known = (20_000..40_000).contains(&unsafe { mi_version() });
        known && std::env::var_os("MIMALLOC_PURGE_DELAY").is_none()
    });
    if *OURS {
        // SAFETY: as above; the allocator reads the option whenever it frees.
        unsafe { mi_option_set(PURGE_DELAY, milliseconds) };
    }
}
