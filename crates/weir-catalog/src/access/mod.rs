//! Users, roles, grants and tokens in the store; each change with its audit record.

mod actor;
mod audit;
mod change;
mod grants;
mod load;
mod schemas;
mod tokens;
mod users;

pub use actor::Actor;
pub use audit::AuditLine;
pub(crate) use load::load;
pub use tokens::NewToken;
pub use users::NewUser;
