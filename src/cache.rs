//! A bounded map whose entries end by themselves: the one shape behind both caches of the proxy.

use std::collections::VecDeque;
use std::fmt;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use dashmap::DashMap;
use tokio::time::Instant;

use crate::digest::DigestHasher;

/// A concurrent map with a bound and an end for every entry.
///
/// A read takes one shard lock for the time of a clone, so values are meant to be cheap to clone. When the map is
/// full, the entry that was inserted first makes room. Keys are made of [`Digest`](crate::digest::Digest)s.
pub struct BoundedCache<K, V> {
    entries: DashMap<K, Entry<V>, DigestHasher>,
    /// Keys in the order of their insertion; one whose ticket is not that of its entry is a leftover.
    order: Mutex<VecDeque<(K, u64)>>,
    next_ticket: AtomicU64,
    capacity: AtomicUsize,
}

struct Entry<V> {
    value: V,
    ends: Instant,
    ticket: u64,
}

impl<K: Copy + Eq + Hash, V: Clone> BoundedCache<K, V> {
    /// An empty cache for at most `capacity` entries.
    pub fn new(capacity: usize) -> Self {
        Self {
            entries: DashMap::with_hasher(DigestHasher::default()),
            order: Mutex::new(VecDeque::new()),
            next_ticket: AtomicU64::new(0),
            capacity: AtomicUsize::new(capacity.max(1)),
        }
    }

    /// The value under `key`, unless its end has come.
    pub fn find(&self, key: &K) -> Option<V> {
        self.find_at(key, Instant::now())
    }

    /// The value under `key`, unless its end had come at `now`.
    pub fn find_at(&self, key: &K, now: Instant) -> Option<V> {
        let entry = self.entries.get(key)?;
        (now < entry.ends).then(|| entry.value.clone())
    }

    /// Keeps `value` until `ends`; a value that has ended already is not kept.
    pub fn insert(&self, key: K, value: V, ends: Instant) {
        if ends <= Instant::now() {
            return;
        }
        let ticket = self.next_ticket.fetch_add(1, Ordering::Relaxed);
        self.entries.insert(key, Entry { value, ends, ticket });
        self.make_room_after(key, ticket);
    }

    /// Removes the entry under `key` if `unwanted` says so of its value; tells whether it did.
    pub fn remove_if(&self, key: &K, unwanted: impl FnOnce(&V) -> bool) -> bool {
        self.entries.remove_if(key, |_, entry| unwanted(&entry.value)).is_some()
    }

    /// How many entries there are, ended ones included until the next sweep.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Another bound from now on; what is over it leaves at once, the oldest first.
    pub fn resize(&self, capacity: usize) {
        self.capacity.store(capacity.max(1), Ordering::Relaxed);
        self.make_room(&mut self.order());
    }

    /// Removes every entry.
    pub fn clear(&self) {
        self.entries.clear();
        self.order().clear();
    }

    /// Removes every entry that has ended or that `keep` does not want.
    pub fn sweep(&self, keep: impl Fn(&V) -> bool) {
        let now = Instant::now();
        self.entries.retain(|_, entry| now < entry.ends && keep(&entry.value));
        self.order().retain(|(key, ticket)| self.is_current(key, *ticket));
    }

    fn make_room_after(&self, key: K, ticket: u64) {
        let mut order = self.order();
        order.push_back((key, ticket));
        self.make_room(&mut order);
    }

    fn make_room(&self, order: &mut VecDeque<(K, u64)>) {
        let capacity = self.capacity.load(Ordering::Relaxed);
        while self.entries.len() > capacity {
            let Some((oldest, ticket)) = order.pop_front() else { break };
            self.entries.remove_if(&oldest, |_, entry| entry.ticket == ticket);
        }
        if order.len() > capacity.saturating_mul(2) {
            order.retain(|(key, ticket)| self.is_current(key, *ticket));
        }
    }

    fn is_current(&self, key: &K, ticket: u64) -> bool {
        self.entries.get(key).is_some_and(|entry| entry.ticket == ticket)
    }

    fn order(&self) -> std::sync::MutexGuard<'_, VecDeque<(K, u64)>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Prints the number of entries and the bound, never a value.
impl<K: Eq + Hash, V> fmt::Debug for BoundedCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedCache")
            .field("entries", &self.entries.len())
            .field("capacity", &self.capacity.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::digest::Digest;

    fn key(n: u32) -> Digest {
        Digest::of(&n.to_be_bytes())
    }

    #[tokio::test(start_paused = true)]
    async fn an_entry_is_found_until_its_end_and_not_after() {
        let cache = BoundedCache::new(10);
        cache.insert(key(1), "b", Instant::now() + Duration::from_secs(10));
        tokio::time::advance(Duration::from_millis(9_999)).await;
        assert_eq!(cache.find(&key(1)), Some("b"));
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(cache.find(&key(1)), None);
        cache.sweep(|_| true);
        assert!(cache.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn an_ended_value_is_not_kept() {
        let cache = BoundedCache::new(10);
        cache.insert(key(1), "b", Instant::now());
        assert!(cache.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn the_bound_holds_and_the_oldest_entry_makes_room() {
        let cache = BoundedCache::new(100);
        for n in 0..1_000 {
            cache.insert(key(n), n, Instant::now() + Duration::from_secs(10));
            assert!(cache.len() <= 100);
        }
        assert_eq!(cache.find(&key(899)), None);
        assert_eq!(cache.find(&key(900)), Some(900));
        assert_eq!(cache.find(&key(999)), Some(999));
    }

    #[tokio::test(start_paused = true)]
    async fn a_renewed_entry_counts_as_new_and_leftovers_are_bounded() {
        let cache = BoundedCache::new(2);
        let ends = Instant::now() + Duration::from_secs(10);
        cache.insert(key(1), 1, ends);
        cache.insert(key(2), 2, ends);
        cache.insert(key(1), 11, ends);
        cache.insert(key(3), 3, ends);
        assert_eq!(cache.find(&key(1)), Some(11));
        assert_eq!(cache.find(&key(2)), None);
        for n in 0..1_000 {
            cache.insert(key(1), n, ends);
        }
        assert!(cache.order().len() <= 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_smaller_bound_holds_at_once_and_a_larger_one_gives_room() {
        let cache = BoundedCache::new(10);
        let ends = Instant::now() + Duration::from_secs(10);
        (0..10).for_each(|n| cache.insert(key(n), n, ends));
        cache.resize(3);
        assert_eq!((cache.len(), cache.find(&key(6)), cache.find(&key(7))), (3, None, Some(7)));
        cache.resize(5);
        (10..20).for_each(|n| cache.insert(key(n), n, ends));
        assert_eq!(cache.len(), 5);
        cache.clear();
        assert!(cache.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn removal_asks_about_the_very_value() {
        let cache = BoundedCache::new(2);
        cache.insert(key(1), 1, Instant::now() + Duration::from_secs(10));
        assert!(!cache.remove_if(&key(1), |value| *value == 2));
        assert!(cache.remove_if(&key(1), |value| *value == 1));
    }
}
