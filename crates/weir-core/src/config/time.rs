use std::time::Duration;

const UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration such as `10s`, `500ms`, `1h30m` or `30d`.
pub fn parse_duration(text: &str) -> Result<Duration, &'static str> {
    const WRONG: &str = "is not a duration: write a number and a unit, like \"10s\" or \"30d\"";
    let mut rest = text.trim();
    if rest == "0" {
        return Ok(Duration::ZERO);
    }
    if rest.is_empty() {
        return Err(WRONG);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or(WRONG)?;
        let number: u64 = rest[..digits].parse().map_err(|_| WRONG)?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = rest[..letters].trim();
        let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(WRONG)?;
        total = number
            .checked_mul(*ms)
            .and_then(|ms| total.checked_add(ms))
            .ok_or("is longer than time itself")?;
        rest = &rest[letters..];
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration the way [`parse_duration`] reads it, in one unit.
pub fn format_duration(duration: Duration) -> String {
    let ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    for (name, unit) in UNITS {
        if ms >= unit && ms.is_multiple_of(unit) {
            return format!("{}{name}", ms / unit);
        }
    }
    "0s".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("30d"), Ok(Duration::from_secs(30 * 86_400)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_no_duration_says_how_one_looks() {
        for text in ["", "10", "s", "-1s", "10 years", "1.5h"] {
            assert!(parse_duration(text).unwrap_err().contains("10s"), "{text}");
        }
    }

    #[test]
    fn a_duration_reads_back_as_itself() {
        for text in ["10s", "500ms", "90m", "30d", "1h", "0s"] {
            assert_eq!(format_duration(parse_duration(text).unwrap()), text);
        }
    }
}
