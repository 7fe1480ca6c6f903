use std::fmt::{self, Write as _};
use std::net::IpAddr;

use chrono::{DateTime, TimeDelta, Utc};
use rand::RngCore;
use sha2::{Digest, Sha256};
use sqlx::Row;
use weir_access::{Access, Identity, User};

use crate::catalog::Catalog;
use crate::error::CatalogError;

/// How long a session holds that nobody uses.
const IDLE: TimeDelta = TimeDelta::days(14);

/// How long a session holds at most.
const LONGEST: TimeDelta = TimeDelta::days(60);

/// How often at most the use of a session is written down.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(10);

/// Sessions of one user at one time; a new one ends the oldest.
const MOST: i64 = 50;

/// The secret in the cookie of somebody who is signed in: 256 random bits. It cannot be printed by
/// accident.
#[derive(Clone)]
pub struct SessionSecret(String);

impl SessionSecret {
    pub(super) fn generate() -> Self {
        let mut bytes = [0; 32];
        rand::rng().fill_bytes(&mut bytes);
        let mut text = String::with_capacity(64);
        for byte in bytes {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        Self(text)
    }

    /// Returns the secret, for the cookie.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionSecret(…)")
    }
}

/// A fast hash is enough: nobody guesses 256 bits.
pub(super) fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret.as_bytes()).to_vec()
}

pub(super) fn user_of(access: &Access, id: i64) -> Option<&User> {
    access.users().find(|user| user.id == id)
}

impl Catalog {
    /// Begins a session of somebody who has proved their password.
    pub async fn open_session(
        &self,
        who: &Identity,
        address: IpAddr,
    ) -> Result<Option<SessionSecret>, CatalogError> {
        let access = self.access();
        let Some(user) = access.user(who.user()) else {
            return Ok(None);
        };
        let Some(password_set_at) = user.password_set_at else {
            return Ok(None);
        };
        let action = "begin a session";
        let failed = |error| CatalogError::database(action, error);
        let secret = SessionSecret::generate();
        let now = Utc::now();
        let mut tx = self.inner.store.begin(action).await?;
        sqlx::query("DELETE FROM sessions WHERE seen_at < ?1 OR created_at < ?2")
            .bind((now - IDLE).timestamp_micros())
            .bind((now - LONGEST).timestamp_micros())
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        sqlx::query(
            "DELETE FROM sessions WHERE user_id = ?1 AND hash NOT IN
             (SELECT hash FROM sessions WHERE user_id = ?1 ORDER BY seen_at DESC LIMIT ?2)",
        )
        .bind(user.id)
        .bind(MOST - 1)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        sqlx::query(
            "INSERT INTO sessions (hash, user_id, password_set_at, created_at, seen_at, address)
             VALUES (?1, ?2, ?3, ?4, ?4, ?5)",
        )
        .bind(hash(secret.reveal()))
        .bind(user.id)
        .bind(password_set_at.timestamp_micros())
        .bind(now.timestamp_micros())
        .bind(address.to_string())
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)?;
        Ok(Some(secret))
    }

    /// Says whose session a cookie's secret stands for: none when it is over, when the user may not
    /// sign in any more, or when their password is another one by now.
    pub async fn session(
        &self,
        secret: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<Identity>, CatalogError> {
        if secret.len() > 256 {
            return Ok(None);
        }
        let failed = |error| CatalogError::database("look up a session", error);
        let row = sqlx::query(
            "SELECT user_id, password_set_at, seen_at FROM sessions
             WHERE hash = ?1 AND seen_at >= ?2 AND created_at >= ?3",
        )
        .bind(hash(secret))
        .bind((now - IDLE).timestamp_micros())
        .bind((now - LONGEST).timestamp_micros())
        .fetch_optional(&self.inner.store.pool)
        .await
        .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let user: i64 = row.try_get(0).map_err(failed)?;
        let password_set_at: i64 = row.try_get(1).map_err(failed)?;
        let seen_at: i64 = row.try_get(2).map_err(failed)?;
        let access = self.access();
        let known = user_of(&access, user).filter(|user| {
            user.password_set_at
                .is_some_and(|at| at.timestamp_micros() == password_set_at)
        });
        let identity = known.and_then(|user| access.identity(user.name.as_str()));
        let unnoted = now.timestamp_micros() - seen_at;
        if identity.is_some() && unnoted > NOTED_EVERY.num_microseconds().unwrap_or(i64::MAX) {
            sqlx::query("UPDATE sessions SET seen_at = ?2 WHERE hash = ?1")
                .bind(hash(secret))
                .bind(now.timestamp_micros())
                .execute(&self.inner.store.pool)
                .await
                .map_err(failed)?;
        }
        Ok(identity)
    }

    /// Ends a session.
    pub async fn close_session(&self, secret: &str) -> Result<(), CatalogError> {
        sqlx::query("DELETE FROM sessions WHERE hash = ?1")
            .bind(hash(secret))
            .execute(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("end a session", error))?;
        Ok(())
    }
}
