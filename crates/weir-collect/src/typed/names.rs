//! The names tables and columns get: the rules RudderStack and Segment share, because people's
//! dbt packages were written against them.

use weir_core::is_reserved;

/// The longest name in bytes.
const LONGEST: usize = 127;

/// Tables of the layout, which an event's own table must not be.
pub(crate) const TABLES: [&str; 11] = [
    "tracks",
    "identifies",
    "users",
    "pages",
    "screens",
    "groups",
    "aliases",
    "discards",
    "merges",
    "rudder_discards",
    "accounts",
];

/// Where every table keeps its log.
const LOG: &str = "_delta_log";

/// Returns the name of the table events called `event` lie in, `None` when nothing of the name
/// can be spelt.
pub(crate) fn table_name(event: &str) -> Option<String> {
    let name = safe_name(event)?;
    Some(if TABLES.contains(&name.as_str()) || name == LOG {
        format!("_{name}")
    } else {
        name
    })
}

/// Returns the column name for a first-level key, or for a key below `prefix`.
pub(crate) fn column_name(prefix: &str, key: &str) -> Option<String> {
    if prefix.is_empty() {
        return safe_name(key);
    }
    let words = snake_case(key);
    let words = words.trim_start_matches('_');
    if words.is_empty() {
        return None;
    }
    Some(cut(format!("{prefix}_{words}")))
}

/// Snake case, made usable without quotes: a leading `_` before a digit or a reserved word.
fn safe_name(name: &str) -> Option<String> {
    let mut snake = snake_case(name);
    if snake.trim_start_matches('_').is_empty() {
        return None;
    }
    let digit = snake.chars().next().is_some_and(char::is_numeric);
    if digit || is_reserved(&snake) {
        snake.insert(0, '_');
    }
    Some(cut(snake))
}

fn cut(mut name: String) -> String {
    if name.len() > LONGEST {
        let end = (0..=LONGEST)
            .rev()
            .find(|&at| name.is_char_boundary(at))
            .unwrap_or(0);
        name.truncate(end);
    }
    name
}

/// Words in lower case joined by `_`; leading underscores stay, as senders mean them.
///
/// What is not a letter or digit of ASCII divides words, as with the vendors. A name without any
/// would be nothing then, so such names keep their own letters.
fn snake_case(name: &str) -> String {
    let ascii = name.bytes().any(|b| b.is_ascii_alphanumeric());
    let in_word = |c: char| {
        if ascii {
            c.is_ascii_alphanumeric()
        } else {
            c.is_alphanumeric()
        }
    };
    let chars: Vec<char> = name.trim().chars().take(2 * LONGEST).collect();
    let mut out = String::with_capacity(chars.len() + 8);
    let leading = chars.iter().take_while(|&&c| c == '_').count();
    out.extend(std::iter::repeat_n('_', leading));
    let start = out.len();
    // Whether the word so far has a lower-case letter: then every capital begins a new one.
    let mut lower = false;
    for (at, &c) in chars.iter().enumerate().skip(leading) {
        if !in_word(c) {
            if out.len() > start && !out.ends_with('_') {
                out.push('_');
            }
            lower = false;
            continue;
        }
        let before = at
            .checked_sub(1)
            .map(|at| chars[at])
            .filter(|&c| in_word(c));
        if c.is_uppercase()
            && before.is_some()
            && (lower
                || chars
                    .get(at + 1)
                    .is_some_and(|&next| in_word(next) && next.is_lowercase()))
        {
            out.push('_');
            lower = false;
        }
        lower |= c.is_lowercase();
        out.extend(c.to_lowercase());
    }
    while out.len() > start && out.ends_with('_') {
        out.pop();
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    // Names both vendors give, from their public documentation and tests.
    #[test]
    fn names_are_the_vendors() {
        for (given, wanted) in [
            ("omega", "omega"),
            ("omega v2", "omega_v2"),
            ("9mega", "_9mega"),
            ("mega&", "mega"),
            ("ome$ga", "ome_ga"),
            ("ome_ ga", "ome_ga"),
            ("9mega________-________90", "_9mega_90"),
            ("&4yasdfa(84224_fs9##_____*3q", "_4yasdfa_84224_fs9_3q"),
            ("Cízǔ", "c_z"),
            ("CamelCase123Key", "camel_case123_key"),
            ("path to $1,00,000", "path_to_1_00_000"),
            ("test123", "test123"),
            ("__abc_123_def_456", "__abc_123_def_456"),
            ("Order Completed", "order_completed"),
            ("userID", "user_id"),
            ("URLPath", "url_path"),
            ("XMLHttp", "xml_http"),
            ("XmlHTTP", "xml_http"),
            ("isISO8601", "is_iso8601"),
            ("tooLegit2Quit", "too_legit2_quit"),
            ("enable 24H format", "enable_24h_format"),
            ("LETTERSAeiouAreVowels", "letters_aeiou_are_vowels"),
            ("iOSVersion", "i_os_version"),
            ("order", "_order"),
            ("SELECT", "_select"),
            ("FOO BAR", "foo_bar"),
            ("--foo-bar--", "foo_bar"),
        ] {
            assert_eq!(column_name("", given).as_deref(), Some(wanted), "{given}");
        }
    }

    #[test]
    fn names_without_ascii_keep_their_letters() {
        assert_eq!(column_name("", "Цена").as_deref(), Some("цена"));
        assert_eq!(table_name("価格 変更").as_deref(), Some("価格_変更"));
        assert_eq!(column_name("", "$$$"), None);
        assert_eq!(column_name("", "___"), None);
        assert_eq!(table_name("🎉"), None);
        assert_eq!(table_name(""), None);
    }

    #[test]
    fn nested_names() {
        assert_eq!(
            column_name("context", "userAgent").as_deref(),
            Some("context_user_agent")
        );
        assert_eq!(
            column_name("context_page", "order").as_deref(),
            Some("context_page_order")
        );
        assert_eq!(column_name("items", "_id").as_deref(), Some("items_id"));
        assert_eq!(column_name("items", "1").as_deref(), Some("items_1"));
    }

    #[test]
    fn tables_of_the_layout_are_not_taken() {
        assert_eq!(table_name("Users").as_deref(), Some("_users"));
        assert_eq!(table_name("tracks").as_deref(), Some("_tracks"));
        assert_eq!(table_name("Group").as_deref(), Some("_group"));
        assert_eq!(table_name("_delta_log").as_deref(), Some("__delta_log"));
    }

    proptest! {
        #[test]
        fn any_name_is_safe(name in ".*", prefix in "[a-z_]{0,200}") {
            if let Some(table) = table_name(&name) {
                prop_assert!(weir_core::TableName::new("s", table).is_ok());
            }
            if let Some(column) = column_name(&prefix, &name) {
                prop_assert!(column.len() <= LONGEST && !column.is_empty());
                prop_assert!(!column.contains(char::is_control) && !column.contains('"'));
            }
        }

        // A name that was made once is made again: models refer to tables by it.
        #[test]
        fn names_are_stable(name in "[ -~]{1,40}") {
            if let Some(once) = column_name("", &name) {
                prop_assert_eq!(column_name("", &once), Some(once.clone()));
            }
        }
    }
}
