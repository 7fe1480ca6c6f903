//! The engine over a real lake on disk: what it answers, and what it refuses.

mod fixture;
mod hostile;
mod reading;
mod rights;
mod slt;
mod transactions;
mod writes;
