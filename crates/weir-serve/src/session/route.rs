use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use http::{HeaderMap, StatusCode, header};
use serde::{Deserialize, Serialize};
use weir_access::{Action, DocumentAction, DocumentOwner, Object, Role, User};
use weir_catalog::{Actor, Catalog, NewUser};

use super::{Setup, csrf_token};
use crate::auth::{Door, SignedIn, same_site};
use crate::error::ApiError;
use crate::server::ClientAddress;

#[derive(Clone)]
struct Rooms {
    catalog: Catalog,
    door: Door,
    setup: Setup,
}

/// Routes of sessions: whoever asks is not signed in yet, or wants to be no longer.
pub(crate) fn router(catalog: Catalog, door: Door, setup: Setup) -> Router {
    Router::new()
        .route("/api/v1/session", get(show).post(sign_in).delete(sign_out))
        .route("/api/v1/session/password", put(change_password))
        .route("/api/v1/setup", post(set_up))
        .with_state(Rooms {
            catalog,
            door,
            setup,
        })
}

/// What a page needs to know of who looks at it.
#[derive(Serialize)]
struct Session {
    user: Option<Person>,
    /// Whether there is no owner yet who could sign in.
    setup: bool,
    version: &'static str,
}

#[derive(Serialize)]
struct Person {
    name: String,
    roles: Vec<String>,
    schema: String,
    /// To be sent back as `weir-csrf` with everything that changes something.
    csrf: String,
    may: May,
}

/// What pages offer; what is allowed is decided where it is asked.
#[derive(Serialize)]
struct May {
    manage_access: bool,
    manage_sources: bool,
    operate: bool,
    admin: bool,
    create: bool,
}

fn person(catalog: &Catalog, who: &SignedIn, secret: &str) -> Option<Person> {
    let access = catalog.access();
    let user: &User = access.user(who.identity().user())?;
    let may = |action| {
        let decision = access.decide(who.identity(), action, &Object::Server);
        decision.allowed
    };
    let new = DocumentOwner {
        owner: Some(user.id),
        readable: false,
        editable: false,
    };
    let create = access.decide_document(who.identity(), DocumentAction::Create, &new);
    Some(Person {
        name: user.name.to_string(),
        roles: user.roles.iter().map(ToString::to_string).collect(),
        schema: user.schema.clone(),
        csrf: csrf_token(secret),
        may: May {
            manage_access: may(Action::ManageAccess),
            manage_sources: may(Action::ManageSources),
            operate: may(Action::Operate),
            admin: may(Action::Admin),
            create: create.allowed,
        },
    })
}

impl Rooms {
    fn session(&self, user: Option<Person>) -> Session {
        Session {
            user,
            setup: Setup::is_needed(&self.catalog),
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Begins a session, always a new one: a secret that was there before proves nothing.
    async fn begin(&self, who: SignedIn, headers: &HeaderMap) -> Result<Response, ApiError> {
        let cookies = self.door.cookies();
        if let Some(old) = cookies.secret(headers) {
            self.catalog.close_session(old).await?;
        }
        let opened = self
            .catalog
            .open_session(who.identity(), who.address())
            .await?;
        let secret = opened.ok_or_else(ApiError::unauthorized)?;
        let session = self.session(person(&self.catalog, &who, secret.reveal()));
        let cookie = cookies.keep(headers, &secret);
        Ok(([(header::SET_COOKIE, cookie)], Json(session)).into_response())
    }
}

async fn show(
    State(rooms): State<Rooms>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let secret = rooms.door.cookies().secret(&headers).map(str::to_owned);
    let mut user = None;
    if let Some(secret) = secret {
        let resumed = rooms
            .door
            .resume(address, &http::Method::GET, &headers, &secret)
            .await;
        user = resumed
            .ok()
            .and_then(|who| person(&rooms.catalog, &who, &secret));
    }
    let no_store = [(header::CACHE_CONTROL, "no-store")];
    Ok((no_store, Json(rooms.session(user))).into_response())
}

type Body<T> = Result<Json<T>, JsonRejection>;

/// Takes a body apart without repeating it: it holds a password.
fn body<T>(body: Body<T>) -> Result<T, ApiError> {
    body.map(|Json(body)| body)
        .map_err(|_| ApiError::invalid("the body is not the JSON that this takes"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SignIn {
    user: String,
    password: String,
}

async fn sign_in(
    State(rooms): State<Rooms>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    sent: Body<SignIn>,
) -> Result<Response, ApiError> {
    // Nobody is to be signed in as somebody else by a page of another site.
    same_site(&headers)?;
    let SignIn { user, password } = body(sent)?;
    let who = rooms
        .door
        .by_password(address, &headers, user, password)
        .await
        .map_err(|refusal| match refusal.is_unauthorized() {
            true => ApiError::new(
                StatusCode::UNAUTHORIZED,
                "unauthorized",
                "the name or the password is wrong",
            )
            .with_hint("an owner or admin can set a new password: Settings, Users"),
            false => refusal,
        })?;
    rooms.begin(who, &headers).await
}

async fn sign_out(
    State(rooms): State<Rooms>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let cookies = rooms.door.cookies();
    if let Some(secret) = cookies.secret(&headers) {
        rooms
            .door
            .resume(address, &http::Method::DELETE, &headers, secret)
            .await
            .map(|_| ())
            .or_else(|refusal| match refusal.is_unauthorized() {
                // It is over already.
                true => Ok(()),
                false => Err(refusal),
            })?;
        rooms.catalog.close_session(secret).await?;
    }
    let forget = [(header::SET_COOKIE, cookies.forget(&headers))];
    Ok((StatusCode::NO_CONTENT, forget).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangePassword {
    current: String,
    new: String,
}

/// Changes one's own password, which ends all other sessions.
async fn change_password(
    State(rooms): State<Rooms>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    sent: Body<ChangePassword>,
) -> Result<Response, ApiError> {
    let cookies = rooms.door.cookies();
    let secret = cookies
        .secret(&headers)
        .ok_or_else(ApiError::unauthorized)?;
    let who = rooms
        .door
        .resume(address, &http::Method::PUT, &headers, secret)
        .await?;
    let ChangePassword { current, new } = body(sent)?;
    let name = who.identity().user().to_owned();
    let who = rooms
        .door
        .by_password(address, &headers, name, current)
        .await
        .map_err(|refusal| match refusal.is_unauthorized() {
            // Not 401: the session itself is good.
            true => ApiError::denied("the current password is another one"),
            false => refusal,
        })?;
    rooms
        .catalog
        .set_password(&who.actor(), who.identity().user(), Some(&new))
        .await?;
    rooms.begin(who, &headers).await
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetUp {
    secret: String,
    user: String,
    password: String,
}

/// Makes the first owner who can sign in.
async fn set_up(
    State(rooms): State<Rooms>,
    ClientAddress(address): ClientAddress,
    headers: HeaderMap,
    sent: Body<SetUp>,
) -> Result<Response, ApiError> {
    same_site(&headers)?;
    let SetUp {
        secret,
        user,
        password,
    } = body(sent)?;
    rooms.door.wait(address)?;
    // Another process may have made one a moment ago.
    rooms.catalog.refresh_for_stranger().await;
    if !Setup::is_needed(&rooms.catalog) || !rooms.setup.is_good(&secret) {
        rooms.door.wrong(address);
        return Err(ApiError::denied("this link is not, or no longer, good")
            .with_hint("`weir up` prints a new one as long as no owner can sign in"));
    }
    let by = Actor::local().from(address);
    let known = rooms.catalog.access().user(&user).cloned();
    match known {
        Some(known) if known.has(Role::Owner) => {
            rooms
                .catalog
                .set_password(&by, &user, Some(&password))
                .await?;
        }
        Some(_) => {
            return Err(ApiError::invalid("there is a user of that name already")
                .with_hint("choose another name"));
        }
        None => {
            let new = NewUser {
                name: user.clone(),
                roles: vec![Role::Owner.as_str().to_owned()],
                password: Some(password.clone()),
            };
            rooms.catalog.create_user(&by, new).await?;
        }
    }
    rooms.setup.close();
    let who = rooms
        .door
        .by_password(address, &headers, user, password)
        .await?;
    rooms.begin(who, &headers).await
}
