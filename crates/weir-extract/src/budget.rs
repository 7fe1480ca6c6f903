//! How often an account of somebody's service is asked: one budget for all sources of the account.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::error::{ExtractError, ExtractErrorKind};
use crate::progress::Progress;
use crate::spec::Budget;

/// What was asked is counted by parts of the window, so that a day of requests takes little memory.
const PARTS: u32 = 60;
/// A sync waits so long for a budget; beyond it, it ends, and a later one goes on.
const PATIENCE: Duration = Duration::from_secs(600);

/// The budgets of all accounts. Clones share them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budgets {
    accounts: Arc<Mutex<HashMap<String, Arc<Account>>>>,
}

impl Budgets {
    /// Returns the account of a source; one without a budget of its own is only ever told to wait.
    pub(crate) fn account(&self, source: &str, budget: Option<&Budget>) -> Arc<Account> {
        let name = budget.and_then(|budget| budget.account.as_deref());
        let name = name.unwrap_or(source);
        let mut accounts = self.accounts.lock();
        let account = accounts.entry(name.to_owned()).or_insert_with(|| {
            Arc::new(Account {
                name: name.to_owned(),
                spent: Mutex::default(),
            })
        });
        // Several sources of an account may differ: the strictest holds, as of its last sync.
        account.spent.lock().limit(source, budget);
        account.clone()
    }
}

/// An account that is asked.
#[derive(Debug)]
pub(crate) struct Account {
    name: String,
    spent: Mutex<Spent>,
}

impl Account {
    /// Waits until a request may be made, and counts it.
    pub(crate) async fn ask(&self, progress: &Progress) -> Result<(), ExtractError> {
        self.free(progress).await?;
        self.count(1);
        Ok(())
    }

    /// Waits until there is something left of the budget; fails where that takes too long to wait for.
    pub(crate) async fn free(&self, progress: &Progress) -> Result<(), ExtractError> {
        loop {
            let waits = self.spent.lock().wait_until(Instant::now());
            let Some(until) = waits else {
                return Ok(());
            };
            let length = until.saturating_duration_since(Instant::now());
            let (account, seconds) = (&self.name, length.as_secs() + 1);
            if length > PATIENCE {
                let message = format!(
                    "`{account}` may not be asked for another {seconds} s: its budget is spent, or it asks for rest"
                );
                return Err(ExtractError::new(ExtractErrorKind::RateLimited, message)
                    .hint("later syncs go on from here; `budget:` in the source's file says how much may be asked"));
            }
            progress.doing(format!("waiting {seconds} s for the budget of `{account}`"));
            tokio::time::sleep_until(until).await;
        }
    }

    /// Counts requests that were made, whether or not they were in the budget.
    pub(crate) fn count(&self, requests: u64) {
        self.spent.lock().add(requests, Instant::now());
    }

    /// Lets nobody ask for a while: the service said so.
    pub(crate) fn rest(&self, length: Duration) {
        let until = Instant::now() + length;
        let mut spent = self.spent.lock();
        spent.rests_until = Some(spent.rests_until.map_or(until, |known| known.max(until)));
    }
}

/// What was asked of an account of late.
#[derive(Debug, Default)]
struct Spent {
    /// By source: how many requests in which time.
    limits: HashMap<String, (u64, Duration)>,
    /// How many requests were made since when, oldest first.
    asked: VecDeque<(Instant, u64)>,
    rests_until: Option<Instant>,
}

impl Spent {
    fn limit(&mut self, source: &str, budget: Option<&Budget>) {
        match budget {
            Some(budget) => {
                let limit = (budget.requests, budget.window);
                self.limits.insert(source.to_owned(), limit);
            }
            None => {
                self.limits.remove(source);
            }
        }
    }

    /// Returns until when nobody may ask; none for now.
    fn wait_until(&mut self, now: Instant) -> Option<Instant> {
        if let Some(until) = self.rests_until {
            if until > now {
                return Some(until);
            }
            self.rests_until = None;
        }
        let longest = self.limits.values().map(|(_, window)| *window).max();
        let kept = now.checked_sub(longest.unwrap_or_default());
        while kept.is_some_and(|kept| self.asked.front().is_some_and(|(at, _)| *at <= kept)) {
            self.asked.pop_front();
        }
        let waits = self.limits.values().filter_map(|(most, window)| {
            let since = |at: &Instant| now.saturating_duration_since(*at) < *window;
            let within = self.asked.iter().filter(|(at, _)| since(at));
            let mut over = within.clone().map(|(_, count)| count).sum::<u64>();
            if over < *most {
                return None;
            }
            // As soon as enough of the oldest is out of the window.
            for (at, count) in within {
                over -= count;
                if over < *most {
                    return Some(*at + *window);
                }
            }
            None
        });
        waits.max()
    }

    fn add(&mut self, requests: u64, now: Instant) {
        let shortest = self.limits.values().map(|(_, window)| *window).min();
        let Some(window) = shortest else {
            return;
        };
        match self.asked.back_mut() {
            // Counted as of the end of its part: nobody is let ask too early by that.
            Some((until, count)) if now <= *until => *count += requests,
            _ => self.asked.push_back((now + window / PARTS, requests)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(limits: &[(u64, u64)]) -> Spent {
        let mut spent = Spent::default();
        for (at, (requests, seconds)) in limits.iter().enumerate() {
            let budget = Budget {
                account: Some("acme".to_owned()),
                requests: *requests,
                window: Duration::from_secs(*seconds),
            };
            spent.limit(&at.to_string(), Some(&budget));
        }
        spent
    }

    #[test]
    fn no_window_has_more_than_its_requests() {
        // Two sources of one account: the stricter of their budgets holds.
        let mut spent = spent(&[(10, 60), (100, 3_600)]);
        let began = Instant::now();
        let mut now = began;
        let mut asked = Vec::new();
        for _ in 0..40 {
            while let Some(until) = spent.wait_until(now) {
                assert!(until > now);
                now = until;
            }
            spent.add(1, now);
            asked.push(now - began);
            now += Duration::from_millis(1_500);
        }
        for (at, time) in asked.iter().enumerate() {
            let later = asked[at..].iter();
            let within = later.filter(|later| **later - *time < Duration::from_secs(60));
            assert!(within.count() <= 10, "at {at}: {asked:?}");
        }
        assert!(asked[39] < Duration::from_secs(260), "{asked:?}");
    }

    #[test]
    fn what_was_asked_beyond_it_is_waited_for() {
        let mut spent = spent(&[(5, 60)]);
        let now = Instant::now();
        spent.add(12, now);
        let until = spent.wait_until(now).unwrap();
        assert!((60..=61).contains(&(until - now).as_secs()));
        assert_eq!(spent.wait_until(until), None);
        // A service that asks for rest gets it, budget or not.
        spent.rests_until = Some(until + Duration::from_secs(30));
        assert_eq!(
            spent.wait_until(until),
            Some(until + Duration::from_secs(30))
        );
        assert_eq!(spent.wait_until(until + Duration::from_secs(30)), None);
    }

    #[test]
    fn a_source_without_a_budget_takes_its_limit_back() {
        let budgets = Budgets::default();
        let strict = Budget {
            account: None,
            requests: 1,
            window: Duration::from_secs(60),
        };
        let account = budgets.account("shop", Some(&strict));
        account.count(3);
        assert!(account.spent.lock().wait_until(Instant::now()).is_some());
        let same = budgets.account("shop", None);
        assert!(same.spent.lock().wait_until(Instant::now()).is_none());
    }
}
