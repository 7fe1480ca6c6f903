use serde_json::json;
use weir_access::{Action, DocumentAction, Object, Reason, SchemaKind};

use super::documents::DocumentKind;
use crate::access::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

impl Catalog {
    /// Says who answers for a document from now on: its owner may, owners and admins may.
    pub async fn give_document(
        &self,
        by: &Actor,
        kind: DocumentKind,
        id: &str,
        owner: &str,
    ) -> Result<(), CatalogError> {
        let before = self.document(by, kind, id, None).await?.document;
        self.permit_document(by, DocumentAction::Share, kind, &before.access())?;
        let (owner_id, owner) = self.somebody(owner)?;
        let mut change = self.change(by, "document.owner").await?;
        sqlx::query("UPDATE documents SET owner_id = ?2, owner = ?3 WHERE id = ?1")
            .bind(id)
            .bind(owner_id)
            .bind(&owner)
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        let told = |owner: &str| Some(json!({ "owner": owner }));
        change
            .commit(format!("{kind} {id}"), told(&before.owner), told(&owner))
            .await
    }

    /// Says whose a table or view is from now on: its owner may, owners and admins may.
    ///
    /// Whoever owns a table may read it and, where it is no source's, change it.
    pub async fn give_table(
        &self,
        by: &Actor,
        (schema, table): (&str, &str),
        owner: &str,
    ) -> Result<(), CatalogError> {
        let access = self.access();
        let object = Object::Table { schema, table };
        if access.schema_kind(schema) == SchemaKind::System {
            return Err(CatalogError::new(
                CatalogErrorKind::Invalid,
                "the tables of this schema are Weir's own",
            ));
        }
        let before = access.owner_of(&object).map(str::to_owned);
        let own = before.as_deref() == Some(by.identity().user());
        let may = access.decide(by.identity(), Action::ManageAccess, &Object::Server);
        let writes = access.decide(by.identity(), Action::Insert, &Object::Server);
        // A token for reading hands nothing on.
        if !(may.allowed || own && writes.reason != Reason::Scope) {
            return Err(CatalogError::new(
                CatalogErrorKind::Denied,
                format!("`{}` may not say whose {object} is", by.identity().user()),
            )
            .with_hint("its owner, owners and admins may"));
        }
        let (_, owner) = self.somebody(owner)?;
        let mut change = self.change(by, "table.owner").await?;
        sqlx::query(
            "INSERT INTO table_owners (schema, table_name, owner) VALUES (?1, ?2, ?3)
             ON CONFLICT (schema, table_name) DO UPDATE SET owner = excluded.owner",
        )
        .bind(schema)
        .bind(table)
        .bind(&owner)
        .execute(&mut *change.tx)
        .await
        .map_err(change.failed())?;
        let told = |owner: &str| json!({ "owner": owner });
        change
            .commit(
                format!("{schema}.{table}"),
                before.as_deref().map(told),
                Some(told(&owner)),
            )
            .await
    }

    /// Finds somebody who may be given something.
    fn somebody(&self, name: &str) -> Result<(i64, String), CatalogError> {
        let access = self.access();
        if let Some(user) = access.user(name).filter(|user| !user.disabled) {
            return Ok((user.id, user.name.as_str().to_owned()));
        }
        let names: Vec<&str> = access.users().map(|user| user.name.as_str()).collect();
        let error = CatalogError::new(
            CatalogErrorKind::NotFound,
            "there is no such user, or they may not sign in",
        );
        Err(match weir_core::did_you_mean(name, &names) {
            Some(meant) => error.with_hint(format!("did you mean `{meant}`?")),
            None => error,
        })
    }
}
