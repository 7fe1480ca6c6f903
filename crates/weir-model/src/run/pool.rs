use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use parking_lot::{Condvar, Mutex};

use super::plan::Plan;
use crate::node::UniqueId;

/// Threads that run nodes render templates, which nest deeply.
const STACK: usize = 16 << 20;

/// What is to become of nodes that wait for one that has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// They may run.
    Go,
    /// They are skipped, and what waits for them.
    Skip,
    /// Nothing more is run.
    Stop,
}

/// Work that [`run`] does for each node.
pub(super) trait Work: Sync {
    /// Runs a node on the thread called `thread` (counted from 1), as the `index`-th that begins.
    fn run(&self, id: &UniqueId, thread: usize, index: usize) -> Next;

    /// Takes note that a node is not run, because of `cause` or because everything stops.
    fn skip(&self, id: &UniqueId, cause: Option<&UniqueId>);
}

struct State<'p> {
    plan: &'p Plan,
    positions: HashMap<&'p UniqueId, usize>,
    readers: HashMap<&'p UniqueId, Vec<&'p UniqueId>>,
    missing: HashMap<&'p UniqueId, usize>,
    /// What may run, by its place in the order.
    ready: BinaryHeap<Reverse<usize>>,
    skipped: HashSet<&'p UniqueId>,
    left: usize,
    started: usize,
    running: usize,
    stopped: bool,
}

impl<'p> State<'p> {
    fn new(plan: &'p Plan) -> Self {
        let positions: HashMap<_, _> = plan
            .order
            .iter()
            .enumerate()
            .map(|(at, id)| (id, at))
            .collect();
        let mut readers: HashMap<&UniqueId, Vec<&UniqueId>> = HashMap::new();
        let mut missing = HashMap::new();
        for id in &plan.order {
            let waits: Vec<_> = plan
                .waits_for
                .get(id)
                .into_iter()
                .flatten()
                .filter(|of| positions.contains_key(of))
                .collect();
            missing.insert(id, waits.len());
            for waited in waits {
                readers.entry(waited).or_default().push(id);
            }
        }
        let ready = plan
            .order
            .iter()
            .enumerate()
            .filter(|(_, id)| missing[id] == 0)
            .map(|(at, _)| Reverse(at))
            .collect();
        Self {
            plan,
            positions,
            readers,
            missing,
            ready,
            skipped: HashSet::new(),
            left: plan.order.len(),
            started: 0,
            running: 0,
            stopped: false,
        }
    }

    /// Takes note that a node has ended, and returns what is skipped by it with the cause.
    fn end(&mut self, id: &'p UniqueId, next: Next) -> Vec<(&'p UniqueId, &'p UniqueId)> {
        self.left -= 1;
        self.running -= 1;
        let mut skipped = Vec::new();
        let mut ended = vec![(id, next == Next::Skip)];
        if next == Next::Stop {
            self.stopped = true;
            return skipped;
        }
        while let Some((id, holds_back)) = ended.pop() {
            for reader in self.readers.get(id).cloned().unwrap_or_default() {
                if holds_back && self.skipped.insert(reader) {
                    skipped.push((reader, id));
                }
                let Some(count) = self.missing.get_mut(reader) else {
                    continue;
                };
                *count -= 1;
                if *count > 0 {
                    continue;
                }
                if self.skipped.contains(reader) {
                    self.left -= 1;
                    ended.push((reader, true));
                } else {
                    self.ready.push(Reverse(self.positions[reader]));
                }
            }
        }
        skipped
    }
}

/// Runs the plan on so many threads. Every node is either run or skipped exactly once.
pub(super) fn run(plan: &Plan, threads: usize, work: &dyn Work) {
    let state = Mutex::new(State::new(plan));
    let changed = Condvar::new();
    let worker = |number: usize| {
        loop {
            let mut held = state.lock();
            let (id, index) = loop {
                if held.left == 0 || held.stopped {
                    return;
                }
                if let Some(Reverse(at)) = held.ready.pop() {
                    held.started += 1;
                    held.running += 1;
                    break (&held.plan.order[at], held.started);
                }
                if held.running == 0 {
                    // Nodes wait for each other; parsing should have said so.
                    held.stopped = true;
                    changed.notify_all();
                    return;
                }
                changed.wait(&mut held);
            };
            drop(held);
            let next = work.run(id, number, index);
            let skipped = state.lock().end(id, next);
            for (id, cause) in skipped {
                work.skip(id, Some(cause));
            }
            changed.notify_all();
        }
    };
    std::thread::scope(|scope| {
        let worker = &worker;
        let mut started = 0;
        for number in 1..=threads.clamp(1, plan.order.len().max(1)) {
            let builder = std::thread::Builder::new()
                .name(format!("weir-model-{number}"))
                .stack_size(STACK);
            started += usize::from(builder.spawn_scoped(scope, move || worker(number)).is_ok());
        }
        // No thread to be had: the work is done here.
        if started == 0 {
            worker(1);
        }
    });
    let state = state.into_inner();
    if !state.stopped && state.left == 0 {
        return;
    }
    // What was not reached: everything stops, or nodes wait for each other.
    let reached = |id: &UniqueId| {
        state.missing.get(id) == Some(&0)
            && !state.ready.iter().any(|Reverse(at)| plan.order[*at] == *id)
    };
    for id in plan
        .order
        .iter()
        .filter(|id| !reached(id) && !state.skipped.contains(id))
    {
        work.skip(id, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Log {
        fails: Option<(&'static str, Next)>,
        lines: Mutex<Vec<String>>,
    }

    impl Work for Log {
        fn run(&self, id: &UniqueId, _: usize, _: usize) -> Next {
            self.lines.lock().push(id.to_string());
            match self.fails {
                Some((failing, next)) if failing == id.as_str() => next,
                _ => Next::Go,
            }
        }

        fn skip(&self, id: &UniqueId, _: Option<&UniqueId>) {
            self.lines.lock().push(format!("skip {id}"));
        }
    }

    fn plan(edges: &[(&str, &[&str])]) -> Plan {
        let id = |text: &str| UniqueId::from_text(text);
        Plan {
            order: edges.iter().map(|(name, _)| id(name)).collect(),
            waits_for: edges
                .iter()
                .map(|(name, waits)| (id(name), waits.iter().map(|of| id(of)).collect()))
                .collect(),
        }
    }

    fn lines(log: Log) -> Vec<String> {
        log.lines.into_inner()
    }

    #[test]
    fn nodes_run_behind_what_they_wait_for() {
        let log = Log::default();
        run(
            &plan(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"])]),
            4,
            &log,
        );
        assert_eq!(lines(log), ["a", "b", "c"]);
    }

    #[test]
    fn everything_below_a_failure_is_skipped_once() {
        let log = Log {
            fails: Some(("a", Next::Skip)),
            ..Log::default()
        };
        run(
            &plan(&[("a", &[]), ("b", &["a"]), ("c", &["a", "b"]), ("d", &[])]),
            1,
            &log,
        );
        let mut lines = lines(log);
        lines.sort();
        assert_eq!(lines, ["a", "d", "skip b", "skip c"]);
    }

    #[test]
    fn stopping_skips_what_has_not_begun() {
        let log = Log {
            fails: Some(("a", Next::Stop)),
            ..Log::default()
        };
        run(&plan(&[("a", &[]), ("b", &["a"]), ("c", &[])]), 1, &log);
        assert_eq!(lines(log), ["a", "skip b", "skip c"]);
    }

    #[test]
    fn a_circle_ends_in_skips() {
        let log = Log::default();
        run(&plan(&[("a", &["b"]), ("b", &["a"])]), 2, &log);
        assert_eq!(lines(log), ["skip a", "skip b"]);
    }
}
