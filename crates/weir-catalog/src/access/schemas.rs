use serde_json::json;
use weir_access::{Action, Object, SchemaKind};
use weir_core::TableName;

use super::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

impl Catalog {
    /// Remembers a schema that `by` makes and owns; returns whether there was none of that name.
    ///
    /// A schema needs this only to exist while it is empty, and to have an owner.
    pub async fn create_schema(&self, by: &Actor, name: &str) -> Result<bool, CatalogError> {
        let invalid = |text: String| CatalogError::new(CatalogErrorKind::Invalid, text);
        TableName::new(name, "t").map_err(|error| invalid(error.to_string()))?;
        self.permit(by, Action::Create, &Object::Server)?;
        match self.access().schema_kind(name) {
            SchemaKind::Shared(None) | SchemaKind::Mart => {}
            SchemaKind::Shared(Some(_)) => return Ok(false),
            SchemaKind::Personal(_) | SchemaKind::Source => {
                return Err(invalid(format!("schema `{name}` exists")));
            }
            SchemaKind::System | SchemaKind::Raw => {
                return Err(invalid(format!("schema name `{name}` is reserved")));
            }
        }
        if self.access().schemas().any(|(made, _)| made == name) {
            return Ok(false);
        }
        let mut change = self.change(by, "schema.create").await?;
        let micros = change.micros();
        sqlx::query("INSERT OR IGNORE INTO schemas (name, owner, created_at) VALUES (?1, ?2, ?3)")
            .bind(name)
            .bind(by.identity().user())
            .bind(micros)
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        let owner = json!({ "owner": by.identity().user() });
        change
            .commit(format!("schema {name}"), None, Some(owner))
            .await?;
        Ok(true)
    }

    /// Forgets a schema, with the grants on it and in it. Its tables are the caller's to remove.
    pub async fn drop_schema(&self, by: &Actor, name: &str) -> Result<(), CatalogError> {
        self.permit(by, Action::Drop, &Object::Schema(name))?;
        let mut change = self.change(by, "schema.drop").await?;
        let failed = change.failed();
        for sql in [
            "DELETE FROM schemas WHERE name = ?1",
            "DELETE FROM grants WHERE schema = ?1",
            "DELETE FROM table_owners WHERE schema = ?1",
        ] {
            sqlx::query(sql)
                .bind(name)
                .execute(&mut *change.tx)
                .await
                .map_err(&failed)?;
        }
        change.commit(format!("schema {name}"), None, None).await
    }

    /// Remembers who made a table or view, where the schema is not theirs: makers own what they
    /// make.
    pub async fn table_created(
        &self,
        by: &Actor,
        schema: &str,
        table: &str,
    ) -> Result<(), CatalogError> {
        let access = self.access();
        let user = by.identity().user();
        if by.identity().is_local() || access.owner_of(&Object::Schema(schema)) == Some(user) {
            return Ok(());
        }
        let mut change = self.change(by, "table.create").await?;
        sqlx::query(
            "INSERT INTO table_owners (schema, table_name, owner) VALUES (?1, ?2, ?3)
             ON CONFLICT (schema, table_name) DO UPDATE SET owner = excluded.owner",
        )
        .bind(schema)
        .bind(table)
        .bind(user)
        .execute(&mut *change.tx)
        .await
        .map_err(change.failed())?;
        let owner = json!({ "owner": user });
        change
            .commit(format!("{schema}.{table}"), None, Some(owner))
            .await
    }

    /// Forgets who owned a table or view that is gone, and the grants on it: the next one of that
    /// name is another.
    pub async fn table_dropped(
        &self,
        by: &Actor,
        schema: &str,
        table: &str,
    ) -> Result<(), CatalogError> {
        let access = self.access();
        let owned = access.owner_of(&Object::Table { schema, table })
            != access.owner_of(&Object::Schema(schema));
        let granted = access
            .grants()
            .iter()
            .any(|grant| grant.object.schema() == schema && grant.object.table() == Some(table));
        if !owned && !granted {
            return Ok(());
        }
        let mut change = self.change(by, "table.drop").await?;
        let failed = change.failed();
        for sql in [
            "DELETE FROM grants WHERE schema = ?1 AND table_name = ?2",
            "DELETE FROM table_owners WHERE schema = ?1 AND table_name = ?2",
        ] {
            sqlx::query(sql)
                .bind(schema)
                .bind(table)
                .execute(&mut *change.tx)
                .await
                .map_err(&failed)?;
        }
        change.commit(format!("{schema}.{table}"), None, None).await
    }

    /// Takes owner and grants of a table or view along to its new name.
    pub async fn table_renamed(
        &self,
        by: &Actor,
        from: (&str, &str),
        to: (&str, &str),
    ) -> Result<(), CatalogError> {
        let mut change = self.change(by, "table.rename").await?;
        let failed = change.failed();
        for sql in [
            "UPDATE OR REPLACE grants SET schema = ?3, table_name = ?4
             WHERE schema = ?1 AND table_name = ?2",
            "UPDATE OR REPLACE table_owners SET schema = ?3, table_name = ?4
             WHERE schema = ?1 AND table_name = ?2",
        ] {
            sqlx::query(sql)
                .bind(from.0)
                .bind(from.1)
                .bind(to.0)
                .bind(to.1)
                .execute(&mut *change.tx)
                .await
                .map_err(&failed)?;
        }
        let after = json!({ "name": format!("{}.{}", to.0, to.1) });
        change
            .commit(format!("{}.{}", from.0, from.1), None, Some(after))
            .await
    }
}
