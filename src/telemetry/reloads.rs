//! Metrics of the configuration: whether the last reload succeeded, since when it serves, and which one it is.

use prometheus::{IntCounterVec, IntGauge, Registry};

use super::metrics::{opts, register};

/// The metrics of reloads of the configuration.
#[derive(Debug)]
pub struct ReloadMetrics {
    reloads: IntCounterVec,
    last_successful: IntGauge,
    last_success: IntGauge,
    hash: IntGauge,
}

impl ReloadMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let reloads = IntCounterVec::new(opts("config_reloads_total", RELOADS), &["outcome"])?;
        for outcome in ["success", "failure"] {
            reloads.with_label_values(&[outcome]);
        }
        let gauge = |name, help| register(registry, IntGauge::with_opts(opts(name, help))?);
        Ok(Self {
            reloads: register(registry, reloads)?,
            last_successful: gauge("config_last_reload_successful", LAST_SUCCESSFUL)?,
            last_success: gauge("config_last_reload_success_timestamp_seconds", LAST_SUCCESS)?,
            hash: gauge("config_hash", HASH)?,
        })
    }

    /// A configuration serves since `unix_seconds`; `text` is the SHA-256 of its file.
    pub fn serves(&self, unix_seconds: u64, text: &[u8]) {
        self.last_successful.set(1);
        self.last_success.set(i64::try_from(unix_seconds).unwrap_or(i64::MAX));
        // As many bits as a sample can hold exactly.
        self.hash.set(text.iter().take(6).fold(0, |hash, byte| hash << 8 | i64::from(*byte)));
    }

    /// The configuration was replaced.
    pub fn succeeded(&self) {
        self.reloads.with_label_values(&["success"]).inc();
    }

    /// The configuration could not be replaced.
    pub fn failed(&self) {
        self.reloads.with_label_values(&["failure"]).inc();
        self.last_successful.set(0);
    }
}

const RELOADS: &str = "Attempts to replace the configuration, by outcome.";
const LAST_SUCCESSFUL: &str =
    "Whether the last attempt to replace the configuration succeeded; 1 before the first one.";
const LAST_SUCCESS: &str = "Since when the configuration serves, in seconds since 1970.";
const HASH: &str = "The first 48 bits of the SHA-256 of the configuration's file, as a number.";
