//! The crate through its public interface, with a clock that is turned by hand.

mod backfill;
mod control;
mod crash;
mod every;
mod follow;
mod lease;
mod pool;
mod process;
mod retry;
mod scale;
mod service;
mod sim;
mod two;
mod world;
mod year;
