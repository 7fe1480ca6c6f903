//! Users, roles, grants, tokens, sources, keys and publications in the store; each change with its
//! audit record.

mod actor;
mod audit;
mod change;
mod grants;
mod load;
mod noted;
mod publications;
mod schemas;
mod sources;
mod tokens;
mod users;

pub use actor::Actor;
pub use audit::AuditLine;
pub(crate) use change::Change;
pub(crate) use load::load;
pub use publications::{Build, Publication, PublicationTable, PublicationToken, PublicationView};
pub use sources::Upserted;
pub use tokens::NewToken;
pub use users::NewUser;
