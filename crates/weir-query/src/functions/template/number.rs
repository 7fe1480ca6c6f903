use datafusion::common::Result;

use super::super::time::value_error;

/// A piece of a template of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Digit { zero: bool },
    Group,
    Point,
    Sign,
    Minus,
    Plus,
    Literal(char),
}

struct Template {
    items: Vec<Item>,
    fill: bool,
    angles: bool,
    /// Whether the template says itself where the sign is.
    signed: bool,
}

fn template(text: &str) -> Result<Template> {
    let mut parsed = Template {
        items: Vec::new(),
        fill: false,
        angles: false,
        signed: false,
    };
    let upper = text.to_ascii_uppercase();
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let starts = |word: &str| upper[at..].starts_with(word);
        let (item, length) = if starts("FM") {
            parsed.fill = true;
            (None, 2)
        } else if starts("PR") {
            (parsed.angles, parsed.signed) = (true, true);
            (None, 2)
        } else if starts("MI") {
            parsed.signed = true;
            (Some(Item::Minus), 2)
        } else if starts("PL") {
            (Some(Item::Plus), 2)
        } else if starts("SG") || starts("S") {
            parsed.signed = true;
            (Some(Item::Sign), if starts("SG") { 2 } else { 1 })
        } else if starts("EEEE") || starts("RN") || starts("V") || starts("TH") {
            return Err(value_error(
                "0A000",
                format!("the template `{text}` uses EEEE, RN, TH or V, which are not supported"),
            ));
        } else if c == '"' {
            let end = text[at + 1..]
                .find('"')
                .map_or(text.len(), |end| at + 1 + end);
            let literal = text[at + 1..end].chars().map(Item::Literal);
            parsed.items.extend(literal);
            (None, (end + 1).min(text.len()) - at)
        } else {
            let item = match c {
                '9' => Item::Digit { zero: false },
                '0' => Item::Digit { zero: true },
                ',' | 'G' | 'g' => Item::Group,
                '.' | 'D' | 'd' => Item::Point,
                'L' | 'l' => Item::Literal('$'),
                c => Item::Literal(c),
            };
            (Some(item), c.len_utf8())
        };
        parsed.items.extend(item);
        at += length;
    }
    Ok(parsed)
}

/// Writes a number, given without an exponent, by a template.
pub(super) fn write(number: &str, text: &str) -> Result<String> {
    let template = template(text)?;
    let negative = number.starts_with('-');
    let digits = number.trim_start_matches('-');
    let point = template.items.iter().position(|item| *item == Item::Point);
    let is_digit = |item: &&Item| matches!(item, Item::Digit { .. });
    let (before, after) = match point {
        Some(at) => template.items.split_at(at),
        None => (template.items.as_slice(), [].as_slice()),
    };
    let places = before.iter().filter(is_digit).count();
    let fraction_places = after.iter().filter(is_digit).count();
    let (whole, fraction) = rounded(digits, fraction_places);
    let negative = negative && (whole != "0" || fraction.bytes().any(|b| b != b'0'));
    let whole = match whole.as_str() {
        // A zero shows only where the template asks for it, or where nothing else would.
        "0" if fraction_places > 0 => "",
        whole => whole,
    };
    let overflow = whole.len() > places;
    let first_zero = before
        .iter()
        .filter(is_digit)
        .position(|item| *item == Item::Digit { zero: true })
        .unwrap_or(places);
    let last_zero = after
        .iter()
        .filter(is_digit)
        .enumerate()
        .filter(|(_, item)| **item == Item::Digit { zero: true })
        .last()
        .map_or(0, |(at, _)| at + 1);
    let significant = fraction.trim_end_matches('0').len().max(last_zero);

    let mut out = String::new();
    let mut sign_at = None;
    let (mut place, mut fraction_place) = (0, 0);
    for item in before.iter().chain(after) {
        match item {
            Item::Digit { .. } if fraction_place == 0 && place < places => {
                let missing = places.saturating_sub(whole.len());
                let shown = place >= missing || place >= first_zero;
                if shown && sign_at.is_none() {
                    sign_at = Some(out.len());
                }
                if overflow {
                    out.push('#');
                } else if place >= missing {
                    out.push_str(&whole[place - missing..=place - missing]);
                } else if shown {
                    out.push('0');
                } else if !template.fill {
                    out.push(' ');
                }
                place += 1;
            }
            Item::Digit { .. } => {
                if !template.fill || fraction_place < significant {
                    out.push_str(match overflow {
                        true => "#",
                        false => &fraction[fraction_place..=fraction_place],
                    });
                }
                fraction_place += 1;
            }
            Item::Group => match (sign_at.is_some(), template.fill) {
                (true, _) => out.push(','),
                (false, false) => out.push(' '),
                (false, true) => {}
            },
            Item::Point => {
                if sign_at.is_none() {
                    sign_at = Some(out.len());
                }
                out.push('.');
            }
            Item::Sign => out.push(if negative { '-' } else { '+' }),
            Item::Minus if negative => out.push('-'),
            Item::Plus if !negative => out.push('+'),
            Item::Minus | Item::Plus if !template.fill => out.push(' '),
            Item::Minus | Item::Plus => {}
            Item::Literal(c) => out.push(*c),
        }
    }
    let at = sign_at.unwrap_or(out.len());
    if template.angles {
        match (negative, template.fill) {
            (true, _) => {
                out.insert(at, '<');
                out.push('>');
            }
            (false, false) => out = format!(" {out} "),
            (false, true) => {}
        }
    } else if !template.signed {
        match (negative, template.fill) {
            (true, _) => out.insert(at, '-'),
            (false, false) => out.insert(0, ' '),
            (false, true) => {}
        }
    }
    Ok(out)
}

/// Splits a number, rounded half away from zero to `places` after the point.
fn rounded(number: &str, places: usize) -> (String, String) {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes().take(places)).collect();
    digits.resize(whole.len() + places, b'0');
    if fraction
        .as_bytes()
        .get(places)
        .is_some_and(|next| *next >= b'5')
    {
        let mut at = digits.len();
        loop {
            if at == 0 {
                digits.insert(0, b'1');
                break;
            }
            at -= 1;
            if digits[at] == b'9' {
                digits[at] = b'0';
            } else {
                digits[at] += 1;
                break;
            }
        }
    }
    let split = digits.len() - places;
    let text = |bytes: &[u8]| bytes.iter().map(|b| char::from(*b)).collect::<String>();
    let whole = text(&digits[..split]);
    let trimmed = whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    (whole.to_owned(), text(&digits[split..]))
}

/// Reads a number out of a text, whatever is around it.
pub(super) fn read(text: &str) -> Result<String> {
    let negative = text.contains('-') || (text.contains('<') && text.contains('>'));
    let number: String = text
        .chars()
        .filter(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    if !number.bytes().any(|byte| byte.is_ascii_digit()) || number.matches('.').count() > 1 {
        return Err(value_error("22P02", format!("`{text}` is not a number")));
    }
    Ok(if negative {
        format!("-{number}")
    } else {
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_postgres_does() {
        for (number, template, text) in [
            ("12", "999", "  12"),
            ("-12", "999", " -12"),
            ("1234.5", "9,999.99", " 1,234.50"),
            ("1234.567", "FM9,999.99", "1,234.57"),
            ("0.5", "9.9", "  .5"),
            ("0.5", "0.9", " 0.5"),
            ("0", "99", "  0"),
            ("5", "000", " 005"),
            ("12", "FM999.99", "12."),
            ("12", "FM999.00", "12.00"),
            ("1234", "999", " ###"),
            ("-5", "9MI", "5-"),
            ("5", "S9", "+5"),
            ("-5", "9PR", "<5>"),
            ("1234567", "FM9,999,999", "1,234,567"),
        ] {
            assert_eq!(
                write(number, template).unwrap(),
                text,
                "{number} {template}"
            );
        }
    }
}
