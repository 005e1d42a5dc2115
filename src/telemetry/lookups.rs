//! How often the caches had what was asked of them.

use prometheus::{IntCounter, IntCounterVec, Registry};

use super::metrics::{opts, register};

/// One counter for each outcome, looked up once: requests only count.
#[derive(Debug)]
pub(super) struct Lookups {
    pub(super) token_hit: IntCounter,
    pub(super) token_miss: IntCounter,
    pub(super) token_joined: IntCounter,
    pub(super) caller_hit: IntCounter,
    pub(super) caller_miss: IntCounter,
    pub(super) refusal_hit: IntCounter,
}

impl Lookups {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let all = IntCounterVec::new(opts("cache_lookups_total", LOOKUPS), &["cache", "result"])?;
        let all = register(registry, all)?;
        Ok(Self {
            token_hit: all.with_label_values(&["token", "hit"]),
            token_miss: all.with_label_values(&["token", "miss"]),
            token_joined: all.with_label_values(&["token", "joined"]),
            caller_hit: all.with_label_values(&["caller", "hit"]),
            caller_miss: all.with_label_values(&["caller", "miss"]),
            refusal_hit: all.with_label_values(&["refusal", "hit"]),
        })
    }
}

const LOOKUPS: &str =
    "Look-ups in the caches of tokens B (token), verified tokens A (caller) and refused exchanges (refusal).";
