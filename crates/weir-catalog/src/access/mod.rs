//! Users, roles, grants, tokens, sources and keys in the store; each change with its audit record.

mod actor;
mod audit;
mod change;
mod grants;
mod load;
mod schemas;
mod sources;
mod tokens;
mod users;

pub use actor::Actor;
pub use audit::AuditLine;
pub(crate) use load::load;
pub use sources::Upserted;
pub use tokens::NewToken;
pub use users::NewUser;
