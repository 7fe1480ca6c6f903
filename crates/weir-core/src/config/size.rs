use std::fmt;
use std::str::FromStr;

/// A number of bytes, written `64MB`. Units are powers of 1024, with or without an `i`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

const UNITS: [(&str, u32); 5] = [("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10), ("B", 0)];

impl ByteSize {
    /// Returns the size as a number of bytes.
    pub fn bytes(self) -> u64 {
        self.0
    }

    /// Returns the size for an index or a buffer in memory.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "is not a size: write a number and a unit, like \"64MB\"";
        let text = text.trim();
        let digits = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let number: u64 = text[..digits].parse().map_err(|_| WRONG)?;
        let unit = text[digits..]
            .trim()
            .to_ascii_uppercase()
            .replace("IB", "B");
        let shift = match unit.as_str() {
            "" if number == 0 => 0,
            unit => UNITS.iter().find(|(name, _)| *name == unit).ok_or(WRONG)?.1,
        };
        number
            .checked_mul(1 << shift)
            .map(ByteSize)
            .ok_or("is larger than any disk")
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, shift) in UNITS {
            let unit = 1u64 << shift;
            if self.0 >= unit && self.0.is_multiple_of(unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        f.write_str("0B")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_in_powers_of_1024() {
        assert_eq!("64MB".parse(), Ok(ByteSize(64 << 20)));
        assert_eq!(" 32 KiB ".parse(), Ok(ByteSize(32 << 10)));
        assert_eq!("2tb".parse(), Ok(ByteSize(2 << 40)));
        assert_eq!("0".parse(), Ok(ByteSize(0)));
    }

    #[test]
    fn what_is_no_size_says_how_one_looks() {
        for text in ["", "64", "MB", "-1MB", "1.5GB", "64 potatoes"] {
            assert!(
                text.parse::<ByteSize>().unwrap_err().contains("64MB"),
                "{text}"
            );
        }
        assert!("99999999999TB".parse::<ByteSize>().is_err());
    }

    #[test]
    fn a_size_reads_back_as_itself() {
        for text in ["64MB", "1GB", "500KB", "7B", "1TB", "0B"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
    }
}
