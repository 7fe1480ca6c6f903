//! PostgreSQL without its log: tables are asked for what changed, by whoever may read them.
//!
//! All of a sync is read in one snapshot, new and changed rows first, which are committed with where to go
//! on; then keys are compared, and rows that only the lake has are deleted. Between two syncs nobody looks:
//! of several changes of a row only the last is seen.

mod method;
mod promise;
mod read;
mod state;
mod view;

use chrono::Utc;

use self::method::Method;
use self::state::{Polled, Read};
use self::view::View;
use super::Database;
use super::slot::{Position, name_of, one, server_version};
use super::table::{Table, literal};
use super::verify::{Compared, Comparing};
use super::wire::Session;
use crate::error::{ExtractError, ExtractErrorKind};
use crate::load;
use crate::spec::{Deletes, Replication};

pub(super) use super::verify::unreadable;

/// Tables with fewer rows have their keys compared with each sync, unless their rules say otherwise.
const SMALL: u64 = 1_000_000;
/// Seconds until keys are compared again that are compared once a day: a little less than that, so that
/// syncs by the clock do it at the same hour.
const DAY: i64 = 86_400 - 600;
/// Before 9.4, the server takes the numbers of transactions from rows that are older than all that run.
const OLDEST: u32 = 90_400;

/// A table, and how it is read.
struct Plan {
    table: Table,
    method: Method,
    deletes: Option<Deletes>,
}

/// Whether a state is one of tables that were asked.
pub(super) fn is_polled(state: &serde_json::Value) -> bool {
    Polled::read(state).is_some()
}

impl Database<'_> {
    /// Whether the source is read without its log.
    pub(super) fn is_polled(&self) -> bool {
        let is_other = |replication: Option<Replication>| {
            replication.is_some_and(|replication| replication != Replication::LogBased)
        };
        let streams = self.spec.streams.values().filter(|rules| !rules.skip);
        is_other(self.postgres.replication)
            || streams.into_iter().any(|rules| is_other(rules.replication))
    }

    fn plan(&self, table: Table) -> Result<Plan, ExtractError> {
        let rules = self.spec.rules(&table.stream());
        let wanted = rules.replication.or(self.postgres.replication);
        let key = rules.replication_key.as_deref();
        let key = key.or(self.postgres.replication_key.as_deref());
        let method = Method::of(&table, wanted.unwrap_or(Replication::LogBased), key)?;
        Ok(Plan {
            method,
            table,
            deletes: rules.deletes.or(self.postgres.deletes),
        })
    }

    /// Returns the tables that are taken, and how each is read.
    async fn plans(&self, session: &mut Session) -> Result<Vec<Plan>, ExtractError> {
        let version = server_version(session).await?;
        if version < OLDEST {
            let message = format!(
                "this is PostgreSQL {}, which does not tell when rows were written: that takes 9.4 or later",
                name_of(version)
            );
            return Err(ExtractError::new(ExtractErrorKind::Unsupported, message)
                .hint("use a Singer tap, such as `meltanolabs-tap-postgres`"));
        }
        let tables = self.taken(session).await?;
        tables.into_iter().map(|table| self.plan(table)).collect()
    }

    /// Says how each table is read that is taken, by stream, and what people should know of that.
    pub(super) async fn polled_methods(
        &self,
        session: &mut Session,
    ) -> Result<std::collections::BTreeMap<String, (&'static str, Option<String>)>, ExtractError>
    {
        let plans = self.plans(session).await?;
        self.promise(&plans);
        let methods = plans.into_iter().map(|plan| {
            let column = match &plan.method {
                Method::Cursor(cursor) => Some(cursor.column.clone()),
                _ => None,
            };
            (plan.table.stream(), (plan.method.as_str(), column))
        });
        Ok(methods.collect())
    }

    /// Reads what changed, after a copy of what was never taken.
    pub(super) async fn poll(
        &self,
        into: &mut load::Session,
        streams: &[String],
        refresh: bool,
    ) -> Result<(), ExtractError> {
        let (mut view, plans, mut state) = self.begin_polling(into, streams, refresh).await?;
        self.poll_all(&plans, into, &mut state, &mut view).await?;
        view.close().await;
        Ok(())
    }

    async fn begin_polling(
        &self,
        into: &load::Session,
        streams: &[String],
        refresh: bool,
    ) -> Result<(View, Vec<Plan>, Polled), ExtractError> {
        let mut session = self.session(false).await?;
        let mut plans = self.plans(&mut session).await?;
        for stream in streams {
            if !plans.iter().any(|plan| plan.table.stream() == *stream) {
                let message = format!("no table `{stream}` is taken");
                return Err(ExtractError::new(ExtractErrorKind::NotFound, message)
                    .hint("`weir source discover` lists the tables there are"));
            }
        }
        self.promise(&plans);
        let system = cluster(&mut session).await?;
        let mut state = self.state_of(into, &mut session).await?;
        if state.system != system {
            if !state.polled.is_empty() {
                self.progress.note(
                    "this is another PostgreSQL cluster than the one that was read: all tables are copied anew",
                );
            }
            state = Polled {
                system,
                ..Polled::default()
            };
        }
        state.polled.retain(|stream, _| {
            let is_there = plans.iter().any(|plan| plan.table.stream() == *stream);
            if !is_there {
                self.progress
                    .note(format!("{stream}: it is not read any more; its rows stay"));
            }
            is_there
        });
        state
            .copying
            .retain(|stream, _| plans.iter().any(|plan| plan.table.stream() == *stream));
        if !streams.is_empty() {
            plans.retain(|plan| streams.contains(&plan.table.stream()));
        }
        if refresh {
            for plan in &plans {
                state.polled.remove(&plan.table.stream());
                state.copying.remove(&plan.table.stream());
            }
        }
        Ok((View::begin(session).await?, plans, state))
    }

    /// Returns the state of before; that of a source that was read by its log is none.
    async fn state_of(
        &self,
        into: &load::Session,
        session: &mut Session,
    ) -> Result<Polled, ExtractError> {
        if into.state().is_null() {
            return Ok(Polled::default());
        }
        if let Some(state) = Polled::read(into.state()) {
            return Ok(state);
        }
        let position: Position = self.spec.state(into.state(), "PostgreSQL")?;
        let slot = literal(&position.slot);
        let sql = format!("SELECT 1 FROM pg_replication_slots WHERE slot_name = {slot}");
        if !session.rows(&sql).await?.is_empty() {
            self.progress.note(format!(
                "the replication slot {slot} of before is still there, and the server keeps its log for it: \
                 SELECT pg_drop_replication_slot({slot})"
            ));
        }
        Ok(Polled::default())
    }

    async fn poll_all(
        &self,
        plans: &[Plan],
        into: &mut load::Session,
        state: &mut Polled,
        view: &mut View,
    ) -> Result<(), ExtractError> {
        let mut to_read: Vec<(&Plan, Option<u32>)> = Vec::new();
        for plan in plans.iter().filter(|plan| plan.method != Method::Whole) {
            let stream = plan.table.stream();
            let goes_on = state
                .polled
                .get(&stream)
                .is_some_and(|read| plan.goes_on(read));
            let read_in = match goes_on {
                true => None,
                false => {
                    state.polled.remove(&stream);
                    self.copy_polled(plan, into, state, view).await?
                }
            };
            to_read.push((plan, read_in));
        }
        // Whatever was copied is looked at as the lake has it.
        into.commit().await?;
        let mut whole: Vec<&Plan> = Vec::new();
        for (plan, read_in) in &to_read {
            // What was copied in this very view is as it is.
            if *read_in != Some(view.number) && self.read_changes(plan, into, state, view).await? {
                state.polled.remove(&plan.table.stream());
                self.copy_polled(plan, into, state, view).await?;
                whole.push(plan);
            }
        }
        for plan in plans.iter().filter(|plan| plan.method == Method::Whole) {
            self.copy_whole(plan, into, state, view).await?;
        }
        // Keys are compared with what is committed.
        into.cover(state.json());
        into.commit().await?;
        for (plan, read_in) in &to_read {
            let is_copied = *read_in == Some(view.number)
                || whole.iter().any(|copied| copied.table.id == plan.table.id);
            if !is_copied {
                self.compare_keys(plan, into, state, view).await?;
            }
        }
        into.cover(state.json());
        into.commit().await
    }

    /// Deletes rows that only the lake has, where it is time to look for them.
    async fn compare_keys(
        &self,
        plan: &Plan,
        into: &mut load::Session,
        state: &mut Polled,
        view: &mut View,
    ) -> Result<(), ExtractError> {
        let stream = plan.table.stream();
        let now = Utc::now().timestamp();
        let Some(read) = state.polled.get(&stream) else {
            return Ok(());
        };
        if !plan.is_due(read, now) {
            return Ok(());
        }
        let work = Comparing {
            position: None,
            fetch: true,
            keys: true,
        };
        let compared = self
            .compare(&plan.table, into, &mut view.session, work)
            .await?;
        let Some(Compared { score, again }) = compared else {
            return Ok(());
        };
        if again {
            self.progress.note(format!(
                "{stream}: so many rows came and went that it is copied again by the next sync"
            ));
            state.polled.remove(&stream);
            return Ok(());
        }
        if score.missing > 0 {
            self.progress.note(format!(
                "{stream}: {} rows had not been seen, and were found by their keys",
                score.missing
            ));
        }
        let Some(read) = state.polled.get_mut(&stream) else {
            return Ok(());
        };
        // A time alone is worth no commit where it is not asked for.
        let was_small = read.rows < SMALL;
        read.rows =
            match score.missing + score.extra > 0 || was_small != (score.source_rows < SMALL) {
                true => score.source_rows,
                false => read.rows,
            };
        if !plan.is_always(read.rows) {
            read.compared_at = now;
        }
        into.cover(state.json());
        into.settle().await.map(drop)
    }

    /// Reads what changed, then compares all rows with the lake's; with `repair`, fetches what differs.
    pub(super) async fn verify_polled(
        &self,
        mut into: load::Session,
        repair: bool,
    ) -> Result<(), ExtractError> {
        let (mut view, plans, mut state) = self.begin_polling(&into, &[], false).await?;
        self.poll_all(&plans, &mut into, &mut state, &mut view)
            .await?;
        let work = Comparing {
            position: None,
            fetch: repair,
            keys: false,
        };
        for plan in &plans {
            let stream = plan.table.stream();
            if !state.polled.contains_key(&stream) {
                continue;
            }
            let session = &mut view.session;
            let compared = self.compare(&plan.table, &mut into, session, work).await?;
            if let Some(compared) = compared {
                if compared.again {
                    state.polled.remove(&stream);
                }
                self.progress.verified(compared.score);
            }
        }
        into.cover(state.json());
        into.commit().await?;
        view.close().await;
        Ok(())
    }
}

impl Plan {
    /// Whether keys are compared with each sync of so many rows.
    fn is_always(&self, rows: u64) -> bool {
        match self.deletes {
            Some(deletes) => deletes == Deletes::Always,
            None => rows < SMALL,
        }
    }

    fn is_due(&self, read: &Read, now: i64) -> bool {
        let is_new_day = now - read.compared_at >= DAY;
        self.deletes != Some(Deletes::Never) && (self.is_always(read.rows) || is_new_day)
    }
}

/// Returns which cluster counts transactions; empty where it does not tell us.
async fn cluster(session: &mut Session) -> Result<String, ExtractError> {
    // It came with 9.6, and not everybody may ask.
    let may = "SELECT COALESCE(has_function_privilege(to_regproc('pg_control_system')::oid, 'EXECUTE'), false)";
    match one(session, may).await?.as_str() {
        "t" => one(session, "SELECT system_identifier FROM pg_control_system()").await,
        _ => Ok(String::new()),
    }
}
