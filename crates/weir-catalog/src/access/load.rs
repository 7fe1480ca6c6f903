use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{Row, Sqlite, Transaction};
use weir_access::{
    Access, AccessParts, Grant, GrantObject, PasswordHash, PasswordSecrets, Privileges, RoleName,
    Scope, ScramKeys, ScramSalt, TokenHash, TokenInfo, User, UserName,
};

use crate::error::{CatalogError, CatalogErrorKind};
use crate::sqlite::decode_time;

type Tx = Transaction<'static, Sqlite>;

/// Reads everybody and everything granted; gives back `before` when nothing has changed since.
pub(crate) async fn load(
    tx: &mut Tx,
    before: Option<&Arc<Access>>,
) -> Result<Arc<Access>, CatalogError> {
    let epoch: i64 = sqlx::query_scalar("SELECT number FROM access_epoch")
        .fetch_one(&mut **tx)
        .await
        .map_err(failed)?;
    let epoch = epoch.unsigned_abs();
    if let Some(before) = before
        && before.epoch() == epoch
    {
        return Ok(before.clone());
    }
    let users = users(tx).await?;
    let (tokens, token_keys) = tokens(tx, &users).await?;
    let mut parts = AccessParts {
        epoch,
        tokens,
        token_keys,
        users,
        roles: roles(tx).await?,
        grants: grants(tx).await?,
        ..AccessParts::default()
    };
    let sources: Vec<String> = sqlx::query_scalar("SELECT name FROM sources")
        .fetch_all(&mut **tx)
        .await
        .map_err(failed)?;
    parts.sources = sources.into_iter().collect();
    for row in all(tx, "SELECT name, owner, former FROM schemas").await? {
        let (name, owner): (String, String) = (get(&row, 0)?, get(&row, 1)?);
        if get(&row, 2)? {
            parts.former_schemas.insert(name);
        } else {
            parts.schemas.insert(name, owner);
        }
    }
    let mut owners = HashMap::new();
    for row in all(tx, "SELECT schema, table_name, owner FROM table_owners").await? {
        owners.insert((get(&row, 0)?, get(&row, 1)?), get(&row, 2)?);
    }
    parts.owners = owners;
    let key: Vec<u8> = sqlx::query_scalar("SELECT fake_key FROM access_secret")
        .fetch_one(&mut **tx)
        .await
        .map_err(failed)?;
    parts.fake_key = fixed(key)?;
    Ok(Arc::new(Access::new(parts)))
}

async fn users(tx: &mut Tx) -> Result<Vec<User>, CatalogError> {
    let mut roles: HashMap<i64, BTreeSet<RoleName>> = HashMap::new();
    for row in all(tx, "SELECT user_id, role FROM user_roles").await? {
        let name: String = get(&row, 1)?;
        let name = RoleName::new(&name).map_err(|_| corrupt("a role's name"))?;
        roles.entry(get(&row, 0)?).or_default().insert(name);
    }
    let rows = all(
        tx,
        "SELECT id, name, schema, disabled, created_at, password_set_at, password_hash,
                scram_salt, scram_iterations, scram_stored_key, scram_server_key
         FROM users ORDER BY name",
    )
    .await?;
    rows.iter()
        .map(|row| {
            let id = get(row, 0)?;
            let name: String = get(row, 1)?;
            let set_at: Option<i64> = get(row, 5)?;
            Ok(User {
                id,
                name: UserName::new(&name).map_err(|_| corrupt("a user's name"))?,
                roles: roles.remove(&id).unwrap_or_default(),
                disabled: get(row, 3)?,
                schema: get(row, 2)?,
                scram: ScramSalt {
                    salt: get(row, 7)?,
                    iterations: u32::try_from(get::<i64>(row, 8)?)
                        .map_err(|_| corrupt("a user's salt"))?,
                },
                password: password(row)?,
                created_at: decode_time(get(row, 4)?),
                password_set_at: set_at.map(decode_time),
            })
        })
        .collect()
}

fn password(row: &SqliteRow) -> Result<Option<PasswordSecrets>, CatalogError> {
    let Some(hash) = get::<Option<String>>(row, 6)? else {
        return Ok(None);
    };
    Ok(Some(PasswordSecrets {
        hash: PasswordHash::parse(&hash).ok_or_else(|| corrupt("a password's hash"))?,
        scram: ScramKeys {
            stored_key: fixed(get(row, 9)?)?,
            server_key: fixed(get(row, 10)?)?,
        },
    }))
}

type Tokens = (Vec<(TokenHash, TokenInfo)>, HashMap<TokenHash, ScramKeys>);

/// Reads what recognises a token that is proved, where there is such a thing.
fn token_keys(row: &SqliteRow, at: usize) -> Result<Option<ScramKeys>, CatalogError> {
    let keys: (Option<Vec<u8>>, Option<Vec<u8>>) = (get(row, at)?, get(row, at + 1)?);
    let (Some(stored_key), Some(server_key)) = keys else {
        return Ok(None);
    };
    Ok(Some(ScramKeys {
        stored_key: fixed(stored_key)?,
        server_key: fixed(server_key)?,
    }))
}

async fn tokens(tx: &mut Tx, users: &[User]) -> Result<Tokens, CatalogError> {
    let names: HashMap<i64, &UserName> = users.iter().map(|user| (user.id, &user.name)).collect();
    let rows = all(
        tx,
        "SELECT id, user_id, label, shown, hash, scopes, created_at, expires_at, revoked_at,
                scram_stored_key, scram_server_key
         FROM tokens",
    )
    .await?;
    let mut tokens = Vec::with_capacity(rows.len() + 1);
    let mut provable = HashMap::new();
    for row in &rows {
        let Some(user) = names.get(&get::<i64>(row, 1)?) else {
            continue;
        };
        let scopes: String = get(row, 5)?;
        let (expires_at, revoked_at): (Option<i64>, Option<i64>) = (get(row, 7)?, get(row, 8)?);
        let info = TokenInfo {
            id: get(row, 0)?,
            user: user.to_string(),
            label: get(row, 2)?,
            shown: get(row, 3)?,
            scopes: Scope::parse_list(&scopes).map_err(|_| corrupt("a token's scopes"))?,
            created_at: decode_time(get(row, 6)?),
            expires_at: expires_at.map(decode_time),
            revoked_at: revoked_at.map(decode_time),
        };
        let hash = TokenHash(fixed(get(row, 4)?)?);
        provable.extend(token_keys(row, 9)?.map(|keys| (hash, keys)));
        tokens.push((hash, info));
    }
    // The token in the project's own file is the owner's, for as long as there is that user.
    let owner = "SELECT hash, created_at, scram_stored_key, scram_server_key FROM owner_token";
    for row in all(tx, owner).await? {
        let info = TokenInfo {
            id: 0,
            user: "owner".to_owned(),
            label: "the project's `.weir/owner.token`".to_owned(),
            shown: "wo_".to_owned(),
            scopes: Scope::everything(),
            created_at: decode_time(get(&row, 1)?),
            expires_at: None,
            revoked_at: None,
        };
        let hash = TokenHash(fixed(get(&row, 0)?)?);
        provable.extend(token_keys(&row, 2)?.map(|keys| (hash, keys)));
        tokens.push((hash, info));
    }
    Ok((tokens, provable))
}

async fn roles(tx: &mut Tx) -> Result<BTreeSet<RoleName>, CatalogError> {
    let names: Vec<String> = sqlx::query_scalar("SELECT name FROM roles")
        .fetch_all(&mut **tx)
        .await
        .map_err(failed)?;
    names
        .iter()
        .map(|name| RoleName::new(name).map_err(|_| corrupt("a role's name")))
        .collect()
}

async fn grants(tx: &mut Tx) -> Result<Vec<Grant>, CatalogError> {
    let rows = all(
        tx,
        "SELECT grantee, schema, table_name, privileges FROM grants
         ORDER BY grantee, schema, table_name",
    )
    .await?;
    rows.iter()
        .map(|row| {
            let (schema, table): (String, String) = (get(row, 1)?, get(row, 2)?);
            let bits: i64 = get(row, 3)?;
            Ok(Grant {
                grantee: get(row, 0)?,
                object: if table.is_empty() {
                    GrantObject::Schema(schema)
                } else {
                    GrantObject::Table { schema, table }
                },
                privileges: Privileges::from_bits(u8::try_from(bits).unwrap_or(0)),
            })
        })
        .collect()
}

async fn all(tx: &mut Tx, sql: &'static str) -> Result<Vec<SqliteRow>, CatalogError> {
    sqlx::query(sql).fetch_all(&mut **tx).await.map_err(failed)
}

fn get<'r, T>(row: &'r SqliteRow, index: usize) -> Result<T, CatalogError>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(index).map_err(failed)
}

fn fixed(bytes: Vec<u8>) -> Result<[u8; 32], CatalogError> {
    bytes
        .try_into()
        .map_err(|_| corrupt("a key of a wrong length"))
}

fn corrupt(what: &str) -> CatalogError {
    CatalogError::new(
        CatalogErrorKind::Corrupt,
        format!("the catalog's rights hold {what} that cannot be read"),
    )
}

fn failed(error: sqlx::Error) -> CatalogError {
    CatalogError::database("read users and rights", error)
}
