//! Questions and dashboards: who may read, make and change them. What they show is decided where it
//! is read: a document opens no table.

use crate::access::Access;
use crate::decision::{Decision, Reason, Rights};
use crate::identity::Identity;
use crate::object::{Action, Object};
use crate::role::Role;
use crate::user::User;

/// What somebody wants to do to a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DocumentAction {
    /// Look at it.
    Read,
    /// Make a new one.
    Create,
    /// Save another version of it, or remove it.
    Write,
    /// Say who else may read and change it.
    Share,
    /// Vouch for it.
    Certify,
}

/// What a decision about a document needs to know of it.
#[derive(Clone, Copy, Debug)]
pub struct DocumentOwner {
    /// The owner's number; none when the owner is gone, or the document is yet to be made.
    pub owner: Option<i64>,
    /// Whether everybody may read it.
    pub readable: bool,
    /// Whether everybody who may make documents may change it.
    pub editable: bool,
}

/// Roles that make and change documents.
const MAKERS: [Role; 4] = [Role::Owner, Role::Admin, Role::Engineer, Role::Analyst];

/// Roles to whom every document is open.
const KEEPERS: [Role; 2] = [Role::Owner, Role::Admin];

impl Access {
    /// Decides whether `who` may do `action` to a document.
    pub fn decide_document(
        &self,
        who: &Identity,
        action: DocumentAction,
        document: &DocumentOwner,
    ) -> Decision {
        self.rights(who).decide_document(action, document)
    }
}

impl Rights<'_> {
    fn decide_document(&self, action: DocumentAction, document: &DocumentOwner) -> Decision {
        let read = self.reads_document(document);
        let decision = |allowed, reason| Decision {
            allowed,
            visible: read,
            reason,
        };
        if self.is_local() {
            return decision(true, Reason::Local);
        }
        let Some(user) = self.user() else {
            return decision(false, Reason::NotSignedIn);
        };
        // A token for reading reads documents; one that may write makes them.
        let needed = match action {
            DocumentAction::Read => Action::Select,
            _ => Action::Insert,
        };
        if !self.token_covers(needed, &Object::Server) {
            return decision(false, Reason::Scope);
        }
        let one_of = |roles: &[Role]| roles.iter().copied().find(|role| user.has(*role));
        let maker = one_of(&MAKERS);
        let owns = owns(user, document);
        let why = match action {
            DocumentAction::Read => {
                return decision(
                    read,
                    if read {
                        Reason::Public
                    } else {
                        Reason::NoRight
                    },
                );
            }
            DocumentAction::Create => maker.map(Reason::Role),
            DocumentAction::Write => maker.filter(|_| owns || document.editable).map(|role| {
                if owns {
                    Reason::Owned
                } else {
                    Reason::Role(role)
                }
            }),
            DocumentAction::Share => maker.filter(|_| owns).map(|_| Reason::Owned),
            DocumentAction::Certify => one_of(&[Role::Owner, Role::Admin, Role::Engineer])
                .filter(|_| read)
                .map(Reason::Role),
        };
        match why.or_else(|| one_of(&KEEPERS).map(Reason::Role)) {
            Some(reason) => decision(true, reason),
            None => decision(false, Reason::NoRight),
        }
    }

    fn reads_document(&self, document: &DocumentOwner) -> bool {
        self.is_local()
            || self.user().is_some_and(|user| {
                document.readable
                    || owns(user, document)
                    || KEEPERS.iter().any(|role| user.has(*role))
            })
    }
}

fn owns(user: &User, document: &DocumentOwner) -> bool {
    document.owner == Some(user.id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::access::AccessParts;
    use crate::identity::Auth;
    use crate::name::{RoleName, UserName};
    use crate::scram::ScramSalt;

    fn user(id: i64, name: &str, role: &str) -> User {
        User {
            id,
            name: UserName::new(name).unwrap(),
            roles: BTreeSet::from([RoleName::new(role).unwrap()]),
            disabled: false,
            schema: name.to_owned(),
            scram: ScramSalt::generate(),
            password: None,
            created_at: chrono::Utc::now(),
            password_set_at: None,
        }
    }

    fn access() -> Access {
        Access::new(AccessParts {
            users: vec![
                user(1, "olga", "owner"),
                user(2, "ada", "analyst"),
                user(3, "ben", "analyst"),
                user(4, "vera", "viewer"),
            ],
            ..AccessParts::default()
        })
    }

    fn may(id: i64, name: &str, action: DocumentAction, document: DocumentOwner) -> bool {
        let who = Identity::new(name.into(), id, Auth::Password);
        access().decide_document(&who, action, &document).allowed
    }

    const ADAS: DocumentOwner = DocumentOwner {
        owner: Some(2),
        readable: false,
        editable: false,
    };

    #[test]
    fn what_is_private_is_its_owners_and_the_keepers() {
        assert!(may(2, "ada", DocumentAction::Read, ADAS));
        assert!(may(1, "olga", DocumentAction::Read, ADAS));
        assert!(!may(3, "ben", DocumentAction::Read, ADAS));
        assert!(!may(3, "ben", DocumentAction::Certify, ADAS));
    }

    #[test]
    fn viewers_read_what_is_shared_and_change_nothing() {
        let shared = DocumentOwner {
            readable: true,
            editable: true,
            ..ADAS
        };
        assert!(may(4, "vera", DocumentAction::Read, shared));
        for action in [
            DocumentAction::Create,
            DocumentAction::Write,
            DocumentAction::Share,
            DocumentAction::Certify,
        ] {
            assert!(!may(4, "vera", action, shared), "{action:?}");
        }
        assert!(may(3, "ben", DocumentAction::Write, shared));
        assert!(!may(3, "ben", DocumentAction::Share, shared));
    }

    #[test]
    fn strangers_may_nothing() {
        let shared = DocumentOwner {
            readable: true,
            ..ADAS
        };
        assert!(!may(9, "nobody", DocumentAction::Read, shared));
        // Somebody new under an old name is somebody else.
        assert!(!may(9, "ada", DocumentAction::Read, ADAS));
    }
}
