//! What the web application remembers: who is signed in, questions and dashboards with their
//! versions, and the answers that were kept.

mod agreed;
mod deliveries;
mod documents;
mod drafts;
mod embeds;
mod files;
mod owners;
mod released;
mod results;
mod rollups;
mod sessions;
mod watches;

pub use deliveries::{Delivery, NewDelivery};
pub use documents::{Document, DocumentKind, DocumentVersion, NewDocument, SavedDocument, Sharing};
pub use drafts::Draft;
pub use embeds::{Embed, NewEmbed};
pub use files::DocumentFile;
pub use released::Released;
pub use results::{NewStoredResult, StoredResult};
pub use rollups::{NewRollup, Rollup, RollupReads, RollupTrigger};
pub use sessions::SessionSecret;
pub use watches::{Comparison, Condition, NewWatch, Watch};

use chrono::{DateTime, Utc};
use rand::Rng;

/// Returns a name for something new, with some 71 bits of chance: short enough for a link, too many
/// to guess, though knowing one opens nothing.
fn new_id() -> String {
    const LETTERS: &[u8] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut rng = rand::rng();
    (0..14)
        .map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())]))
        .collect()
}

/// Returns the moment that is stored as microseconds.
fn instant(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
