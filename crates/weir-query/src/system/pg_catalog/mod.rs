//! `pg_catalog`: what clients that expect PostgreSQL ask about the server, answered from the names
//! the caller may see.

mod cells;
mod empty;
pub(crate) mod functions;
mod layout;
pub(crate) mod oids;
pub(crate) mod rewrite;
mod said;
pub(crate) mod types;

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use futures::FutureExt;
use weir_access::User;

use self::cells::{Cell, columns};
pub(crate) use self::layout::names;
use super::information::schema_of;
use super::virtual_table::VirtualTable;
use crate::catalog::{Kind, Scope};
use crate::registry::QueryState;
use crate::session::{CATALOG, DEFAULT_SCHEMA};
use crate::write::checked::Limited;

/// The schema of the tables Postgres describes itself with.
pub(crate) const SCHEMA: &str = "pg_catalog";

/// The release whose catalogs and answers these are.
pub const SERVER_VERSION: &str = "15.0";

type Row = Vec<(&'static str, Cell)>;

/// Writes a row with the cells it sets.
macro_rules! row {
    ($($column:ident: $value:expr),* $(,)?) => {
        vec![$((stringify!($column), Cell::from($value))),*]
    };
}

/// Returns `pg_catalog.<name>`.
pub(crate) fn table(scope: &Scope, name: &str) -> Option<Arc<dyn TableProvider>> {
    let layout = layout::of(name)?;
    let types: Vec<_> = layout
        .iter()
        .map(|(column, kind)| (*column, kind.data_type()))
        .collect();
    let (scope, name) = (scope.clone(), name.to_owned());
    let table = VirtualTable::new(&types, move |_| {
        let (scope, name, layout) = (scope.clone(), name.clone(), layout.clone());
        async move {
            let rows = rows(&scope, &name).await;
            columns(&layout, &rows).map_err(crate::error::QueryError::internal)
        }
        .boxed()
    });
    Some(Arc::new(table))
}

/// The tables that have rows here; the others are always empty.
const FILLED: [&str; 15] = [
    "pg_am",
    "pg_attribute",
    "pg_class",
    "pg_collation",
    "pg_database",
    "pg_description",
    "pg_namespace",
    "pg_roles",
    "pg_settings",
    "pg_stat_activity",
    "pg_tables",
    "pg_tablespace",
    "pg_type",
    "pg_user",
    "pg_views",
];

/// Whether a catalog has no rows here, whoever asks: there are no indexes, constraints, triggers, ...
pub(crate) fn is_always_empty(table: &str) -> bool {
    names().any(|name| name == table) && !FILLED.contains(&table)
}

async fn rows(scope: &Scope, table: &str) -> Vec<Row> {
    match table {
        "pg_am" => vec![row! { oid: 2_u32, amname: "heap", amhandler: "heap_tableam_handler", amtype: "t" }],
        "pg_attribute" => attributes(scope).await,
        "pg_class" => classes(scope),
        "pg_collation" => vec![
            row! { oid: 100_u32, collname: "default", collnamespace: oids::PG_CATALOG, collowner: oids::OWNER,
            collprovider: "d", collisdeterministic: true, collencoding: -1_i64 },
        ],
        "pg_database" => vec![
            row! { oid: oids::DATABASE, datname: CATALOG, datdba: oids::OWNER, encoding: 6_i64, datlocprovider: "c",
            datistemplate: false, datallowconn: true, datconnlimit: -1_i64, dattablespace: 1663_u32,
            datcollate: "C.UTF-8", datctype: "C.UTF-8" },
        ],
        "pg_description" => descriptions(scope).await,
        "pg_namespace" => namespaces(scope),
        "pg_roles" => users(scope).map(|user| role(&user)).collect(),
        "pg_settings" => settings(scope),
        "pg_stat_activity" => activity(scope),
        "pg_tables" => named(scope, |kind| kind == Kind::Table)
            .into_iter()
            .map(|(schema, name, _)| {
                row! { schemaname: schema, tablename: name, tableowner: "owner", hasindexes: false, hasrules: false,
                hastriggers: false, rowsecurity: false }
            })
            .collect(),
        "pg_tablespace" => vec![row! { oid: 1663_u32, spcname: "pg_default", spcowner: oids::OWNER }],
        "pg_type" => types::TYPES.iter().map(kind).collect(),
        "pg_user" => users(scope)
            .map(|user| {
                row! { usename: user.name, usesysid: user.oid, usecreatedb: false, usesuper: false,
                userepl: false, usebypassrls: false, passwd: "********" }
            })
            .collect(),
        "pg_views" => named(scope, |kind| kind != Kind::Table)
            .into_iter()
            .map(|(schema, name, _)| {
                let definition = scope.definition(&schema, &name);
                row! { schemaname: schema, viewname: name, viewowner: "owner", definition: definition }
            })
            .collect(),
        // Nothing of the kind exists here: no indexes, constraints, triggers, sequences, ...
        _ => Vec::new(),
    }
}

fn named(scope: &Scope, wanted: impl Fn(Kind) -> bool) -> Vec<(String, String, Kind)> {
    let mut all = Vec::new();
    for schema in scope.schemas() {
        for (name, kind) in scope.names(&schema) {
            if wanted(kind) {
                all.push((schema.clone(), name, kind));
            }
        }
    }
    all
}

fn namespaces(scope: &Scope) -> Vec<Row> {
    let schemas = scope.schemas();
    schemas
        .iter()
        .map(|schema| {
            row! { oid: oids::schema(schema), nspname: schema.as_str(), nspowner: oids::OWNER }
        })
        .collect()
}

fn classes(scope: &Scope) -> Vec<Row> {
    named(scope, |_| true)
        .into_iter()
        .map(|(schema, name, kind)| {
            let table = scope.lake_table(&schema, &name);
            let tuples: Option<u64> = table.map(|table| {
                let cold: u64 = table.files.iter().map(|file| file.rows).sum();
                cold + table.hot.iter().map(|batch| batch.num_rows() as u64).sum::<u64>()
            });
            let columns = table.map_or(0, |table| table.schema.fields().len() as i64);
            let system = [SCHEMA, super::INFORMATION_SCHEMA].contains(&schema.as_str());
            row! { oid: oids::table(&schema, &name), relname: name, relnamespace: oids::schema(&schema), reltype: 0_u32,
            reloftype: 0_u32, relowner: oids::OWNER, relam: if kind == Kind::Table { 2_u32 } else { 0 },
            relfilenode: 0_u32, reltablespace: 0_u32, relpages: 0_i64,
            reltuples: tuples.map_or(-1, |rows| i64::try_from(rows).unwrap_or(i64::MAX)), relallvisible: 0_i64,
            reltoastrelid: 0_u32, relhasindex: false, relisshared: false, relpersistence: "p",
            relkind: if kind == Kind::Table || (system && schema == SCHEMA) { "r" } else { "v" }, relnatts: columns,
            relchecks: 0_i64, relhasrules: false, relhastriggers: false, relhassubclass: false, relrowsecurity: false,
            relforcerowsecurity: false, relispopulated: true, relreplident: "n", relispartition: false,
            relrewrite: 0_u32, relfrozenxid: 0_i64, relminmxid: 0_i64 }
        })
        .collect()
}

async fn descriptions(scope: &Scope) -> Vec<Row> {
    let class = oids::table(SCHEMA, "pg_class");
    let mut rows = Vec::new();
    for (schema, name, _) in named(scope, |kind| kind == Kind::Table) {
        let Some(table) = scope.lake_table(&schema, &name) else {
            continue;
        };
        let columns = table.schema.fields().iter().enumerate();
        let columns = columns.map(|(at, field)| {
            (
                at as i64 + 1,
                field.metadata().get("comment").map(String::as_str),
            )
        });
        for (number, comment) in std::iter::once((0, table.comment.as_deref())).chain(columns) {
            if let Some(comment) = comment {
                rows.push(
                    row! { objoid: oids::table(&schema, &name), classoid: class, objsubid: number,
                    description: comment },
                );
            }
        }
    }
    rows.extend(descriptions_of_views(scope).await);
    rows
}

async fn descriptions_of_views(scope: &Scope) -> Vec<Row> {
    let class = oids::table(SCHEMA, "pg_class");
    let mut rows = Vec::new();
    for (schema, name, _) in named(scope, |kind| kind == Kind::View) {
        let Some(comments) = scope.view(&schema, &name).map(|view| view.comments) else {
            continue;
        };
        if comments.is_empty() {
            continue;
        }
        let columns = schema_of(scope, &schema, &name).await;
        let at = |column: &str| Some(columns.as_ref()?.index_of(column).ok()? as i64 + 1);
        let said = comments.columns.iter();
        let said = said.filter_map(|(column, text)| Some((at(column)?, text)));
        for (number, comment) in comments.view.iter().map(|text| (0, text)).chain(said) {
            rows.push(
                row! { objoid: oids::table(&schema, &name), classoid: class, objsubid: number,
                description: comment.as_str() },
            );
        }
    }
    rows
}

async fn attributes(scope: &Scope) -> Vec<Row> {
    let mut rows = Vec::new();
    for (schema, name, _) in named(scope, |_| true) {
        let relation = oids::table(&schema, &name);
        let Some(found) = schema_of(scope, &schema, &name).await else {
            continue;
        };
        for (i, field) in found.fields().iter().enumerate() {
            let limited = Limited::of(field);
            let oid =
                limited.map_or_else(|| types::type_oid(field.data_type()), |limited| limited.oid);
            // Postgres counts a length's own four bytes.
            let modifier = limited.map_or_else(
                || types::type_modifier(field.data_type()),
                |limited| limited.most.saturating_add(4),
            );
            let length = types::by_oid(oid).map_or(-1, |kind| i64::from(kind.length));
            let text = matches!(oid, 19 | 25 | 1042 | 1043);
            rows.push(row! { attrelid: relation, attname: field.name().as_str(), atttypid: oid, attstattarget: -1_i64,
                attlen: length, attnum: i as i64 + 1, attndims: 0_i64, attcacheoff: -1_i64,
                atttypmod: i64::from(modifier), attbyval: length > 0, attalign: "i",
                attstorage: "p", attcompression: "", attnotnull: !field.is_nullable(), atthasdef: false,
                atthasmissing: false, attidentity: "", attgenerated: "", attisdropped: false, attislocal: true,
                attinhcount: 0_i64, attcollation: if text { 100_u32 } else { 0 } });
        }
    }
    rows
}

fn kind(kind: &types::PgType) -> Row {
    let array = kind.element != 0;
    let (input, output) = match array {
        true => ("array_in".to_owned(), "array_out".to_owned()),
        false => (format!("{}in", kind.name), format!("{}out", kind.name)),
    };
    let (receive, send) = match array {
        true => ("array_recv".to_owned(), "array_send".to_owned()),
        false => (format!("{}recv", kind.name), format!("{}send", kind.name)),
    };
    row! { oid: kind.oid, typname: kind.name, typnamespace: oids::PG_CATALOG, typowner: oids::OWNER,
    typlen: i64::from(kind.length), typbyval: kind.length > 0 && kind.length <= 8,
    typtype: if kind.category == 'P' { "p" } else { "b" }, typcategory: kind.category.to_string(),
    typispreferred: matches!(kind.name, "bool" | "text" | "float8" | "oid" | "timestamptz" | "interval"), typisdefined: true,
    typdelim: ",", typrelid: 0_u32, typsubscript: if array { "array_subscript_handler" } else { "-" },
    typelem: kind.element, typarray: kind.array, typinput: input, typoutput: output, typreceive: receive,
    typsend: send, typmodin: "-", typmodout: "-", typanalyze: "-", typalign: "i", typstorage: "p",
    typnotnull: false, typbasetype: 0_u32, typtypmod: -1_i64, typndims: 0_i64,
    typcollation: if kind.category == 'S' { 100_u32 } else { 0 } }
}

/// A user, as clients of PostgreSQL see one.
struct Role {
    name: String,
    oid: u32,
    is_owner: bool,
    disabled: bool,
}

/// The users that the asker may know of, the asker first.
fn users(scope: &Scope) -> impl Iterator<Item = Role> {
    let own = scope.pinned.asker.caller.name().to_owned();
    let known = super::access::known_users(scope);
    let role = |user: &User, oid| Role {
        name: user.name.as_str().to_owned(),
        oid,
        is_owner: user.roles.iter().any(|role| role.as_str() == "owner"),
        disabled: user.disabled,
    };
    let asker = known.iter().find(|user| user.name.as_str() == own);
    let asker = match asker {
        Some(user) => role(user, oids::OWNER),
        None => Role {
            name: own.clone(),
            oid: oids::OWNER,
            is_owner: false,
            disabled: false,
        },
    };
    let others = known.iter().filter(|user| user.name.as_str() != own);
    let others: Vec<Role> = others
        .map(|user| role(user, oids::role(user.name.as_str())))
        .collect();
    std::iter::once(asker).chain(others)
}

fn role(user: &Role) -> Row {
    row! { rolname: user.name.as_str(), rolsuper: false, rolinherit: true, rolcreaterole: user.is_owner,
    rolcreatedb: false, rolcanlogin: !user.disabled, rolreplication: false, rolconnlimit: -1_i64,
    rolpassword: "********", rolbypassrls: false, oid: user.oid }
}

/// The settings clients look at.
pub(crate) fn setting(scope: &Scope, name: &str) -> Option<String> {
    let settings = &scope.pinned.asker.settings;
    Some(match name.to_ascii_lowercase().as_str() {
        "server_version" => SERVER_VERSION.to_owned(),
        "server_version_num" => "150000".to_owned(),
        "timezone" => settings.time_zone.clone(),
        "search_path" => settings
            .search_path
            .iter()
            .map(|schema| match schema.as_str() {
                "$user" => "\"$user\"".to_owned(),
                schema => schema.to_owned(),
            })
            .collect::<Vec<_>>()
            .join(", "),
        "application_name" => settings.application_name.clone(),
        "statement_timeout" => scope.pinned.options.timeout.as_millis().to_string(),
        "server_encoding" | "client_encoding" => "UTF8".to_owned(),
        "datestyle" => "ISO, MDY".to_owned(),
        "intervalstyle" => "postgres".to_owned(),
        "standard_conforming_strings" | "integer_datetimes" => "on".to_owned(),
        "transaction_isolation" | "default_transaction_isolation" => "repeatable read".to_owned(),
        "transaction_read_only"
        | "default_transaction_read_only"
        | "is_superuser"
        | "in_hot_standby" => "off".to_owned(),
        "lc_collate" | "lc_ctype" | "lc_messages" | "lc_monetary" | "lc_numeric" | "lc_time" => {
            "C.UTF-8".to_owned()
        }
        "max_identifier_length" => "63".to_owned(),
        "max_index_keys" => "32".to_owned(),
        "block_size" => "8192".to_owned(),
        "bytea_output" => "hex".to_owned(),
        "extra_float_digits" => "1".to_owned(),
        "jit" => "off".to_owned(),
        "default_table_access_method" => "heap".to_owned(),
        "session_authorization" => scope.pinned.asker.caller.name().to_owned(),
        _ => return None,
    })
}

/// The names [`setting`] knows.
const SETTINGS: [&str; 29] = [
    "application_name",
    "block_size",
    "bytea_output",
    "client_encoding",
    "DateStyle",
    "default_transaction_isolation",
    "default_transaction_read_only",
    "extra_float_digits",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "jit",
    "lc_collate",
    "lc_ctype",
    "lc_messages",
    "lc_monetary",
    "lc_numeric",
    "lc_time",
    "max_identifier_length",
    "max_index_keys",
    "search_path",
    "server_encoding",
    "server_version",
    "server_version_num",
    "standard_conforming_strings",
    "statement_timeout",
    "TimeZone",
    "transaction_isolation",
];

fn settings(scope: &Scope) -> Vec<Row> {
    SETTINGS
        .iter()
        .filter_map(|name| {
            let value = setting(scope, name)?;
            Some(row! { name: *name, setting: value, category: "Weir", context: "user", vartype: "string",
                source: "default", pending_restart: false })
        })
        .collect()
}

fn activity(scope: &Scope) -> Vec<Row> {
    scope
        .queries()
        .into_iter()
        .filter(|query| matches!(query.state, QueryState::Waiting | QueryState::Planning | QueryState::Running))
        .map(|query| {
            row! { datid: oids::DATABASE, datname: CATALOG, pid: 0_i64, usename: query.caller.name(),
                application_name: query.caller.door(), query_start: query.started_at.to_rfc3339(), state: "active",
                query: query.sql, backend_type: "client backend" }
        })
        .collect()
}

/// Returns the schema new names go to: the first of the search path that exists.
pub(crate) fn current_schema(scope: &Scope) -> String {
    let schemas = scope.schemas();
    let path = scope.path();
    let first = path
        .into_iter()
        .skip(1)
        .find(|schema| schemas.contains(schema));
    first.unwrap_or_else(|| DEFAULT_SCHEMA.to_owned())
}
