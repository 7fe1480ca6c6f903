//! Sources from outside: what they send, and what of it is in the tables, whatever is cut off.

mod loading;
mod memory;
mod replication;
mod taps;
