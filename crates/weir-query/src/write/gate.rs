use std::sync::atomic::{AtomicU8, Ordering};

const OPEN: u8 = 0;
const COMMITTING: u8 = 1;
const GIVEN_UP: u8 = 2;

/// Decides between "it was cancelled" and "it is done": a statement whose asker was told the one
/// never becomes the other.
#[derive(Debug, Default)]
pub(crate) struct Gate(AtomicU8);

impl Gate {
    /// Enters the commit; false when the statement was given up before.
    pub(crate) fn enter(&self) -> bool {
        self.pass(COMMITTING)
    }

    /// Gives the statement up; false when it commits already.
    pub(crate) fn give_up(&self) -> bool {
        self.pass(GIVEN_UP)
    }

    fn pass(&self, to: u8) -> bool {
        let passed = self
            .0
            .compare_exchange(OPEN, to, Ordering::AcqRel, Ordering::Acquire);
        match passed {
            Ok(_) => true,
            Err(now) => now == to,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_decides() {
        let gate = Gate::default();
        assert!(gate.enter() && gate.enter() && !gate.give_up());
        let gate = Gate::default();
        assert!(gate.give_up() && gate.give_up() && !gate.enter());
    }
}
