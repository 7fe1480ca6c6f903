use std::borrow::Cow;

use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::dialect::DIALECT;

/// What stands in the place of a password.
const MASK: &str = "'***'";

/// Returns the statement without the passwords in it, for logs and listings.
///
/// Wherever it is in doubt it takes out too much: what follows the word, up to the end.
pub(crate) fn redact(sql: &str) -> Cow<'_, str> {
    let Some(first) = find_word(sql) else {
        return Cow::Borrowed(sql);
    };
    let Ok(tokens) = Tokenizer::new(&DIALECT, sql).tokenize() else {
        return Cow::Owned(format!("{} {MASK}", &sql[..first]));
    };
    let mut text = String::with_capacity(sql.len());
    let mut after = false;
    for token in tokens {
        let secret = !matches!(
            token,
            Token::Word(_)
                | Token::Whitespace(_)
                | Token::Eq
                | Token::Placeholder(_)
                | Token::SemiColon
                | Token::Comma
                | Token::LParen
                | Token::RParen
                | Token::EOF
        );
        match &token {
            Token::Word(word) if word.value.eq_ignore_ascii_case("password") => after = true,
            // `PASSWORD = 'x'`, and blanks: still before it.
            Token::Whitespace(_) | Token::Eq => {}
            _ if after && secret => {
                text.push_str(MASK);
                continue;
            }
            // A bare word there may be a password whose quotes were forgotten.
            Token::Word(word)
                if after && !OPTIONS.iter().any(|o| word.value.eq_ignore_ascii_case(o)) =>
            {
                text.push_str(MASK);
                continue;
            }
            _ => after = false,
        }
        text.push_str(&token.to_string());
    }
    Cow::Owned(text)
}

/// Words that may follow the word in a statement about something else, or after the password.
const OPTIONS: [&str; 12] = [
    "null", "from", "as", "and", "or", "is", "in", "login", "nologin", "with", "where", "not",
];

/// Finds the word in whatever case, whatever is around it.
fn find_word(sql: &str) -> Option<usize> {
    const WORD: &[u8] = b"password";
    sql.as_bytes()
        .windows(WORD.len())
        .position(|window| window.eq_ignore_ascii_case(WORD))
}

#[cfg(test)]
mod tests {
    use super::redact;

    #[test]
    fn passwords_do_not_outlive_the_statement() {
        for sql in [
            "CREATE USER ada PASSWORD 'hunter2'",
            "alter user ada with encrypted password = 'hunter2' login",
            "CREATE USER ada PASSWORD $$hunter2$$",
            "CREATE USER ada PASSWORD $x$hunter2$x$",
            "CREATE USER ada PASSWORD E'hunter2'",
            "CREATE USER ada PASSWORD U&'hunter2'",
            "CREATE USER ada PASSWORD X'hunter2'",
            "CREATE USER ada PASSWORD /* it is */ 'hunter2'",
            "CREATE USER ada PASSWORD 'a' 'hunter2'",
            "CREATE USER ada PASSWORD \"hunter2\"",
            "CREATE USER ada PASSWORD hunter2",
            "CREATE USER ada PASSWORD 'hunter2",
            "CREATE USER ada PASSWORD $$hunter2",
            "ALTER USER ada PaSsWoRd 'hunter2'; ALTER USER ada PASSWORD 'hunter2'",
            "CREATE USER ada PASSWORD -'hunter2'",
        ] {
            let shown = redact(sql);
            assert!(!shown.contains("hunter2"), "{sql}: {shown}");
            assert!(shown.to_lowercase().contains("user ada"), "{shown}");
        }
    }

    #[test]
    fn other_statements_stay_as_they_are() {
        for sql in [
            "SELECT 1",
            "SELECT password FROM t WHERE password IS NULL",
            "CREATE USER ada PASSWORD $1",
        ] {
            assert_eq!(redact(sql), sql);
        }
    }
}
