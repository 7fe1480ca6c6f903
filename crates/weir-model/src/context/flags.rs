use serde_json::{Value as Json, json};
use weir_jinja::{Object, Result, Value};

use crate::convert::to_value;
use crate::node::JsonMap;

/// What the command line asks for, as templates see it by `flags` and `invocation_args_dict`.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// The command: `build`, `run`, `run-operation`.
    pub which: String,
    pub full_refresh: bool,
    pub store_failures: bool,
    pub fail_fast: bool,
    /// Read no rows: every relation is rendered with a limit of none.
    pub empty: bool,
    pub defer: bool,
    pub favor_state: bool,
    pub warn_error: bool,
    pub quiet: bool,
    /// Everything else as given on the command line, by the flags' names with underscores.
    pub others: JsonMap,
}

impl Flags {
    /// Returns the flag called `name` in lower case.
    fn get(&self, name: &str) -> Option<Json> {
        Some(match name {
            "which" | "rpc_method" => json!(self.which),
            "full_refresh" => json!(self.full_refresh),
            "store_failures" => json!(self.store_failures),
            "fail_fast" => json!(self.fail_fast),
            "empty" => json!(self.empty),
            "defer" => json!(self.defer),
            "favor_state" => json!(self.favor_state),
            "warn_error" => json!(self.warn_error),
            "quiet" => json!(self.quiet),
            other => match self.others.get(other) {
                Some(value) => value.clone(),
                None => default_of(other)?,
            },
        })
    }

    /// Returns the arguments as a mapping.
    pub(super) fn to_value(&self) -> Value {
        to_value(&self.to_json())
    }

    /// Returns the arguments as JSON.
    pub(crate) fn to_json(&self) -> Json {
        let known = [
            "which",
            "full_refresh",
            "store_failures",
            "fail_fast",
            "empty",
            "defer",
            "favor_state",
            "quiet",
        ];
        let mut all: JsonMap = known
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), self.get(name)?)))
            .collect();
        all.insert(
            "invocation_command".to_owned(),
            json!(format!("dbt {}", self.which)),
        );
        all.extend(self.others.clone());
        Json::Object(all)
    }

    /// Returns the object that templates call `flags`.
    pub(super) fn object(&self) -> Value {
        Value::object(FlagsObject(self.clone()))
    }
}

fn default_of(name: &str) -> Option<Json> {
    Some(match name {
        "debug"
        | "no_print"
        | "no_version_check"
        | "strict_mode"
        | "log_cache_events"
        | "require_sql_header_in_test_configs" => {
            json!(false)
        }
        "partial_parse"
        | "static_parser"
        | "print"
        | "version_check"
        | "use_colors"
        | "cache_selected_only"
        | "write_json"
        | "introspect"
        | "populate_cache" => json!(true),
        "indirect_selection" => json!("eager"),
        "log_format" => json!("default"),
        "printer_width" => json!(80),
        "event_time_start" | "event_time_end" | "sample" | "target_path" | "state"
        | "single_threaded" => Json::Null,
        _ => return None,
    })
}

/// `flags`: names are written in capitals.
#[derive(Debug)]
struct FlagsObject(Flags);

impl Object for FlagsObject {
    fn type_name(&self) -> &str {
        "Flags"
    }

    fn attr(&self, name: &str) -> Result<Option<Value>> {
        Ok(self
            .0
            .get(&name.to_ascii_lowercase())
            .map(|value| to_value(&value)))
    }

    fn item(&self, key: &Value) -> Result<Option<Value>> {
        key.as_str().map_or(Ok(None), |name| self.attr(name))
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}
