//! Places in a server's log.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{ExtractError, protocol};

/// A place in the log: so many bytes since the cluster was made. Its text is like `16/B374D848`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Lsn(pub(super) u64);

impl Lsn {
    /// Returns where changes of a transaction that committed here stand in the order of changes. `shift` is
    /// what the positions of a cluster are moved by, where rows of another one came before.
    pub(super) fn position(self, shift: i64) -> Result<i64, ExtractError> {
        let place = i64::try_from(self.0)
            .ok()
            .and_then(|at| at.checked_add(shift));
        place.ok_or_else(|| protocol("the log has an impossible position"))
    }

    /// Returns where the rows of a snapshot stand: after all commits before it, and before one that begins
    /// right here. Records lie at multiples of eight.
    pub(super) fn snapshot_position(self, shift: i64) -> Result<i64, ExtractError> {
        Ok(self.position(shift)? - 1)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

impl FromStr for Lsn {
    type Err = ExtractError;

    fn from_str(text: &str) -> Result<Self, ExtractError> {
        let read = || {
            let (high, low) = text.split_once('/')?;
            let high = u32::from_str_radix(high, 16).ok()?;
            let low = u32::from_str_radix(low, 16).ok()?;
            Some(Lsn(u64::from(high) << 32 | u64::from(low)))
        };
        read().ok_or_else(|| protocol(format!("`{text}` is no place in a log")))
    }
}

impl From<Lsn> for String {
    fn from(lsn: Lsn) -> Self {
        lsn.to_string()
    }
}

impl TryFrom<String> for Lsn {
    type Error = ExtractError;

    fn try_from(text: String) -> Result<Self, ExtractError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_numbers() {
        let lsn: Lsn = "16/B374D848".parse().unwrap();
        assert_eq!(lsn, Lsn(0x16_B374_D848));
        assert_eq!(lsn.to_string(), "16/B374D848");
        assert!("x".parse::<Lsn>().is_err());
        assert_eq!(lsn.snapshot_position(2).unwrap(), 0x16_B374_D849);
        let last: Lsn = "FFFFFFFF/FFFFFFFF".parse().unwrap();
        assert!(last.position(0).is_err());
    }
}
