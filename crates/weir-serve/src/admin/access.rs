//! Users, roles, grants, tokens and the audit over HTTP. Who may do what is the catalog's to say.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::routing::{delete, get, post, put};
use axum::{Json, Router};
use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use weir_access::{Action, Grant, GrantObject, Privileges, Role, Scope, TokenInfo, User};
use weir_catalog::{AuditLine, NewToken, NewUser};

use crate::Services;
use crate::auth::{SignedIn, permit};
use crate::error::ApiError;

/// The most records of the audit in one answer.
const MAX_AUDIT: u32 = 10_000;

pub(super) fn router() -> Router<Services> {
    Router::new()
        .route("/api/v1/me", get(me))
        .route("/api/v1/users", get(users).post(create_user))
        .route("/api/v1/users/{user}", delete(drop_user))
        .route("/api/v1/users/{user}/password", put(set_password))
        .route("/api/v1/users/{user}/disabled", put(set_disabled))
        .route(
            "/api/v1/users/{user}/roles/{role}",
            put(give_role).delete(take_role),
        )
        .route("/api/v1/roles", get(roles).post(create_role))
        .route("/api/v1/roles/{role}", delete(drop_role))
        .route("/api/v1/grants", get(grants).post(give))
        .route("/api/v1/grants/revoke", post(take))
        .route("/api/v1/tokens", get(tokens).post(create_token))
        .route("/api/v1/tokens/{token}", delete(revoke_token))
        .route("/api/v1/audit", get(audit))
        .route("/api/v1/audit/verify", get(verify_audit))
}

type Body<T> = Result<Json<T>, JsonRejection>;

/// Takes a body apart. What was wrong with it is not repeated: it may hold a password.
fn body<T>(body: Body<T>) -> Result<T, ApiError> {
    match body {
        Ok(Json(body)) => Ok(body),
        Err(_) => Err(
            ApiError::invalid("the body is not the JSON that this takes")
                .with_hint("docs/http-api.md shows what it takes"),
        ),
    }
}

/// A user as it is shown.
#[derive(Serialize)]
struct UserShown {
    name: String,
    roles: Vec<String>,
    schema: String,
    disabled: bool,
    has_password: bool,
    created_at: DateTime<Utc>,
}

impl From<&User> for UserShown {
    fn from(user: &User) -> Self {
        Self {
            name: user.name.to_string(),
            roles: user.roles.iter().map(ToString::to_string).collect(),
            schema: user.schema.clone(),
            disabled: user.disabled,
            has_password: user.password.is_some(),
            created_at: user.created_at,
        }
    }
}

#[derive(Serialize)]
struct Me {
    #[serde(flatten)]
    user: UserShown,
    /// How the request was let in.
    auth: &'static str,
    /// What the token may be used for; everything the user may, without a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
}

async fn me(State(services): State<Services>, who: SignedIn) -> Result<Json<Me>, ApiError> {
    let access = services.catalog.access();
    let user = access.user(who.identity().user());
    let scopes = |token: &TokenInfo| token.scopes.iter().map(Scope::to_string).collect();
    Ok(Json(Me {
        user: user
            .map(UserShown::from)
            .ok_or_else(ApiError::unauthorized)?,
        auth: who.identity().auth().as_str(),
        scopes: access.token_of(who.identity()).map(scopes),
    }))
}

fn manages(services: &Services, who: &SignedIn) -> bool {
    permit(&services.catalog, who, Action::ManageAccess).is_ok()
}

async fn users(State(services): State<Services>, who: SignedIn) -> Json<serde_json::Value> {
    let access = services.catalog.access();
    let all = manages(&services, &who);
    let known = |user: &&User| all || user.name.as_str() == who.identity().user();
    let users: Vec<UserShown> = access.users().filter(known).map(UserShown::from).collect();
    Json(serde_json::json!({ "users": users }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateUser {
    name: String,
    #[serde(default)]
    roles: Vec<String>,
    password: Option<String>,
}

async fn create_user(
    State(services): State<Services>,
    who: SignedIn,
    sent: Body<CreateUser>,
) -> Result<(StatusCode, Json<UserShown>), ApiError> {
    let new = body(sent)?;
    // The catalog does not know what lies in the lake: whoever gets a schema gets its tables.
    if manages(&services, &who)
        && let Ok(name) = weir_access::UserName::new(&new.name)
        && let schema = name.schema()
        && services
            .lake
            .view()
            .tables
            .keys()
            .any(|t| t.schema() == schema)
    {
        return Err(ApiError::invalid(format!(
            "the schema `{schema}` that user `{name}` would own has tables in it"
        ))
        .with_hint("choose another name"));
    }
    let new = NewUser {
        name: new.name,
        roles: new.roles,
        password: new.password,
    };
    let user = services.catalog.create_user(&who.actor(), new).await?;
    Ok((StatusCode::CREATED, Json(UserShown::from(&user))))
}

async fn drop_user(
    State(services): State<Services>,
    who: SignedIn,
    Path(user): Path<String>,
) -> Result<StatusCode, ApiError> {
    services.catalog.drop_user(&who.actor(), &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetPassword {
    /// Null takes it away.
    password: Option<String>,
}

async fn set_password(
    State(services): State<Services>,
    who: SignedIn,
    Path(user): Path<String>,
    sent: Body<SetPassword>,
) -> Result<StatusCode, ApiError> {
    let SetPassword { password } = body(sent)?;
    services
        .catalog
        .set_password(&who.actor(), &user, password.as_deref())
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetDisabled {
    disabled: bool,
}

async fn set_disabled(
    State(services): State<Services>,
    who: SignedIn,
    Path(user): Path<String>,
    sent: Body<SetDisabled>,
) -> Result<StatusCode, ApiError> {
    let SetDisabled { disabled } = body(sent)?;
    services
        .catalog
        .set_user_disabled(&who.actor(), &user, disabled)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn give_role(
    State(services): State<Services>,
    who: SignedIn,
    Path((user, role)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    services
        .catalog
        .add_user_role(&who.actor(), &user, &role)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn take_role(
    State(services): State<Services>,
    who: SignedIn,
    Path((user, role)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    services
        .catalog
        .remove_user_role(&who.actor(), &user, &role)
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn roles(State(services): State<Services>, who: SignedIn) -> Json<serde_json::Value> {
    let access = services.catalog.access();
    let mut roles: Vec<&str> = Role::ALL.into_iter().map(Role::as_str).collect();
    let mine = access.user(who.identity().user());
    let all = manages(&services, &who);
    roles.extend(
        access
            .custom_roles()
            .filter(|role| all || mine.is_some_and(|user| user.roles.contains(*role)))
            .map(|role| role.as_str()),
    );
    Json(serde_json::json!({ "roles": roles }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateRole {
    name: String,
}

async fn create_role(
    State(services): State<Services>,
    who: SignedIn,
    sent: Body<CreateRole>,
) -> Result<StatusCode, ApiError> {
    let CreateRole { name } = body(sent)?;
    services.catalog.create_role(&who.actor(), &name).await?;
    Ok(StatusCode::CREATED)
}

async fn drop_role(
    State(services): State<Services>,
    who: SignedIn,
    Path(role): Path<String>,
) -> Result<StatusCode, ApiError> {
    services.catalog.drop_role(&who.actor(), &role).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rights as they are shown and sent.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantShown {
    grantee: String,
    schema: String,
    /// The whole schema without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    privileges: Vec<String>,
}

impl From<&Grant> for GrantShown {
    fn from(grant: &Grant) -> Self {
        let privileges = grant.privileges.iter();
        Self {
            grantee: grant.grantee.clone(),
            schema: grant.object.schema().to_owned(),
            table: grant.object.table().map(str::to_owned),
            privileges: privileges.map(|p| p.as_str().to_owned()).collect(),
        }
    }
}

impl GrantShown {
    fn read(self) -> Result<(String, GrantObject, Privileges), ApiError> {
        let mut privileges = Privileges::NONE;
        for word in &self.privileges {
            let read = word.parse::<Privileges>();
            privileges = privileges.with(read.map_err(|error| {
                ApiError::invalid("`privileges` holds what cannot be granted")
                    .with_hint(error.to_string())
            })?);
        }
        let schema = self.schema;
        let object = match self.table {
            Some(table) => GrantObject::Table { schema, table },
            None => GrantObject::Schema(schema),
        };
        Ok((self.grantee, object, privileges))
    }
}

async fn grants(State(services): State<Services>, who: SignedIn) -> Json<serde_json::Value> {
    let access = services.catalog.access();
    let all = manages(&services, &who);
    let me = who.identity().user();
    let concerns = |grant: &&Grant| {
        all || grant.grantee == me
            || access
                .user(me)
                .is_some_and(|user| user.roles.contains(grant.grantee.as_str()))
            || access.owner_of(&grant.object.as_object()) == Some(me)
    };
    let grants = access.grants().iter().filter(concerns);
    let grants: Vec<GrantShown> = grants.map(GrantShown::from).collect();
    Json(serde_json::json!({ "grants": grants }))
}

#[derive(Serialize)]
struct Changed {
    /// Whether anything is different now.
    changed: bool,
}

async fn give(
    State(services): State<Services>,
    who: SignedIn,
    sent: Body<GrantShown>,
) -> Result<Json<Changed>, ApiError> {
    let (grantee, object, privileges) = body(sent)?.read()?;
    let actor = who.actor();
    let given = services
        .catalog
        .grant(&actor, &grantee, &object, privileges);
    Ok(Json(Changed {
        changed: given.await?,
    }))
}

async fn take(
    State(services): State<Services>,
    who: SignedIn,
    sent: Body<GrantShown>,
) -> Result<Json<Changed>, ApiError> {
    let (grantee, object, privileges) = body(sent)?.read()?;
    let actor = who.actor();
    let taken = services
        .catalog
        .revoke(&actor, &grantee, &object, privileges);
    Ok(Json(Changed {
        changed: taken.await?,
    }))
}

/// A token as it is shown: without its secret, but for the once it was made.
#[derive(Serialize)]
struct TokenShown {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    id: i64,
    user: String,
    label: String,
    starts_with: String,
    scopes: Vec<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    /// To about a minute.
    last_used_at: Option<DateTime<Utc>>,
}

impl From<&TokenInfo> for TokenShown {
    fn from(info: &TokenInfo) -> Self {
        Self {
            token: None,
            id: info.id,
            user: info.user.clone(),
            label: info.label.clone(),
            starts_with: info.shown.clone(),
            scopes: info.scopes.iter().map(Scope::to_string).collect(),
            created_at: info.created_at,
            expires_at: info.expires_at,
            revoked_at: info.revoked_at,
            last_used_at: None,
        }
    }
}

async fn tokens(
    State(services): State<Services>,
    who: SignedIn,
) -> Result<Json<serde_json::Value>, ApiError> {
    let uses = services.catalog.token_uses().await?;
    let access = services.catalog.access();
    let all = manages(&services, &who);
    let known = |token: &&TokenInfo| all || token.user == who.identity().user();
    let mut tokens: Vec<TokenShown> = access
        .tokens()
        .filter(known)
        .map(|info| TokenShown {
            last_used_at: uses.get(&info.id).copied(),
            ..TokenShown::from(info)
        })
        .collect();
    tokens.sort_by_key(|token| token.id);
    Ok(Json(serde_json::json!({ "tokens": tokens })))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CreateToken {
    /// Oneself without one.
    user: Option<String>,
    #[serde(default)]
    label: String,
    scopes: Vec<String>,
    /// For ever without it.
    expires_in_days: Option<u32>,
}

async fn create_token(
    State(services): State<Services>,
    who: SignedIn,
    sent: Body<CreateToken>,
) -> Result<(StatusCode, Json<TokenShown>), ApiError> {
    let sent = body(sent)?;
    let scopes = Scope::parse_list(&sent.scopes.join(",")).map_err(|error| {
        ApiError::invalid("`scopes` holds no scope").with_hint(error.to_string())
    })?;
    let days = |days: u32| Utc::now() + TimeDelta::days(i64::from(days));
    let new = NewToken {
        user: sent
            .user
            .unwrap_or_else(|| who.identity().user().to_owned()),
        label: sent.label,
        scopes,
        expires_at: sent.expires_in_days.map(days),
    };
    let (token, info) = services.catalog.create_token(&who.actor(), new).await?;
    let shown = TokenShown {
        token: Some(token.reveal().to_owned()),
        ..TokenShown::from(&info)
    };
    Ok((StatusCode::CREATED, Json(shown)))
}

async fn revoke_token(
    State(services): State<Services>,
    who: SignedIn,
    Path(token): Path<String>,
) -> Result<Json<TokenShown>, ApiError> {
    let info = services.catalog.revoke_token(&who.actor(), &token).await?;
    Ok(Json(TokenShown::from(&info)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditRange {
    limit: Option<u32>,
}

async fn audit(
    State(services): State<Services>,
    who: SignedIn,
    Query(range): Query<AuditRange>,
) -> Result<Json<Vec<AuditLine>>, ApiError> {
    permit(&services.catalog, &who, Action::ManageAccess)?;
    let limit = range.limit.unwrap_or(100).min(MAX_AUDIT);
    Ok(Json(services.catalog.audit_lines(limit).await?))
}

#[derive(Serialize)]
struct Verified {
    records: i64,
    /// To be noted elsewhere: it holds every record before it.
    last_hash: String,
}

async fn verify_audit(
    State(services): State<Services>,
    who: SignedIn,
) -> Result<Json<Verified>, ApiError> {
    permit(&services.catalog, &who, Action::ManageAccess)?;
    let (records, last_hash) = services.catalog.verify_audit().await?;
    Ok(Json(Verified { records, last_hash }))
}
