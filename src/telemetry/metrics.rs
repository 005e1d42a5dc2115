//! The metrics, in Prometheus' conventions: base units, `_total` for counters, few labels with few values.

use std::sync::Arc;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::connections::ConnectionMetrics;
use super::foreign;
use super::lookups::Lookups;
use super::reloads::ReloadMetrics;
use super::route_metrics::RouteMetrics;
use super::series;
use super::target_metrics::{TargetFamilies, TargetMetrics};

/// The metrics of one proxy.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    in_flight: IntGauge,
    exchanges: IntCounterVec,
    exchange_seconds: HistogramVec,
    lookups: Lookups,
    entries: IntGaugeVec,
    renewals: IntCounterVec,
    rate_limited: IntCounterVec,
    idp_errors: IntCounterVec,
    credential_reloads: IntCounterVec,
    certificate_ends: IntGaugeVec,
    key_refreshes: IntCounterVec,
    keys: IntGaugeVec,
    keys_loaded_at: IntGaugeVec,
    dropped_lines: IntCounter,
    unreadable: IntCounter,
    targets: TargetFamilies,
    connections: ConnectionMetrics,
    reloads: ReloadMetrics,
}

/// How an exchange ended, as a label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeOutcome(pub &'static str);

impl Metrics {
    /// A fresh set, registered in a registry of its own.
    ///
    /// # Errors
    /// Only where two metrics share a name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let metrics = Self {
            requests: register(
                &registry,
                IntCounterVec::new(opts("requests_total", REQUESTS), &["route", "status", "code"])?,
            )?,
            request_seconds: register(&registry, seconds("request_duration_seconds", REQUEST_SECONDS, &["route"])?)?,
            in_flight: register(&registry, IntGauge::with_opts(opts("requests_in_flight", IN_FLIGHT))?)?,
            exchanges: register(
                &registry,
                IntCounterVec::new(opts("exchanges_total", EXCHANGES), &["identity", "outcome"])?,
            )?,
            exchange_seconds: register(
                &registry,
                seconds("exchange_duration_seconds", EXCHANGE_SECONDS, &["identity", "outcome"])?,
            )?,
            lookups: Lookups::new(&registry)?,
            entries: register(&registry, IntGaugeVec::new(opts("cache_entries", ENTRIES), &["cache"])?)?,
            renewals: register(
                &registry,
                IntCounterVec::new(opts("renewals_total", RENEWALS), &["identity", "outcome"])?,
            )?,
            rate_limited: register(
                &registry,
                IntCounterVec::new(opts("rate_limited_total", RATE_LIMITED), &["route", "limit", "by"])?,
            )?,
            idp_errors: register(
                &registry,
                IntCounterVec::new(opts("idp_errors_total", IDP_ERRORS), &["identity", "error", "code"])?,
            )?,
            credential_reloads: register(
                &registry,
                IntCounterVec::new(opts("credential_reloads_total", CREDENTIAL_RELOADS), &["identity", "outcome"])?,
            )?,
            certificate_ends: register(
                &registry,
                IntGaugeVec::new(opts("certificate_not_after_timestamp_seconds", CERTIFICATE_ENDS), &["identity"])?,
            )?,
            key_refreshes: register(
                &registry,
                IntCounterVec::new(opts("key_refreshes_total", KEY_REFRESHES), &["identity", "outcome"])?,
            )?,
            keys: register(&registry, IntGaugeVec::new(opts("signing_keys", KEYS), &["identity"])?)?,
            keys_loaded_at: register(
                &registry,
                IntGaugeVec::new(opts("signing_keys_loaded_timestamp_seconds", KEYS_LOADED), &["identity"])?,
            )?,
            dropped_lines: register(&registry, IntCounter::with_opts(opts("log_lines_dropped_total", DROPPED_LINES))?)?,
            connections: ConnectionMetrics::new(&registry)?,
            unreadable: register(&registry, IntCounter::with_opts(opts("unreadable_requests_total", UNREADABLE))?)?,
            targets: TargetFamilies::new(&registry)?,
            reloads: ReloadMetrics::new(&registry)?,
            registry,
        };
        let build = IntGaugeVec::new(opts("build_info", "Always 1; the label is the version."), &["version"])?;
        register(&metrics.registry, build)?.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        #[cfg(target_os = "linux")]
        metrics.registry.register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))?;
        Ok(metrics)
    }

    /// A request without a route was answered: `status` and `code` as the caller saw them.
    pub fn request(&self, status: &str, code: &str, took: Duration) {
        self.requests.with_label_values(&["", status, code]).inc();
        self.request_seconds.with_label_values(&[""]).observe(took.as_secs_f64());
    }

    /// Those of the route that is called so.
    pub fn route(&self, name: &Arc<str>) -> RouteMetrics {
        RouteMetrics::new(name, &self.requests, &self.request_seconds)
    }

    /// Requests that have begun and not ended.
    pub fn in_flight(&self) -> &IntGauge {
        &self.in_flight
    }

    /// A token was found in the cache.
    pub fn token_cache_hit(&self) {
        self.lookups.token_hit.inc();
    }

    /// A token was not in the cache, and this request started its exchange.
    pub fn token_cache_miss(&self) {
        self.lookups.token_miss.inc();
    }

    /// A token was not in the cache, and this request waited for an exchange under way.
    pub fn token_cache_joined(&self) {
        self.lookups.token_joined.inc();
    }

    /// A caller was remembered.
    pub fn caller_cache_hit(&self) {
        self.lookups.caller_hit.inc();
    }

    /// A caller had to be verified.
    pub fn caller_cache_miss(&self) {
        self.lookups.caller_miss.inc();
    }

    /// The number of entries of a cache, `token`, `caller` or `refusal`, or of those that rate limits count (`limit`).
    pub fn cache_entries(&self, cache: &str, entries: usize) {
        self.entries.with_label_values(&[cache]).set(whole(entries));
    }

    /// An exchange ended.
    pub fn exchange(&self, identity: &str, outcome: ExchangeOutcome, took: Duration) {
        self.exchanges.with_label_values(&[identity, outcome.0]).inc();
        self.exchange_seconds.with_label_values(&[identity, outcome.0]).observe(took.as_secs_f64());
    }

    /// A refusal of an exchange was repeated from memory.
    pub fn refusal_recalled(&self) {
        self.lookups.refusal_hit.inc();
    }

    /// A token was renewed beside requests, or could not be.
    pub fn renewal(&self, identity: &str, succeeded: bool) {
        self.renewals.with_label_values(&[identity, outcome(succeeded)]).inc();
    }

    /// A request was refused for a rate limit: `limit` is what it counts, `request` or `exchange`.
    pub fn rate_limited(&self, route: &str, limit: &str, by: &str) {
        self.rate_limited.with_label_values(&[route, limit, by]).inc();
    }

    /// The identity provider refused an exchange: `error` and the number behind `AADSTS`, each `other` where unknown.
    pub fn idp_error(&self, identity: &str, error: &str, code: &str) {
        self.idp_errors.with_label_values(&[identity, error, code]).inc();
    }

    /// A credential was read again because its file had changed.
    pub fn credential_reloaded(&self, identity: &str, succeeded: bool) {
        self.credential_reloads.with_label_values(&[identity, outcome(succeeded)]).inc();
    }

    /// When the certificate of an identity ends, in seconds since 1970.
    pub fn certificate_ends(&self, identity: &str, unix_seconds: i64) {
        self.certificate_ends.with_label_values(&[identity]).set(unix_seconds);
    }

    /// Signing keys were loaded at `unix_seconds`.
    pub fn keys_loaded(&self, identity: &str, keys: usize, unix_seconds: u64) {
        self.key_refreshes.with_label_values(&[identity, "success"]).inc();
        self.keys.with_label_values(&[identity]).set(whole(keys));
        let at = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
        self.keys_loaded_at.with_label_values(&[identity]).set(at);
    }

    /// Signing keys could not be loaded.
    pub fn key_download_failed(&self, identity: &str) {
        self.key_refreshes.with_label_values(&[identity, "failure"]).inc();
    }

    /// Those of reloads of the configuration.
    pub fn reloads(&self) -> &ReloadMetrics {
        &self.reloads
    }

    /// Forgets what was counted for routes that there are no more.
    pub fn retain_routes(&self, keep: &dyn Fn(&str) -> bool) {
        // Requests without a route are counted under the empty name.
        let keep = |route: &str| route.is_empty() || keep(route);
        series::retain(&self.requests, "route", &keep);
        series::retain(&self.rate_limited, "route", &keep);
        series::retain(&self.request_seconds, "route", &keep);
    }

    /// Forgets what was counted for targets that there are no more.
    pub fn retain_targets(&self, keep: &dyn Fn(&str) -> bool) {
        self.targets.retain(keep);
    }

    /// Forgets what was counted for identities that there are no more.
    pub fn retain_identities(&self, keep: &dyn Fn(&str) -> bool) {
        let counters =
            [&self.exchanges, &self.renewals, &self.idp_errors, &self.credential_reloads, &self.key_refreshes];
        for counter in counters {
            series::retain(counter, "identity", keep);
        }
        let gauges = [&self.certificate_ends, &self.keys, &self.keys_loaded_at];
        for gauge in gauges {
            series::retain(gauge, "identity", keep);
        }
        series::retain(&self.exchange_seconds, "identity", keep);
    }

    /// The number of log lines that were lost.
    pub fn log_lines_dropped(&self, lines: usize) {
        set_total(&self.dropped_lines, lines as u64);
    }

    /// The metrics of the target that is called so.
    pub fn target(&self, name: &str) -> TargetMetrics {
        self.targets.target(name)
    }

    /// Those of listeners and of the connections that callers open.
    pub fn connections(&self) -> &ConnectionMetrics {
        &self.connections
    }

    /// The text exposition format, and its content type.
    ///
    /// # Errors
    /// Where a metric is malformed.
    pub fn expose(&self) -> Result<(Vec<u8>, &'static str), prometheus::Error> {
        set_total(&self.unreadable, foreign::unreadable_requests());
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok((text, prometheus::TEXT_FORMAT))
    }
}

pub(super) fn opts(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("obo_proxy")
}

pub(super) fn seconds(name: &str, help: &str, labels: &[&str]) -> Result<HistogramVec, prometheus::Error> {
    let opts = HistogramOpts::new(name, help).namespace("obo_proxy").buckets(BUCKETS.to_vec());
    HistogramVec::new(opts, labels)
}

pub(super) fn register<C: Collector + Clone + 'static>(
    registry: &Registry,
    collector: C,
) -> Result<C, prometheus::Error> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// Takes over a total that is counted elsewhere.
fn set_total(counter: &IntCounter, total: u64) {
    counter.reset();
    counter.inc_by(total);
}

pub(super) fn outcome(succeeded: bool) -> &'static str {
    if succeeded { "success" } else { "failure" }
}

pub(super) fn whole(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Upper bounds in seconds, from a warm request to a target that takes its time.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

const REQUESTS: &str = "Requests by route, status and problem code (empty where the target's answer was relayed).";
const REQUEST_SECONDS: &str = "From the request's header section to the end of the response.";
const IN_FLIGHT: &str = "Requests that have begun and not ended.";
const EXCHANGES: &str = "Exchanges of a token A for a token B at the identity provider, by outcome.";
const EXCHANGE_SECONDS: &str = "How long exchanges took, retry included.";
const ENTRIES: &str = "Entries of the caches of tokens B (token), verified tokens A (caller) and refused exchanges (refusal), and callers \
     that rate limits count (limit).";
const RENEWALS: &str = "Renewals of tokens B beside requests, by outcome.";
const RATE_LIMITED: &str = "Requests refused for a rate limit, by what it counts (request, exchange) and of whom.";
const IDP_ERRORS: &str = "Refusals of the identity provider, by error and by the number behind AADSTS.";
const CREDENTIAL_RELOADS: &str = "Readings of a credential whose file had changed, by outcome.";
const CERTIFICATE_ENDS: &str = "When the certificate ends by which an identity authenticates, in seconds since 1970.";
const KEY_REFRESHES: &str = "Downloads of the identity provider's signing keys, by outcome.";
const KEYS: &str = "Signing keys that are accepted now.";
const KEYS_LOADED: &str = "When the signing keys were last loaded, in seconds since 1970.";
const DROPPED_LINES: &str = "Log lines lost because they were not taken fast enough or could not be written.";
const UNREADABLE: &str = "Requests that could not be read as HTTP and were answered 400.";
