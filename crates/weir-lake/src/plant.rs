//! Bugs that tests plant, to see that the checks which are there to find them do.

use fail::fail_point;

/// Whether a test planted the bug `_name`; never in a build without crash points.
pub(crate) fn planted(_name: &str) -> bool {
    fail_point!(_name, |_| true);
    false
}
