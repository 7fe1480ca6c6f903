//! Work on many things at once, with results in the order of the things.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many things a thread takes at a time: few enough to share evenly, many enough to be cheap.
const SHARE: usize = 16;

/// Threads that render templates nest deeply.
const STACK: usize = 16 << 20;

/// Calls `work` for each of `items` on up to `threads` threads.
pub(super) fn map<T: Sync, R: Send>(
    items: &[T],
    threads: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Vec<R>)>> = Mutex::new(Vec::new());
    let worker = || {
        loop {
            let start = next.fetch_add(SHARE, Ordering::Relaxed);
            if start >= items.len() {
                return;
            }
            let end = (start + SHARE).min(items.len());
            let results: Vec<R> = items[start..end].iter().map(&work).collect();
            done.lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .push((start, results));
        }
    };
    let threads = threads.clamp(1, items.len().div_ceil(SHARE).max(1));
    std::thread::scope(|scope| {
        let mut started = 0;
        for number in 0..threads {
            let builder = std::thread::Builder::new()
                .name(format!("weir-parse-{number}"))
                .stack_size(STACK);
            started += usize::from(builder.spawn_scoped(scope, worker).is_ok());
        }
        // No thread to be had: the work is done here.
        if started == 0 {
            worker();
        }
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(start, _)| *start);
    done.into_iter().flat_map(|(_, results)| results).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn results_keep_the_order() {
        let items: Vec<usize> = (0..1000).collect();
        assert_eq!(
            super::map(&items, 2, |item| item * 2),
            (0..2000).step_by(2).collect::<Vec<_>>()
        );
        assert!(super::map(&[] as &[usize], 2, |item| *item).is_empty());
    }
}
