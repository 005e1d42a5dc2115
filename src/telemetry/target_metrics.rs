//! The metrics of targets. Each target looks its own up once, so that a request only counts.

use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::metrics::{opts, register, seconds, whole};
use super::series::retain;

/// The metrics of all targets.
#[derive(Debug)]
pub(super) struct TargetFamilies {
    under_way: IntGaugeVec,
    turned_away: IntCounterVec,
    connections: IntCounterVec,
    connect_seconds: HistogramVec,
    connect_errors: IntCounterVec,
    retries: IntCounterVec,
    ejections: IntCounterVec,
    healthy: IntGaugeVec,
    certificate_ends: IntGaugeVec,
}

/// The metrics of one target.
#[derive(Debug)]
pub struct TargetMetrics {
    name: Box<str>,
    under_way: IntGauge,
    turned_away: IntCounter,
    connected: IntCounter,
    reused: IntCounter,
    connect_seconds: Histogram,
    connect_errors: IntCounter,
    retries: IntCounter,
    ejections: IntCounter,
    healthy: IntGaugeVec,
    certificate_ends: IntGaugeVec,
}

/// The health of one address; it leaves the exposition when it is dropped.
#[derive(Debug)]
pub struct AddressHealth {
    family: IntGaugeVec,
    labels: [Box<str>; 2],
}

impl TargetFamilies {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name, help, labels: &[&str]| register(registry, IntCounterVec::new(opts(name, help), labels)?);
        let gauge = |name, help, labels: &[&str]| register(registry, IntGaugeVec::new(opts(name, help), labels)?);
        Ok(Self {
            under_way: gauge("target_requests_in_flight", UNDER_WAY, &["target"])?,
            turned_away: counter("target_requests_rejected_total", TURNED_AWAY, &["target"])?,
            connections: counter("target_connections_total", CONNECTIONS, &["target", "reused"])?,
            connect_seconds: register(registry, seconds("target_connect_duration_seconds", CONNECT, &["target"])?)?,
            connect_errors: counter("target_connect_errors_total", CONNECT_ERRORS, &["target"])?,
            retries: counter("target_retries_total", RETRIES, &["target"])?,
            ejections: counter("target_ejections_total", EJECTIONS, &["target"])?,
            healthy: gauge("target_healthy", HEALTHY, &["target", "address"])?,
            certificate_ends: gauge("target_certificate_not_after_timestamp_seconds", CERTIFICATE_ENDS, &["target"])?,
        })
    }

    /// Addresses take care of themselves.
    pub(super) fn retain(&self, keep: &dyn Fn(&str) -> bool) {
        for gauge in [&self.under_way, &self.certificate_ends] {
            retain(gauge, "target", keep);
        }
        let counters = [&self.turned_away, &self.connections, &self.connect_errors, &self.retries, &self.ejections];
        for counter in counters {
            retain(counter, "target", keep);
        }
        retain(&self.connect_seconds, "target", keep);
    }

    pub(super) fn target(&self, name: &str) -> TargetMetrics {
        TargetMetrics {
            name: name.into(),
            under_way: self.under_way.with_label_values(&[name]),
            turned_away: self.turned_away.with_label_values(&[name]),
            connected: self.connections.with_label_values(&[name, "false"]),
            reused: self.connections.with_label_values(&[name, "true"]),
            connect_seconds: self.connect_seconds.with_label_values(&[name]),
            connect_errors: self.connect_errors.with_label_values(&[name]),
            retries: self.retries.with_label_values(&[name]),
            ejections: self.ejections.with_label_values(&[name]),
            healthy: self.healthy.clone(),
            certificate_ends: self.certificate_ends.clone(),
        }
    }
}

impl TargetMetrics {
    /// The target's scheme, host and port: its label.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// So many requests are under way now.
    pub fn under_way(&self, requests: usize) {
        self.under_way.set(whole(requests));
    }

    /// A request was turned away because there were too many.
    pub fn turned_away(&self) {
        self.turned_away.inc();
    }

    /// A request got a connection: a new one, which took this long, or one of the pool.
    pub fn connected(&self, took: Option<Duration>) {
        match took {
            Some(took) => {
                self.connected.inc();
                self.connect_seconds.observe(took.as_secs_f64());
            }
            None => self.reused.inc(),
        }
    }

    /// A connection could not be made.
    pub fn connect_failed(&self) {
        self.connect_errors.inc();
    }

    /// A request was sent again because its connection broke off.
    pub fn sent_again(&self) {
        self.retries.inc();
    }

    /// An address is passed over from now on.
    pub fn ejected(&self) {
        self.ejections.inc();
    }

    /// When our certificate for this target ends, in seconds since 1970.
    pub fn certificate_ends(&self, unix_seconds: i64) {
        self.certificate_ends.with_label_values(&[&self.name]).set(unix_seconds);
    }

    /// The health of one of its addresses.
    pub fn address(&self, address: &str) -> AddressHealth {
        AddressHealth { family: self.healthy.clone(), labels: [self.name.clone(), address.into()] }
    }
}

impl AddressHealth {
    /// The address, with its port.
    pub fn address(&self) -> &str {
        &self.labels[1]
    }

    /// Whether requests go there.
    pub fn set(&self, is_healthy: bool) {
        let [target, address] = &self.labels;
        self.family.with_label_values(&[target, address]).set(is_healthy.into());
    }
}

impl Drop for AddressHealth {
    fn drop(&mut self) {
        let [target, address] = &self.labels;
        // Another target with the same name and address shows its own again when the metrics are read next.
        let _ = self.family.remove_label_values(&[target, address]);
    }
}

const UNDER_WAY: &str = "Requests to the target that have been admitted and not ended.";
const TURNED_AWAY: &str = "Requests answered 503 because the target had as many under way as it may have.";
const CONNECTIONS: &str = "Connections that requests went over: new ones, and such of the pool (reused).";
const CONNECT: &str = "How long new connections took, TLS included.";
const CONNECT_ERRORS: &str = "Connections to the target that could not be made.";
const RETRIES: &str = "Requests sent again after their connection broke off without an answer.";
const EJECTIONS: &str = "How often an address of the target began to be passed over because of failures.";
const HEALTHY: &str = "Whether requests go to this address: 0 while it fails its health check or is passed over.";
const CERTIFICATE_ENDS: &str = "When the certificate ends by which the target knows us, in seconds since 1970.";
