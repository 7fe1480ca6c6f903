//! Crash points from outside, in test builds only.

use std::sync::Once;

/// Sets the points named in `WEIR_FAILPOINTS`, as `point=actions;point=actions`.
///
/// A `panic` there ends the whole process, like a power cut: no destructor runs, nothing is
/// flushed.
pub(crate) fn configure() {
    static ONCE: Once = Once::new();
    let Ok(points) = std::env::var("WEIR_FAILPOINTS") else {
        return;
    };
    ONCE.call_once(|| {
        for (name, actions) in points.split(';').filter_map(|point| point.split_once('=')) {
            if let Err(error) = fail::cfg(name, actions) {
                tracing::error!(name, error, "not a crash point");
            }
        }
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            before(info);
            if info
                .payload_as_str()
                .is_some_and(|text| text.contains("failpoint"))
            {
                rustix::process::kill_process(
                    rustix::process::getpid(),
                    rustix::process::Signal::KILL,
                )
                .expect("a process may end itself");
            }
        }));
    });
}
