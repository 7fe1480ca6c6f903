//! What a tap changed in its configuration, for its next run.
//!
//! Tokens that are good for one use come back this way. They lie sealed; the tap itself is given them in a
//! file of its run, which is gone with it.

use std::io;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::program::SourceFolder;
use super::seal::{SealKey, Sealed, write_private};
use crate::error::{ExtractError, ExtractErrorKind};

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
    pub(super) fn kept(
        &self,
        config: &Map<String, Value>,
    ) -> Result<Map<String, Value>, ExtractError> {
        match self.read_kept()? {
            Some(kept) if kept.of == fingerprint(config) => Ok(kept.values),
            _ => Ok(Map::new()),
        }
    }

    /// Keeps what the tap changed.
    pub(super) fn keep(
        &self,
        config: &Map<String, Value>,
        changed: &Map<String, Value>,
    ) -> Result<(), ExtractError> {
        let mut values = self.kept(config)?;
        values.extend(changed.clone());
        let of = fingerprint(config);
        self.write_kept(&Kept { of, values })
            .map_err(|error| self.unkept("cannot be kept").because(error))
    }

    /// Puts a folder in order that a process left behind: files of runs that did not end go, and what an
    /// earlier version of Weir kept in clear is sealed.
    pub(crate) fn tidy(&self) -> Result<(), ExtractError> {
        self.remove_runs()
            .map_err(|error| self.unkept("cannot be removed").because(error))?;
        let text = std::fs::read_to_string(self.kept_path()).unwrap_or_default();
        match serde_json::from_str::<Kept>(&text) {
            Ok(clear) => self
                .write_kept(&clear)
                .map_err(|error| self.unkept("cannot be sealed").because(error)),
            Err(_) => Ok(()),
        }
    }

    fn read_kept(&self) -> Result<Option<Kept>, ExtractError> {
        let path = self.kept_path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.unkept("cannot be read").because(error)),
        };
        if let Ok(clear) = serde_json::from_str::<Kept>(&text) {
            return Ok(Some(clear));
        }
        let opened = SealKey::read(&self.key_path()).ok().and_then(|key| {
            let sealed: Sealed = serde_json::from_str(&text).ok()?;
            serde_json::from_str(&key.open(&self.name(), &sealed)?).ok()
        });
        opened.map(Some).ok_or_else(|| {
            self.unkept("cannot be opened").hint(format!(
                "the key that sealed it, `{}`, is gone or another one: bring it back, or remove `{}` and set a fresh token",
                self.key_path().display(),
                path.display()
            ))
        })
    }

    fn write_kept(&self, kept: &Kept) -> io::Result<()> {
        let key = SealKey::ensure(&self.key_path())?;
        let sealed = key.seal(&self.name(), &serde_json::to_string(kept)?)?;
        write_private(
            &self.kept_path(),
            serde_json::to_string(&sealed)?.as_bytes(),
        )
    }

    fn unkept(&self, what: &str) -> ExtractError {
        let message = format!(
            "what the tap of `{}` changed in its configuration {what}",
            self.name()
        );
        ExtractError::new(ExtractErrorKind::Program, message)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn what_was_kept_in_clear_is_sealed_and_still_there() {
        let dir = tempfile::tempdir().unwrap();
        let folder = SourceFolder::at(dir.path().join("shop"));
        let config = map(json!({"refresh_token": "first"}));
        std::fs::create_dir_all(dir.path().join("shop/run-old")).unwrap();
        std::fs::write(dir.path().join("shop/run-old/config.json"), "t0ken").unwrap();
        let clear = json!({"of": fingerprint(&config), "values": {"refresh_token": "t0ken"}});
        std::fs::write(folder.kept_path(), clear.to_string()).unwrap();
        folder.tidy().unwrap();
        assert!(!dir.path().join("shop/run-old").exists());
        let text = std::fs::read_to_string(folder.kept_path()).unwrap();
        assert!(!text.contains("t0ken"), "{text}");
        assert_eq!(folder.kept(&config).unwrap()["refresh_token"], "t0ken");
        // Another configuration, with a token of its own.
        assert!(
            folder
                .kept(&map(json!({"refresh_token": "x"})))
                .unwrap()
                .is_empty()
        );
        folder.keep(&config, &map(json!({"other": 1}))).unwrap();
        assert_eq!(folder.kept(&config).unwrap().len(), 2);
        std::fs::remove_file(folder.key_path()).unwrap();
        let error = folder.kept(&config).unwrap_err();
        assert!(error.to_string().contains("cannot be opened"), "{error}");
    }
}
