//! The arithmetic of a rate limit: the generic cell rate algorithm, in nanoseconds since the limiter began.

use super::RateLimit;

/// A rate. All that has to be kept of a key is the moment at which its debt is paid: each admission moves it by one
/// interval, and nobody is admitted who is too far ahead of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    /// What one admission costs, in nanoseconds. Rounded up: never more than the limit says.
    interval: u64,
    /// How far the moment may be ahead for one more to be admitted, in nanoseconds.
    tolerance: u64,
}

impl Rate {
    pub(super) fn new(limit: &RateLimit) -> Self {
        let per = u64::try_from(limit.per.as_nanos()).unwrap_or(u64::MAX);
        let interval = per.div_ceil(u64::from(limit.requests.max(1))).max(1);
        Self { interval, tolerance: interval.saturating_mul(u64::from(limit.burst.max(1)) - 1) }
    }

    /// Admits one more at `now` where the debt is paid at `paid_at`; returns the new moment.
    ///
    /// # Errors
    /// How long to wait. A refusal costs nothing.
    pub(super) fn admit(self, paid_at: u64, now: u64) -> Result<u64, u64> {
        let start = paid_at.max(now);
        let too_early = (start - now).saturating_sub(self.tolerance);
        if too_early > 0 { Err(too_early) } else { Ok(start.saturating_add(self.interval)) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::limit::CountedBy;

    fn limit(requests: u32, per: Duration, burst: u32) -> RateLimit {
        RateLimit { requests, per, burst, by: CountedBy::User }
    }

    #[test]
    fn a_burst_is_admitted_at_once_and_then_one_in_each_interval() {
        let rate = Rate::new(&limit(10, Duration::from_secs(1), 3));
        let mut paid_at = 0;
        for _ in 0..3 {
            paid_at = rate.admit(paid_at, 5).unwrap();
        }
        assert_eq!(rate.admit(paid_at, 5), Err(100_000_000));
        assert_eq!(rate.admit(paid_at, 100_000_004), Err(1));
        paid_at = rate.admit(paid_at, 100_000_005).unwrap();
        assert_eq!(rate.admit(paid_at, 100_000_005), Err(100_000_000));
    }

    #[test]
    fn the_widest_settings_do_not_overflow() {
        let rate = Rate::new(&limit(1, Duration::from_hours(24), 100_000));
        let mut paid_at = 0;
        for _ in 0..100_000 {
            paid_at = rate.admit(paid_at, 0).unwrap();
        }
        assert_eq!(rate.admit(paid_at, 0), Err(24 * 3600 * 1_000_000_000));
        assert_eq!(rate.admit(u64::MAX, 0).map_err(|wait| wait > 0), Err(true));
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_the_burst_and_what_the_rate_gives(
            requests in 1_u32..1000, per in 1_u64..100, burst in 1_u32..50,
            pauses in proptest::collection::vec(prop_oneof![3 => 0_u64..50_000_000, 1 => 0_u64..20_000_000_000], 1..200),
        ) {
            let rate = Rate::new(&limit(requests, Duration::from_secs(per), burst));
            let (mut now, mut paid_at, mut admitted) = (0, 0, Vec::new());
            for pause in pauses {
                now += pause;
                match rate.admit(paid_at, now) {
                    Ok(moment) => {
                        paid_at = moment;
                        admitted.push(now);
                    }
                    Err(wait) => {
                        prop_assert!(rate.admit(paid_at, now + wait - 1).is_err(), "an earlier moment would have done");
                        prop_assert!(rate.admit(paid_at, now + wait).is_ok(), "it was told to come back too early");
                    }
                }
            }
            for (first, from) in admitted.iter().enumerate() {
                for (last, to) in admitted.iter().enumerate().skip(first) {
                    let given = u128::from(to - from) * u128::from(requests) / (u128::from(per) * 1_000_000_000);
                    prop_assert!((last - first + 1) as u128 <= u128::from(burst) + given);
                }
            }
        }

        #[test]
        fn after_a_pause_the_whole_burst_is_there_again(
            requests in 1_u32..1000, per in 1_u64..100, burst in 1_u32..50, spent in 0_usize..60,
        ) {
            let rate = Rate::new(&limit(requests, Duration::from_secs(per), burst));
            let mut paid_at = 0;
            for _ in 0..spent {
                paid_at = rate.admit(paid_at, 0).unwrap_or(paid_at);
            }
            let now = paid_at;
            let mut admitted = 0;
            while let Ok(moment) = rate.admit(paid_at, now) {
                paid_at = moment;
                admitted += 1;
            }
            prop_assert_eq!(admitted, burst);
        }
    }
}
