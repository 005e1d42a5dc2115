//! The rate limits of a route: by address before the token is looked at, by user and client once it has been verified.

use std::net::IpAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::caller::VerifiedCaller;
use crate::limit::{Counted, CountedBy, Limiter, RateLimit};
use crate::rejection::Rejection;

/// The rate limits of a route, ready. A clone counts with it.
#[derive(Debug, Clone, Default)]
pub(super) struct RateLimits {
    /// Those that need no token.
    by_address: Vec<Arc<Limiter>>,
    by_caller: Vec<Arc<Limiter>>,
}

impl RateLimits {
    /// For these limits, each with room for so many that are counted.
    pub(super) fn new(limits: &[RateLimit], capacity: usize) -> Self {
        let limiters = limits.iter().map(|limit| Arc::new(Limiter::new(*limit, capacity)));
        let (by_address, by_caller) = limiters.partition(|limiter| limiter.limit().by == CountedBy::Address);
        Self { by_address, by_caller }
    }

    /// Counts a request from this address. It costs far less than looking at a token.
    ///
    /// # Errors
    /// Where there were too many.
    pub(super) fn admit_address(&self, address: Option<IpAddr>, now: Instant) -> Result<(), Rejection> {
        if self.by_address.is_empty() {
            return Ok(());
        }
        let counted = Counted::address(address);
        self.by_address.iter().try_for_each(|limiter| limiter.admit_at(counted, now)).map_err(Rejection::RateLimited)
    }

    /// Counts a request of this caller.
    ///
    /// # Errors
    /// Where there were too many.
    pub(super) fn admit_caller(&self, caller: &VerifiedCaller, now: Instant) -> Result<(), Rejection> {
        let admit = |limiter: &Arc<Limiter>| limiter.admit_at(caller.counted_by(limiter.limit().by), now);
        self.by_caller.iter().try_for_each(admit).map_err(Rejection::RateLimited)
    }

    /// All of them.
    pub(super) fn limiters(&self) -> impl Iterator<Item = &Arc<Limiter>> {
        self.by_address.iter().chain(&self.by_caller)
    }
}
