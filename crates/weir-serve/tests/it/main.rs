//! The doors' decoders through their public entry.

mod mutated;
