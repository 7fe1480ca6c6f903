//! The metadata store in one SQLite file. Everything that is SQLite about the catalog is here, so
//! that another database takes one more module and no change to callers.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqliteSynchronous};
use sqlx::{ConnectOptions, QueryBuilder, Row, Sqlite, Transaction};
use weir_access::ScramKeys;
use weir_core::SourceName;

use crate::error::{CatalogError, CatalogErrorKind};
use crate::key::{KeyInfo, SecretHash};
use crate::source::{Source, SourceSettings};
use crate::state::{KeyState, State};
use crate::view::View;

/// Migrations in order; the file's `user_version` says how many it has.
const MIGRATIONS: [&str; 13] = [
    include_str!("../migrations/0001_sources_keys_views.sql"),
    include_str!("../migrations/0002_access.sql"),
    include_str!("../migrations/0003_proved_tokens.sql"),
    include_str!("../migrations/0004_publications.sql"),
    include_str!("../migrations/0005_publish_tokens.sql"),
    include_str!("../migrations/0006_web.sql"),
    include_str!("../migrations/0007_pages.sql"),
    include_str!("../migrations/0008_rollups.sql"),
    include_str!("../migrations/0009_document_files.sql"),
    include_str!("../migrations/0010_deliveries.sql"),
    include_str!("../migrations/0011_view_comments.sql"),
    include_str!("../migrations/0012_delivery_receipts.sql"),
    include_str!("../migrations/0013_watch_receivers.sql"),
];

/// How long a statement waits for another process that writes.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) pool: SqlitePool,
}

impl Store {
    pub(crate) async fn open(path: &Path) -> Result<Self, CatalogError> {
        let action = || format!("open the catalog `{}`", path.display());
        weir_sqlite::create_private(path).map_err(|error| {
            CatalogError::because(CatalogErrorKind::Unavailable, action(), error)
        })?;
        let options = SqliteConnectOptions::new()
            .filename(path)
            .journal_mode(SqliteJournalMode::Wal)
            // FULL: a key that was shown to somebody must exist after a power cut.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(BUSY_TIMEOUT)
            .disable_statement_logging();
        let pool = weir_sqlite::pool(2)
            .connect_with(options)
            .await
            .map_err(|error| CatalogError::database(action(), error))?;
        let store = Self { pool };
        store.migrate(path).await?;
        Ok(store)
    }

    async fn migrate(&self, path: &Path) -> Result<(), CatalogError> {
        let failed = |error| CatalogError::database("migrate the catalog", error);
        let mut tx = self.begin("migrate the catalog").await?;
        let version: i64 = sqlx::query_scalar("PRAGMA user_version")
            .fetch_one(&mut *tx)
            .await
            .map_err(failed)?;
        let done = usize::try_from(version).unwrap_or(usize::MAX);
        if done > MIGRATIONS.len() {
            return Err(CatalogError::new(
                CatalogErrorKind::Newer,
                format!(
                    "the catalog `{}` has format {version}, this Weir knows {}",
                    path.display(),
                    MIGRATIONS.len()
                ),
            )
            .with_hint("use the newer Weir, or restore the catalog from before the upgrade"));
        }
        for migration in &MIGRATIONS[done..] {
            sqlx::raw_sql(*migration)
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        if done < MIGRATIONS.len() {
            // PRAGMA takes no parameters; the value is a constant of this file.
            let set = format!("PRAGMA user_version = {}", MIGRATIONS.len());
            sqlx::raw_sql(sqlx::AssertSqlSafe(set))
                .execute(&mut *tx)
                .await
                .map_err(failed)?;
        }
        tx.commit().await.map_err(failed)
    }

    /// Begins a transaction that writes: taking the lock first keeps two writers from failing late.
    pub(crate) async fn begin(
        &self,
        action: &str,
    ) -> Result<Transaction<'static, Sqlite>, CatalogError> {
        self.pool
            .begin_with("BEGIN IMMEDIATE")
            .await
            .map_err(|error| CatalogError::database(action, error))
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    pub(crate) async fn generation(&self) -> Result<i64, CatalogError> {
        sqlx::query_scalar("SELECT number FROM generation")
            .fetch_one(&self.pool)
            .await
            .map_err(|error| CatalogError::database("read the catalog's generation", error))
    }

    /// Reads everything look-ups need, as of one instant; rights only when they have changed since
    /// `before`.
    pub(crate) async fn load(&self, before: Option<&State>) -> Result<State, CatalogError> {
        let failed = |error| CatalogError::database("read the catalog", error);
        let mut tx = self.pool.begin().await.map_err(failed)?;
        let generation = sqlx::query_scalar("SELECT number FROM generation")
            .fetch_one(&mut *tx)
            .await
            .map_err(failed)?;

        let rows = sqlx::query("SELECT id, name, enabled, settings FROM sources")
            .fetch_all(&mut *tx)
            .await
            .map_err(failed)?;
        let mut sources = BTreeMap::new();
        let mut by_id = HashMap::new();
        for row in rows {
            let source = Arc::new(decode_source(
                row.try_get(0).map_err(failed)?,
                row.try_get(1).map_err(failed)?,
                row.try_get(2).map_err(failed)?,
                row.try_get(3).map_err(failed)?,
            )?);
            by_id.insert(i64::from(source.id), source.clone());
            sources.insert(source.name.clone(), source);
        }

        let rows = sqlx::query("SELECT hash, source_id, revoked_at IS NOT NULL FROM write_keys")
            .fetch_all(&mut *tx)
            .await
            .map_err(failed)?;
        let mut keys = HashMap::with_capacity(rows.len());
        for row in rows {
            let source: i64 = row.try_get(1).map_err(failed)?;
            let Some(source) = by_id.get(&source).cloned() else {
                continue;
            };
            let revoked = row.try_get(2).map_err(failed)?;
            keys.insert(
                decode_hash(row.try_get(0).map_err(failed)?)?,
                KeyState { source, revoked },
            );
        }

        let owner_token = sqlx::query_scalar::<_, Vec<u8>>("SELECT hash FROM owner_token")
            .fetch_optional(&mut *tx)
            .await
            .map_err(failed)?
            .map(decode_hash)
            .transpose()?;

        let views = sqlx::query_as::<_, (String, String, String, bool, String)>(
            "SELECT schema, name, sql, definer, comments FROM views ORDER BY schema, name",
        )
        .fetch_all(&mut *tx)
        .await
        .map_err(failed)?
        .into_iter()
        .map(|(schema, name, sql, definer, comments)| {
            let comments = serde_json::from_str(&comments).map_err(|error| {
                CatalogError::database(
                    "read the comments of views",
                    sqlx::Error::Decode(error.into()),
                )
            })?;
            Ok(View {
                schema,
                name,
                sql,
                definer,
                comments,
            })
        })
        .collect::<Result<_, CatalogError>>()?;

        let access = crate::access::load(&mut tx, before.map(|before| &before.access)).await?;

        tx.commit().await.map_err(failed)?;
        Ok(State {
            generation,
            sources,
            keys,
            owner_token,
            views,
            access,
        })
    }

    pub(crate) async fn keys(&self) -> Result<Vec<KeyInfo>, CatalogError> {
        let failed = |error| CatalogError::database("list the write keys", error);
        let rows = sqlx::query(
            "SELECT k.id, s.name, k.prefix, k.label, k.created_at, k.revoked_at
             FROM write_keys k JOIN sources s ON s.id = k.source_id ORDER BY k.id",
        )
        .fetch_all(&self.pool)
        .await
        .map_err(failed)?;
        rows.into_iter()
            .map(|row| {
                let source: &str = row.try_get(1).map_err(failed)?;
                let revoked_at: Option<i64> = row.try_get(5).map_err(failed)?;
                Ok(KeyInfo {
                    id: row.try_get(0).map_err(failed)?,
                    source: decode_name(source)?,
                    prefix: row.try_get(2).map_err(failed)?,
                    label: row.try_get(3).map_err(failed)?,
                    created_at: decode_time(row.try_get(4).map_err(failed)?),
                    revoked_at: revoked_at.map(decode_time),
                })
            })
            .collect()
    }

    /// Notes when a token was used; the latest counts.
    pub(crate) async fn put_token_use(
        &self,
        id: i64,
        at: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        sqlx::query(
            "INSERT INTO token_uses (token_id, used_at) VALUES (?1, ?2)
             ON CONFLICT (token_id) DO UPDATE SET used_at = max(used_at, excluded.used_at)",
        )
        .bind(id)
        .bind(at.timestamp_micros())
        .execute(&self.pool)
        .await
        .map_err(|error| CatalogError::database("note the use of a token", error))?;
        Ok(())
    }

    pub(crate) async fn token_uses(&self) -> Result<HashMap<i64, DateTime<Utc>>, CatalogError> {
        let rows: Vec<(i64, i64)> = sqlx::query_as("SELECT token_id, used_at FROM token_uses")
            .fetch_all(&self.pool)
            .await
            .map_err(|error| CatalogError::database("read the uses of tokens", error))?;
        let uses = rows.into_iter();
        Ok(uses.map(|(id, at)| (id, decode_time(at))).collect())
    }

    pub(crate) async fn put_view(
        &self,
        view: &View,
        now: DateTime<Utc>,
    ) -> Result<(), CatalogError> {
        let action = || format!("store view `{}.{}`", view.schema, view.name);
        let failed = |error| CatalogError::database(action(), error);
        let mut tx = self.begin(&action()).await?;
        put_views(&mut tx, std::slice::from_ref(view), now.timestamp_micros())
            .await
            .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    pub(crate) async fn comment_view(
        &self,
        view: &View,
        now: DateTime<Utc>,
    ) -> Result<bool, CatalogError> {
        let done = sqlx::query(
            "UPDATE views SET comments = ?4, updated_at = ?5
             WHERE schema = ?1 AND name = ?2 AND sql = ?3",
        )
        .bind(&view.schema)
        .bind(&view.name)
        .bind(&view.sql)
        .bind(serde_json::json!(view.comments).to_string())
        .bind(now.timestamp_micros())
        .execute(&self.pool)
        .await;
        let done = done.map_err(|error| {
            let action = format!("comment on view `{}.{}`", view.schema, view.name);
            CatalogError::database(action, error)
        })?;
        Ok(done.rows_affected() > 0)
    }

    pub(crate) async fn drop_view(&self, schema: &str, name: &str) -> Result<bool, CatalogError> {
        let done = sqlx::query("DELETE FROM views WHERE schema = ?1 AND name = ?2")
            .bind(schema)
            .bind(name)
            .execute(&self.pool)
            .await
            .map_err(|error| {
                CatalogError::database(format!("drop view `{schema}.{name}`"), error)
            })?;
        Ok(done.rows_affected() > 0)
    }
}

/// Rows that one statement writes; SQLite takes 32,766 values in one.
pub(crate) const AT_A_TIME: usize = 1_000;

/// Creates or replaces views, as part of a change.
pub(crate) async fn put_views(
    tx: &mut Transaction<'static, Sqlite>,
    views: &[View],
    now: i64,
) -> Result<(), sqlx::Error> {
    for views in views.chunks(AT_A_TIME) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT INTO views (schema, name, sql, created_at, updated_at, definer, comments) ",
        );
        query.push_values(views, |mut row, view| {
            row.push_bind(&view.schema)
                .push_bind(&view.name)
                .push_bind(&view.sql)
                .push_bind(now)
                .push_bind(now)
                .push_bind(view.definer)
                .push_bind(serde_json::json!(view.comments).to_string());
        });
        query.push(
            " ON CONFLICT (schema, name) DO UPDATE SET
                sql = excluded.sql, definer = excluded.definer, comments = excluded.comments,
                updated_at = excluded.updated_at",
        );
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
}

/// Writes a source, as part of a change.
pub(crate) async fn put_source(
    tx: &mut Transaction<'static, Sqlite>,
    name: &SourceName,
    enabled: bool,
    settings: &SourceSettings,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    let action = || format!("store source `{name}`");
    let settings = serde_json::to_string(settings)
        .map_err(|error| CatalogError::because(CatalogErrorKind::Invalid, action(), error))?;
    sqlx::query(
        "INSERT INTO sources (name, enabled, settings, created_at, updated_at)
         VALUES (?1, ?2, ?3, ?4, ?4)
         ON CONFLICT (name) DO UPDATE SET
             enabled = excluded.enabled, settings = excluded.settings, updated_at = ?4",
    )
    .bind(name.as_str())
    .bind(enabled)
    .bind(settings)
    .bind(now.timestamp_micros())
    .execute(&mut **tx)
    .await
    .map_err(|error| CatalogError::database(action(), error))?;
    Ok(())
}

/// Writes a new key, as part of a change.
pub(crate) async fn insert_key(
    tx: &mut Transaction<'static, Sqlite>,
    source: &Source,
    label: &str,
    prefix: &str,
    hash: SecretHash,
    now: DateTime<Utc>,
) -> Result<i64, CatalogError> {
    let done = sqlx::query(
        "INSERT INTO write_keys (source_id, label, prefix, hash, created_at)
         VALUES (?1, ?2, ?3, ?4, ?5)",
    )
    .bind(i64::from(source.id))
    .bind(label)
    .bind(prefix)
    .bind(&hash[..])
    .bind(now.timestamp_micros())
    .execute(&mut **tx)
    .await
    .map_err(|error| CatalogError::database("store a write key", error))?;
    Ok(done.last_insert_rowid())
}

/// Marks a key as revoked, as part of a change; the first time counts.
pub(crate) async fn revoke_key(
    tx: &mut Transaction<'static, Sqlite>,
    id: i64,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    sqlx::query("UPDATE write_keys SET revoked_at = coalesce(revoked_at, ?2) WHERE id = ?1")
        .bind(id)
        .bind(now.timestamp_micros())
        .execute(&mut **tx)
        .await
        .map_err(|error| CatalogError::database("revoke a write key", error))?;
    Ok(())
}

/// Writes the owner's token, as part of a change.
pub(crate) async fn put_owner_token(
    tx: &mut Transaction<'static, Sqlite>,
    hash: SecretHash,
    keys: Option<&ScramKeys>,
    now: DateTime<Utc>,
) -> Result<(), CatalogError> {
    sqlx::query(
        "INSERT INTO owner_token (id, hash, created_at, scram_stored_key, scram_server_key)
         VALUES (1, ?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET hash = excluded.hash, created_at = excluded.created_at,
             scram_stored_key = excluded.scram_stored_key,
             scram_server_key = excluded.scram_server_key",
    )
    .bind(&hash[..])
    .bind(now.timestamp_micros())
    .bind(keys.map(|keys| keys.stored_key.to_vec()))
    .bind(keys.map(|keys| keys.server_key.to_vec()))
    .execute(&mut **tx)
    .await
    .map_err(|error| CatalogError::database("store the owner's token", error))?;
    Ok(())
}

fn decode_source(
    id: i64,
    name: &str,
    enabled: bool,
    settings: &str,
) -> Result<Source, CatalogError> {
    let corrupt = |what: &str| {
        CatalogError::new(
            CatalogErrorKind::Corrupt,
            format!("source `{name}` has {what}"),
        )
    };
    Ok(Source {
        id: u32::try_from(id).map_err(|_| corrupt("an id out of range"))?,
        name: decode_name(name)?,
        enabled,
        settings: serde_json::from_str(settings).map_err(|_| corrupt("unreadable settings"))?,
    })
}

fn decode_name(name: &str) -> Result<SourceName, CatalogError> {
    SourceName::new(name).map_err(|error| {
        CatalogError::because(CatalogErrorKind::Corrupt, "read a source's name", error)
    })
}

fn decode_hash(bytes: Vec<u8>) -> Result<SecretHash, CatalogError> {
    SecretHash::try_from(bytes).map_err(|_| {
        CatalogError::new(
            CatalogErrorKind::Corrupt,
            "a stored hash has a wrong length",
        )
    })
}

pub(crate) fn decode_time(micros: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(micros).unwrap_or_default()
}
