use bytes::{BufMut, BytesMut};

/// Writes a decimal number, given in text, as Postgres' `numeric_send` does: digits to the base of
/// 10,000, and where the point is.
pub(in crate::postgres) fn send(text: &str, out: &mut BytesMut) {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    // Groups of four on both sides of the point.
    let padded = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
    let after = format!("{fraction}{}", "0".repeat((4 - fraction.len() % 4) % 4));
    let mut groups: Vec<i16> = padded
        .as_bytes()
        .chunks(4)
        .chain(after.as_bytes().chunks(4))
        .map(|group| {
            group.iter().fold(0, |value, digit| {
                value * 10 + i16::from(digit.wrapping_sub(b'0'))
            })
        })
        .collect();
    let mut weight = (padded.len() / 4) as i16 - 1;
    while groups.last() == Some(&0) {
        groups.pop();
    }
    let leading = groups.iter().take_while(|group| **group == 0).count();
    groups.drain(..leading);
    weight -= leading as i16;
    if groups.is_empty() {
        weight = 0;
    }
    out.put_i16(groups.len() as i16);
    out.put_i16(weight);
    out.put_u16(if negative && !groups.is_empty() {
        0x4000
    } else {
        0
    });
    out.put_i16(fraction.len() as i16);
    for group in groups {
        out.put_i16(group);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(text: &str) -> Vec<i16> {
        let mut out = BytesMut::new();
        send(text, &mut out);
        out.chunks(2)
            .map(|pair| i16::from_be_bytes([pair[0], pair[1]]))
            .collect()
    }

    #[test]
    fn numbers_are_cut_into_groups_of_four() {
        // As `select numeric_send(...)` answers.
        assert_eq!(sent("0"), [0, 0, 0, 0]);
        assert_eq!(sent("12345.678"), [3, 1, 0, 3, 1, 2345, 6780]);
        assert_eq!(sent("-1.50"), [2, 0, 0x4000, 2, 1, 5000]);
        assert_eq!(sent("0.0001"), [1, -1, 0, 4, 1]);
        assert_eq!(sent("10000"), [1, 1, 0, 0, 1]);
        assert_eq!(sent("0.00"), [0, 0, 0, 2]);
    }
}
