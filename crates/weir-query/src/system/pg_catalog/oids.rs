//! Numbers for names. They are derived from the names, so that they are the same after a restart and
//! on every node, and nothing has to be stored.

use xxhash_rust::xxh3::xxh3_64;

/// The number of `pg_catalog`, as in Postgres.
pub(crate) const PG_CATALOG: u32 = 11;

/// The number of the first role, as in Postgres.
pub(crate) const OWNER: u32 = 10;

/// The number of the one database.
pub(crate) const DATABASE: u32 = 5;

/// Numbers below this one are Postgres' own.
const FIRST: u32 = 16_384;

fn number(text: &str) -> u32 {
    let range = i32::MAX as u64 - u64::from(FIRST);
    FIRST + u32::try_from(xxh3_64(text.as_bytes()) % range).unwrap_or(0)
}

/// Returns the number of a schema.
pub(crate) fn schema(name: &str) -> u32 {
    match name {
        "pg_catalog" => PG_CATALOG,
        "information_schema" => 13_000,
        name => number(&format!("schema {name}")),
    }
}

/// Returns the number of a user who is not the one that asks.
pub(crate) fn role(name: &str) -> u32 {
    number(&format!("role {name}"))
}

/// Returns the number of a table or view.
///
/// Two of ten thousand tables share a number about once in fifty lakes; clients that look one of
/// them up by number then see the columns of both.
pub(crate) fn table(schema: &str, name: &str) -> u32 {
    match (schema, name) {
        ("pg_catalog", "pg_type") => 1247,
        ("pg_catalog", "pg_attribute") => 1249,
        ("pg_catalog", "pg_proc") => 1255,
        ("pg_catalog", "pg_class") => 1259,
        ("pg_catalog", "pg_namespace") => 2615,
        ("pg_catalog", "pg_database") => 1262,
        _ => number(&format!("table {schema} {name}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable_and_signed_clients_can_hold_them() {
        assert_eq!(table("shop", "orders"), table("shop", "orders"));
        assert_ne!(table("shop", "orders"), table("shop", "order"));
        assert!((FIRST..=i32::MAX as u32).contains(&schema("shop")));
    }
}
