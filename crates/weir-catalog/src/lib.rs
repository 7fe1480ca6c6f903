//! What Weir remembers that is not rows: sources, write keys, users and their rights, views, the audit.
//!
//! Look-ups are answered from memory; the metadata store (SQLite in `.weir/catalog.db`) is read
//! when its generation moves, whichever process moved it. Secrets are stored as hashes only.
//!
//! What this crate is not: it knows no engine and no HTTP, and no secret it has stored can be read
//! back from it.

mod access;
mod access_file;
mod catalog;
mod error;
mod key;
mod source;
mod source_file;
mod sqlite;
mod state;
mod token;
mod view;
mod web;

pub use access::{
    Actor, AuditLine, Build, NewToken, NewUser, Publication, PublicationTable, PublicationToken,
    PublicationView, Upserted,
};
pub use access_file::{AccessFile, AccessFileError};
pub use catalog::Catalog;
pub use error::{CatalogError, CatalogErrorKind};
pub use key::{KeyInfo, KeyLookup, NewKey, WriteKey};
pub use source::{ClockPolicy, IpPolicy, Source, SourceSettings};
pub use source_file::{SourceFile, SourceFileError};
pub use token::OwnerToken;
pub use view::{Comments, View};
pub use web::{
    Comparison, Condition, Delivery, Document, DocumentFile, DocumentKind, DocumentVersion, Draft,
    Embed, NewDelivery, NewDocument, NewEmbed, NewRollup, NewStoredResult, NewWatch, Released,
    Rollup, RollupReads, RollupTrigger, SavedDocument, SessionSecret, Sharing, StoredResult, Watch,
};
