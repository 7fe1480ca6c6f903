//! The macros that every project has without writing them, under the package name `dbt`.
//!
//! They are written in the template language like a project's own, so that projects and packages can
//! call, override and dispatch to each of them. `library/` holds them by subject.

/// The name of the package they belong to.
pub(crate) const LIBRARY_PACKAGE: &str = "dbt";

macro_rules! library {
    ($($path:literal),* $(,)?) => {
        &[$((concat!("macros/", $path), include_str!(concat!("../library/", $path)))),*]
    };
}

/// The library's files: the path below the package and the text.
pub(crate) const LIBRARY: &[(&str, &str)] = library![
    "names.sql",
    "statement.sql",
    "settings.sql",
    "schemas.sql",
    "columns.sql",
    "relations.sql",
    "tables.sql",
    "contracts.sql",
    "governance.sql",
    "strategies.sql",
    "schema_changes.sql",
    "snapshots.sql",
    "tests.sql",
    "unit_tests.sql",
    "materializations/table.sql",
    "materializations/view.sql",
    "materializations/incremental.sql",
    "materializations/materialized_view.sql",
    "materializations/clone.sql",
    "materializations/seed.sql",
    "materializations/snapshot.sql",
    "materializations/test.sql",
    "materializations/unit.sql",
    "cross/times.sql",
    "cross/types.sql",
    "cross/text.sql",
    "cross/sets.sql",
    "postgres/adapter.sql",
    "postgres/cross.sql",
    "duckdb/cross.sql",
    "weir/adapter.sql",
    "weir/cross.sql",
    "weir/packages.sql",
];
