use std::fmt;
use std::str::FromStr;

/// The roles that are built in; each is a bundle of rights that needs no grants.
///
/// `docs/access.md` has the table of roles and actions; [`crate::Access::decide`] is what holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Everything, other owners included. There is always one who can sign in or hold the project.
    Owner,
    /// Everything but changing owners and who is one.
    Admin,
    /// Reads all shared data, unaltered events too; makes and changes modelled tables and schemas;
    /// runs sources, keys and the lake.
    Engineer,
    /// Reads all shared data but unaltered events; builds in the own schema.
    Analyst,
    /// Reads what was made for reading: `main` and the marts.
    Viewer,
    /// A program: nothing but the own schema and what is granted.
    Service,
}

impl Role {
    /// All of them, the mightiest first.
    pub const ALL: [Role; 6] = [
        Role::Owner,
        Role::Admin,
        Role::Engineer,
        Role::Analyst,
        Role::Viewer,
        Role::Service,
    ];

    /// Returns the role's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Owner => "owner",
            Role::Admin => "admin",
            Role::Engineer => "engineer",
            Role::Analyst => "analyst",
            Role::Viewer => "viewer",
            Role::Service => "service",
        }
    }

    /// Returns the built-in role of that name.
    pub fn named(name: &str) -> Option<Role> {
        Role::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no built-in role.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected one of owner, admin, engineer, analyst, viewer, service")]
pub struct NoSuchRole;

impl FromStr for Role {
    type Err = NoSuchRole;

    fn from_str(text: &str) -> Result<Self, NoSuchRole> {
        Role::named(text).ok_or(NoSuchRole)
    }
}
