use std::collections::BTreeSet;

use serde_json::{Value, json};
use weir_access::{
    Action, Object, PasswordSecrets, Role, RoleName, SchemaKind, ScramSalt, User, UserName,
};
use weir_core::{SourceName, TableName};

use super::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

/// A user to be made.
#[derive(Clone, Default)]
pub struct NewUser {
    /// The name to sign in with.
    pub name: String,
    /// Built-in and custom roles.
    pub roles: Vec<String>,
    /// The password; without one, only tokens let the user in.
    pub password: Option<String>,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NewUser({}, {:?})", self.name, self.roles)
    }
}

/// What the audit says of a user: no secrets.
pub(super) fn described(user: &User) -> Value {
    json!({
        "name": user.name,
        "schema": user.schema,
        "roles": user.roles,
        "disabled": user.disabled,
        "password": user.password.is_some(),
    })
}

fn invalid(error: impl ToString) -> CatalogError {
    CatalogError::new(CatalogErrorKind::Invalid, error.to_string())
}

impl Catalog {
    /// Makes a user, with a schema of their own.
    pub async fn create_user(&self, by: &Actor, new: NewUser) -> Result<User, CatalogError> {
        self.permit(by, Action::ManageAccess, &Object::Server)?;
        let name = UserName::new(&new.name).map_err(invalid)?;
        let mut roles = BTreeSet::new();
        for role in &new.roles {
            roles.insert(self.known_role(role)?);
            self.permit_role(by, role)?;
        }
        self.check_free(&name)?;
        let scram = ScramSalt::generate();
        let secrets = match &new.password {
            Some(password) => Some(derive(&name, password, &scram).await?),
            None => None,
        };

        let mut change = self.change(by, "user.create").await?;
        let failed = change.failed();
        let id = sqlx::query(
            "INSERT INTO users (name, schema, created_at, scram_salt, scram_iterations)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )
        .bind(name.as_str())
        .bind(name.schema())
        .bind(change.micros())
        .bind(scram.salt.clone())
        .bind(i64::from(scram.iterations))
        .execute(&mut *change.tx)
        .await
        .map_err(|error| match error.as_database_error() {
            Some(database) if database.is_unique_violation() => taken(&name),
            _ => failed(error),
        })?
        .last_insert_rowid();
        for role in &roles {
            sqlx::query("INSERT INTO user_roles (user_id, role) VALUES (?1, ?2)")
                .bind(id)
                .bind(role.as_str())
                .execute(&mut *change.tx)
                .await
                .map_err(&failed)?;
        }
        if let Some(secrets) = &secrets {
            store_password(&mut change, id, Some(secrets)).await?;
        }
        let user = User {
            id,
            schema: name.schema(),
            roles,
            disabled: false,
            created_at: change.now,
            password_set_at: secrets.as_ref().map(|_| change.now),
            password: secrets,
            scram,
            name,
        };
        change
            .commit(format!("user {}", user.name), None, Some(described(&user)))
            .await?;
        Ok(user)
    }

    /// Sets a user's password, or takes it away.
    pub async fn set_password(
        &self,
        by: &Actor,
        user: &str,
        password: Option<&str>,
    ) -> Result<(), CatalogError> {
        let user = self.known_user(user)?;
        if !self.is_own(by, &user) {
            self.permit_on(by, &user)?;
        }
        let secrets = match password {
            Some(password) => Some(derive(&user.name, password, &user.scram).await?),
            None => None,
        };
        let mut change = self.change(by, "user.password").await?;
        store_password(&mut change, user.id, secrets.as_ref()).await?;
        let had = |there: bool| Some(json!({ "password": there }));
        let (before, after) = (had(user.password.is_some()), had(secrets.is_some()));
        change
            .commit(format!("user {}", user.name), before, after)
            .await
    }

    /// Suspends a user, or lets them in again. Sessions and queries of a suspended user end.
    pub async fn set_user_disabled(
        &self,
        by: &Actor,
        user: &str,
        disabled: bool,
    ) -> Result<(), CatalogError> {
        let user = self.known_user(user)?;
        self.permit_on(by, &user)?;
        if disabled {
            self.check_not_last_owner(&user)?;
        }
        let action = if disabled {
            "user.disable"
        } else {
            "user.enable"
        };
        let mut change = self.change(by, action).await?;
        sqlx::query("UPDATE users SET disabled = ?2 WHERE id = ?1")
            .bind(user.id)
            .bind(disabled)
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        let after = User {
            disabled,
            ..user.clone()
        };
        change
            .commit(
                format!("user {}", user.name),
                Some(described(&user)),
                Some(described(&after)),
            )
            .await
    }

    /// Removes a user with their tokens and grants. The schema stays for owners and admins: what is
    /// in it must not fall to somebody else.
    pub async fn drop_user(&self, by: &Actor, user: &str) -> Result<(), CatalogError> {
        let user = self.known_user(user)?;
        self.permit_on(by, &user)?;
        self.check_not_last_owner(&user)?;
        let mut change = self.change(by, "user.drop").await?;
        let failed = change.failed();
        let micros = change.micros();
        for sql in [
            "DELETE FROM grants WHERE grantee = ?1",
            "DELETE FROM table_owners WHERE owner = ?1",
            "DELETE FROM users WHERE name = ?1",
        ] {
            sqlx::query(sql)
                .bind(user.name.as_str())
                .execute(&mut *change.tx)
                .await
                .map_err(&failed)?;
        }
        sqlx::query(
            "INSERT INTO schemas (name, owner, former, created_at) VALUES (?1, ?2, 1, ?3)
             ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, former = 1",
        )
        .bind(&user.schema)
        .bind(user.name.as_str())
        .bind(micros)
        .execute(&mut *change.tx)
        .await
        .map_err(&failed)?;
        // What they made elsewhere belongs to whoever removes them.
        sqlx::query("UPDATE schemas SET owner = ?2 WHERE owner = ?1 AND former = 0")
            .bind(user.name.as_str())
            .bind(by.identity.user())
            .execute(&mut *change.tx)
            .await
            .map_err(&failed)?;
        change
            .commit(format!("user {}", user.name), Some(described(&user)), None)
            .await
    }

    // --- roles of users ---

    /// Gives a user a role; returns whether they did not have it.
    pub async fn add_user_role(
        &self,
        by: &Actor,
        user: &str,
        role: &str,
    ) -> Result<bool, CatalogError> {
        let user = self.known_user(user)?;
        let role = self.known_role(role)?;
        self.permit_on(by, &user)?;
        self.permit_role(by, role.as_str())?;
        if user.roles.contains(&role) {
            return Ok(false);
        }
        let mut change = self.change(by, "role.give").await?;
        sqlx::query("INSERT OR IGNORE INTO user_roles (user_id, role) VALUES (?1, ?2)")
            .bind(user.id)
            .bind(role.as_str())
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        let mut after = user.clone();
        after.roles.insert(role);
        change
            .commit(
                format!("user {}", user.name),
                Some(described(&user)),
                Some(described(&after)),
            )
            .await?;
        Ok(true)
    }

    /// Takes a role from a user; returns whether they had it.
    pub async fn remove_user_role(
        &self,
        by: &Actor,
        user: &str,
        role: &str,
    ) -> Result<bool, CatalogError> {
        let user = self.known_user(user)?;
        let role = self.known_role(role)?;
        self.permit_on(by, &user)?;
        self.permit_role(by, role.as_str())?;
        if !user.roles.contains(&role) {
            return Ok(false);
        }
        if role.as_str() == Role::Owner.as_str() {
            self.check_not_last_owner(&user)?;
        }
        let mut change = self.change(by, "role.take").await?;
        sqlx::query("DELETE FROM user_roles WHERE user_id = ?1 AND role = ?2")
            .bind(user.id)
            .bind(role.as_str())
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        let mut after = user.clone();
        after.roles.remove(&role);
        change
            .commit(
                format!("user {}", user.name),
                Some(described(&user)),
                Some(described(&after)),
            )
            .await?;
        Ok(true)
    }

    /// Makes a role: a bundle of grants that users can be given.
    pub async fn create_role(&self, by: &Actor, role: &str) -> Result<(), CatalogError> {
        self.permit(by, Action::ManageAccess, &Object::Server)?;
        let name = RoleName::new(role).map_err(invalid)?;
        let access = self.access();
        if access.has_role(name.as_str()) {
            return Err(exists(format!("there is a role `{name}` already")));
        }
        if access.user(name.as_str()).is_some() {
            return Err(exists(format!("`{name}` is a user"))
                .with_hint("users and roles share their names, as grants name either"));
        }
        let mut change = self.change(by, "role.create").await?;
        let micros = change.micros();
        sqlx::query("INSERT INTO roles (name, created_at) VALUES (?1, ?2)")
            .bind(name.as_str())
            .bind(micros)
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        change
            .commit(format!("role {name}"), None, Some(json!({ "name": name })))
            .await
    }

    /// Removes a role with what was granted to it.
    pub async fn drop_role(&self, by: &Actor, role: &str) -> Result<(), CatalogError> {
        self.permit(by, Action::ManageAccess, &Object::Server)?;
        let name = self.known_role(role)?;
        if Role::named(name.as_str()).is_some() {
            return Err(invalid(format!("the role `{name}` is built in")));
        }
        let mut change = self.change(by, "role.drop").await?;
        let failed = change.failed();
        for sql in [
            "DELETE FROM grants WHERE grantee = ?1",
            "DELETE FROM user_roles WHERE role = ?1",
            "DELETE FROM roles WHERE name = ?1",
        ] {
            sqlx::query(sql)
                .bind(name.as_str())
                .execute(&mut *change.tx)
                .await
                .map_err(&failed)?;
        }
        change
            .commit(format!("role {name}"), Some(json!({ "name": name })), None)
            .await
    }

    // --- checks ---

    /// Returns the name of a role that there is.
    pub(super) fn known_role(&self, role: &str) -> Result<RoleName, CatalogError> {
        let access = self.access();
        let name = RoleName::new(role).ok();
        if let Some(name) = name.filter(|name| access.has_role(name.as_str())) {
            return Ok(name);
        }
        let mut names: Vec<&str> = Role::ALL.into_iter().map(Role::as_str).collect();
        names.extend(access.custom_roles().map(RoleName::as_str));
        let shown: String = role.chars().take(63).flat_map(char::escape_debug).collect();
        let error = CatalogError::new(
            CatalogErrorKind::NotFound,
            format!("there is no role `{shown}`"),
        );
        let hint = match weir_core::did_you_mean(role, &names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are: {}", names.join(", ")),
        };
        Err(error.with_hint(hint))
    }

    /// Checks that neither the name nor the schema it stands for is somebody's or something's.
    fn check_free(&self, name: &UserName) -> Result<(), CatalogError> {
        let access = self.access();
        if access.user(name.as_str()).is_some() {
            return Err(taken(name));
        }
        if access.has_role(name.as_str()) {
            return Err(exists(format!("`{name}` is a role"))
                .with_hint("users and roles share their names, as grants name either"));
        }
        let schema = name.schema();
        let fails = |what: String| {
            Err(invalid(format!(
                "the schema `{schema}` that user `{name}` would own {what}"
            ))
            .with_hint("choose another name"))
        };
        if TableName::new(&schema, "t").is_err() {
            return fails("cannot be a folder of the lake".to_owned());
        }
        match access.schema_kind(&schema) {
            SchemaKind::Shared(None) => {}
            SchemaKind::Personal("") => {
                return fails(format!(
                    "holds what a former user left; DROP SCHEMA {schema} CASCADE removes it"
                ));
            }
            SchemaKind::Personal(other) => return fails(format!("is the user `{other}`'s")),
            SchemaKind::Source => return fails("belongs to the source of that name".to_owned()),
            SchemaKind::Shared(Some(_)) => return fails("exists".to_owned()),
            _ => return fails("is reserved".to_owned()),
        }
        if self.views().iter().any(|view| view.schema == schema) {
            return fails("has views in it".to_owned());
        }
        Ok(())
    }

    /// Checks that a new source would not fill a schema that is somebody's.
    pub(crate) fn check_free_for_source(&self, name: &SourceName) -> Result<(), CatalogError> {
        let access = self.access();
        match access.known_schemas().any(|schema| schema == name.as_str()) {
            true => Err(invalid(format!(
                "the schema `{name}` belongs to a user, so no source can be called that"
            ))
            .with_hint("give the source another name")),
            false => Ok(()),
        }
    }

    fn check_not_last_owner(&self, user: &User) -> Result<(), CatalogError> {
        let access = self.access();
        let mut owners = access
            .users()
            .filter(|other| other.has(Role::Owner) && !other.disabled);
        match owners.all(|owner| owner.name == user.name) && user.has(Role::Owner) {
            true => Err(invalid(format!("`{}` is the last owner", user.name))
                .with_hint("make another user an owner first")),
            false => Ok(()),
        }
    }
}

fn exists(text: String) -> CatalogError {
    CatalogError::new(CatalogErrorKind::Exists, text)
}

fn taken(name: &UserName) -> CatalogError {
    exists(format!("there is a user `{name}` already"))
}

async fn derive(
    name: &UserName,
    password: &str,
    scram: &ScramSalt,
) -> Result<PasswordSecrets, CatalogError> {
    let (name, password, scram) = (name.clone(), password.to_owned(), scram.clone());
    tokio::task::spawn_blocking(move || PasswordSecrets::derive(name.as_str(), &password, &scram))
        .await
        .map_err(|error| {
            CatalogError::because(CatalogErrorKind::Unavailable, "hash the password", error)
        })?
        .map_err(|error| {
            invalid(error).with_hint("a long sentence is easier to keep than a short riddle")
        })
}

async fn store_password(
    change: &mut super::change::Change<'_>,
    user: i64,
    secrets: Option<&PasswordSecrets>,
) -> Result<(), CatalogError> {
    let (micros, failed) = (change.micros(), change.failed());
    let scram = secrets.map(|secrets| &secrets.scram);
    sqlx::query(
        "UPDATE users SET password_hash = ?2, scram_stored_key = ?3, scram_server_key = ?4,
             password_set_at = ?5
         WHERE id = ?1",
    )
    .bind(user)
    .bind(secrets.map(|secrets| secrets.hash.to_string()))
    .bind(scram.map(|scram| scram.stored_key.to_vec()))
    .bind(scram.map(|scram| scram.server_key.to_vec()))
    .bind(secrets.map(|_| micros))
    .execute(&mut *change.tx)
    .await
    .map_err(failed)?;
    Ok(())
}
