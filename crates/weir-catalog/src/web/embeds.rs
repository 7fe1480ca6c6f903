use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use weir_access::{DocumentAction, Identity};

use super::documents::DocumentKind;
use super::sessions::{SessionSecret, hash, user_of};
use super::{instant, new_id};
use crate::access::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

/// Links of one dashboard at one time.
const MOST: i64 = 200;
/// The longest label, and the longest list of sites, in characters.
const MAX_LABEL: usize = 200;
const MAX_SITES: usize = 2_000;

/// A link by which pages of others show a dashboard.
#[derive(Clone, Debug, Serialize)]
pub struct Embed {
    pub id: String,
    pub label: String,
    /// Filters that whoever looks cannot change.
    pub locked: Value,
    /// The sites that may frame it, as origins.
    pub sites: Vec<String>,
    /// With whose rights it is asked.
    pub made_by: String,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    #[serde(skip)]
    pub document: String,
    #[serde(skip)]
    user_id: i64,
}

/// A link to be made.
#[derive(Clone, Debug)]
pub struct NewEmbed {
    pub label: String,
    pub locked: Value,
    pub sites: Vec<String>,
    pub lifetime: Option<TimeDelta>,
}

const COLUMNS: &str =
    "e.id, e.document, e.user_id, e.label, e.locked, e.sites, e.created_at, e.expires_at, u.name";

fn decode(row: &SqliteRow) -> Result<Embed, sqlx::Error> {
    let (locked, sites): (String, String) = (row.try_get(4)?, row.try_get(5)?);
    let expires_at: Option<i64> = row.try_get(7)?;
    Ok(Embed {
        id: row.try_get(0)?,
        document: row.try_get(1)?,
        user_id: row.try_get(2)?,
        label: row.try_get(3)?,
        locked: serde_json::from_str(&locked).unwrap_or_default(),
        sites: sites.split_whitespace().map(str::to_owned).collect(),
        created_at: instant(row.try_get(6)?),
        expires_at: expires_at.map(instant),
        made_by: row.try_get(8)?,
    })
}

fn invalid(text: impl Into<String>) -> CatalogError {
    CatalogError::new(CatalogErrorKind::Invalid, text)
}

/// Whether a text is an origin, as pages are framed by: `https://example.com:8443`.
fn is_origin(text: &str) -> bool {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    host.is_some_and(|host| !host.is_empty() && host.chars().all(good))
}

impl Catalog {
    /// Makes a link to a dashboard; whoever opens it asks with the rights of `by`.
    pub async fn create_embed(
        &self,
        by: &Actor,
        dashboard: &str,
        new: NewEmbed,
    ) -> Result<(Embed, SessionSecret), CatalogError> {
        let kind = DocumentKind::Dashboard;
        let document = self.document(by, kind, dashboard, None).await?.document;
        self.permit_document(by, DocumentAction::Share, kind, &document.access())?;
        if new.label.chars().count() > MAX_LABEL {
            return Err(invalid(format!(
                "a label has at most {MAX_LABEL} characters"
            )));
        }
        let sites = new.sites.join(" ");
        if let Some(wrong) = new.sites.iter().find(|site| !is_origin(site)) {
            return Err(invalid(format!("`{wrong}` is no origin of a site"))
                .with_hint("write `https://example.com`, without a path"));
        }
        if new.sites.is_empty() || sites.len() > MAX_SITES {
            return Err(invalid("there is no site that may frame it")
                .with_hint("name the sites that show it, such as `https://example.com`"));
        }
        if !new.locked.is_object() {
            return Err(invalid("`locked` has values of filters by name"));
        }
        let access = self.access();
        let user = access.user(by.identity().user());
        let Some(user_id) = user.map(|user| user.id) else {
            return Err(
                invalid("links are made by people, not by the project itself")
                    .with_hint("sign in, and make it there"),
            );
        };
        let mut change = self.change(by, "dashboard.embed").await?;
        let (micros, failed) = (change.micros(), change.failed());
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM embeds WHERE document = ?1")
            .bind(&document.id)
            .fetch_one(&mut *change.tx)
            .await
            .map_err(&failed)?;
        if count >= MOST {
            return Err(invalid(format!("a dashboard has at most {MOST} links"))
                .with_hint("end some of them first"));
        }
        let secret = SessionSecret::generate();
        let embed = Embed {
            id: new_id(),
            label: new.label,
            locked: new.locked,
            sites: new.sites,
            made_by: by.identity().user().to_owned(),
            created_at: change.now,
            expires_at: new.lifetime.map(|lifetime| change.now + lifetime),
            document: document.id,
            user_id,
        };
        sqlx::query(
            "INSERT INTO embeds (id, hash, document, user_id, label, locked, sites, created_at, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )
        .bind(&embed.id)
        .bind(hash(secret.reveal()))
        .bind(&embed.document)
        .bind(user_id)
        .bind(&embed.label)
        .bind(embed.locked.to_string())
        .bind(sites)
        .bind(micros)
        .bind(embed.expires_at.map(|at| at.timestamp_micros()))
        .execute(&mut *change.tx)
        .await
        .map_err(&failed)?;
        let after = json!({ "embed": embed.id, "sites": embed.sites });
        change
            .commit(format!("dashboard {dashboard}"), None, Some(after))
            .await?;
        Ok((embed, secret))
    }

    /// Lists the links of a dashboard, for whoever may make them.
    pub async fn embeds(&self, by: &Actor, dashboard: &str) -> Result<Vec<Embed>, CatalogError> {
        let kind = DocumentKind::Dashboard;
        let document = self.document(by, kind, dashboard, None).await?.document;
        self.permit_document(by, DocumentAction::Share, kind, &document.access())?;
        let failed = |error| CatalogError::database("list links", error);
        let sql = format!(
            "SELECT {COLUMNS} FROM embeds e JOIN users u ON u.id = e.user_id
             WHERE e.document = ?1 ORDER BY e.created_at DESC"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(&document.id)
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        let all = rows.iter().map(decode).collect::<Result<_, _>>();
        all.map_err(failed)
    }

    /// Ends a link.
    pub async fn revoke_embed(
        &self,
        by: &Actor,
        dashboard: &str,
        id: &str,
    ) -> Result<(), CatalogError> {
        let kind = DocumentKind::Dashboard;
        let document = self.document(by, kind, dashboard, None).await?.document;
        self.permit_document(by, DocumentAction::Share, kind, &document.access())?;
        let mut change = self.change(by, "dashboard.revoke_embed").await?;
        let done = sqlx::query("DELETE FROM embeds WHERE id = ?1 AND document = ?2")
            .bind(id)
            .bind(&document.id)
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        if done.rows_affected() == 0 {
            return Err(CatalogError::new(
                CatalogErrorKind::NotFound,
                "there is no such link",
            ));
        }
        let before = Some(json!({ "embed": id }));
        change
            .commit(format!("dashboard {dashboard}"), before, None)
            .await
    }

    /// Returns the sites that may frame the page of a link; none when there is no such link.
    pub async fn embed_sites(&self, id: &str) -> Result<Option<String>, CatalogError> {
        sqlx::query_scalar("SELECT sites FROM embeds WHERE id = ?1")
            .bind(id)
            .fetch_optional(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("read a link", error))
    }

    /// Returns the link that a secret opens, and who asks through it; none when it has ended, or
    /// whoever made it is suspended.
    pub async fn embed(
        &self,
        secret: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<(Embed, Identity)>, CatalogError> {
        let failed = |error| CatalogError::database("read a link", error);
        let sql = format!(
            "SELECT {COLUMNS} FROM embeds e JOIN users u ON u.id = e.user_id WHERE e.hash = ?1"
        );
        let row = sqlx::query(sqlx::AssertSqlSafe(sql))
            .bind(hash(secret))
            .fetch_optional(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        let Some(embed) = row.as_ref().map(decode).transpose().map_err(failed)? else {
            return Ok(None);
        };
        if embed.expires_at.is_some_and(|end| end <= now) {
            return Ok(None);
        }
        let access = self.access();
        let identity =
            user_of(&access, embed.user_id).and_then(|user| access.identity(user.name.as_str()));
        Ok(identity.map(|identity| (embed, identity)))
    }
}
