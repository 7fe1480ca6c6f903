use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use subtle::ConstantTimeEq;
use weir_access::Access;
use weir_core::SourceName;

use crate::key::{KeyLookup, SecretHash, hash_secret};
use crate::source::Source;
use crate::view::View;

/// Everything a look-up needs, as of one generation of the store.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) generation: i64,
    pub(crate) sources: BTreeMap<SourceName, Arc<Source>>,
    pub(crate) keys: HashMap<SecretHash, KeyState>,
    pub(crate) owner_token: Option<SecretHash>,
    pub(crate) views: Arc<[View]>,
    pub(crate) access: Arc<Access>,
}

pub(crate) struct KeyState {
    pub(crate) source: Arc<Source>,
    pub(crate) revoked: bool,
}

impl State {
    pub(crate) fn source_for_key(&self, write_key: &str) -> KeyLookup {
        // Timing tells an attacker about the hash of a guess, which says nothing about any key.
        match self.keys.get(&hash_secret(write_key)) {
            None => KeyLookup::Unknown,
            Some(key) if key.revoked => KeyLookup::Revoked,
            Some(key) => KeyLookup::Found(key.source.clone()),
        }
    }

    pub(crate) fn is_owner(&self, token: &str) -> bool {
        let Some(stored) = &self.owner_token else {
            return false;
        };
        hash_secret(token).ct_eq(stored).into()
    }
}
