//! The metrics of routes. Each route looks up once what nearly all of its requests count.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec};

/// The metrics of one route.
pub struct RouteMetrics {
    name: Arc<str>,
    requests: IntCounterVec,
    seconds: HistogramVec,
    /// Made by the first request, so that a route that nobody has asked for is not shown.
    duration: OnceLock<Histogram>,
    succeeded: OnceLock<IntCounter>,
}

impl RouteMetrics {
    pub(super) fn new(name: &Arc<str>, requests: &IntCounterVec, seconds: &HistogramVec) -> Self {
        Self {
            name: Arc::clone(name),
            requests: requests.clone(),
            seconds: seconds.clone(),
            duration: OnceLock::new(),
            succeeded: OnceLock::new(),
        }
    }

    /// A request was answered: `status` and `code` as the caller saw them, `code` empty for a relayed answer.
    pub fn request(&self, status: &str, code: &str, took: Duration) {
        let counter = || self.requests.with_label_values(&[&*self.name, status, code]);
        if status == "200" && code.is_empty() {
            self.succeeded.get_or_init(counter).inc();
        } else {
            counter().inc();
        }
        let duration = self.duration.get_or_init(|| self.seconds.with_label_values(&[&*self.name]));
        duration.observe(took.as_secs_f64());
    }
}

impl fmt::Debug for RouteMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteMetrics").field("name", &self.name).finish_non_exhaustive()
    }
}
