use std::fmt;

use crate::access::{Access, Granted};
use crate::grant::PUBLIC;
use crate::object::{Action, MAIN, Object, SchemaKind};
use crate::privilege::{Privilege, Privileges};
use crate::role::Role;
use crate::token::TokenInfo;
use crate::user::User;

/// The answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// Whether somebody who may not do it may at least know that the object exists.
    pub visible: bool,
    /// Why.
    pub reason: Reason,
}

/// Why somebody may or may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Holds the project's files.
    Local,
    /// A built-in role brings the right along.
    Role(Role),
    /// It is theirs.
    Owned,
    /// It was granted.
    Granted,
    /// Everybody may; rows are filtered.
    Public,
    /// Nothing allows it.
    NoRight,
    /// The token's scopes leave it out.
    Scope,
    /// The user is disabled or gone, or the token is.
    NotSignedIn,
    /// Rows come from a source, and stay as they came.
    FilledBySource,
    /// Weir makes the contents.
    System,
    /// A person's schema goes with the person, `main` is always there.
    Fixed,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::Local => f.write_str("holds the project's files"),
            Reason::Role(role) => write!(f, "has the role {role}"),
            Reason::Owned => f.write_str("owns it"),
            Reason::Granted => f.write_str("was granted it"),
            Reason::Public => f.write_str("everybody may"),
            Reason::NoRight => f.write_str("no role and no grant allows it"),
            Reason::Scope => f.write_str("the token's scopes do not include it"),
            Reason::NotSignedIn => f.write_str("the user or token is no longer valid"),
            Reason::FilledBySource => {
                f.write_str("its rows come from a source and stay as they came")
            }
            Reason::System => f.write_str("its contents are made by Weir"),
            Reason::Fixed => f.write_str("this schema is always there"),
        }
    }
}

/// What one person may do, looked up once for many questions.
pub struct Rights<'a> {
    access: &'a Access,
    user: Option<&'a User>,
    local: bool,
    token: Option<&'a TokenInfo>,
    granted: Vec<&'a Granted>,
}

impl<'a> Rights<'a> {
    pub(crate) fn local(access: &'a Access) -> Self {
        Self {
            local: true,
            ..Self::nobody(access)
        }
    }

    pub(crate) fn nobody(access: &'a Access) -> Self {
        Self {
            access,
            user: None,
            local: false,
            token: None,
            granted: Vec::new(),
        }
    }

    pub(crate) fn of(access: &'a Access, user: &'a User, token: Option<&'a TokenInfo>) -> Self {
        let names = [PUBLIC, user.name.as_str()];
        let roles = user.roles.iter().map(|role| role.as_str());
        let granted = names
            .into_iter()
            .chain(roles)
            .filter_map(|name| access.granted.get(name))
            .collect();
        Self {
            access,
            user: Some(user),
            local: false,
            token,
            granted,
        }
    }

    pub(crate) fn is_local(&self) -> bool {
        self.local
    }

    pub(crate) fn user(&self) -> Option<&'a User> {
        self.user
    }

    /// Whether the token, if one is used, may be used for that.
    pub(crate) fn token_covers(&self, action: Action, object: &Object<'_>) -> bool {
        self.token.is_none_or(|token| token.covers(action, object))
    }

    /// Decides one question.
    pub fn decide(&self, action: Action, object: &Object<'_>) -> Decision {
        if let Some(reason) = self.impossible(action, object) {
            return Decision {
                allowed: false,
                visible: self.sees(object),
                reason,
            };
        }
        if self.local {
            return allowed(Reason::Local);
        }
        let Some(user) = self.user else {
            return denied(false, Reason::NotSignedIn);
        };
        if self
            .token
            .is_some_and(|token| !token.covers(action, object))
        {
            return denied(self.sees(object), Reason::Scope);
        }
        match self.why(user, action, object) {
            Some(reason) => allowed(reason),
            None => denied(self.sees(object), Reason::NoRight),
        }
    }

    /// Whether it may be done.
    pub fn may(&self, action: Action, object: &Object<'_>) -> bool {
        self.decide(action, object).allowed
    }

    /// Whether somebody may change their own password and tokens: not by a token that may not manage.
    pub fn may_manage_own(&self) -> bool {
        let covers = |token: &TokenInfo| token.covers(Action::ManageAccess, &Object::Server);
        self.local || (self.user.is_some() && self.token.is_none_or(covers))
    }

    /// Whether anybody at all may do this here, through SQL.
    fn impossible(&self, action: Action, object: &Object<'_>) -> Option<Reason> {
        let schema = object.schema()?;
        if action.only_reads() || action == Action::Grant {
            return None;
        }
        match (self.access.schema_kind(schema), object) {
            (SchemaKind::System, _) => Some(Reason::System),
            (SchemaKind::Raw | SchemaKind::Source, _) => Some(Reason::FilledBySource),
            (SchemaKind::Personal(user), Object::Schema(_))
                if action != Action::Create && !user.is_empty() =>
            {
                Some(Reason::Fixed)
            }
            (_, Object::Schema(MAIN)) if action != Action::Create => Some(Reason::Fixed),
            _ => None,
        }
    }

    /// Returns what allows it.
    fn why(&self, user: &User, action: Action, object: &Object<'_>) -> Option<Reason> {
        let kind = object
            .schema()
            .map(|schema| self.access.schema_kind(schema));
        if kind == Some(SchemaKind::System) {
            return action.only_reads().then_some(Reason::Public);
        }
        if let Some(role) = Role::ALL
            .into_iter()
            .filter(|role| user.has(*role))
            .find(|role| by_role(*role, action, object, kind))
        {
            return Some(Reason::Role(role));
        }
        if self.owns(user, object) {
            return Some(Reason::Owned);
        }
        self.is_granted(action, object).then_some(Reason::Granted)
    }

    fn owns(&self, user: &User, object: &Object<'_>) -> bool {
        let name = user.name.as_str();
        let Some(schema) = object.schema() else {
            return false;
        };
        let of_schema = match self.access.schema_kind(schema) {
            SchemaKind::Personal(owner) | SchemaKind::Shared(Some(owner)) => owner == name,
            SchemaKind::Mart => self.access.owner_of(&Object::Schema(schema)) == Some(name),
            _ => false,
        };
        of_schema
            || matches!(object, Object::Table { schema, table }
                if self.owned_table(name, schema, table))
    }

    fn owned_table(&self, user: &str, schema: &str, table: &str) -> bool {
        let owners = self.access.owners.get(schema);
        owners
            .and_then(|of| of.get(table))
            .is_some_and(|o| o == user)
    }

    fn is_granted(&self, action: Action, object: &Object<'_>) -> bool {
        let privilege = match action {
            Action::Select => Privilege::Select,
            Action::Insert => Privilege::Insert,
            Action::Update => Privilege::Update,
            Action::Delete | Action::Truncate => Privilege::Delete,
            Action::Create => Privilege::Create,
            Action::Usage => return self.uses(object),
            // Changing what a table is belongs to its owner, as in Postgres.
            _ => return false,
        };
        self.privileges(object).contains(privilege)
    }

    /// Returns what was granted on the object, by a grant on its schema or on itself.
    fn privileges(&self, object: &Object<'_>) -> Privileges {
        let Some(schema) = object.schema() else {
            return Privileges::NONE;
        };
        let on_schema = self.granted.iter().filter_map(|of| of.schemas.get(schema));
        let on_table = self.granted.iter().filter_map(|of| match object {
            Object::Table { schema, table } => of.tables.get(*schema)?.get(*table),
            _ => None,
        });
        on_schema
            .chain(on_table)
            .fold(Privileges::NONE, |all, some| all.with(*some))
    }

    /// Whether a grant lets somebody know of the object: any right on it, or in it.
    fn uses(&self, object: &Object<'_>) -> bool {
        let inside = |schema: &str| {
            let named = self.user.map(|user| user.name.as_str());
            self.granted.iter().any(|of| of.tables.contains_key(schema))
                || self
                    .access
                    .owners
                    .get(schema)
                    .is_some_and(|of| of.values().any(|o| Some(o.as_str()) == named))
        };
        !self.privileges(object).is_empty()
            || matches!(object, Object::Schema(schema) if inside(schema))
    }

    /// Whether somebody may know that the object exists.
    ///
    /// Where a schema may be used as a whole, its tables' names are no secret. Who has rights on
    /// single tables only knows of these.
    fn sees(&self, object: &Object<'_>) -> bool {
        if self.local {
            return true;
        }
        let Some(user) = self.user else { return false };
        match object {
            Object::Server => true,
            Object::Schema(_) => self.why(user, Action::Usage, object).is_some(),
            Object::Table { schema, .. } => {
                let whole = Object::Schema(schema);
                let kind = Some(self.access.schema_kind(schema));
                let role =
                    |role: &Role| user.has(*role) && by_role(*role, Action::Usage, &whole, kind);
                kind == Some(SchemaKind::System)
                    || Role::ALL.iter().any(role)
                    || self.owns(user, object)
                    || !self.privileges(object).is_empty()
            }
        }
    }
}

/// What a built-in role brings along; `docs/access.md` is this function as a table.
fn by_role(role: Role, action: Action, object: &Object<'_>, kind: Option<SchemaKind<'_>>) -> bool {
    use SchemaKind as Kind;
    let reads = action.only_reads();
    match role {
        Role::Owner | Role::Admin => true,
        Role::Engineer => match kind {
            None => matches!(
                action,
                Action::Create | Action::ManageSources | Action::Operate | Action::Usage
            ),
            Some(Kind::Raw | Kind::Source) => reads,
            Some(Kind::Mart | Kind::Shared(_)) => action != Action::Grant,
            Some(Kind::System | Kind::Personal(_)) => false,
        },
        Role::Analyst => match kind {
            Some(Kind::Source | Kind::Mart | Kind::Shared(_)) => reads,
            // That there are unaltered events is no secret; what is in them is.
            Some(Kind::Raw) => action == Action::Usage,
            _ => false,
        },
        Role::Viewer => match kind {
            Some(Kind::Mart) => reads,
            Some(Kind::Shared(_)) => reads && object.schema() == Some(MAIN),
            _ => false,
        },
        Role::Service => false,
    }
}

fn allowed(reason: Reason) -> Decision {
    Decision {
        allowed: true,
        visible: true,
        reason,
    }
}

fn denied(visible: bool, reason: Reason) -> Decision {
    Decision {
        allowed: false,
        visible,
        reason,
    }
}
