//! One exchange from its beginning to what is remembered of it.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::answer::{Expected, Granted};
use super::attempt::Question;
use super::definition::{Caller, Exchange, Key, TokenSource};
use super::endpoints::{Endpoint, Endpoints};
use super::error::ExchangeError;
use super::form::{self, Subject};
use super::grant::{AssertionGrant, Grant};
use super::lifetime::{Given, Lifetime, Phase};
use super::refusal::Asked;
use super::refusals::Refusals;
use super::report;
use super::token::TokenB;
use crate::cache::BoundedCache;
use crate::telemetry::Metrics;

/// Asks token endpoints, and remembers tokens and refusals.
#[derive(Debug)]
pub(super) struct Fetcher {
    pub(super) tokens: BoundedCache<Key, Arc<TokenB>>,
    pub(super) refusals: Refusals,
    endpoints: Endpoints,
    metrics: Arc<Metrics>,
}

type Fetching<T> = Pin<Box<dyn Future<Output = Result<T, ExchangeError>> + Send>>;

impl Fetcher {
    pub(super) fn new(capacity: usize, refusal_ttl: Duration, metrics: Arc<Metrics>) -> Self {
        Self {
            tokens: BoundedCache::new(capacity),
            refusals: Refusals::new(capacity, refusal_ttl),
            endpoints: Endpoints::default(),
            metrics,
        }
    }

    /// A fresh token, remembered; or why there is none, remembered where that makes sense.
    pub(super) fn fetch(self: Arc<Self>, exchange: Arc<Exchange>, caller: Caller, key: Key) -> Fetching<Arc<TokenB>> {
        Box::pin(async move {
            let started = Instant::now();
            let previous = self.tokens.find(&key);
            let outcome = self.ask(&exchange, &caller, previous.as_deref(), &request_id()).await;
            let token =
                outcome.and_then(|granted| remembered(&exchange, &caller, granted, previous.as_deref(), started));
            match &token {
                Ok(token) => self.tokens.insert(key, Arc::clone(token), token.end()),
                Err(error) => self.refusals.keep(key, error),
            }
            token
        })
    }

    /// Asks whoever issues the token; nothing of it is remembered.
    pub(super) async fn ask(
        self: &Arc<Self>,
        exchange: &Exchange,
        caller: &Caller,
        previous: Option<&TokenB>,
        request_id: &str,
    ) -> Result<Granted, ExchangeError> {
        match &exchange.source {
            TokenSource::Provider(grant) => self.ask_provider(exchange, grant, caller, previous, request_id).await,
            TokenSource::Target { assertion, asked } => {
                self.ask_target(exchange, assertion, asked, caller, request_id).await
            }
        }
    }

    async fn ask_provider(
        &self,
        exchange: &Exchange,
        grant: &Grant,
        caller: &Caller,
        previous: Option<&TokenB>,
        request_id: &str,
    ) -> Result<Granted, ExchangeError> {
        let started = Instant::now();
        let outcome = self.ask_provider_with(exchange, grant, caller, previous, request_id).await;
        self.report(exchange, caller, &outcome, request_id, started);
        outcome
    }

    async fn ask_provider_with(
        &self,
        exchange: &Exchange,
        grant: &Grant,
        caller: &Caller,
        previous: Option<&TokenB>,
        request_id: &str,
    ) -> Result<Granted, ExchangeError> {
        let endpoint = self.provider(exchange, caller)?;
        let question = question(exchange, &endpoint, caller, request_id, (grant.asked(), grant.expected()));
        if let Some(refresh_token) = previous.and_then(TokenB::refresh_token) {
            let subject = Subject::RefreshToken(refresh_token.expose());
            match question.ask(|proof| exchange.form(grant, proof, subject, caller.capable)).await {
                Err(error) if error.concerns_caller() => previous.into_iter().for_each(TokenB::drop_refresh_token),
                outcome => return outcome,
            }
        }
        let subject = Subject::TokenA(caller.token.expose());
        question.ask(|proof| exchange.form(grant, proof, subject, caller.capable)).await
    }

    /// The assertion, remembered or fetched, and what the target's token endpoint gives for it. An assertion from
    /// memory that the target does not take is replaced once.
    async fn ask_target(
        self: &Arc<Self>,
        exchange: &Exchange,
        assertion: &Arc<Exchange>,
        asked: &AssertionGrant,
        caller: &Caller,
        request_id: &str,
    ) -> Result<Granted, ExchangeError> {
        let key = assertion.key(&caller.digest, &caller.tenant);
        let kept = self.tokens.find(&key).filter(|token| matches!(token.phase(), Phase::Fresh | Phase::Renewable));
        if let Some(kept) = kept {
            match self.present(exchange, asked, caller, &kept, request_id).await {
                Err(ExchangeError::Refused(_)) => drop(self.tokens.remove_if(&key, |other| Arc::ptr_eq(other, &kept))),
                outcome => return outcome,
            }
        }
        let fresh = Arc::clone(self).fetch(Arc::clone(assertion), caller.clone(), key).await?;
        self.present(exchange, asked, caller, &fresh, request_id).await
    }

    /// One question to the target's token endpoint.
    async fn present(
        &self,
        exchange: &Exchange,
        asked: &AssertionGrant,
        caller: &Caller,
        assertion: &TokenB,
        request_id: &str,
    ) -> Result<Granted, ExchangeError> {
        let started = Instant::now();
        let endpoint = self.endpoints.endpoint(&asked.endpoint, asked.client_id.as_deref().unwrap_or_default());
        let question = question(exchange, &endpoint, caller, request_id, (Asked::SamlBearer, Expected::Bearer(None)));
        let outcome = question.ask(|proof| form::saml_bearer(asked, proof, text(assertion))).await;
        self.report(exchange, caller, &outcome, request_id, started);
        outcome
    }

    fn provider(&self, exchange: &Exchange, caller: &Caller) -> Result<Endpoint, ExchangeError> {
        let endpoints = caller.tenant.endpoints();
        let endpoints = endpoints.ok_or_else(|| ExchangeError::unreachable("the token endpoint is not known yet"))?;
        Ok(self.endpoints.endpoint(&endpoints.token, &exchange.identity.client_id))
    }

    /// What was not asked for needs no line and no count of its own: the request that wanted it has both.
    fn report(
        &self,
        exchange: &Exchange,
        caller: &Caller,
        outcome: &Result<Granted, ExchangeError>,
        request_id: &str,
        started: Instant,
    ) {
        if !matches!(outcome, Err(ExchangeError::HeldBack { .. })) {
            let subject = report::Subject { exchange, tenant: &caller.tenant, request_id };
            report::report(&self.metrics, &subject, outcome, started.elapsed());
        }
    }
}

fn request_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

fn question<'a>(
    exchange: &'a Exchange,
    endpoint: &'a Endpoint,
    caller: &'a Caller,
    request_id: &'a str,
    (asked, expected): (Asked, Expected<'a>),
) -> Question<'a> {
    Question {
        client: &exchange.client,
        endpoint,
        authenticator: &exchange.authenticator,
        caller: &caller.digest,
        request_id,
        asked,
        expected,
        deadline: caller.asked_at + exchange.identity.timeout,
    }
}

fn remembered(
    exchange: &Exchange,
    caller: &Caller,
    granted: Granted,
    previous: Option<&TokenB>,
    started: Instant,
) -> Result<Arc<TokenB>, ExchangeError> {
    let (name, value) = exchange.fitting_header(&granted.token)?;
    let lifetime = Lifetime::new(
        started,
        Given {
            lifetime: granted.lifetime,
            refresh_in: granted.refresh_in,
            caller: exchange.is_of_caller().then(|| caller.ends.saturating_duration_since(started)),
            jitter: fastrand::f64(),
        },
    );
    let refresh_token = granted.refresh_token.or_else(|| previous.and_then(TokenB::refresh_token));
    Ok(Arc::new(TokenB::new(name, value, lifetime, refresh_token)))
}

/// The assertion: its header has no word before it.
fn text(assertion: &TokenB) -> &str {
    assertion.header().to_str().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::exchange::form::Capable;
    use crate::exchange::grant::OnBehalfOf;
    use crate::exchange::testing::identity;
    use crate::secret::Secret;

    /// The second leg of an exchange, and an exchange after a retry, begin later than the request.
    #[tokio::test(start_paused = true)]
    async fn a_token_that_was_asked_for_late_does_not_outlive_token_a() {
        let exchange = Exchange::for_test(&identity("i", "c"), Grant::OnBehalfOf(OnBehalfOf::default()));
        let now = Instant::now();
        let caller = Caller {
            token: Secret::new("eyJ.a".to_owned()),
            digest: Digest::of(b"eyJ.a"),
            tenant: Arc::clone(&exchange.identity.anyone),
            capable: Capable(false),
            ends: now + Duration::from_secs(100),
            asked_at: now,
        };
        tokio::time::advance(Duration::from_secs(40)).await;
        let (token, lifetime) = (Secret::new("b".to_owned()), Duration::from_hours(1));
        let granted = Granted {
            token_type: "Bearer".into(),
            token,
            scope: None,
            lifetime,
            refresh_in: None,
            refresh_token: None,
        };
        let token = remembered(&exchange, &caller, granted, None, Instant::now()).unwrap();
        assert_eq!(token.end(), caller.ends);
    }
}
