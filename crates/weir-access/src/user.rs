use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use crate::name::{RoleName, UserName};
use crate::password::PasswordSecrets;
use crate::role::Role;
use crate::scram::ScramSalt;

/// A person or a program that can sign in.
#[derive(Clone, Debug)]
pub struct User {
    /// Never reused.
    pub id: i64,
    /// The name to sign in with.
    pub name: UserName,
    /// Built-in and custom roles.
    pub roles: BTreeSet<RoleName>,
    /// Whether signing in is refused and every right is suspended.
    pub disabled: bool,
    /// The user's own schema.
    pub schema: String,
    /// What the user's clients mix into the password or a token before they prove it.
    pub scram: ScramSalt,
    /// What recognises the password, where there is one.
    pub password: Option<PasswordSecrets>,
    /// When the user was made.
    pub created_at: DateTime<Utc>,
    /// When the password was last set.
    pub password_set_at: Option<DateTime<Utc>>,
}

impl User {
    /// Whether the user has a built-in role.
    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(role.as_str())
    }
}
