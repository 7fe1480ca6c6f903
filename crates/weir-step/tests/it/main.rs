//! The crate through its public interface, with real processes.

mod bad;
mod collect;
mod container;
mod crash;
mod declare;
mod pachyderm;
mod retail;
mod scheduled;
mod secret;
mod tables;
mod world;
