use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::super::Cell;

/// A type as the server describes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColumnType {
    pub(super) oid: u32,
    pub(super) modifier: i32,
}

/// Reads the text the server sent for a value of type `oid`.
///
/// What does not fit our types, such as the date `infinity`, stays text.
pub(super) fn cell_of(oid: u32, text: &str) -> Cell {
    let typed = match oid {
        16 => Some(Cell::Bool(text == "t")),
        20 | 21 | 23 | 26 => text.parse().ok().map(Cell::Int),
        700 | 701 => text.parse().ok().map(Cell::Float),
        1700 => Some(Cell::Decimal(text.to_owned())),
        1082 => NaiveDate::parse_from_str(text, "%Y-%m-%d")
            .ok()
            .map(Cell::Date),
        1114 => NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f")
            .ok()
            .map(Cell::Timestamp),
        1184 => DateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f%#z")
            .ok()
            .map(Cell::TimestampTz),
        114 | 3802 => serde_json::from_str(text).ok().map(Cell::Json),
        _ => None,
    };
    typed.unwrap_or_else(|| Cell::Text(text.to_owned()))
}

/// Returns the SQL name of a built-in type with its measures; none for types the server must name.
pub(super) fn name_of(oid: u32, modifier: i32) -> Option<String> {
    let plain = match oid {
        16 => "boolean",
        17 => "bytea",
        18 => "\"char\"",
        19 => "name",
        20 => "bigint",
        21 => "smallint",
        23 => "integer",
        25 => "text",
        26 => "oid",
        114 => "json",
        700 => "real",
        701 => "double precision",
        1000 => "boolean[]",
        1007 => "integer[]",
        1009 => "text[]",
        1016 => "bigint[]",
        1082 => "date",
        1083 => "time without time zone",
        1114 => "timestamp without time zone",
        1184 => "timestamp with time zone",
        1186 => "interval",
        1266 => "time with time zone",
        2950 => "uuid",
        3802 => "jsonb",
        1043 => return Some(sized("character varying", modifier)),
        1042 => return Some(sized("character", modifier)),
        1700 if modifier >= 4 => {
            let (precision, scale) = ((modifier - 4) >> 16 & 0xffff, (modifier - 4) & 0x7ff);
            return Some(format!("numeric({precision},{scale})"));
        }
        1700 => "numeric",
        _ => return None,
    };
    Some(plain.to_owned())
}

fn sized(name: &str, modifier: i32) -> String {
    if modifier < 4 {
        return name.to_owned();
    }
    format!("{name}({})", modifier - 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_with_their_offset() {
        let cell = cell_of(1184, "2024-03-01 10:00:00.5+05:30");
        assert_eq!(
            cell.text().as_deref(),
            Some("2024-03-01 10:00:00.500+05:30")
        );
        assert!(matches!(
            cell_of(1184, "2024-03-01 10:00:00+00"),
            Cell::TimestampTz(_)
        ));
    }

    #[test]
    fn what_does_not_fit_stays_text() {
        assert_eq!(cell_of(1082, "infinity"), Cell::Text("infinity".to_owned()));
        assert_eq!(
            cell_of(1082, "0044-03-15 BC"),
            Cell::Text("0044-03-15 BC".to_owned())
        );
    }

    #[test]
    fn measures_stand_in_the_name() {
        assert_eq!(name_of(1043, 24).as_deref(), Some("character varying(20)"));
        assert_eq!(
            name_of(1700, ((10 << 16) | 2) + 4).as_deref(),
            Some("numeric(10,2)")
        );
        assert_eq!(name_of(1700, -1).as_deref(), Some("numeric"));
        assert_eq!(name_of(99_999, -1), None);
    }
}
