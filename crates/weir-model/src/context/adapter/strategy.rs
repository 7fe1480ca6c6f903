use weir_jinja::{Error, Result, Value};

use crate::context::table::cell_value;
use crate::context::{AgateTable, Context};

/// Finds the macro of an incremental strategy.
pub(super) fn strategy_macro(context: &Context, names: &Value, strategy: &str) -> Result<Value> {
    const BUILT_IN: [&str; 5] = [
        "append",
        "delete+insert",
        "merge",
        "insert_overwrite",
        "microbatch",
    ];
    let adapter = &context.shared().dialect.adapter;
    let valid: &[&str] = match adapter.as_str() {
        "postgres" => &["append", "delete+insert", "merge", "microbatch"],
        _ => &BUILT_IN,
    };
    let macro_name = format!("get_incremental_{}_sql", strategy.replace('+', "_"));
    if BUILT_IN.contains(&strategy)
        && !valid.contains(&strategy)
        && !covered(context, adapter, &macro_name)
    {
        return Err(Error::custom(format!(
            "The incremental strategy '{strategy}' is not valid for this adapter"
        ))
        .with_hint(format!("take one of: {}", valid.join(", "))));
    }
    let found = match names {
        Value::Object(object) => object.item(&Value::str(macro_name.as_str()))?,
        Value::Dict(dict) => dict.get_str(&macro_name),
        _ => None,
    };
    match found {
        None | Some(Value::Undefined(_) | Value::None) => Err(Error::custom(format!(
            "dbt could not find an incremental strategy macro with the name \"{macro_name}\" in {}",
            context.shared().project.name
        ))
        .with_hint(format!("built in are: {}", BUILT_IN.join(", ")))),
        Some(found) => Ok(found),
    }
}

/// A project may bring a strategy that the adapter does not have.
pub(super) fn covered(context: &Context, adapter: &str, name: &str) -> bool {
    let macros = &context.shared().macros;
    macros.covering(context.package(), name).is_some()
        || macros
            .covering(context.package(), &format!("{adapter}__{name}"))
            .is_some()
}

/// Reads grants: privileges and who has them.
pub(super) fn grants_of(table: &Value) -> Value {
    let grants = weir_jinja::Dict::new();
    let Some(table) = table.as_object::<AgateTable>() else {
        return Value::Dict(grants);
    };
    let (Some(grantee), Some(privilege)) = (
        table.0.position("grantee"),
        table.0.position("privilege_type"),
    ) else {
        return Value::Dict(grants);
    };
    for row in &table.0.rows {
        let privilege = cell_value(&row[privilege]);
        match grants.get(&privilege) {
            Some(Value::List(list)) => list.push(cell_value(&row[grantee])),
            _ => grants.set_str(privilege.to_str(), Value::list([cell_value(&row[grantee])])),
        }
    }
    Value::Dict(grants)
}
