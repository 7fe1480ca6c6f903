//! Handing out what can be done now.

use std::collections::{BTreeSet, HashMap};

use super::Graph;
use crate::node::UniqueId;

/// Hands out the things of a graph, each once everything it needs is done.
///
/// Among those that are ready, the one on which most others wait comes first, then the order of parsing.
#[derive(Debug)]
pub struct Queue {
    graph: Graph,
    waiting: HashMap<UniqueId, usize>,
    ready: BTreeSet<(std::cmp::Reverse<usize>, usize)>,
    weights: Vec<usize>,
    running: usize,
    left: usize,
}

impl Queue {
    pub fn new(graph: Graph) -> Self {
        // How many things come after each, the longest way.
        let mut weights = vec![0usize; graph.ids.len()];
        for at in graph.order().into_iter().rev() {
            weights[at] = graph.children[at]
                .iter()
                .map(|child| weights[*child] + 1)
                .max()
                .unwrap_or(0);
        }
        let waiting = graph
            .ids
            .iter()
            .enumerate()
            .map(|(at, id)| (id.clone(), graph.parents[at].len()))
            .collect();
        let ready = (0..graph.ids.len())
            .filter(|at| graph.parents[*at].is_empty())
            .map(|at| (std::cmp::Reverse(weights[at]), at))
            .collect();
        let left = graph.ids.len();
        Self {
            graph,
            waiting,
            ready,
            weights,
            running: 0,
            left,
        }
    }

    /// Takes the next thing that can be done now, if there is one.
    pub fn take(&mut self) -> Option<UniqueId> {
        let (_, at) = self.ready.pop_first()?;
        self.running += 1;
        Some(self.graph.ids[at].clone())
    }

    /// Says that `id`, which was taken, is done or given up.
    pub fn done(&mut self, id: &UniqueId) {
        let Some(&at) = self.graph.index.get(id) else {
            return;
        };
        self.running = self.running.saturating_sub(1);
        self.left = self.left.saturating_sub(1);
        for &child in &self.graph.children[at] {
            let Some(waiting) = self.waiting.get_mut(&self.graph.ids[child]) else {
                continue;
            };
            *waiting = waiting.saturating_sub(1);
            if *waiting == 0 {
                self.ready
                    .insert((std::cmp::Reverse(self.weights[child]), child));
            }
        }
    }

    /// Says whether everything is done.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Returns how many things were taken and are not done.
    pub fn running(&self) -> usize {
        self.running
    }

    /// Returns how many things are not done.
    pub fn left(&self) -> usize {
        self.left
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_most_waits_on_comes_first() {
        let id = |text: &str| UniqueId::from(text);
        let graph = Graph::from_edges([
            (id("a"), vec![]),
            (id("b"), vec![]),
            (id("c"), vec![id("b")]),
        ]);
        let mut queue = Queue::new(graph);
        assert_eq!(queue.take(), Some(id("b")));
        assert_eq!(queue.take(), Some(id("a")));
        assert_eq!(queue.take(), None);
        queue.done(&id("b"));
        assert_eq!(queue.take(), Some(id("c")));
        queue.done(&id("a"));
        queue.done(&id("c"));
        assert!(queue.is_empty());
    }
}
