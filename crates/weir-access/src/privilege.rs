use std::fmt;
use std::str::FromStr;

/// What a grant allows on its object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Privilege {
    /// Read rows, now and as they were.
    Select = 1,
    /// Add rows.
    Insert = 2,
    /// Change rows.
    Update = 4,
    /// Remove rows, all of them too.
    Delete = 8,
    /// Make tables and views in a schema.
    Create = 16,
    /// Know that a schema exists. Any other right in a schema brings it along.
    Usage = 32,
}

impl Privilege {
    /// All of them, in the order they are listed in.
    pub const ALL: [Privilege; 6] = [
        Privilege::Select,
        Privilege::Insert,
        Privilege::Update,
        Privilege::Delete,
        Privilege::Create,
        Privilege::Usage,
    ];

    /// Returns the privilege as SQL spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Privilege::Select => "SELECT",
            Privilege::Insert => "INSERT",
            Privilege::Update => "UPDATE",
            Privilege::Delete => "DELETE",
            Privilege::Create => "CREATE",
            Privilege::Usage => "USAGE",
        }
    }

    /// Whether it means something on a single table.
    pub fn is_of_tables(self) -> bool {
        !matches!(self, Privilege::Create | Privilege::Usage)
    }
}

/// The text is no privilege.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected SELECT, INSERT, UPDATE, DELETE, CREATE, USAGE or ALL")]
pub struct NoSuchPrivilege;

/// A set of privileges.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Privileges(u8);

impl Privileges {
    /// No privilege.
    pub const NONE: Privileges = Privileges(0);
    /// Everything that can be granted on a schema.
    pub const ALL: Privileges = Privileges(63);
    /// Everything that can be granted on a table.
    pub const TABLE: Privileges = Privileges(15);

    /// Whether `privilege` is in the set.
    pub fn contains(self, privilege: Privilege) -> bool {
        self.0 & privilege as u8 != 0
    }

    /// Whether there is no privilege in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns both sets as one.
    #[must_use]
    pub fn with(self, other: impl Into<Privileges>) -> Privileges {
        Privileges(self.0 | other.into().0)
    }

    /// Returns this set without the other.
    #[must_use]
    pub fn without(self, other: impl Into<Privileges>) -> Privileges {
        Privileges(self.0 & !other.into().0)
    }

    /// Returns what both sets have.
    #[must_use]
    pub fn and(self, other: Privileges) -> Privileges {
        Privileges(self.0 & other.0)
    }

    /// Returns the privileges one by one.
    pub fn iter(self) -> impl Iterator<Item = Privilege> {
        Privilege::ALL
            .into_iter()
            .filter(move |privilege| self.contains(*privilege))
    }

    /// Returns the set as a number, for storing.
    pub fn bits(self) -> u8 {
        self.0
    }

    /// Returns the set that a stored number stands for; unknown bits are dropped.
    pub fn from_bits(bits: u8) -> Self {
        Privileges(bits & Privileges::ALL.0)
    }
}

impl From<Privilege> for Privileges {
    fn from(privilege: Privilege) -> Self {
        Privileges(privilege as u8)
    }
}

impl FromIterator<Privilege> for Privileges {
    fn from_iter<I: IntoIterator<Item = Privilege>>(privileges: I) -> Self {
        privileges
            .into_iter()
            .fold(Privileges::NONE, |set, privilege| set.with(privilege))
    }
}

impl FromStr for Privileges {
    type Err = NoSuchPrivilege;

    /// Reads one word, of any case; `ALL` is everything.
    fn from_str(word: &str) -> Result<Self, NoSuchPrivilege> {
        if word.eq_ignore_ascii_case("all") {
            return Ok(Privileges::ALL);
        }
        Privilege::ALL
            .into_iter()
            .find(|privilege| privilege.as_str().eq_ignore_ascii_case(word))
            .map(Privileges::from)
            .ok_or(NoSuchPrivilege)
    }
}

impl fmt::Display for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, privilege) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(privilege.as_str())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Privileges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Privileges({self})")
    }
}
