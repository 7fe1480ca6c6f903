//! The trait, method by method: each change is one transaction.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use super::{
    SqliteStore, advance, apart, backfill, control, definition, due, figures, history, incident,
    lease, micros, open, settle,
};
use crate::asset::AssetKind;
use crate::error::FlowError;
use crate::id::{
    AssetId, AttemptId, BackfillId, PartitionKey, RunId, ScheduleName, StepId, TableId,
};
use crate::record::{
    Alert, AttemptRecord, Backfill, LogLine, Run, ScheduleRecord, Step, TableState,
};
use crate::store::{
    Beat, BeatAnswer, Definitions, Due, Figures, NewBackfill, Opening, Plan, Planned, Resume,
    RunFilter, Store, Turn, Turned,
};

#[async_trait]
impl Store for SqliteStore {
    async fn define(&self, definitions: &Definitions, now: DateTime<Utc>) -> Result<(), FlowError> {
        let action = "store the schedules";
        let mut tx = self.begin(action).await?;
        let done = definition::define(&mut tx, definitions, now).await;
        settle(tx, action, done).await
    }

    async fn schedules(&self) -> Result<Vec<ScheduleRecord>, FlowError> {
        let found = definition::schedules(&self.pool).await;
        found.map_err(|trouble| trouble.of("list the schedules"))
    }

    async fn schedule(&self, name: &ScheduleName) -> Result<ScheduleRecord, FlowError> {
        let found = definition::schedule(&self.pool, name).await;
        found.map_err(|trouble| trouble.of("read a schedule"))
    }

    async fn pause(&self, name: &ScheduleName, now: DateTime<Utc>) -> Result<(), FlowError> {
        let action = "pause a schedule";
        self.schedule(name).await?;
        let mut tx = self.begin(action).await?;
        let done = definition::pause(&mut tx, name, now).await;
        settle(tx, action, done).await
    }

    async fn resume(
        &self,
        name: &ScheduleName,
        resume: Resume,
        next_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), FlowError> {
        let action = "resume a schedule";
        self.schedule(name).await?;
        let mut tx = self.begin(action).await?;
        let done = definition::resume(&mut tx, name, resume, next_at, now).await;
        settle(tx, action, done).await
    }

    async fn due(&self, now: DateTime<Utc>, most: u32) -> Result<Due, FlowError> {
        let found = due::due(&self.pool, now, most).await;
        found.map_err(|trouble| trouble.of("read what is due"))
    }

    async fn open(&self, openings: &[Opening], plans: &[Plan]) -> Result<Planned, FlowError> {
        let action = "open runs";
        let mut tx = self.begin(action).await?;
        let done = open::open(&mut tx, openings, plans).await;
        settle(tx, action, done).await
    }

    async fn cursors(&self, schedule: &ScheduleName) -> Result<HashMap<TableId, i64>, FlowError> {
        let found = history::cursors(&self.pool, schedule).await;
        found.map_err(|trouble| trouble.of("read cursors"))
    }

    async fn succeeded_at(
        &self,
        assets: &[AssetId],
    ) -> Result<HashMap<AssetId, DateTime<Utc>>, FlowError> {
        let found = history::succeeded_at(&self.pool, assets).await;
        found.map_err(|trouble| trouble.of("read when assets succeeded"))
    }

    async fn give_up_waiting(&self, steps: &[StepId], now: DateTime<Utc>) -> Result<(), FlowError> {
        let action = "give up waiting for slots";
        let mut tx = self.begin(action).await?;
        let done = control::give_up_waiting(&mut tx, steps, now).await;
        settle(tx, action, done).await
    }

    async fn take_over(
        &self,
        node: &str,
        boot: &str,
        now: DateTime<Utc>,
    ) -> Result<u64, FlowError> {
        let action = "take over from the process before";
        let mut tx = self.begin(action).await?;
        let done = lease::take_over(&mut tx, node, boot, now).await;
        settle(tx, action, done).await
    }

    async fn has_ready(&self, now: DateTime<Utc>, kinds: &[AssetKind]) -> Result<bool, FlowError> {
        let found: Result<bool, sqlx::Error> = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM steps
             WHERE state = 'queued' AND waits_for = 0 AND held = 0
               AND (not_before IS NULL OR not_before <= ?1)
               AND (?2 IS NULL OR kind IN (SELECT value FROM json_each(?2))))",
        )
        .bind(micros(now))
        .bind(advance::kinds(kinds))
        .fetch_one(&self.pool)
        .await;
        found.map_err(|error| FlowError::database("look for steps that are ready", error))
    }

    async fn advance(&self, turn: &Turn) -> Result<Turned, FlowError> {
        let action = "end and begin attempts";
        let (store, turn) = (self.clone(), turn.clone());
        apart(action, async move {
            let mut tx = store.begin(action).await?;
            let done = advance::advance(&mut tx, &turn).await;
            settle(tx, action, done).await
        })
        .await
    }

    async fn beat(
        &self,
        beats: &[Beat],
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<Vec<BeatAnswer>, FlowError> {
        let action = "prolong leases";
        let mut tx = self.begin(action).await?;
        let done = lease::beat(&mut tx, beats, now, until).await;
        settle(tx, action, done).await
    }

    async fn begin_publish(
        &self,
        attempt: AttemptId,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<(), FlowError> {
        let action = "begin to publish";
        let mut tx = self.begin(action).await?;
        let done = lease::begin_publish(&mut tx, attempt, now, until).await;
        settle(tx, action, done).await
    }

    async fn cancel(&self, run: RunId, reason: &str, now: DateTime<Utc>) -> Result<(), FlowError> {
        let action = "cancel a run";
        let mut tx = self.begin(action).await?;
        let done = control::cancel(&mut tx, run, reason, now).await;
        settle(tx, action, done).await
    }

    async fn begin_backfill(
        &self,
        backfill: &NewBackfill,
        now: DateTime<Utc>,
    ) -> Result<BackfillId, FlowError> {
        let action = "begin a backfill";
        let mut tx = self.begin(action).await?;
        let done = backfill::begin(&mut tx, backfill, now).await;
        settle(tx, action, done).await
    }

    async fn pause_backfill(
        &self,
        backfill: BackfillId,
        pause: bool,
        now: DateTime<Utc>,
    ) -> Result<(), FlowError> {
        let action = "pause a backfill";
        let mut tx = self.begin(action).await?;
        let done = backfill::pause(&mut tx, backfill, pause, now).await;
        settle(tx, action, done).await
    }

    async fn cancel_backfill(
        &self,
        backfill: BackfillId,
        reason: &str,
        now: DateTime<Utc>,
    ) -> Result<(), FlowError> {
        let action = "cancel a backfill";
        let mut tx = self.begin(action).await?;
        let done = backfill::cancel_all(&mut tx, backfill, reason, now).await;
        settle(tx, action, done).await
    }

    async fn continue_backfill(
        &self,
        backfill: BackfillId,
        most: u32,
        now: DateTime<Utc>,
    ) -> Result<Vec<(u64, PartitionKey)>, FlowError> {
        let action = "go on with a backfill";
        let mut tx = self.begin(action).await?;
        let done = backfill::go_on(&mut tx, backfill, most, now).await;
        settle(tx, action, done).await
    }

    async fn backfill(&self, backfill: BackfillId) -> Result<Backfill, FlowError> {
        let found = backfill::get(&self.pool, backfill).await;
        found.map_err(|trouble| trouble.of("read a backfill"))
    }

    async fn backfills(&self, most: u32) -> Result<Vec<Backfill>, FlowError> {
        let found = backfill::list(&self.pool, most).await;
        found.map_err(|trouble| trouble.of("list backfills"))
    }

    async fn run_lengths(
        &self,
        schedule: &ScheduleName,
        most: u32,
    ) -> Result<Vec<Duration>, FlowError> {
        let found = figures::run_lengths(&self.pool, schedule, most).await;
        found.map_err(|trouble| trouble.of("read how long runs took"))
    }

    async fn figures(&self, now: DateTime<Utc>) -> Result<Figures, FlowError> {
        let found = figures::figures(&self.pool, now).await;
        found.map_err(|trouble| trouble.of("count runs"))
    }

    async fn backfill_place(
        &self,
        backfill: BackfillId,
        run: RunId,
    ) -> Result<Option<(BackfillId, u64)>, FlowError> {
        let found = backfill::place(&self.pool, backfill, run).await;
        found.map_err(|trouble| trouble.of("read a backfill"))
    }

    async fn incident(
        &self,
        key: &str,
        problem: Option<&str>,
        now: DateTime<Utc>,
    ) -> Result<bool, FlowError> {
        let action = "note an incident";
        let mut tx = self.begin(action).await?;
        let done = match problem {
            Some(text) => incident::raise(&mut tx, key, text, None, micros(now)).await,
            None => incident::recover(&mut tx, key, "it is well again", None, micros(now)).await,
        };
        settle(tx, action, done).await
    }

    async fn alert_tried(
        &self,
        alert: i64,
        again_at: Option<DateTime<Utc>>,
        now: DateTime<Utc>,
    ) -> Result<(), FlowError> {
        sqlx::query(
            "UPDATE alerts SET tries = tries + 1, not_before = coalesce(?2, not_before),
                 delivered_at = CASE WHEN ?2 IS NULL THEN ?3 END
             WHERE id = ?1",
        )
        .bind(alert)
        .bind(again_at.map(micros))
        .bind(micros(now))
        .execute(&self.pool)
        .await
        .map(|_| ())
        .map_err(|error| FlowError::database("note the delivery of an alert", error))
    }

    async fn alerts(&self, most: u32) -> Result<Vec<Alert>, FlowError> {
        let found = history::alerts(&self.pool, most).await;
        found.map_err(|trouble| trouble.of("list alerts"))
    }

    async fn run(&self, run: RunId) -> Result<Run, FlowError> {
        let found = history::run(&self.pool, run).await;
        found.map_err(|trouble| trouble.of("read a run"))
    }

    async fn runs(&self, filter: &RunFilter) -> Result<Vec<Run>, FlowError> {
        let found = history::runs(&self.pool, filter).await;
        found.map_err(|trouble| trouble.of("list runs"))
    }

    async fn steps(&self, run: RunId) -> Result<Vec<Step>, FlowError> {
        let found = history::steps(&self.pool, run).await;
        found.map_err(|trouble| trouble.of("list the steps of a run"))
    }

    async fn attempts(&self, step: StepId) -> Result<Vec<AttemptRecord>, FlowError> {
        let found = history::attempts(&self.pool, step).await;
        found.map_err(|trouble| trouble.of("list the attempts at a step"))
    }

    async fn log(
        &self,
        attempt: AttemptId,
        from: u64,
        most: u32,
    ) -> Result<Vec<LogLine>, FlowError> {
        let found = history::log(&self.pool, attempt, from, most).await;
        found.map_err(|trouble| trouble.of("read a log"))
    }

    async fn identity(&self) -> Result<String, FlowError> {
        let found: Result<String, sqlx::Error> = sqlx::query_scalar("SELECT id FROM identity")
            .fetch_one(&self.pool)
            .await;
        found.map_err(|error| FlowError::database("read what the store is known by", error))
    }

    async fn raise_sequences(&self, published: &[(AssetId, u64)]) -> Result<(), FlowError> {
        let action = "go on with the numbers of publications";
        let mut tx = self.begin(action).await?;
        let done = control::raise_sequences(&mut tx, published).await;
        settle(tx, action, done).await
    }

    async fn table_states(&self) -> Result<Vec<TableState>, FlowError> {
        let found = history::table_states(&self.pool).await;
        found.map_err(|trouble| trouble.of("read the states of tables"))
    }

    async fn put_table_states(&self, states: &[TableState]) -> Result<(), FlowError> {
        let action = "remember the states of tables";
        let mut tx = self.begin(action).await?;
        let done = history::put_table_states(&mut tx, states).await;
        settle(tx, action, done).await
    }

    async fn steps_of(&self, runs: &[RunId]) -> Result<Vec<Step>, FlowError> {
        let found = history::steps_of(&self.pool, runs).await;
        found.map_err(|trouble| trouble.of("list steps"))
    }

    async fn attempts_of(&self, runs: &[RunId]) -> Result<Vec<(RunId, AttemptRecord)>, FlowError> {
        let found = history::attempts_of(&self.pool, runs).await;
        found.map_err(|trouble| trouble.of("list attempts"))
    }

    async fn logs_of(
        &self,
        attempts: &[AttemptId],
        most: u32,
    ) -> Result<Vec<(AttemptId, LogLine)>, FlowError> {
        let found = history::logs_of(&self.pool, attempts, most).await;
        found.map_err(|trouble| trouble.of("read logs"))
    }

    async fn forget_logs(&self, before: DateTime<Utc>) -> Result<u64, FlowError> {
        let done = sqlx::query(
            "DELETE FROM attempt_logs WHERE attempt_id IN
                 (SELECT id FROM attempts WHERE ended_at < ?1)",
        )
        .bind(micros(before))
        .execute(&self.pool)
        .await;
        let done = done.map_err(|error| FlowError::database("forget old logs", error))?;
        Ok(done.rows_affected())
    }
}
