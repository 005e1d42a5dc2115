//! Token B: opaque to us, ready to be put into a request.

use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

/// A token B and the time until which it may be used.
pub struct TokenB {
    header: HeaderValue,
    ends: Instant,
}

impl TokenB {
    /// A token whose whole `Authorization` value is `header`, used until `ends`.
    pub(super) fn new(mut header: HeaderValue, ends: Instant) -> Self {
        header.set_sensitive(true);
        Self { header, ends }
    }

    /// The value for `Authorization`; a clone shares its bytes.
    pub fn header(&self) -> &HeaderValue {
        &self.header
    }

    /// When it stops being used.
    pub(super) fn ends(&self) -> Instant {
        self.ends
    }
}

impl std::fmt::Debug for TokenB {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenB").field("ends", &self.ends).finish_non_exhaustive()
    }
}

/// How long a token that lives for `lifetime` is used, for a caller whose own token lives for `caller` more.
///
/// Five minutes less than it lives, so that it does not end on the way to the target; a token that lives for less than
/// ten minutes gives up half its life instead. Never longer than the caller's token, and never longer than a day.
pub(super) fn usable(lifetime: Duration, caller: Duration) -> Duration {
    let early = EARLY.min(lifetime / 2);
    lifetime.saturating_sub(early).min(caller).min(LONGEST)
}

/// How long before its end a token is not used any more.
const EARLY: Duration = Duration::from_mins(5);

/// The longest time that a token is used, whatever the identity provider says.
const LONGEST: Duration = Duration::from_hours(24);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn seconds(lifetime: u64, caller: u64) -> u64 {
        usable(Duration::from_secs(lifetime), Duration::from_secs(caller)).as_secs()
    }

    #[test]
    fn gives_up_five_minutes_or_half() {
        assert_eq!(seconds(3600, 9999), 3300);
        assert_eq!(seconds(600, 9999), 300);
        assert_eq!(seconds(60, 9999), 30);
        assert_eq!(seconds(0, 9999), 0);
    }

    #[test]
    fn never_outlives_the_caller_or_a_day() {
        assert_eq!(seconds(3600, 100), 100);
        assert_eq!(seconds(u64::MAX, u64::MAX), 24 * 3600);
    }

    proptest! {
        #[test]
        fn is_always_within_both_lives(lifetime: u64, caller: u64) {
            let usable = seconds(lifetime, caller);
            prop_assert!(usable <= lifetime && usable <= caller);
            prop_assert!(usable >= (lifetime / 2).min(caller).min(24 * 3600) || lifetime < 2);
        }
    }
}
