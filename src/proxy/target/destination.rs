//! One address of a target: what is known of its health, and how many requests are under way there.
//!
//! An address is passed over after a connection to it failed, or after several requests in a row broke off or timed out
//! before an answer; longer each time, and never for ever. Whatever it answers, an error too, shows that it is there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use pingora::upstreams::peer::HttpPeer;
use tokio::time::Instant;

use crate::telemetry::{AddressHealth, TargetMetrics};

/// One address of a target.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) socket: SocketAddr,
    /// As Pingora wants it.
    pub(super) peer: HttpPeer,
    under_way: AtomicUsize,
    /// Failures in a row of requests that got no answer.
    failures: AtomicU32,
    /// How often in a row it was passed over.
    ejections: AtomicU32,
    /// Until when it is passed over, in milliseconds of [`now`]; 0 while it is not.
    out_until: AtomicU64,
    /// Whether a request tries it again.
    is_on_trial: AtomicBool,
    /// Whether the health check has found it unwell.
    is_unwell: AtomicBool,
    pub(super) health: AddressHealth,
    metrics: Arc<TargetMetrics>,
}

/// A request under way at an address.
#[derive(Debug)]
pub(super) struct Visit(Arc<Destination>);

impl Destination {
    pub(super) fn new(socket: SocketAddr, template: &HttpPeer, metrics: &Arc<TargetMetrics>) -> Self {
        let mut peer = template.clone();
        peer._address = pingora::protocols::l4::socket::SocketAddr::Inet(socket);
        Self {
            socket,
            peer,
            under_way: AtomicUsize::new(0),
            failures: AtomicU32::new(0),
            ejections: AtomicU32::new(0),
            out_until: AtomicU64::new(0),
            is_on_trial: AtomicBool::new(false),
            is_unwell: AtomicBool::new(false),
            health: metrics.address(&socket.to_string()),
            metrics: Arc::clone(metrics),
        }
    }

    /// How many requests are under way.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.load(Ordering::Relaxed)
    }

    /// Whether a request may go there. When the time is over for which it was passed over, one request tries it, and the
    /// others wait for what becomes of that.
    pub(super) fn claim(&self) -> bool {
        if self.is_unwell.load(Ordering::Relaxed) {
            return false;
        }
        let until = self.out_until.load(Ordering::Relaxed);
        // Hardly ever is it, so the clock is not looked at for every request.
        until == 0 || {
            let now = now();
            now >= until && self.try_again(until, now)
        }
    }

    fn try_again(&self, until: u64, now: u64) -> bool {
        let next = now.saturating_add(milliseconds(FIRST_PAUSE));
        let is_first = self.out_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_first {
            self.is_on_trial.store(true, Ordering::Relaxed);
        }
        is_first
    }

    /// A header section has arrived from there.
    pub(super) fn has_answered(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        if self.out_until.load(Ordering::Relaxed) != 0 && self.out_until.swap(0, Ordering::Relaxed) != 0 {
            self.ejections.store(0, Ordering::Relaxed);
            self.show_health();
            tracing::info!(target_name = self.metrics.name(), address = %self.socket, "address answers again");
        }
    }

    /// A connection could not be made.
    pub(super) fn has_refused(&self, reason: &str) {
        self.metrics.connect_failed();
        self.pass_over(reason);
    }

    /// A request got no answer: its connection broke off, or the time was over.
    pub(super) fn has_failed(&self, reason: &str) {
        if self.failures.fetch_add(1, Ordering::Relaxed) + 1 >= FAILURES {
            self.failures.store(0, Ordering::Relaxed);
            self.pass_over(reason);
        }
    }

    /// What the health check has found.
    pub(super) fn set_unwell(&self, is_unwell: bool) {
        self.is_unwell.store(is_unwell, Ordering::Relaxed);
        self.show_health();
    }

    /// The target that it belongs to, as logs call it.
    pub(super) fn target_name(&self) -> &str {
        self.metrics.name()
    }

    /// Whether nothing speaks against it.
    pub(super) fn is_healthy(&self) -> bool {
        !self.is_unwell.load(Ordering::Relaxed) && self.out_until.load(Ordering::Relaxed) == 0
    }

    /// Passes over it for a while, longer each time in a row. Requests that are under way at once fail at once: only the
    /// first of them counts, and after that the one that tries it again.
    fn pass_over(&self, reason: &str) {
        let is_open = self.out_until.load(Ordering::Relaxed) == 0;
        if !is_open && !self.is_on_trial.swap(false, Ordering::Relaxed) {
            return;
        }
        let pause = pause(self.ejections.fetch_add(1, Ordering::Relaxed));
        self.out_until.store(now().saturating_add(milliseconds(pause)), Ordering::Relaxed);
        self.metrics.ejected();
        self.show_health();
        let target_name = self.metrics.name();
        let seconds = pause.as_secs();
        tracing::warn!(target_name, address = %self.socket, reason, seconds, "address is passed over");
    }

    /// Shows it in the metrics.
    pub(super) fn show_health(&self) {
        self.health.set(self.is_healthy());
    }
}

impl Visit {
    pub(super) fn to(destination: Arc<Destination>) -> Self {
        destination.under_way.fetch_add(1, Ordering::Relaxed);
        Self(destination)
    }

    pub(super) fn destination(&self) -> &Arc<Destination> {
        &self.0
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Milliseconds since this was first asked for, from 1 on.
pub(super) fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    milliseconds(START.elapsed()).saturating_add(1)
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How long an address is passed over that was so often in a row.
fn pause(ejections: u32) -> Duration {
    FIRST_PAUSE.saturating_mul(1_u32.checked_shl(ejections).unwrap_or(u32::MAX)).min(LONGEST_PAUSE)
}

/// How many requests in a row get no answer before an address is passed over.
const FAILURES: u32 = 5;
/// How long an address is passed over at first.
pub(super) const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// How long it is at most.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proxy::target::backend::tests::destination;

    #[tokio::test(start_paused = true)]
    async fn an_address_is_passed_over_longer_each_time_and_for_a_minute_at_most() {
        let destination = destination(1);
        for seconds in [10, 20, 40, 60, 60] {
            destination.has_refused("refused");
            // Those that were under way with it change nothing.
            destination.has_refused("refused");
            tokio::time::advance(Duration::from_millis(seconds * 1000 - 5)).await;
            assert!(!destination.claim(), "{seconds}");
            tokio::time::advance(Duration::from_millis(10)).await;
            assert!(destination.claim(), "{seconds}");
            assert!(!destination.claim(), "one request tries it, not all");
        }
        destination.has_answered();
        assert!(destination.claim() && destination.is_healthy());
        destination.has_refused("refused");
        tokio::time::advance(Duration::from_millis(10_005)).await;
        assert!(destination.claim(), "after an answer it begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn five_requests_in_a_row_without_an_answer_count_and_an_answer_between_them_ends_the_row() {
        let destination = destination(1);
        for _ in 0..4 {
            destination.has_failed("reset");
        }
        destination.has_answered();
        for _ in 0..4 {
            destination.has_failed("reset");
        }
        assert!(destination.claim());
        destination.has_failed("reset");
        assert!(!destination.claim());
    }
}
