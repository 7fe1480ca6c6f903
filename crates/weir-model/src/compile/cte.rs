/// Puts common table expressions before what `sql` has of its own.
///
/// `ctes` are names and queries in the order in which they may read one another.
pub(crate) fn inject(sql: &str, ctes: &[(String, String)]) -> String {
    if ctes.is_empty() {
        return sql.to_owned();
    }
    let written: Vec<String> = ctes
        .iter()
        .map(|(name, query)| format!(" {name} as (\n{query}\n)"))
        .collect();
    let written = written.join(",");
    match end_of_with(sql) {
        // The query's own expressions follow ours.
        Some(end) => format!("{}{written},{}", &sql[..end], &sql[end..]),
        None => {
            let start = start_of_query(sql);
            format!("{}with{written}\n{}", &sql[..start], &sql[start..])
        }
    }
}

/// Returns where the first word stands, comments and white space left out.
fn start_of_query(sql: &str) -> usize {
    let bytes = sql.as_bytes();
    let mut at = 0;
    loop {
        match bytes.get(at..) {
            Some([b'-', b'-', ..]) => {
                at = memchr::memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1)
            }
            Some([b'/', b'*', ..]) => at = end_of_comment(bytes, at),
            Some([byte, ..]) if byte.is_ascii_whitespace() => at += 1,
            _ => return at,
        }
    }
}

/// Block comments may stand within one another.
fn end_of_comment(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match &bytes[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                at += 2;
                depth -= 1;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Returns where the expressions of a query that begins with `with` begin.
fn end_of_with(sql: &str) -> Option<usize> {
    let start = start_of_query(sql);
    let after = word(sql, start, "with")?;
    let next = after + start_of_query(&sql[after..]);
    Some(word(sql, next, "recursive").unwrap_or(after))
}

/// Returns the end of `wanted` if it is the word at `start`.
fn word(sql: &str, start: usize, wanted: &str) -> Option<usize> {
    let end = start + wanted.len();
    let found = sql.get(start..end)?;
    let follows = sql
        .as_bytes()
        .get(end)
        .is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    (found.eq_ignore_ascii_case(wanted) && follows).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(sql: &str) -> String {
        inject(sql, &[("a".to_owned(), "select 1".to_owned())])
    }

    #[test]
    fn queries_without_expressions_get_some() {
        assert_eq!(
            one("select * from a"),
            "with a as (\nselect 1\n)\nselect * from a"
        );
        assert_eq!(
            one("-- with\nselect 2"),
            "-- with\nwith a as (\nselect 1\n)\nselect 2"
        );
    }

    #[test]
    fn own_expressions_come_last() {
        assert_eq!(
            one("/* x /* y */ */ WITH b as (select 2) select * from b"),
            "/* x /* y */ */ WITH a as (\nselect 1\n), b as (select 2) select * from b"
        );
        assert_eq!(
            one("with recursive b as (select 2) select 3"),
            "with recursive a as (\nselect 1\n), b as (select 2) select 3"
        );
    }

    #[test]
    fn names_that_begin_alike_are_no_with() {
        assert!(one("without_it").starts_with("with a as"));
        assert_eq!(inject("select 1", &[]), "select 1");
        assert!(one("/* open").contains("with a as"));
    }
}
