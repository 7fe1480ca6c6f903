//! `weir.users`, `weir.roles`, `weir.grants`, `weir.tokens`, `weir.audit`: who there is and what
//! they may do. Everything for those who manage it, what concerns oneself for everybody else.

use std::sync::Arc;

use datafusion::arrow::array::{
    ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray,
};
use datafusion::arrow::datatypes::DataType;
use futures::FutureExt;
use serde_json::Value;
use weir_access::{Action, Grant, PUBLIC, Role, RoleName, Scope as TokenScope, TokenInfo, User};

use super::virtual_table::{VirtualTable, instant};
use crate::catalog::Scope;
use crate::error::QueryError;

/// How many records of the audit are read, the newest first.
const AUDIT: u32 = 100_000;

fn texts<T: AsRef<str>>(values: impl Iterator<Item = Option<T>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn numbers(values: impl Iterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(values.collect::<Int64Array>())
}

fn flags(values: impl Iterator<Item = bool>) -> ArrayRef {
    Arc::new(values.map(Some).collect::<BooleanArray>())
}

fn instants(values: impl Iterator<Item = Option<chrono::DateTime<chrono::Utc>>>) -> ArrayRef {
    let micros = values.map(|at| at.map(|at| at.timestamp_micros()));
    Arc::new(
        micros
            .collect::<TimestampMicrosecondArray>()
            .with_timezone("UTC"),
    )
}

fn joined<T: ToString>(parts: impl Iterator<Item = T>) -> String {
    let parts: Vec<String> = parts.map(|part| part.to_string()).collect();
    parts.join(", ")
}

/// Returns the users one may know of.
pub(super) fn known_users(scope: &Scope) -> Vec<&User> {
    let all = scope.may(Action::ManageAccess);
    let me = scope.pinned.asker.caller.name();
    let users = scope.pinned.access.users();
    users
        .filter(|user| all || user.name.as_str() == me)
        .collect()
}

/// `weir.users`: who can sign in.
pub(super) fn users(scope: &Scope) -> VirtualTable {
    let columns = [
        ("name", DataType::Utf8),
        ("roles", DataType::Utf8),
        ("schema_name", DataType::Utf8),
        ("disabled", DataType::Boolean),
        ("has_password", DataType::Boolean),
        ("created_at", instant()),
        ("password_set_at", instant()),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let users = known_users(&scope);
        let columns = vec![
            texts(users.iter().map(|user| Some(user.name.as_str()))),
            texts(users.iter().map(|user| Some(joined(user.roles.iter())))),
            texts(users.iter().map(|user| Some(&user.schema))),
            flags(users.iter().map(|user| user.disabled)),
            flags(users.iter().map(|user| user.password.is_some())),
            instants(users.iter().map(|user| Some(user.created_at))),
            instants(users.iter().map(|user| user.password_set_at)),
        ];
        async move { Ok(columns) }.boxed()
    })
}

/// `weir.roles`: the roles there are, with those who have them.
pub(super) fn roles(scope: &Scope) -> VirtualTable {
    let columns = [
        ("name", DataType::Utf8),
        ("built_in", DataType::Boolean),
        ("users", DataType::Utf8),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let users = known_users(&scope);
        let all = scope.may(Action::ManageAccess);
        let built_in = Role::ALL.map(RoleName::from);
        let custom = scope.pinned.access.custom_roles();
        let mut roles: Vec<(&RoleName, bool, String)> = built_in
            .iter()
            .map(|role| (role, true))
            .chain(custom.map(|role| (role, false)))
            .map(|(role, built_in)| {
                let having = users.iter().filter(|user| user.roles.contains(role));
                (role, built_in, joined(having.map(|user| &user.name)))
            })
            .collect();
        roles.retain(|(_, built_in, users)| all || *built_in || !users.is_empty());
        let columns = vec![
            texts(roles.iter().map(|(role, ..)| Some(role.as_str()))),
            flags(roles.iter().map(|(_, built_in, _)| *built_in)),
            texts(roles.iter().map(|(.., users)| Some(users))),
        ];
        async move { Ok(columns) }.boxed()
    })
}

/// `weir.grants`: what was granted, to whom, on what.
pub(super) fn grants(scope: &Scope) -> VirtualTable {
    let columns = [
        ("grantee", DataType::Utf8),
        ("schema_name", DataType::Utf8),
        ("table_name", DataType::Utf8),
        ("privileges", DataType::Utf8),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let access = &scope.pinned.access;
        let me = scope.pinned.asker.caller.name();
        let all = scope.may(Action::ManageAccess);
        // One's own, one's roles', everybody's, and those on what is one's own.
        let concerns = |grant: &&Grant| {
            all || grant.grantee == me
                || grant.grantee == PUBLIC
                || access
                    .user(me)
                    .is_some_and(|user| user.roles.contains(grant.grantee.as_str()))
                || access.owner_of(&grant.object.as_object()) == Some(me)
        };
        let grants: Vec<&Grant> = access.grants().iter().filter(concerns).collect();
        let columns = vec![
            texts(grants.iter().map(|grant| Some(&grant.grantee))),
            texts(grants.iter().map(|grant| Some(grant.object.schema()))),
            texts(grants.iter().map(|grant| grant.object.table())),
            texts(
                grants
                    .iter()
                    .map(|grant| Some(grant.privileges.to_string())),
            ),
        ];
        async move { Ok(columns) }.boxed()
    })
}

/// `weir.tokens`: the tokens there are; the tokens themselves are known to nobody.
pub(super) fn tokens(scope: &Scope) -> VirtualTable {
    let columns = [
        ("id", DataType::Int64),
        ("user_name", DataType::Utf8),
        ("label", DataType::Utf8),
        ("starts_with", DataType::Utf8),
        ("scopes", DataType::Utf8),
        ("created_at", instant()),
        ("expires_at", instant()),
        ("revoked_at", instant()),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let me = scope.pinned.asker.caller.name();
        let all = scope.may(Action::ManageAccess);
        let tokens = scope.pinned.access.tokens();
        let mut tokens: Vec<&TokenInfo> = tokens.filter(|token| all || token.user == me).collect();
        tokens.sort_by_key(|token| token.id);
        let columns = vec![
            numbers(tokens.iter().map(|token| Some(token.id))),
            texts(tokens.iter().map(|token| Some(&token.user))),
            texts(tokens.iter().map(|token| Some(&token.label))),
            texts(tokens.iter().map(|token| Some(&token.shown))),
            texts(
                tokens
                    .iter()
                    .map(|token| Some(joined(token.scopes.iter().map(TokenScope::to_string)))),
            ),
            instants(tokens.iter().map(|token| Some(token.created_at))),
            instants(tokens.iter().map(|token| token.expires_at)),
            instants(tokens.iter().map(|token| token.revoked_at)),
        ];
        async move { Ok(columns) }.boxed()
    })
}

/// `weir.audit`: what was changed and who tried to come in, newest first.
pub(super) fn audit(scope: &Scope) -> VirtualTable {
    let columns = [
        ("id", DataType::Int64),
        ("ts", instant()),
        ("actor", DataType::Utf8),
        ("roles", DataType::Utf8),
        ("auth", DataType::Utf8),
        ("door", DataType::Utf8),
        ("ip", DataType::Utf8),
        ("action", DataType::Utf8),
        ("object", DataType::Utf8),
        ("before", DataType::Utf8),
        ("after", DataType::Utf8),
        ("before_hash", DataType::Utf8),
        ("after_hash", DataType::Utf8),
        ("prev_hash", DataType::Utf8),
        ("hash", DataType::Utf8),
        ("record", DataType::Utf8),
    ];
    let scope = scope.clone();
    VirtualTable::new(&columns, move |_| {
        let scope = scope.clone();
        async move {
            let lines = scope.pinned.catalog.audit_lines(AUDIT).await;
            let lines = lines.map_err(QueryError::internal)?;
            let all = scope.may(Action::ManageAccess);
            let me = scope.pinned.asker.caller.name();
            let mut rows: Vec<_> = lines
                .into_iter()
                .map(|line| {
                    // A line that somebody broke is shown as it is.
                    let json: Value = serde_json::from_str(&line.record).unwrap_or_default();
                    (line, json)
                })
                .collect();
            rows.retain(|(_, json)| all || json["actor"].as_str() == Some(me));
            let text = |name: &'static str| {
                texts(rows.iter().map(move |(_, json)| match json.get(name) {
                    None | Some(Value::Null) => None,
                    Some(Value::String(text)) => Some(text.clone()),
                    Some(Value::Array(items)) => {
                        Some(joined(items.iter().filter_map(Value::as_str)))
                    }
                    Some(value) => Some(value.to_string()),
                }))
            };
            let at = |json: &Value| {
                let text = json["ts"].as_str()?;
                Some(chrono::DateTime::parse_from_rfc3339(text).ok()?.to_utc())
            };
            Ok(vec![
                numbers(rows.iter().map(|(line, _)| Some(line.id))),
                instants(rows.iter().map(|(_, json)| at(json))),
                text("actor"),
                text("roles"),
                text("auth"),
                text("door"),
                text("ip"),
                text("action"),
                text("object"),
                text("before"),
                text("after"),
                text("before_hash"),
                text("after_hash"),
                text("prev_hash"),
                texts(rows.iter().map(|(line, _)| Some(&line.hash))),
                texts(rows.iter().map(|(line, _)| Some(&line.record))),
            ])
        }
        .boxed()
    })
}
