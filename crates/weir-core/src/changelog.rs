//! What the columns of a changelog are called: connectors write them, queries read them.

/// The columns that tell about a change and not about the row.
pub const CHANGE_COLUMNS: [&str; 8] = [
    "weir_op",
    "weir_position",
    "weir_ordinal",
    "weir_loaded_at",
    "weir_run",
    "weir_version",
    "weir_unfit",
    "weir_unchanged",
];
/// How the name of a changelog's base ends: the rows that its older changes amount to.
pub const BASE: &str = "__folded";
/// The metadata of a column that is a part of the key.
pub const KEY: &str = "weir.key";
/// The metadata of `weir_version`: the version of the rows that count; all do without it.
pub const ACTIVE: &str = "weir.active";
/// The metadata of `weir_unchanged`: whether any row leaves values out.
pub const PARTIAL: &str = "weir.partial";
/// The metadata of `weir_op` where there is no key and rows were deleted: equal rows are counted.
pub const COUNTED: &str = "weir.counted";
/// The metadata of `weir_position` where positions are places in a log of the source, which all of its streams share;
/// elsewhere they number the rows of a stream.
pub const PLACED: &str = "weir.placed";
/// The metadata of a column: the value that rows have which came before it.
pub const DEFAULT: &str = "weir.default";
/// The metadata of where that ends: rows from this position on tell their own value.
pub const DEFAULT_BEFORE: &str = "weir.default_before";
