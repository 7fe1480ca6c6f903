use std::sync::atomic::Ordering;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use weir_access::{Action, DocumentAction, Object};

use super::documents::DocumentKind;
use super::instant;
use crate::access::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

/// What makes a rollup be built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RollupTrigger {
    /// The clock.
    Cron { cron: String, zone: String },
    /// Other rows in what it reads.
    Inputs { at_most_every_seconds: u32 },
}

/// What a rollup's statement reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RollupReads {
    /// The tables and views it names, as `schema.name`.
    pub reads: Vec<String>,
    /// The tables whose rows these show.
    pub follows: Vec<String>,
}

/// A question whose answer is a table that is brought up to date by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rollup {
    pub question: String,
    /// The question's.
    pub name: String,
    #[serde(rename = "schema_name")]
    pub schema: String,
    #[serde(rename = "table_name")]
    pub table: String,
    /// Whose rights it has.
    pub owner: String,
    /// The version of the question that is built.
    pub version: i64,
    /// The newest version of the question: another one when somebody else saved it.
    pub newest: i64,
    pub trigger: RollupTrigger,
    pub reads: Vec<String>,
    pub follows: Vec<String>,
    pub created_at: DateTime<Utc>,
    #[serde(skip)]
    user_id: i64,
}

/// A rollup to be made, or what one is to become.
#[derive(Clone, Debug)]
pub struct NewRollup {
    pub schema: String,
    pub table: String,
    /// The version that is to be built.
    pub version: i64,
    pub trigger: RollupTrigger,
    pub reads: RollupReads,
}

const COLUMNS: &str = "r.question, d.name, r.schema_name, r.table_name, r.user_id, u.name, r.version, \
                       d.version, r.trigger, r.reads, r.follows, r.created_at";

fn decode(row: &SqliteRow) -> Result<Rollup, sqlx::Error> {
    let (trigger, reads, follows): (String, String, String) =
        (row.try_get(8)?, row.try_get(9)?, row.try_get(10)?);
    let unreadable = |error: serde_json::Error| sqlx::Error::Decode(error.into());
    Ok(Rollup {
        question: row.try_get(0)?,
        name: row.try_get(1)?,
        schema: row.try_get(2)?,
        table: row.try_get(3)?,
        user_id: row.try_get(4)?,
        owner: row.try_get(5)?,
        version: row.try_get(6)?,
        newest: row.try_get(7)?,
        trigger: serde_json::from_str(&trigger).map_err(unreadable)?,
        reads: serde_json::from_str(&reads).map_err(unreadable)?,
        follows: serde_json::from_str(&follows).map_err(unreadable)?,
        created_at: instant(row.try_get(11)?),
    })
}

impl Catalog {
    /// Returns a number that moves with every change of rollups and deliveries in this process.
    pub fn plan_changes(&self) -> u64 {
        self.inner.plan_changes.load(Ordering::Acquire)
    }

    pub(super) fn plan_changed(&self) {
        self.inner.plan_changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Makes a question's answer a table, with the rights of `by` from now on.
    pub async fn put_rollup(
        &self,
        by: &Actor,
        question: &str,
        new: NewRollup,
    ) -> Result<Rollup, CatalogError> {
        let kind = DocumentKind::Question;
        let saved = self.document(by, kind, question, None).await?.document;
        self.permit_document(by, DocumentAction::Write, kind, &saved.access())?;
        let access = self.access();
        let user = access.user(by.identity().user());
        let Some(user_id) = user.map(|user| user.id) else {
            return Err(CatalogError::new(
                CatalogErrorKind::Invalid,
                "rollups have the rights of a person, not of the project itself",
            )
            .with_hint("sign in, and make it there"));
        };
        let mut change = self.change(by, "rollup.put").await?;
        let (micros, failed) = (change.micros(), change.failed());
        let taken: Option<String> = sqlx::query_scalar(
            "SELECT d.name FROM rollups r JOIN documents d ON d.id = r.question
             WHERE r.schema_name = ?1 AND r.table_name = ?2 AND r.question <> ?3",
        )
        .bind(&new.schema)
        .bind(&new.table)
        .bind(question)
        .fetch_optional(&mut *change.tx)
        .await
        .map_err(&failed)?;
        if taken.is_some() {
            return Err(CatalogError::new(
                CatalogErrorKind::Exists,
                format!("another question makes `{}.{}`", new.schema, new.table),
            )
            .with_hint("name another table"));
        }
        sqlx::query(
            "INSERT INTO rollups (question, schema_name, table_name, version, user_id, trigger, reads, follows, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (question) DO UPDATE SET schema_name = ?2, table_name = ?3, version = ?4,
                 user_id = ?5, trigger = ?6, reads = ?7, follows = ?8",
        )
        .bind(question)
        .bind(&new.schema)
        .bind(&new.table)
        .bind(new.version)
        .bind(user_id)
        .bind(json!(new.trigger).to_string())
        .bind(json!(new.reads.reads).to_string())
        .bind(json!(new.reads.follows).to_string())
        .bind(micros)
        .execute(&mut *change.tx)
        .await
        .map_err(&failed)?;
        let after = json!({
            "table": format!("{}.{}", new.schema, new.table),
            "version": new.version,
            "trigger": new.trigger,
        });
        change
            .commit(format!("question {question}"), None, Some(after))
            .await?;
        self.plan_changed();
        let made = self.rollup(by, question).await?;
        made.ok_or_else(|| CatalogError::new(CatalogErrorKind::NotFound, "it was ended meanwhile"))
    }

    /// Returns the rollup of a question that `by` may read.
    pub async fn rollup(&self, by: &Actor, question: &str) -> Result<Option<Rollup>, CatalogError> {
        let kind = DocumentKind::Question;
        self.document(by, kind, question, None).await?;
        let all = self.rollups().await?;
        Ok(all.into_iter().find(|rollup| rollup.question == question))
    }

    /// Lists the rollups of questions that `by` may read.
    pub async fn rollups_for(&self, by: &Actor) -> Result<Vec<Rollup>, CatalogError> {
        let questions = self.documents(by, DocumentKind::Question).await?;
        let mut all = self.rollups().await?;
        all.retain(|rollup| questions.iter().any(|one| one.id == rollup.question));
        Ok(all)
    }

    /// Lists all rollups, by table.
    pub async fn rollups(&self) -> Result<Vec<Rollup>, CatalogError> {
        let failed = |error| CatalogError::database("list rollups", error);
        let sql = format!(
            "SELECT {COLUMNS} FROM rollups r JOIN users u ON u.id = r.user_id
             JOIN documents d ON d.id = r.question AND d.deleted_at IS NULL
             ORDER BY r.schema_name, r.table_name"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        let all = rows.iter().map(decode).collect::<Result<_, _>>();
        all.map_err(failed)
    }

    /// Ends a rollup; its table stays as it is. Whoever may change the question may, and whose rights
    /// it has.
    pub async fn delete_rollup(&self, by: &Actor, question: &str) -> Result<(), CatalogError> {
        let kind = DocumentKind::Question;
        let saved = self.document(by, kind, question, None).await?.document;
        let rollup = self.rollup(by, question).await?.ok_or_else(|| {
            CatalogError::new(
                CatalogErrorKind::NotFound,
                "this question is not kept as a table",
            )
        })?;
        let access = self.access();
        let me = access.user(by.identity().user()).map(|user| user.id);
        let admin = access.decide(by.identity(), Action::Admin, &Object::Server);
        if me != Some(rollup.user_id) && !admin.allowed {
            self.permit_document(by, DocumentAction::Write, kind, &saved.access())?;
        }
        let mut change = self.change(by, "rollup.delete").await?;
        sqlx::query("DELETE FROM rollups WHERE question = ?1")
            .bind(question)
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        let before: Value = json!({ "table": format!("{}.{}", rollup.schema, rollup.table) });
        change
            .commit(format!("question {question}"), Some(before), None)
            .await?;
        self.plan_changed();
        Ok(())
    }

    /// Writes down what the version that is built reads; returns whether that is news.
    pub async fn note_rollup_reads(
        &self,
        question: &str,
        version: i64,
        reads: &RollupReads,
    ) -> Result<bool, CatalogError> {
        let done = sqlx::query(
            "UPDATE rollups SET reads = ?3, follows = ?4
             WHERE question = ?1 AND version = ?2 AND (reads <> ?3 OR follows <> ?4)",
        )
        .bind(question)
        .bind(version)
        .bind(json!(reads.reads).to_string())
        .bind(json!(reads.follows).to_string())
        .execute(&self.inner.store.pool)
        .await
        .map_err(|error| CatalogError::database("note what a rollup reads", error))?;
        let is_news = done.rows_affected() > 0;
        if is_news {
            self.plan_changed();
        }
        Ok(is_news)
    }
}
