//! One rate limit for many keys, with a bound on their number.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::rate::Rate;
use super::{Counted, Exceeded, RateLimit};

/// Counts each key on its own.
///
/// A key costs one short lock of one shard, and about 60 bytes. Keys whose debt is paid are forgotten. Where a shard
/// is full of others, those with the least debt are forgotten, and every key that is not there begins with the most
/// debt that was ever forgotten in its shard: so a key may be held back early, and is never let through too often.
/// Which shard a key is in depends on a secret of this process.
pub struct Limiter {
    limit: RateLimit,
    rate: Rate,
    shards: [Mutex<Shard>; SHARDS],
    /// The most keys of one shard.
    room: usize,
    hasher: RandomState,
    began: Instant,
}

#[derive(Default)]
struct Shard {
    /// When the debt of each key is paid.
    paid_at: HashMap<Counted, u64, RandomState>,
    /// No key that is not there has a debt that is paid later than this.
    forgotten: u64,
}

impl Limiter {
    /// Keeps at most `capacity` keys, and no fewer than one in each of its 16 shards.
    pub fn new(limit: RateLimit, capacity: usize) -> Self {
        Self {
            limit,
            rate: Rate::new(&limit),
            shards: Default::default(),
            room: (capacity / SHARDS).max(1),
            hasher: RandomState::new(),
            began: Instant::now(),
        }
    }

    /// What is counted, and how much of it is admitted.
    pub fn limit(&self) -> &RateLimit {
        &self.limit
    }

    /// Admits one more of `counted`.
    ///
    /// # Errors
    /// How long to wait. A refusal is not counted.
    pub fn admit(&self, counted: Counted) -> Result<(), Exceeded> {
        self.admit_at(counted, Instant::now())
    }

    /// As [`Limiter::admit`], at `now`.
    ///
    /// # Errors
    /// As there.
    pub fn admit_at(&self, counted: Counted, now: Instant) -> Result<(), Exceeded> {
        let now = self.nanoseconds(now);
        let outcome = self.shard(&counted).lock().admit(counted, self.rate, now, self.room);
        outcome.map_err(|wait| Exceeded { by: self.limit.by, retry_after: Duration::from_nanos(wait) })
    }

    /// Forgets the keys whose debt is paid.
    pub fn sweep(&self) {
        for shard in &self.shards {
            shard.lock().forget_paid(self.nanoseconds(Instant::now()));
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().paid_at.len()).sum()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn nanoseconds(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }

    fn shard(&self, counted: &Counted) -> &Mutex<Shard> {
        let [first, ..] = &self.shards;
        let place = self.hasher.hash_one(counted) % (SHARDS as u64);
        usize::try_from(place).ok().and_then(|place| self.shards.get(place)).unwrap_or(first)
    }
}

impl Shard {
    fn admit(&mut self, counted: Counted, rate: Rate, now: u64, room: usize) -> Result<(), u64> {
        if let Some(paid_at) = self.paid_at.get_mut(&counted) {
            *paid_at = rate.admit(*paid_at, now)?;
            return Ok(());
        }
        let paid_at = rate.admit(self.forgotten, now)?;
        if self.paid_at.len() >= room {
            self.make_room(now, room);
        }
        self.paid_at.insert(counted, paid_at);
        Ok(())
    }

    /// Makes room for a quarter of the keys at once, so that few of those who come pay for it.
    fn make_room(&mut self, now: u64, room: usize) {
        self.forget_paid(now);
        let spared = (room - room.div_ceil(4)).min(room - 1);
        let mut moments: Vec<_> = self.paid_at.values().copied().collect();
        if let Some(last) = moments.len().checked_sub(spared + 1) {
            let (_, forgotten, _) = moments.select_nth_unstable(last);
            self.forget_until(*forgotten);
        }
    }

    fn forget_paid(&mut self, now: u64) {
        self.forget_until(now);
        if self.paid_at.len() < self.paid_at.capacity() / 4 {
            self.paid_at.shrink_to_fit();
        }
    }

    fn forget_until(&mut self, moment: u64) {
        self.paid_at.retain(|_, paid_at| *paid_at > moment);
        self.forgotten = self.forgotten.max(moment);
    }
}

/// Prints the limit and the number of keys, never a key.
impl std::fmt::Debug for Limiter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Limiter").field("limit", &self.limit).field("keys", &self.len()).finish_non_exhaustive()
    }
}

/// So many keys can be looked up at once; a power of two.
const SHARDS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::advance;

    use super::*;
    use crate::digest::Digest;
    use crate::limit::CountedBy;

    fn limit(requests: u32, burst: u32) -> RateLimit {
        RateLimit { requests, per: Duration::from_secs(1), burst, by: CountedBy::User }
    }

    fn key(n: u32) -> Counted {
        Counted::caller(Some(Digest::of(&n.to_be_bytes())))
    }

    fn admitted(limiter: &Limiter, counted: Counted, tries: u32) -> usize {
        (0..tries).filter(|_| limiter.admit(counted).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn each_key_has_the_limit_to_itself_and_gets_it_again() {
        let limiter = Limiter::new(limit(10, 5), 1_000);
        for n in 0..20 {
            assert_eq!(admitted(&limiter, key(n), 50), 5);
        }
        let exceeded = limiter.admit(key(3)).unwrap_err();
        assert_eq!(exceeded, Exceeded { by: CountedBy::User, retry_after: Duration::from_millis(100) });
        advance(exceeded.retry_after).await;
        assert_eq!(admitted(&limiter, key(3), 50), 1);
        advance(Duration::from_secs(1)).await;
        assert_eq!(admitted(&limiter, key(3), 50), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn keys_that_owe_nothing_are_forgotten() {
        let limiter = Limiter::new(limit(10, 5), 10_000);
        (0..1_000).for_each(|n| assert!(limiter.admit(key(n)).is_ok()));
        limiter.sweep();
        assert_eq!(limiter.len(), 1_000);
        advance(Duration::from_millis(100)).await;
        limiter.sweep();
        assert!(limiter.is_empty());
        assert_eq!(admitted(&limiter, key(1), 50), 5, "and lose nothing by it");
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_invents_keys_gets_no_room_and_frees_nobody() {
        let limiter = Limiter::new(limit(1, 10), 1_600);
        let heavy = key(u32::MAX);
        assert_eq!(admitted(&limiter, heavy, 50), 10);
        for n in 0..5_000 {
            let _ = limiter.admit(key(n));
            assert!(limiter.len() <= 1_600);
            assert!(limiter.admit(heavy).is_err(), "freed by {n} others");
        }
        // A key that is new shares the debt of those that were forgotten, and is served all the same.
        assert!((1..10).contains(&admitted(&limiter, key(1_000_000), 50)));
    }

    #[test]
    fn threads_together_get_no_more_than_one() {
        let limiter = Limiter::new(RateLimit { per: Duration::from_hours(1), ..limit(1, 1_000) }, 100);
        let admitted: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| admitted(&limiter, key(1), 1_000))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(admitted, 1_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        /// With room for far fewer keys than there are.
        #[test]
        fn no_key_gets_more_than_its_limit_whoever_else_comes(
            burst in 1_u32..6, room in 1_usize..8,
            steps in proptest::collection::vec((0_u32..30, prop_oneof![4 => Just(0_u64), 1 => 0_u64..300_000_000]), 1..400),
        ) {
            let rate = Rate::new(&limit(10, burst));
            let (mut shard, mut now) = (Shard::default(), 0);
            let mut admitted: HashMap<u32, Vec<u64>> = HashMap::new();
            for (n, pause) in steps {
                now += pause;
                if shard.admit(key(n), rate, now, room).is_ok() {
                    admitted.entry(n).or_default().push(now);
                }
                prop_assert!(shard.paid_at.len() <= room);
            }
            for moments in admitted.values() {
                for (first, from) in moments.iter().enumerate() {
                    for (last, to) in moments.iter().enumerate().skip(first) {
                        let given = (to - from) / 100_000_000;
                        prop_assert!((last - first + 1) as u64 <= u64::from(burst) + given);
                    }
                }
            }
        }

        /// However full it is: whoever pauses for as long as a whole burst costs is admitted.
        #[test]
        fn whoever_pauses_long_enough_is_admitted(
            burst in 1_u32..6, room in 1_usize..8, crowd in proptest::collection::vec(0_u32..30, 0..200),
        ) {
            let rate = Rate::new(&limit(10, burst));
            let mut shard = Shard::default();
            for n in crowd {
                let _ = shard.admit(key(n), rate, 0, room);
            }
            let now = u64::from(burst) * 100_000_000;
            prop_assert!((0..30).all(|n| shard.admit(key(n), rate, now, 100).is_ok()));
        }
    }
}
