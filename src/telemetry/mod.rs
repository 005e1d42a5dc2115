//! What operators see: log lines and metrics. Nothing here ever holds a token.

mod batches;
mod connections;
mod foreign;
mod heard;
mod log;
mod metrics;
mod reloads;
mod series;
mod target_metrics;

pub use connections::{ConnectionMetrics, ListenerMetrics};
pub use heard::LogControl;
pub use log::{DroppedLines, LogFormat, LogGuard, LogLevel, LogSettings, install, install_to};
pub use metrics::{ExchangeOutcome, Metrics};
pub use reloads::ReloadMetrics;
pub use target_metrics::{AddressHealth, TargetMetrics};
