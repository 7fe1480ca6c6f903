//! Who runs next: places for running queries, shared out fairly between users.
//!
//! A place goes to the user who has the fewest; of those with equally many, to the one who has
//! waited longest since the last one. One user alone never gets all places, so that somebody who
//! comes later finds one. The queue is bounded, and where it is full whoever has most in it makes
//! room: no number of queries of one user keeps another out.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::error::{QueryError, QueryErrorKind};

/// Decides who runs. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    places: usize,
    /// What one user may have of the places.
    share: usize,
    waiting: usize,
    /// Told when the first place is taken and when the last one is free again.
    busy: Option<fn(bool)>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: usize,
    waiting: usize,
    users: HashMap<Arc<str>, User>,
    /// Counts places given.
    clock: u64,
    next_id: u64,
}

#[derive(Debug, Default)]
struct User {
    running: usize,
    waiting: VecDeque<Waiter>,
    /// When the user last got a place, by the state's clock.
    served: u64,
}

#[derive(Debug)]
struct Waiter {
    id: u64,
    answer: oneshot::Sender<Option<Place>>,
}

/// The right to run, given back when dropped.
pub(crate) struct Place {
    /// None once it was given back otherwise.
    queue: Option<Queue>,
    user: Arc<str>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({})", self.user)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.take() {
            queue.leave(&self.user);
        }
    }
}

impl State {
    fn user(&mut self, name: &Arc<str>) -> &mut User {
        self.users.entry(name.clone()).or_default()
    }

    fn forget_idle(&mut self, name: &str) {
        if let Some(user) = self.users.get(name)
            && user.running == 0
            && user.waiting.is_empty()
        {
            self.users.remove(name);
        }
    }

    /// Takes the waiter out whose turn it is, and counts it as running.
    fn turn(&mut self, inner: &Inner) -> Option<(Arc<str>, Waiter)> {
        if self.running >= inner.places {
            return None;
        }
        let next = self
            .users
            .iter()
            .filter(|(_, user)| !user.waiting.is_empty() && user.running < inner.share)
            .min_by_key(|(_, user)| (user.running, user.served))
            .map(|(name, _)| name.clone())?;
        self.clock += 1;
        let clock = self.clock;
        let user = self.user(&next);
        let waiter = user.waiting.pop_front()?;
        (user.running, user.served) = (user.running + 1, clock);
        self.running += 1;
        self.waiting -= 1;
        if let Some(busy) = inner.busy.filter(|_| self.running == 1) {
            busy(true);
        }
        Some((next, waiter))
    }

    /// Takes the last waiter of whoever has most waiting, if that is more than `mine` and one.
    fn evict(&mut self, mine: usize) -> Option<Waiter> {
        let most = self
            .users
            .values_mut()
            .max_by_key(|user| user.waiting.len())?;
        if most.waiting.len() <= mine + 1 {
            return None;
        }
        self.waiting -= 1;
        most.waiting.pop_back()
    }
}

impl Queue {
    /// Makes a queue of `places` for running queries and as many as `waiting` for others.
    pub(crate) fn new(places: usize, waiting: usize, busy: Option<fn(bool)>) -> Self {
        let places = places.max(1);
        Self {
            inner: Arc::new(Inner {
                places,
                // A quarter stays free for others; with a single place there is nothing to keep.
                share: (places - (places / 4).max(1)).max(1),
                waiting,
                busy,
                state: Mutex::default(),
            }),
        }
    }

    /// Waits for a place for `user`; refused where too many wait already.
    pub(crate) async fn enter(&self, user: &str) -> Result<Place, QueryError> {
        self.wait(user, false).await
    }

    /// Waits for a place for a query that had one before and gave it up for a while: it goes before
    /// those of its user that have not begun, and is never refused.
    pub(crate) async fn enter_again(&self, user: &str) -> Result<Place, QueryError> {
        self.wait(user, true).await
    }

    async fn wait(&self, user: &str, again: bool) -> Result<Place, QueryError> {
        let user: Arc<str> = user.into();
        let (answer, place) = oneshot::channel();
        let id = {
            let mut state = self.inner.state.lock();
            let mine = state.users.get(&user).map_or(0, |user| user.waiting.len());
            let full = state.waiting >= self.inner.waiting && !self.free_for(&state, &user);
            if full && !again {
                match state.evict(mine) {
                    Some(evicted) => drop(evicted.answer.send(None)),
                    None => return Err(self.full(&state)),
                }
            }
            state.next_id += 1;
            let id = state.next_id;
            state.waiting += 1;
            let waiting = &mut state.user(&user).waiting;
            match again {
                true => waiting.push_front(Waiter { id, answer }),
                false => waiting.push_back(Waiter { id, answer }),
            }
            id
        };
        // Leaves the queue when the waiting future is dropped, too.
        let _in_queue = InQueue {
            queue: self,
            user: &user,
            id,
        };
        self.hand_out();
        match place.await {
            Ok(Some(place)) => Ok(place),
            _ => {
                let refused = self.full(&self.inner.state.lock());
                Err(refused)
            }
        }
    }

    fn free_for(&self, state: &State, user: &str) -> bool {
        let user = state.users.get(user);
        state.running < self.inner.places
            && user.is_none_or(|user| user.running < self.inner.share && user.waiting.is_empty())
    }

    fn full(&self, state: &State) -> QueryError {
        QueryError::new(
            QueryErrorKind::Busy,
            format!(
                "{} queries run and {} wait already",
                state.running, state.waiting
            ),
        )
        .hint("try again in a moment; weir.queries shows what runs")
    }

    /// Gives free places to those whose turn it is.
    fn hand_out(&self) {
        loop {
            let Some((user, waiter)) = self.inner.state.lock().turn(&self.inner) else {
                return;
            };
            let queue = Some(self.clone());
            if let Err(Some(mut unwanted)) = waiter.answer.send(Some(Place { queue, user })) {
                // Went away meanwhile. Not dropped, which would hand out from inside of handing out.
                unwanted.queue = None;
                self.give_back(&unwanted.user);
            }
        }
    }

    fn give_back(&self, user: &Arc<str>) {
        let mut state = self.inner.state.lock();
        state.running -= 1;
        if let Some(busy) = self.inner.busy.filter(|_| state.running == 0) {
            busy(false);
        }
        state.user(user).running -= 1;
        state.forget_idle(user);
    }

    fn leave(&self, user: &Arc<str>) {
        self.give_back(user);
        self.hand_out();
    }
}

struct InQueue<'a> {
    queue: &'a Queue,
    user: &'a Arc<str>,
    id: u64,
}

impl Drop for InQueue<'_> {
    fn drop(&mut self) {
        let mut state = self.queue.inner.state.lock();
        let waiting = &mut state.user(self.user).waiting;
        let before = waiting.len();
        waiting.retain(|waiter| waiter.id != self.id);
        let left = before - waiting.len();
        state.waiting -= left;
        state.forget_idle(self.user);
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use futures::future::BoxFuture;

    use super::*;

    type Entering<'a> = BoxFuture<'a, Result<Place, QueryError>>;

    fn entering<'a>(queue: &'a Queue, user: &'a str) -> (Entering<'a>, Option<Place>) {
        let mut entering = queue.enter(user).boxed();
        let place = (&mut entering).now_or_never().map(Result::unwrap);
        (entering, place)
    }

    #[test]
    fn one_user_leaves_a_place_to_others() {
        let queue = Queue::new(4, 10, None);
        let places: Vec<Place> = (0..3).map(|_| entering(&queue, "a").1.unwrap()).collect();
        let (mut fourth, none) = entering(&queue, "a");
        assert!(none.is_none());
        let other = entering(&queue, "b").1.unwrap();
        let (mut second, none) = entering(&queue, "b");
        assert!(none.is_none());
        drop(places);
        let fourth = (&mut fourth).now_or_never().unwrap().unwrap();
        let second = (&mut second).now_or_never().unwrap().unwrap();
        drop((other, second, fourth));
        assert!(queue.inner.state.lock().users.is_empty());
    }

    #[test]
    fn fifty_of_one_do_not_delay_one_of_another() {
        let queue = Queue::new(1, 100, None);
        let running = entering(&queue, "a").1.unwrap();
        let mut fifty: Vec<_> = (0..50).map(|_| entering(&queue, "a").0).collect();
        let (mut one, none) = entering(&queue, "b");
        assert!(none.is_none());
        drop(running);
        let place = (&mut one).now_or_never().unwrap().unwrap();
        assert!(
            fifty
                .iter_mut()
                .all(|entering| entering.now_or_never().is_none())
        );
        drop(place);
        assert!((&mut fifty[0]).now_or_never().is_some());
    }

    #[test]
    fn whoever_has_most_in_a_full_queue_makes_room() {
        let queue = Queue::new(1, 3, None);
        let running = entering(&queue, "a").1.unwrap();
        let mut waiting: Vec<_> = (0..3).map(|_| entering(&queue, "a").0).collect();
        let refused = queue.enter("a").now_or_never().unwrap().unwrap_err();
        assert_eq!(refused.sqlstate(), "53300");
        let (mut other, none) = entering(&queue, "b");
        assert!(none.is_none());
        let evicted = (&mut waiting[2]).now_or_never().unwrap().unwrap_err();
        assert_eq!(evicted.kind(), QueryErrorKind::Busy);
        drop(running);
        assert!((&mut other).now_or_never().is_some());
    }

    #[test]
    fn who_goes_away_leaves_no_trace() {
        let queue = Queue::new(1, 3, None);
        let running = entering(&queue, "a").1.unwrap();
        drop(entering(&queue, "b"));
        let (mut again, first) = (queue.enter_again("a").boxed(), entering(&queue, "a").0);
        assert!((&mut again).now_or_never().is_none());
        drop(first);
        drop(running);
        drop((&mut again).now_or_never().unwrap().unwrap());
        drop(again);
        let state = queue.inner.state.lock();
        assert_eq!((state.running, state.waiting), (0, 0));
        assert!(state.users.is_empty());
    }

    #[tokio::test]
    async fn the_first_and_the_last_are_told() {
        static TOLD: Mutex<Vec<bool>> = Mutex::new(Vec::new());
        let queue = Queue::new(4, 10, Some(|busy| TOLD.lock().push(busy)));
        let first = queue.enter("ada").await.unwrap();
        let second = queue.enter("ada").await.unwrap();
        drop(first);
        assert_eq!(*TOLD.lock(), [true]);
        drop(second);
        let third = queue.enter("bob").await.unwrap();
        assert_eq!(*TOLD.lock(), [true, false, true]);
        drop(third);
    }
}
