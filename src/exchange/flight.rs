//! One fetch per key, detached from whoever asked first: all who wait share its outcome, and nobody who leaves harms it.

use std::hash::Hash;
use std::sync::Arc;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use tokio::sync::watch;

use crate::digest::DigestHasher;

/// The fetches that are under way, by key.
pub(super) struct Flights<K, T>(Arc<DashMap<K, Landing<T>, DigestHasher>>)
where
    K: Eq + Hash;

/// Where the outcome of a fetch will appear; `None` until then.
type Landing<T> = watch::Receiver<Option<T>>;

/// Whether this request started the fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Leader,
    Follower,
}

impl<K, T> Flights<K, T>
where
    K: Copy + Eq + Hash + Send + Sync + 'static,
    T: Clone + Send + Sync + 'static,
{
    pub(super) fn new() -> Self {
        Self(Arc::new(DashMap::with_hasher(DigestHasher::default())))
    }

    /// Joins the fetch for `key`, or starts the one that `fetch` describes.
    ///
    /// `ready` is asked once more when no fetch is under way: one may just have landed, and its outcome is in a cache.
    /// `None` in the end means that the fetch died.
    pub(super) async fn join<F>(
        &self,
        key: K,
        ready: impl FnOnce() -> Option<T>,
        fetch: impl FnOnce() -> F,
    ) -> (Role, Option<T>)
    where
        F: Future<Output = T> + Send + 'static,
    {
        let (role, mut landing) = match self.0.entry(key) {
            Entry::Occupied(under_way) => (Role::Follower, under_way.get().clone()),
            Entry::Vacant(free) => {
                if let Some(outcome) = ready() {
                    return (Role::Follower, Some(outcome));
                }
                let (arrival, landing) = watch::channel(None);
                free.insert(landing.clone());
                let end = EndOfFlight { flights: Arc::clone(&self.0), key };
                let fetch = fetch();
                tokio::spawn(async move {
                    let outcome = fetch.await;
                    drop(end);
                    arrival.send_replace(Some(outcome));
                });
                (Role::Leader, landing)
            }
        };
        let outcome = landing.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        (role, outcome)
    }
}

/// Takes the fetch off the list, also when it panics.
struct EndOfFlight<K: Eq + Hash, T> {
    flights: Arc<DashMap<K, Landing<T>, DigestHasher>>,
    key: K,
}

impl<K: Eq + Hash, T> Drop for EndOfFlight<K, T> {
    fn drop(&mut self) {
        self.flights.remove(&self.key);
    }
}

impl<K: Eq + Hash, T> std::fmt::Debug for Flights<K, T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Flights").field("under_way", &self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::digest::Digest;

    async fn fetch(count: Arc<AtomicU32>) -> u32 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        count.fetch_add(1, Ordering::Relaxed) + 1
    }

    #[tokio::test(start_paused = true)]
    async fn a_thousand_requests_share_one_fetch() {
        let (flights, count) = (Arc::new(Flights::new()), Arc::new(AtomicU32::new(0)));
        let requests: Vec<_> = (0..1_000)
            .map(|_| {
                let (flights, count) = (Arc::clone(&flights), Arc::clone(&count));
                tokio::spawn(async move { flights.join(Digest::of(b"k"), || None, || fetch(count)).await })
            })
            .collect();
        let mut leaders = 0;
        for request in requests {
            let (role, outcome) = request.await.unwrap();
            leaders += u32::from(role == Role::Leader);
            assert_eq!(outcome, Some(1));
        }
        assert_eq!((leaders, flights.0.len()), (1, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_leader_that_leaves_does_not_end_the_fetch() {
        let (flights, count) = (Arc::new(Flights::new()), Arc::new(AtomicU32::new(0)));
        let leader = {
            let (flights, count) = (Arc::clone(&flights), Arc::clone(&count));
            tokio::spawn(async move { flights.join(Digest::of(b"k"), || None, || fetch(count)).await })
        };
        tokio::task::yield_now().await;
        leader.abort();
        let (role, outcome) = flights.join(Digest::of(b"k"), || None, || fetch(Arc::clone(&count))).await;
        assert_eq!((role, outcome), (Role::Follower, Some(1)));
    }

    #[tokio::test]
    async fn a_fetch_that_panics_frees_its_key_and_its_waiters() {
        let flights = Flights::<Digest, u32>::new();
        let (_, outcome) = flights.join(Digest::of(b"k"), || None, || async { panic!("on purpose") }).await;
        assert_eq!(outcome, None);
        let (_, outcome) = flights.join(Digest::of(b"k"), || None, || async { 7 }).await;
        assert_eq!(outcome, Some(7));
    }

    #[tokio::test]
    async fn an_outcome_that_just_landed_is_used() {
        let flights = Flights::new();
        let (role, outcome) = flights.join(Digest::of(b"k"), || Some(5), || async { 7 }).await;
        assert_eq!((role, outcome), (Role::Follower, Some(5)));
    }
}
