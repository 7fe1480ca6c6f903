//! From a request to rows in a real lake.

mod lake;
mod mutated;
