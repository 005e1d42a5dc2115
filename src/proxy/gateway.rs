//! The proxy: the configuration that serves now, and what outlives every configuration.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use prometheus::IntGauge;
use tokio::sync::watch;

use super::generation::{GatewayError, GatewaySettings, Generation};
use crate::exchange::Exchanger;
use crate::telemetry::Metrics;

/// The proxy. A clone is the same proxy.
#[derive(Debug, Clone)]
pub struct Gateway {
    current: Arc<ArcSwap<Generation>>,
    /// Counts the generations that took over.
    pub(super) takeovers: Arc<watch::Sender<u64>>,
    /// Generations that were replaced and that requests may still hold.
    pub(super) replaced: Arc<Mutex<Vec<Arc<Generation>>>>,
    /// Outlives generations; what it remembers is told apart by everything that matters of an exchange.
    exchanger: Exchanger,
    pub(super) metrics: Arc<Metrics>,
    pub(super) in_flight: Arc<IntGauge>,
    leaving: Arc<AtomicBool>,
    has_been_ready: Arc<AtomicBool>,
}

impl Gateway {
    /// Puts a proxy together. Nothing runs yet, see [`Gateway::background`].
    ///
    /// # Errors
    /// Whatever stands in the way; a checked configuration has nothing of the kind.
    pub fn new(settings: GatewaySettings, metrics: Arc<Metrics>) -> Result<Self, GatewayError> {
        let exchanger = Exchanger::new(settings.cache_entries, settings.refusal_ttl, Arc::clone(&metrics));
        let first = Generation::new(settings, None, exchanger.clone(), &metrics)?;
        Ok(Self {
            current: Arc::new(ArcSwap::from_pointee(first)),
            takeovers: Arc::new(watch::Sender::new(0)),
            replaced: Arc::default(),
            exchanger,
            in_flight: Arc::new(metrics.in_flight().clone()),
            metrics,
            leaving: Arc::default(),
            has_been_ready: Arc::default(),
        })
    }

    /// What decides about requests now. A request asks once and goes by that to its end.
    pub(super) fn generation(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// Builds what would decide by these settings, with the parts of the current generation that have the same ones.
    /// Takes its time with many routes, and reads files: not for a thread that serves requests.
    ///
    /// # Errors
    /// Whatever stands in the way; nothing has changed then.
    pub fn prepare(&self, settings: GatewaySettings) -> Result<Generation, GatewayError> {
        Generation::new(settings, Some(&self.generation()), self.exchanger.clone(), &self.metrics)
    }

    /// Puts a generation in the place of the current one, for every request that arrives from now on.
    pub fn take_over(&self, next: Generation) {
        // An identity whose keys are still to come must not take the others' readiness away.
        self.is_ready();
        self.exchanger.resize(next.cache_entries, next.refusal_ttl);
        next.verifiers().for_each(|verifier| verifier.resize(next.cache_entries));
        let replaced = self.current.swap(Arc::new(next));
        self.replaced.lock().push(replaced);
        self.takeovers.send_modify(|count| *count += 1);
    }

    /// Reads the files of all credentials again. Not for a thread that serves requests.
    pub fn reread_credentials(&self) {
        self.generation().authenticators.iter().for_each(|authenticator| authenticator.reread());
    }

    /// How many generations there have been.
    pub fn generations(&self) -> u64 {
        *self.takeovers.borrow() + 1
    }

    /// Whether every identity's signing keys have been loaded, of one tenant at least. What has once been ready stays so
    /// when the configuration changes.
    pub fn is_ready(&self) -> bool {
        if !self.has_been_ready.load(Ordering::Acquire) && self.current.load().has_keys() {
            self.has_been_ready.store(true, Ordering::Release);
        }
        self.has_been_ready.load(Ordering::Acquire)
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

    /// The metrics of this proxy.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Brings the metrics of the caches and of the targets up to date.
    pub fn count_entries(&self) {
        let generation = self.generation();
        generation.backends.iter().for_each(|backend| backend.show());
        let callers = generation.verifiers().map(|verifier| verifier.remembered()).sum();
        self.metrics.cache_entries("caller", callers);
        self.metrics.cache_entries("token", self.exchanger.remembered());
        self.metrics.cache_entries("refusal", self.exchanger.remembered_refusals());
        self.metrics.cache_entries("limit", generation.limiters().map(|limiter| limiter.len()).sum());
    }
}
