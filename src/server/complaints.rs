//! What is wrong with callers' connections, counted each time and logged now and then: a flood of bad connections must
//! not become one of log lines.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::telemetry::ListenerMetrics;

/// Why a connection is not served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There are as many as there may be.
    Connections,
    /// There are as many of its address.
    ConnectionsOfAddress,
    /// The PROXY protocol is spoken here, and not by this address.
    ProxySource,
    /// No PROXY header, or none in time.
    ProxyHeader,
    /// TLS did not come about.
    Tls,
    /// TLS did not come about in time.
    TlsTimeout,
    /// The system has no more to give: files, memory.
    System,
}

/// The complaints of one listener.
#[derive(Debug)]
pub(super) struct Complaints {
    metrics: Arc<ListenerMetrics>,
    lines: Mutex<[Line; KINDS]>,
}

/// When a line about a kind of refusal was written last, and how many were not since.
#[derive(Debug, Clone, Copy, Default)]
struct Line {
    written: Option<Instant>,
    unwritten: u64,
}

impl Complaints {
    pub(super) fn new(metrics: Arc<ListenerMetrics>) -> Self {
        Self { metrics, lines: Mutex::default() }
    }

    /// A connection is refused. `detail` says more than the reason does, and is only asked for where it is logged.
    pub(super) fn refused(&self, refusal: Refusal, address: Option<IpAddr>, detail: impl FnOnce() -> String) {
        self.metrics.refused(refusal.label());
        let Some(others) = self.turn(refusal) else { return };
        let (listener, reason) = (self.metrics.listener(), refusal.label());
        let (remote, detail) = (address.map(|address| address.to_string()), detail());
        tracing::warn!(listener, reason, remote, detail, others, "connections refused");
    }

    /// Whether a line may be written: then how many were not since the last one.
    fn turn(&self, refusal: Refusal) -> Option<u64> {
        let mut lines = self.lines.lock();
        let line = lines.get_mut(refusal as usize)?;
        if line.written.is_some_and(|written| written.elapsed() < LINE_INTERVAL) {
            line.unwritten += 1;
            return None;
        }
        line.written = Some(Instant::now());
        Some(std::mem::take(&mut line.unwritten))
    }
}

impl Refusal {
    fn label(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsOfAddress => "connections_per_address",
            Self::ProxySource => "proxy_protocol_source",
            Self::ProxyHeader => "proxy_protocol_header",
            Self::Tls => "tls",
            Self::TlsTimeout => "tls_timeout",
            Self::System => "system",
        }
    }
}

const KINDS: usize = Refusal::System as usize + 1;
/// How often a line is written about each kind of refusal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::Metrics;

    #[tokio::test(start_paused = true)]
    async fn every_kind_has_a_line_now_and_then() {
        let metrics = Metrics::new().unwrap();
        let complaints = Complaints::new(Arc::new(metrics.connections().of("a")));
        assert_eq!(complaints.turn(Refusal::Tls), Some(0));
        assert_eq!((complaints.turn(Refusal::Tls), complaints.turn(Refusal::Tls)), (None, None));
        assert_eq!(complaints.turn(Refusal::System), Some(0));
        tokio::time::advance(LINE_INTERVAL).await;
        assert_eq!(complaints.turn(Refusal::Tls), Some(2));
    }
}
