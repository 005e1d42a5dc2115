//! The proxy: its routes, its caches, and the work beside requests.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::IntGauge;

use super::admission::Gate;
use super::edge::EdgeSettings;
use super::route::{Party, Route, RouteError, RouteSettings};
use super::target::Backends;
use crate::caller::Verifier;
use crate::exchange::{Authenticator, Exchanger, TENDING_INTERVAL, Unusable};
use crate::identity::Identity;
use crate::idp::{ClientError, IdpClient};
use crate::limit::Limiter;
use crate::route::{RouteTable, Tie};
use crate::telemetry::Metrics;

/// Work beside requests.
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The proxy. A clone is the same proxy.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub(super) gate: Arc<Gate>,
    verifiers: Arc<[Arc<Verifier>]>,
    /// Each once.
    authenticators: Arc<[Arc<Authenticator>]>,
    /// All rate limits.
    limiters: Arc<[Arc<Limiter>]>,
    backends: Arc<Backends>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) in_flight: Arc<IntGauge>,
    leaving: Arc<AtomicBool>,
}

/// What a proxy is put together from.
#[derive(Debug, Clone)]
pub struct GatewaySettings {
    /// Our registrations.
    pub identities: Vec<Identity>,
    /// The routes.
    pub routes: Vec<RouteSettings>,
    /// The bound of each cache, in entries.
    pub cache_entries: usize,
    /// How long a refused exchange is not asked for again.
    pub refusal_ttl: Duration,
    /// What is asked of every request.
    pub edge: EdgeSettings,
}

/// Why a proxy cannot be put together.
#[derive(Debug)]
pub enum GatewayError {
    /// Routes that no request could tell apart.
    Ties(Vec<Tie>),
    /// A credential that cannot be used.
    Credential(Unusable),
    /// There is no way to talk to an identity provider.
    Client(ClientError),
}

impl From<RouteError> for GatewayError {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::Credential(unusable) => Self::Credential(unusable),
            RouteError::Client(error) => Self::Client(error),
        }
    }
}

impl Gateway {
    /// Puts a proxy together. Nothing runs yet, see [`Gateway::background`].
    ///
    /// # Errors
    /// Whatever stands in the way; a checked configuration has nothing of the kind.
    pub fn new(settings: GatewaySettings, metrics: Arc<Metrics>) -> Result<Self, GatewayError> {
        let capacity = settings.cache_entries;
        let party = |identity| party(identity, capacity, &metrics);
        let parties = settings.identities.into_iter().map(party).collect::<Result<Vec<_>, _>>()?;
        let mut backends = Backends::default();
        let mut routes = Vec::new();
        for settings in settings.routes {
            let Some(party) = parties.get(settings.identity) else { continue };
            let pattern = settings.pattern.clone();
            let route = Route::new(settings, party, capacity, &mut backends, &metrics)?;
            routes.push((pattern, Arc::new(route)));
        }
        let routes = RouteTable::build(routes).map_err(GatewayError::Ties)?;
        let exchanger = Exchanger::new(capacity, settings.refusal_ttl, Arc::clone(&metrics));
        Ok(Self {
            verifiers: parties.iter().map(|party| Arc::clone(&party.verifier)).collect(),
            authenticators: authenticators(&parties, &routes).into(),
            limiters: limiters(&parties, &routes),
            gate: Arc::new(Gate { edge: settings.edge, routes, exchanger }),
            backends: Arc::new(backends.finish()),
            in_flight: Arc::new(metrics.in_flight().clone()),
            metrics,
            leaving: Arc::default(),
        })
    }

    /// Whether every identity's signing keys have been loaded, of one tenant at least.
    pub fn is_ready(&self) -> bool {
        self.verifiers.iter().all(|verifier| verifier.has_keys())
    }

    /// How many requests are being served.
    pub fn in_flight(&self) -> i64 {
        self.in_flight.get()
    }

    /// From now on every answer says that its connection closes: a caller that knows does not lose a request on it.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Whether the proxy is leaving and wants no new requests.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// The work beside requests: keys, credentials, names, sweeping. Each future runs until it is dropped.
    pub fn background(&self) -> Vec<Background> {
        let mut work: Vec<Background> =
            vec![Box::pin(self.clone().sweep()), Box::pin(tend(Arc::clone(&self.authenticators)))];
        for verifier in self.verifiers.iter() {
            work.extend(verifier.keep_keys_fresh().map(|keeping| Box::pin(keeping) as Background));
        }
        work.extend(self.backends.iter().map(|backend| Box::pin(backend.tend()) as Background));
        work
    }

    /// The metrics of this proxy.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Brings the metrics of the caches and of the targets up to date.
    pub fn count_entries(&self) {
        self.backends.iter().for_each(|backend| backend.show());
        self.metrics.cache_entries("caller", self.verifiers.iter().map(|verifier| verifier.remembered()).sum());
        self.metrics.cache_entries("token", self.gate.exchanger.remembered());
        self.metrics.cache_entries("refusal", self.gate.exchanger.remembered_refusals());
        self.metrics.cache_entries("limit", self.limiters.iter().map(|limiter| limiter.len()).sum());
    }

    async fn sweep(self) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            let (verifiers, limiters) = (Arc::clone(&self.verifiers), Arc::clone(&self.limiters));
            let gate = Arc::clone(&self.gate);
            // Full caches take a while to look through; requests must not wait behind that.
            let swept = tokio::task::spawn_blocking(move || {
                verifiers.iter().for_each(|verifier| verifier.sweep());
                limiters.iter().for_each(|limiter| limiter.sweep());
                gate.exchanger.sweep();
            });
            if swept.await.is_err() {
                tracing::error!("failed to sweep the caches");
            }
        }
    }
}

/// An identity with what acts in its name.
fn party(identity: Identity, cache_entries: usize, metrics: &Arc<Metrics>) -> Result<Party, GatewayError> {
    let identity = Arc::new(identity);
    let client = IdpClient::new(identity.ca.as_deref()).map_err(GatewayError::Client)?;
    let verifier = Verifier::new(Arc::clone(&identity), &client, cache_entries, Arc::clone(metrics));
    let (name, credentials) = (Arc::clone(&identity.name), &identity.credentials);
    let authenticator = Authenticator::load(name, &identity.client_id, credentials, &client, Arc::clone(metrics));
    let authenticator = Arc::new(authenticator.map_err(GatewayError::Credential)?);
    let limiter = identity.exchange_limit.map(|limit| Arc::new(Limiter::new(limit, cache_entries)));
    Ok(Party { identity, verifier: Arc::new(verifier), authenticator, client, limiter })
}

fn limiters(parties: &[Party], routes: &RouteTable<Arc<Route>>) -> Arc<[Arc<Limiter>]> {
    let of_routes = routes.iter().flat_map(|route| route.limits.limiters());
    parties.iter().filter_map(|party| party.limiter.as_ref()).chain(of_routes).cloned().collect()
}

fn authenticators(parties: &[Party], routes: &RouteTable<Arc<Route>>) -> Vec<Arc<Authenticator>> {
    let mut each_once: Vec<Arc<Authenticator>> = Vec::new();
    let of_parties = parties.iter().map(|party| &party.authenticator);
    for authenticator in of_parties.chain(routes.iter().flat_map(|route| route.authenticators())) {
        if !each_once.iter().any(|other| Arc::ptr_eq(other, authenticator)) {
            each_once.push(Arc::clone(authenticator));
        }
    }
    each_once
}

/// Files are read beside the threads that serve requests: a network file system may be slow.
async fn tend(authenticators: Arc<[Arc<Authenticator>]>) {
    loop {
        tokio::time::sleep(TENDING_INTERVAL).await;
        let authenticators = Arc::clone(&authenticators);
        let tended = tokio::task::spawn_blocking(move || authenticators.iter().for_each(|it| it.tend()));
        if tended.await.is_err() {
            tracing::error!("failed to look at the credentials");
        }
    }
}

/// How often ended entries leave the caches.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
