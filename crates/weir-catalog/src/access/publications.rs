//! What was published together: tables and views of one run.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{QueryBuilder, Row, Sqlite, Transaction};
use weir_access::Object;

use super::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};
use crate::sqlite::{AT_A_TIME, put_views};
use crate::view::{Comments, View};

/// A schema, and a name in it.
type NameIn<'a> = (&'a str, &'a str);

/// Tables and views that became visible at one instant.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Publication {
    pub id: String,
    pub published_by: String,
    /// `begun`, `published` or `undone`.
    pub state: String,
    pub begun_at: DateTime<Utc>,
    pub published_at: Option<DateTime<Utc>>,
    /// What the publisher says it is.
    pub about: Value,
    pub tables: Vec<PublicationTable>,
    pub views: Vec<PublicationView>,
    /// By what it is published once, where that is asked for; known to its publisher only.
    #[serde(skip)]
    pub token: Option<PublicationToken>,
}

/// A number by which something is published once, whoever tries how often: see
/// [`Catalog::end_publication`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PublicationToken {
    /// What is published.
    pub app: String,
    /// The same for all that try the same publication, greater for each later one.
    pub sequence: u64,
}

/// A table of a publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicationTable {
    pub schema: String,
    pub name: String,
    /// The version it had; none when it was new.
    pub before: Option<u64>,
    /// The version it has since; none when it was dropped.
    pub after: Option<u64>,
}

/// A view of a publication.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublicationView {
    pub schema: String,
    pub name: String,
    /// Its query before; none when it was new.
    pub before: Option<String>,
    /// Its query since; none when it was dropped.
    pub after: Option<String>,
    /// Whether it reads with the rights of its owner.
    #[serde(default)]
    pub definer: bool,
    /// What was said about it before, and is since.
    #[serde(default, skip_serializing_if = "Comments::is_empty")]
    pub comments_before: Comments,
    #[serde(default, skip_serializing_if = "Comments::is_empty")]
    pub comments: Comments,
}

/// What a table or view was built from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Build {
    pub schema: String,
    pub name: String,
    /// In the words of whoever built it; null forgets it.
    pub build: Value,
}

impl Publication {
    /// Returns one that is about to begin.
    pub fn new(id: impl Into<String>, about: Value) -> Self {
        Self {
            id: id.into(),
            published_by: String::new(),
            state: "begun".into(),
            begun_at: Utc::now(),
            published_at: None,
            about,
            tables: Vec::new(),
            views: Vec::new(),
            token: None,
        }
    }

    fn names(&self) -> impl Iterator<Item = (&str, &str, bool, bool)> {
        let tables = self.tables.iter().map(|table| {
            let (before, after) = (table.before.is_some(), table.after.is_some());
            (table.schema.as_str(), table.name.as_str(), before, after)
        });
        let views = self.views.iter().map(|view| {
            let (before, after) = (view.before.is_some(), view.after.is_some());
            (view.schema.as_str(), view.name.as_str(), before, after)
        });
        tables.chain(views)
    }

    /// Returns the names that stand for something only before, and those that do only after.
    fn gone_and_new(&self) -> (Vec<NameIn<'_>>, Vec<NameIn<'_>>) {
        // A table may take the place of a view, and the other way round.
        let mut states: std::collections::BTreeMap<(&str, &str), (bool, bool)> = Default::default();
        for (schema, name, before, after) in self.names() {
            let state = states.entry((schema, name)).or_default();
            state.0 |= before;
            state.1 |= after;
        }
        let those = |wanted: (bool, bool)| {
            let found = states.iter().filter(|(_, state)| **state == wanted);
            found.map(|(name, _)| *name).collect()
        };
        (those((true, false)), those((false, true)))
    }
}

impl Catalog {
    /// Writes down what is about to be published, before the first table is committed.
    pub async fn begin_publication(
        &self,
        by: &Actor,
        publication: &Publication,
    ) -> Result<(), CatalogError> {
        let action = "begin a publication";
        let mut tx = self.inner.store.begin(action).await?;
        sqlx::query(
            "INSERT INTO publications (id, published_by, state, begun_at, about, tables, views)
             VALUES (?1, ?2, 'begun', ?3, ?4, ?5, ?6)",
        )
        .bind(&publication.id)
        .bind(by.identity().user())
        .bind(Utc::now().timestamp_micros())
        .bind(publication.about.to_string())
        .bind(json!(publication.tables).to_string())
        .bind(json!(publication.views).to_string())
        .execute(&mut *tx)
        .await
        .map_err(|error| CatalogError::database(action, error))?;
        tx.commit()
            .await
            .map_err(|error| CatalogError::database(action, error))
    }

    /// Makes a publication whose tables are committed what everybody sees: its views, who owns what
    /// is new, and what everything was built from, all at once.
    ///
    /// With a token, only when nothing was published by one as high or higher before.
    pub async fn end_publication(
        &self,
        by: &Actor,
        publication: &Publication,
        builds: &[Build],
    ) -> Result<(), CatalogError> {
        let access = self.access();
        let mut change = self.change(by, "publish").await?;
        let failed = change.failed();
        let now = change.micros();
        if let Some(token) = &publication.token {
            take(&mut change.tx, token, &publication.id).await?;
        }
        let (made, dropped): (Vec<_>, Vec<_>) =
            publication.views.iter().partition(|v| v.after.is_some());
        let views = made.iter().map(|view| View {
            schema: view.schema.clone(),
            name: view.name.clone(),
            sql: view.after.clone().unwrap_or_default(),
            definer: view.definer,
            comments: view.comments.clone(),
        });
        let views: Vec<View> = views.collect();
        put_views(&mut change.tx, &views, now)
            .await
            .map_err(&failed)?;
        let (gone, new) = publication.gone_and_new();
        let dropped: Vec<NameIn<'_>> = dropped
            .iter()
            .map(|view| (view.schema.as_str(), view.name.as_str()))
            .collect();
        let (kept, forgotten): (Vec<&Build>, Vec<&Build>) =
            builds.iter().partition(|build| !build.build.is_null());
        let unbuilt: Vec<NameIn<'_>> = forgotten
            .iter()
            .map(|build| (build.schema.as_str(), build.name.as_str()))
            .chain(gone.iter().copied())
            .collect();
        for (table, names) in [
            ("views WHERE (schema, name)", &dropped),
            ("grants WHERE (schema, table_name)", &gone),
            ("table_owners WHERE (schema, table_name)", &gone),
            ("builds WHERE (schema, name)", &unbuilt),
        ] {
            delete(&mut change.tx, table, names)
                .await
                .map_err(&failed)?;
        }
        let user = by.identity().user();
        let owned = new.iter().filter(|(schema, _)| {
            !by.identity().is_local() && access.owner_of(&Object::Schema(schema)) != Some(user)
        });
        let owned: Vec<&NameIn<'_>> = owned.collect();
        for owned in owned.chunks(AT_A_TIME) {
            let sql = "INSERT INTO table_owners (schema, table_name, owner) ";
            let mut query = QueryBuilder::<Sqlite>::new(sql);
            query.push_values(owned, |mut row, (schema, name)| {
                row.push_bind(*schema).push_bind(*name).push_bind(user);
            });
            query.push(" ON CONFLICT (schema, table_name) DO UPDATE SET owner = excluded.owner");
            let done = query.build().execute(&mut *change.tx).await;
            done.map_err(&failed)?;
        }
        for kept in kept.chunks(AT_A_TIME) {
            let sql = "INSERT INTO builds (schema, name, publication, build) ";
            let mut query = QueryBuilder::<Sqlite>::new(sql);
            query.push_values(kept, |mut row, build| {
                row.push_bind(&build.schema)
                    .push_bind(&build.name)
                    .push_bind(&publication.id)
                    .push_bind(build.build.to_string());
            });
            query.push(
                " ON CONFLICT (schema, name) DO UPDATE SET
                    publication = excluded.publication, build = excluded.build",
            );
            let done = query.build().execute(&mut *change.tx).await;
            done.map_err(&failed)?;
        }
        sqlx::query("UPDATE publications SET state = 'published', published_at = ?2 WHERE id = ?1")
            .bind(&publication.id)
            .bind(now)
            .execute(&mut *change.tx)
            .await
            .map_err(&failed)?;
        let after = json!({
            "tables": publication.tables.len(),
            "views": publication.views.len(),
            "about": publication.about,
        });
        change
            .commit(format!("publication {}", publication.id), None, Some(after))
            .await
    }

    /// Returns the number of the latest publication of `app`, and its id.
    pub async fn published(&self, app: &str) -> Result<Option<(u64, String)>, CatalogError> {
        let sql = "SELECT sequence, publication FROM publish_tokens WHERE app = ?1";
        let found: Option<(i64, String)> = sqlx::query_as(sql)
            .bind(app)
            .fetch_optional(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("read what was published", error))?;
        Ok(found.map(|(sequence, id)| (u64::try_from(sequence).unwrap_or(0), id)))
    }

    /// Remembers that a publication was cut off and taken back.
    pub async fn undo_publication(&self, id: &str) -> Result<(), CatalogError> {
        sqlx::query("UPDATE publications SET state = 'undone' WHERE id = ?1 AND state = 'begun'")
            .bind(id)
            .execute(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("undo a publication", error))?;
        Ok(())
    }

    /// Returns the newest publications, newest first.
    pub async fn publications(&self, limit: u32) -> Result<Vec<Publication>, CatalogError> {
        let sql = "SELECT * FROM publications ORDER BY begun_at DESC, id DESC LIMIT ?1";
        self.read_publications(sqlx::query(sql).bind(limit)).await
    }

    /// Returns the publication `id`.
    pub async fn publication(&self, id: &str) -> Result<Option<Publication>, CatalogError> {
        let sql = "SELECT * FROM publications WHERE id = ?1";
        let found = self.read_publications(sqlx::query(sql).bind(id)).await?;
        Ok(found.into_iter().next())
    }

    /// Returns the publications that were cut off and not yet taken back, newest first.
    pub async fn cut_off_publications(&self) -> Result<Vec<Publication>, CatalogError> {
        let sql =
            "SELECT * FROM publications WHERE state = 'begun' ORDER BY begun_at DESC, id DESC";
        self.read_publications(sqlx::query(sql)).await
    }

    async fn read_publications(
        &self,
        query: sqlx::query::Query<'_, Sqlite, sqlx::sqlite::SqliteArguments>,
    ) -> Result<Vec<Publication>, CatalogError> {
        let failed = |error| CatalogError::database("read the publications", error);
        let rows = query
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<Publication, sqlx::Error> {
            let instant = |micros: i64| DateTime::from_timestamp_micros(micros).unwrap_or_default();
            let published: Option<i64> = row.try_get("published_at")?;
            Ok(Publication {
                id: row.try_get("id")?,
                published_by: row.try_get("published_by")?,
                state: row.try_get("state")?,
                begun_at: instant(row.try_get("begun_at")?),
                published_at: published.map(instant),
                about: read_json(row.try_get("about")?)?,
                tables: read_json(row.try_get("tables")?)?,
                views: read_json(row.try_get("views")?)?,
                token: None,
            })
        };
        rows.iter().map(|row| read(row).map_err(failed)).collect()
    }

    /// Returns what every table and view was built from, as far as its builder said.
    pub async fn builds(&self) -> Result<Vec<Build>, CatalogError> {
        let failed = |error| CatalogError::database("read the builds", error);
        let rows = sqlx::query("SELECT schema, name, build FROM builds ORDER BY schema, name")
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        let read = |row: &sqlx::sqlite::SqliteRow| -> Result<Build, sqlx::Error> {
            Ok(Build {
                schema: row.try_get("schema")?,
                name: row.try_get("name")?,
                build: read_json(row.try_get("build")?)?,
            })
        };
        rows.iter().map(|row| read(row).map_err(failed)).collect()
    }
}

/// Takes a number, unless it or a higher one was taken before.
async fn take(
    tx: &mut Transaction<'static, Sqlite>,
    token: &PublicationToken,
    id: &str,
) -> Result<(), CatalogError> {
    let failed = |error| CatalogError::database("publish", error);
    let done = sqlx::query(
        "INSERT INTO publish_tokens (app, sequence, publication) VALUES (?1, ?2, ?3)
         ON CONFLICT (app) DO UPDATE SET
             sequence = excluded.sequence, publication = excluded.publication
         WHERE publish_tokens.sequence < excluded.sequence",
    )
    .bind(&token.app)
    .bind(i64::try_from(token.sequence).unwrap_or(i64::MAX))
    .bind(id)
    .execute(&mut **tx)
    .await
    .map_err(failed)?;
    match done.rows_affected() {
        0 => Err(CatalogError::new(
            CatalogErrorKind::Exists,
            format!(
                "`{}` was published by number {} or a later one",
                token.app, token.sequence
            ),
        )),
        _ => Ok(()),
    }
}

fn read_json<T: serde::de::DeserializeOwned>(text: String) -> Result<T, sqlx::Error> {
    serde_json::from_str(&text).map_err(|error| sqlx::Error::Decode(Box::new(error)))
}

/// Deletes the rows of these schemas and names; `from` is a table, `WHERE`, and the pair of columns with them.
async fn delete(
    tx: &mut Transaction<'static, Sqlite>,
    from: &'static str,
    names: &[NameIn<'_>],
) -> Result<(), sqlx::Error> {
    for names in names.chunks(AT_A_TIME) {
        let mut query = QueryBuilder::<Sqlite>::new(format!("DELETE FROM {from} IN ("));
        query.push_values(names, |mut row, (schema, name)| {
            row.push_bind(*schema).push_bind(*name);
        });
        query.push(")");
        query.build().execute(&mut **tx).await?;
    }
    Ok(())
}
