//! The proxy: its routes, its caches, and the work beside requests.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prometheus::IntGauge;

use super::admission::Gate;
use super::route::{Route, RouteSettings};
use crate::caller::Verifier;
use crate::exchange::Exchanger;
use crate::identity::Identity;
use crate::idp::IdpClient;
use crate::route::{RouteTable, Tie};
use crate::telemetry::Metrics;

/// Work beside requests.
pub type Background = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The proxy. A clone is the same proxy.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub(super) gate: Arc<Gate>,
    verifiers: Arc<[Arc<Verifier>]>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) in_flight: Arc<IntGauge>,
    leaving: Arc<AtomicBool>,
}

impl Gateway {
    /// Puts a proxy together. Nothing runs yet, see [`Gateway::background`].
    ///
    /// # Errors
    /// The routes that no request could tell apart.
    pub fn new(
        identities: Vec<Identity>,
        routes: Vec<RouteSettings>,
        cache_entries: usize,
        client: &IdpClient,
        metrics: Arc<Metrics>,
    ) -> Result<Self, Vec<Tie>> {
        let identities: Vec<_> = identities.into_iter().map(Arc::new).collect();
        let verifier = |identity: &Arc<Identity>| {
            Arc::new(Verifier::new(Arc::clone(identity), client, cache_entries, Arc::clone(&metrics)))
        };
        let verifiers: Arc<[_]> = identities.iter().map(verifier).collect();
        let routes = routes.into_iter().filter_map(|settings| {
            let (identity, verifier) = (identities.get(settings.identity)?, verifiers.get(settings.identity)?);
            let pattern = settings.pattern.clone();
            Some((pattern, Arc::new(Route::new(settings, identity, Arc::clone(verifier)))))
        });
        let routes = RouteTable::build(routes)?;
        let exchanger = Exchanger::new(client.clone(), cache_entries, Arc::clone(&metrics));
        let in_flight = Arc::new(metrics.in_flight().clone());
        Ok(Self { gate: Arc::new(Gate { routes, exchanger }), verifiers, metrics, in_flight, leaving: Arc::default() })
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

    /// The work beside requests: keys, names, sweeping. Each future runs until it is dropped.
    pub fn background(&self) -> Vec<Background> {
        let mut work: Vec<Background> = vec![Box::pin(self.clone().sweep())];
        for verifier in self.verifiers.iter() {
            work.extend(verifier.keep_keys_fresh().map(|keeping| Box::pin(keeping) as Background));
        }
        for route in self.gate.routes.iter() {
            let target = Arc::clone(&route.target);
            work.push(Box::pin(async move { target.addresses().keep_resolved().await }));
        }
        work
    }

    /// The metrics of this proxy.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Brings the metrics of the caches up to date.
    pub fn count_entries(&self) {
        self.metrics.cache_entries("caller", self.verifiers.iter().map(|verifier| verifier.remembered()).sum());
        self.metrics.cache_entries("token", self.gate.exchanger.remembered());
    }

    async fn sweep(self) {
        loop {
            tokio::time::sleep(SWEEP_INTERVAL).await;
            let (verifiers, gate) = (Arc::clone(&self.verifiers), Arc::clone(&self.gate));
            // Full caches take a while to look through; requests must not wait behind that.
            let swept = tokio::task::spawn_blocking(move || {
                verifiers.iter().for_each(|verifier| verifier.sweep());
                gate.exchanger.sweep();
            });
            if swept.await.is_err() {
                tracing::error!("failed to sweep the caches");
            }
        }
    }
}

/// How often ended entries leave the caches.
const SWEEP_INTERVAL: Duration = Duration::from_secs(30);
