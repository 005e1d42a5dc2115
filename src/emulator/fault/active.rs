//! The faults in force, and the requests that each of them meets.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::{Endpoint, Fault};
use crate::emulator::guarded::Guarded;

/// The faults in force. A request meets the first one that concerns it, and that one only.
#[derive(Debug, Default)]
pub struct Faults(Guarded<VecDeque<Active>>);

/// A fault since it was added.
#[derive(Debug)]
struct Active {
    fault: Fault,
    until: Option<Instant>,
    /// How many requests it concerned, those that it spared included.
    concerned: u64,
}

impl Faults {
    /// Appends a fault. At most 1000 are kept; older ones make room.
    pub fn add(&self, fault: Fault) {
        let lasting = fault.lasting_ms.map(|milliseconds| Duration::from_millis(milliseconds).min(MAX_LASTING));
        let mut faults = self.0.lock();
        if faults.len() >= MAX_FAULTS {
            faults.pop_front();
        }
        faults.push_back(Active { fault, until: lasting.map(|lasting| Instant::now() + lasting), concerned: 0 });
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.0.lock().clear();
    }

    /// The faults in force with their remaining counts and times.
    pub fn list(&self) -> Vec<Fault> {
        self.0.lock().iter().filter(|active| !active.is_over()).map(Active::rest).collect()
    }

    /// The fault that a request meets, counted down.
    pub(in crate::emulator) fn take(&self, request: &Concern<'_>) -> Option<Fault> {
        let mut faults = self.0.lock();
        faults.retain(|active| !active.is_over());
        let active = faults.iter_mut().find_map(|active| active.meets(request).then_some(active))?;
        active.fault.times = active.fault.times.map(|times| times.saturating_sub(1));
        Some(active.rest())
    }
}

impl Active {
    fn is_over(&self) -> bool {
        self.fault.times == Some(0) || self.until.is_some_and(|until| until <= Instant::now())
    }

    /// Whether it meets a request, now that it is there: of those that it concerns, a share that is spread evenly.
    fn meets(&mut self, request: &Concern<'_>) -> bool {
        if !self.fault.concerns(request) {
            return false;
        }
        let Some(share) = self.fault.share else { return true };
        let share = u64::from(share.min(100));
        self.concerned = self.concerned.saturating_add(1);
        // Of the first n requests it meets n * share / 100, rounded down.
        let met = |requests: u64| requests.saturating_mul(share) / 100;
        met(self.concerned) > met(self.concerned - 1)
    }

    /// The fault as it is now.
    fn rest(&self) -> Fault {
        let left = self.until.map(|until| until.saturating_duration_since(Instant::now()));
        let lasting_ms = left.map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
        Fault { lasting_ms, ..self.fault.clone() }
    }
}

/// What decides whether a fault concerns a request.
#[derive(Debug)]
pub(in crate::emulator) struct Concern<'r> {
    pub(in crate::emulator) endpoint: Endpoint,
    pub(in crate::emulator) scope: &'r str,
    pub(in crate::emulator) oid: Option<&'r str>,
    pub(in crate::emulator) grant: &'r str,
}

impl Concern<'_> {
    /// A request without scope, user and grant.
    pub(in crate::emulator) fn of(endpoint: Endpoint) -> Self {
        Self { endpoint, scope: "", oid: None, grant: "" }
    }
}

/// How many faults are kept.
const MAX_FAULTS: usize = 1_000;

/// The longest time that a fault lasts which is not to last until it is cleared.
const MAX_LASTING: Duration = Duration::from_hours(366 * 24);

#[cfg(test)]
mod tests {
    use super::*;

    fn met_of_ten(share: u8) -> usize {
        let faults = Faults::default();
        faults.add(Fault::at(Endpoint::Jwks).for_share(share));
        (0..10).filter(|_| faults.take(&Concern::of(Endpoint::Jwks)).is_some()).count()
    }

    #[test]
    fn share_is_exact() {
        assert_eq!([0, 10, 30, 50, 100].map(met_of_ten), [0, 1, 3, 5, 10]);
    }

    #[test]
    fn share_is_spread_evenly() {
        let faults = Faults::default();
        faults.add(Fault::at(Endpoint::Jwks).for_share(50));
        let met: Vec<_> = (0..4).map(|_| faults.take(&Concern::of(Endpoint::Jwks)).is_some()).collect();
        assert_eq!(met, [false, true, false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn fault_ends_at_its_moment() {
        let faults = Faults::default();
        faults.add(Fault::throttled(Duration::from_secs(5)));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(faults.take(&Concern::of(Endpoint::Token)).unwrap().lasting_ms, Some(3_000));
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(faults.take(&Concern::of(Endpoint::Token)), None);
        assert_eq!(faults.list(), []);
    }
}
