/// A field of a date or time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Hour24,
    Hour12,
    Minute,
    Second,
    SecondOfDay,
    Millisecond,
    Microsecond,
    /// A fraction of so many digits.
    Fraction(u8),
    HalfDay {
        dots: bool,
    },
    YearComma,
    Year(u8),
    IsoYear(u8),
    Era {
        dots: bool,
    },
    MonthName,
    MonthShort,
    Month,
    MonthRoman,
    DayName,
    DayShort,
    DayOfYear,
    IsoDayOfYear,
    Day,
    DayOfWeek,
    IsoDayOfWeek,
    WeekOfMonth,
    WeekOfYear,
    IsoWeek,
    Century,
    Julian,
    Quarter,
    ZoneName,
    ZoneHours,
    ZoneMinutes,
    ZoneOffset,
}

/// How letters are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Upper,
    Title,
    Lower,
}

/// A piece of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Field {
        field: Field,
        case: Case,
        /// No blanks and zeros in front.
        fill: bool,
        /// `st`, `nd`, `rd`, `th` behind.
        ordinal: Option<Case>,
    },
    Literal(char),
}

/// The words, longer ones before those they begin with.
const WORDS: [(&str, Field); 53] = [
    ("HH24", Field::Hour24),
    ("HH12", Field::Hour12),
    ("HH", Field::Hour12),
    ("MI", Field::Minute),
    ("SSSSS", Field::SecondOfDay),
    ("SSSS", Field::SecondOfDay),
    ("SS", Field::Second),
    ("MS", Field::Millisecond),
    ("US", Field::Microsecond),
    ("FF1", Field::Fraction(1)),
    ("FF2", Field::Fraction(2)),
    ("FF3", Field::Fraction(3)),
    ("FF4", Field::Fraction(4)),
    ("FF5", Field::Fraction(5)),
    ("FF6", Field::Fraction(6)),
    ("A.M.", Field::HalfDay { dots: true }),
    ("P.M.", Field::HalfDay { dots: true }),
    ("AM", Field::HalfDay { dots: false }),
    ("PM", Field::HalfDay { dots: false }),
    ("Y,YYY", Field::YearComma),
    ("YYYY", Field::Year(4)),
    ("YYY", Field::Year(3)),
    ("YY", Field::Year(2)),
    ("Y", Field::Year(1)),
    ("IYYY", Field::IsoYear(4)),
    ("IYY", Field::IsoYear(3)),
    ("IY", Field::IsoYear(2)),
    ("IDDD", Field::IsoDayOfYear),
    ("ID", Field::IsoDayOfWeek),
    ("IW", Field::IsoWeek),
    ("I", Field::IsoYear(1)),
    ("B.C.", Field::Era { dots: true }),
    ("A.D.", Field::Era { dots: true }),
    ("BC", Field::Era { dots: false }),
    ("AD", Field::Era { dots: false }),
    ("MONTH", Field::MonthName),
    ("MON", Field::MonthShort),
    ("MM", Field::Month),
    ("RM", Field::MonthRoman),
    ("DAY", Field::DayName),
    ("DY", Field::DayShort),
    ("DDD", Field::DayOfYear),
    ("DD", Field::Day),
    ("D", Field::DayOfWeek),
    ("WW", Field::WeekOfYear),
    ("W", Field::WeekOfMonth),
    ("CC", Field::Century),
    ("J", Field::Julian),
    ("Q", Field::Quarter),
    ("TZH", Field::ZoneHours),
    ("TZM", Field::ZoneMinutes),
    ("TZ", Field::ZoneName),
    ("OF", Field::ZoneOffset),
];

/// Splits a template into its pieces.
pub(super) fn items(template: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = template;
    let mut fill = false;
    while let Some(first) = rest.chars().next() {
        if first == '"' {
            let mut chars = rest[1..].char_indices();
            let mut end = rest.len();
            while let Some((at, c)) = chars.next() {
                match c {
                    '"' => {
                        end = at + 2;
                        break;
                    }
                    '\\' => items.extend(chars.next().map(|(_, c)| Item::Literal(c))),
                    c => items.push(Item::Literal(c)),
                }
            }
            rest = &rest[end.min(rest.len())..];
            continue;
        }
        if starts(rest, "FM") {
            (fill, rest) = (true, &rest[2..]);
            continue;
        }
        if starts(rest, "FX") || starts(rest, "TM") {
            rest = &rest[2..];
            continue;
        }
        let found = WORDS.iter().find(|(word, _)| starts(rest, word));
        let Some((word, field)) = found else {
            items.push(Item::Literal(first));
            rest = &rest[first.len_utf8()..];
            continue;
        };
        let written = &rest[..word.len()];
        rest = &rest[word.len()..];
        let ordinal = match rest.get(..2) {
            Some("TH") => Some(Case::Upper),
            Some("th") => Some(Case::Lower),
            _ => None,
        };
        if ordinal.is_some() {
            rest = &rest[2..];
        }
        items.push(Item::Field {
            field: *field,
            case: case(written),
            fill: std::mem::take(&mut fill),
            ordinal,
        });
    }
    items
}

fn starts(text: &str, word: &str) -> bool {
    text.get(..word.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(word))
}

fn case(word: &str) -> Case {
    let mut letters = word.chars().filter(char::is_ascii_alphabetic);
    let (first, second) = (letters.next(), letters.next());
    let upper = |c: Option<char>| c.is_some_and(|c| c.is_ascii_uppercase());
    match (upper(first), upper(second)) {
        (true, true) => Case::Upper,
        (true, false) => Case::Title,
        (false, _) => Case::Lower,
    }
}
