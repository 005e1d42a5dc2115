//! What operators see: log lines and metrics. Nothing here ever holds a token.

mod connections;
mod foreign;
mod heard;
mod json;
mod lines;
mod log;
mod lookups;
mod metrics;
mod queue;
mod reloads;
mod route_metrics;
mod series;
mod target_metrics;

pub use connections::{ConnectionMetrics, ListenerMetrics};
pub use heard::LogControl;
pub use log::{DroppedLines, LogError, LogFormat, LogGuard, LogLevel, LogSettings, install, install_to};
pub use metrics::{ExchangeOutcome, Metrics};
pub use reloads::ReloadMetrics;
pub use route_metrics::RouteMetrics;
pub use target_metrics::{AddressHealth, TargetMetrics};
