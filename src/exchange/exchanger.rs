//! The cache of tokens B, and what happens when it has none: one exchange, shared by all who wait for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::definition::{Caller, Exchange, Key, Principal};
use super::error::ExchangeError;
use super::fetch::Fetcher;
use super::flight::{Flights, Role};
use super::lifetime::Phase;
use super::token::TokenB;
use crate::limit::Counted;
use crate::telemetry::Metrics;

/// Where a token B came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The cache.
    Cache,
    /// An exchange that this request started.
    Exchange,
    /// An exchange that another request had started.
    Shared,
}

impl Source {
    /// The word that log lines use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cache => "cache",
            Self::Exchange => "exchange",
            Self::Shared => "shared",
        }
    }
}

/// Acquires tokens and remembers what it got, by (whom it is for, exchange). A clone is the same.
#[derive(Debug, Clone)]
pub struct Exchanger {
    pub(super) fetcher: Arc<Fetcher>,
    flights: Arc<Flights<Key, Result<Arc<TokenB>, ExchangeError>>>,
    metrics: Arc<Metrics>,
}

impl Exchanger {
    /// Remembers at most `capacity` tokens, and as many refusals, these for at most `refusal_ttl`.
    pub fn new(capacity: usize, refusal_ttl: Duration, metrics: Arc<Metrics>) -> Self {
        let fetcher = Arc::new(Fetcher::new(capacity, refusal_ttl, Arc::clone(&metrics)));
        Self { fetcher, flights: Arc::new(Flights::new()), metrics }
    }

    /// Other bounds from now on, as for [`Exchanger::new`]. What is remembered within them stays.
    pub fn resize(&self, capacity: usize, refusal_ttl: Duration) {
        self.fetcher.tokens.resize(capacity);
        self.fetcher.refusals.resize(capacity, refusal_ttl);
    }

    /// A remembered token that serves at `now`; no waiting. Where it nears its end, another one is fetched beside the request.
    pub fn recall(&self, exchange: &Arc<Exchange>, principal: Principal<'_>, now: Instant) -> Option<Arc<TokenB>> {
        let key = exchange.key(principal.digest, principal.caller.tenant());
        let token = self.fetcher.tokens.find_at(&key, now)?;
        match token.phase_at(now) {
            Phase::Renewable if token.begin_renewal() => self.renew_beside(exchange, principal, key),
            Phase::Fresh | Phase::Renewable => {}
            Phase::Due | Phase::Ended => return None,
        }
        self.metrics.token_cache_hit();
        Some(token)
    }

    /// A token for `principal`, acquired now unless that is under way or was refused a moment ago.
    ///
    /// A remembered token that is due serves on where another one cannot be had for reasons that say nothing of the
    /// caller.
    ///
    /// # Errors
    /// What the exchange failed with; all who waited for it get the same.
    pub async fn acquire(
        &self,
        exchange: &Arc<Exchange>,
        principal: Principal<'_>,
    ) -> Result<(Arc<TokenB>, Source), ExchangeError> {
        let key = exchange.key(principal.digest, principal.caller.tenant());
        if let Some(refusal) = self.fetcher.refusals.recall(&key) {
            self.metrics.refusal_recalled();
            return self.serve_on(&key, refusal);
        }
        let counted = exchange.counted(principal.caller);
        let (role, outcome) = self.join(exchange, key, counted, || principal.to_owned(), serves).await;
        match outcome {
            Ok(token) => Ok((token, self.count(role))),
            Err(error @ ExchangeError::RateLimited(_)) => self.serve_on(&key, error),
            Err(error) => {
                self.count(role);
                self.serve_on(&key, error)
            }
        }
    }

    /// Forgets `token` for this caller; a newer one stays.
    pub fn forget(&self, exchange: &Exchange, principal: Principal<'_>, token: &Arc<TokenB>) {
        let key = exchange.key(principal.digest, principal.caller.tenant());
        self.fetcher.tokens.remove_if(&key, |kept| Arc::ptr_eq(kept, token));
    }

    /// Drops tokens and refusals that have ended.
    pub fn sweep(&self) {
        self.fetcher.tokens.sweep(|_| true);
        self.fetcher.refusals.sweep();
    }

    /// How many tokens are remembered.
    pub fn remembered(&self) -> usize {
        self.fetcher.tokens.len()
    }

    /// How many refusals are remembered.
    pub fn remembered_refusals(&self) -> usize {
        self.fetcher.refusals.len()
    }

    fn renew_beside(&self, exchange: &Arc<Exchange>, principal: Principal<'_>, key: Key) {
        let (exchanger, exchange, caller) = (self.clone(), Arc::clone(exchange), principal.to_owned());
        let counted = exchange.counted(principal.caller);
        tokio::spawn(async move {
            let is_fresh = |token: &TokenB| token.phase() == Phase::Fresh;
            let (_, outcome) = exchanger.join(&exchange, key, counted, || caller, is_fresh).await;
            exchanger.metrics.renewal(&exchange.identity.name, outcome.is_ok());
        });
    }

    /// Joins the fetch under way, or starts one unless a token that `suffices`, or a refusal, has just landed. Only
    /// whoever starts one is `counted`.
    async fn join(
        &self,
        exchange: &Arc<Exchange>,
        key: Key,
        counted: Option<Counted>,
        caller: impl FnOnce() -> Caller,
        suffices: impl FnOnce(&TokenB) -> bool,
    ) -> (Role, Result<Arc<TokenB>, ExchangeError>) {
        let ready = || {
            let token = self.fetcher.tokens.find(&key).filter(|token| suffices(token));
            let landed = token.map(Ok).or_else(|| self.fetcher.refusals.recall(&key).map(Err));
            landed.or_else(|| exchange.admit(counted).err().map(Err))
        };
        let fetch = || Arc::clone(&self.fetcher).fetch(Arc::clone(exchange), caller(), key);
        let (role, outcome) = self.flights.join(key, ready, fetch).await;
        let died = || Err(ExchangeError::unreachable("the exchange ended without an outcome"));
        (role, outcome.unwrap_or_else(died))
    }

    fn serve_on(&self, key: &Key, error: ExchangeError) -> Result<(Arc<TokenB>, Source), ExchangeError> {
        let kept = if error.concerns_caller() { None } else { self.fetcher.tokens.find(key) };
        kept.map(|token| (token, Source::Cache)).ok_or(error)
    }

    fn count(&self, role: Role) -> Source {
        match role {
            Role::Leader => {
                self.metrics.token_cache_miss();
                Source::Exchange
            }
            Role::Follower => {
                self.metrics.token_cache_joined();
                Source::Shared
            }
        }
    }
}

fn serves(token: &TokenB) -> bool {
    matches!(token.phase(), Phase::Fresh | Phase::Renewable)
}
