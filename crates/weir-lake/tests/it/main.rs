//! The lake through its public interface: what is appended is readable, durable, and there once.

mod apply;
mod crash;
mod damage;
mod panicking;
mod reading;
mod rebuild;
mod statements;
mod retention;
mod store;
mod widening;
