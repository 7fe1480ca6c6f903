use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;
use weir_access::{Action, DocumentAction, Object};

use super::documents::DocumentKind;
use super::{instant, new_id};
use crate::access::Actor;
use crate::catalog::Catalog;
use crate::error::{CatalogError, CatalogErrorKind};

/// Deliveries of one dashboard at one time.
const MOST: i64 = 50;
/// Receivers of one delivery.
const MOST_RECEIVERS: usize = 50;
/// The largest values of filters, in bytes of JSON.
const MAX_FILTERS: usize = 10_000;

/// A dashboard that is sent by the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Delivery {
    pub id: String,
    pub dashboard: String,
    /// The dashboard's.
    pub name: String,
    /// Whose rights it has.
    pub owner: String,
    /// As `alerts` in `schedules.yml` names them.
    pub receivers: Vec<String>,
    /// Values of the dashboard's filters; its own defaults where there are none.
    pub filters: Value,
    pub cron: String,
    pub zone: String,
    pub created_at: DateTime<Utc>,
    #[serde(skip)]
    user_id: i64,
}

/// A delivery to be made.
#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub receivers: Vec<String>,
    pub filters: Value,
    pub cron: String,
    pub zone: String,
}

const COLUMNS: &str = "s.id, s.dashboard, d.name, s.user_id, u.name, s.receivers, s.filters, s.cron, \
                       s.zone, s.created_at";

fn invalid(text: impl Into<String>) -> CatalogError {
    CatalogError::new(CatalogErrorKind::Invalid, text)
}

fn decode(row: &SqliteRow) -> Result<Delivery, sqlx::Error> {
    let (receivers, filters): (String, String) = (row.try_get(5)?, row.try_get(6)?);
    let unreadable = |error: serde_json::Error| sqlx::Error::Decode(error.into());
    Ok(Delivery {
        id: row.try_get(0)?,
        dashboard: row.try_get(1)?,
        name: row.try_get(2)?,
        user_id: row.try_get(3)?,
        owner: row.try_get(4)?,
        receivers: serde_json::from_str(&receivers).map_err(unreadable)?,
        filters: serde_json::from_str(&filters).map_err(unreadable)?,
        cron: row.try_get(7)?,
        zone: row.try_get(8)?,
        created_at: instant(row.try_get(9)?),
    })
}

impl Catalog {
    /// Has a dashboard sent, as `by` sees it: whoever may share it may.
    pub async fn create_delivery(
        &self,
        by: &Actor,
        dashboard: &str,
        new: NewDelivery,
    ) -> Result<Delivery, CatalogError> {
        let kind = DocumentKind::Dashboard;
        let document = self.document(by, kind, dashboard, None).await?.document;
        self.permit_document(by, DocumentAction::Share, kind, &document.access())?;
        if new.receivers.is_empty() || new.receivers.len() > MOST_RECEIVERS {
            return Err(invalid(format!(
                "a delivery has 1 to {MOST_RECEIVERS} receivers"
            )));
        }
        let filters = new.filters.to_string();
        if !new.filters.is_object() || filters.len() > MAX_FILTERS {
            return Err(invalid("`filters` has values of filters by name"));
        }
        let access = self.access();
        let user = access.user(by.identity().user());
        let Some(user_id) = user.map(|user| user.id) else {
            return Err(invalid(
                "deliveries have the rights of a person, not of the project itself",
            )
            .with_hint("sign in, and make it there"));
        };
        let mut change = self.change(by, "delivery.create").await?;
        let (micros, failed) = (change.micros(), change.failed());
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM deliveries WHERE dashboard = ?1")
            .bind(dashboard)
            .fetch_one(&mut *change.tx)
            .await
            .map_err(&failed)?;
        if count >= MOST {
            return Err(invalid(format!(
                "a dashboard has at most {MOST} deliveries"
            )));
        }
        let made = Delivery {
            id: new_id(),
            dashboard: document.id,
            name: document.name,
            owner: by.identity().user().to_owned(),
            receivers: new.receivers,
            filters: new.filters,
            cron: new.cron,
            zone: new.zone,
            created_at: change.now,
            user_id,
        };
        sqlx::query(
            "INSERT INTO deliveries (id, dashboard, user_id, receivers, filters, cron, zone, created_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )
        .bind(&made.id)
        .bind(&made.dashboard)
        .bind(user_id)
        .bind(json!(made.receivers).to_string())
        .bind(filters)
        .bind(&made.cron)
        .bind(&made.zone)
        .bind(micros)
        .execute(&mut *change.tx)
        .await
        .map_err(&failed)?;
        let after = json!({ "delivery": made.id, "receivers": made.receivers, "cron": made.cron });
        change
            .commit(format!("dashboard {dashboard}"), None, Some(after))
            .await?;
        self.plan_changed();
        Ok(made)
    }

    /// Lists what is sent of a dashboard that `by` may read.
    pub async fn deliveries_of(
        &self,
        by: &Actor,
        dashboard: &str,
    ) -> Result<Vec<Delivery>, CatalogError> {
        self.document(by, DocumentKind::Dashboard, dashboard, None)
            .await?;
        let mut all = self.deliveries().await?;
        all.retain(|delivery| delivery.dashboard == dashboard);
        Ok(all)
    }

    /// Lists everything that is sent.
    pub async fn deliveries(&self) -> Result<Vec<Delivery>, CatalogError> {
        let failed = |error| CatalogError::database("list deliveries", error);
        let sql = format!(
            "SELECT {COLUMNS} FROM deliveries s JOIN users u ON u.id = s.user_id
             JOIN documents d ON d.id = s.dashboard AND d.deleted_at IS NULL ORDER BY s.created_at"
        );
        let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
            .fetch_all(&self.inner.store.pool)
            .await
            .map_err(failed)?;
        let all = rows.iter().map(decode).collect::<Result<_, _>>();
        all.map_err(failed)
    }

    /// Lists the receivers that have taken what `run` sends.
    pub async fn receipts(&self, delivery: &str, run: i64) -> Result<Vec<String>, CatalogError> {
        sqlx::query_scalar(
            "SELECT receiver FROM delivery_receipts WHERE delivery = ?1 AND run = ?2",
        )
        .bind(delivery)
        .bind(run)
        .fetch_all(&self.inner.store.pool)
        .await
        .map_err(|error| CatalogError::database("list who has taken a delivery", error))
    }

    /// Writes down that `receiver` has taken what `run` sends, and forgets who took what earlier runs sent.
    pub async fn note_receipt(
        &self,
        delivery: &str,
        run: i64,
        receiver: &str,
    ) -> Result<(), CatalogError> {
        const ACTION: &str = "note who has taken a delivery";
        let failed = |error| CatalogError::database(ACTION, error);
        let mut tx = self.inner.store.begin(ACTION).await?;
        sqlx::query("DELETE FROM delivery_receipts WHERE delivery = ?1 AND run < ?2")
            .bind(delivery)
            .bind(run)
            .execute(&mut *tx)
            .await
            .map_err(failed)?;
        // Somebody may have ended the delivery meanwhile.
        sqlx::query(
            "INSERT OR IGNORE INTO delivery_receipts (delivery, run, receiver)
             SELECT id, ?2, ?3 FROM deliveries WHERE id = ?1",
        )
        .bind(delivery)
        .bind(run)
        .bind(receiver)
        .execute(&mut *tx)
        .await
        .map_err(failed)?;
        tx.commit().await.map_err(failed)
    }

    /// Sends a dashboard no more: whoever has it sent may, whoever may share the dashboard, and admins.
    pub async fn delete_delivery(
        &self,
        by: &Actor,
        dashboard: &str,
        id: &str,
    ) -> Result<(), CatalogError> {
        let kind = DocumentKind::Dashboard;
        let document = self.document(by, kind, dashboard, None).await?.document;
        let all = self.deliveries_of(by, dashboard).await?;
        let found = all.into_iter().find(|delivery| delivery.id == id);
        let found = found.ok_or_else(|| {
            CatalogError::new(CatalogErrorKind::NotFound, "there is no such delivery")
        })?;
        if !self.is_theirs(by, &found) {
            self.permit_document(by, DocumentAction::Share, kind, &document.access())?;
        }
        let mut change = self.change(by, "delivery.delete").await?;
        sqlx::query("DELETE FROM deliveries WHERE id = ?1")
            .bind(id)
            .execute(&mut *change.tx)
            .await
            .map_err(change.failed())?;
        let before = Some(json!({ "delivery": id, "receivers": found.receivers }));
        change
            .commit(format!("dashboard {dashboard}"), before, None)
            .await?;
        self.plan_changed();
        Ok(())
    }

    /// Whether a delivery is somebody's own, or they may do everything.
    pub fn is_theirs(&self, by: &Actor, delivery: &Delivery) -> bool {
        let access = self.access();
        let me = access.user(by.identity().user()).map(|user| user.id);
        let admin = access.decide(by.identity(), Action::Admin, &Object::Server);
        me == Some(delivery.user_id) || admin.allowed
    }
}
