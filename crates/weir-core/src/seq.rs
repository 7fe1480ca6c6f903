use std::fmt;

use serde::{Deserialize, Serialize};

/// The position of one row in the write-ahead log: strictly increasing, never reused.
///
/// The first row ever written has number 1; 0 means "before everything".
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Seq(pub u64);

impl Seq {
    /// The position before the first row.
    pub const ZERO: Seq = Seq(0);

    /// Returns the position `rows` further on.
    pub fn plus(self, rows: u64) -> Seq {
        Seq(self.0 + rows)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
