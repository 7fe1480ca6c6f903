use weir_jinja::{Args, Call, Error, Result, Value};

use crate::context::Adapter;
use crate::context::column::string_type;
use crate::context::{ColumnObject, Context};
use crate::convert::to_json;
use crate::error::{ModelError, ModelErrorKind};

impl Adapter {
    pub(super) fn columns(
        context: &Context,
        call: &mut Call<'_>,
        relation: &Value,
    ) -> Result<Vec<Value>> {
        let args = Args::from(vec![relation.clone()]);
        let columns = Self::macro_call(context, call, "get_columns_in_relation", args)?;
        Ok(columns
            .as_list()
            .map(weir_jinja::List::items)
            .unwrap_or_default())
    }

    /// Widens texts of one relation to what another's need.
    pub(super) fn expand_types(context: &Context, call: &mut Call<'_>) -> Result<Value> {
        let from = call.required("from_relation")?;
        let to = call.required("to_relation")?;
        call.finish()?;
        let goal = Self::columns(context, call, &from)?;
        let current = Self::columns(context, call, &to)?;
        for wanted in goal
            .iter()
            .filter_map(|column| column.as_object::<ColumnObject>())
        {
            let narrow = current
                .iter()
                .filter_map(|column| column.as_object::<ColumnObject>())
                .find(|column| column.name == wanted.name && column.can_expand_to(wanted));
            if narrow.is_some() {
                let args = Args::from(vec![
                    to.clone(),
                    Value::str(wanted.name.as_str()),
                    Value::str(string_type(wanted.string_size())),
                ]);
                Self::macro_call(context, call, "alter_column_type", args)?;
            }
        }
        Ok(Value::None)
    }

    pub(super) fn missing_columns(context: &Context, call: &mut Call<'_>) -> Result<Value> {
        let from = call.required("from_relation")?;
        let to = call.required("to_relation")?;
        call.finish()?;
        let known = Self::columns(context, call, &to)?;
        let known: Vec<String> = known
            .iter()
            .filter_map(|column| column.as_object::<ColumnObject>())
            .map(|column| column.name.clone())
            .collect();
        let missing = Self::columns(context, call, &from)?
            .into_iter()
            .filter(|column| {
                column
                    .as_object::<ColumnObject>()
                    .is_some_and(|column| !known.contains(&column.name))
            });
        Ok(Value::list(missing))
    }

    pub(super) fn snapshot_target(context: &Context, call: &mut Call<'_>) -> Result<Value> {
        let relation = call.required("relation")?;
        let names = call.optional("column_names")?.unwrap_or(Value::None);
        let strategy = call.optional("strategy")?.unwrap_or(Value::None);
        let strategy = to_json(&strategy);
        let mut wanted = vec!["dbt_scd_id", "dbt_valid_from", "dbt_valid_to"];
        if strategy
            .get("hard_deletes")
            .and_then(serde_json::Value::as_str)
            == Some("new_record")
        {
            wanted.push("dbt_is_deleted");
        }
        let names = to_json(&names);
        let columns = Self::columns(context, call, &relation)?;
        let columns: Vec<String> = columns
            .iter()
            .filter_map(|column| column.as_object::<ColumnObject>())
            .map(|column| column.name.to_lowercase())
            .collect();
        let missing: Vec<&str> = wanted
            .into_iter()
            .map(|name| {
                names
                    .get(name)
                    .and_then(serde_json::Value::as_str)
                    .unwrap_or(name)
            })
            .filter(|name| !columns.contains(&name.trim_matches('"').to_lowercase()))
            .collect();
        if missing.is_empty() {
            return Ok(Value::None);
        }
        Err(Error::from_source(
            ModelError::new(
                ModelErrorKind::Warehouse,
                format!("Snapshot target {} is missing configured columns: {}", relation.to_str(), missing.join(", ")),
            )
            .hint("the table was not made by this snapshot, or its column names were changed: drop it or add the columns"),
        ))
    }
}
