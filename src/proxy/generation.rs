//! What a configuration decides, as a whole: built beside the one that serves, and then put in its place.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use super::admission::Gate;
use super::edge::EdgeSettings;
use super::kept::{Earlier, Kept};
use super::party::Party;
use super::route::{Route, RouteError, RouteSettings};
use super::target::Backends;
use crate::caller::Verifier;
use crate::exchange::{Authenticator, Exchanger, Unusable};
use crate::identity::Identity;
use crate::idp::ClientError;
use crate::limit::Limiter;
use crate::route::{Pattern, RouteTable, Tie};
use crate::telemetry::Metrics;

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

/// All that one configuration decides about requests. It never changes; another configuration is another generation.
///
/// Parts whose settings are the same in two generations are the same parts: the caches of verified callers, signing keys,
/// credentials, targets with what is known of their addresses. [`PartialEq`] of the settings decides.
#[derive(Debug)]
pub struct Generation {
    pub(super) gate: Gate,
    pub(super) parties: Vec<Party>,
    /// Each once.
    pub(super) authenticators: Arc<[Arc<Authenticator>]>,
    pub(super) backends: Backends,
    pub(super) cache_entries: usize,
    pub(super) refusal_ttl: Duration,
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

impl std::fmt::Display for GatewayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ties(_) => f.write_str("two routes serve the same requests"),
            Self::Credential(unusable) => write!(f, "failed to load a credential: {unusable}"),
            Self::Client(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for GatewayError {}

impl From<RouteError> for GatewayError {
    fn from(error: RouteError) -> Self {
        match error {
            RouteError::Credential(unusable) => Self::Credential(unusable),
            RouteError::Client(error) => Self::Client(error),
        }
    }
}

impl Generation {
    /// The generation of these settings, with the parts of an `earlier` one that have the same settings.
    ///
    /// # Errors
    /// Whatever stands in the way; the earlier one is as it was then.
    pub(super) fn new(
        settings: GatewaySettings,
        earlier: Option<&Self>,
        exchanger: Exchanger,
        metrics: &Arc<Metrics>,
    ) -> Result<Self, GatewayError> {
        let GatewaySettings { identities, routes, cache_entries, refusal_ttl, edge } = settings;
        let known: HashMap<_, _> = earlier.into_iter().flat_map(|earlier| &earlier.parties).map(by_name).collect();
        let party = |identity: Identity| {
            let earlier = known.get(&identity.name).copied();
            Party::new(identity, earlier, cache_entries, metrics)
        };
        let parties = identities.into_iter().map(party).collect::<Result<Vec<_>, _>>()?;
        let backends = earlier.map_or_else(Backends::default, |earlier| Backends::after(&earlier.backends));
        let mut workshop =
            Workshop { parties: &parties, kept: Kept::of(earlier), backends, capacity: cache_entries, metrics };
        let routes = routes.into_iter().filter_map(|route| workshop.route(route).transpose());
        let routes = routes.collect::<Result<Vec<_>, _>>()?;
        let backends = workshop.backends.finish();
        let routes = RouteTable::build(routes).map_err(GatewayError::Ties)?;
        let authenticators = authenticators(&parties, &routes).into();
        Ok(Self {
            gate: Gate { edge, routes, exchanger },
            parties,
            authenticators,
            backends,
            cache_entries,
            refusal_ttl,
        })
    }

    /// Loads the signing keys of identities and resolves the names of targets that have none yet, for at most this long:
    /// requests need not wait for that afterwards.
    pub async fn warm_up(&self, limit: Duration) {
        let (mut warming, mut tending) = (JoinSet::new(), JoinSet::new());
        for verifier in self.verifiers().filter(|verifier| !verifier.has_keys()) {
            let verifier = Arc::clone(verifier);
            warming.spawn(async move { verifier.load_first_keys().await });
        }
        for backend in self.backends.iter().filter(|backend| !backend.has_addresses()) {
            let backend = Arc::clone(backend);
            tending.spawn(backend.tend());
            warming.spawn(async move { backend.wait_for_addresses().await });
        }
        // What is not there by then is fetched on schedule.
        let _ = timeout(limit, async { while warming.join_next().await.is_some() {} }).await;
    }

    pub(super) fn verifiers(&self) -> impl Iterator<Item = &Arc<Verifier>> {
        self.parties.iter().map(|party| &party.verifier)
    }

    /// All rate limits.
    pub(super) fn limiters(&self) -> impl Iterator<Item = &Arc<Limiter>> {
        let of_routes = self.gate.routes.iter().flat_map(|route| route.limits.limiters());
        self.parties.iter().filter_map(|party| party.limiter.as_ref()).chain(of_routes)
    }

    pub(super) fn has_keys(&self) -> bool {
        self.verifiers().all(|verifier| verifier.has_keys())
    }
}

fn by_name(party: &Party) -> (Arc<str>, &Party) {
    (Arc::clone(&party.identity.name), party)
}

/// What routes are made with.
struct Workshop<'a> {
    parties: &'a [Party],
    kept: Kept,
    backends: Backends,
    /// Bounds how many callers each rate limit counts.
    capacity: usize,
    metrics: &'a Arc<Metrics>,
}

impl Workshop<'_> {
    /// The route with these settings: the one there was, if nothing about it has changed.
    fn route(&mut self, settings: RouteSettings) -> Result<Option<(Pattern, Arc<Route>)>, RouteError> {
        let Some(party) = self.parties.get(settings.identity) else { return Ok(None) };
        let (pattern, backend) = (settings.pattern.clone(), self.backends.backend(&settings.target, self.metrics));
        let earlier = self.kept.take(&settings, party);
        let route = if let Earlier::Same(same) = earlier {
            same
        } else {
            let limits = earlier.limits(&settings, self.capacity);
            Arc::new(Route::new(settings, party, backend, limits, self.metrics)?)
        };
        Ok(Some((pattern, route)))
    }
}

fn authenticators(parties: &[Party], routes: &RouteTable<Arc<Route>>) -> Vec<Arc<Authenticator>> {
    let mut each_once: HashMap<*const Authenticator, Arc<Authenticator>> = HashMap::new();
    let of_parties = parties.iter().map(|party| &party.authenticator);
    for authenticator in of_parties.chain(routes.iter().flat_map(|route| route.authenticators())) {
        each_once.entry(Arc::as_ptr(authenticator)).or_insert_with(|| Arc::clone(authenticator));
    }
    each_once.into_values().collect()
}
