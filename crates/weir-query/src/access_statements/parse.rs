use datafusion::sql::sqlparser::ast::Value;
use datafusion::sql::sqlparser::dialect::PostgreSqlDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Token, TokenWithSpan};
use weir_access::{Privilege, Privileges};

use super::{AccessStatement, Name, On, Password, UserOptions};
use crate::error::{Position, QueryError, QueryErrorKind};

/// The most names in one list.
const MAX_NAMES: usize = 1_000;

/// Reads a statement about users and rights; none if it is about something else.
pub(crate) fn parse(tokens: &[TokenWithSpan]) -> Result<Option<AccessStatement>, QueryError> {
    let mut words = Words {
        tokens: tokens
            .iter()
            .filter(|token| !matches!(token.token, Token::Whitespace(_) | Token::EOF))
            .collect(),
        at: 0,
    };
    while words.eat(&Token::SemiColon) {}
    let statement = match words.keyword().as_deref() {
        Some("GRANT") => grant(&mut words, true)?,
        Some("REVOKE") => grant(&mut words, false)?,
        Some(verb @ ("CREATE" | "ALTER" | "DROP")) => {
            let kind = match words.keyword().as_deref() {
                Some("USER") => Kind::User,
                Some("ROLE" | "GROUP") => Kind::Role,
                Some("DEFAULT") if verb == "ALTER" => {
                    return Err(words
                        .unsupported("default privileges")
                        .hint("GRANT ... ON SCHEMA holds for the tables of the future, too"));
                }
                _ => return Ok(None),
            };
            match verb {
                "CREATE" => create(&mut words, kind)?,
                "ALTER" => alter(&mut words)?,
                _ => drop_them(&mut words, kind)?,
            }
        }
        _ => return Ok(None),
    };
    while words.eat(&Token::SemiColon) {}
    match words.peek() {
        None => Ok(Some(statement)),
        Some(_) => Err(words.unexpected("the end of the statement")),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    User,
    Role,
}

fn create(words: &mut Words<'_>, kind: Kind) -> Result<AccessStatement, QueryError> {
    let if_not_exists = words.eat_words(&["IF", "NOT", "EXISTS"]);
    let name = words.name()?;
    let options = options(words)?;
    // As in Postgres, a user is a role that can sign in.
    let is_user = kind == Kind::User || options.login == Some(true);
    if is_user {
        return Ok(AccessStatement::CreateUser {
            name,
            if_not_exists,
            options,
        });
    }
    if options.password.is_some() || !options.roles.is_empty() {
        return Err(QueryError::new(
            QueryErrorKind::Invalid,
            "a role cannot sign in and is in no other role",
        )
        .hint("CREATE USER makes somebody who can; GRANT role TO user puts them into roles"));
    }
    Ok(AccessStatement::CreateRole {
        name,
        if_not_exists,
    })
}

fn alter(words: &mut Words<'_>) -> Result<AccessStatement, QueryError> {
    let name = words.name()?;
    if words.is_word("RENAME") {
        return Err(words
            .unsupported("renaming users and roles")
            .hint("make a new one: the name is part of what was audited"));
    }
    if words.is_word("SET") || words.is_word("RESET") {
        return Err(words
            .unsupported("settings of a user")
            .hint("SET them in the session"));
    }
    let options = options(words)?;
    if options == UserOptions::default() {
        return Err(words.unexpected("PASSWORD, LOGIN or NOLOGIN"));
    }
    if !options.roles.is_empty() {
        return Err(words.unsupported("IN ROLE here").hint("GRANT role TO user"));
    }
    Ok(AccessStatement::AlterUser { name, options })
}

fn drop_them(words: &mut Words<'_>, kind: Kind) -> Result<AccessStatement, QueryError> {
    let if_exists = words.eat_words(&["IF", "EXISTS"]);
    let names = words.names()?;
    Ok(AccessStatement::Drop {
        names,
        if_exists,
        tag: match kind {
            Kind::User | Kind::Role => "DROP ROLE",
        },
    })
}

/// Options after a user's name. Those of Postgres that say what is so anyway are let through.
fn options(words: &mut Words<'_>) -> Result<UserOptions, QueryError> {
    let mut options = UserOptions::default();
    words.eat_word("WITH");
    loop {
        let start = words.at;
        let Some(word) = words.keyword() else {
            words.at = start;
            return Ok(options);
        };
        match word.as_str() {
            "ENCRYPTED" if words.is_word("PASSWORD") => {}
            "PASSWORD" => options.password = Some(password(words)?),
            "LOGIN" => options.login = Some(true),
            "NOLOGIN" => options.login = Some(false),
            "IN" if words.eat_word("ROLE") || words.eat_word("GROUP") => {
                options.roles = words.names()?;
            }
            "INHERIT" | "NOSUPERUSER" | "NOCREATEDB" | "NOCREATEROLE" | "NOREPLICATION"
            | "NOBYPASSRLS" => {}
            "SUPERUSER" | "CREATEROLE" | "CREATEDB" => {
                return Err(words
                    .unsupported(&word)
                    .hint("GRANT owner, admin or engineer TO the user instead"));
            }
            "VALID" | "CONNECTION" | "NOINHERIT" | "REPLICATION" | "BYPASSRLS" | "ADMIN"
            | "SYSID" => {
                return Err(words.unsupported(&word));
            }
            _ => {
                words.at = start;
                return Err(words.unexpected("PASSWORD, LOGIN, NOLOGIN or IN ROLE"));
            }
        }
    }
}

fn password(words: &mut Words<'_>) -> Result<Password, QueryError> {
    words.eat(&Token::Eq);
    if words.eat_word("NULL") {
        return Ok(Password::Null);
    }
    let Some(token) = words.peek() else {
        return Err(words.unexpected("the password in single quotes"));
    };
    let password = match token {
        Token::Placeholder(name) => match name.strip_prefix('$').and_then(|n| n.parse().ok()) {
            Some(number) => Password::Parameter(number),
            None => return Err(words.unexpected("the password in single quotes")),
        },
        token => match literal(token) {
            Some(text) => Password::Text(text),
            None => return Err(words.unexpected("the password in single quotes")),
        },
    };
    words.at += 1;
    Ok(password)
}

/// Returns the text of a literal, of whatever kind.
fn literal(token: &Token) -> Option<String> {
    let dialect = PostgreSqlDialect {};
    let mut parser = Parser::new(&dialect).with_tokens(vec![token.clone()]);
    match parser.parse_value().ok()?.value {
        Value::SingleQuotedString(text)
        | Value::EscapedStringLiteral(text)
        | Value::UnicodeStringLiteral(text)
        | Value::NationalStringLiteral(text) => Some(text),
        Value::DollarQuotedString(text) => Some(text.value),
        _ => None,
    }
}

fn grant(words: &mut Words<'_>, give: bool) -> Result<AccessStatement, QueryError> {
    if !give && words.eat_words(&["GRANT", "OPTION", "FOR"]) {
        return Err(words
            .unsupported("grant options")
            .hint("the owner of a schema, owners and admins grant"));
    }
    let start = words.at;
    let privileges = privileges(words)?;
    let Some(privileges) = privileges.filter(|_| words.eat_word("ON")) else {
        words.at = start;
        return give_roles(words, give);
    };
    let (on, possible) = on(words)?;
    let privileges = privileges.restricted(possible);
    let to = grantees(words, give)?;
    after_grant(words)?;
    Ok(AccessStatement::Grant {
        privileges,
        on,
        to,
        give,
    })
}

fn give_roles(words: &mut Words<'_>, give: bool) -> Result<AccessStatement, QueryError> {
    let roles = words.names()?;
    if words.is_word("ON") {
        return Err(
            QueryError::new(QueryErrorKind::Syntax, "a right that cannot be granted")
                .hint("there are SELECT, INSERT, UPDATE, DELETE, TRUNCATE, CREATE, USAGE and ALL")
                .at(words.position()),
        );
    }
    let users = grantees(words, give)?;
    after_grant(words)?;
    Ok(AccessStatement::GiveRoles { roles, users, give })
}

fn grantees(words: &mut Words<'_>, give: bool) -> Result<Vec<Name>, QueryError> {
    let word = if give { "TO" } else { "FROM" };
    if !words.eat_word(word) {
        return Err(words.unexpected(word));
    }
    words.names()
}

fn after_grant(words: &mut Words<'_>) -> Result<(), QueryError> {
    if words.eat_word("WITH") {
        return Err(words
            .unsupported("grant options")
            .hint("the owner of a schema, owners and admins grant"));
    }
    if !words.eat_word("CASCADE") {
        words.eat_word("RESTRICT");
    }
    Ok(())
}

/// Rights as written: `ALL` means what is possible on what it is on.
#[derive(Clone, Copy)]
enum Written {
    All,
    These(Privileges),
}

impl Written {
    fn restricted(self, possible: Privileges) -> Privileges {
        match self {
            Written::All => possible,
            Written::These(privileges) => privileges,
        }
    }
}

/// Reads rights; none where the words are no rights, but roles perhaps.
fn privileges(words: &mut Words<'_>) -> Result<Option<Written>, QueryError> {
    if words.eat_word("ALL") {
        words.eat_word("PRIVILEGES");
        return Ok(Some(Written::All));
    }
    let mut all = Privileges::NONE;
    loop {
        let Some(word) = words.keyword() else {
            return Ok(None);
        };
        let privilege = match word.as_str() {
            "TRUNCATE" => Privileges::from(Privilege::Delete),
            "ALL" => return Ok(None),
            word => match word.parse() {
                Ok(privilege) => privilege,
                Err(_) => return Ok(None),
            },
        };
        all = all.with(privilege);
        if words.peek() == Some(&Token::LParen) {
            return Err(words
                .unsupported("rights on single columns")
                .hint("grant on a view that leaves the others out"));
        }
        if !words.eat(&Token::Comma) {
            return Ok(Some(Written::These(all)));
        }
    }
}

fn on(words: &mut Words<'_>) -> Result<(On, Privileges), QueryError> {
    if words.eat_words(&["ALL", "TABLES", "IN", "SCHEMA"]) {
        return Ok((On::Schemas(words.identifiers()?), Privileges::TABLE));
    }
    if words.eat_word("SCHEMA") {
        return Ok((On::Schemas(words.identifiers()?), Privileges::ALL));
    }
    for other in [
        "ALL", "DATABASE", "SEQUENCE", "FUNCTION", "LANGUAGE", "TYPE", "DOMAIN",
    ] {
        if words.is_word(other) && words.word_follows() {
            return Err(words
                .unsupported(&format!("rights on a {}", other.to_lowercase()))
                .hint("rights are on schemas and tables"));
        }
    }
    words.eat_word("TABLE");
    let mut tables = Vec::new();
    loop {
        tables.push(words.table()?);
        if tables.len() > MAX_NAMES {
            return Err(words.too_many());
        }
        if !words.eat(&Token::Comma) {
            return Ok((On::Tables(tables), Privileges::TABLE));
        }
    }
}

/// The tokens that are left.
struct Words<'a> {
    tokens: Vec<&'a TokenWithSpan>,
    at: usize,
}

impl<'a> Words<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at).map(|token| &token.token)
    }

    fn eat(&mut self, token: &Token) -> bool {
        let is = self.peek() == Some(token);
        self.at += usize::from(is);
        is
    }

    /// Takes the next word without quotes, in upper case.
    fn keyword(&mut self) -> Option<String> {
        let Some(Token::Word(word)) = self.peek() else {
            return None;
        };
        if word.quote_style.is_some() {
            return None;
        }
        self.at += 1;
        Some(word.value.to_ascii_uppercase())
    }

    fn is_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(word))
            if word.quote_style.is_none() && word.value.eq_ignore_ascii_case(wanted))
    }

    /// Whether the word after the next is a name: then the next is a keyword.
    fn word_follows(&self) -> bool {
        matches!(
            self.tokens.get(self.at + 1).map(|token| &token.token),
            Some(Token::Word(word)) if !word.value.eq_ignore_ascii_case("to")
                && !word.value.eq_ignore_ascii_case("from")
        )
    }

    fn eat_word(&mut self, wanted: &str) -> bool {
        let is = self.is_word(wanted);
        self.at += usize::from(is);
        is
    }

    fn eat_words(&mut self, wanted: &[&str]) -> bool {
        let start = self.at;
        let all = wanted.iter().all(|word| self.eat_word(word));
        if !all {
            self.at = start;
        }
        all
    }

    /// Takes a name: lower case unless quoted.
    fn identifier(&mut self) -> Result<String, QueryError> {
        let Some(Token::Word(word)) = self.peek() else {
            return Err(self.unexpected("a name"));
        };
        self.at += 1;
        Ok(match word.quote_style {
            Some(_) => word.value.clone(),
            None => word.value.to_lowercase(),
        })
    }

    fn identifiers(&mut self) -> Result<Vec<String>, QueryError> {
        self.list(Self::identifier)
    }

    fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, QueryError>,
    ) -> Result<Vec<T>, QueryError> {
        let mut all = vec![one(self)?];
        while self.eat(&Token::Comma) {
            all.push(one(self)?);
            if all.len() > MAX_NAMES {
                return Err(self.too_many());
            }
        }
        Ok(all)
    }

    /// Takes the name of a user or role.
    fn name(&mut self) -> Result<Name, QueryError> {
        self.eat_word("GROUP");
        if self.eat_word("CURRENT_USER") || self.eat_word("SESSION_USER") {
            return Ok(Name::CurrentUser);
        }
        if self.eat_word("PUBLIC") {
            return Ok(Name::Public);
        }
        // A bare name with signs, such as an address, is what people write first.
        let quoted = matches!(self.peek(), Some(Token::Word(word)) if word.quote_style.is_some());
        let name = self.identifier()?;
        match self.peek() {
            Some(Token::Period | Token::Minus | Token::AtSign) if !quoted => Err(self
                .unexpected("a name without signs")
                .hint("put a name with signs into double quotes: \"ada@example.com\"")),
            _ => Ok(Name::Named(name)),
        }
    }

    fn names(&mut self) -> Result<Vec<Name>, QueryError> {
        self.list(Self::name)
    }

    /// Takes a table's name, with its schema where one is written.
    fn table(&mut self) -> Result<(Option<String>, String), QueryError> {
        let mut parts = vec![self.identifier()?];
        while self.eat(&Token::Period) {
            parts.push(self.identifier()?);
        }
        let table = parts.pop().unwrap_or_default();
        match parts.as_slice() {
            [] => Ok((None, table)),
            [schema] => Ok((Some(schema.clone()), table)),
            [catalog, schema] if catalog == crate::session::CATALOG => {
                Ok((Some(schema.clone()), table))
            }
            _ => Err(self.unexpected("a table as schema.table")),
        }
    }

    fn position(&self) -> Option<Position> {
        let token = self.tokens.get(self.at)?;
        Some(Position {
            line: token.span.start.line,
            column: token.span.start.column,
        })
    }

    /// Says what should have been here. What is here instead is not repeated: it may be a password.
    fn unexpected(&self, wanted: &str) -> QueryError {
        let message = match self.peek() {
            Some(_) => format!("expected: {wanted}"),
            None => format!("expected: {wanted}, found the end of the statement"),
        };
        QueryError::new(QueryErrorKind::Syntax, message).at(self.position())
    }

    fn unsupported(&self, what: &str) -> QueryError {
        QueryError::new(
            QueryErrorKind::Unsupported,
            format!("{what}: not supported"),
        )
        .at(self.position())
    }

    fn too_many(&self) -> QueryError {
        QueryError::new(
            QueryErrorKind::TooComplex,
            format!("more than {MAX_NAMES} names in one list"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::tokens;
    use crate::options::EngineOptions;

    fn read(sql: &str) -> Result<Option<AccessStatement>, QueryError> {
        parse(&tokens(sql, &EngineOptions::default())?)
    }

    fn named(name: &str) -> Name {
        Name::Named(name.to_owned())
    }

    #[test]
    fn users_are_made_as_in_postgres() {
        let statement = read(
            "create user IF NOT EXISTS \"ada@example.com\" WITH ENCRYPTED PASSWORD 'correct horse' IN ROLE analyst, Eu;",
        );
        assert_eq!(
            statement.unwrap(),
            Some(AccessStatement::CreateUser {
                name: named("ada@example.com"),
                if_not_exists: true,
                options: UserOptions {
                    password: Some(Password::Text("correct horse".to_owned())),
                    login: None,
                    roles: vec![named("analyst"), named("eu")],
                },
            })
        );
        let statement = read("CREATE ROLE bob LOGIN PASSWORD $1").unwrap();
        assert!(matches!(
            statement,
            Some(AccessStatement::CreateUser {
                options: UserOptions {
                    password: Some(Password::Parameter(1)),
                    ..
                },
                ..
            })
        ));
        let statement = read("CREATE ROLE support").unwrap();
        assert!(matches!(
            statement,
            Some(AccessStatement::CreateRole { .. })
        ));
        let statement = read("ALTER USER current_user PASSWORD NULL").unwrap();
        assert!(matches!(
            statement,
            Some(AccessStatement::AlterUser {
                name: Name::CurrentUser,
                ..
            })
        ));
    }

    #[test]
    fn grants_are_read_with_what_they_are_on() {
        let read = |sql: &str| read(sql).unwrap().unwrap();
        assert_eq!(
            read("GRANT SELECT, insert ON shop.Orders, \"B\" TO bob, PUBLIC"),
            AccessStatement::Grant {
                privileges: Privileges::from(Privilege::Select).with(Privilege::Insert),
                on: On::Tables(vec![
                    (Some("shop".to_owned()), "orders".to_owned()),
                    (None, "B".to_owned())
                ]),
                to: vec![named("bob"), Name::Public],
                give: true,
            }
        );
        assert_eq!(
            read("REVOKE ALL PRIVILEGES ON ALL TABLES IN SCHEMA shop FROM bob CASCADE"),
            AccessStatement::Grant {
                privileges: Privileges::TABLE,
                on: On::Schemas(vec!["shop".to_owned()]),
                to: vec![named("bob")],
                give: false,
            }
        );
        assert_eq!(
            read("GRANT analyst, support TO ada"),
            AccessStatement::GiveRoles {
                roles: vec![named("analyst"), named("support")],
                users: vec![named("ada")],
                give: true,
            }
        );
    }

    #[test]
    fn other_statements_are_left_alone() {
        for sql in [
            "SELECT 1",
            "CREATE TABLE user (a int)",
            "DROP TABLE role",
            "",
        ] {
            assert_eq!(read(sql).unwrap(), None, "{sql}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_without_repeating_it() {
        for sql in [
            "CREATE USER ada PASSWORD hunter2secret",
            "CREATE USER ada PASSWORD 'a' 'hunter2secret'",
            "CREATE USER ada hunter2secret",
            "ALTER USER ada PASSWORD = hunter2secret",
            "GRANT hunter2secret ON a TO b",
            "CREATE USER ada SUPERUSER PASSWORD 'hunter2secret'",
            "GRANT SELECT (hunter2secret) ON a TO b",
            "CREATE USER a@b.c PASSWORD 'hunter2secret'",
        ] {
            let error = read(sql).expect_err(sql);
            let shown = format!("{error} {:?}", error.advice());
            assert!(!shown.contains("hunter2secret"), "{shown}");
        }
    }
}
