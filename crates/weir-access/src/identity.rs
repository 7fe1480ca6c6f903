use std::fmt;
use std::sync::Arc;

use crate::token::TokenHash;

/// Who somebody has proved to be.
///
/// It holds no rights: what the user may do is looked up at each decision, so that a right that is
/// taken away is gone at once.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Identity {
    pub(crate) user: Arc<str>,
    /// Never reused: a new user of an old name is somebody else.
    pub(crate) user_id: i64,
    pub(crate) auth: Auth,
}

/// How somebody proved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Auth {
    /// Has the project's files: nothing can be kept from them.
    Local,
    /// Knew the password.
    Password,
    /// Had a token.
    Token(TokenHash),
}

impl Auth {
    /// Returns the way as a word, for the audit.
    pub fn as_str(&self) -> &'static str {
        match self {
            Auth::Local => "local",
            Auth::Password => "password",
            Auth::Token(_) => "token",
        }
    }
}

impl Identity {
    /// Returns whoever holds the project's files: may do everything.
    ///
    /// Only for commands that opened the files themselves and for work the server does on its own.
    /// No door makes one from what a client sends.
    pub fn local() -> Self {
        Self {
            user: "owner".into(),
            user_id: 0,
            auth: Auth::Local,
        }
    }

    /// Returns somebody of whom a record tells what they did.
    ///
    /// It is for comparing records with whoever asks for them; nobody comes in by it.
    pub fn recorded(user: &str, user_id: i64) -> Self {
        Self::new(user.into(), user_id, Auth::Password)
    }

    /// Returns the number that no other user ever has.
    pub fn user_id(&self) -> i64 {
        self.user_id
    }

    pub(crate) fn new(user: Arc<str>, user_id: i64, auth: Auth) -> Self {
        Self {
            user,
            user_id,
            auth,
        }
    }

    /// Returns the user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// Returns how it was proved.
    pub fn auth(&self) -> Auth {
        self.auth
    }

    /// Whether both are the same user, however each came.
    pub fn is_user_of(&self, other: &Identity) -> bool {
        self.user == other.user && self.user_id == other.user_id
    }

    /// Whether it is the holder of the project's files.
    pub fn is_local(&self) -> bool {
        self.auth == Auth::Local
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} by {})", self.user, self.auth.as_str())
    }
}
