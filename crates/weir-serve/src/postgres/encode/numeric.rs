use bytes::{BufMut, BytesMut};

/// Powers of ten that bring a number's last digits to a group of four.
const TO_GROUP: [i128; 4] = [1, 1_000, 100, 10];

/// Writes a decimal number, given as an integer and how many of its digits are behind the point, as
/// Postgres' `numeric_send` does.
pub(in crate::postgres) fn send(value: i128, scale: i8, out: &mut BytesMut) {
    let behind = usize::try_from(scale).unwrap_or(0);
    let aligned = match scale {
        0.. => value.checked_mul(TO_GROUP[behind % 4]),
        _ => None,
    };
    let Some(aligned) = aligned else {
        let mut digits = String::new();
        let _ = super::text::decimal(value, scale, &mut digits);
        return send_text(&digits, out);
    };
    // Groups from the last to the first, those that are zero at the end left out.
    let mut groups = [0_u16; 11];
    let (mut count, mut rest) = (0, aligned.unsigned_abs());
    let mut weight = -(behind.div_ceil(4) as i16) - 1;
    while rest > 0 {
        let group = match u64::try_from(rest) {
            Ok(small) => {
                rest = u128::from(small / 10_000);
                (small % 10_000) as u16
            }
            Err(_) => {
                let group = (rest % 10_000) as u16;
                rest /= 10_000;
                group
            }
        };
        weight += 1;
        if count > 0 || group > 0 {
            groups[count] = group;
            count += 1;
        }
    }
    out.put_u16(count as u16);
    out.put_i16(if count == 0 { 0 } else { weight });
    out.put_u16(if value < 0 { 0x4000 } else { 0 });
    out.put_u16(behind as u16);
    for group in groups[..count].iter().rev() {
        out.put_u16(*group);
    }
}

/// Writes a decimal number, given in text, as Postgres' `numeric_send` does: digits to the base of
/// 10,000, and where the point is.
pub(in crate::postgres) fn send_text(text: &str, out: &mut BytesMut) {
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
        send_text(text, &mut out);
        out.chunks(2)
            .map(|pair| i16::from_be_bytes([pair[0], pair[1]]))
            .collect()
    }

    #[test]
    fn integers_with_a_scale_are_sent_as_their_text_is() {
        let values = [
            0,
            1,
            -1,
            5,
            9_999,
            10_000,
            12_345_678,
            -120_000_000,
            i64::MAX.into(),
        ];
        let large = [
            10_i128.pow(37) + 1,
            -(10_i128.pow(38) - 1),
            99_990_000 * 10_i128.pow(24),
        ];
        for value in values.into_iter().chain(large) {
            for scale in [-3, 0, 1, 2, 3, 4, 5, 8, 9, 38] {
                let mut text = String::new();
                super::super::text::decimal(value, scale, &mut text).unwrap();
                let (mut ours, mut theirs) = (BytesMut::new(), BytesMut::new());
                send(value, scale, &mut ours);
                send_text(&text, &mut theirs);
                assert_eq!(ours, theirs, "{text}");
            }
        }
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
