//! Users, roles, rights and tokens: who may do what, decided in one place.
//!
//! [`Access`] is an immutable snapshot of everybody and everything granted; [`Access::decide`] is the
//! one decision that every door and every query asks for. Secrets are kept as what recognises them:
//! a salted SCRAM verifier and an Argon2id hash for passwords, a verifier and SHA-256 for tokens.
//!
//! What this crate is not: it does no I/O, keeps no store, and knows neither SQL nor HTTP.

mod access;
mod audit;
mod decision;
mod document;
mod grant;
mod identity;
mod limiter;
mod name;
mod object;
mod password;
mod privilege;
mod role;
mod scram;
mod token;
mod user;

pub use access::{Access, AccessParts, MAX_TOKENS};
pub use audit::{AuditEntry, AuditRecord, TamperedAudit, first_hash};
pub use decision::{Decision, Reason, Rights};
pub use document::{DocumentAction, DocumentOwner};
pub use grant::{Grant, GrantObject, PUBLIC};
pub use identity::{Auth, Identity};
pub use limiter::{LoginLimiter, LoginSource};
pub use name::{AccessNameError, RoleName, UserName};
pub use object::{Action, Object, SchemaKind};
pub use password::{PasswordError, PasswordHash, PasswordSecrets, generate_password};
pub use privilege::{NoSuchPrivilege, Privilege, Privileges};
pub use role::{NoSuchRole, Role};
pub use scram::{SCRAM_ITERATIONS, ScramKeys, ScramSalt};
pub use token::{Refusal, Scope, ScopeError, Token, TokenHash, TokenInfo};
pub use user::User;
