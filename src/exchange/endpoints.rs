//! What is known of token endpoints: whether they answer, and whether they asked our application to wait.

use std::sync::Arc;
use std::time::Duration;

use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::breaker::{Breaker, Change, Finding};
use super::error::ExchangeError;
use super::retry_after::LONGEST_WAIT;
use crate::digest::{Digest, DigestHasher};

/// All token endpoints that were asked so far; configuration and discovery name them, so they are few.
#[derive(Debug, Default)]
pub(super) struct Endpoints {
    breakers: DashMap<Digest, Arc<Breaker>, DigestHasher>,
    holds: DashMap<Digest, Arc<Hold>, DigestHasher>,
}

/// One token endpoint, as one client of it sees it.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// Its address.
    pub(super) address: Arc<str>,
    breaker: Arc<Breaker>,
    hold: Arc<Hold>,
}

/// Until when a client was asked to wait.
#[derive(Debug, Default)]
struct Hold(Mutex<Option<Instant>>);

impl Endpoints {
    pub(super) fn endpoint(&self, address: &str, client_id: &str) -> Endpoint {
        let breaker = Arc::clone(&self.breakers.entry(Digest::of(address.as_bytes())).or_insert_with(new_breaker));
        let client = Digest::of_parts([address.as_bytes(), client_id.as_bytes()]);
        let hold = Arc::clone(&self.holds.entry(client).or_default());
        Endpoint { address: address.into(), breaker, hold }
    }
}

impl Endpoint {
    /// Whether it may be asked now. Whoever may has to [`Endpoint::report`] what came of it.
    ///
    /// # Errors
    /// [`ExchangeError::HeldBack`].
    pub(super) fn admit(&self) -> Result<(), ExchangeError> {
        if let Some(wait) = self.hold.remaining() {
            return Err(ExchangeError::HeldBack { retry_after: wait, throttled: true });
        }
        self.breaker.admit().map_err(|wait| ExchangeError::HeldBack { retry_after: wait, throttled: false })
    }

    /// Takes note of what came of a request for `caller`.
    pub(super) fn report<T>(&self, caller: &Digest, outcome: &Result<T, ExchangeError>) {
        if let Err(ExchangeError::Throttled { retry_after: Some(wait), whole_client: true, .. }) = outcome {
            self.hold.set(*wait);
        }
        match self.breaker.report(finding(caller, outcome)) {
            Some(Change::Opened(pause)) => {
                tracing::warn!(
                    endpoint = &*self.address,
                    pause_s = pause.as_secs_f64(),
                    "token endpoint fails: not asked for a while"
                );
            }
            Some(Change::Closed) => tracing::info!(endpoint = &*self.address, "token endpoint answers again"),
            None => {}
        }
    }
}

fn finding<T>(caller: &Digest, outcome: &Result<T, ExchangeError>) -> Finding {
    match outcome {
        Err(ExchangeError::Timeout | ExchangeError::Unavailable { answered: false, .. }) => Finding::Silent,
        Err(ExchangeError::Unavailable { answered: true, .. }) => Finding::Faulty(*caller),
        _ => Finding::Answers,
    }
}

fn new_breaker() -> Arc<Breaker> {
    Arc::new(Breaker::new())
}

impl Hold {
    fn remaining(&self) -> Option<Duration> {
        let until = (*self.0.lock())?;
        Some(until.saturating_duration_since(Instant::now())).filter(|wait| !wait.is_zero())
    }

    fn set(&self, wait: Duration) {
        *self.0.lock() = Some(Instant::now() + wait.min(LONGEST_WAIT));
    }
}
