//! The cache of tokens B, and what happens when it has none: one exchange, shared by all who wait for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::answer::{self, Granted};
use super::error::ExchangeError;
use super::flight::{Flights, Role};
use super::grant::{self, Template};
use super::report;
use super::token::{TokenB, usable};
use crate::cache::BoundedCache;
use crate::digest::Digest;
use crate::identity::Identity;
use crate::idp::IdpClient;
use crate::secret::Secret;
use crate::telemetry::Metrics;

/// What is exchanged for what: everything about an exchange but token A.
#[derive(Debug)]
pub struct Exchange {
    identity: Arc<Identity>,
    template: Template,
    digest: Digest,
}

impl Exchange {
    /// On-Behalf-Of, in the name of `identity`, for `scopes`.
    pub fn on_behalf_of(identity: Arc<Identity>, scopes: &[Box<str>]) -> Self {
        let template = Template::on_behalf_of(scopes);
        let digest = template.digest(&identity);
        Self { identity, template, digest }
    }
}

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

/// Exchanges tokens and remembers what it got, by (SHA-256 of token A, exchange).
#[derive(Debug)]
pub struct Exchanger {
    client: IdpClient,
    tokens: Arc<BoundedCache<Key, Arc<TokenB>>>,
    flights: Flights<Key, Result<Arc<TokenB>, ExchangeError>>,
    metrics: Arc<Metrics>,
}

/// Two digests, of token A and of the exchange; each has a fixed length, so none can be mistaken for another.
type Key = (Digest, Digest);

impl Exchanger {
    /// Remembers at most `capacity` tokens.
    pub fn new(client: IdpClient, capacity: usize, metrics: Arc<Metrics>) -> Self {
        Self { client, tokens: Arc::new(BoundedCache::new(capacity)), flights: Flights::new(), metrics }
    }

    /// A remembered token B; no waiting, no allocation.
    pub fn recall(&self, token_a: &Digest, exchange: &Exchange) -> Option<Arc<TokenB>> {
        let token = self.tokens.find(&(*token_a, exchange.digest))?;
        self.metrics.token_cache_hit();
        Some(token)
    }

    /// A token B for `token_a`, whose SHA-256 is `digest` and which lives for `remaining` more.
    ///
    /// # Errors
    /// What the exchange failed with; all who waited for it get the same.
    pub async fn acquire(
        &self,
        exchange: &Arc<Exchange>,
        token_a: &str,
        digest: &Digest,
        remaining: Duration,
    ) -> Result<(Arc<TokenB>, Source), ExchangeError> {
        let key = (*digest, exchange.digest);
        let ready = || self.tokens.find(&key).map(Ok);
        let fetch = || self.fetch(Arc::clone(exchange), Secret::new(token_a.to_owned()), key, remaining);
        let (role, outcome) = self.flights.join(key, ready, fetch).await;
        let source = match role {
            Role::Leader => {
                self.metrics.token_cache_miss();
                Source::Exchange
            }
            Role::Follower => {
                self.metrics.token_cache_joined();
                Source::Shared
            }
        };
        let died = || Err(ExchangeError::Unavailable("the exchange ended without an outcome".to_owned()));
        outcome.unwrap_or_else(died).map(|token| (token, source))
    }

    /// Forgets `token` for this caller; a newer one stays.
    pub fn forget(&self, digest: &Digest, exchange: &Exchange, token: &Arc<TokenB>) {
        self.tokens.remove_if(&(*digest, exchange.digest), |kept| Arc::ptr_eq(kept, token));
    }

    /// Drops tokens that have ended.
    pub fn sweep(&self) {
        self.tokens.sweep(|_| true);
    }

    /// How many tokens are remembered.
    pub fn remembered(&self) -> usize {
        self.tokens.len()
    }

    fn fetch(
        &self,
        exchange: Arc<Exchange>,
        token_a: Secret,
        key: Key,
        remaining: Duration,
    ) -> impl Future<Output = Result<Arc<TokenB>, ExchangeError>> + Send + 'static {
        let (client, tokens, metrics) = (self.client.clone(), Arc::clone(&self.tokens), Arc::clone(&self.metrics));
        async move {
            let started = Instant::now();
            let request_id = uuid::Uuid::new_v4().to_string();
            let outcome = exchange.perform(&client, token_a.expose(), &request_id).await;
            let subject = report::Subject {
                identity: &exchange.identity,
                scope: exchange.template.scope(),
                request_id: &request_id,
            };
            report::report(&metrics, &subject, &outcome, started.elapsed());
            let granted = outcome?;
            let ends = started + usable(granted.lifetime, remaining);
            let token = Arc::new(TokenB::new(granted.header, ends));
            tokens.insert(key, Arc::clone(&token), token.ends());
            Ok(token)
        }
    }
}

impl Exchange {
    /// One attempt, and a second one where the first met a passing fault and time is left.
    async fn perform(&self, client: &IdpClient, token_a: &str, request_id: &str) -> Result<Granted, ExchangeError> {
        let started = Instant::now();
        let (first_end, end) = (started + self.identity.timeout.mul_f64(FIRST_SHARE), started + self.identity.timeout);
        let form = self.template.form(&self.identity, token_a);
        match self.attempt(client, form.clone(), request_id, first_end).await {
            Err(error) if error.is_transient() => {
                tokio::time::sleep(RETRY_PAUSE).await;
                self.attempt(client, form, request_id, end).await
            }
            outcome => outcome,
        }
    }

    async fn attempt(
        &self,
        client: &IdpClient,
        form: String,
        request_id: &str,
        deadline: Instant,
    ) -> Result<Granted, ExchangeError> {
        let headers = grant::headers(&self.identity, request_id)
            .map_err(|_| ExchangeError::Unavailable("a header of the token request is malformed".to_owned()))?;
        let endpoints = self.identity.anyone.endpoints();
        let endpoint = endpoints.as_ref().map_or("", |endpoints| &*endpoints.token);
        match client.post_form(endpoint, headers, form, deadline).await {
            Ok(answer) => answer::read(&answer),
            Err(crate::idp::Fault::Timeout) => Err(ExchangeError::Timeout),
            Err(fault) => Err(ExchangeError::Unavailable(fault.to_string())),
        }
    }
}

/// The share of the time that the first attempt may take: a slow answer is better than a second question, but a
/// connection that has died unnoticed must leave time for one.
const FIRST_SHARE: f64 = 0.75;

/// Between the attempts: enough for a connection that was being replaced.
const RETRY_PAUSE: Duration = Duration::from_millis(50);
