//! Token B: opaque to us, ready to be put into a request.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use parking_lot::Mutex;
use tokio::time::Instant;

use super::lifetime::{Lifetime, Phase};
use crate::secret::Secret;

/// What a target gets in place of token A, and the time for which it is used.
pub struct TokenB {
    name: HeaderName,
    value: HeaderValue,
    lifetime: Lifetime,
    /// What the next one is had for, where the identity provider gave one.
    refresh_token: Mutex<Option<Secret>>,
    /// Before this moment no renewal is tried.
    next_renewal: Mutex<Option<Instant>>,
}

impl TokenB {
    /// A token that goes into the header `name` with the whole value `value`.
    pub(super) fn new(
        name: HeaderName,
        mut value: HeaderValue,
        lifetime: Lifetime,
        refresh_token: Option<Secret>,
    ) -> Self {
        value.set_sensitive(true);
        Self { name, value, lifetime, refresh_token: Mutex::new(refresh_token), next_renewal: Mutex::default() }
    }

    /// The header that it goes into.
    pub fn header_name(&self) -> &HeaderName {
        &self.name
    }

    /// The whole value of that header; a clone shares its bytes.
    pub fn header(&self) -> &HeaderValue {
        &self.value
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase_at(Instant::now())
    }

    pub(super) fn phase_at(&self, now: Instant) -> Phase {
        self.lifetime.phase(now)
    }

    /// When it stops being used.
    pub(super) fn end(&self) -> Instant {
        self.lifetime.end()
    }

    pub(super) fn refresh_token(&self) -> Option<Secret> {
        self.refresh_token.lock().clone()
    }

    /// For one that the identity provider does not take any more.
    pub(super) fn drop_refresh_token(&self) {
        *self.refresh_token.lock() = None;
    }

    /// Whether a renewal may begin now: true once, and again after a while if the token is still here.
    pub(super) fn begin_renewal(&self) -> bool {
        let now = Instant::now();
        let mut next = self.next_renewal.lock();
        let free = next.is_none_or(|next| now >= next);
        if free {
            *next = Some(now + RENEWAL_PAUSE);
        }
        free
    }
}

impl std::fmt::Debug for TokenB {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TokenB").field("name", &self.name).field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}

/// The time between two tries to renew one token.
const RENEWAL_PAUSE: Duration = Duration::from_secs(30);
