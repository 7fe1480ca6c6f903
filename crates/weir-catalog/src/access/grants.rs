use serde_json::{Value, json};
use weir_access::{Action, Grant, GrantObject, PUBLIC, Privileges, SchemaKind};
use weir_core::TableName;

use super::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

fn described(privileges: Privileges) -> Option<Value> {
    (!privileges.is_empty()).then(|| json!({ "privileges": privileges.to_string() }))
}

impl Catalog {
    /// Gives `grantee` (a user, a role or `public`) rights; returns whether there were any to give.
    pub async fn grant(
        &self,
        by: &Actor,
        grantee: &str,
        object: &GrantObject,
        privileges: Privileges,
    ) -> Result<bool, CatalogError> {
        let before = self.check(by, grantee, object, privileges)?;
        let after = before.with(privileges.and(object.possible()));
        self.put_grant(by, "grant.give", grantee, object, before, after)
            .await
    }

    /// Takes rights from `grantee`; returns whether there were any to take. On a schema, it takes
    /// them on each of its tables, too.
    pub async fn revoke(
        &self,
        by: &Actor,
        grantee: &str,
        object: &GrantObject,
        privileges: Privileges,
    ) -> Result<bool, CatalogError> {
        let before = self.check(by, grantee, object, privileges)?;
        let after = before.without(privileges);
        self.check_not_by_schema(grantee, object, privileges)?;
        let mut any = self
            .put_grant(by, "grant.take", grantee, object, before, after)
            .await?;
        if let GrantObject::Schema(schema) = object {
            for grant in self.access().grants() {
                let inside = grant.object.table().is_some() && grant.object.schema() == schema;
                if grant.grantee == grantee && inside {
                    let (before, after) = (grant.privileges, grant.privileges.without(privileges));
                    let (object, action) = (&grant.object, "grant.take");
                    any |= self
                        .put_grant(by, action, grantee, object, before, after)
                        .await?;
                }
            }
        }
        Ok(any)
    }

    /// Refuses to take from a table what a grant on its schema gives: it would change nothing, and
    /// look as if it had.
    fn check_not_by_schema(
        &self,
        grantee: &str,
        object: &GrantObject,
        privileges: Privileges,
    ) -> Result<(), CatalogError> {
        let Some(table) = object.table() else {
            return Ok(());
        };
        let (access, schema) = (self.access(), object.schema());
        let on_schema = access.grants().iter().find(|grant| {
            grant.grantee == grantee
                && grant.object == GrantObject::Schema(schema.to_owned())
                && !grant
                    .privileges
                    .and(privileges.and(object.possible()))
                    .is_empty()
        });
        match on_schema {
            None => Ok(()),
            Some(grant) => Err(CatalogError::new(
                CatalogErrorKind::Invalid,
                format!(
                    "`{grantee}` has {} on `{table}` by a grant on the schema `{schema}`",
                    grant.privileges.and(privileges)
                ),
            )
            .with_hint("revoke it on the schema, and grant it on the tables that remain")),
        }
    }

    /// Checks a grant's parts and returns what was granted so far.
    fn check(
        &self,
        by: &Actor,
        grantee: &str,
        object: &GrantObject,
        privileges: Privileges,
    ) -> Result<Privileges, CatalogError> {
        self.permit(by, Action::Grant, &object.as_object())?;
        let invalid = |text: String| CatalogError::new(CatalogErrorKind::Invalid, text);
        let access = self.access();
        if grantee != PUBLIC && access.user(grantee).is_none() && !access.has_role(grantee) {
            let shown: String = grantee
                .chars()
                .take(63)
                .flat_map(char::escape_debug)
                .collect();
            return Err(CatalogError::new(
                CatalogErrorKind::NotFound,
                format!("there is no user or role `{shown}`"),
            )
            .with_hint("`weir users list` and `weir roles list` show who there is"));
        }
        TableName::new(object.schema(), object.table().unwrap_or("t"))
            .map_err(|error| invalid(error.to_string()))?;
        if access.schema_kind(object.schema()) == SchemaKind::System {
            return Err(invalid(format!(
                "everybody may read `{}`; its rows are filtered for each",
                object.schema()
            )));
        }
        if privileges != Privileges::ALL && privileges.and(object.possible()) != privileges {
            let wrong = privileges.without(object.possible());
            return Err(invalid(format!("{wrong} means nothing on a single table"))
                .with_hint("grant it on the schema"));
        }
        let granted = |grant: &&Grant| grant.grantee == grantee && grant.object == *object;
        let before = access.grants().iter().find(granted);
        Ok(before.map_or(Privileges::NONE, |grant| grant.privileges))
    }

    async fn put_grant(
        &self,
        by: &Actor,
        action: &'static str,
        grantee: &str,
        object: &GrantObject,
        before: Privileges,
        after: Privileges,
    ) -> Result<bool, CatalogError> {
        if before == after {
            return Ok(false);
        }
        let mut change = self.change(by, action).await?;
        let micros = change.micros();
        let table = object.table().unwrap_or_default();
        let query = if after.is_empty() {
            sqlx::query("DELETE FROM grants WHERE grantee = ?1 AND schema = ?2 AND table_name = ?3")
        } else {
            sqlx::query(
                "INSERT INTO grants (grantee, schema, table_name, privileges, granted_by, created_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT (grantee, schema, table_name)
                 DO UPDATE SET privileges = excluded.privileges, granted_by = excluded.granted_by",
            )
        };
        let query = query.bind(grantee).bind(object.schema()).bind(table);
        let query = if after.is_empty() {
            query
        } else {
            query
                .bind(i64::from(after.bits()))
                .bind(by.identity().user())
                .bind(micros)
        };
        query
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        change
            .commit(
                format!("{object} to {grantee}"),
                described(before),
                described(after),
            )
            .await?;
        Ok(true)
    }
}
