//! Statements of the log: which tables they make, alter, empty or drop.

/// What a statement does, as far as rows and columns are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing.
    None,
    /// Tables may have other columns; `rewrites` where it may change rows without telling them.
    Altered {
        tables: Vec<Name>,
        rewrites: bool,
    },
    /// The tables are others from here on, or gone.
    Replaced {
        tables: Vec<Name>,
    },
    Truncated {
        table: Name,
    },
    /// All tables of a database are gone.
    Dropped {
        database: String,
    },
    /// What changed in the transaction is taken back, all of it or since a savepoint.
    TakenBack,
    /// A transaction of two phases ends with the second.
    SecondPhase,
    /// Rows are changed, by a statement instead of by themselves.
    Changes,
    /// It is not known what it does.
    Unknown,
}

/// The name of a table, with that of its database where it is another than the session's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub(super) database: Option<String>,
    pub(super) table: String,
}

/// A word, a name in quotes, or a sign.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Quoted(String),
    Text,
    Sign(char),
}

/// Says what a statement does.
pub(super) fn effect(text: &str) -> Effect {
    let tokens = tokens(text);
    let mut words = Words { tokens: &tokens };
    // `SET STATEMENT variable = value FOR ...` is an envelope.
    if words.eat("SET") {
        if !words.eat("STATEMENT") {
            return Effect::None;
        }
        while !words.tokens.is_empty() && !words.eat("FOR") {
            words.tokens = &words.tokens[1..];
        }
    }
    match words.verb().as_str() {
        "ALTER" => altered(words),
        "CREATE" => created(words),
        "DROP" => dropped(words),
        "RENAME" => renamed(words),
        "TRUNCATE" => {
            words.eat("TABLE");
            match words.name() {
                Some(table) => Effect::Truncated { table },
                None => Effect::Unknown,
            }
        }
        "INSERT" | "UPDATE" | "DELETE" | "REPLACE" | "LOAD" | "WITH" | "CALL" | "DO" | "SELECT"
        | "IMPORT" | "VALUES" => Effect::Changes,
        "ROLLBACK" => Effect::TakenBack,
        "XA" => match words.verb().as_str() {
            "COMMIT" | "ROLLBACK" => Effect::SecondPhase,
            _ => Effect::None,
        },
        "" | "SAVEPOINT" | "RELEASE" | "START" | "BEGIN" | "COMMIT" | "GRANT" | "REVOKE"
        | "FLUSH" | "ANALYZE" | "OPTIMIZE" | "CHECK" | "CHECKSUM" | "INSTALL" | "UNINSTALL"
        | "KILL" | "RESET" | "PURGE" | "CHANGE" | "STOP" | "LOCK" | "UNLOCK" | "USE" | "CACHE"
        | "BINLOG" | "SHUTDOWN" => Effect::None,
        "REPAIR" => {
            words.eat("NO_WRITE_TO_BINLOG");
            words.eat("LOCAL");
            words.eat("TABLE");
            // What cannot be read is left out.
            Effect::Replaced {
                tables: words.names(),
            }
        }
        _ => Effect::Unknown,
    }
}

fn altered(mut words: Words<'_>) -> Effect {
    words.eat("ONLINE");
    let ignores = words.eat("IGNORE");
    if !words.eat("TABLE") {
        return Effect::None;
    }
    words.if_exists();
    let Some(table) = words.name() else {
        return Effect::Unknown;
    };
    let has = |word: &str| {
        words
            .tokens
            .iter()
            .any(|token| matches!(token, Token::Word(own) if own.eq_ignore_ascii_case(word)))
    };
    // Parts may go or come without a word of their rows, and a cascade may have gone unseen.
    let rewrites = ignores
        || [
            "PARTITION",
            "PARTITIONS",
            "PARTITIONING",
            "TABLESPACE",
            "FOREIGN",
            "EXCHANGE",
            "SYSTEM",
        ]
        .iter()
        .any(|word| has(word));
    let mut tables = vec![table];
    if has("RENAME") {
        // `RENAME COLUMN` and `RENAME INDEX` name no table; a name that is none does no harm.
        let mut rest = Words {
            tokens: words.tokens,
        };
        while !rest.tokens.is_empty() {
            if rest.eat("RENAME") {
                if rest.eat("COLUMN") || rest.eat("INDEX") || rest.eat("KEY") {
                    continue;
                }
                let _ = rest.eat("TO") || rest.eat("AS") || rest.sign('=');
                tables.extend(rest.name());
                return Effect::Replaced { tables };
            }
            rest.tokens = &rest.tokens[1..];
        }
    }
    if has("EXCHANGE") {
        // The other table has other rows, too.
        let at = words.tokens.iter().position(
            |token| matches!(token, Token::Word(own) if own.eq_ignore_ascii_case("WITH")),
        );
        if let Some(at) = at {
            let mut rest = Words {
                tokens: &words.tokens[at + 1..],
            };
            rest.eat("TABLE");
            tables.extend(rest.name());
        }
        return Effect::Replaced { tables };
    }
    Effect::Altered { tables, rewrites }
}

fn created(mut words: Words<'_>) -> Effect {
    if words.eat("OR") {
        words.eat("REPLACE");
    }
    let _ = words.eat("UNIQUE") || words.eat("FULLTEXT") || words.eat("SPATIAL");
    if words.eat("TEMPORARY") {
        return Effect::None;
    }
    if words.eat("TABLE") {
        if words.if_exists() {
            // One that is there stays.
            return Effect::None;
        }
        let name = words.name();
        return name.map_or(Effect::Unknown, |table| Effect::Replaced {
            tables: vec![table],
        });
    }
    if words.eat("INDEX") {
        return index(words);
    }
    // Databases, views, routines, triggers, users and so on.
    Effect::None
}

fn dropped(mut words: Words<'_>) -> Effect {
    if words.eat("TEMPORARY") {
        return Effect::None;
    }
    if words.eat("TABLE") || words.eat("TABLES") {
        words.if_exists();
        return Effect::Replaced {
            tables: words.names(),
        };
    }
    if words.eat("DATABASE") || words.eat("SCHEMA") {
        words.if_exists();
        return match words.name() {
            Some(name) => Effect::Dropped {
                database: name.table,
            },
            None => Effect::Unknown,
        };
    }
    if words.eat("INDEX") {
        return index(words);
    }
    Effect::None
}

fn index(mut words: Words<'_>) -> Effect {
    while !words.tokens.is_empty() && !words.eat("ON") {
        words.tokens = &words.tokens[1..];
    }
    match words.name() {
        Some(table) => Effect::Altered {
            tables: vec![table],
            rewrites: false,
        },
        None => Effect::Unknown,
    }
}

fn renamed(mut words: Words<'_>) -> Effect {
    if !(words.eat("TABLE") || words.eat("TABLES")) {
        return Effect::None;
    }
    words.if_exists();
    let mut tables = Vec::new();
    while let Some(name) = words.name() {
        tables.push(name);
        // How long to wait for a lock, then the new name or the next table.
        if words.eat("WAIT") {
            words.tokens = words.tokens.get(1..).unwrap_or_default();
        }
        words.eat("NOWAIT");
        let _ = words.eat("TO") || words.sign(',');
    }
    match tables.is_empty() {
        true => Effect::Unknown,
        false => Effect::Replaced { tables },
    }
}

struct Words<'a> {
    tokens: &'a [Token],
}

impl Words<'_> {
    /// Takes a word, if it is next.
    fn eat(&mut self, word: &str) -> bool {
        let is_next =
            matches!(self.tokens.first(), Some(Token::Word(own)) if own.eq_ignore_ascii_case(word));
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn sign(&mut self, sign: char) -> bool {
        let is_next = self.tokens.first() == Some(&Token::Sign(sign));
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    /// Takes the next word, in capitals; empty where there is none.
    fn verb(&mut self) -> String {
        match self.tokens.split_first() {
            Some((Token::Word(word), rest)) => {
                self.tokens = rest;
                word.to_uppercase()
            }
            None => String::new(),
            _ => "?".to_owned(),
        }
    }

    /// Takes `IF EXISTS` or `IF NOT EXISTS`, where it is next.
    fn if_exists(&mut self) -> bool {
        let is_next = self.eat("IF");
        if is_next {
            self.eat("NOT");
            self.eat("EXISTS");
        }
        is_next
    }

    fn part(&mut self) -> Option<String> {
        let (first, rest) = self.tokens.split_first()?;
        let name = match first {
            Token::Word(name) | Token::Quoted(name) => name.clone(),
            _ => return None,
        };
        self.tokens = rest;
        Some(name)
    }

    /// Takes a name.
    fn name(&mut self) -> Option<Name> {
        let first = self.part()?;
        if !self.sign('.') {
            return Some(Name {
                database: None,
                table: first,
            });
        }
        Some(Name {
            database: Some(first),
            table: self.part()?,
        })
    }

    /// Takes names with commas between them.
    fn names(&mut self) -> Vec<Name> {
        let mut names = Vec::new();
        while let Some(name) = self.name() {
            names.push(name);
            if !self.sign(',') {
                break;
            }
        }
        names
    }
}

/// Takes a statement apart. Comments are left out, but those that servers read are not.
fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if let Some(inner) = rest.strip_prefix("/*") {
            let code = inner.strip_prefix("M!").or_else(|| inner.strip_prefix('!'));
            match code {
                // Its end is a comment that was never begun, which is left out below.
                Some(code) => rest = code.trim_start_matches(|c: char| c.is_ascii_digit()),
                None => rest = inner.split_once("*/").map_or("", |(_, after)| after),
            }
        } else if let Some(after) = rest.strip_prefix("*/") {
            rest = after;
        } else if c == '#' || rest.starts_with("-- ") || rest.starts_with("--\n") {
            rest = rest.split_once('\n').map_or("", |(_, after)| after);
        } else if c.is_whitespace() {
            rest = &rest[c.len_utf8()..];
        } else if matches!(c, '`' | '"' | '\'') {
            let (inside, after) = quoted(&rest[1..], c);
            tokens.push(match c {
                '\'' => Token::Text,
                _ => Token::Quoted(inside),
            });
            rest = after;
        } else if c.is_alphanumeric() || c == '_' || c == '$' || c == '@' {
            let is_in = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '@');
            let end = rest.find(|c| !is_in(c)).unwrap_or(rest.len());
            tokens.push(Token::Word(rest[..end].to_owned()));
            rest = &rest[end..];
        } else {
            tokens.push(Token::Sign(c));
            rest = &rest[c.len_utf8()..];
        }
    }
    tokens
}

/// Reads up to the closing quote, which stands twice where it is meant.
fn quoted(text: &str, quote: char) -> (String, &str) {
    let mut inside = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' if quote != '`' => {
                if let Some((_, escaped)) = chars.next() {
                    inside.push(escaped);
                }
            }
            c if c == quote => {
                if chars.peek().is_some_and(|(_, next)| *next == quote) {
                    chars.next();
                    inside.push(quote);
                } else {
                    return (inside, &text[at + c.len_utf8()..]);
                }
            }
            c => inside.push(c),
        }
    }
    (inside, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> Name {
        match text.split_once('.') {
            Some((database, table)) => Name {
                database: Some(database.into()),
                table: table.into(),
            },
            None => Name {
                database: None,
                table: text.into(),
            },
        }
    }

    fn replaced(names: &[&str]) -> Effect {
        Effect::Replaced {
            tables: names.iter().map(|text| name(text)).collect(),
        }
    }

    fn altered(table: &str, rewrites: bool) -> Effect {
        Effect::Altered {
            tables: vec![name(table)],
            rewrites,
        }
    }

    #[test]
    fn statements_are_known_by_what_they_do() {
        for (text, wanted) in [
            ("ALTER TABLE t ADD c int", altered("t", false)),
            (
                "alter online table if exists `a b`.`c``d` drop e",
                Effect::Altered {
                    tables: vec![Name {
                        database: Some("a b".into()),
                        table: "c`d".into(),
                    }],
                    rewrites: false,
                },
            ),
            ("ALTER IGNORE TABLE t ADD UNIQUE (a)", altered("t", true)),
            ("ALTER TABLE t DROP PARTITION p", altered("t", true)),
            (
                "ALTER TABLE t ADD c varchar(9) DEFAULT 'PARTITION'",
                altered("t", false),
            ),
            ("ALTER TABLE t RENAME COLUMN a TO b", altered("t", false)),
            ("ALTER TABLE t RENAME TO s.u", replaced(&["t", "s.u"])),
            (
                "/* hi */ CREATE /*!50100 UNIQUE */ INDEX i ON t (a)",
                altered("t", false),
            ),
            ("DROP INDEX i ON t", altered("t", false)),
            ("CREATE OR REPLACE TABLE t (a int)", replaced(&["t"])),
            ("CREATE TABLE IF NOT EXISTS t (a int)", Effect::None),
            ("CREATE TEMPORARY TABLE t (a int)", Effect::None),
            (
                "DROP TABLE IF EXISTS `a`,`s`.`b` /* generated by server */",
                replaced(&["a", "s.b"]),
            ),
            (
                "RENAME TABLE a TO b, c TO a",
                replaced(&["a", "b", "c", "a"]),
            ),
            ("TRUNCATE t", Effect::Truncated { table: name("t") }),
            (
                "TRUNCATE TABLE `s`.`t`",
                Effect::Truncated { table: name("s.t") },
            ),
            (
                "DROP DATABASE IF EXISTS s",
                Effect::Dropped {
                    database: "s".into(),
                },
            ),
            (
                "SET STATEMENT max_statement_time=9 FOR ALTER TABLE t ADD c int",
                altered("t", false),
            ),
            ("INSERT INTO t VALUES (1)", Effect::Changes),
            ("ROLLBACK TO `s`", Effect::TakenBack),
            ("SAVEPOINT `s`", Effect::None),
            ("XA COMMIT X'31',X'',1", Effect::SecondPhase),
            ("XA END X'31',X'',1", Effect::None),
            (
                "CREATE DEFINER=`root`@`localhost` TRIGGER x BEFORE INSERT ON t FOR EACH ROW SET @a = 1",
                Effect::None,
            ),
            ("GRANT SELECT ON *.* TO x", Effect::None),
            ("# Dum", Effect::None),
            ("FROBNICATE t", Effect::Unknown),
        ] {
            assert_eq!(effect(text), wanted, "{text}");
        }
    }

    #[test]
    fn broken_statements_end() {
        for text in [
            "'",
            "`",
            "ALTER TABLE",
            "DROP TABLE",
            "/*",
            "/*!",
            "RENAME TABLE",
            "ALTER TABLE t RENAME",
            "é",
            "ALTER TABLE t EXCHANGE PARTITION p WITH",
        ] {
            let _ = effect(text);
        }
    }
}
