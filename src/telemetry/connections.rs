//! Metrics of listeners and of the connections that callers open.

use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry};

use super::metrics::{opts, outcome, register};

/// The metrics of all listeners.
#[derive(Debug, Clone)]
pub struct ConnectionMetrics {
    open: IntGaugeVec,
    accepted: IntCounterVec,
    refused: IntCounterVec,
    ended: IntCounterVec,
    certificate_reloads: IntCounterVec,
    certificate_ends: IntGaugeVec,
    hand_overs: IntCounterVec,
}

/// The metrics of one listener.
#[derive(Debug, Clone)]
pub struct ListenerMetrics {
    /// Connections that are open.
    pub open: IntGauge,
    /// Connections that were accepted.
    pub accepted: IntCounter,
    listener: Box<str>,
    all: ConnectionMetrics,
}

impl ConnectionMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters = |name, help, labels: &[&str]| register(registry, IntCounterVec::new(opts(name, help), labels)?);
        let gauges = |name, help| register(registry, IntGaugeVec::new(opts(name, help), &["listener"])?);
        Ok(Self {
            open: gauges("connections", OPEN)?,
            accepted: counters("connections_accepted_total", ACCEPTED, &["listener"])?,
            refused: counters("connections_refused_total", REFUSED, &["listener", "reason"])?,
            ended: counters("connections_ended_total", ENDED, &["listener", "reason"])?,
            certificate_reloads: counters("certificate_reloads_total", RELOADS, &["listener", "outcome"])?,
            certificate_ends: gauges("listener_certificate_not_after_timestamp_seconds", ENDS)?,
            hand_overs: counters("hand_overs_total", HAND_OVERS, &["outcome"])?,
        })
    }

    /// Those of the listener with this address.
    pub fn of(&self, listener: &str) -> ListenerMetrics {
        ListenerMetrics {
            open: self.open.with_label_values(&[listener]),
            accepted: self.accepted.with_label_values(&[listener]),
            listener: listener.into(),
            all: self.clone(),
        }
    }

    /// A new program took over, or did not.
    pub fn handed_over(&self, succeeded: bool) {
        self.hand_overs.with_label_values(&[outcome(succeeded)]).inc();
    }
}

impl ListenerMetrics {
    /// The address of the listener.
    pub fn listener(&self) -> &str {
        &self.listener
    }

    /// A connection was not served.
    pub fn refused(&self, reason: &str) {
        self.all.refused.with_label_values(&[&*self.listener, reason]).inc();
    }

    /// A connection was ended by us.
    pub fn ended(&self, reason: &str) {
        self.all.ended.with_label_values(&[&*self.listener, reason]).inc();
    }

    /// The files of its TLS settings were read again because they had changed.
    pub fn certificate_reloaded(&self, succeeded: bool) {
        self.all.certificate_reloads.with_label_values(&[&*self.listener, outcome(succeeded)]).inc();
    }

    /// When its certificate ends, in seconds since 1970.
    pub fn certificate_ends(&self, unix_seconds: i64) {
        self.all.certificate_ends.with_label_values(&[&*self.listener]).set(unix_seconds);
    }
}

const OPEN: &str = "Connections of callers that are open.";
const ACCEPTED: &str = "Connections of callers that were accepted.";
const REFUSED: &str = "Connections of callers that were closed before a request could be read, by reason.";
const ENDED: &str = "Connections of callers that were closed for what they did or did not do, by reason.";
const RELOADS: &str = "Readings of a listener's TLS files that had changed, by outcome.";
const ENDS: &str = "When the certificate ends that a listener presents, in seconds since 1970.";
const HAND_OVERS: &str = "Attempts to hand the listeners over to a new program, by outcome.";
