//! What changed since an earlier manifest.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;

use crate::artifact::{PreviousState, thing_json};
use crate::node::{Manifest, UniqueId};

/// A part of a node that can be modified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aspect {
    Body,
    Configs,
    Relation,
    PersistedDescriptions,
    Macros,
    Contract,
}

impl Aspect {
    pub(super) fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "body" => Self::Body,
            "configs" => Self::Configs,
            "relation" => Self::Relation,
            "persisted_descriptions" => Self::PersistedDescriptions,
            "macros" => Self::Macros,
            "contract" => Self::Contract,
            _ => return None,
        })
    }
}

/// Compares a manifest with an earlier one.
pub(super) struct Comparer<'c> {
    manifest: &'c Manifest,
    previous: &'c PreviousState,
    /// Macros that are new or have another text, and whether one leads to such.
    changed: HashSet<String>,
    leads: RefCell<HashMap<UniqueId, bool>>,
}

/// Settings that are no part of what a node does: they show as another relation or not at all.
const UNCOMPARED: [&str; 5] = ["alias", "schema", "database", "tags", "group"];

/// Settings of tests that change what they say.
const TEST_SETTINGS: [&str; 8] = [
    "severity",
    "where",
    "limit",
    "fail_calc",
    "warn_if",
    "error_if",
    "store_failures",
    "store_failures_as",
];

impl<'c> Comparer<'c> {
    pub(super) fn new(manifest: &'c Manifest, previous: &'c PreviousState) -> Self {
        let changed = manifest
            .macros
            .values()
            .filter(|found| {
                let before = previous
                    .macro_of(found.id.as_str())
                    .and_then(|before| before["macro_sql"].as_str());
                before.map(str::trim) != Some(found.code.trim())
            })
            .map(|found| found.id.as_str().to_owned())
            .collect();
        Self {
            manifest,
            previous,
            changed,
            leads: RefCell::default(),
        }
    }

    /// Says whether `id` is not what it was: one aspect of it, or any. What is new is modified, but has
    /// no single aspect that is.
    pub(super) fn modified(&self, id: &UniqueId, aspect: Option<Aspect>) -> bool {
        let macros = self.macros(id);
        let Some(before) = self.previous.node(id.as_str()) else {
            return aspect.is_none_or(|aspect| aspect == Aspect::Macros && macros);
        };
        let Some(now) = thing_json(self.manifest, id) else {
            return false;
        };
        match aspect {
            Some(Aspect::Body) => self.body(&now, before),
            Some(Aspect::Configs) => configs(&now, before),
            Some(Aspect::Relation) => relation(&now, before),
            Some(Aspect::PersistedDescriptions) => descriptions(&now, before),
            Some(Aspect::Contract) => contract(&now, before),
            Some(Aspect::Macros) => macros,
            None => {
                macros
                    || self.body(&now, before)
                    || configs(&now, before)
                    || relation(&now, before)
                    || descriptions(&now, before)
                    || contract(&now, before)
                    || now["fqn"] != before["fqn"]
            }
        }
    }

    fn body(&self, now: &Json, before: &Json) -> bool {
        match now["resource_type"].as_str() {
            Some("model" | "snapshot" | "analysis" | "operation" | "sql_operation") => {
                now["raw_code"] != before["raw_code"] && now["checksum"] != before["checksum"]
            }
            Some("test") => {
                now["raw_code"] != before["raw_code"]
                    || now["test_metadata"] != before["test_metadata"]
            }
            Some("seed") => now["checksum"] != before["checksum"],
            Some("source") => [
                "external",
                "loader",
                "quoting",
                "freshness",
                "loaded_at_field",
            ]
            .iter()
            .any(|key| now[*key] != before[*key]),
            Some("unit_test") => {
                // Checksums of other tools are made otherwise, so what they are made of is compared.
                ["model", "given", "expect", "overrides"]
                    .iter()
                    .any(|key| now[*key] != before[*key])
            }
            _ => {
                let keys = [
                    "type",
                    "owner",
                    "url",
                    "maturity",
                    "description",
                    "label",
                    "type_params",
                    "filter",
                    "model",
                    "entities",
                    "measures",
                    "dimensions",
                    "defaults",
                    "query_params",
                    "exports",
                    "depends_on",
                ];
                keys.iter().any(|key| now[*key] != before[*key])
            }
        }
    }

    /// Says whether a macro that the thing calls, over however many others, changed.
    fn macros(&self, id: &UniqueId) -> bool {
        let called = match self.manifest.nodes.get(id) {
            Some(node) => &node.depends_on.macros,
            None => return false,
        };
        called.iter().any(|id| self.leads_to_change(id, 0))
    }

    fn leads_to_change(&self, id: &UniqueId, depth: usize) -> bool {
        if self.changed.contains(id.as_str()) {
            return true;
        }
        if let Some(known) = self.leads.borrow().get(id) {
            return *known;
        }
        if depth > 64 {
            return false;
        }
        // Macros may call each other in circles: while one is looked at it counts as unchanged.
        self.leads.borrow_mut().insert(id.clone(), false);
        let called = self
            .manifest
            .macros
            .get(id)
            .map(|found| found.depends_on.macros.clone())
            .unwrap_or_default();
        let leads = called
            .iter()
            .any(|below| self.leads_to_change(below, depth + 1));
        self.leads.borrow_mut().insert(id.clone(), leads);
        leads
    }
}

fn configs(now: &Json, before: &Json) -> bool {
    let empty = Json::Object(serde_json::Map::new());
    let of = |thing: &Json| {
        thing
            .get("unrendered_config")
            .cloned()
            .unwrap_or_else(|| empty.clone())
    };
    let (now_set, before_set) = (of(now), of(before));
    let (Json::Object(now_set), Json::Object(before_set)) = (&now_set, &before_set) else {
        return false;
    };
    let is_test = now["resource_type"] == "test";
    let keys: HashSet<&String> = now_set.keys().chain(before_set.keys()).collect();
    keys.into_iter().any(|key| {
        let compared = if is_test {
            TEST_SETTINGS.contains(&key.as_str())
        } else {
            !UNCOMPARED.contains(&key.as_str())
        };
        let given = |set: &serde_json::Map<String, Json>| {
            set.get(key).filter(|value| !value.is_null()).cloned()
        };
        compared && given(now_set) != given(before_set)
    })
}

fn relation(now: &Json, before: &Json) -> bool {
    if now["resource_type"] == "source" {
        return ["database", "schema", "identifier"]
            .iter()
            .any(|key| now[*key] != before[*key]);
    }
    // Targets differ between environments; what the project itself says is compared.
    ["database", "schema", "alias"].iter().any(|key| {
        let given = |thing: &Json| {
            thing
                .get("unrendered_config")
                .and_then(|set| set.get(*key))
                .filter(|value| !value.is_null())
                .cloned()
        };
        given(now) != given(before)
    })
}

fn descriptions(now: &Json, before: &Json) -> bool {
    let persisted = |part: &str| now["config"]["persist_docs"][part] == Json::Bool(true);
    if persisted("relation") && now["description"] != before["description"] {
        return true;
    }
    if !persisted("columns") {
        return false;
    }
    let of = |thing: &Json| -> Vec<(String, Json)> {
        let columns = thing["columns"].as_object();
        let mut all: Vec<(String, Json)> = columns
            .into_iter()
            .flatten()
            .map(|(name, column)| (name.clone(), column["description"].clone()))
            .collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        all
    };
    of(now) != of(before)
}

fn contract(now: &Json, before: &Json) -> bool {
    let enforced = |thing: &Json| thing["contract"]["enforced"] == Json::Bool(true);
    match (enforced(now), enforced(before)) {
        (false, false) => false,
        (true, true) => now["contract"]["checksum"] != before["contract"]["checksum"],
        _ => true,
    }
}
