//! How long a token B is used: until when it serves, from when it is renewed beside requests, and when it ends.

use std::time::Duration;

use tokio::time::Instant;

/// The life of a token B, never longer than that of the caller's own token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lifetime {
    /// From here on it is renewed while it serves; nothing where a renewal would bring no longer life.
    renew: Option<Instant>,
    /// From here on a request wants another one first.
    due: Instant,
    /// From here on it is not used at all.
    end: Instant,
}

/// What a token B is good for at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It serves.
    Fresh,
    /// It serves, and another one is fetched beside.
    Renewable,
    /// It serves only where no other one can be had.
    Due,
    /// It serves no more.
    Ended,
}

/// What the answer of a token endpoint and the caller's own token say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given {
    /// `expires_in`.
    pub(super) lifetime: Duration,
    /// `refresh_in`.
    pub(super) refresh_in: Option<Duration>,
    /// How long the caller's token lives; nothing where the token is no caller's.
    pub(super) caller: Option<Duration>,
    /// From 0 to 1, at random: so that what was fetched at one moment is not renewed at one moment.
    pub(super) jitter: f64,
}

impl Lifetime {
    /// From `start`, the moment when the token was asked for.
    ///
    /// A token is due five minutes before it ends, so that it does not end on the way to the target; one that lives for
    /// less than ten minutes is due after half its life.
    pub(super) fn new(start: Instant, given: Given) -> Self {
        let lifetime = given.lifetime.min(LONGEST);
        let caller = given.caller.unwrap_or(Duration::MAX);
        let due = lifetime.saturating_sub(EARLY.min(lifetime / 2));
        let renew = given.refresh_in.unwrap_or_else(|| due.saturating_sub(WINDOW.min(due / 10))).min(due);
        let renew = renew.mul_f64(1.0 - JITTER * given.jitter.clamp(0.0, 1.0));
        Self {
            renew: (due < caller).then(|| start + renew),
            due: start + due.min(caller),
            end: start + lifetime.min(caller),
        }
    }

    /// What the token is good for at `now`.
    pub(super) fn phase(&self, now: Instant) -> Phase {
        if now >= self.end {
            Phase::Ended
        } else if now >= self.due {
            Phase::Due
        } else if self.renew.is_some_and(|renew| now >= renew) {
            Phase::Renewable
        } else {
            Phase::Fresh
        }
    }

    /// When it ends.
    pub(super) fn end(&self) -> Instant {
        self.end
    }
}

/// How long before its end a token is due.
const EARLY: Duration = Duration::from_mins(5);

/// The longest time before that in which it is renewed, where the identity provider does not say when.
const WINDOW: Duration = Duration::from_mins(5);

/// The share of the time until a renewal by which it may come earlier.
const JITTER: f64 = 0.1;

/// The longest time that a token is used, whatever the identity provider says: the longest life with continuous access
/// evaluation.
const LONGEST: Duration = Duration::from_hours(28);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn given(lifetime: u64, caller: u64) -> Given {
        let (lifetime, caller) = (Duration::from_secs(lifetime), Some(Duration::from_secs(caller)));
        Given { lifetime, refresh_in: None, caller, jitter: 0.0 }
    }

    /// The seconds after which the phase begins.
    fn seconds(given: Given) -> (Option<u64>, u64, u64) {
        let start = Instant::now();
        let lifetime = Lifetime::new(start, given);
        let since = |moment: Instant| (moment - start).as_secs();
        (lifetime.renew.map(since), since(lifetime.due), since(lifetime.end))
    }

    #[test]
    fn a_token_is_due_five_minutes_early_or_after_half_its_life() {
        assert_eq!(seconds(given(3600, 9999)), (Some(3000), 3300, 3600));
        assert_eq!(seconds(given(600, 9999)), (Some(270), 300, 600));
        assert_eq!(seconds(given(60, 9999)), (Some(27), 30, 60));
        assert_eq!(seconds(given(0, 9999)), (Some(0), 0, 0));
    }

    #[test]
    fn it_never_outlives_the_caller_and_is_not_renewed_in_vain() {
        assert_eq!(seconds(given(3600, 100)), (None, 100, 100));
        assert_eq!(seconds(given(3600, 3400)), (Some(3000), 3300, 3400));
        assert_eq!(seconds(Given { caller: None, ..given(u64::MAX, 0) }).2, 28 * 3600);
    }

    #[test]
    fn the_identity_provider_may_say_when_to_renew() {
        let asked = Given { refresh_in: Some(Duration::from_mins(30)), ..given(3600, 9999) };
        assert_eq!(seconds(asked), (Some(1800), 3300, 3600));
        assert_eq!(seconds(Given { jitter: 1.0, ..asked }).0, Some(1620));
        assert_eq!(seconds(Given { refresh_in: Some(Duration::from_secs(9999)), ..asked }).0, Some(3300));
    }

    #[tokio::test(start_paused = true)]
    async fn the_phases_follow_each_other() {
        let start = Instant::now();
        let lifetime = Lifetime::new(start, given(3600, 9999));
        for (second, phase) in [
            (0, Phase::Fresh),
            (2999, Phase::Fresh),
            (3000, Phase::Renewable),
            (3299, Phase::Renewable),
            (3300, Phase::Due),
            (3599, Phase::Due),
            (3600, Phase::Ended),
        ] {
            tokio::time::sleep_until(start + Duration::from_secs(second)).await;
            assert_eq!(lifetime.phase(Instant::now()), phase, "{second}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_the_phases_always_holds(
            lifetime: u64, refresh_in in proptest::option::of(0..100_000_u64), caller: u64, jitter in 0.0..=1.0,
        ) {
            let refresh_in = refresh_in.map(Duration::from_secs);
            let start = Instant::now();
            let life = Lifetime::new(start, Given { refresh_in, jitter, ..given(lifetime, caller) });
            prop_assert!(life.due <= life.end && life.renew.is_none_or(|renew| start <= renew && renew <= life.due));
            prop_assert!(life.end - start <= Duration::from_secs(lifetime.min(caller)));
            prop_assert!(lifetime > 28 * 3600 || life.end - start == Duration::from_secs(lifetime.min(caller)));
        }
    }
}
