//! What a tap changed in its configuration, for its next run.
//!
//! Tokens that are good for one use come back this way. They lie in a file of mode 0600, since the tap
//! itself must be given them in one.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::program::SourceFolder;

#[derive(Serialize, Deserialize)]
struct Kept {
    /// A fingerprint of the configuration it belongs to: with another one, it is forgotten.
    of: String,
    values: Map<String, Value>,
}

fn fingerprint(config: &Map<String, Value>) -> String {
    let text = Value::Object(config.clone()).to_string();
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

impl SourceFolder {
    /// Returns what the tap changed when it last ran with this configuration.
    pub(super) fn kept(&self, config: &Map<String, Value>) -> Map<String, Value> {
        let text = std::fs::read_to_string(self.kept_path()).unwrap_or_default();
        match serde_json::from_str::<Kept>(&text) {
            Ok(kept) if kept.of == fingerprint(config) => kept.values,
            _ => Map::new(),
        }
    }

    /// Keeps what the tap changed.
    pub(super) fn keep(
        &self,
        config: &Map<String, Value>,
        changed: &Map<String, Value>,
    ) -> std::io::Result<()> {
        let mut values = self.kept(config);
        values.extend(changed.clone());
        let kept = Kept {
            of: fingerprint(config),
            values,
        };
        let (path, text) = (self.kept_path(), serde_json::to_string(&kept)?);
        let part = path.with_extension("part");
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(part, path)
    }
}
