use std::collections::BTreeMap;

use crate::error::{ExtractError, ExtractErrorKind};
use crate::spec::{SchemaChanges, SourceSpec, StreamRules};

/// What holds for the streams of a sync.
#[derive(Clone, Debug, Default)]
pub(crate) struct LoadRules {
    streams: BTreeMap<String, StreamRules>,
    policies: BTreeMap<String, SchemaChanges>,
    policy: SchemaChanges,
    pub(super) hash_key: Option<[u8; 32]>,
}

impl LoadRules {
    /// Returns the rules of a source's file.
    pub(crate) fn of(spec: &SourceSpec) -> Result<Self, ExtractError> {
        let hashes = spec.streams.values().any(|rules| !rules.hash.is_empty());
        if hashes && spec.hash_key.is_none() {
            let message = format!(
                "source `{}` hashes columns and has no `hash_key`",
                spec.name
            );
            return Err(ExtractError::new(ExtractErrorKind::Invalid, message).hint(
                "add `hash_key: ${env:NAME}`: without a key, hashes of addresses and numbers are guessed",
            ));
        }
        let own =
            |(name, rules): (&String, &StreamRules)| Some((name.clone(), rules.schema_changes?));
        Ok(Self {
            streams: spec.streams.clone(),
            policies: spec.streams.iter().filter_map(own).collect(),
            policy: spec.schema_changes,
            hash_key: spec
                .hash_key
                .as_ref()
                .map(|key| blake3::derive_key("weir 2026 hashed columns", key.reveal().as_bytes())),
        })
    }

    /// Returns rules that are the same for every stream.
    pub(crate) fn of_all(rules: StreamRules) -> Self {
        Self {
            streams: BTreeMap::from([("*".to_owned(), rules)]),
            ..Self::default()
        }
    }

    pub(super) fn rules(&self, stream: &str) -> StreamRules {
        let own = self.streams.get(stream).or_else(|| self.streams.get("*"));
        own.cloned().unwrap_or_default()
    }

    pub(super) fn policy(&self, stream: &str) -> SchemaChanges {
        let own = self.policies.get(stream).or_else(|| self.policies.get("*"));
        own.copied().unwrap_or(self.policy)
    }
}
