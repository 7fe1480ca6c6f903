use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Sqlite, Transaction};
use weir_access::{Access, Action, AuditEntry, Object, Role, User};

use super::Actor;
use super::audit::append;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

/// A change of rights under way: one transaction, ended with its audit record or not at all.
pub(crate) struct Change<'a> {
    pub(crate) tx: Transaction<'static, Sqlite>,
    pub(crate) now: DateTime<Utc>,
    catalog: &'a Catalog,
    by: &'a Actor,
    access: Arc<Access>,
    action: &'static str,
}

impl Catalog {
    /// Begins a change that `by` was found to be allowed.
    pub(crate) async fn change<'a>(
        &'a self,
        by: &'a Actor,
        action: &'static str,
    ) -> Result<Change<'a>, CatalogError> {
        let tx = self.inner.store.begin(action).await?;
        Ok(Change {
            tx,
            now: Utc::now(),
            catalog: self,
            by,
            access: self.access(),
            action,
        })
    }

    /// Checks that `by` may do `action` to `object`.
    pub(super) fn permit(
        &self,
        by: &Actor,
        action: Action,
        object: &Object<'_>,
    ) -> Result<(), CatalogError> {
        let decision = self.access().decide(&by.identity, action, object);
        if decision.allowed {
            return Ok(());
        }
        Err(CatalogError::new(
            CatalogErrorKind::Denied,
            format!(
                "`{}` may not {} {object}: {}",
                by.identity.user(),
                action.as_str(),
                decision.reason
            ),
        )
        .with_hint("owners and admins may; somebody's own schema is theirs"))
    }

    /// Checks that `by` may change what `user` is: admins may, but owners answer to owners only.
    pub(super) fn permit_on(&self, by: &Actor, user: &User) -> Result<(), CatalogError> {
        self.permit(by, Action::ManageAccess, &Object::Server)?;
        if user.has(Role::Owner) && !self.is_an_owner(by) {
            return Err(only_owners(&format!("change the owner `{}`", user.name)));
        }
        Ok(())
    }

    /// Checks that `by` may hand out or take away `role`.
    pub(super) fn permit_role(&self, by: &Actor, role: &str) -> Result<(), CatalogError> {
        self.permit(by, Action::ManageAccess, &Object::Server)?;
        if role == Role::Owner.as_str() && !self.is_an_owner(by) {
            return Err(only_owners("say who is an owner"));
        }
        Ok(())
    }

    /// Whether it is `by`'s own affair: their own password or token. A token may do it only when it
    /// may manage at all, so that a token for reading cannot make a mightier one.
    pub(super) fn is_own(&self, by: &Actor, user: &User) -> bool {
        let access = self.access();
        by.identity.user() == user.name.as_str() && access.rights(&by.identity).may_manage_own()
    }

    fn is_an_owner(&self, by: &Actor) -> bool {
        let access = self.access();
        by.identity.is_local()
            || access
                .user(by.identity.user())
                .is_some_and(|user| user.has(Role::Owner))
    }

    /// Returns a copy of the user.
    pub(super) fn known_user(&self, name: &str) -> Result<User, CatalogError> {
        let access = self.access();
        access.user(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = access.users().map(|user| user.name.as_str()).collect();
            let shown: String = name.chars().take(63).flat_map(char::escape_debug).collect();
            let error = CatalogError::new(
                CatalogErrorKind::NotFound,
                format!("there is no user `{shown}`"),
            );
            error.with_hint(match weir_core::did_you_mean(name, &names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`weir users list` shows the users there are".to_owned(),
            })
        })
    }
}

fn only_owners(what: &str) -> CatalogError {
    CatalogError::new(
        CatalogErrorKind::Denied,
        format!("only an owner may {what}"),
    )
}

impl Change<'_> {
    /// Writes the audit record, makes both durable, and takes the change over into memory.
    pub(crate) async fn commit(
        mut self,
        object: impl Into<String>,
        before: Option<Value>,
        after: Option<Value>,
    ) -> Result<(), CatalogError> {
        let entry = AuditEntry {
            at: self.now,
            actor: self.by.identity.user().to_owned(),
            roles: self.by.roles(&self.access),
            auth: self.by.identity.auth().as_str(),
            ip: self.by.ip.map(|ip| ip.to_string()),
            action: self.action.to_owned(),
            object: object.into(),
            before,
            after,
            door: Some(self.by.via),
        };
        append(&mut self.tx, &entry).await?;
        self.tx
            .commit()
            .await
            .map_err(|error| CatalogError::database(self.action, error))?;
        self.catalog.reload().await
    }

    /// Turns an error of the database into one of this change.
    pub(crate) fn failed(&self) -> impl Fn(sqlx::Error) -> CatalogError + use<> {
        let action = self.action;
        move |error| CatalogError::database(action, error)
    }

    /// Returns the moment of the change, for storing.
    pub(crate) fn micros(&self) -> i64 {
        self.now.timestamp_micros()
    }
}
