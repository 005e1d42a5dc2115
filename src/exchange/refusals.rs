//! Refusals that are repeated from memory: for a short time, and for the very token A and exchange that they met.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::definition::Key;
use super::error::ExchangeError;
use crate::cache::BoundedCache;

/// The refusals of late.
#[derive(Debug)]
pub(super) struct Refusals {
    kept: BoundedCache<Key, (ExchangeError, Instant)>,
    /// In milliseconds.
    longest: AtomicU64,
}

impl Refusals {
    /// Remembers at most `capacity` refusals, none longer than `longest` unless the identity provider says so.
    pub(super) fn new(capacity: usize, longest: Duration) -> Self {
        Self { kept: BoundedCache::new(capacity), longest: AtomicU64::new(milliseconds(longest)) }
    }

    /// As for [`Refusals::new`], from now on. What is remembered stays as long as it was to stay.
    pub(super) fn resize(&self, capacity: usize, longest: Duration) {
        self.kept.resize(capacity);
        self.longest.store(milliseconds(longest), Ordering::Relaxed);
    }

    /// What the identity provider would say again.
    pub(super) fn recall(&self, key: &Key) -> Option<ExchangeError> {
        let (error, until) = self.kept.find(key)?;
        Some(match error {
            ExchangeError::Throttled { whole_client, refusal, .. } => {
                let wait = until.saturating_duration_since(Instant::now());
                ExchangeError::Throttled { retry_after: Some(wait), whole_client, refusal }
            }
            ExchangeError::Unavailable { cause, answered, .. } => {
                let wait = until.saturating_duration_since(Instant::now());
                ExchangeError::Unavailable { cause, answered, retry_after: Some(wait) }
            }
            error => error,
        })
    }

    /// Remembers a refusal, if it is one that would be repeated.
    pub(super) fn keep(&self, key: Key, error: &ExchangeError) {
        if let Some(lifetime) = lifetime(error, Duration::from_millis(self.longest.load(Ordering::Relaxed))) {
            let until = Instant::now() + lifetime;
            self.kept.insert(key, (error.clone(), until), until);
        }
    }

    /// Drops refusals that have ended.
    pub(super) fn sweep(&self) {
        self.kept.sweep(|_| true);
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.kept.len()
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How long a refusal stands. What an administrator may be mending at this moment is asked for again soon.
fn lifetime(error: &ExchangeError, longest: Duration) -> Option<Duration> {
    match error {
        ExchangeError::ClaimsChallenge { .. }
        | ExchangeError::InteractionRequired(_)
        | ExchangeError::Refused(_)
        | ExchangeError::BadToken(_) => Some(longest),
        ExchangeError::ConsentRequired(_) => Some(longest.min(CONSENT)),
        ExchangeError::Misconfigured(_) | ExchangeError::NoCredential(_) => Some(longest.min(OWN_FAULT)),
        ExchangeError::Throttled { whole_client: false, retry_after, .. } => Some(retry_after.unwrap_or(UNTIMED_WAIT)),
        ExchangeError::Unavailable { retry_after, .. } => *retry_after,
        // What concerns the whole client is held by the endpoint.
        ExchangeError::Throttled { whole_client: true, .. }
        | ExchangeError::HeldBack { .. }
        | ExchangeError::RateLimited(_)
        | ExchangeError::Timeout => None,
    }
}

/// How long a missing consent stands at most.
const CONSENT: Duration = Duration::from_secs(15);

/// How long a refusal of ourselves stands at most.
const OWN_FAULT: Duration = Duration::from_secs(5);

/// How long a caller waits that was throttled without being told for how long.
pub(super) const UNTIMED_WAIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::exchange::error::IdpRefusal;

    fn key(n: u8) -> Key {
        (Digest::of(&[n]), Digest::of(b"exchange"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_stands_for_its_time_and_its_token() {
        let refusals = Refusals::new(10, Duration::from_mins(1));
        let refused = ExchangeError::Refused(IdpRefusal::default());
        refusals.keep(key(1), &refused);
        tokio::time::advance(Duration::from_millis(59_999)).await;
        assert_eq!(refusals.recall(&key(1)), Some(refused));
        assert_eq!(refusals.recall(&key(2)), None, "another token is not held back");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(refusals.recall(&key(1)), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_grows_shorter() {
        let refusals = Refusals::new(10, Duration::from_mins(1));
        let retry_after = Some(Duration::from_secs(20));
        let refusal = IdpRefusal::default();
        refusals.keep(key(1), &ExchangeError::Throttled { retry_after, whole_client: false, refusal: refusal.clone() });
        tokio::time::advance(Duration::from_secs(15)).await;
        let retry_after = Some(Duration::from_secs(5));
        let expected = ExchangeError::Throttled { retry_after, whole_client: false, refusal };
        assert_eq!(refusals.recall(&key(1)), Some(expected));
    }

    #[tokio::test(start_paused = true)]
    async fn what_passes_is_not_remembered() {
        let refusals = Refusals::new(10, Duration::from_mins(1));
        let held = ExchangeError::HeldBack { retry_after: Duration::from_secs(1), throttled: false };
        for passing in [ExchangeError::Timeout, ExchangeError::unreachable("x"), ExchangeError::nonsense("x"), held] {
            refusals.keep(key(1), &passing);
            assert_eq!(refusals.len(), 0, "{passing:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn no_memory_at_all_is_a_choice() {
        let refusals = Refusals::new(10, Duration::ZERO);
        refusals.keep(key(1), &ExchangeError::Refused(IdpRefusal::default()));
        assert_eq!(refusals.recall(&key(1)), None);
    }
}
