//! `access.yml`: users, roles and grants as a file under version control. No secrets.

use std::collections::BTreeMap;

use serde::Deserialize;
use weir_access::{GrantObject, PUBLIC, Privileges, Role, RoleName, UserName};

use crate::access::{Actor, NewUser};
use crate::catalog::Catalog;
use crate::error::CatalogError;

/// An `access.yml`, checked.
///
/// What it says is made so; users, roles and grants it says nothing of are left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccessFile {
    roles: Vec<RoleName>,
    users: Vec<DescribedUser>,
    grants: Vec<DescribedGrant>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct DescribedUser {
    name: UserName,
    roles: Vec<String>,
    disabled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct DescribedGrant {
    grantee: String,
    object: GrantObject,
    privileges: Privileges,
}

/// An `access.yml` that cannot be used: file, line, column and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {problem}")]
pub struct AccessFileError {
    file: String,
    line: usize,
    column: usize,
    problem: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    users: BTreeMap<String, Option<RawUser>>,
    #[serde(default)]
    grants: Vec<RawGrant>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct RawUser {
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    disabled: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawGrant {
    to: OneOrMany,
    on: OneOrMany,
    privileges: OneOrMany,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    fn all(self) -> Vec<String> {
        match self {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

impl AccessFile {
    /// Reads the text of `file` (a path for messages). `known` are roles and users that exist already.
    pub fn parse(file: &str, text: &str, known: &[&str]) -> Result<Self, AccessFileError> {
        let fail = |(line, column), problem| AccessFileError {
            file: file.to_owned(),
            line,
            column,
            problem,
        };
        let raw: Raw = match serde_yaml_ng::from_str::<Option<Raw>>(text) {
            Ok(raw) => raw.unwrap_or_default(),
            Err(error) => {
                let at = error
                    .location()
                    .map_or((1, 1), |at| (at.line(), at.column()));
                let (problem, word) = explained(&error.to_string());
                let at = word.and_then(|word| place(text, &word, at.0)).unwrap_or(at);
                return Err(fail(at, problem));
            }
        };
        let wrong =
            |word: &str, problem: String| fail(place(text, word, 1).unwrap_or((1, 1)), problem);

        let mut roles = Vec::new();
        for role in &raw.roles {
            let name = RoleName::new(role).map_err(|error| wrong(role, error.to_string()))?;
            if Role::named(role).is_none() {
                roles.push(name);
            }
        }
        let mut names: Vec<&str> = Role::ALL.into_iter().map(Role::as_str).collect();
        names.extend(roles.iter().map(RoleName::as_str));
        names.extend(known);
        let unknown = |what: &str, word: &str, names: &[&str]| {
            let near = weir_core::did_you_mean(word, names);
            let hint = near.map_or_else(
                || format!("there are {}", names.join(", ")),
                |near| format!("did you mean `{near}`?"),
            );
            wrong(word, format!("unknown {what} `{word}`; {hint}"))
        };
        let mut users = Vec::new();
        for (name, user) in raw.users {
            let user = user.unwrap_or_default();
            let name = UserName::new(&name).map_err(|error| wrong(&name, error.to_string()))?;
            if let Some(role) = user
                .roles
                .iter()
                .find(|role| !names.contains(&role.as_str()))
            {
                return Err(unknown("role", role, &names));
            }
            users.push(DescribedUser {
                name,
                roles: user.roles,
                disabled: user.disabled,
            });
        }
        names.extend(users.iter().map(|user| user.name.as_str()));
        names.push(PUBLIC);
        let mut grants = Vec::new();
        for grant in raw.grants {
            let mut privileges = Privileges::NONE;
            for word in grant.privileges.all() {
                let known = [
                    "select", "insert", "update", "delete", "create", "usage", "all",
                ];
                let read = word.parse::<Privileges>();
                let read = read.map_err(|_| unknown("privilege", &word, &known))?;
                privileges = privileges.with(read);
            }
            let (to, on) = (grant.to.all(), grant.on.all());
            for grantee in &to {
                if !names.contains(&grantee.as_str()) {
                    return Err(unknown("user or role", grantee, &names));
                }
                for object in &on {
                    let object = match object.split_once('.') {
                        Some((schema, table)) => GrantObject::Table {
                            schema: schema.to_owned(),
                            table: table.to_owned(),
                        },
                        None => GrantObject::Schema(object.clone()),
                    };
                    let privileges = privileges.and(object.possible());
                    grants.push(DescribedGrant {
                        grantee: grantee.clone(),
                        object,
                        privileges,
                    });
                }
            }
        }
        Ok(Self {
            roles,
            users,
            grants,
        })
    }
}

impl Catalog {
    /// Makes users, roles and grants be as the file says; returns what was changed, as sentences.
    pub async fn apply_access(
        &self,
        by: &Actor,
        file: &AccessFile,
    ) -> Result<Vec<String>, CatalogError> {
        let mut done = Vec::new();
        for role in &file.roles {
            if !self.access().has_role(role.as_str()) {
                self.create_role(by, role.as_str()).await?;
                done.push(format!("made role {role}"));
            }
        }
        for user in &file.users {
            self.apply_user(by, user, &mut done).await?;
        }
        for grant in &file.grants {
            let DescribedGrant {
                grantee,
                object,
                privileges,
            } = grant;
            let has = self
                .access()
                .grants()
                .iter()
                .find(|other| other.grantee == *grantee && other.object == *object)
                .map_or(Privileges::NONE, |other| other.privileges);
            let (more, less) = (privileges.without(has), has.without(*privileges));
            if !more.is_empty() {
                self.grant(by, grantee, object, more).await?;
                done.push(format!("granted {more} on {object} to {grantee}"));
            }
            if !less.is_empty() {
                self.revoke(by, grantee, object, less).await?;
                done.push(format!("revoked {less} on {object} from {grantee}"));
            }
        }
        Ok(done)
    }

    async fn apply_user(
        &self,
        by: &Actor,
        described: &DescribedUser,
        done: &mut Vec<String>,
    ) -> Result<(), CatalogError> {
        let name = described.name.as_str();
        let access = self.access();
        let Some(user) = access.user(name) else {
            let new = NewUser {
                name: name.to_owned(),
                roles: described.roles.clone(),
                password: None,
            };
            self.create_user(by, new).await?;
            done.push(format!("made user {name} without a password"));
            if described.disabled {
                self.set_user_disabled(by, name, true).await?;
            }
            return Ok(());
        };
        for role in &described.roles {
            if self.add_user_role(by, name, role).await? {
                done.push(format!("gave {name} the role {role}"));
            }
        }
        for role in &user.roles {
            if !described.roles.iter().any(|kept| kept == role.as_str()) {
                self.remove_user_role(by, name, role.as_str()).await?;
                done.push(format!("took the role {role} from {name}"));
            }
        }
        if user.disabled != described.disabled {
            self.set_user_disabled(by, name, described.disabled).await?;
            let did = if described.disabled {
                "disabled"
            } else {
                "enabled"
            };
            done.push(format!("{did} user {name}"));
        }
        Ok(())
    }
}

/// Takes the library's message apart: what to say, and the word it is about.
fn explained(message: &str) -> (String, Option<String>) {
    let message = match message.rfind(" at line ") {
        Some(at) => &message[..at],
        None => message,
    };
    // Paths such as `users.ada: ` come first; the rest is what people need.
    let Some(start) = message.find("unknown field `") else {
        return (message.to_owned(), None);
    };
    let mut quoted = message[start..].split('`').skip(1).step_by(2);
    let Some(word) = quoted.next() else {
        return (message.to_owned(), None);
    };
    let known: Vec<&str> = quoted.collect();
    let hint = match weir_core::did_you_mean(word, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("expected one of {}", known.join(", ")),
    };
    (
        format!("unknown key `{word}`; {hint}"),
        Some(word.to_owned()),
    )
}

/// Finds where a word stands, from a line on: the library knows only the place of what is around it.
fn place(text: &str, word: &str, from: usize) -> Option<(usize, usize)> {
    let bound = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '-');
    let find = |from: usize| {
        let lines = text.lines().enumerate().skip(from.saturating_sub(1));
        lines.into_iter().find_map(|(index, line)| {
            let code = line.split(" #").next().unwrap_or(line);
            let mut places = code.match_indices(word).filter(|(at, _)| {
                bound(code[..*at].chars().next_back())
                    && bound(code[at + word.len()..].chars().next())
            });
            if code.trim_start().starts_with('#') {
                return None;
            }
            places
                .next()
                .map(|(at, _)| (index + 1, code[..at].chars().count() + 1))
        })
    };
    find(from).or_else(|| find(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<AccessFile, String> {
        AccessFile::parse("access.yml", text, &["owner"]).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_it_may_say_is_read() {
        let file = parse(
            "roles: [support]\nusers:\n  ada@example.com: { roles: [analyst, support] }\n  bot:\n\
             grants:\n  - to: [support, bot]\n    on: raw_shop\n    privileges: select\n\
             \x20 - to: public\n    on: main.orders\n    privileges: [ALL]\n",
        )
        .unwrap();

        assert_eq!(file.users.len(), 2);
        assert_eq!(file.grants.len(), 3);
        assert_eq!(file.grants[2].privileges, Privileges::TABLE);
        assert_eq!(parse("# nothing\n").unwrap(), AccessFile::default());
    }

    #[test]
    fn mistakes_name_the_place_and_the_fix() {
        for (text, message) in [
            (
                "roles: []\nuser:\n  ada:\n",
                "access.yml:2:1: unknown key `user`; did you mean `users`?",
            ),
            (
                "users:\n  ada:\n    rolse: [analyst]\n",
                "access.yml:3:5: unknown key `rolse`; did you mean `roles`?",
            ),
            (
                "users:\n  ada:\n    roles: [analist]\n",
                "access.yml:3:13: unknown role `analist`; did you mean `analyst`?",
            ),
            (
                "users:\n  ada:\n  Bob:\n",
                "access.yml:3:3: user name `Bob` must start with a lower-case letter",
            ),
            (
                "users:\n  ada:\ngrants:\n  - { to: adda, on: shop, privileges: select }\n",
                "access.yml:4:11: unknown user or role `adda`; did you mean `ada`?",
            ),
            (
                "grants:\n  - { to: public, on: shop, privileges: [selekt] }\n",
                "access.yml:2:42: unknown privilege `selekt`; did you mean `select`?",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), message, "{text}");
        }
        assert!(parse("users: [").unwrap_err().starts_with("access.yml:"));
        assert!(
            parse("users:\n  ada:\n    password: secret1\n")
                .unwrap_err()
                .starts_with("access.yml:3:5: unknown key `password`")
        );
    }
}
