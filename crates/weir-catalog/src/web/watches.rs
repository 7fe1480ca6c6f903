use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use weir_access::{Action, DocumentAction, DocumentOwner, Identity, Object};

use super::documents::DocumentKind;
use super::sessions::user_of;
use super::{instant, new_id};
use crate::access::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

/// Alerts of one question at one time.
const MOST: i64 = 50;
/// Receivers that one alert names at most.
const MOST_RECEIVERS: usize = 50;
/// The longest name, in characters.
const MAX_NAME: usize = 200;
/// The longest time between two looks, in minutes: a month.
const MAX_MINUTES: i64 = 31 * 24 * 60;

/// How a value is compared with a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Comparison {
    More,
    Least,
    Less,
    Most,
    /// The answer has rows.
    Rows,
    /// The answer has no rows.
    NoRows,
}

/// When an answer is bad news.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    pub is: Comparison,
    /// The column of the first row that is compared; the first number when left out.
    #[serde(default)]
    pub column: Option<String>,
    /// The bound; none where only rows count.
    #[serde(default)]
    pub than: Option<f64>,
}

/// A question that is asked again and again, to tell people when its answer is bad news.
#[derive(Clone, Debug, Serialize)]
pub struct Watch {
    pub id: String,
    pub name: String,
    pub question: String,
    pub made_by: String,
    pub condition: Condition,
    pub every_minutes: i64,
    /// Who is told; everybody where nobody is named.
    pub receivers: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub asked_at: Option<DateTime<Utc>>,
    /// Whether the last answer was bad news; none before the first, and where there was no answer.
    pub bad: Option<bool>,
    /// What the last answer said, or why there was none.
    pub said: Option<String>,
    #[serde(skip)]
    user_id: i64,
}

/// A watch to be made.
#[derive(Clone, Debug)]
pub struct NewWatch {
    pub name: String,
    pub question: String,
    pub condition: Condition,
    pub every_minutes: i64,
    /// Who is told; everybody where nobody is named.
    pub receivers: Vec<String>,
}

const COLUMNS: &str = "w.id, w.name, w.question, w.user_id, u.name, w.condition, w.every_minutes, \
                       w.created_at, w.asked_at, w.bad, w.said, \
                       (SELECT json_group_array(receiver) FROM watch_receivers WHERE watch = w.id)";

fn invalid(text: impl Into<String>) -> CatalogError {
    CatalogError::new(CatalogErrorKind::Invalid, text)
}

fn decode(row: &SqliteRow) -> Result<Watch, sqlx::Error> {
    let condition: String = row.try_get(5)?;
    let asked_at: Option<i64> = row.try_get(8)?;
    let receivers: String = row.try_get(11)?;
    let unreadable = |error: serde_json::Error| sqlx::Error::Decode(error.into());
    Ok(Watch {
        id: row.try_get(0)?,
        name: row.try_get(1)?,
        question: row.try_get(2)?,
        user_id: row.try_get(3)?,
        made_by: row.try_get(4)?,
        condition: serde_json::from_str(&condition).map_err(unreadable)?,
        every_minutes: row.try_get(6)?,
        receivers: serde_json::from_str(&receivers).map_err(unreadable)?,
        created_at: instant(row.try_get(7)?),
        asked_at: asked_at.map(instant),
        bad: row.try_get(9)?,
        said: row.try_get(10)?,
    })
}

impl NewWatch {
    fn check(&self) -> Result<(), CatalogError> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control)
        {
            return Err(invalid(format!(
                "a name is one line of 1 to {MAX_NAME} characters"
            )));
        }
        if !(1..=MAX_MINUTES).contains(&self.every_minutes) {
            return Err(invalid(format!(
                "it is asked every 1 to {MAX_MINUTES} minutes"
            )));
        }
        if self.receivers.len() > MOST_RECEIVERS {
            return Err(invalid(format!(
                "an alert names at most {MOST_RECEIVERS} receivers"
            )));
        }
        let counts_rows = matches!(self.condition.is, Comparison::Rows | Comparison::NoRows);
        match self.condition.than {
            Some(than) if !counts_rows && than.is_finite() => Ok(()),
            None if counts_rows => Ok(()),
            Some(_) if counts_rows => Err(invalid("`than` says nothing where rows are counted")),
            _ => Err(invalid(
                "`than` is missing: the number that is compared with",
            )),
        }
    }
}

impl Catalog {
    /// Makes a watch; its question is asked with the rights of `by`.
    pub async fn create_watch(&self, by: &Actor, new: NewWatch) -> Result<Watch, CatalogError> {
        new.check()?;
        let kind = DocumentKind::Question;
        let question = self.document(by, kind, &new.question, None).await?.document;
        let access = self.access();
        let user = access.user(by.identity().user());
        let Some(user_id) = user.map(|user| user.id) else {
            return Err(
                invalid("alerts are made by people, not by the project itself")
                    .with_hint("sign in, and make it there"),
            );
        };
        let own = DocumentOwner {
            owner: Some(user_id),
            readable: false,
            editable: false,
        };
        self.permit_document(by, DocumentAction::Create, kind, &own)?;
        let mut change = self.change(by, "alert.create").await?;
        let (micros, failed) = (change.micros(), change.failed());
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM watches WHERE question = ?1")
            .bind(&question.id)
            .fetch_one(&mut *change.tx)
            .await
            .map_err(&failed)?;
        if count >= MOST {
            return Err(invalid(format!("a question has at most {MOST} alerts")));
        }
        let watch = Watch {
            id: new_id(),
            name: new.name.trim().to_owned(),
            question: question.id,
            made_by: by.identity().user().to_owned(),
            condition: new.condition,
            every_minutes: new.every_minutes,
            receivers: new.receivers,
            created_at: change.now,
            asked_at: None,
            bad: None,
            said: None,
            user_id,
        };
        sqlx::query(
            "INSERT INTO watches (id, name, question, user_id, condition, every_minutes, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .bind(&watch.id)
        .bind(&watch.name)
        .bind(&watch.question)
        .bind(user_id)
        .bind(json!(watch.condition).to_string())
        .bind(watch.every_minutes)
        .bind(micros)
        .execute(&mut *change.tx)
        .await
        .map_err(&failed)?;
        for receiver in &watch.receivers {
            sqlx::query("INSERT OR IGNORE INTO watch_receivers (watch, receiver) VALUES (?1, ?2)")
                .bind(&watch.id)
                .bind(receiver)
                .execute(&mut *change.tx)
                .await
                .map_err(&failed)?;
        }
        let after = json!({ "name": watch.name, "condition": watch.condition, "receivers": watch.receivers });
        change
            .commit(format!("question {}", watch.question), None, Some(after))
            .await?;
        Ok(watch)
    }

    /// Lists the watches over questions that `by` may read: their own alone say what answers said.
    pub async fn watches(&self, by: &Actor) -> Result<Vec<Watch>, CatalogError> {
        let questions = self.documents(by, DocumentKind::Question).await?;
        let access = self.access();
        let me = access.user(by.identity().user()).map(|user| user.id);
        let admin = access.decide(by.identity(), Action::Admin, &Object::Server);
        let mut all = self.all_watches().await?;
        all.retain(|watch| questions.iter().any(|one| one.id == watch.question));
        for watch in &mut all {
            if me != Some(watch.user_id) && !admin.allowed {
                watch.said = None;
            }
        }
        Ok(all)
    }

    /// Ends a watch: whoever made it may, and admins. Returns it.
    pub async fn delete_watch(&self, by: &Actor, id: &str) -> Result<Watch, CatalogError> {
        let all = self.watches(by).await?;
        let watch = all
            .into_iter()
            .find(|watch| watch.id == id)
            .ok_or_else(|| {
                CatalogError::new(CatalogErrorKind::NotFound, "there is no such alert")
            })?;
        let access = self.access();
        let me = access.user(by.identity().user()).map(|user| user.id);
        let admin = access.decide(by.identity(), Action::Admin, &Object::Server);
        if me != Some(watch.user_id) && !admin.allowed {
            let message = format!("this alert is `{}`'s", watch.made_by);
            return Err(CatalogError::new(CatalogErrorKind::Denied, message));
        }
        let mut change = self.change(by, "alert.delete").await?;
        sqlx::query("DELETE FROM watches WHERE id = ?1")
            .bind(id)
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        let before = Some(json!({ "name": watch.name }));
        change
            .commit(format!("question {}", watch.question), before, None)
            .await?;
        Ok(watch)
    }

    /// Returns the watches whose time has come, with who asks; none where that user may not any more.
    pub async fn due_watches(
        &self,
        now: DateTime<Utc>,
    ) -> Result<Vec<(Watch, Option<Identity>)>, CatalogError> {
        let access = self.access();
        let is_due = |watch: &Watch| {
            let next = |at: DateTime<Utc>| at + TimeDelta::minutes(watch.every_minutes);
            watch.asked_at.is_none_or(|at| next(at) <= now)
        };
        let all = self.all_watches().await?.into_iter().filter(is_due);
        Ok(all
            .map(|watch| {
                let who = user_of(&access, watch.user_id)
                    .and_then(|user| access.identity(user.name.as_str()));
                (watch, who)
            })
            .collect())
    }

    /// Returns who is told of a watch, also of one that has ended; nobody is everybody.
    pub async fn watch_receivers(&self, id: &str) -> Result<Vec<String>, CatalogError> {
        sqlx::query_scalar("SELECT receiver FROM watch_receivers WHERE watch = ?1")
            .bind(id)
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("list who is told of an alert", error))
    }

    /// Writes down how a watch went.
    pub async fn note_watch(
        &self,
        id: &str,
        at: DateTime<Utc>,
        bad: Option<bool>,
        said: &str,
    ) -> Result<(), CatalogError> {
        sqlx::query("UPDATE watches SET asked_at = ?2, bad = ?3, said = ?4 WHERE id = ?1")
            .bind(id)
            .bind(at.timestamp_micros())
            .bind(bad)
            .bind(said)
            .execute(&self.inner.store.pool)
            .await
            .map_err(|error| CatalogError::database("note an alert", error))?;
        Ok(())
    }

    async fn all_watches(&self) -> Result<Vec<Watch>, CatalogError> {
        let failed = |error| CatalogError::database("list alerts", error);
        let sql = format!(
            "SELECT {COLUMNS} FROM watches w JOIN users u ON u.id = w.user_id
             JOIN documents d ON d.id = w.question AND d.deleted_at IS NULL ORDER BY w.name"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        let all = rows.iter().map(decode).collect::<Result<_, _>>();
        all.map_err(failed)
    }
}
