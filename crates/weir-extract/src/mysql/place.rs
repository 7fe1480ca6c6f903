//! Places in a server's log: a file's number, and so many bytes into it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{ExtractError, protocol};

/// Bits of a position that are a place within a file: a transaction may make a file longer than 4 GiB.
const OFFSET_BITS: u32 = 36;

/// A place in the log. Its text is like `12:3456`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Place {
    pub(super) file: u64,
    pub(super) offset: u64,
}

impl Place {
    /// Returns the place in a file of this name, such as `bin.000012`.
    pub(super) fn of(file: &str, offset: u64) -> Result<Self, ExtractError> {
        let number = file
            .rsplit_once('.')
            .and_then(|(_, number)| number.parse().ok());
        let file =
            number.ok_or_else(|| protocol(format!("`{file}` is no name of a file of the log")))?;
        Ok(Self { file, offset })
    }

    /// Returns where the rows of a snapshot of this place stand in the order of changes. `shift` is what the
    /// positions of a server are moved by, where rows of another one came before.
    pub(super) fn position(self, shift: i64) -> Result<i64, ExtractError> {
        let file = i64::try_from(self.file)
            .ok()
            .filter(|file| *file < 1 << (62 - OFFSET_BITS));
        let offset = i64::try_from(self.offset)
            .ok()
            .filter(|offset| *offset < 1 << OFFSET_BITS);
        file.zip(offset)
            .and_then(|(file, offset)| (file << OFFSET_BITS | offset).checked_add(shift))
            .ok_or_else(|| protocol("the log has an impossible position"))
    }

    /// Returns where the changes of a transaction stand that begins here: after a snapshot of this place.
    pub(super) fn change_position(self, shift: i64) -> Result<i64, ExtractError> {
        Ok(self.position(shift)? + 1)
    }

    /// Returns the place at which an event of the same file ends, of which it tells the low 32 bits.
    pub(super) fn after(self, low: u32) -> Self {
        let mut offset = self.offset & !0xffff_ffff | u64::from(low);
        if offset < self.offset {
            offset += 1 << 32;
        }
        Self { offset, ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.offset)
    }
}

impl FromStr for Place {
    type Err = ExtractError;

    fn from_str(text: &str) -> Result<Self, ExtractError> {
        let read = || {
            let (file, offset) = text.split_once(':')?;
            Some(Self {
                file: file.parse().ok()?,
                offset: offset.parse().ok()?,
            })
        };
        read().ok_or_else(|| protocol(format!("`{text}` is no place in a log")))
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl TryFrom<String> for Place {
    type Error = ExtractError;

    fn try_from(text: String) -> Result<Self, ExtractError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_order_and_so_are_their_positions() {
        let place = Place::of("bin.000012", 345).unwrap();
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        let next = Place::of("bin.000013", 4).unwrap();
        assert!(place < next);
        assert!(place.change_position(0).unwrap() < next.position(0).unwrap());
        assert_eq!(next.position(5).unwrap(), (13 << 36) + 9);
        assert!(Place::of("bin", 4).is_err() && "1".parse::<Place>().is_err());
        let far = Place {
            file: 1 << 30,
            offset: 4,
        };
        assert!(far.position(0).is_err());
        // The low half begins anew after 4 GiB.
        let long = Place {
            file: 1,
            offset: 0xffff_fff0,
        };
        assert_eq!(long.after(0x10).offset, 0x1_0000_0010);
        assert_eq!(place.after(400).offset, 400);
    }
}
