//! `CREATE USER`, `CREATE ROLE`, `ALTER USER`, `DROP USER`, `GRANT`, `REVOKE`: who may do what.
//!
//! Read from tokens and not by the SQL parser: what stands in such a statement may be a password, and
//! must not come back in a message about what was expected instead.

mod execute;
mod parse;
mod redact;

use datafusion::arrow::datatypes::DataType;
use weir_access::Privileges;
use weir_catalog::Catalog;
use weir_lake::Lake;

use crate::engine::QueryRequest;
use crate::error::QueryError;
use crate::options::EngineOptions;
use crate::stream::Command;
use crate::{guard, params};

pub(crate) use redact::redact;

/// A statement about users and rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AccessStatement {
    CreateUser {
        name: Name,
        if_not_exists: bool,
        options: UserOptions,
    },
    CreateRole {
        name: Name,
        if_not_exists: bool,
    },
    AlterUser {
        name: Name,
        options: UserOptions,
    },
    /// Users and roles have their names in common: what is dropped shows when it is looked up.
    Drop {
        names: Vec<Name>,
        if_exists: bool,
        tag: &'static str,
    },
    GiveRoles {
        roles: Vec<Name>,
        users: Vec<Name>,
        give: bool,
    },
    Grant {
        privileges: Privileges,
        on: On,
        to: Vec<Name>,
        give: bool,
    },
}

impl AccessStatement {
    /// Returns the types of the parameters it takes: a password is text.
    pub(crate) fn parameters(&self) -> Vec<Option<DataType>> {
        match self {
            Self::CreateUser { options, .. } | Self::AlterUser { options, .. } => {
                match options.password {
                    Some(Password::Parameter(number)) => vec![Some(DataType::Utf8); number.min(16)],
                    _ => Vec::new(),
                }
            }
            _ => Vec::new(),
        }
    }
}

/// What `CREATE USER` and `ALTER USER` say of a user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct UserOptions {
    pub(crate) password: Option<Password>,
    pub(crate) login: Option<bool>,
    pub(crate) roles: Vec<Name>,
}

/// A password in a statement.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Password {
    Text(String),
    /// `$1`: the way that leaves no trace in anybody's text.
    Parameter(usize),
    Null,
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Password(…)")
    }
}

/// A user or role in a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Named(String),
    CurrentUser,
    Public,
}

/// What rights are given on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum On {
    /// Tables, each with the schema if one is written.
    Tables(Vec<(Option<String>, String)>),
    /// Schemas with all that is in them, now and later.
    Schemas(Vec<String>),
}

/// Reads a statement about users and rights; none if it is about something else.
pub(crate) fn read(
    sql: &str,
    options: &EngineOptions,
) -> Result<Option<AccessStatement>, QueryError> {
    match first_word(sql).to_ascii_uppercase().as_str() {
        "GRANT" | "REVOKE" | "CREATE" | "ALTER" | "DROP" => {
            parse::parse(&guard::tokens(sql, options)?)
        }
        _ => Ok(None),
    }
}

/// Does what a statement says. It is durable when this returns.
pub(crate) async fn execute(
    statement: AccessStatement,
    catalog: &Catalog,
    lake: &Lake,
    request: &QueryRequest,
) -> Result<Command, QueryError> {
    let params = params::bind(&request.params)?;
    let view = lake.view();
    let (caller, settings) = (&request.caller, &request.settings);
    execute::execute(statement, catalog, caller, settings, &view, &params).await
}

/// Returns the first word of a statement, behind blanks and comments.
fn first_word(sql: &str) -> &str {
    let mut rest = sql;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ';');
        rest = if let Some(comment) = rest.strip_prefix("--") {
            comment.split_once('\n').map_or("", |(_, rest)| rest)
        } else if let Some(comment) = rest.strip_prefix("/*") {
            after_comment(comment)
        } else {
            break;
        };
    }
    let end = rest.find(|c: char| !c.is_ascii_alphabetic());
    &rest[..end.unwrap_or(rest.len())]
}

/// Returns what follows a comment that has begun; comments may hold comments.
fn after_comment(text: &str) -> &str {
    let (mut depth, mut at) = (1, 0);
    let bytes = text.as_bytes();
    while depth > 0 {
        match (bytes.get(at), bytes.get(at + 1)) {
            (Some(b'/'), Some(b'*')) => {
                depth += 1;
                at += 2;
            }
            (Some(b'*'), Some(b'/')) => {
                depth -= 1;
                at += 2;
            }
            (Some(_), _) => at += 1,
            (None, _) => return "",
        }
    }
    &text[at..]
}

#[cfg(test)]
mod tests {
    use super::first_word;

    #[test]
    fn comments_do_not_hide_what_a_statement_is() {
        for sql in [
            "grant a to b",
            " ;\n-- é\n/* a /* b */ ü */ GRANT a TO b",
            "--x\rgrant\n grant a",
        ] {
            assert!(first_word(sql).eq_ignore_ascii_case("grant"), "{sql}");
        }
        assert_eq!(first_word("/* open"), "");
        assert_eq!(first_word("--"), "");
        assert_eq!(first_word("\"grant\""), "");
    }
}
