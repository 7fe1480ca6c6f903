//! The lake through its public interface: what is appended is readable, durable, and there once.

mod apply;
mod crash;
mod damage;
mod loads;
mod panicking;
mod reading;
mod rebuild;
mod retention;
mod statements;
mod store;
mod widening;
