use datafusion::common::ScalarValue;
use weir_access::{Access, Action, GrantObject, Object, PUBLIC, Privileges};
use weir_catalog::{Actor, Catalog, CatalogError, CatalogErrorKind, NewUser};
use weir_core::TableName;
use weir_lake::LakeView;

use super::{AccessStatement, Name, On, Password, UserOptions};
use crate::caller::Caller;
use crate::catalog::own_schema;
use crate::error::{QueryError, QueryErrorKind};
use crate::secured::permit;
use crate::session::DEFAULT_SCHEMA;
use crate::settings::Settings;
use crate::stream::Command;

/// What a statement about rights is done with.
struct Work<'a> {
    catalog: &'a Catalog,
    caller: &'a Caller,
    settings: &'a Settings,
    view: &'a LakeView,
    params: &'a [ScalarValue],
    by: Actor,
}

/// Does what the statement says. It is durable when this returns.
pub(crate) async fn execute(
    statement: AccessStatement,
    catalog: &Catalog,
    caller: &Caller,
    settings: &Settings,
    view: &LakeView,
    params: &[ScalarValue],
) -> Result<Command, QueryError> {
    crate::secured::admit(&catalog.access(), caller)?;
    let work = Work {
        catalog,
        caller,
        settings,
        view,
        params,
        by: caller.actor(),
    };
    let tag = work.run(statement).await?;
    Ok(Command { tag, rows: None })
}

impl Work<'_> {
    async fn run(&self, statement: AccessStatement) -> Result<&'static str, QueryError> {
        match statement {
            AccessStatement::CreateUser {
                name,
                if_not_exists,
                options,
            } => self.create_user(&name, if_not_exists, options).await,
            AccessStatement::CreateRole {
                name,
                if_not_exists,
            } => {
                let name = self.name(&name)?;
                self.manages()?;
                if !(if_not_exists && self.access().has_role(&name)) {
                    let made = self.catalog.create_role(&self.by, &name).await;
                    made.map_err(failed)?;
                }
                Ok("CREATE ROLE")
            }
            AccessStatement::AlterUser { name, options } => {
                let name = self.name(&name)?;
                if let Some(password) = &options.password {
                    let password = self.password(password)?;
                    self.catalog
                        .set_password(&self.by, &name, password.as_deref())
                        .await
                        .map_err(failed)?;
                }
                if let Some(login) = options.login {
                    self.catalog
                        .set_user_disabled(&self.by, &name, !login)
                        .await
                        .map_err(failed)?;
                }
                Ok("ALTER ROLE")
            }
            AccessStatement::Drop {
                names,
                if_exists,
                tag,
            } => {
                self.manages()?;
                for name in &names {
                    let name = self.name(name)?;
                    let access = self.access();
                    let done = if access.user(&name).is_some() {
                        self.catalog.drop_user(&self.by, &name).await
                    } else if access.has_role(&name) || !if_exists {
                        self.catalog.drop_role(&self.by, &name).await
                    } else {
                        Ok(())
                    };
                    done.map_err(failed)?;
                }
                Ok(tag)
            }
            AccessStatement::GiveRoles { roles, users, give } => {
                self.manages()?;
                for user in &users {
                    let user = self.name(user)?;
                    for role in &roles {
                        let role = self.name(role)?;
                        let done = match give {
                            true => self.catalog.add_user_role(&self.by, &user, &role).await,
                            false => self.catalog.remove_user_role(&self.by, &user, &role).await,
                        };
                        done.map_err(failed)?;
                    }
                }
                Ok(if give { "GRANT ROLE" } else { "REVOKE ROLE" })
            }
            AccessStatement::Grant {
                privileges,
                on,
                to,
                give,
            } => self.grant(privileges, on, &to, give).await,
        }
    }

    async fn create_user(
        &self,
        name: &Name,
        if_not_exists: bool,
        options: UserOptions,
    ) -> Result<&'static str, QueryError> {
        let name = self.name(name)?;
        self.manages()?;
        if if_not_exists && self.access().user(&name).is_some() {
            return Ok("CREATE ROLE");
        }
        // The catalog does not know what lies in the lake: whoever gets a schema gets its tables.
        if let Ok(user) = weir_access::UserName::new(&name)
            && let Some(table) = self
                .view
                .tables
                .keys()
                .find(|t| t.schema() == user.schema())
        {
            return Err(QueryError::new(
                QueryErrorKind::Invalid,
                format!(
                    "the schema `{}` that user `{name}` would own has tables in it",
                    table.schema()
                ),
            )
            .with_sqlstate("42710")
            .hint("choose another name"));
        }
        let password = match &options.password {
            Some(password) => self.password(password)?,
            None => None,
        };
        let roles = options.roles.iter().map(|role| self.name(role));
        let new = NewUser {
            name: name.clone(),
            roles: roles.collect::<Result<_, _>>()?,
            password,
        };
        self.catalog
            .create_user(&self.by, new)
            .await
            .map_err(failed)?;
        if options.login == Some(false) {
            let done = self.catalog.set_user_disabled(&self.by, &name, true).await;
            done.map_err(failed)?;
        }
        Ok("CREATE ROLE")
    }

    async fn grant(
        &self,
        privileges: Privileges,
        on: On,
        to: &[Name],
        give: bool,
    ) -> Result<&'static str, QueryError> {
        let objects: Vec<GrantObject> = match on {
            On::Schemas(schemas) => schemas
                .into_iter()
                .map(|schema| self.schema(schema, give))
                .collect::<Result<_, _>>()?,
            On::Tables(tables) => tables
                .into_iter()
                .map(|(schema, table)| self.table(schema, table, give))
                .collect::<Result<_, _>>()?,
        };
        for object in &objects {
            for grantee in to {
                let grantee = match grantee {
                    Name::Public => PUBLIC.to_owned(),
                    name => self.name(name)?,
                };
                let by = &self.by;
                let done = match give {
                    true => self.catalog.grant(by, &grantee, object, privileges).await,
                    false => self.catalog.revoke(by, &grantee, object, privileges).await,
                };
                done.map_err(failed)?;
            }
        }
        Ok(if give { "GRANT" } else { "REVOKE" })
    }

    /// Finds a schema that rights are given on. Taking them away works on what is gone, too.
    fn schema(&self, schema: String, must_exist: bool) -> Result<GrantObject, QueryError> {
        let access = self.access();
        permit(
            &access,
            self.caller,
            Action::Grant,
            &Object::Schema(&schema),
        )?;
        let exists =
            schema == DEFAULT_SCHEMA
                || access.known_schemas().any(|known| known == schema)
                || self.view.tables.keys().any(|t| t.schema() == schema)
                || self
                    .catalog
                    .views()
                    .iter()
                    .any(|view| view.schema == schema)
                || self.catalog.sources().iter().any(|source| {
                    source.name.as_str() == schema || source.name.raw_schema() == schema
                });
        if exists || !must_exist {
            return Ok(GrantObject::Schema(schema));
        }
        Err(QueryError::new(
            QueryErrorKind::UndefinedTable,
            format!("schema `{schema}` does not exist"),
        )
        .with_sqlstate("3F000")
        .hint("SHOW SCHEMAS lists what there is"))
    }

    /// Finds a table or view that rights are given on.
    fn table(
        &self,
        schema: Option<String>,
        table: String,
        must_exist: bool,
    ) -> Result<GrantObject, QueryError> {
        let access = self.access();
        let schemas = match schema {
            Some(schema) => vec![schema],
            None => self
                .settings
                .search_path
                .iter()
                .map(|schema| match schema.as_str() {
                    "$user" => own_schema(&access, self.caller),
                    schema => schema.to_owned(),
                })
                .collect(),
        };
        let found = schemas.iter().find(|schema| self.exists(schema, &table));
        let schema = match found {
            Some(schema) => schema.clone(),
            None => schemas
                .last()
                .cloned()
                .unwrap_or_else(|| DEFAULT_SCHEMA.to_owned()),
        };
        let object = Object::Table {
            schema: &schema,
            table: &table,
        };
        permit(&access, self.caller, Action::Grant, &object)?;
        if found.is_none() && must_exist {
            return Err(QueryError::new(
                QueryErrorKind::UndefinedTable,
                format!("table `{schema}.{table}` does not exist"),
            )
            .hint("GRANT ... ON SCHEMA holds for tables that are yet to come"));
        }
        Ok(GrantObject::Table { schema, table })
    }

    fn exists(&self, schema: &str, table: &str) -> bool {
        let in_lake =
            TableName::new(schema, table).is_ok_and(|name| self.view.table(&name).is_some());
        // Users are a view over the calls that tell about them.
        let users = table == "users"
            && TableName::new(schema, "identifies")
                .is_ok_and(|name| self.view.table(&name).is_some());
        let views = self.catalog.views();
        in_lake || users || views.iter().any(|v| v.schema == schema && v.name == table)
    }

    fn access(&self) -> std::sync::Arc<Access> {
        self.catalog.access()
    }

    /// Checks that the caller manages users before anything is said about who there is.
    fn manages(&self) -> Result<(), QueryError> {
        let access = self.access();
        permit(&access, self.caller, Action::ManageAccess, &Object::Server)
    }

    fn name(&self, name: &Name) -> Result<String, QueryError> {
        match name {
            Name::Named(name) => Ok(name.clone()),
            Name::CurrentUser => Ok(self.caller.name().to_owned()),
            Name::Public => Err(QueryError::new(
                QueryErrorKind::Invalid,
                "PUBLIC stands for everybody and is no user",
            )),
        }
    }

    fn password(&self, password: &Password) -> Result<Option<String>, QueryError> {
        let missing = |number: usize| {
            QueryError::new(
                QueryErrorKind::Parameter,
                format!("parameter ${number} is no text"),
            )
        };
        match password {
            Password::Null => Ok(None),
            Password::Text(text) => Ok(Some(text.clone())),
            Password::Parameter(number) => {
                let value = number.checked_sub(1).and_then(|n| self.params.get(n));
                match value.map(ScalarValue::try_as_str) {
                    Some(Some(Some(text))) => Ok(Some(text.to_owned())),
                    _ => Err(missing(*number)),
                }
            }
        }
    }
}

/// Turns an error of the catalog into one of a statement.
fn failed(error: CatalogError) -> QueryError {
    let (kind, sqlstate) = match error.kind() {
        CatalogErrorKind::Denied => (QueryErrorKind::PermissionDenied, "42501"),
        CatalogErrorKind::NotFound => (QueryErrorKind::Invalid, "42704"),
        CatalogErrorKind::Exists => (QueryErrorKind::Invalid, "42710"),
        CatalogErrorKind::Invalid => (QueryErrorKind::Invalid, "22023"),
        CatalogErrorKind::Busy => (QueryErrorKind::Busy, "55P03"),
        _ => return QueryError::internal(error),
    };
    let hint = error.hint().map(str::to_owned);
    QueryError::new(kind, error.to_string())
        .with_sqlstate(sqlstate)
        .hint_if(hint)
        .caused_by(error)
}
