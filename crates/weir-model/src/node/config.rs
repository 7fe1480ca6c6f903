//! A node's configuration: what was set, over the defaults of its kind.

use std::sync::LazyLock;

use serde_json::{Value as Json, json};

use super::JsonMap;

/// Which set of known keys and defaults a configuration has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConfigKind {
    Model,
    Seed,
    Snapshot,
    Test,
    UnitTest,
    Source,
    Exposure,
    Metric,
    SemanticModel,
    SavedQuery,
    Function,
    /// Analyses, operations and whatever else is compiled.
    Other,
}

impl ConfigKind {
    /// Returns every known key with its default, in the order artifacts list them.
    pub fn defaults(self) -> &'static JsonMap {
        static DEFAULTS: LazyLock<[JsonMap; 12]> = LazyLock::new(|| {
            let of = |kind| match defaults_of(kind) {
                Json::Object(map) => map,
                _ => JsonMap::new(),
            };
            [
                of(ConfigKind::Model),
                of(ConfigKind::Seed),
                of(ConfigKind::Snapshot),
                of(ConfigKind::Test),
                of(ConfigKind::UnitTest),
                of(ConfigKind::Source),
                of(ConfigKind::Exposure),
                of(ConfigKind::Metric),
                of(ConfigKind::SemanticModel),
                of(ConfigKind::SavedQuery),
                of(ConfigKind::Function),
                of(ConfigKind::Other),
            ]
        });
        &DEFAULTS[self as usize]
    }
}

/// The configuration of one node.
///
/// Only what was set is stored; [`get`](Self::get) falls back on the defaults of the kind, and
/// [`to_json`](Self::to_json) gives the whole as `config` shows it in artifacts and in `model.config`.
/// Keys that no kind knows (an adapter's, or a package's own) are kept like the others. Hooks stand
/// under `pre-hook` and `post-hook`.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeConfig {
    kind: ConfigKind,
    set: JsonMap,
}

impl NodeConfig {
    /// Makes a configuration in which nothing is set.
    pub fn new(kind: ConfigKind) -> Self {
        Self {
            kind,
            set: JsonMap::new(),
        }
    }

    /// Makes a configuration of what was set, already merged.
    pub fn from_set(kind: ConfigKind, set: JsonMap) -> Self {
        Self { kind, set }
    }

    /// Returns the kind whose defaults apply.
    pub fn kind(&self) -> ConfigKind {
        self.kind
    }

    /// Returns the value of `key`, set or default; `None` for a key that is neither known nor set.
    ///
    /// A known key without a value is `Some(&Json::Null)`: `config.get('alias', 'x')` of dbt tells
    /// these apart too.
    pub fn get(&self, key: &str) -> Option<&Json> {
        let key = canonical(key);
        self.set.get(key).or_else(|| self.kind.defaults().get(key))
    }

    /// Sets `key`.
    pub fn set(&mut self, key: &str, value: Json) {
        self.set.insert(canonical(key).to_owned(), value);
    }

    /// Returns what was set, without defaults.
    pub fn explicit(&self) -> &JsonMap {
        &self.set
    }

    /// Returns everything: the known keys in their order, then the others.
    pub fn to_json(&self) -> JsonMap {
        let defaults = self.kind.defaults();
        let mut all = JsonMap::with_capacity(defaults.len() + self.set.len());
        for (key, default) in defaults {
            all.insert(key.clone(), self.set.get(key).unwrap_or(default).clone());
        }
        for (key, value) in &self.set {
            if !defaults.contains_key(key) {
                all.insert(key.clone(), value.clone());
            }
        }
        all
    }

    /// Returns the keys that the kind does not know: an adapter's or a package's.
    pub fn extra(&self) -> impl Iterator<Item = (&String, &Json)> {
        let defaults = self.kind.defaults();
        self.set
            .iter()
            .filter(|(key, _)| !defaults.contains_key(*key))
    }

    /// Returns the text under `key`, if it holds one.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.get(key).and_then(Json::as_str)
    }

    /// Returns the truth value under `key`, if it holds one; texts like `true` count.
    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Json::Bool(flag) => Some(*flag),
            Json::String(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "1" => Some(true),
                "false" | "no" | "off" | "0" => Some(false),
                _ => None,
            },
            Json::Number(number) => number.as_f64().map(|number| number != 0.0),
            _ => None,
        }
    }

    /// Returns the whole number under `key`, if it holds one.
    pub fn int(&self, key: &str) -> Option<i64> {
        match self.get(key)? {
            Json::Number(number) => number.as_i64(),
            Json::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// Returns the texts under `key`: of a list, or the one text.
    pub fn texts(&self, key: &str) -> Vec<String> {
        match self.get(key) {
            Some(Json::String(text)) => vec![text.clone()],
            Some(Json::Array(items)) => items
                .iter()
                .filter_map(|item| item.as_str().map(str::to_owned))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// Returns the mapping under `key`, or an empty one.
    pub fn map(&self, key: &str) -> &JsonMap {
        static EMPTY: LazyLock<JsonMap> = LazyLock::new(JsonMap::new);
        match self.get(key) {
            Some(Json::Object(map)) => map,
            _ => &EMPTY,
        }
    }

    pub fn enabled(&self) -> bool {
        self.flag("enabled").unwrap_or(true)
    }

    pub fn materialized(&self) -> &str {
        self.text("materialized").unwrap_or("view")
    }

    pub fn alias(&self) -> Option<&str> {
        self.text("alias")
    }

    pub fn schema(&self) -> Option<&str> {
        self.text("schema")
    }

    pub fn database(&self) -> Option<&str> {
        self.text("database")
    }

    pub fn tags(&self) -> Vec<String> {
        self.texts("tags")
    }

    pub fn meta(&self) -> &JsonMap {
        self.map("meta")
    }

    pub fn group(&self) -> Option<&str> {
        self.text("group")
    }

    pub fn incremental_strategy(&self) -> Option<&str> {
        self.text("incremental_strategy")
    }

    /// Returns the columns that identify a row: one or several, or none.
    pub fn unique_key(&self) -> Vec<String> {
        self.texts("unique_key")
    }

    pub fn full_refresh(&self) -> Option<bool> {
        self.flag("full_refresh")
    }

    pub fn on_schema_change(&self) -> &str {
        self.text("on_schema_change").unwrap_or("ignore")
    }

    pub fn on_configuration_change(&self) -> &str {
        self.text("on_configuration_change").unwrap_or("apply")
    }

    pub fn pre_hooks(&self) -> Vec<Hook> {
        hooks(self.get("pre-hook"))
    }

    pub fn post_hooks(&self) -> Vec<Hook> {
        hooks(self.get("post-hook"))
    }

    /// Says whether the columns are promised and checked before building.
    pub fn contract_enforced(&self) -> bool {
        self.map("contract").get("enforced") == Some(&Json::Bool(true))
    }

    pub fn event_time(&self) -> Option<&str> {
        self.text("event_time")
    }

    /// Returns a test's severity, `ERROR` or `WARN`.
    pub fn severity(&self) -> &'static str {
        match self.text("severity") {
            Some(severity) if severity.eq_ignore_ascii_case("warn") => "WARN",
            _ => "ERROR",
        }
    }

    pub fn store_failures(&self) -> Option<bool> {
        self.flag("store_failures")
    }
}

/// A statement that runs before or after a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    pub sql: String,
    /// Whether it runs inside the node's transaction.
    pub transaction: bool,
    pub index: Option<usize>,
}

fn hooks(value: Option<&Json>) -> Vec<Hook> {
    let items: &[Json] = match value {
        Some(Json::Array(items)) => items,
        Some(one @ (Json::String(_) | Json::Object(_))) => std::slice::from_ref(one),
        _ => return Vec::new(),
    };
    items.iter().filter_map(hook).collect()
}

fn hook(value: &Json) -> Option<Hook> {
    match value {
        Json::String(sql) => Some(Hook {
            sql: sql.clone(),
            transaction: true,
            index: None,
        }),
        Json::Object(map) => Some(Hook {
            sql: map.get("sql").and_then(Json::as_str)?.to_owned(),
            transaction: map
                .get("transaction")
                .and_then(Json::as_bool)
                .unwrap_or(true),
            index: map
                .get("index")
                .and_then(Json::as_u64)
                .and_then(|index| index.try_into().ok()),
        }),
        _ => None,
    }
}

/// Hooks may be written with either dash; artifacts know one.
fn canonical(key: &str) -> &str {
    match key {
        "pre_hook" => "pre-hook",
        "post_hook" => "post-hook",
        other => other,
    }
}

fn defaults_of(kind: ConfigKind) -> Json {
    match kind {
        ConfigKind::Model => {
            let mut all = node_defaults("view");
            add(
                &mut all,
                json!({ "access": "protected", "freshness": null }),
            );
            all
        }
        ConfigKind::Other => node_defaults("view"),
        ConfigKind::Seed => {
            let mut all = node_defaults("seed");
            add(&mut all, json!({ "delimiter": ",", "quote_columns": null }));
            all
        }
        ConfigKind::Snapshot => {
            let mut all = node_defaults("snapshot");
            add(
                &mut all,
                json!({
                    "strategy": null, "target_schema": null, "target_database": null,
                    "updated_at": null, "check_cols": null,
                    "snapshot_meta_column_names": {
                        "dbt_valid_to": null, "dbt_valid_from": null, "dbt_scd_id": null,
                        "dbt_updated_at": null, "dbt_is_deleted": null,
                    },
                    "dbt_valid_to_current": null,
                }),
            );
            all
        }
        ConfigKind::Test => json!({
            "enabled": true, "alias": null, "schema": "dbt_test__audit", "database": null,
            "tags": [], "meta": {}, "group": null, "materialized": "test", "severity": "ERROR",
            "store_failures": null, "store_failures_as": null, "where": null, "limit": null,
            "fail_calc": "count(*)", "warn_if": "!= 0", "error_if": "!= 0",
        }),
        ConfigKind::UnitTest => {
            json!({ "tags": [], "meta": {}, "enabled": true })
        }
        ConfigKind::Source => json!({
            "enabled": true, "event_time": null,
            "freshness": {
                "warn_after": { "count": null, "period": null },
                "error_after": { "count": null, "period": null }, "filter": null,
            },
            "loaded_at_field": null,
            "loaded_at_query": null, "meta": {}, "tags": [],
        }),
        ConfigKind::Exposure => json!({ "enabled": true, "tags": [], "meta": {} }),
        ConfigKind::Metric => json!({ "enabled": true, "group": null, "meta": {} }),
        ConfigKind::SemanticModel => json!({ "enabled": true, "group": null, "meta": {} }),
        ConfigKind::SavedQuery => json!({
            "enabled": true, "group": null, "meta": {}, "export_as": null, "schema": null,
            "cache": { "enabled": false },
        }),
        ConfigKind::Function => {
            let mut all = node_defaults("function");
            add(
                &mut all,
                json!({
                    "type": "scalar", "volatility": null, "runtime_version": null,
                    "entry_point": null,
                }),
            );
            all
        }
    }
}

fn node_defaults(materialized: &str) -> Json {
    json!({
        "enabled": true, "alias": null, "schema": null, "database": null, "tags": [], "meta": {},
        "group": null, "materialized": materialized, "incremental_strategy": null,
        "batch_size": null, "lookback": 1, "begin": null, "persist_docs": {}, "post-hook": [],
        "pre-hook": [], "quoting": {}, "column_types": {}, "full_refresh": null,
        "unique_key": null, "on_schema_change": "ignore", "on_configuration_change": "apply",
        "grants": {}, "packages": [], "docs": { "show": true, "node_color": null },
        "contract": { "enforced": false, "alias_types": true }, "event_time": null,
        "concurrent_batches": null,
    })
}

fn add(all: &mut Json, more: Json) {
    if let (Json::Object(all), Json::Object(more)) = (all, more) {
        all.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_key_is_null_and_an_unknown_one_is_absent() {
        let mut config = NodeConfig::new(ConfigKind::Model);
        config.set(
            "pre_hook",
            json!(["select 1", { "sql": "select 2", "transaction": false }]),
        );
        config.set("indexes", json!([{ "columns": ["id"] }]));

        assert_eq!(config.get("alias"), Some(&Json::Null));
        assert_eq!(config.get("nothing"), None);
        assert_eq!(config.materialized(), "view");
        assert_eq!(config.pre_hooks().len(), 2);
        assert!(!config.pre_hooks()[1].transaction);
        assert_eq!(
            config
                .extra()
                .map(|(key, _)| key.as_str())
                .collect::<Vec<_>>(),
            ["indexes"]
        );
    }
}
