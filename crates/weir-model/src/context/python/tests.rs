//! What Python's own modules give for the same templates.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use weir_jinja::{Dict, Environment, ErrorKind, Interpreter, Template};

use super::*;

#[derive(Debug)]
struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(1_709_647_629, 123_456_789).unwrap()
    }
}

fn render(text: &str) -> weir_jinja::Result<String> {
    let clock: Arc<dyn Clock> = Arc::new(Stopped);
    let modules = modules(&clock);
    let names = Dict::new();
    for (short, module) in [
        ("dt", "datetime"),
        ("pytz", "pytz"),
        ("re", "re"),
        ("it", "itertools"),
    ] {
        names.set_str(short, modules.get_attr(module)?);
    }
    Interpreter::new(Arc::new(Environment::new())).render(&Template::parse("x", text)?, &names)
}

#[test]
fn the_clock_is_the_one_given() {
    let text = "{{ dt.datetime.now() }} {{ dt.date.today() }} {{ dt.datetime.now(pytz.timezone('Asia/Tokyo')) }}";
    let wanted = "2024-03-05 14:07:09.123456 2024-03-05 2024-03-05 23:07:09.123456+09:00";
    assert_eq!(render(text).unwrap(), wanted);
}

#[test]
fn what_makes_no_sense_is_an_error() {
    for (text, kind) in [
        ("{{ dt.datetime(2024, 2, 30) }}", ErrorKind::Value),
        ("{{ dt.datetime(2024, 13, 1) }}", ErrorKind::Value),
        ("{{ dt.datetime(0, 1, 1) }}", ErrorKind::Value),
        ("{{ dt.datetime(99999999999, 1, 1) }}", ErrorKind::Value),
        ("{{ dt.datetime() }}", ErrorKind::Type),
        ("{{ dt.datetime('2024') }}", ErrorKind::Type),
        ("{{ dt.time(25) }}", ErrorKind::Value),
        ("{{ dt.date.max + dt.timedelta(1) }}", ErrorKind::Overflow),
        (
            "{{ dt.datetime.min - dt.timedelta(1) }}",
            ErrorKind::Overflow,
        ),
        ("{{ dt.timedelta(10 ** 12) }}", ErrorKind::Overflow),
        (
            "{{ dt.timedelta(9223372036854775807) * 9223372036854775807 }}",
            ErrorKind::Overflow,
        ),
        ("{{ dt.timedelta(1) / 0 }}", ErrorKind::ZeroDivision),
        ("{{ dt.timedelta('a') }}", ErrorKind::Type),
        ("{{ dt.datetime(2024, 1, 1) + 1 }}", ErrorKind::Type),
        (
            "{{ dt.datetime(2024, 1, 1) - pytz.utc.localize(dt.datetime(2024, 1, 1)) }}",
            ErrorKind::Type,
        ),
        (
            "{{ dt.datetime(2024, 1, 1) < pytz.utc.localize(dt.datetime(2024, 1, 1)) }}",
            ErrorKind::Type,
        ),
        ("{{ dt.datetime.strptime('x', '%Y') }}", ErrorKind::Value),
        (
            "{{ dt.datetime.strptime('2024x', '%Y') }}",
            ErrorKind::Value,
        ),
        ("{{ dt.datetime.strptime('2024', '%Q') }}", ErrorKind::Value),
        (
            "{{ dt.datetime.strptime('2023-02-29', '%Y-%m-%d') }}",
            ErrorKind::Value,
        ),
        (
            "{{ dt.datetime.fromisoformat('2024-1-1') }}",
            ErrorKind::Value,
        ),
        ("{{ dt.datetime.fromisoformat('日本') }}", ErrorKind::Value),
        (
            "{{ dt.datetime.fromtimestamp(1e300) }}",
            ErrorKind::Overflow,
        ),
        ("{{ pytz.timezone('Europe/Pari') }}", ErrorKind::Key),
        ("{{ pytz.FixedOffset(99999999999) }}", ErrorKind::Value),
        ("{{ re.match('(', 'a') }}", ErrorKind::Value),
        ("{{ re.match('(?=a)', 'a') }}", ErrorKind::Value),
        ("{{ re.match('(a{1000}){1000}', 'a') }}", ErrorKind::Value),
        ("{{ re.sub('a', '\\\\9', 'a') }}", ErrorKind::Value),
        ("{{ re.match('a', 5) }}", ErrorKind::Type),
        ("{{ re.match('a', 'a').group(3) }}", ErrorKind::Index),
        ("{{ it.count() }}", ErrorKind::Unsupported),
        ("{{ it.repeat(1, 10 ** 9) }}", ErrorKind::Limit),
        ("{{ it.product(range(1000), repeat=5) }}", ErrorKind::Limit),
        ("{{ it.permutations(range(100), 50) }}", ErrorKind::Limit),
        ("{{ it.combinations(range(1000), 900) }}", ErrorKind::Limit),
    ] {
        assert_eq!(
            render(text).map_err(|error| error.kind()),
            Err(kind),
            "{text}"
        );
    }
    let error = render("{{ pytz.timezone('Europe/Pari') }}").unwrap_err();
    assert_eq!(error.hint(), Some("did you mean `Europe/Paris`?"));
}

#[test]
fn templates_give_what_python_gives() {
    let mut wrong = Vec::new();
    for (text, wanted) in CASES {
        match render(text) {
            Ok(given) if given == *wanted => {}
            given => wrong.push(format!("{text}\n   gives {given:?}\n  wanted {wanted:?}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {} differ:\n{}",
        wrong.len(),
        CASES.len(),
        wrong.join("\n")
    );
}

const CASES: &[(&str, &str)] = &[
    ("{{ dt.datetime(2024, 2, 29) }}", "2024-02-29 00:00:00"),
    (
        "{{ dt.datetime(2024, 2, 29, 12, 5, 7, 90) }}",
        "2024-02-29 12:05:07.000090",
    ),
    ("{{ dt.date(2024, 2, 29) }}", "2024-02-29"),
    ("{{ dt.time(5, 6) }}", "05:06:00"),
    ("{{ dt.time(5, 6, 7, 8) }}", "05:06:07.000008"),
    (
        "{{ [dt.datetime(2024, 2, 29, 1, 2), dt.datetime(2024, 2, 29, 1, 2, 3, 4), dt.date(2024, 1, 1), dt.time(1, 2), dt.time(1, 2, 3), dt.timedelta(1, 2, 3), dt.timedelta()] }}",
        "[datetime.datetime(2024, 2, 29, 1, 2), datetime.datetime(2024, 2, 29, 1, 2, 3, 4), datetime.date(2024, 1, 1), datetime.time(1, 2), datetime.time(1, 2, 3), datetime.timedelta(days=1, seconds=2, microseconds=3), datetime.timedelta(0)]",
    ),
    (
        "{{ dt.datetime(2024, 1, 31) + dt.timedelta(days=1) }}",
        "2024-02-01 00:00:00",
    ),
    (
        "{{ dt.date(2024, 3, 1) - dt.timedelta(days=1) }}",
        "2024-02-29",
    ),
    (
        "{{ (dt.date(2024, 3, 1) - dt.date(2024, 1, 1)).days }}",
        "60",
    ),
    (
        "{{ dt.datetime(2024, 1, 2) - dt.datetime(2024, 1, 1, 23) }}",
        "1:00:00",
    ),
    (
        "{{ dt.timedelta(hours=1) + dt.datetime(2024, 1, 1) }}",
        "2024-01-01 01:00:00",
    ),
    (
        "{{ dt.timedelta(days=1, hours=2, minutes=3, seconds=4, milliseconds=5, microseconds=6, weeks=1) }}",
        "8 days, 2:03:04.005006",
    ),
    ("{{ dt.timedelta(seconds=-1) }}", "-1 day, 23:59:59"),
    ("{{ dt.timedelta(days=1.5) }}", "1 day, 12:00:00"),
    ("{{ dt.timedelta(days=-2) }}", "-2 days, 0:00:00"),
    ("{{ dt.timedelta(minutes=90).total_seconds() }}", "5400.0"),
    ("{{ dt.timedelta(seconds=-1).days }}", "-1"),
    ("{{ dt.timedelta(seconds=-1).seconds }}", "86399"),
    ("{{ dt.timedelta(days=3) * 2 }}", "6 days, 0:00:00"),
    ("{{ dt.timedelta(days=3) / 2 }}", "1 day, 12:00:00"),
    ("{{ dt.timedelta(days=3) // 2 }}", "1 day, 12:00:00"),
    ("{{ dt.timedelta(days=3) / dt.timedelta(hours=1) }}", "72.0"),
    ("{{ dt.timedelta(days=3) // dt.timedelta(hours=5) }}", "14"),
    (
        "{{ dt.timedelta(days=3) % dt.timedelta(hours=5) }}",
        "2:00:00",
    ),
    ("{{ -dt.timedelta(1) }}", "-1 day, 0:00:00"),
    ("{{ 2 * dt.timedelta(1) }}", "2 days, 0:00:00"),
    ("{{ dt.timedelta(1) - dt.timedelta(2) }}", "-1 day, 0:00:00"),
    ("{{ dt.timedelta(-3) // dt.timedelta(2) }}", "-2"),
    ("{{ dt.timedelta(1) * 0.5 }}", "12:00:00"),
    ("{{ dt.timedelta(1) > dt.timedelta(0) }}", "True"),
    ("{{ dt.timedelta(1) == dt.timedelta(hours=24) }}", "True"),
    ("{{ 1 if dt.timedelta(0) else 2 }}", "2"),
    ("{{ {dt.timedelta(1): 'x'}[dt.timedelta(hours=24)] }}", "x"),
    (
        "{{ [dt.timedelta(2), dt.timedelta(1)]|sort|join(',') }}",
        "1 day, 0:00:00,2 days, 0:00:00",
    ),
    (
        "{{ [dt.date(2024, 1, 2), dt.date(2024, 1, 1)]|max }}",
        "2024-01-02",
    ),
    (
        "{{ dt.datetime(2024, 3, 5, 14, 7, 9, 123456).strftime('%Y-%m-%d %H:%M:%S.%f %y %j %a %A %b %B %p %I %d %w %u %U %W %V %G %% %-d %-m %e') }}",
        "2024-03-05 14:07:09.123456 24 065 Tue Tuesday Mar March PM 02 05 2 2 09 10 10 2024 % 5 3  5",
    ),
    (
        "{{ dt.date(2024, 3, 5).strftime('%Y%m%d %H:%M') }}",
        "20240305 00:00",
    ),
    (
        "{{ dt.datetime(2024, 3, 5).strftime('%c|%x|%X|%D|%F|%T|%R|%z|%Z|%Q') }}",
        "Tue Mar  5 00:00:00 2024|03/05/24|00:00:00|03/05/24|2024-03-05|00:00:00|00:00|||%Q",
    ),
    ("{{ dt.time(13, 5).strftime('%I:%M %p') }}", "01:05 PM"),
    (
        "{{ dt.datetime(2024, 3, 5, 1).isoformat() }}",
        "2024-03-05T01:00:00",
    ),
    (
        "{{ dt.datetime(2024, 3, 5, 1, 2, 3, 4).isoformat() }}",
        "2024-03-05T01:02:03.000004",
    ),
    (
        "{{ dt.datetime(2024, 3, 5).isoformat(' ') }}",
        "2024-03-05 00:00:00",
    ),
    (
        "{{ dt.datetime(2024, 3, 5).isoformat(timespec='minutes') }}",
        "2024-03-05T00:00",
    ),
    ("{{ dt.date(2024, 3, 5).isoformat() }}", "2024-03-05"),
    ("{{ dt.time(1, 2).isoformat() }}", "01:02:00"),
    (
        "{{ dt.datetime.strptime('2024-03-05', '%Y-%m-%d') }}",
        "2024-03-05 00:00:00",
    ),
    (
        "{{ dt.datetime.strptime('2024-03-05 14:07:09.5', '%Y-%m-%d %H:%M:%S.%f') }}",
        "2024-03-05 14:07:09.500000",
    ),
    (
        "{{ dt.datetime.strptime('5 Mar 24 2PM', '%d %b %y %I%p') }}",
        "2024-03-05 14:00:00",
    ),
    (
        "{{ dt.datetime.strptime('20240305', '%Y%m%d').date() }}",
        "2024-03-05",
    ),
    (
        "{{ dt.datetime.strptime('March 5, 2024', '%B %d, %Y').strftime('%d/%m/%Y') }}",
        "05/03/2024",
    ),
    (
        "{{ dt.datetime.strptime('2024-065', '%Y-%j') }}",
        "2024-03-05 00:00:00",
    ),
    (
        "{{ dt.datetime.strptime('2024-03-05T01:02:03+0130', '%Y-%m-%dT%H:%M:%S%z') }}",
        "2024-03-05 01:02:03+01:30",
    ),
    (
        "{{ dt.datetime.strptime('12:30 AM', '%I:%M %p').hour }}",
        "0",
    ),
    (
        "{{ dt.datetime.strptime('930', '%H%M') }}",
        "1900-01-01 09:30:00",
    ),
    (
        "{{ dt.datetime.fromisoformat('2024-03-05') }}",
        "2024-03-05 00:00:00",
    ),
    (
        "{{ dt.datetime.fromisoformat('2024-03-05T01:02:03.004') }}",
        "2024-03-05 01:02:03.004000",
    ),
    (
        "{{ dt.datetime.fromisoformat('2024-03-05 01:02+02:00') }}",
        "2024-03-05 01:02:00+02:00",
    ),
    ("{{ dt.date.fromisoformat('2024-03-05') }}", "2024-03-05"),
    (
        "{{ dt.datetime.fromisoformat('2024-03-05T01:02:03Z') }}",
        "2024-03-05 01:02:03+00:00",
    ),
    (
        "{{ dt.datetime(2024, 3, 5).replace(day=1) }}",
        "2024-03-01 00:00:00",
    ),
    (
        "{{ dt.date(2024, 3, 5).replace(month=1, day=2) }}",
        "2024-01-02",
    ),
    ("{{ dt.datetime(2024, 3, 5, 6).date() }}", "2024-03-05"),
    ("{{ dt.datetime(2024, 3, 5, 6).time() }}", "06:00:00"),
    ("{{ dt.datetime(2024, 3, 5).year }}", "2024"),
    ("{{ dt.datetime(2024, 3, 5, 6, 7, 8, 9).microsecond }}", "9"),
    ("{{ dt.datetime(2024, 3, 5).weekday() }}", "1"),
    ("{{ dt.date(2024, 3, 5).isoweekday() }}", "2"),
    ("{{ dt.date(2024, 12, 30).isocalendar()[1] }}", "1"),
    ("{{ dt.date(2024, 3, 5).toordinal() }}", "738950"),
    (
        "{{ dt.datetime.combine(dt.date(2024, 1, 1), dt.time(5)) }}",
        "2024-01-01 05:00:00",
    ),
    ("{{ dt.date.min }}", "0001-01-01"),
    ("{{ dt.datetime.max }}", "9999-12-31 23:59:59.999999"),
    (
        "{{ dt.datetime.utcfromtimestamp(86400.5) }}",
        "1970-01-02 00:00:00.500000",
    ),
    ("{{ dt.date.fromordinal(738950) }}", "2024-03-05"),
    (
        "{{ dt.datetime(2024, 1, 1) < dt.datetime(2024, 1, 2) }}",
        "True",
    ),
    (
        "{{ dt.datetime(2024, 1, 1) == dt.datetime(2024, 1, 1) }}",
        "True",
    ),
    (
        "{{ dt.datetime(2024, 1, 1) in [dt.datetime(2024, 1, 1)] }}",
        "True",
    ),
    (
        "{{ dt.datetime(2024, 1, 1) == pytz.utc.localize(dt.datetime(2024, 1, 1)) }}",
        "False",
    ),
    ("{{ dt.datetime(2024, 1, 1) is number }}", "False"),
    ("{{ dt.datetime(2024, 1, 1) is defined }}", "True"),
    (
        "{{ pytz.utc.localize(dt.datetime(2024, 1, 1)) }}",
        "2024-01-01 00:00:00+00:00",
    ),
    (
        "{{ pytz.timezone('America/New_York').localize(dt.datetime(2024, 7, 1)) }}",
        "2024-07-01 00:00:00-04:00",
    ),
    (
        "{{ pytz.timezone('America/New_York').localize(dt.datetime(2024, 1, 1)).strftime('%z %Z') }}",
        "-0500 EST",
    ),
    ("{{ pytz.timezone('Europe/Paris') }}", "Europe/Paris"),
    ("{{ pytz.utc }}", "UTC"),
    ("{{ pytz.timezone('UTC').zone }}", "UTC"),
    ("{{ pytz.timezone('us/pacific').zone }}", "US/Pacific"),
    (
        "{{ pytz.utc.localize(dt.datetime(2024, 7, 1, 12)).astimezone(pytz.timezone('Asia/Tokyo')) }}",
        "2024-07-01 21:00:00+09:00",
    ),
    (
        "{{ pytz.utc.localize(dt.datetime(2024, 7, 1, 12)).astimezone(pytz.timezone('Europe/Berlin')).isoformat() }}",
        "2024-07-01T14:00:00+02:00",
    ),
    (
        "{{ pytz.utc.localize(dt.datetime(2024, 7, 1, 12)) - pytz.timezone('Asia/Tokyo').localize(dt.datetime(2024, 7, 1, 12)) }}",
        "9:00:00",
    ),
    (
        "{{ dt.datetime(2024, 1, 1, tzinfo=pytz.utc) }}",
        "2024-01-01 00:00:00+00:00",
    ),
    (
        "{{ dt.datetime(2024, 1, 1).replace(tzinfo=pytz.UTC).tzinfo }}",
        "UTC",
    ),
    (
        "{{ pytz.utc.localize(dt.datetime(2024, 1, 1)).replace(tzinfo=none) }}",
        "2024-01-01 00:00:00",
    ),
    (
        "{{ pytz.utc.localize(dt.datetime(2024, 1, 1)).timestamp() }}",
        "1704067200.0",
    ),
    (
        "{{ pytz.timezone('Europe/Paris').localize(dt.datetime(2024, 10, 27, 2, 30)) }}",
        "2024-10-27 02:30:00+01:00",
    ),
    (
        "{{ pytz.timezone('Asia/Tokyo').localize(dt.datetime(2024, 1, 1)).utcoffset() }}",
        "9:00:00",
    ),
    ("{{ re.match('a+', 'aab').group() }}", "aa"),
    ("{{ re.match('b', 'ab') }}", "None"),
    ("{{ re.search('b', 'ab').start() }}", "1"),
    (
        "{{ re.search('(?P<x>b)(c)?', 'abd').groupdict() }}",
        "{'x': 'b'}",
    ),
    ("{{ re.search('(b)(c)?', 'ab').groups() }}", "('b', None)"),
    ("{{ re.fullmatch('a+', 'aab') }}", "None"),
    ("{{ re.fullmatch('a+b', 'aab').span() }}", "(0, 3)"),
    (
        "{{ re.search('b', 'ab') }}",
        "<re.Match object; span=(1, 2), match='b'>",
    ),
    ("{{ 1 if re.match('x', 'y') else 2 }}", "2"),
    ("{{ re.search('(a)(b)', 'ab')[1] }}", "a"),
    ("{{ re.search('(a)(b)', 'ab').group(1, 2) }}", "('a', 'b')"),
    ("{{ re.findall('[0-9]+', 'a1b22') }}", "['1', '22']"),
    (
        "{{ re.findall('(a)(b)', 'abab') }}",
        "[('a', 'b'), ('a', 'b')]",
    ),
    ("{{ re.findall('(a)b', 'abab') }}", "['a', 'a']"),
    ("{{ re.split('[,;] *', 'a, b;c') }}", "['a', 'b', 'c']"),
    ("{{ re.split('(,)', 'a,b') }}", "['a', ',', 'b']"),
    ("{{ re.split(',', 'a,b,c', maxsplit=1) }}", "['a', 'b,c']"),
    ("{{ re.sub('b+', 'X', 'abbb') }}", "aX"),
    ("{{ re.sub('(a)(b)', '\\\\2\\\\1', 'abab') }}", "baba"),
    ("{{ re.sub('(?P<n>a)', '<\\\\g<n>>', 'aba') }}", "<a>b<a>"),
    ("{{ re.sub('a', 'b', 'aaa', count=2) }}", "bba"),
    ("{{ re.subn('a', 'b', 'aaa') }}", "('bbb', 3)"),
    ("{{ re.sub('x*', '-', 'abc') }}", "-a-b-c-"),
    ("{{ re.escape('a.b*c') }}", "a\\.b\\*c"),
    ("{{ re.search('B', 'ab', re.IGNORECASE).group() }}", "b"),
    ("{{ re.findall('^a', 'a\\na', flags=re.M) }}", "['a', 'a']"),
    ("{{ re.compile('a(b)').search('xab').group(1) }}", "b"),
    ("{{ re.compile('A', re.I).sub('z', 'aA') }}", "zz"),
    ("{{ re.match('a.b', 'a\\nb', re.S).group()|length }}", "3"),
    ("{{ re.search('b\\\\Z', 'ab').group() }}", "b"),
    (
        "{{ re.match('\\\\w+\\\\s\\\\d{2}', 'ab 12').group() }}",
        "ab 12",
    ),
    ("{{ re.compile('x').pattern }}", "x"),
    ("{{ re.sub('\\\\s+', ' ', 'a  b\\n c') }}", "a b c"),
    (
        "{{ re.search('\\\\\"(.*)\\\\\"', 'say \"hi\"').group(1) }}",
        "hi",
    ),
    ("{{ re.match('[^a-z]', 'A').end() }}", "1"),
    ("{{ it.chain([1], [2, 3])|list }}", "[1, 2, 3]"),
    (
        "{{ it.product([1, 2], 'ab')|list }}",
        "[(1, 'a'), (1, 'b'), (2, 'a'), (2, 'b')]",
    ),
    (
        "{{ it.product([0, 1], repeat=2)|list }}",
        "[(0, 0), (0, 1), (1, 0), (1, 1)]",
    ),
    (
        "{{ it.combinations([1, 2, 3], 2)|list }}",
        "[(1, 2), (1, 3), (2, 3)]",
    ),
    (
        "{{ it.permutations([1, 2, 3], 2)|list }}",
        "[(1, 2), (1, 3), (2, 1), (2, 3), (3, 1), (3, 2)]",
    ),
    (
        "{{ it.combinations_with_replacement([1, 2], 2)|list }}",
        "[(1, 1), (1, 2), (2, 2)]",
    ),
    (
        "{{ it.zip_longest([1, 2], [3])|list }}",
        "[(1, 3), (2, None)]",
    ),
    (
        "{{ it.zip_longest([1, 2], [3], fillvalue='-')|list }}",
        "[(1, 3), (2, '-')]",
    ),
    ("{{ it.islice([1, 2, 3, 4], 2)|list }}", "[1, 2]"),
    ("{{ it.islice([1, 2, 3, 4], 1, none, 2)|list }}", "[2, 4]"),
    ("{{ it.accumulate([1, 2, 3])|list }}", "[1, 3, 6]"),
    ("{{ it.compress('abc', [1, 0, 1])|list }}", "['a', 'c']"),
    ("{{ it.repeat('a', 3)|list }}", "['a', 'a', 'a']"),
    ("{{ it.permutations([1, 2])|list }}", "[(1, 2), (2, 1)]"),
    ("{{ it.accumulate(['a', 'b'])|list if false else '' }}", ""),
    ("{{ '{:%Y-%m}'.format(dt.date(2024, 3, 5)) }}", "2024-03"),
    ("{{ '%s' % dt.date(2024, 3, 5) }}", "2024-03-05"),
    ("{{ dt.date(2024, 3, 5) ~ 'x' }}", "2024-03-05x"),
    ("{{ dt.date(2024, 1, 1).strftime('%%') }}", "%"),
    ("{{ dt.datetime(2024, 1, 1).strftime('') }}", ""),
    (
        "{{ (dt.datetime(2024, 1, 1) - dt.timedelta(microseconds=1)).isoformat() }}",
        "2023-12-31T23:59:59.999999",
    ),
];
